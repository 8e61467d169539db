// SPDX-License-Identifier: MIT
// DDIM (Song et al. 2021, their 12 and 16): moves along the predicted noise,
//     x' = alpha_next*x0 + sqrt(sigma_next^2 - d^2)*epsilon + d*noise,
//     d = eta * sigma_next/sigma * sqrt(1 - (alpha/alpha_next)^2)
// eta = 0 is a deterministic path, eta = 1 as noisy as DDPM.
#include <math.h>

#include "engine/diffusion/sampler_rows.h"

static bool
wants_noise(const struct sampler_step *s)
{
    return s->eta > 0 && s->step + 1 < s->total;
}

static void
step(const struct sampler_step *s)
{
    double ratio = s->alpha / s->alpha_next;
    double d = s->eta * s->sigma_next / s->sigma * sqrt(1 - ratio * ratio);
    double along = sqrt(fmax(s->sigma_next * s->sigma_next - d * d, 0));
    for (size_t i = 0; i < s->size; i++) {
        double x = s->alpha_next * s->x0[i] + along * s->epsilon[i];
        if (s->noise != NULL)
            x += d * s->noise[i];
        s->x[i] = (float)x;
    }
}

const struct sampler sampler_ddim = {
    .name = "ddim",
    .help = "deterministic; good from 30 to 100 steps",
    .wants_noise = wants_noise,
    .step = step,
};
