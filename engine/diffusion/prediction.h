// SPDX-License-Identifier: MIT
// What a model predicts, and what follows from it. With x = alpha*x_0 + sigma*noise,
//
//     epsilon     noise                       x_0 = (x - sigma*y) / alpha
//     v           alpha*noise - sigma*x_0     x_0 = alpha*x - sigma*y    (Salimans & Ho 2022)
//     sample      x_0                         x_0 = y
//     velocity    noise - x_0                 x_0 = (x - sigma*y) / (alpha + sigma)
//
// v applies to variance-preserving schedules. Velocity is the target of flow matching: the
// derivative of x along its straight path.
#ifndef LIMN_ENGINE_DIFFUSION_PREDICTION_H
#define LIMN_ENGINE_DIFFUSION_PREDICTION_H

#include "engine/diffusion/schedule.h"

enum prediction {
    PREDICTION_NONE = 0,
    PREDICTION_EPSILON,
    PREDICTION_V,
    PREDICTION_SAMPLE,
    PREDICTION_VELOCITY,
    PREDICTION_COUNT
};

// "epsilon", "v_prediction" or "v", "sample", "flow_prediction" or "velocity".
enum prediction prediction_from_name(const char *name);
const char *prediction_name(enum prediction p);

// The clean picture, from one element of x and of the model's answer y.
static inline double
prediction_x0(enum prediction p, const struct sampler_point *at, double x, double y)
{
    switch (p) {
    case PREDICTION_EPSILON:
        return (x - at->sigma * y) / at->alpha;
    case PREDICTION_V:
        return at->alpha * x - at->sigma * y;
    case PREDICTION_VELOCITY:
        return (x - at->sigma * y) / (at->alpha + at->sigma);
    case PREDICTION_SAMPLE:
    case PREDICTION_NONE:
    case PREDICTION_COUNT:
        break;
    }
    return y;
}

// What the model should have answered; n floats each, out may be x0 or noise.
void prediction_target(enum prediction p, struct sampler_point at, const float *x0,
                       const float *noise, float *out, size_t n);

// The squared error in the prediction that corresponds to an error of 1 in x_0, from the
// signal-to-noise ratio (alpha/sigma)^2: snr, snr + 1, 1, (1 + sqrt(snr))^2.
double prediction_loss_scale(enum prediction p, double snr);

#endif
