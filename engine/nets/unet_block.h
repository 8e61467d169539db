// SPDX-License-Identifier: MIT
// The blocks that U-Nets of the Imagen family are made of. Private to engine/nets/unet*.c.
#ifndef LIMN_ENGINE_NETS_UNET_BLOCK_H
#define LIMN_ENGINE_NETS_UNET_BLOCK_H

#include "engine/nets/unet.h"

enum resample { RESAMPLE_NONE = 0, RESAMPLE_HALVE, RESAMPLE_DOUBLE, RESAMPLE_COUNT };

struct resnet {
    int64_t out;
    enum resample resample;
    double out_scale; // the sum is divided by it
};
// x (N,H,W,C) -> (N,H',W',out)
struct node *unet_resnet(struct nn *nn, const struct unet_config *c, struct node *x,
                         const struct unet_embedding *e, const struct resnet *r, const char *name);

// x (N,H,W,C) attends to the text and, unless only_text, to itself; same shape.
struct node *unet_attention(struct nn *nn, const struct unet_config *c, struct node *x,
                            const struct unet_embedding *e, int head_dim, bool only_text,
                            const char *name);

// h (N,H,W,C) of the first layer + the thumbnail, enlarged to it; h itself when thumbnail is NULL.
struct node *unet_add_thumbnail(struct nn *nn, const struct unet_config *c, struct node *h,
                                struct node *thumbnail);

// What the references look like, from the features of their pass and its embedding, of N*R pictures
// each -> (N,time_embedding_dim) f32, to be added to the time embedding of the picture's pass.
struct node *unet_style(struct nn *nn, const struct unet_config *c, const struct unet_skips *skips,
                        const struct unet_embedding *e, const struct unet_references *in);

// x + position of each place, x (N,R*S*S,C): R pictures of one level, one after another.
struct node *unet_add_positions(struct nn *nn, const struct unet_config *c, int level,
                                struct node *x);

// The next layer of the context; x itself when context is NULL.
struct node *unet_context_attention(struct nn *nn, const struct unet_config *c, struct node *x,
                                    struct unet_context *context);

#endif
