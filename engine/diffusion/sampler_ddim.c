// SPDX-License-Identifier: MIT
// DDIM (Song et al. 2021, their 12 with sigma = 0): along the noise that this estimate leaves,
//     epsilon = (x - alpha*x0) / sigma,    x' = alpha_next*x0 + sigma_next*epsilon
#include "engine/diffusion/sampler_rows.h"

static bool
step(const struct sampler_step *s, struct err *err)
{
    double from_x = s->next.sigma / s->at.sigma;
    double from_x0 = s->next.alpha - s->at.alpha * from_x;
    for (size_t i = 0; i < s->size; i++)
        s->x[i] = (float)(from_x * s->x[i] + from_x0 * s->x0[i]);
    return true;
}

const struct sampler sampler_ddim = {
    .name = "ddim",
    .help = "deterministic, the classic; good from 30 to 100 steps",
    .step = step,
};
