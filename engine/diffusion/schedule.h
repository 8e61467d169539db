// SPDX-License-Identifier: MIT
// Noise schedules: how much of a sample is picture and how much is noise at a time t.
//
//     x_t = alpha(t)*x_0 + sigma(t)*noise
//
// Two families. *Variance-preserving* schedules count T training steps, t in [0,T), t = 0 nearly
// clean: alpha = sqrt(alpha_bar), sigma = sqrt(1 - alpha_bar). *Flow matching* is a straight line,
// t in [0,T]: sigma = t/T, alpha = 1 - sigma. Everything is computed in double from the formulas,
// so that values are exact where the f32 tables of PyTorch have lost four digits (the last steps of
// the cosine schedule).
//
// Samplers see neither: a schedule gives them points.
#ifndef LIMN_ENGINE_DIFFUSION_SCHEDULE_H
#define LIMN_ENGINE_DIFFUSION_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

// A point on the path from noise to picture. t is the time given to the model, in training steps;
// it need not be whole.
struct sampler_point {
    double t, alpha, sigma;
};

enum schedule_kind {
    SCHEDULE_NONE = 0,
    SCHEDULE_COSINE,        // "squaredcos_cap_v2": Nichol & Dhariwal 2021, betas capped at 0.999
    SCHEDULE_LINEAR,        // "linear": betas from beta_start to beta_end
    SCHEDULE_SCALED_LINEAR, // "scaled_linear": their square roots are linear
    SCHEDULE_FLOW,          // "flow": flow matching (Lipman et al. 2023), rectified flow
    SCHEDULE_KIND_COUNT
};

enum schedule_kind schedule_kind_from_name(const char *name); // diffusers' names, also "cosine"

struct schedule_params {
    enum schedule_kind kind; // SCHEDULE_NONE means SCHEDULE_COSINE
    int train_steps;         // T; 0 means 1000; at most 100,000
    double beta_start;       // linear kinds; 0 means 0.0001
    double beta_end;         // linear kinds; 0 means 0.02
};

struct schedule;

struct schedule *schedule_create(const struct schedule_params *params, struct err *err);
void schedule_destroy(struct schedule *s); // NULL is fine

int schedule_train_steps(const struct schedule *s);
bool schedule_is_flow(const struct schedule *s);

// The point at a training step: t in [0,T), for flow matching in [0,T].
struct sampler_point schedule_point(const struct schedule *s, int t);
// The clean picture, where every run ends: {0, 1, 0}.
struct sampler_point schedule_clean(void);
// The point with this ratio of noise to picture, sigma/alpha >= 0, of a variance-preserving
// schedule; t is interpolated between training steps in the logarithm of the ratio.
struct sampler_point schedule_point_at_ratio(const struct schedule *s, double ratio);
double schedule_snr(const struct schedule *s, int t); // (alpha/sigma)^2

// For variance-preserving schedules only. t in [-1,T): t = -1 is the clean picture, alpha_bar = 1.
double schedule_alpha_bar(const struct schedule *s, int t);
double schedule_lambda(const struct schedule *s, int t); // log(alpha/sigma), half log-SNR; t >= 0

// x_t from x_0 and noise, n floats each; out may be either.
void schedule_add_noise(struct sampler_point at, const float *x0, const float *noise, float *out,
                        size_t n);

#endif
