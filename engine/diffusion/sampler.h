// SPDX-License-Identifier: MIT
// Samplers: from noise to a picture through a model they know nothing about.
//
//     struct schedule *schedule = schedule_create(&(struct schedule_params){0}, &err);
//     const struct sampler *sampler = sampler_find("dpm++");
//     struct sampler_point *points = spacing_points(schedule, &(struct spacing_params){.count = 30,
//                                        .extra_point = sampler->extra_point}, &count, &err);
//     sampler_noise(x, n, elements, seeds);
//     sampler_run(&(struct sampler_params){.sampler = sampler, .points = points, …}, x, &err);
//
// A sampler sees points (time, share of the picture, share of the noise) and estimates of the clean
// picture; it knows no schedule and no network. The noise that belongs to an estimate is always (x
// - alpha*x_0)/sigma: so sample, estimate and noise add up even after thresholding, and all
// deterministic samplers end at one picture when the steps are many.
//
// Arrays are host floats, (N,H,W,C) with C last, as everywhere in limn. One thread at a time per
// run; several runs may go on at once.
#ifndef LIMN_ENGINE_DIFFUSION_SAMPLER_H
#define LIMN_ENGINE_DIFFUSION_SAMPLER_H

#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/choice.h"
#include "engine/diffusion/prediction.h"

// The guided prediction of the model at time t. x (N,H,W,C) f32, out (N,H,W,model_channels)
// f32: where model_channels is 2C, the second C of each pixel are IF's variance channels.
// step counts from 0 (guidance alternates on it); a sampler may ask several times in one step.
// False: the run stops with the error set here.
typedef bool denoise_fn(void *ctx, const float *x, double t, int step, float *out, struct err *err);

// After each step. step in [1,total]; x0 (N,H,W,C) f32, about [-1,1]: what the finished pictures
// would be as of now; valid during the call.
typedef void sampler_progress_fn(void *ctx, int step, int total, const float *x0);

// Noise of a step, out (N,H,W,C) f32: for tests that supply their own.
typedef void sampler_noise_fn(void *ctx, int step, float *out);

// How the estimate x0 is brought back into range before it is used: strong guidance drives it out
// of [-1,1].
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

enum { SAMPLER_HISTORY_MAX = 2, SAMPLER_OWN_MAX = 2 };

struct sampler_step;

// A sampler: one file with one such struct and one row in samplers.def.
struct sampler {
    const char *name; // "ddpm"
    const char *help; // a few words for people
    bool stochastic;  // wants fresh noise in every step that does not end clean
    bool extra_point; // for struct spacing_params
    int history;      // estimates of earlier steps that it reads
    int own;          // arrays of x's size that it keeps for itself
    // s->x becomes the sample at s->next. False with an error when it asked the model and failed.
    bool (*step)(const struct sampler_step *s, struct err *err);
};

// What a sampler's step sees. All arrays have `size` floats.
struct sampler_step {
    int step, total; // step in [0,total)
    struct sampler_point at, next; // next is the clean picture in the last step
    // Of earlier steps, the latest first: before[i] and history[i] are valid where i < step.
    struct sampler_point before[SAMPLER_HISTORY_MAX];
    const float *history[SAMPLER_HISTORY_MAX];
    enum variance variance;
    size_t size;
    float *x;
    const float *x0;             // the model's estimate, thresholded
    const float *variance_value; // the model's variance channels, packed as x; NULL: none
    const float *noise;          // standard normal; NULL unless `stochastic`, and in the last step
    float *own[SAMPLER_OWN_MAX]; // zeros in the first step, then what the sampler left there
    struct sampler_run *run;     // for sampler_estimate()
};

// For samplers: asks the model once more in this step, at another point. x0 becomes its
// thresholded estimate; not s->x0.
bool sampler_estimate(const struct sampler_step *s, struct sampler_point at, const float *x,
                      float *x0, struct err *err);

// For samplers: the ratio of noise after the step to noise before it, (sigma/alpha at next) /
// (sigma/alpha at this point), in [0,1); also valid where alpha or sigma_next is 0. It is exp(-h)
// in terms of lambda = log(alpha/sigma), h = lambda_next - lambda.
static inline double
sampler_ratio(const struct sampler_step *s)
{
    return s->next.sigma * s->at.alpha / (s->at.sigma * s->next.alpha);
}

