// SPDX-License-Identifier: MIT
// The loop that all samplers share: run the model, compute the estimate of the clean picture,
// threshold it, let the sampler take its step.
#include "engine/diffusion/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/base/rng.h"
#include "engine/diffusion/sampler_rows.h"

static const struct sampler *const samplers[] = {
#define SAMPLER(stem) &sampler_##stem,
#include "engine/diffusion/samplers.def"
#undef SAMPLER
};

static const char *const variance_names[VARIANCE_COUNT] = {
    [VARIANCE_FIXED_SMALL] = "fixed_small",
    [VARIANCE_FIXED_LARGE] = "fixed_large",
    [VARIANCE_LEARNED_RANGE] = "learned_range",
};

size_t
sampler_count(void)
{
    return COUNT_OF(samplers);
}

const struct sampler *
sampler_at(size_t i)
{
    require(i < COUNT_OF(samplers));
    return samplers[i];
}

const struct sampler *
sampler_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT_OF(samplers); i++)
        if (strcmp(samplers[i]->name, name) == 0)
            return samplers[i];
    return NULL;
}

bool
sampler_choice(size_t i, struct choice *out)
{
    if (i >= COUNT_OF(samplers))
        return false;
    *out = (struct choice){samplers[i]->name, samplers[i]->help};
    return true;
}

enum variance
variance_from_name(const char *name)
{
    int i = 0;
    while (i < VARIANCE_COUNT && (name == NULL || strcmp(variance_names[i], name) != 0))
        i++;
    return (enum variance)i;
}

void
sampler_noise(float *x, size_t n, size_t elements, const uint64_t *seeds)
{
    for (size_t i = 0; i < n; i++)
        rng_fill_normal(seeds[i], RNG_STREAM_NOISE, 0, x + i * elements, elements);
}

void
sampler_start(float *x, size_t n, size_t pixels, int channels, struct sampler_point at,
              const float *picture, const float *mask)
{
    size_t elements = pixels * (size_t)channels;
    for (size_t i = 0; i < n * elements; i++) {
        size_t e = i % elements;
        double kept = mask ? 1 - mask[e / (size_t)channels] : 1;
        double noised = at.alpha * picture[e] + at.sigma * x[i];
        x[i] = (float)(kept * noised + (1 - kept) * x[i]);
    }
}

// --- One run ---------------------------------------------------------------------------------

struct sampler_run {
    const struct sampler_params *p;
    size_t size; // floats in x
    float *prediction, *x0, *variance, *noise;
    float *other_noise; // of one picture, for variations
    float *magnitude;   // of one picture, for its threshold
    float *history[SAMPLER_HISTORY_MAX], *own[SAMPLER_OWN_MAX];
};

// Splits the model's channels and turns its prediction into an estimate, before thresholds.
static void
convert(struct sampler_run *r, const struct sampler_point *at, const float *x, float *x0)
{
    const struct sampler_params *p = r->p;
    size_t c_count = (size_t)p->channels, m_count = (size_t)p->model_channels;
    for (size_t pixel = 0; pixel < p->n * p->pixels; pixel++) {
        const float *out = r->prediction + pixel * m_count;
        for (size_t c = 0; c < c_count; c++) {
            size_t i = pixel * c_count + c;
            x0[i] = (float)prediction_x0(p->prediction, at, x[i], out[c]);
            if (r->variance != NULL)
                r->variance[i] = out[c_count + c];
        }
    }
}

static bool
all_finite(const float *x, size_t n)
{
    // A sum of products with zero is zero unless an element is not finite; this needs no branch per
    // element.
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * 0.0f;
    return sum == 0;
}

// Replaces each estimate by the given picture where the mask keeps it.
static void
apply_mask(const struct sampler_params *p, float *x0)
{
    size_t channels = (size_t)p->channels;
    for (size_t i = 0; p->mask && i < p->n * p->pixels; i++) {
        size_t pixel = i % p->pixels;
        float anew = p->mask[pixel];
        for (size_t c = 0; c < channels; c++) {
            float *v = &x0[i * channels + c];
            *v = anew * *v + (1 - anew) * p->kept[pixel * channels + c];
        }
    }
}

static bool
estimate(struct sampler_run *r, struct sampler_point at, int step, const float *x, float *x0,
         struct err *err)
{
    const struct sampler_params *p = r->p;
    if (!p->denoise(p->denoise_ctx, x, at.t, step, r->prediction, err))
        return err_set(err, ERR_DEVICE, "the model failed in step %d", step + 1);
    if (!all_finite(r->prediction, p->n * p->pixels * (size_t)p->model_channels))
        return err_set(err, ERR_DEVICE, "the prediction of step %d (timestep %g) is not finite",
                       step + 1, at.t);
    convert(r, &at, x, x0);
    double quantile = p->threshold_quantile == 0 ? 0.995 : p->threshold_quantile;
    sampler_threshold(p->threshold, quantile, p->threshold_max, x0, p->n, r->size / p->n,
                      r->magnitude);
    apply_mask(p, x0);
    return true;
}

bool
sampler_estimate(const struct sampler_step *s, struct sampler_point at, const float *x, float *x0,
                 struct err *err)
{
    return estimate(s->run, at, s->step, x, x0, err);
}

