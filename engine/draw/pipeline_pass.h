// SPDX-License-Identifier: MIT
// One U-Net under a sampler: from noise to pictures. The base stage and super-resolution are two
// such passes. Private to engine/model/pipeline*.c.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_PASS_H
#define LIMN_ENGINE_DRAW_PIPELINE_PASS_H

#include "engine/diffusion/guidance.h"
#include "engine/draw/stage.h"

struct pass {
    struct stages *stages;
    const char *part;
    const struct unet_config *config;
    const struct scheduler_config *scheduler;
    const struct sampler *sampler;
    enum spacing spacing; // SPACING_NONE: the scheduler's own
    int steps;
    struct guidance guidance;
    int batch;
    const uint64_t *seeds;       // batch of them
    // Of the instruction and of nothing: (T,D), and behind it (S,S,3) where the U-Net has a
    // thumbnail.
    const float *text, *no_text;
    int tokens;                  // T
    struct stage *references;    // has run; NULL: none
    // Super-resolution: (N,S,S,3), enlarged and noised, and how much (a timestep). NULL: base.
    const float *low;
    double noise_level;
    // As in struct sampler_params.
    sampler_progress_fn *progress;
    void *progress_ctx;
    const atomic_int *cancel;
};

// x (N,S,S,3) f32: the pictures. Overwritten.
bool pass_run(const struct pass *p, float *x, struct err *err);

// low (N,s,s,3) in [-1,1] -> out (N,S,S,3): bilinear, then noised to timestep `level` of the
// schedule, with noise that depends on the seeds.
bool pass_low_resolution(const struct pass *p, const float *low, int side, double level, float *out,
                         struct err *err);

#endif
