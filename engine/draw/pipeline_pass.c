// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_pass.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/base/rng.h"
#include "engine/draw/resize.h"

// One way to ask the model: a plan and which text it holds.
struct asked {
    struct stage *stage;
    const float *text; // now in the plan
};

struct passing {
    const struct pass *p;
    struct asked with, without; // references
    float *branch[GUIDANCE_BRANCH_COUNT]; // (N,S,S,out_channels)
    float *stacked;                       // (N,S,S,6): the picture beside its low resolution
    size_t pixels;                        // N*S*S
};

static bool
uses_context(enum guidance_branch b)
{
    return b == GUIDANCE_FULL || b == GUIDANCE_NO_TEXT;
}

// The same values for each picture of the batch; *count is how many one of them takes.
static bool
write_each(const struct pass *p, struct stage *s, struct node *input, const float *values,
           size_t *count, struct err *err)
{
    size_t n = *count = (size_t)shape_count(&input->shape) / (size_t)p->batch;
    float *all = mem_alloc(n * (size_t)p->batch * sizeof *all);
    for (int i = 0; i < p->batch; i++)
        memcpy(all + (size_t)i * n, values, n * sizeof *all);
    bool ok = plan_write_f32(s->plan, input, all, err);
    free(all);
    return ok;
}

static bool
write_text(const struct pass *p, struct asked *a, const float *text, struct err *err)
{
    struct stage *s = a->stage;
    size_t n;
    if (a->text == text)
        return true;
    bool ok = write_each(p, s, s->text, text, &n, err);
    bool nothing = s->key.references && !p->config->thumbnail_with_references;
    if (ok && s->thumbnail)
        ok = write_each(p, s, s->thumbnail, (nothing ? p->no_text : text) + n, &n, err);
    a->text = ok ? text : NULL;
    return ok;
}

static bool
write_same(const struct pass *p, struct stage *s, struct node *input, double value, struct err *err)
{
    float *all = mem_alloc((size_t)p->batch * sizeof *all);
    for (int i = 0; i < p->batch; i++)
        all[i] = (float)value;
    bool ok = plan_write_f32(s->plan, input, all, err);
    free(all);
    return ok;
}

static bool
ask(struct passing *w, enum guidance_branch b, const float *x, double t, struct err *err)
{
    const struct pass *p = w->p;
    struct asked *a = uses_context(b) && w->with.stage ? &w->with : &w->without;
    bool has_text = b == GUIDANCE_FULL || b == GUIDANCE_NO_CONTEXT;
    struct stage *s = a->stage;
    return write_text(p, a, has_text ? p->text : p->no_text, err) &&
           plan_write_f32(s->plan, s->sample, x, err) &&
           write_same(p, s, s->timestep, t, err) && plan_run(s->plan, err) &&
           plan_read_f32(s->plan, s->out, w->branch[b], err);
}

static bool
denoise(void *ctx, const float *x, double t, int step, float *out, struct err *err)
{
    struct passing *w = ctx;
    const struct pass *p = w->p;
    struct guidance_plan plan = guidance_plan(&p->guidance, step);
    for (size_t i = 0; p->low && i < w->pixels; i++) {
        memcpy(w->stacked + 6 * i, x + 3 * i, 3 * sizeof *x);
        memcpy(w->stacked + 6 * i + 3, p->low + 3 * i, 3 * sizeof *x);
    }
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++) {
        if (p->cancel && atomic_load(p->cancel))
            return err_set(err, ERR_CANCELLED, "stopped");
        if (plan.mask & 1u << b &&
            !ask(w, (enum guidance_branch)b, p->low ? w->stacked : x, t, err))
            return false;
    }
    guidance_combine(&plan, (const float *const *)w->branch, w->pixels, 3, p->config->out_channels,
                     out);
    return true;
}

static bool
open_stage(const struct pass *p, int references, struct asked *a, struct err *err)
{
    struct stage_key key = {.kind = STAGE_STEP, .part = p->part, .batch = p->batch,
                            .references = references, .tokens = p->tokens};
    a->stage = stages_get(p->stages, &key, err);
    return a->stage &&
           (!a->stage->labels || write_same(p, a->stage, a->stage->labels, p->noise_level, err));
}

