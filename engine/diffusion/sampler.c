// SPDX-License-Identifier: MIT
// The loop that all samplers share: ask the model, work out the estimate of the clean picture,
// threshold it, let the sampler take its step.
#include "engine/diffusion/sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/base/rng.h"
#include "engine/diffusion/sampler_rows.h"

static const struct sampler *const samplers[] = {&sampler_ddpm, &sampler_ddim, &sampler_dpmpp};

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

enum variance
variance_from_name(const char *name)
{
    int i = 0;
    while (i < VARIANCE_COUNT && (name == NULL || strcmp(variance_names[i], name) != 0))
        i++;
    return (enum variance)i;
}

const char *
variance_name(enum variance v)
{
    require(v >= 0 && v < VARIANCE_COUNT);
    return variance_names[v];
}

void
sampler_noise(float *x, size_t n, size_t elements, const uint64_t *seeds)
{
    for (size_t i = 0; i < n; i++)
        rng_fill_normal(seeds[i], RNG_STREAM_NOISE, 0, x + i * elements, elements);
}

// --- One run ---------------------------------------------------------------------------------

struct run {
    const struct sampler_params *p;
    size_t size; // floats in x
    float *prediction, *x0, *x0_last, *epsilon, *variance, *noise;
};

// Splits the model's channels and turns its prediction into x0 and epsilon, before thresholds.
static void
convert(struct run *r, const float *x, double alpha, double sigma)
{
    const struct sampler_params *p = r->p;
    size_t c_count = (size_t)p->channels, m_count = (size_t)p->model_channels;
    for (size_t pixel = 0; pixel < p->n * p->pixels; pixel++) {
        const float *out = r->prediction + pixel * m_count;
        for (size_t c = 0; c < c_count; c++) {
            size_t i = pixel * c_count + c;
            double y = out[c], xt = x[i], x0 = y, epsilon = y;
            if (p->prediction == PREDICTION_EPSILON) {
                x0 = (xt - sigma * y) / alpha;
            } else if (p->prediction == PREDICTION_V) {
                x0 = alpha * xt - sigma * y;
                epsilon = alpha * y + sigma * xt;
            } else {
                epsilon = (xt - alpha * y) / sigma;
            }
            r->x0[i] = (float)x0;
            r->epsilon[i] = (float)epsilon;
            if (r->variance != NULL)
                r->variance[i] = out[c_count + c];
        }
    }
}

static bool
all_finite(const float *x, size_t n)
{
    // A sum of products with zero is zero unless one of them is not finite; no branch per element.
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * 0.0f;
    return sum == 0;
}

static void
fill_noise(struct run *r, int step)
{
    const struct sampler_params *p = r->p;
    if (p->noise != NULL) {
        p->noise(p->noise_ctx, step, r->noise);
        return;
    }
    size_t elements = r->size / p->n;
    uint64_t stream = RNG_STREAM_SAMPLER + 16 * ((uint64_t)step + 1);
    for (size_t i = 0; i < p->n; i++)
        rng_fill_normal(p->seeds[i], stream, 0, r->noise + i * elements, elements);
}

