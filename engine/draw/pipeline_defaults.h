// SPDX-License-Identifier: MIT
// How a model likes to be drawn with, where a request leaves it open: the object "limn" of
// model_index.json. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H
#define LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H

#include "engine/diffusion/guidance.h"
#include "engine/model/model_folder.h"

struct pipeline_defaults {
    int steps, super_steps; // "steps", that of the family or 50, "super_steps" 30
    const struct sampler *sampler;             // "sampler", that of the scheduler's class
    enum guidance_kind guidance;               // "guidance", cfg
    double scale, context_scale, super_scale;  // "scale" 7, "context_scale" scale, "super_scale" 4
    double super_noise_level;                  // "super_noise_level" 250, a timestep
    bool no_guidance;                          // the family's: distilled models have none
};

bool pipeline_defaults_read(struct pipeline_defaults *d, const struct model_folder *m,
                            struct err *err);

#endif
