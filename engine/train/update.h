// SPDX-License-Identifier: MIT
// The update: norm of the gradients, AdamW and averaged weights, one graph over the whole block.
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

// The fields above are set. update_finish() is due in any case.
bool update_build(struct update *u, struct err *err);
void update_finish(struct update *u);

// One optimiser step with the gradients that are there, which are zeroed. `done`: steps before it.
bool update_run(struct update *u, int64_t done, double *lr, double *grad_norm, struct err *err);

#endif
