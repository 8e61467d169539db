// SPDX-License-Identifier: MIT
// A template, the job that is made of it, and its own sweeps. A picture and a list of words lie
// beside it.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/job/sweep.h"
#include "engine/base/mem.h"
#include "tests/fuzz/fuzz.h"

enum { CELLS = 3 };

void
fuzz_begin(void)
{
    mkdir(fuzz_path("samples"), 0700);
    fuzz_file("samples/fox-noto.png", "x", 1);
    fuzz_file("p.png", "x", 1);
    fuzz_file("words.txt", "fox\n# no\nsnail\n", 15);
}

// What is sent to a worker is read there as it was.
static void
send(const struct job *j)
{
    struct err err = {0};
    struct job there = {0};
    struct jv *json = job_json(j, true);
    bool ok = job_parse(&there, json, "job", &err);
    fuzz_said(ok ? "" : NULL, &err);
    job_finish(&there);
    jv_free(json);
}

static void
use_sweeps(struct template *t, const struct job *base)
{
    const char *fixed[1] = {NULL};
    struct err err = {0};
    struct sweep *s = mem_zalloc(sizeof *s);
    bool ok = sweep_add_own(s, t, fixed, &err);
    fuzz_said(ok ? "" : NULL, &err);
    for (int i = 0; ok && i < sweep_cells(s) && i < CELLS; i++) {
        struct job j = {0};
        char *label = NULL;
        struct err cell = {0};
        bool made = sweep_job(s, t, base, i, &j, &label, &cell);
        fuzz_said(made ? "" : NULL, &cell);
        job_finish(&j);
        free(label);
    }
    if (ok && sweep_cells(s))
        jv_free(sweep_json(s, t, base));
    sweep_finish(s);
    free(s);
}

static void
use(struct template *t)
{
    struct job j = {0};
    struct err err = {0};
    for (int i = 0; i < t->variable_count; i++)
        if (t->variables[i].type == VARIABLE_TEXT || t->variables[i].type == VARIABLE_IMAGE)
            template_set(t, t->variables[i].name, "p.png", NULL);
    bool ok = template_job(t, &j, &err);
    fuzz_said(ok ? "" : NULL, &err);
    if (ok) {
        send(&j);
        use_sweeps(t, &j);
    }
    job_finish(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct template *t = mem_zalloc(sizeof *t);
    bool ok = template_read(t, fuzz_file("t.yaml", data, size), &err);
    fuzz_said(ok ? "" : NULL, &err);
    if (ok)
        use(t);
    template_finish(t);
    free(t);
    return 0;
}