static bool
run_step(struct run *r, int step, float *x, struct err *err)
{
    const struct sampler_params *p = r->p;
    int t = p->timesteps[step], next = step + 1 < p->count ? p->timesteps[step + 1] : -1;
    struct sampler_step s = {
        .step = step,
        .total = p->count,
        .alpha = schedule_alpha(p->schedule, t),
        .sigma = schedule_sigma(p->schedule, t),
        .alpha_next = schedule_alpha(p->schedule, next),
        .sigma_next = schedule_sigma(p->schedule, next),
        .eta = p->eta,
        .variance = p->variance,
        .size = r->size,
        .x = x,
        .x0 = r->x0,
        .epsilon = r->epsilon,
        .variance_value = r->variance,
    };
    if (step > 0) {
        s.alpha_last = schedule_alpha(p->schedule, p->timesteps[step - 1]);
        s.sigma_last = schedule_sigma(p->schedule, p->timesteps[step - 1]);
        s.x0_last = r->x0_last;
    }
    if (!p->denoise(p->denoise_ctx, x, t, step, r->prediction, err))
        return err_set(err, ERR_DEVICE, "the model failed in step %d", step + 1);
    if (!all_finite(r->prediction, p->n * p->pixels * (size_t)p->model_channels))
        return err_set(err, ERR_DEVICE,
                       "the prediction of step %d (timestep %d) is not finite", step + 1, t);
    convert(r, x, s.alpha, s.sigma);
    double quantile = p->threshold_quantile == 0 ? 0.995 : p->threshold_quantile;
    sampler_threshold(p->threshold, quantile, p->threshold_max, r->x0, p->n, r->size / p->n);
    if (p->epsilon_from_x0)
        for (size_t i = 0; i < r->size; i++)
            r->epsilon[i] = (float)((x[i] - s.alpha * r->x0[i]) / s.sigma);
    if (p->sampler->wants_noise != NULL && p->sampler->wants_noise(&s)) {
        fill_noise(r, step);
        s.noise = r->noise;
    }
    p->sampler->step(&s);
    if (p->progress != NULL)
        p->progress(p->progress_ctx, step + 1, p->count, r->x0);
    if (p->sampler->history) {
        float *last = r->x0_last;
        r->x0_last = r->x0;
        r->x0 = last;
    }
    return true;
}

static void
check_params(const struct sampler_params *p)
{
    require(p->sampler != NULL && p->schedule != NULL && p->denoise != NULL);
    require(p->n > 0 && p->pixels > 0 && p->channels > 0 && p->count > 0);
    require(p->model_channels == p->channels || p->model_channels == 2 * p->channels);
    require(p->variance != VARIANCE_LEARNED_RANGE || p->model_channels == 2 * p->channels);
    require(p->prediction > PREDICTION_NONE && p->prediction < PREDICTION_COUNT);
    require(p->seeds != NULL || p->noise != NULL);
    for (int i = 1; i < p->count; i++)
        require(p->timesteps[i] < p->timesteps[i - 1]);
}

bool
sampler_run(const struct sampler_params *params, float *x, struct err *err)
{
    struct sampler_params p = *params;
    if (p.model_channels == 0)
        p.model_channels = p.channels;
    check_params(&p);
    struct run r = {.p = &p};
    bool ok = false;
    size_t predicted = 0;
    if (!mem_mul(p.n, p.pixels, &r.size) || !mem_mul(r.size, (size_t)p.channels, &r.size) ||
        !mem_mul(r.size, (size_t)(p.model_channels / p.channels), &predicted))
        return err_set(err, ERR_MEMORY, "%zu pictures of %zu pixels are too many", p.n, p.pixels);
    const char *what = "the sampler";
    r.prediction = mem_try_calloc(predicted, sizeof(float), what, err);
    r.x0 = mem_try_calloc(r.size, sizeof(float), what, err);
    r.epsilon = mem_try_calloc(r.size, sizeof(float), what, err);
    if (r.prediction == NULL || r.x0 == NULL || r.epsilon == NULL)
        goto out;
    if (p.sampler->history && !(r.x0_last = mem_try_calloc(r.size, sizeof(float), what, err)))
        goto out;
    if (p.sampler->wants_noise && !(r.noise = mem_try_calloc(r.size, sizeof(float), what, err)))
        goto out;
    if (p.variance == VARIANCE_LEARNED_RANGE &&
        !(r.variance = mem_try_calloc(r.size, sizeof(float), what, err)))
        goto out;
    for (int step = 0; step < p.count; step++) {
        if (p.cancel != NULL && atomic_load_explicit(p.cancel, memory_order_relaxed) != 0) {
            err_set(err, ERR_CANCELLED, "stopped after step %d of %d", step, p.count);
            goto out;
        }
        if (!run_step(&r, step, x, err))
            goto out;
    }
    ok = true;
out:
    free(r.prediction);
    free(r.x0);
    free(r.x0_last);
    free(r.epsilon);
    free(r.variance);
    free(r.noise);
    return ok;
}
