// SPDX-License-Identifier: MIT
// Samplers: from noise to a picture through a model they know nothing about.
//
//     struct schedule *schedule = schedule_create(&(struct schedule_params){0}, &err);
//     const struct sampler *sampler = sampler_find("dpm++");
//     int count, *t = schedule_timesteps(schedule, &(struct timesteps_params){.count = 30,
//                                        .extra_point = sampler->extra_point}, &count, &err);
//     sampler_noise(x, n, elements, seeds);
//     sampler_run(&(struct sampler_params){.sampler = sampler, .timesteps = t, …}, x, &err);
//
// Arrays are host floats, (N,H,W,C) with C last, as everywhere in limn. One thread at a time per
// run; several runs may go on at once.
#ifndef LIMN_ENGINE_DIFFUSION_SAMPLER_H
#define LIMN_ENGINE_DIFFUSION_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/diffusion/schedule.h"

// The guided prediction of the model at timestep t. x (N,H,W,C) f32, out (N,H,W,model_channels)
// f32: where model_channels is 2C, the second C of each pixel are IF's variance channels.
// step counts from 0 (guidance alternates on it). False: the run stops with the error set here.
typedef bool denoise_fn(void *ctx, const float *x, double t, int step, float *out, struct err *err);

// After each step. step in [1,total]; x0 (N,H,W,C) f32, about [-1,1]: what the finished pictures
// would be as of now; valid during the call.
typedef void sampler_progress_fn(void *ctx, int step, int total, const float *x0);

// Noise of a step, out (N,H,W,C) f32: for tests that bring their own.
typedef void sampler_noise_fn(void *ctx, int step, float *out);

// What to do with the estimate x0 before it is used. Strong guidance drives it out of [-1,1].
enum threshold {
    THRESHOLD_NONE = 0,
    THRESHOLD_CLIP,    // clamp to [-max, max]
    THRESHOLD_DYNAMIC, // Imagen section 2.3: s = quantile of |x0| per picture, in [1, max]; clamp
                       // to [-s, s], divide by s
    THRESHOLD_COUNT
};

// The variance of DDPM's noise.
enum variance {
    VARIANCE_FIXED_SMALL = 0, // the posterior's: (1-abar_next)/(1-abar) * beta
    VARIANCE_FIXED_LARGE,     // beta
    VARIANCE_LEARNED_RANGE,   // between both in the log, by the model's own channels (IF)
    VARIANCE_COUNT
};

enum variance variance_from_name(const char *name); // "fixed_small"…; VARIANCE_COUNT if unknown
const char *variance_name(enum variance v);

struct sampler_step;

// One row of the table. To add a sampler: one file with one such struct, one line in sampler.c.
struct sampler {
    const char *name; // "ddpm"
    const char *help; // one sentence for people
    bool stochastic;  // adds noise by default
    bool extra_point; // for struct timesteps_params
    bool history;     // reads the estimate of the step before
    // Whether this step wants noise. NULL: never.
    bool (*wants_noise)(const struct sampler_step *s);
    // s->x becomes the sample at the next timestep.
    void (*step)(const struct sampler_step *s);
};

// What a sampler's step sees. All arrays `size` floats except alpha/sigma.
struct sampler_step {
    int step, total;                // step in [0,total)
    double alpha, sigma;            // at this timestep
    double alpha_next, sigma_next;  // at the one it goes to; 1 and 0 in the last step
    double alpha_last, sigma_last;  // at the step before; only when step > 0
    double eta;
    enum variance variance;
    size_t size;
    float *x;
    const float *x0;             // the model's estimate, thresholded
    const float *x0_last;        // of the step before; NULL in the first step or without `history`
    const float *epsilon;        // the noise prediction
    const float *variance_value; // the model's variance channels, packed as x; NULL: none
    const float *noise;          // standard normal; NULL unless wanted
};

size_t sampler_count(void);
const struct sampler *sampler_at(size_t i);
const struct sampler *sampler_find(const char *name); // NULL: no such name

struct sampler_params {
    const struct sampler *sampler;
    const struct schedule *schedule;
    const int *timesteps; // strictly descending, from schedule_timesteps()
    int count;            // of them
    size_t n;             // N: pictures
    size_t pixels;        // H*W of one picture
    int channels;         // C
    int model_channels;   // of the prediction: C or 2C; 0 means C
    enum prediction prediction;
    enum variance variance; // VARIANCE_LEARNED_RANGE needs 2C model channels
    enum threshold threshold;
    double threshold_max;      // clip: 0 means 1; dynamic: upper bound of s, 0 means no bound
    double threshold_quantile; // dynamic, in (0,1]; 0 means 0.995
    double eta;                // ddim: 0 deterministic … 1 as noisy as ddpm
    // ddim: work out the noise again from the thresholded estimate, as IF and GLIDE do. Without it,
    // as diffusers' default, estimate and noise do not add up to x once a threshold has acted.
    bool epsilon_from_x0;
    const uint64_t *seeds; // n: noise of picture i depends on seeds[i] and the step only
    denoise_fn *denoise;
    void *denoise_ctx;
    sampler_progress_fn *progress; // may be NULL
    void *progress_ctx;
    const atomic_int *cancel; // not 0: ERR_CANCELLED before the next step; may be NULL
    sampler_noise_fn *noise;  // NULL: Philox, stream RNG_STREAM_SAMPLER + 16*(step+1)
    void *noise_ctx;
};

// The starting noise: x (N,elements) f32, picture i from seeds[i], stream RNG_STREAM_NOISE.
void sampler_noise(float *x, size_t n, size_t elements, const uint64_t *seeds);

// x (N,H,W,C) f32: noise in, pictures out (about [-1,1]). On failure x holds the last finished
// step. A prediction that is not finite ends the run (ERR_DEVICE): nothing after it could be.
bool sampler_run(const struct sampler_params *params, float *x, struct err *err);

// Thresholds x0 in place: n pictures of `elements` floats each. For pipelines that show or use an
// estimate outside of a run.
void sampler_threshold(enum threshold kind, double quantile, double max, float *x0, size_t n,
                       size_t elements);

// The q-quantile of n values, linear between order statistics (position q*(n-1)), as numpy's and
// PyTorch's default. Reorders `values`. n >= 1, q in [0,1].
double sampler_quantile(float *values, size_t n, double q);

#endif
