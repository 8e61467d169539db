// SPDX-License-Identifier: MIT
// Heun's method (Karras et al. 2022, algorithm 1 without churn): an Euler step, then once more with
// the mean of the slopes at both of its ends. With y = x/scale and s = sigma/scale,
//     slope(y, s) = (y - x0)/s
// where scale = alpha, or 1 on the straight line of flow matching, which needs no bending. The last
// step has no slope at its end and is Euler's; so is one from s above RATIO_MAX, where the cosine
// schedule starts (20,000): half of any bend times such a length would throw the sample far out.
#include "engine/diffusion/sampler_rows.h"

static const double RATIO_MAX = 200; // the linear schedule starts at 157, Karras's own at 80

static bool
step(const struct sampler_step *s, struct err *err)
{
    bool straight = sampler_is_straight(s->at);
    double scale = straight ? 1 : s->at.alpha, to = straight ? 1 : s->next.alpha;
    double from = s->at.sigma / scale, end = s->next.sigma / to;
    bool once = s->next.sigma == 0 || from > RATIO_MAX;
    float *x = s->own[0], *x0 = s->own[1];
    for (size_t i = 0; i < s->size; i++) {
        double y = s->x[i] / scale;
        x[i] = (float)(to * (y + (end - from) * (y - s->x0[i]) / from));
    }
    if (!once && !sampler_estimate(s, s->next, x, x0, err))
        return false;
    for (size_t i = 0; i < s->size; i++) {
        double y = s->x[i] / scale, slope = (y - s->x0[i]) / from;
        if (!once)
            slope = (slope + (x[i] / to - x0[i]) / end) / 2;
        s->x[i] = (float)(to * (y + (end - from) * slope));
    }
    return true;
}

const struct sampler sampler_heun = {
    .name = "heun",
    .help = "deterministic, asks the model twice per step; good from 10 to 25 steps",
    .own = 2,
    .step = step,
};
