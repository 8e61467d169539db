// SPDX-License-Identifier: MIT
#include "engine/diffusion/schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

static const double BETA_MAX = 0.999; // of the cosine schedule, which would reach 1

struct schedule {
    int train_steps;
    double *beta;      // [train_steps]
    double *alpha_bar; // [train_steps + 1]; [0] is t = -1
};

// --- Names -----------------------------------------------------------------------------------

static const char *const kind_names[SCHEDULE_KIND_COUNT] = {
    [SCHEDULE_NONE] = "none",
    [SCHEDULE_COSINE] = "squaredcos_cap_v2",
    [SCHEDULE_LINEAR] = "linear",
    [SCHEDULE_SCALED_LINEAR] = "scaled_linear",
};

static const char *const prediction_names[PREDICTION_COUNT] = {
    [PREDICTION_NONE] = "none",
    [PREDICTION_EPSILON] = "epsilon",
    [PREDICTION_V] = "v_prediction",
    [PREDICTION_SAMPLE] = "sample",
};

// From 1: the first row is "none", which is nobody's choice.
static int
find_name(const char *const *names, int count, const char *name)
{
    for (int i = 1; name != NULL && i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return 0;
}

enum schedule_kind
schedule_kind_from_name(const char *name)
{
    if (name != NULL && strcmp(name, "cosine") == 0)
        return SCHEDULE_COSINE;
    return (enum schedule_kind)find_name(kind_names, SCHEDULE_KIND_COUNT, name);
}

const char *
schedule_kind_name(enum schedule_kind kind)
{
    require(kind >= 0 && kind < SCHEDULE_KIND_COUNT);
    return kind_names[kind];
}

enum prediction
prediction_from_name(const char *name)
{
    if (name != NULL && strcmp(name, "v") == 0)
        return PREDICTION_V;
    return (enum prediction)find_name(prediction_names, PREDICTION_COUNT, name);
}

const char *
prediction_name(enum prediction p)
{
    require(p >= 0 && p < PREDICTION_COUNT);
    return prediction_names[p];
}

// --- Curves ----------------------------------------------------------------------------------

static double
cosine_curve(double u)
{
    double c = cos((u + 0.008) / 1.008 * M_PI / 2);
    return c * c;
}

double
schedule_cosine_alpha_bar(double u)
{
    return cosine_curve(u) / cosine_curve(0);
}

static double
beta_at(const struct schedule_params *p, int t)
{
    double at = p->train_steps > 1 ? (double)t / (p->train_steps - 1) : 0;
    double from = p->beta_start, to = p->beta_end, root;
    switch (p->kind) {
    case SCHEDULE_COSINE:
        return fmin(1 - cosine_curve((t + 1.0) / p->train_steps) /
                            cosine_curve((double)t / p->train_steps),
                    BETA_MAX);
    case SCHEDULE_LINEAR:
        return from + (to - from) * at;
    case SCHEDULE_SCALED_LINEAR:
        root = sqrt(from) + (sqrt(to) - sqrt(from)) * at;
        return root * root;
    case SCHEDULE_NONE:
    case SCHEDULE_KIND_COUNT:
        break;
    }
    unreachable_here();
}

struct schedule *
schedule_create(const struct schedule_params *params, struct err *err)
{
    struct schedule_params p = *params;
    if (p.kind == SCHEDULE_NONE)
        p.kind = SCHEDULE_COSINE;
    if (p.train_steps == 0)
        p.train_steps = 1000;
    if (p.beta_start == 0)
        p.beta_start = 0.0001;
    if (p.beta_end == 0)
        p.beta_end = 0.02;
    if (p.train_steps < 1 || p.train_steps > LIMIT_SCHEDULER_STEPS) {
        err_set(err, ERR_INPUT, "a schedule has 1 to %d training steps, not %d",
                LIMIT_SCHEDULER_STEPS,
                p.train_steps);
        return NULL;
    }
    if (!(p.beta_start > 0 && p.beta_start <= p.beta_end && p.beta_end < 1)) {
        err_set(err, ERR_INPUT, "betas go from above 0 to below 1, not from %g to %g",
                p.beta_start, p.beta_end);
        return NULL;
    }
    struct schedule *s = mem_zalloc(sizeof *s);
    s->train_steps = p.train_steps;
    s->beta = mem_alloc((size_t)p.train_steps * sizeof *s->beta);
    s->alpha_bar = mem_alloc(((size_t)p.train_steps + 1) * sizeof *s->alpha_bar);
    s->alpha_bar[0] = 1;
    for (int t = 0; t < p.train_steps; t++) {
        s->beta[t] = beta_at(&p, t);
        s->alpha_bar[t + 1] = s->alpha_bar[t] * (1 - s->beta[t]);
    }
    return s;
}

void
schedule_destroy(struct schedule *s)
{
    if (s == NULL)
        return;
    free(s->beta);
    free(s->alpha_bar);
    free(s);
}

int
schedule_train_steps(const struct schedule *s)
{
    return s->train_steps;
}

double
schedule_alpha_bar(const struct schedule *s, int t)
{
    require(t >= -1 && t < s->train_steps);
    return s->alpha_bar[t + 1];
}

double
schedule_beta(const struct schedule *s, int t)
{
    require(t >= 0 && t < s->train_steps);
    return s->beta[t];
}

double
schedule_alpha(const struct schedule *s, int t)
{
    return sqrt(schedule_alpha_bar(s, t));
}

double
schedule_sigma(const struct schedule *s, int t)
{
    return sqrt(1 - schedule_alpha_bar(s, t));
}

double
schedule_lambda(const struct schedule *s, int t)
{
    require(t >= 0);
    double bar = schedule_alpha_bar(s, t);
    return 0.5 * (log(bar) - log1p(-bar));
}

// --- Training --------------------------------------------------------------------------------

// a*x + b*y; out may be x or y.
static void
mix(double a, const float *x, double b, const float *y, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(a * x[i] + b * y[i]);
}

void
schedule_add_noise(const struct schedule *s, int t, const float *x0, const float *noise,
                   float *out, size_t n)
{
    mix(schedule_alpha(s, t), x0, schedule_sigma(s, t), noise, out, n);
}

void
schedule_target(const struct schedule *s, int t, enum prediction p, const float *x0,
                const float *noise, float *out, size_t n)
{
    double alpha = schedule_alpha(s, t), sigma = schedule_sigma(s, t);
    switch (p) {
    case PREDICTION_EPSILON:
        mix(0, x0, 1, noise, out, n);
        return;
    case PREDICTION_V:
        mix(-sigma, x0, alpha, noise, out, n);
        return;
    case PREDICTION_SAMPLE:
        mix(1, x0, 0, noise, out, n);
        return;
    case PREDICTION_NONE:
    case PREDICTION_COUNT:
        break;
    }
    unreachable_here();
}
