// SPDX-License-Identifier: MIT
// SDE-DPM-Solver++ of order two, multistep (Lu et al. 2022, section 5; diffusers' sde-dpmsolver++,
// midpoint form): as DPM-Solver++(2M), and in each step the noise is drawn afresh. With r =
// exp(-h):
//     x' = sigma_next/sigma*r * x + alpha_next*(1 - r^2) * D + sigma_next*sqrt(1 - r^2) * noise
// D as in sampler_dpmpp.c; first and last step are of order one.
#include "engine/diffusion/sampler_rows.h"

static bool
step(const struct sampler_step *s, struct err *err)
{
    double r = sampler_ratio(s), slope = 0;
    double from_x = s->next.sigma / s->at.sigma * r;
    double from_d = s->next.alpha * (1 - r * r);
    double from_noise = s->next.sigma * sqrt(1 - r * r);
    if (s->step > 0 && s->step + 1 < s->total)
        slope = (sampler_lambda(s->next) - sampler_lambda(s->at)) /
                (2 * (sampler_lambda(s->at) - sampler_lambda(s->before[0])));
    for (size_t i = 0; i < s->size; i++) {
        double d = s->x0[i];
        if (slope != 0)
            d += slope * (d - s->history[0][i]);
        double x = from_x * s->x[i] + from_d * d;
        if (s->noise != NULL)
            x += from_noise * s->noise[i];
        s->x[i] = (float)x;
    }
    return true;
}

const struct sampler sampler_dpmpp_sde = {
    .name = "dpm++sde",
    .help = "DPM-Solver++(2M) with noise in every step; good from 20 to 50 steps",
    .stochastic = true,
    .extra_point = true,
    .history = 1,
    .step = step,
};
