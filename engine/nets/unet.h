// SPDX-License-Identifier: MIT
// The U-Net as a graph: diffusers' UNet2DConditionModel of the Imagen family, and the multi-modal
// context that makes it Instruct-Imagen (docs/model.md).
//
//     reference (picture, its own text)          noisy picture, timestep, instruction
//              |                                              |
//        unet_embed at t = 0                             unet_embed
//              |                                              |
//        unet_down, same weights                  unet_down -> skips
//              | features of context_levels                   |
//        unet_context: keys, values ----------------------> unet_mid
//                      style -> time    context attention     |
//                                                          unet_up, unet_out
//
// Keys and values depend on the references only, so a program that draws makes them in a plan of
// their own and gives them to the step's plan as inputs; training has both in one graph.
// Tensors are channels-last: pictures (N,H,W,C).
#ifndef LIMN_ENGINE_NETS_UNET_H
#define LIMN_ENGINE_NETS_UNET_H

#include "engine/nets/unet_config.h"
#include "engine/nn/nn.h"

enum {
    UNET_SKIP_MAX = UNET_LEVEL_MAX * (UNET_LAYER_MAX + 1) + 1,
    UNET_CONTEXT_MAX = UNET_LEVEL_MAX * (2 * UNET_LAYER_MAX + 1) + 1,
};

// Conditions, ready for the blocks.
struct unet_embedding {
    struct node *time; // (N,time_embedding_dim) of nn->dtype, activated
    struct node *text; // (N,T,cross_attention_dim) of nn->dtype
    struct node *thumbnail; // as in unet_inputs
};

// What the down half leaves behind.
struct unet_skips {
    struct node *skip[UNET_SKIP_MAX]; // what the up half takes, last first
    int count;
    struct node *feature[UNET_LEVEL_MAX]; // end of each level before it is halved
};

// The context attention layers of a config, in the order they run.
struct unet_context_layer {
    char name[64]; // "down_blocks.2.context_attentions.0"
    int level, width, heads;
};
int unet_context_layers(const struct unet_config *c,
                        struct unet_context_layer out[UNET_CONTEXT_MAX]);

// Keys and values, one pair for each layer above, (N,1+tokens,width) of nn->dtype: the null token,
// then the tokens of all references. A batch of 1 serves any batch of the U-Net.
struct unet_context {
    int count;
    struct node *k[UNET_CONTEXT_MAX], *v[UNET_CONTEXT_MAX];
    // What references look like (unet_style.c): (N|1,time_embedding_dim) f32; NULL without
    // references or style_levels.
    struct node *style;
    // (N|1,R) f32, logarithms of the references' weights, added to the scores of their tokens;
    // NULL: all weights are 1.
    struct node *log_weight;
    int next; // private: the layer that runs next
};

struct unet_inputs {
    struct node *sample;       // (N,H,W,in_channels), any float
    struct node *timestep;     // (N) f32
    struct node *text;         // (N,T,encoder_hid_dim), any float; NULL if it takes none
    struct node *class_labels; // (N) f32; NULL unless the config has class_timestep
    // Of unet_thumbnail(), with references that of the empty text unless the config has
    // text_thumbnail_with_references; NULL: as if there were none.
    struct node *thumbnail;
    // NULL: no context attention runs. A config with context levels then still draws, as the
    // text-to-image model it grew from.
    const struct unet_context *context;
};

// The whole network -> (N,H,W,out_channels) f32.
struct node *unet_build(struct nn *nn, const struct unet_config *c, const struct unet_inputs *in);

// Adds every parameter of the config, context layers included, to a table that is not laid out
// yet, under `part` ("unet/"). False for a config whose graph is impossible.
bool unet_declare(struct params *params, const char *part, const struct unet_config *c,
                  struct err *err);

// Its halves, for code that reuses them.
struct unet_embedding unet_embed(struct nn *nn, const struct unet_config *c,
                                 const struct unet_inputs *in);
// Levels 0..last; the last one is not halved. Returns the features of the last level.
struct node *unet_down(struct nn *nn, const struct unet_config *c, const struct unet_inputs *in,
                       const struct unet_embedding *e, struct unet_context *context, int last,
                       struct unet_skips *skips);
struct node *unet_mid(struct nn *nn, const struct unet_config *c, struct node *h,
                      const struct unet_embedding *e, struct unet_context *context);
// Takes the skips of a full unet_down().
struct node *unet_up(struct nn *nn, const struct unet_config *c, struct node *h,
                     const struct unet_embedding *e, struct unet_context *context,
                     struct unet_skips *skips);

// A coarse picture predicted from the text alone, for configs with text_thumbnail_size S: text
// (N,T,encoder_hid_dim), any float, and mask (N,T) f32 of t5_padding_mask() -> (N,S,S,3) f32, near
// [-1,1]. Like the context it depends on the request only, not on the step.
struct node *unet_thumbnail(struct nn *nn, const struct unet_config *c, struct node *text,
                            struct node *mask);

// References through the same down half at timestep 0 without context attention, and from their
// features the keys and values. references = R >= 0; image (N*R,S,S,3) in [-1,1], any float; text
// (N*R,U,encoder_hid_dim), any float, those of the first picture first; both NULL when R = 0: then
// only the null token remains.
struct unet_references {
    int batch, references;
    struct node *image, *text;
    struct node *log_weight; // (batch,R) f32 as in struct unet_context; NULL: none
};
void unet_encode_references(struct nn *nn, const struct unet_config *c,
                            const struct unet_references *in, struct unet_context *out);

// Features of references, for finding similar ones: those of the deepest context level, normalised
// as for the keys and values, averaged over each of 4 x 4 cells: (N*R,unet_pooled_width()) f32. For
// configs with context levels; `in` has references.
struct node *unet_pooled_context(struct nn *nn, const struct unet_config *c,
                                 const struct unet_references *in);
int unet_pooled_width(const struct unet_config *c); // 0: no context levels

// Inputs "context.I.k", "context.I.v", "context.style" and, when `weighted`, "context.log_weight"
// in place of unet_encode_references(), for a graph that gets them from another plan, and the same
// names given to outputs there.
void unet_context_inputs(struct nn *nn, const struct unet_config *c, int references, bool weighted,
                         struct unet_context *out);
void unet_context_outputs(struct nn *nn, const struct unet_config *c, struct unet_context *context);

#endif
