// SPDX-License-Identifier: MIT
// The description of a mixture of tasks, over a good pack of four subjects in three styles.
#include <stdlib.h>
#include <string.h>

#include "app/base/config.h"
#include "engine/train/tasks.h"
#include "tests/data/tiny_pack.h"
#include "tests/fuzz/fuzz.h"

static struct pack *pack;

void
fuzz_begin(void)
{
    static struct tiny_pack tiny;
    struct err err = {0};
    tiny_fill(&tiny);
    if (!tiny_write(&tiny, fuzz_path("tiny.pack")) ||
        !(pack = pack_open(fuzz_path("tiny.pack"), &err)))
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct example e;
    struct err err = {0};
    struct jv *json = config_read(fuzz_file("tasks.yaml", data, size), &err);
    struct tasks *t = json ? tasks_create(pack, json, false, &err) : NULL;
    fuzz_said(t, &err);
    for (int i = 0; t && i < tasks_count(t); i++)
        fuzz_use_text(tasks_name(t, i));
    for (int r = 0; t && r <= EXAMPLE_REFERENCE_MAX; r++)
        for (uint64_t i = 0; i < 8 && tasks_share(t, r) > 0; i++)
            if (tasks_draw(t, 1, i, r, &e, NULL))
                fuzz_use_text(e.text);
    tasks_destroy(t);
    jv_free(json);
    return 0;
}
