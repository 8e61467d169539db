// SPDX-License-Identifier: MIT
// Euler's method on the probability flow, in the coordinates of Karras et al. 2022 (algorithm 1):
// with y = x/alpha and s = sigma/alpha the path is dy/ds = (y - x0)/s, and a step is
//     y' = y + (s' - s) * (y - x0)/s = x0 + s'/s * (y - x0)
// The second form also holds where alpha is 0 (pure noise of flow matching, where it is the step
// x + (sigma' - sigma)*velocity) and where s' is.
#include "engine/diffusion/sampler_rows.h"

static bool
step(const struct sampler_step *s, struct err *err)
{
    double from_x = s->next.sigma / s->at.sigma; // s'/s * alpha'/alpha
    double from_x0 = s->next.alpha * (1 - sampler_ratio(s));
    for (size_t i = 0; i < s->size; i++)
        s->x[i] = (float)(from_x0 * s->x0[i] + from_x * s->x[i]);
    return true;
}

const struct sampler sampler_euler = {
    .name = "euler",
    .help = "deterministic, one straight line per step; for models of flow matching and few steps",
    .step = step,
};
