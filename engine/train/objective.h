// SPDX-License-Identifier: MIT
// The training objective: the noisy picture the network sees, the target it should predict and the
// weight of the example. All of it follows from the model's scheduler: its noise schedule and
// prediction type.
#ifndef LIMN_ENGINE_TRAIN_OBJECTIVE_H
#define LIMN_ENGINE_TRAIN_OBJECTIVE_H

#include "engine/diffusion/prediction.h"

struct objective {
    const struct schedule *schedule;
    enum prediction prediction;
    // 0: plain mean squared error of the prediction. > 0: min-SNR weights (Hang et al. 2023): the
    // error of x_0 weighted by the signal-to-noise ratio, clamped to this.
    double snr_gamma;
};

// Maps u in [0,1) to a training timestep in [0,T); for flow matching in [1,T], because its timestep
// 0 has no noise.
int objective_step(const struct objective *o, double u);

double objective_weight(const struct objective *o, int t);

// Writes the noisy picture at timestep t into `sample` and replaces x0 by the target; n floats
// each. Returns the timestep to give to the network.
double objective_apply(const struct objective *o, int t, float *x0, const float *noise,
                       float *sample, size_t n);

#endif