// Whether this point belongs to flow matching, where the path from noise to picture is a straight
// line.
static inline bool
sampler_is_straight(struct sampler_point p)
{
    return fabs(p.alpha + p.sigma - 1) < 1e-9;
}

static inline double
sampler_lambda(struct sampler_point p)
{
    return log(p.alpha / p.sigma);
}

size_t sampler_count(void);
const struct sampler *sampler_at(size_t i);
const struct sampler *sampler_find(const char *name); // NULL: no such name
bool sampler_choice(size_t i, struct choice *out);    // a choice_fn over the same table

struct sampler_params {
    const struct sampler *sampler;
    const struct sampler_point *points; // count+1, from spacing_points()
    int count;                          // steps
    size_t n;                           // N: pictures
    size_t pixels;                      // H*W of one picture
    int channels;                       // C
    int model_channels;                 // of the prediction: C or 2C; 0 means C
    enum prediction prediction;
    enum variance variance; // VARIANCE_LEARNED_RANGE needs 2C model channels
    enum threshold threshold;
    double threshold_max;      // clip: 0 means 1; dynamic: upper bound of s, 0 means no bound
    double threshold_quantile; // dynamic, in (0,1]; 0 means 0.995
    // Inpainting: a picture (H,W,C) and a mask (H,W) in [0,1]: 1 is redrawn, 0 is kept, values
    // between are blended. Each estimate is mixed with the picture, so where the mask is 0 a sample
    // prepared by sampler_start() remains the noised picture. NULL: all is drawn.
    const float *kept, *mask;
    const uint64_t *seeds; // n: noise of picture i depends on seeds[i], the step and the next two
    // The noise of the steps is rotated towards that of another seed, as sampler_vary() does with
    // the starting noise; variation 0: not at all.
    uint64_t variation_seed;
    double variation;
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
// The same for pictures of any size, so that a seed gives the same composition as at the base's
// size: x (N,height,width,channels), white noise whose coarse part is that of the base's noise. At
// the base's size it equals sampler_noise() bit for bit. ERR_MEMORY.
struct noise_shape {
    int height, width, channels;
    int base_height, base_width; // of the size that the model was trained at
};
bool sampler_noise_at(float *x, size_t n, const struct noise_shape *shape, const uint64_t *seeds,
                      struct err *err);
// Rotates x towards y by the fraction `amount` in [0,1] of the angle between them, n values each;
// its length goes from x's to y's.
void sampler_turn(float *x, const float *y, size_t n, double amount);
// Rotates each picture's starting noise towards that of another seed by the fraction `amount` in
// [0,1] of the angle between them (spherical interpolation, which keeps the norm of noise). 0
// changes no bit, 1 is the other seed's noise. ERR_MEMORY.
bool sampler_vary(float *x, size_t n, const struct noise_shape *shape, uint64_t seed, double amount,
                  struct err *err);

// Turns starting noise into a picture noised to `at`: x = alpha*picture + sigma*x, where `mask`
// (pixels) is below 1 and in proportion; NULL: everywhere. picture (pixels,channels), the same for
// all n.
void sampler_start(float *x, size_t n, size_t pixels, int channels, struct sampler_point at,
                   const float *picture, const float *mask);

// x (N,H,W,C) f32: noise in, pictures out (about [-1,1]). On failure x holds the last finished
// step. A prediction that is not finite ends the run with ERR_DEVICE.
bool sampler_run(const struct sampler_params *params, float *x, struct err *err);

// Thresholds x0 in place: n pictures of `elements` floats each. For pipelines that show or use an
// estimate outside of a run. scratch: `elements` floats, for THRESHOLD_DYNAMIC alone.
void sampler_threshold(enum threshold kind, double quantile, double max, float *x0, size_t n,
                       size_t elements, float *scratch);

// The q-quantile of n values, linear between order statistics (position q*(n-1)), as numpy's and
// PyTorch's default. Reorders `values`. n >= 1, q in [0,1].
double sampler_quantile(float *values, size_t n, double q);

#endif
