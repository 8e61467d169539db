// SPDX-License-Identifier: MIT
#include "engine/diffusion/prediction.h"

#include <math.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"

// The names of each type, diffusers' first.
static const char *const names[PREDICTION_COUNT][2] = {
    [PREDICTION_NONE] = {"none", NULL},
    [PREDICTION_EPSILON] = {"epsilon", NULL},
    [PREDICTION_V] = {"v_prediction", "v"},
    [PREDICTION_SAMPLE] = {"sample", NULL},
    [PREDICTION_VELOCITY] = {"flow_prediction", "velocity"},
};

enum prediction
prediction_from_name(const char *name)
{
    for (int i = 1; name != NULL && i < PREDICTION_COUNT; i++)
        for (size_t k = 0; k < COUNT_OF(names[i]); k++)
            if (names[i][k] != NULL && strcmp(names[i][k], name) == 0)
                return (enum prediction)i;
    return PREDICTION_NONE;
}

const char *
prediction_name(enum prediction p)
{
    require(p >= 0 && p < PREDICTION_COUNT);
    return names[p][0];
}

// a*x + b*y; out may be x or y.
static void
mix(double a, const float *x, double b, const float *y, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(a * x[i] + b * y[i]);
}

void
schedule_add_noise(struct sampler_point at, const float *x0, const float *noise, float *out,
                   size_t n)
{
    mix(at.alpha, x0, at.sigma, noise, out, n);
}

void
prediction_target(enum prediction p, struct sampler_point at, const float *x0, const float *noise,
                  float *out, size_t n)
{
    switch (p) {
    case PREDICTION_EPSILON:
        mix(0, x0, 1, noise, out, n);
        return;
    case PREDICTION_V:
        mix(-at.sigma, x0, at.alpha, noise, out, n);
        return;
    case PREDICTION_SAMPLE:
        mix(1, x0, 0, noise, out, n);
        return;
    case PREDICTION_VELOCITY:
        mix(-1, x0, 1, noise, out, n);
        return;
    case PREDICTION_NONE:
    case PREDICTION_COUNT:
        break;
    }
    unreachable_here();
}

double
prediction_loss_scale(enum prediction p, double snr)
{
    switch (p) {
    case PREDICTION_EPSILON:
        return snr;
    case PREDICTION_V:
        return snr + 1;
    case PREDICTION_SAMPLE:
        return 1;
    case PREDICTION_VELOCITY:
        return (1 + sqrt(snr)) * (1 + sqrt(snr));
    case PREDICTION_NONE:
    case PREDICTION_COUNT:
        break;
    }
    unreachable_here();
}
