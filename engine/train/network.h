// SPDX-License-Identifier: MIT
// The training graph: text encoder, reference encoder, U-Net, loss and gradients in one graph, for
// a fixed number of examples that all have the same number of references. Gradients are added to
// SLOT_GRADS, laid out as the weights are.
#ifndef LIMN_ENGINE_TRAIN_NETWORK_H
#define LIMN_ENGINE_TRAIN_NETWORK_H

#include "engine/device/device.h"
#include "engine/model/model_folder.h"
#include "engine/nets/t5.h"
#include "engine/nets/unet.h"

// How names of parameters start.
#define NETWORK_UNET "unet/"
#define NETWORK_TEXT "text_encoder/"

// The networks that training knows; NULL: the folder has none of that kind.
static inline const struct unet_config *
network_unet(const struct model_folder *m)
{
    return parts_config(&m->parts, m->family->denoiser, &net_unet);
}

static inline const struct t5_config *
network_text(const struct model_folder *m)
{
    return parts_config(&m->parts, m->family->text, &net_t5);
}

struct network_params {
    const struct model_folder *folder; // configs of unet and text encoder
    struct params *params;             // laid out, f32
    int batch, references;
    int text_tokens, reference_tokens;
    enum dtype dtype; // of activations
    bool checkpoint_activations, freeze_text;
};

struct network {
    struct graph *g;
    struct nn nn;
    // Inputs. N = batch, R = references, S = picture side, T and U tokens.
    struct node *sample;    // (N,S,S,3) f32: noisy picture
    struct node *target;    // (N,S,S,3) f32: what is to be predicted
    struct node *weight;    // (N,1,1,1) f32: weight of each example's loss times 1/accumulate
    struct node *timestep;  // (N) f32
    struct node *text;      // (N,T) i32
    struct node *heard;     // (N,1,1,1) f32: 1: the thumbnail is the text's, 0: the empty text's;
                            // NULL when the graph has no choice
    struct node *ref_image; // (N*R,S,S,3) f32 in [-1,1]; NULL when R = 0
    struct node *ref_text;  // (N*R,U) i32; NULL when R = 0
    // Outputs.
    struct node *loss;      // () f32: mean over the batch of weighted squared error
    struct node *each;      // (N,1,1,1) f32: mean squared error of each example, unweighted
    struct node *prediction; // (N,S,S,3)
};

// On failure network_finish() is still due. After plan_create() the plan needs
// nn_constants_write(&n->nn, …) once.
bool network_build(struct network *n, const struct network_params *p, struct err *err);
void network_finish(struct network *n);

// Token ids (N,T) i32 -> (N,T,width) f32. thumbnail: if not NULL and the U-Net has one, it is set.
struct node *network_encode_text(struct network *n, const struct network_params *p,
                                 struct node *ids, struct node **thumbnail);

// Sets n->each, n->loss from n->prediction, n->target and n->weight, and makes them outputs.
void network_add_loss(struct network *n, const struct network_params *p);

// Whether a parameter is of those that know words: of the text encoder, or of the thumbnail that
// is made from its answer. They are frozen together.
bool network_is_text(const char *name);

// Gradients of the loss for every parameter that the graph uses, but for those of
// network_is_text() with freeze_text, added to SLOT_GRADS at the parameter's own offset.
bool network_add_gradients(struct graph *g, const struct nn *nn, struct node *loss,
                           bool freeze_text, struct err *err);

#endif
