// SPDX-License-Identifier: MIT
// What training asks of the network: the noisy picture it sees, the answer it should give and how
// much that example counts. All of it follows from the model's scheduler: its noise schedule and
// what it predicts.
#ifndef LIMN_ENGINE_TRAIN_OBJECTIVE_H
#define LIMN_ENGINE_TRAIN_OBJECTIVE_H

#include "engine/diffusion/prediction.h"

struct objective {
    const struct schedule *schedule;
    enum prediction prediction;
    // 0: plain mean squared error of the answer. > 0: min-SNR weights (Hang et al. 2023), which is
    // the error of x_0 weighted by the signal-to-noise ratio, at most this.
    double snr_gamma;
};

// u in [0,1) to a training step: [0,T), of flow matching [1,T], for at 0 there is no noise.
int objective_step(const struct objective *o, double u);

double objective_weight(const struct objective *o, int t);

// sample becomes the noisy picture at step t, x0 the answer. n floats each; returns the time that
// the network is told.
double objective_apply(const struct objective *o, int t, float *x0, const float *noise,
                       float *sample, size_t n);

#endif
