// SPDX-License-Identifier: MIT
// The optimiser's update: gradient norm, AdamW and averaged weights, as one graph over the whole
// block of parameters.
#ifndef LIMN_ENGINE_TRAIN_UPDATE_H
#define LIMN_ENGINE_TRAIN_UPDATE_H

#include "engine/model/model_folder.h"
#include "engine/train/recipe.h"

struct update {
    const struct recipe *recipe;
    const struct model_folder *folder;
    const struct params *params;
    struct buffer *const *slots; // weights, gradients, moments, average
    struct device *device;
    // Private.
    struct graph *g;
    struct node *hyper, *hyper_text, *decay, *norm;
    struct plan *plan;
};

// Set the fields above `Private` first. Call update_finish() even on failure.
bool update_build(struct update *u, struct err *err);
void update_finish(struct update *u);

// One optimiser step with the accumulated gradients, which it then zeroes. `done`: steps before it.
// *lr and *grad_norm: what was used.
bool update_run(struct update *u, int64_t done, double *lr, double *grad_norm, struct err *err);

#endif
