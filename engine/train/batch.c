// SPDX-License-Identifier: MIT
#include "engine/train/batch.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/diffusion/cascade.h"

bool
batch_init(struct batch *b, struct err *err)
{
    const struct recipe *r = b->recipe;
    bool enlarges = r->stage == TRAIN_ENLARGER;
    size_t side = (size_t)(enlarges ? r->crop : b->side);
    size_t n = (size_t)r->micro_batch, pixels = side * side * (size_t)b->channels;
    size_t refs = enlarges ? 1 : n * EXAMPLE_REFERENCE_MAX;
    const struct {
        void **at;
        size_t count, each, size;
    } rows[] = {
        {(void **)&b->sample, n, pixels, sizeof(float)},
        {(void **)&b->target, n, pixels, sizeof(float)},
        {(void **)&b->noise, n, pixels, sizeof(float)},
        {(void **)&b->image, refs, side * side * 3, sizeof(float)},
        {(void **)&b->low, enlarges ? n : 1, pixels, sizeof(float)},
        {(void **)&b->noise_level, n, 1, sizeof(float)},
        {(void **)&b->weight, n, 1, sizeof(float)},
        {(void **)&b->timestep, n, 1, sizeof(float)},
        {(void **)&b->thumbnail_mask, n, 1, sizeof(float)},
        {(void **)&b->each, n, 1, sizeof(float)},
        {(void **)&b->task, n, 1, sizeof(int)},
        {(void **)&b->text, n, (size_t)r->text_tokens, sizeof(int32_t)},
        {(void **)&b->reference_text, refs, (size_t)r->reference_tokens, sizeof(int32_t)},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (!(*rows[i].at = mem_try_calloc(rows[i].count, rows[i].each * rows[i].size,
                                           "a micro-batch", err)))
            return false;
    return true;
}

void
batch_finish(struct batch *b)
{
    void *const owned[] = {b->sample,     b->target,         b->noise,          b->weight,
                           b->timestep,   b->each,           b->task,           b->text,
                           b->image,      b->reference_text, b->thumbnail_mask, b->low,
                           b->noise_level};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

static void
to_signed(const uint8_t *bytes, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)bytes[i] / 127.5f - 1.0f;
}

// The picture of an example, with alpha interleaved if it is drawn. *own: to be freed; NULL: the
// result points into the pack. NULL on ERR_MEMORY.
static const uint8_t *
picture_of(const struct batch *b, const struct example *e, uint8_t **own, struct err *err)
{
    size_t pixels = (size_t)b->side * (size_t)b->side;
    *own = NULL;
    if (b->channels == 3)
        return e->target;
    uint8_t *p = *own = mem_try_calloc(pixels, 4, "a picture", err);
    for (size_t i = 0; p && i < pixels; i++) {
        memcpy(p + 4 * i, e->target + 3 * i, 3);
        p[4 * i + 3] = e->alpha[i];
    }
    return p;
}

static bool
encode(const struct batch *b, const char *text, int32_t *ids, int max, struct err *err)
{
    return tokenizer_encode(b->tokenizer, text, ids, max, err) >= 0;
}

void
batch_shrink(const uint8_t *bytes, int from, int channels, float *out, int to)
{
    int block = from / to;
    for (int y = 0; y < to; y++)
        for (int x = 0; x < to; x++)
            for (int c = 0; c < channels; c++) {
                int sum = 0;
                for (int i = 0; i < block * block; i++) {
                    int at = (y * block + i / block) * from + x * block + i % block;
                    sum += bytes[channels * at + c];
                }
                out[channels * (y * to + x) + c] = (float)(sum / (127.5 * block * block) - 1);
            }
}

// An example of the stage `words`: its text and its picture, shrunk.
static bool
fill_words(struct batch *b, const struct example *e, int i, struct err *err)
{
    const struct recipe *r = b->recipe;
    int side = b->words_side;
    batch_shrink(e->target, b->side, 3, b->target + (size_t)i * side * side * 3, side);
    b->weight[i] = 1.0f / (float)r->accumulate;
    b->task[i] = e->task;
    return encode(b, e->text, b->text + i * r->text_tokens, r->text_tokens, err);
}

// A square crop, w->side a side, of a picture (from,from,channels), in [-1,1].
static void
cut(const uint8_t *bytes, int from, int channels, const struct cascade_window *w, float *out)
{
    size_t line = (size_t)(w->side * channels);
    for (int y = 0; y < w->side; y++)
        to_signed(bytes + (size_t)(((w->top + y) * from + w->left) * channels),
                  out + (size_t)y * line, line);
}

// An example of the stage `enlarger`: a crop of its picture, and the same crop of the picture
// shrunk and enlarged again, noised to some share of the schedule.
static bool
fill_enlarger(struct batch *b, const struct example *e, int i, int at, uint64_t noise_at,
              struct err *err)
{
    const struct recipe *r = b->recipe;
    const struct schedule *schedule = b->objective->schedule;
    size_t pixels = (size_t)(r->crop * r->crop * b->channels), first = (size_t)i * pixels;
    size_t low_pixels = (size_t)(b->low_side * b->low_side * b->channels);
    float *x0 = b->target + first, *noise = b->noise + first, *low = b->low + first;
    uint8_t *own;
    const uint8_t *picture = picture_of(b, e, &own, err);
    float *small = picture ? mem_try_calloc(low_pixels, sizeof *small, "a small picture", err)
                           : NULL;
    if (!small) {
        free(own);
        return false;
    }
    struct rng rng;
    rng_init(&rng, r->seed, RNG_STREAM_TRAIN_NOISE + 16 * (noise_at + 1));
    uint64_t places = (uint64_t)(b->side - r->crop + 1);
    struct cascade_window w = {(int)rng_below(&rng, places), (int)rng_below(&rng, places), r->crop};
    double level = rng_uniform(&rng) * r->low_noise * schedule_train_steps(schedule);
    batch_shrink(picture, b->side, b->channels, small, b->low_side);
    cascade_enlarge(small, b->low_side, b->side, b->channels, w, low);
    cut(picture, b->side, b->channels, &w, x0);
    free(small);
    free(own);
    rng_fill_normal(r->seed, RNG_STREAM_TRAIN_NOISE, 2 * noise_at * pixels, noise, pixels);
    schedule_add_noise(schedule_point(schedule, (int)level), low, noise, low, pixels);
    b->noise_level[i] = (float)(int)level;
    rng_fill_normal(r->seed, RNG_STREAM_TRAIN_NOISE, (2 * noise_at + 1) * pixels, noise, pixels);
    b->timestep[i] = (float)objective_apply(b->objective, at, x0, noise, b->sample + first, pixels);
    b->weight[i] = (float)(objective_weight(b->objective, at) / r->accumulate);
    b->task[i] = e->task;
    return true;
}

bool
batch_fill(struct batch *b, const struct example *e, int i, int references, int at,
           uint64_t noise_at, struct err *err)
{
    const struct recipe *r = b->recipe;
    if (r->stage == TRAIN_WORDS)
        return fill_words(b, e, i, err);
    if (r->stage == TRAIN_ENLARGER)
        return fill_enlarger(b, e, i, at, noise_at, err);
    size_t shown = (size_t)b->side * (size_t)b->side * 3; // of a reference
    size_t pixels = (size_t)b->side * (size_t)b->side * (size_t)b->channels;
    float *x0 = b->target + (size_t)i * pixels, *noise = b->noise + (size_t)i * pixels;
    uint8_t *own;
    const uint8_t *picture = picture_of(b, e, &own, err);
    if (!picture)
        return false;
    to_signed(picture, x0, pixels);
    free(own);
    rng_fill_normal(r->seed, RNG_STREAM_TRAIN_NOISE, noise_at * pixels, noise, pixels);
    float *sample = b->sample + (size_t)i * pixels;
    b->timestep[i] = (float)objective_apply(b->objective, at, x0, noise, sample, pixels);
    b->weight[i] = (float)(objective_weight(b->objective, at) / r->accumulate);
    b->task[i] = e->task;
    if (!encode(b, e->text, b->text + i * r->text_tokens, r->text_tokens, err))
        return false;
    for (int k = 0; k < references; k++) {
        size_t slot = (size_t)(i * references + k);
        to_signed(e->refs[k].image, b->image + slot * shown, shown);
        if (!encode(b, e->refs[k].text, b->reference_text + slot * (size_t)r->reference_tokens,
                    r->reference_tokens, err))
            return false;
    }
    return true;
}

// The inputs of the family's graph, by name.
static bool
write_inputs(const struct batch *b, const struct network *n, struct plan *p, struct err *err)
{
    const struct {
        const char *name;
        const void *data;
    } rows[] = {{"sample", b->sample}, {"timestep", b->timestep},
                {"text", b->text},     {"heard", b->thumbnail_mask},
                {"image", b->image},   {"reference.text", b->reference_text},
                {"low", b->low},       {"noise_level", b->noise_level}};
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(rows); i++) {
        struct node *input = ports_find_input(&n->ports, rows[i].name);
        ok = !input || plan_write(p, input, rows[i].data, err);
    }
    return ok;
}

bool
batch_run(struct batch *b, const struct network *n, struct plan *p, double *loss, struct err *err)
{
    float value;
    bool ok = plan_write(p, n->target, b->target, err) &&
              plan_write(p, n->weight, b->weight, err) && write_inputs(b, n, p, err) &&
              plan_run(p, err) && plan_read(p, n->loss, &value, err) &&
              plan_read(p, n->each, b->each, err);
    if (ok)
        *loss = value;
    return ok;
}
