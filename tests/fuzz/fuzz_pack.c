// SPDX-License-Identifier: MIT
// A pack, all of its records, and examples drawn from it by the tasks of the shipped recipe.
#include <stdlib.h>

#include "app/base/config.h"
#include "engine/base/mem.h"
#include "engine/train/pack.h"
#include "engine/train/tasks.h"
#include "tests/fuzz/fuzz.h"

enum { RECORDS = 64, EXAMPLES = 4 };

static struct jv *description;

void
fuzz_begin(void)
{
    struct err err = {0};
    description = config_read(LIMN_SOURCE "/app/recipes/tasks.yaml", &err);
    if (!description)
        abort();
}

static void
use_records(const struct pack *p)
{
    size_t bytes = 3 * (size_t)pack_size(p) * (size_t)pack_size(p);
    char text[48];
    for (int i = 0; i < pack_count(p) && i < RECORDS; i++) {
        static const char *const roles[] = {"edge", "mask", "sketch", "subject"};
        fuzz_use(pack_image(p, i), bytes);
        for (size_t r = 0; r < COUNT_OF(roles); r++)
            if (pack_role(p, roles[r], i))
                fuzz_use(pack_role(p, roles[r], i), bytes);
        fuzz_use_text(pack_caption(p, i, text, sizeof text));
        fuzz_use_text(pack_keywords(p, i, text, sizeof text));
        fuzz_use_text(pack_style_name(p, pack_style(p, i)));
        fuzz_use_text(pack_split_names[pack_split(p, i)]);
        if (pack_subject(p, i) >= pack_subject_count(p))
            abort();
    }
    const char *value;
    for (size_t i = 0; pack_metadata_at(p, i, &value); i++)
        fuzz_use_text(value);
}

static void
use_example(const struct pack *p, const struct example *e)
{
    size_t bytes = 3 * (size_t)pack_size(p) * (size_t)pack_size(p);
    fuzz_use_text(e->text);
    fuzz_use(e->target, bytes);
    for (int i = 0; i < e->ref_count; i++) {
        fuzz_use_text(e->refs[i].text);
        fuzz_use(e->refs[i].image, bytes);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct example e;
    struct err err = {0};
    struct pack *p = pack_open(fuzz_file("a.pack", data, size), &err);
    fuzz_said(p, &err);
    if (!p)
        return 0;
    use_records(p);
    struct tasks *t = tasks_create(p, description, false, &err);
    fuzz_said(t, &err);
    for (int r = 0; t && r <= EXAMPLE_REFERENCE_MAX; r++) {
        for (uint64_t i = 0; i < EXAMPLES; i++)
            if (tasks_share(t, r) > 0 && tasks_draw(t, 1, i, r, &e, NULL))
                use_example(p, &e);
        for (int i = 0; i < tasks_heldout_count(t, r) && i < EXAMPLES; i++)
            if (tasks_heldout(t, r, i, &e, NULL))
                use_example(p, &e);
    }
    tasks_destroy(t);
    pack_close(p);
    return 0;
}
