// SPDX-License-Identifier: MIT
// DPM-Solver++ of order two, multistep (Lu et al. 2022, algorithm 2, midpoint form). With lambda =
// log(alpha/sigma) and h = lambda_next - lambda, the path is integrated exactly except for the
// estimate x0, which is extrapolated linearly in lambda from this step and the one before:
//     D  = x0 + h/(2*h_last) * (x0 - x0_last)
//     x' = sigma_next/sigma * x + alpha_next*(1 - exp(-h)) * D
// The first step has no past and the last goes to lambda = infinity, where extrapolation would
// explode: both are of order one (D = x0). At the end sigma_next = 0 and exp(-h) = 0, so x' = x0.
#include "engine/diffusion/sampler_rows.h"

static bool
step(const struct sampler_step *s, struct err *err)
{
    double from_x = s->next.sigma / s->at.sigma;
    // alpha_next*exp(-h) = alpha*sigma_next/sigma, which is also right where h is infinite.
    double from_d = s->next.alpha - s->at.alpha * from_x;
    double slope = 0;
    if (s->step > 0 && s->step + 1 < s->total) {
        double lambda = sampler_lambda(s->at);
        double h = sampler_lambda(s->next) - lambda;
        double h_last = lambda - sampler_lambda(s->before[0]);
        slope = h / (2 * h_last);
    }
    for (size_t i = 0; i < s->size; i++) {
        double d = s->x0[i];
        if (slope != 0)
            d += slope * (d - s->history[0][i]);
        s->x[i] = (float)(from_x * s->x[i] + from_d * d);
    }
    return true;
}

const struct sampler sampler_dpmpp = {
    .name = "dpm++",
    .help = "DPM-Solver++(2M), deterministic; good from 15 to 30 steps",
    .extra_point = true,
    .history = 1,
    .step = step,
};
