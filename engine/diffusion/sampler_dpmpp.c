// SPDX-License-Identifier: MIT
// DPM-Solver++ of order two, multistep (Lu et al. 2022, algorithm 2, midpoint form). With
// lambda = log(alpha/sigma) and h = lambda_next - lambda, the path is integrated exactly but for
// the estimate x0, which is extrapolated linearly in lambda from this step and the one before:
//     D  = x0 + h/(2*h_last) * (x0 - x0_last)
//     x' = sigma_next/sigma * x + alpha_next*(1 - exp(-h)) * D
// The first step has no past and the last goes to lambda = infinity, where extrapolation would
// explode: both are of order one (D = x0). At the end sigma_next = 0 and exp(-h) = 0, so x' = x0.
#include <math.h>

#include "engine/diffusion/sampler_rows.h"

static void
step(const struct sampler_step *s)
{
    double from_x = s->sigma_next / s->sigma;
    // alpha_next*exp(-h) = alpha*sigma_next/sigma, which is also right where h is infinite.
    double from_d = s->alpha_next - s->alpha * from_x;
    double slope = 0;
    if (s->x0_last != NULL && s->step + 1 < s->total) {
        double lambda = log(s->alpha / s->sigma);
        double h = log(s->alpha_next / s->sigma_next) - lambda;
        double h_last = lambda - log(s->alpha_last / s->sigma_last);
        slope = h / (2 * h_last);
    }
    for (size_t i = 0; i < s->size; i++) {
        double d = s->x0[i];
        if (slope != 0)
            d += slope * (d - s->x0_last[i]);
        s->x[i] = (float)(from_x * s->x[i] + from_d * d);
    }
}

const struct sampler sampler_dpmpp = {
    .name = "dpm++",
    .help = "DPM-Solver++(2M), deterministic; good from 15 to 30 steps",
    .extra_point = true,
    .history = true,
    .step = step,
};