static void
fill_noise(struct sampler_run *r, int step)
{
    const struct sampler_params *p = r->p;
    if (p->noise != NULL) {
        p->noise(p->noise_ctx, step, r->noise);
        return;
    }
    size_t elements = r->size / p->n;
    uint64_t stream = RNG_STREAM_SAMPLER + 16 * ((uint64_t)step + 1);
    if (r->other_noise != NULL)
        rng_fill_normal(p->variation_seed, stream, 0, r->other_noise, elements);
    for (size_t i = 0; i < p->n; i++) {
        rng_fill_normal(p->seeds[i], stream, 0, r->noise + i * elements, elements);
        if (r->other_noise != NULL)
            sampler_turn(r->noise + i * elements, r->other_noise, elements, p->variation);
    }
}

// Makes this step's estimate the latest of the history; the next one will overwrite the oldest.
static void
push_history(struct sampler_run *r)
{
    int n = r->p->sampler->history;
    if (n == 0)
        return;
    float *free_one = r->history[n - 1];
    for (int i = n - 1; i > 0; i--)
        r->history[i] = r->history[i - 1];
    r->history[0] = r->x0;
    r->x0 = free_one;
}

static bool
run_step(struct sampler_run *r, int step, float *x, struct err *err)
{
    const struct sampler_params *p = r->p;
    if (!estimate(r, p->points[step], step, x, r->x0, err))
        return false;
    struct sampler_step s = {.step = step,
                             .total = p->count,
                             .at = p->points[step],
                             .next = p->points[step + 1],
                             .variance = p->variance,
                             .size = r->size,
                             .x = x,
                             .x0 = r->x0,
                             .variance_value = r->variance,
                             .run = r};
    for (int i = 0; i < SAMPLER_HISTORY_MAX && i < step; i++) {
        s.before[i] = p->points[step - 1 - i];
        s.history[i] = r->history[i];
    }
    memcpy(s.own, r->own, sizeof s.own);
    if (p->sampler->stochastic && step + 1 < p->count) {
        fill_noise(r, step);
        s.noise = r->noise;
    }
    if (!p->sampler->step(&s, err))
        return false;
    if (p->progress != NULL)
        p->progress(p->progress_ctx, step + 1, p->count, r->x0);
    push_history(r);
    return true;
}

static void
check_params(const struct sampler_params *p)
{
    require(p->sampler != NULL && p->points != NULL && p->denoise != NULL);
    require(p->n > 0 && p->pixels > 0 && p->channels > 0 && p->count > 0);
    require(p->model_channels == p->channels || p->model_channels == 2 * p->channels);
    require(p->variance != VARIANCE_LEARNED_RANGE || p->model_channels == 2 * p->channels);
    require(p->prediction > PREDICTION_NONE && p->prediction < PREDICTION_COUNT);
    require(p->seeds != NULL || p->noise != NULL);
    require((p->kept != NULL) == (p->mask != NULL));
    for (int i = 0; i < p->count; i++) {
        const struct sampler_point *a = &p->points[i], *b = a + 1;
        require(b->sigma * a->alpha < a->sigma * b->alpha);
    }
}

static bool
make_arrays(struct sampler_run *r, struct err *err)
{
    const struct sampler_params *p = r->p;
    size_t predicted = 0;
    if (!mem_mul(p->n, p->pixels, &r->size) || !mem_mul(r->size, (size_t)p->channels, &r->size) ||
        !mem_mul(r->size, (size_t)(p->model_channels / p->channels), &predicted))
        return err_set(err, ERR_MEMORY, "%zu pictures of %zu pixels are too many", p->n,
                       p->pixels);
    const struct {
        float **array;
        size_t count; // 0: not wanted
    } wanted[] = {
        {&r->prediction, predicted},
        {&r->x0, r->size},
        {&r->magnitude, p->threshold == THRESHOLD_DYNAMIC ? r->size / p->n : 0},
        {&r->variance, p->variance == VARIANCE_LEARNED_RANGE ? r->size : 0},
        {&r->noise, p->sampler->stochastic ? r->size : 0},
        {&r->other_noise, p->sampler->stochastic && p->variation > 0 ? r->size / p->n : 0},
        {&r->history[0], p->sampler->history > 0 ? r->size : 0},
        {&r->history[1], p->sampler->history > 1 ? r->size : 0},
        {&r->own[0], p->sampler->own > 0 ? r->size : 0},
        {&r->own[1], p->sampler->own > 1 ? r->size : 0},
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        if (wanted[i].count > 0 && !(*wanted[i].array = mem_try_calloc(
                                         wanted[i].count, sizeof(float), "the sampler", err)))
            return false;
    return true;
}

static void
free_arrays(struct sampler_run *r)
{
    free(r->prediction);
    free(r->x0);
    free(r->magnitude);
    free(r->variance);
    free(r->noise);
    free(r->other_noise);
    for (int i = 0; i < SAMPLER_HISTORY_MAX; i++)
        free(r->history[i]);
    for (int i = 0; i < SAMPLER_OWN_MAX; i++)
        free(r->own[i]);
}

bool
sampler_run(const struct sampler_params *params, float *x, struct err *err)
{
    struct sampler_params p = *params;
    if (p.model_channels == 0)
        p.model_channels = p.channels;
    check_params(&p);
    struct sampler_run r = {.p = &p};
    bool ok = make_arrays(&r, err);
    for (int step = 0; ok && step < p.count; step++) {
        if (p.cancel != NULL && atomic_load_explicit(p.cancel, memory_order_relaxed) != 0)
            ok = err_set(err, ERR_CANCELLED, "stopped after step %d of %d", step, p.count);
        else
            ok = run_step(&r, step, x, err);
    }
    free_arrays(&r);
    return ok;
}
