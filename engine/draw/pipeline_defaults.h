// SPDX-License-Identifier: MIT
// A model's defaults for what a request leaves open: the object "limn" of model_index.json and, for
// absent keys, its family's row. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H
#define LIMN_ENGINE_DRAW_PIPELINE_DEFAULTS_H

#include "engine/diffusion/guidance.h"
#include "engine/model/model_folder.h"

struct pipeline_defaults {
    int steps, super_steps;
    const struct sampler *sampler; // by default that of the scheduler's class
    enum guidance_kind guidance;   // by default cfg
    double scale, context_scale;   // context_scale: by default equal to scale
    double super_scale, super_noise_level; // the last a timestep
    double retrieved_words;        // guidance's `words`; by default more than any scale
    bool no_guidance;              // the family's: distilled models have none
};

bool pipeline_defaults_read(struct pipeline_defaults *d, const struct model_folder *m,
                            struct err *err);

#endif
