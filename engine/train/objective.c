// SPDX-License-Identifier: MIT
#include "engine/train/objective.h"

#include <math.h>

int
objective_step(const struct objective *o, double u)
{
    int t = (int)(u * schedule_train_steps(o->schedule));
    return schedule_is_flow(o->schedule) ? t + 1 : t;
}

double
objective_weight(const struct objective *o, int t)
{
    if (!(o->snr_gamma > 0))
        return 1;
    double snr = schedule_snr(o->schedule, t);
    return fmin(snr, o->snr_gamma) / prediction_loss_scale(o->prediction, snr);
}

double
objective_apply(const struct objective *o, int t, float *x0, const float *noise, float *sample,
                size_t n)
{
    struct sampler_point at = schedule_point(o->schedule, t);
    schedule_add_noise(at, x0, noise, sample, n);
    prediction_target(o->prediction, at, x0, noise, x0, n);
    return at.t;
}
