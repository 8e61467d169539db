// SPDX-License-Identifier: MIT
// Noise schedules and timesteps.
//
// Time is discrete: t in [0, train_steps), t = 0 is nearly clean. With a schedule's alpha_bar(t),
//     x_t = alpha(t)*x_0 + sigma(t)*noise,   alpha = sqrt(alpha_bar),  sigma = sqrt(1 - alpha_bar)
// and alpha(-1) = 1, sigma(-1) = 0: "before the first step" is the clean picture. Everything is
// computed in double from the formulas, so that values are exact where the f32 tables of PyTorch
// have lost four digits (the last steps of the cosine schedule).
#ifndef LIMN_ENGINE_DIFFUSION_SCHEDULE_H
#define LIMN_ENGINE_DIFFUSION_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

enum schedule_kind {
    SCHEDULE_NONE = 0,
    SCHEDULE_COSINE,        // "squaredcos_cap_v2": Nichol & Dhariwal 2021, betas capped at 0.999
    SCHEDULE_LINEAR,        // "linear": betas from beta_start to beta_end
    SCHEDULE_SCALED_LINEAR, // "scaled_linear": their square roots are linear
    SCHEDULE_KIND_COUNT
};

enum schedule_kind schedule_kind_from_name(const char *name); // diffusers' names, also "cosine"
const char *schedule_kind_name(enum schedule_kind kind);

struct schedule_params {
    enum schedule_kind kind; // SCHEDULE_NONE means SCHEDULE_COSINE
    int train_steps;         // 0 means 1000; at most 100,000
    double beta_start;       // linear kinds; 0 means 0.0001
    double beta_end;         // linear kinds; 0 means 0.02
};

struct schedule;

struct schedule *schedule_create(const struct schedule_params *params, struct err *err);
void schedule_destroy(struct schedule *s); // NULL is fine

// t in [-1, train_steps).
int schedule_train_steps(const struct schedule *s);
double schedule_alpha_bar(const struct schedule *s, int t);
double schedule_beta(const struct schedule *s, int t); // t >= 0
double schedule_alpha(const struct schedule *s, int t);
double schedule_sigma(const struct schedule *s, int t);
double schedule_lambda(const struct schedule *s, int t); // log(alpha/sigma), half log-SNR; t >= 0

// The cosine curve at u in [0,1] without steps or cap, for training in continuous time:
// cos^2((u + 0.008)/1.008 * pi/2), divided by its value at 0.
double schedule_cosine_alpha_bar(double u);

// --- What a model predicts -------------------------------------------------------------------

enum prediction {
    PREDICTION_NONE = 0,
    PREDICTION_EPSILON, // the noise
    PREDICTION_V,       // alpha*noise - sigma*x_0 (Salimans & Ho 2022)
    PREDICTION_SAMPLE,  // x_0
    PREDICTION_COUNT
};

enum prediction prediction_from_name(const char *name); // "epsilon", "v_prediction", "v", "sample"
const char *prediction_name(enum prediction p);

// For training and for noise conditioning. All arrays n floats; out may be x0 or noise.
void schedule_add_noise(const struct schedule *s, int t, const float *x0, const float *noise,
                        float *out, size_t n);
void schedule_target(const struct schedule *s, int t, enum prediction p, const float *x0,
                     const float *noise, float *out, size_t n);

// --- Timesteps of a sampler ------------------------------------------------------------------

enum spacing {
    SPACING_NONE = 0,
    SPACING_LEADING,  // 0, r, 2r, …: starts below the noisiest step
    SPACING_TRAILING, // T-1, T-1-r, …: starts at pure noise
    SPACING_LINSPACE, // both ends
    SPACING_COUNT
};

enum spacing spacing_from_name(const char *name); // "leading", "trailing", "linspace"
const char *spacing_name(enum spacing s);

struct timesteps_params {
    int count;            // steps, in [1, train_steps]
    enum spacing spacing; // SPACING_NONE means SPACING_TRAILING
    int offset;           // added to every step of SPACING_LEADING
    // The sampler->extra_point of the sampler that will run: leading and linspace then lay out
    // count+1 points and leave out the last, as DPM-Solver wants it.
    bool extra_point;
    // Steps noisier than this half log-SNR are not used; 0 means no limit. Applies with
    // extra_point only. -5.1 is usual for the cosine schedule. Trailing may then give fewer steps.
    double lambda_min;
    // Not NULL: respacing as in IF, count and spacing are ignored. Either a list "10,6,4" (the
    // training steps are cut in as many equal sections, each section gets so many steps), or the
    // name of one: "fast27", "smart27", "smart50", "smart100", "smart185", "super27", "super40",
    // "super100". One number is even spacing with both ends.
    const char *sections;
};

// Strictly descending timesteps, *count of them, freed with free(). NULL on values out of range
// (ERR_INPUT).
int *schedule_timesteps(const struct schedule *s, const struct timesteps_params *params, int *count,
                        struct err *err);

#endif
