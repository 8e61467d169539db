// SPDX-License-Identifier: MIT
// A coarse picture predicted from the text alone: text_thumbnail_size pixels a side, enlarged and
// given to the first layer of the U-Net beside the noise.
//
//     key, value = to_k( token ), tanh( to_v( token ) ), four times as wide as the token
//     thumbnail  = proj( what a learned query finds in the tokens that are not padding )
//     h          = conv_in( noisy picture ) + conv_thumbnail( thumbnail, enlarged )
//
// Attention and the pooled text of the time embedding carry words as sums of vectors without
// positions: where in the picture they belong must be learned from noise alone, separately for
// every name. The thumbnail has positions, and it can be trained without noise, from texts and
// pictures (the stage TRAIN_WORDS, engine/train/recipe.h). The nonlinearity comes before the sum
// over tokens, not after it, so that each word adds a picture of its own from the first step; the
// meaning of words in combination is left to the text encoder. Padding is masked: among 45 tokens
// of it three words would have little effect, and it would dominate every gradient.
//
// conv_thumbnail starts as zeros, so that the model's output is unchanged at first. With
// references, these show what the picture looks like, and the thumbnail of a subject that training
// never named would contradict them: the empty text's thumbnail is used instead, as in the
// unconditional branch of guidance. A model trained to trust the reference if they disagree gets
// the thumbnail there too: text_thumbnail_with_references.
#include <math.h>

#include "engine/nets/unet_block.h"

enum { HEAD_DIM = 32, POOLED_SCALE = 3 }; // the second brings a mean of about ten tokens near 1

struct node *
unet_thumbnail(struct nn *nn, const struct unet_config *c, struct node *text, struct node *mask)
{
    struct graph *g = nn->g;
    int64_t n = text->shape.dim[0], tokens = text->shape.dim[1], side = c->thumbnail_size;
    int64_t width = 4 * text->shape.dim[2];
    int heads = width % HEAD_DIM == 0 ? (int)(width / HEAD_DIM) : 1;
    nn_segment(nn);
    struct node *query = nn_param(nn, "text_thumbnail.query", SHAPE(1, width), PARAM_TABLE,
                                  (struct param_init){INIT_NORMAL, 1, 0, 0});
    query = op_cast(g, op_reshape(g, query, SHAPE(1, 1, width)), nn->dtype);
    query = op_broadcast(g, query, SHAPE(n, 1, width));
    struct linear project = {.out = width, .std = 2 / sqrt((double)width)};
    struct node *k = nn_linear(nn, text, &project, "text_thumbnail.to_k");
    struct node *v = op_tanh(g, nn_linear(nn, text, &project, "text_thumbnail.to_v"));
    struct node *hide = op_affine(g, op_reshape(g, mask, SHAPE(n, 1, 1, tokens)), 1e9, -1e9);
    struct node *h = op_attention(g, query, k, v, hide, heads, 1 / sqrt((double)width / heads));
    h = op_affine(g, op_reshape(g, h, SHAPE(n, width)), POOLED_SCALE, 0);
    struct linear last = {.out = side * side * 3, .out_dtype = DTYPE_F32};
    h = nn_linear(nn, h, &last, "text_thumbnail.proj");
    return op_reshape(g, h, SHAPE(n, side, side, 3));
}

struct node *
unet_add_thumbnail(struct nn *nn, const struct unet_config *c, struct node *h,
                   struct node *thumbnail)
{
    if (!thumbnail)
        return h;
    struct node *t = op_cast(nn->g, thumbnail, nn->dtype);
    for (int side = c->thumbnail_size; side < unet_config_side(c, 0); side *= 2)
        t = op_upsample2(nn->g, t);
    struct conv conv = {.out = c->block_out_channels[0], .kernel = 3, .zero = true};
    return op_add(nn->g, h, nn_conv(nn, t, &conv, "conv_thumbnail"));
}