static bool
copy_context(struct stage *to, struct stage *from, struct err *err)
{
    require(to->context.count == from->context.count);
    for (int i = 0; i < to->context.count; i++)
        if (!plan_copy(to->plan, to->context.k[i], from->plan, from->context.k[i], err) ||
            !plan_copy(to->plan, to->context.v[i], from->plan, from->context.v[i], err))
            return false;
    return !to->context.style ||
           plan_copy(to->plan, to->context.style, from->plan, from->context.style, err);
}

// Only the plans that the guidance will ask for.
static bool
open_stages(struct passing *w, struct err *err)
{
    const struct pass *p = w->p;
    unsigned mask = guidance_mask(&p->guidance, p->steps, NULL);
    unsigned context = 1u << GUIDANCE_FULL | 1u << GUIDANCE_NO_TEXT;
    if (p->references && mask & context &&
        (!open_stage(p, p->references->key.references, &w->with, err) ||
         !copy_context(w->with.stage, p->references, err)))
        return false;
    if ((!p->references || mask & ~context) && !open_stage(p, 0, &w->without, err))
        return false;
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
        if (mask & 1u << b)
            w->branch[b] = mem_alloc(w->pixels * (size_t)p->config->out_channels * sizeof(float));
    return true;
}

bool
pass_run(const struct pass *p, float *x, struct err *err)
{
    const struct scheduler_config *c = p->scheduler;
    int side = p->config->sample_size, count = 0;
    struct passing w = {.p = p, .pixels = (size_t)p->batch * (size_t)side * (size_t)side};
    struct schedule *schedule = schedule_create(&c->schedule, err);
    struct sampler_point *points =
        schedule ? scheduler_config_points(c, schedule, p->sampler, p->spacing, p->steps, &count, err)
                 : NULL;
    bool ok = points && open_stages(&w, err);
    if (p->low)
        w.stacked = mem_alloc(w.pixels * 6 * sizeof *w.stacked);
    struct sampler_params s = {
        .sampler = p->sampler, .points = points, .count = count,
        .n = (size_t)p->batch, .pixels = (size_t)side * (size_t)side, .channels = 3,
        .model_channels = p->config->out_channels, .prediction = c->prediction,
        .variance = c->variance, .threshold = c->threshold, .threshold_max = c->threshold_max,
        .threshold_quantile = c->threshold_quantile, .seeds = p->seeds, .denoise = denoise,
        .denoise_ctx = &w, .progress = p->progress, .progress_ctx = p->progress_ctx,
        .cancel = p->cancel,
    };
    if (ok) {
        sampler_noise(x, s.n, 3 * s.pixels, p->seeds);
        ok = sampler_run(&s, x, err);
    }
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
        free(w.branch[b]);
    free(w.stacked);
    free(points);
    schedule_destroy(schedule);
    return ok;
}

bool
pass_low_resolution(const struct pass *p, const float *low, int side, double level, float *out,
                    struct err *err)
{
    int to = p->config->sample_size;
    size_t n = 3 * (size_t)to * (size_t)to;
    struct schedule *schedule = schedule_create(&p->scheduler->schedule, err);
    if (!schedule)
        return false;
    int t = MIN((int)level, schedule_train_steps(schedule) - 1);
    float *noise = mem_alloc(n * sizeof *noise);
    for (int i = 0; i < p->batch; i++) {
        // Step "-1" of the sampler's noise: used by no step of either stage.
        rng_fill_normal(p->seeds[i], RNG_STREAM_SAMPLER, 0, noise, n);
        resize_bilinear(low + (size_t)i * 3 * (size_t)side * (size_t)side, side, to,
                        out + (size_t)i * n);
        schedule_add_noise(schedule_point(schedule, t), out + (size_t)i * n, noise, out + (size_t)i * n, n);
    }
    free(noise);
    schedule_destroy(schedule);
    return true;
}
