// SPDX-License-Identifier: MIT
// Latent consistency sampling (Luo et al. 2023): the estimate is taken as the picture and noised
// again for the next point. For models distilled for it; two to eight steps. Close to the clean end
// the sample is trusted more than the model:
//     x0' = c_out*x0 + c_skip*x,   c_skip = d^2/(T^2 + d^2),   c_out = T/sqrt(T^2 + d^2)
// with T = 10*t and d = 1/2, the spread of data.
#include "engine/diffusion/sampler_rows.h"

static const double TIME_SCALE = 10, DATA_SPREAD = 0.5;

static bool
step(const struct sampler_step *s, struct err *err)
{
    double time = TIME_SCALE * s->at.t, sum = time * time + DATA_SPREAD * DATA_SPREAD;
    double skip = DATA_SPREAD * DATA_SPREAD / sum, out = time / sqrt(sum);
    for (size_t i = 0; i < s->size; i++) {
        double x = s->next.alpha * (out * s->x0[i] + skip * s->x[i]);
        if (s->noise != NULL)
            x += s->next.sigma * s->noise[i];
        s->x[i] = (float)x;
    }
    return true;
}

const struct sampler sampler_lcm = {
    .name = "lcm",
    .help = "for consistency-distilled models; 2 to 8 steps",
    .stochastic = true,
    .step = step,
};
