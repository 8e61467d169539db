// SPDX-License-Identifier: MIT
// How a model likes to be drawn with, where a request leaves it open: the object "limn" of
// model_index.json, and what its family's row says of keys that are not there. Private to
// engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H
#define LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H

#include "engine/diffusion/guidance.h"
#include "engine/model/model_folder.h"

struct pipeline_defaults {
    int steps, super_steps;
    const struct sampler *sampler; // else that of the scheduler's class
    enum guidance_kind guidance;   // else cfg
    double scale, context_scale;   // context_scale: else as scale
    double super_scale, super_noise_level; // the last a timestep
    bool no_guidance;              // the family's: distilled models have none
};

bool pipeline_defaults_read(struct pipeline_defaults *d, const struct model_folder *m,
                            struct err *err);

#endif
