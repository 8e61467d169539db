// SPDX-License-Identifier: MIT
// limn data examples: shows the training examples that a mixture of tasks makes from a pack.
#include <stdio.h>
#include <stdlib.h>

#include "app/base/config.h"
#include "app/cli/commands.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/train/tasks.h"

struct examples_options {
    int count, seed;
    bool json;
};

static struct jv *
caption_of(const struct pack *p, int record)
{
    char text[EXAMPLE_TEXT_MAX];
    return jv_from_string(pack_caption(p, record, text, sizeof text));
}

// Which picture of the pack: its number, what it is of, and whether it is kept from training.
static void
describe_record(const struct pack *p, int record, struct jv *into)
{
    int style = pack_style(p, record);
    jv_set(into, "record", jv_from_integer(record));
    jv_set(into, "caption", caption_of(p, record));
    jv_set(into, "style", style < 0 ? jv_null_value() : jv_from_string(pack_style_name(p, style)));
    jv_set(into, "split", jv_from_string(pack_split_names[pack_split(p, record)]));
}

static void
print_json(const struct pack *p, const struct tasks *t, const struct example *e)
{
    struct jv *o = jv_object(), *references = jv_array();
    jv_set(o, "task", jv_from_string(tasks_name(t, e->task)));
    jv_set(o, "text", jv_from_string(e->text));
    describe_record(p, e->record, o);
    for (int i = 0; i < e->ref_count; i++) {
        struct jv *r = jv_object();
        jv_set(r, "text", jv_from_string(e->refs[i].text));
        describe_record(p, e->refs[i].record, r);
        jv_append(references, r);
    }
    jv_set(o, "references", references);
    char *line = jv_text(o, 0);
    puts(line);
    free(line);
    jv_free(o);
}

static void
print_words(const struct pack *p, const struct tasks *t, const struct example *e)
{
    char text[EXAMPLE_TEXT_MAX];
    int style = pack_style(p, e->record);
    printf("%s: %s\n", tasks_name(t, e->task), *e->text ? e->text : "(nothing)");
    for (int i = 0; i < e->ref_count; i++)
        printf("    %s (picture %d)\n", e->refs[i].text, e->refs[i].record);
    printf("    -> %s, %s (picture %d)\n", pack_caption(p, e->record, text, sizeof text),
           style < 0 ? "no style" : pack_style_name(p, style), e->record);
}

// How many references the next example has, by their shares in the mixture.
static int
draw_count(const struct tasks *t, struct rng *rng)
{
    double u = rng_uniform(rng);
    int last = 0;
    for (int k = 0; k <= EXAMPLE_REFERENCE_MAX; k++) {
        double share = tasks_share(t, k);
        last = share > 0 ? k : last;
        if (share > 0 && u < share)
            return k;
        u -= share;
    }
    return last;
}

static bool
print_examples(const struct pack *p, const struct tasks *t, const struct examples_options *o,
               struct err *err)
{
    struct example *e = mem_zalloc(sizeof *e);
    struct rng rng;
    bool ok = true;
    rng_init(&rng, (uint64_t)o->seed, RNG_STREAM_TIMESTEP);
    for (int i = 0; ok && i < o->count; i++) {
        ok = tasks_draw(t, (uint64_t)o->seed, (uint64_t)i, draw_count(t, &rng), e, err);
        if (ok)
            (o->json ? print_json : print_words)(p, t, e);
    }
    free(e);
    return ok;
}

static int
run_examples(const struct command_line *line)
{
    struct err err = {0};
    struct pack *p = pack_open(line->words[0], &err);
    struct jv *described = p ? config_read(line->words[1], &err) : NULL;
    struct tasks *t = described ? tasks_create(p, described, false, &err) : NULL;
    bool ok = t && print_examples(p, t, line->values, &err);
    tasks_destroy(t);
    jv_free(described);
    pack_close(p);
    return ok ? 0 : command_failed(&err);
}

static const struct option options[] = {
    {OPTION_WHOLE("count", "N", 1, 10000000, struct examples_options, count, "how many"),
     .fallback = "10"},
    {OPTION_WHOLE("seed", "N", 0, 1000000000, struct examples_options, seed, "which ones"),
     .fallback = "1"},
    {OPTION_SWITCH("json", struct examples_options, json, "as JSON, one line per example")},
    {0},
};

static const struct argument words[] = {
    {"PACK", "a file that limn data pack made", COMPLETE_FILE},
    {"TASKS", "a mixture of tasks: app/recipes/tasks.yaml", COMPLETE_FILE},
    {0},
};

const struct command command_data_examples = {
    .name = "examples",
    .summary = "show examples that a mixture of tasks makes from a pack",
    .options = options,
    .arguments = words,
    .size = sizeof(struct examples_options),
    .run = run_examples,
    .computes = true,
    .away = "pack and tasks are that machine's",
};
