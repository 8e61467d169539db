// SPDX-License-Identifier: MIT
// DDPM (Ho et al. 2020): draws from the posterior of the next sample given x and the estimate x0,
//     mean = alpha_next*beta/sigma^2 * x0 + sqrt(1-beta)*sigma_next^2/sigma^2 * x        (their 7)
// with beta = 1 - (alpha/alpha_next)^2 taken over the steps that are visited, as Nichol & Dhariwal
// 2021 do for respaced chains. The last step adds no noise. Where alpha^2 + sigma^2 is not 1, beta
// is what the step adds to the noise: sigma^2 - (alpha/alpha_next)^2*sigma_next^2.
#include "engine/diffusion/sampler_rows.h"

// If the posterior is a point, the range of learned variances would start at log(0).
static const double VARIANCE_MIN = 1e-20;

static bool
step(const struct sampler_step *s, struct err *err)
{
    double sigma2 = s->at.sigma * s->at.sigma, sigma2_next = s->next.sigma * s->next.sigma;
    double ratio = s->at.alpha / s->next.alpha, beta = 1 - ratio * ratio;
    if (sampler_is_straight(s->at))
        beta = sigma2 - ratio * ratio * sigma2_next;
    double from_x0 = s->next.alpha * beta / sigma2, from_x = ratio * sigma2_next / sigma2;
    double small = fmax(sigma2_next / sigma2 * beta, VARIANCE_MIN);
    double deviation = sqrt(s->variance == VARIANCE_FIXED_LARGE ? beta : small);
    // Learned: log variance = f*log(beta) + (1-f)*log(small), f = (value+1)/2 (Nichol 2021, 15).
    const float *value = s->variance == VARIANCE_LEARNED_RANGE ? s->variance_value : NULL;
    double log_small = log(small), log_large = log(beta);
    for (size_t i = 0; i < s->size; i++) {
        double x = from_x0 * s->x0[i] + from_x * s->x[i];
        if (s->noise != NULL) {
            if (value != NULL) {
                double f = (value[i] + 1.0) / 2;
                deviation = exp(0.5 * (f * log_large + (1 - f) * log_small));
            }
            x += deviation * s->noise[i];
        }
        s->x[i] = (float)x;
    }
    return true;
}

const struct sampler sampler_ddpm = {
    .name = "ddpm",
    .help = "ancestral sampling as in the paper; noise in every step, good from 100 to 256 steps",
    .stochastic = true,
    .step = step,
};
