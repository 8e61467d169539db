// SPDX-License-Identifier: MIT
#include "engine/draw/stage.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nets/t5.h"

// One picture needs at most: two lengths of text, one reference plan, steps with and without
// context, and the second stage.
enum { STAGES_MAX = 8 };

static const struct unet_config *
unet_of(const struct stages *s, const char *part)
{
    return parts_config(&s->folder->parts, part, &net_unet);
}

static const char *
prefix_of(const struct stages *s, const char *part)
{
    return parts_find(&s->folder->parts, part)->prefix;
}

static void
build_text(struct stages *s, struct stage *t)
{
    t->nn.part = prefix_of(s, s->folder->family->text);
    t->ids = graph_input(t->g, "ids", SHAPE(1, t->key.tokens), DTYPE_I32);
    const struct unet_config *c = unet_of(s, s->folder->family->denoiser);
    struct node *mask = t5_padding_mask(&t->nn, t->ids);
    t->text = t5_build(&t->nn, parts_config(&s->folder->parts, s->folder->family->text, &net_t5),
                       t->ids, mask);
    graph_output(t->g, t->text);
    if (!c->thumbnail_size)
        return;
    t->nn.part = prefix_of(s, s->folder->family->denoiser);
    t->thumbnail = unet_thumbnail(&t->nn, c, t->text, mask);
    graph_output(t->g, t->thumbnail);
}

static void
build_references(struct stages *s, struct stage *t)
{
    const struct unet_config *c = unet_of(s, s->folder->family->denoiser);
    int64_t side = c->sample_size, r = t->key.references;
    t->nn.part = prefix_of(s, s->folder->family->denoiser);
    t->image = graph_input(t->g, "image", SHAPE(r, side, side, 3), DTYPE_F32);
    t->text = graph_input(t->g, "text", SHAPE(r, t->key.tokens, unet_config_text_width(c)), DTYPE_F32);
    struct unet_references in = {
        .batch = 1, .references = (int)r, .image = t->image, .text = t->text};
    unet_encode_references(&t->nn, c, &in, &t->context);
    unet_context_outputs(&t->nn, c, &t->context);
}

static void
build_step(struct stages *s, struct stage *t)
{
    const struct unet_config *c = unet_of(s, t->key.part);
    int64_t n = t->key.batch, side = c->sample_size;
    t->nn.part = prefix_of(s, t->key.part);
    t->sample = graph_input(t->g, "sample", SHAPE(n, side, side, c->in_channels), DTYPE_F32);
    t->timestep = graph_input(t->g, "timestep", SHAPE(n), DTYPE_F32);
    t->text = graph_input(t->g, "text", SHAPE(n, t->key.tokens, unet_config_text_width(c)), DTYPE_F32);
    if (c->class_timestep)
        t->labels = graph_input(t->g, "class_labels", SHAPE(n), DTYPE_F32);
    if (c->thumbnail_size)
        t->thumbnail = graph_input(
            t->g, "thumbnail", SHAPE(n, c->thumbnail_size, c->thumbnail_size, 3), DTYPE_F32);
    struct unet_inputs in = {.sample = t->sample, .timestep = t->timestep, .text = t->text,
                             .class_labels = t->labels, .thumbnail = t->thumbnail};
    if (unet_config_has_context(c)) {
        // Without references the null token's values are a few small products: not worth a plan.
        if (t->key.references)
            unet_context_inputs(&t->nn, c, t->key.references, &t->context);
        else
            unet_encode_references(&t->nn, c, &(struct unet_references){.batch = 1}, &t->context);
        in.context = &t->context;
    }
    t->out = unet_build(&t->nn, c, &in);
    graph_output(t->g, t->out);
}

static void
stage_destroy(struct stage *t)
{
    plan_destroy(t->plan);
    nn_finish(&t->nn);
    graph_destroy(t->g);
    free(t);
}

static struct stage *
stage_create(struct stages *s, const struct stage_key *key, struct err *err)
{
    struct stage *t = mem_zalloc(sizeof *t);
    t->key = *key;
    t->g = graph_create();
    t->nn = (struct nn){.g = t->g, .params = s->params, .dtype = s->dtype};
    switch (key->kind) {
    case STAGE_TEXT:
        build_text(s, t);
        break;
    case STAGE_REFERENCES:
        build_references(s, t);
        break;
    case STAGE_STEP:
        build_step(s, t);
        break;
    case STAGE_NONE:
    case STAGE_KIND_COUNT:
        unreachable_here();
    }
    struct plan_params p = {
        .device = s->device, .slots[SLOT_PARAMS] = s->block, .constant_params = true};
    t->plan = plan_create(t->g, &p, err);
    if (t->plan && nn_constants_write(&t->nn, t->plan, err))
        return t;
    stage_destroy(t);
    return NULL;
}

static bool
same_name(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool
same(const struct stage_key *a, const struct stage_key *b)
{
    return a->kind == b->kind && same_name(a->part, b->part) && a->batch == b->batch &&
           a->references == b->references && a->tokens == b->tokens;
}

static void
drop_oldest(struct stages *s)
{
    int oldest = 0;
    for (int i = 1; i < s->count; i++)
        if (s->list[i]->used < s->list[oldest]->used)
            oldest = i;
    stage_destroy(s->list[oldest]);
    s->list[oldest] = s->list[--s->count];
}

struct stage *
stages_get(struct stages *s, const struct stage_key *key, struct err *err)
{
    s->clock++;
    for (int i = 0; i < s->count; i++)
        if (same(&s->list[i]->key, key)) {
            s->list[i]->used = s->clock;
            return s->list[i];
        }
    if (s->count == STAGES_MAX)
        drop_oldest(s);
    struct stage *t = stage_create(s, key, err);
    if (t) {
        t->used = s->clock;
        ARRAY_PUSH(s->list, s->count, s->capacity, t);
    }
    return t;
}

void
stages_finish(struct stages *s)
{
    for (int i = 0; i < s->count; i++)
        stage_destroy(s->list[i]);
    free(s->list);
    s->list = NULL;
    s->count = s->capacity = 0;
}

size_t
stages_memory(const struct stages *s)
{
    size_t sum = 0;
    for (int i = 0; i < s->count; i++) {
        struct plan_stats stats;
        plan_stats(s->list[i]->plan, &stats);
        sum += stats.arena + stats.scratch + stats.packed;
    }
    return sum;
}
