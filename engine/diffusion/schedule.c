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
    double *beta;      // [train_steps]; NULL: flow matching
    double *alpha_bar; // [train_steps + 1]; [0] is t = -1
};

// --- Names -----------------------------------------------------------------------------------

static const char *const kind_names[SCHEDULE_KIND_COUNT] = {
    [SCHEDULE_NONE] = "none",
    [SCHEDULE_COSINE] = "squaredcos_cap_v2",
    [SCHEDULE_LINEAR] = "linear",
    [SCHEDULE_SCALED_LINEAR] = "scaled_linear",
    [SCHEDULE_FLOW] = "flow",
};

enum schedule_kind
schedule_kind_from_name(const char *name)
{
    if (name != NULL && strcmp(name, "cosine") == 0)
        return SCHEDULE_COSINE;
    // From 1: the first row is "none", which is not a valid choice.
    for (int i = 1; name != NULL && i < SCHEDULE_KIND_COUNT; i++)
        if (strcmp(kind_names[i], name) == 0)
            return (enum schedule_kind)i;
    return SCHEDULE_NONE;
}

// --- Curves ----------------------------------------------------------------------------------

static double
cosine_curve(double u)
{
    double c = cos((u + 0.008) / 1.008 * M_PI / 2);
    return c * c;
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
    case SCHEDULE_FLOW:
    case SCHEDULE_KIND_COUNT:
        break;
    }
    unreachable_here();
}

static void
fill_tables(struct schedule *s, const struct schedule_params *p)
{
    size_t steps = (size_t)p->train_steps;
    s->beta = mem_alloc(steps * sizeof *s->beta);
    s->alpha_bar = mem_alloc((steps + 1) * sizeof *s->alpha_bar);
    s->alpha_bar[0] = 1;
    for (int t = 0; t < p->train_steps; t++) {
        s->beta[t] = beta_at(p, t);
        s->alpha_bar[t + 1] = s->alpha_bar[t] * (1 - s->beta[t]);
    }
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
                LIMIT_SCHEDULER_STEPS, p.train_steps);
        return NULL;
    }
    if (!(p.beta_start > 0 && p.beta_start <= p.beta_end && p.beta_end < 1)) {
        err_set(err, ERR_INPUT, "betas must lie between 0 and 1, not go from %g to %g",
                p.beta_start, p.beta_end);
        return NULL;
    }
    struct schedule *s = mem_zalloc(sizeof *s);
    s->train_steps = p.train_steps;
    if (p.kind != SCHEDULE_FLOW)
        fill_tables(s, &p);
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

bool
schedule_is_flow(const struct schedule *s)
{
    return s->beta == NULL;
}

double
schedule_alpha_bar(const struct schedule *s, int t)
{
    require(!schedule_is_flow(s) && t >= -1 && t < s->train_steps);
    return s->alpha_bar[t + 1];
}

double
schedule_lambda(const struct schedule *s, int t)
{
    require(t >= 0);
    double bar = schedule_alpha_bar(s, t);
    return 0.5 * (log(bar) - log1p(-bar));
}

struct sampler_point
schedule_clean(void)
{
    return (struct sampler_point){0, 1, 0};
}

struct sampler_point
schedule_point(const struct schedule *s, int t)
{
    if (schedule_is_flow(s)) {
        require(t >= 0 && t <= s->train_steps);
        double sigma = (double)t / s->train_steps;
        return (struct sampler_point){t, 1 - sigma, sigma};
    }
    require(t >= 0);
    double bar = schedule_alpha_bar(s, t);
    return (struct sampler_point){t, sqrt(bar), sqrt(1 - bar)};
}

double
schedule_snr(const struct schedule *s, int t)
{
    if (!schedule_is_flow(s)) {
        double bar = schedule_alpha_bar(s, t);
        return bar / (1 - bar);
    }
    struct sampler_point at = schedule_point(s, t);
    return at.alpha * at.alpha / (at.sigma * at.sigma);
}

struct sampler_point
schedule_point_at_ratio(const struct schedule *s, double ratio)
{
    // The ratio grows with t: finds the last step that is not above it, and its neighbour.
    double wanted = -log(ratio);
    int low = 0, high = s->train_steps - 1;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (schedule_lambda(s, middle) >= wanted)
            low = middle;
        else
            high = middle;
    }
    double from = schedule_lambda(s, low), to = schedule_lambda(s, high);
    double part = from > to ? (from - wanted) / (from - to) : 0;
    double alpha = 1 / hypot(1, ratio);
    return (struct sampler_point){low + fmin(fmax(part, 0), 1) * (high - low), alpha,
                                  ratio * alpha};
}
