// SPDX-License-Identifier: MIT
// UniPC of order two, B(h) = exp(h) - 1 (Zhao et al. 2023; diffusers' bh2, predict_x0): a multistep
// predictor, preceded by a corrector, which repeats the previous step with the estimate at this
// step's sample. That costs no evaluation, because the estimate is needed anyway.
//
// With lambda = log(alpha/sigma), h the step of it, r = exp(-h), and slopes D_k = (x0_k - m)/r_k in
// which r_k = (lambda_k - lambda)/h and m is the estimate at the start of the step:
//     x' = sigma'/sigma * x + alpha'*(1 - r) * (m + sum of rho_k*D_k)
// Predictor: rho = 1/2 for the one slope into the past. Corrector: another slope, r = 1, from the
// step's end; with one slope rho = 1/2, with two the rho that integrate 1 and lambda exactly.
// First and last step of the predictor are of order one.
#include <string.h>

#include "engine/diffusion/sampler_rows.h"

// A step from x at one point, where the estimate was m, to another point.
struct transition {
    struct sampler_point from, to;
    const float *x, *m;
    const float *past, *end; // estimates at the point before and at `to`; NULL: not used
    double r_past;           // of `past`
};

// Weights of the two slopes.
static void
weights(const struct transition *l, double h, double *past, double *end)
{
    *past = l->past ? 0.5 : 0;
    *end = l->end ? 0.5 : 0;
    if (!l->past || !l->end)
        return;
    double first = expm1(-h), phi = first / -h - 1; // h*phi_1 and h*phi_2 of -h
    double b1 = phi / first, b2 = (phi / -h - 0.5) * 2 / first;
    *past = (b1 - b2) / (1 - l->r_past);
    *end = b1 - *past;
}

static void
advance(const struct transition *l, size_t size, float *out)
{
    double h = sampler_lambda(l->to) - sampler_lambda(l->from), past, end;
    double from_x = l->to.sigma / l->from.sigma;
    double from_m = l->to.alpha - l->from.alpha * from_x;
    weights(l, h, &past, &end);
    for (size_t i = 0; i < size; i++) {
        double d = l->m[i];
        if (l->past)
            d += past * (l->past[i] - (double)l->m[i]) / l->r_past;
        if (l->end)
            d += end * (l->end[i] - (double)l->m[i]);
        out[i] = (float)(from_x * l->x[i] + from_m * d);
    }
}

// The leg's slope into the past, if there is one: not from pure noise, whose lambda is minus
// infinity.
static void
set_previous(struct transition *l, struct sampler_point before, const float *estimate)
{
    double at = sampler_lambda(l->from);
    l->r_past = (sampler_lambda(before) - at) / (sampler_lambda(l->to) - at);
    l->past = isfinite(l->r_past) ? estimate : NULL;
}

static bool
step(const struct sampler_step *s, struct err *err)
{
    float *start = s->own[0]; // x at the start of the step before, then of this one
    if (s->step > 0) {
        struct transition again = {s->before[0], s->at, start, s->history[0], NULL, s->x0, 0};
        if (s->step > 1)
            set_previous(&again, s->before[1], s->history[1]);
        advance(&again, s->size, s->x);
    }
    memcpy(start, s->x, s->size * sizeof *start);
    struct transition ahead = {s->at, s->next, start, s->x0, NULL, NULL, 0};
    if (s->step > 0 && s->step + 1 < s->total)
        set_previous(&ahead, s->before[0], s->history[0]);
    advance(&ahead, s->size, s->x);
    return true;
}

const struct sampler sampler_unipc = {
    .name = "unipc",
    .help = "UniPC, deterministic; good from 8 to 20 steps",
    .extra_point = true,
    .history = 2,
    .own = 1,
    .step = step,
};
