// SPDX-License-Identifier: MIT
// One denoiser run by a sampler: from noise to pictures. The base model and the enlarging model are
// two such passes. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_PASS_H
#define LIMN_ENGINE_DRAW_PIPELINE_PASS_H

#include "engine/diffusion/guidance.h"
#include "engine/draw/linear_preview.h"
#include "engine/draw/pipeline.h"
#include "engine/draw/references.h"
#include "engine/draw/stage.h"

struct pass {
    struct stages *stages;
    const char *part;
    const struct scheduler_config *scheduler;
    const struct sampler *sampler;
    enum spacing spacing; // SPACING_NONE: the scheduler's own
    int steps;
    struct guidance guidance;
    int batch;
    const uint64_t *seeds;       // batch of them
    const struct port_set *text, *no_text; // of the instruction and of the empty text
    const struct port_set *markers; // of the text by its markers (guidance.h); empty: not asked for
    const struct port_set *negative; // what guidance steers away from; NULL: the empty text
    // The outputs of the references' stage for the pictures to steer away from; NULL: none.
    const struct port_set *away;
    int away_count;
    uint64_t variation_seed;         // as in struct pipeline_request
    double variation;
    int tokens;                  // T
    struct stage *references;    // has run; NULL: none
    // Of families that draw any size: that of the picture, and the references in place of a stage.
    struct picture_size size;
    const struct references *alone; // NULL: none
    const float *noise; // (N,h,w,C), what the first step takes; NULL: that of the seeds
    // Of each reference, in their order; NULL: all count the same. The stage runs again where the
    // steps change them.
    const struct pipeline_weight *weights;
    // Where to begin: (h,w,C) and (h,w), as in struct sampler_params; NULL: noise, and all is
    // drawn.
    const float *start, *mask;
    double strength; // in [0,1]
    // Super-resolution: (N,S,S,3), enlarged and noised, and how much (a timestep). NULL: base.
    const float *low;
    double noise_level;
    const struct linear_preview *preview; // how estimates are shown; NULL: decoded small
    // As in struct sampler_params.
    sampler_progress_fn *progress;
    void *progress_ctx;
    const atomic_int *cancel;
};

// x (N,h,w,C) f32, of the shape of the family's latent(): overwritten with what is drawn.
bool pass_run(const struct pass *p, float *x, struct err *err);

// x (N,h,w,C) -> picture (N,H,W,3) f32 in about [-1,1]; may be the same memory if the sizes are
// equal.
bool pass_decode(const struct pass *p, const float *x, float *picture, struct err *err);

// Turns an estimate x0 (N,h,w,C) into rgb (N,H,W,3), as the family's row says: it is a picture
// already; or by the model's linear map, if there is one; or decoded small, from means of places of
// the latent. If that fails (for lack of memory), rgb stays.
void pass_preview(const struct pass *p, const float *x0, uint8_t *rgb);

// picture (H,W,3) f32 in [-1,1] -> x (h,w,C): what pass_decode() turns back. ERR_UNSUPPORTED where
// the family has no way back.
bool pass_encode(const struct pass *p, const float *picture, float *x, struct err *err);

// low (N,s,s,C) in [-1,1] -> out (N,S,S,C): bilinear, then noised to timestep `level` of the
// schedule, with noise that depends on the seeds.
bool pass_low_resolution(const struct pass *p, const float *low, int side, double level, float *out,
                         struct err *err);

#endif
