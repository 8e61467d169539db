// SPDX-License-Identifier: MIT
// Euler's method with ancestral noise (k-diffusion's euler_ancestral): a step goes further down
// than it should and comes up again with fresh noise, so that the sum has the right spread. With s
// = sigma/alpha and r = s'/s:
//     up^2 = s'^2 * (1 - r^2),  down = sqrt(s'^2 - up^2) = s'*r
//     y'   = x0 + down/s * (y - x0) + up*noise
#include "engine/diffusion/sampler_rows.h"

static bool
step(const struct sampler_step *s, struct err *err)
{
    double r = sampler_ratio(s);
    double from_x = s->next.sigma / s->at.sigma * r;
    double from_x0 = s->next.alpha * (1 - r * r);
    double from_noise = s->next.sigma * sqrt(1 - r * r);
    for (size_t i = 0; i < s->size; i++) {
        double x = from_x0 * s->x0[i] + from_x * s->x[i];
        if (s->noise != NULL)
            x += from_noise * s->noise[i];
        s->x[i] = (float)x;
    }
    return true;
}

const struct sampler sampler_euler_a = {
    .name = "euler-a",
    .help = "noise in every step; lively pictures that keep changing with more steps",
    .stochastic = true,
    .step = step,
};
