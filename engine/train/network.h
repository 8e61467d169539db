// SPDX-License-Identifier: MIT
// The training graph: what the family builds (struct family_training), loss and gradients in one
// graph, for a fixed number of examples that all have the same number of references. Gradients are
// added to SLOT_GRADS, laid out as the weights are.
#ifndef LIMN_ENGINE_TRAIN_NETWORK_H
#define LIMN_ENGINE_TRAIN_NETWORK_H

#include "engine/device/device.h"
#include "engine/model/model_folder.h"
#include "engine/train/recipe.h"

struct network_params {
    const struct model_folder *folder; // of a family that can be trained
    struct params *params;             // laid out, f32
    struct training_key key;
    enum dtype dtype; // of activations
    enum train_stage stage;
    bool checkpoint_activations, freeze_text;
};

struct network {
    struct graph *g;
    struct nn nn;
    struct ports ports; // inputs: the family's, and these two:
    struct node *target;     // (N,S,S,C) f32: what is to be predicted
    struct node *weight;     // (N,1,1,1) f32: weight of each example's loss times 1/accumulate
    // Outputs.
    struct node *loss;       // () f32: mean over the batch of weighted squared error
    struct node *each;       // (N,1,1,1) f32: mean squared error of each example, unweighted
    struct node *prediction; // as target
};

// On failure network_finish() is still due. After plan_create() the plan needs
// nn_constants_write(&n->nn, …) once. ERR_INPUT where nothing is learned from words alone.
bool network_build(struct network *n, const struct network_params *p, struct err *err);
void network_finish(struct network *n);

// Whether a name starts with one of these; a list that ends with NULL, or NULL for none.
bool network_is_one_of(const char *name, const char *const *starts);

// What a stage trains: whether it is a parameter of these.
struct network_trained {
    const struct family_training *family;
    enum train_stage stage;
    bool freeze_text;
};
bool network_trains(const struct network_trained *t, const struct param *q);

// Gradients of the loss for every parameter that the graph uses and that is trained (NULL: all of
// them), added to SLOT_GRADS at the parameter's own offset.
bool network_add_gradients(struct graph *g, const struct nn *nn, struct node *loss,
                           const struct network_trained *trained, struct err *err);

#endif
