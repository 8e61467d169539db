// SPDX-License-Identifier: MIT
// The training graph: the family's network (struct family_training), the loss and the gradients in
// one graph, for a fixed number of examples with the same number of references each. Gradients are
// added to SLOT_GRADS, which is laid out like the weights.
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
    struct node *target;     // (N,S,S,C) f32: what should be predicted
    struct node *weight;     // (N,1,1,1) f32: weight of each example's loss times 1/accumulate
    // Outputs.
    struct node *loss;       // () f32: mean over the batch of weighted squared error
    struct node *each;       // (N,1,1,1) f32: mean squared error of each example, unweighted
    struct node *prediction; // as target
};

// Call network_finish() even on failure. After plan_create() call nn_constants_write(&n->nn, …)
// once. ERR_INPUT if the model has nothing that the stage could train.
bool network_build(struct network *n, const struct network_params *p, struct err *err);
void network_finish(struct network *n);

// Whether `name` starts with one of `starts`, a list that ends with NULL; NULL: an empty list.
bool network_is_one_of(const char *name, const char *const *starts);

// Whether a stage trains parameter q.
struct network_trained {
    const struct family_training *family;
    enum train_stage stage;
    bool freeze_text;
};
bool network_trains(const struct network_trained *t, const struct param *q);

// Adds to the graph the gradients of the loss for every parameter that it uses and that is trained
// (trained NULL: all of them). They are added to SLOT_GRADS at the parameter's own offset.
bool network_add_gradients(struct graph *g, const struct nn *nn, struct node *loss,
                           const struct network_trained *trained, struct err *err);

#endif
