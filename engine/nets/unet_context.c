// SPDX-License-Identifier: MIT
// The multi-modal context: the layers, and the attention that reads the keys and values of
// references (unet_references.c makes them).
//
// A reference passes through the down half of the U-Net like a picture without noise, conditioned
// on its own text; the marker in that text is all that distinguishes references. At each context
// level the features become tokens:
//
//     key   = to_k( layer_norm(feature) ) + position      value = to_v( layer_norm(feature) )
//     query = to_q( group_norm(picture) ) + position
//
// Queries and keys share one learned table of row and column positions per level. It is added after
// the projections, so the product of two positions is part of the score whatever to_q and to_k are.
// In half of the heads it starts as sinusoids (INIT_PLACE): these attend to the same place in the
// reference from the first step, the others to all of it equally. One learned null token precedes
// the tokens, without a position: without references it is the only key, its softmax weight is 1,
// and the layer's output is its projected value. to_out starts as zeros, so that the model starts
// as the text-to-image model.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nets/unet_block.h"

static int
context_heads(const struct unet_config *c, int level)
{
    int head_dim = c->context_head_dim ? c->context_head_dim : c->attention_head_dim[level];
    return c->block_out_channels[level] / head_dim;
}

static void
add_layers(const struct unet_config *c, int level, int layers, const char *block,
           struct unet_context_layer *out, int *count)
{
    for (int i = 0; c->context[level] && i < layers; i++) {
        struct unet_context_layer *l = &out[(*count)++];
        snprintf(l->name, sizeof l->name, "%s.context_attentions.%d", block, i);
        l->level = level;
        l->width = c->block_out_channels[level];
        l->heads = context_heads(c, level);
    }
}

int
unet_context_layers(const struct unet_config *c, struct unet_context_layer out[UNET_CONTEXT_MAX])
{
    int count = 0;
    char name[NN_NAME_MAX];
    for (int i = 0; i < c->levels; i++)
        add_layers(c, i, c->layers_per_block[i], nn_name(name, "down_blocks.%d", i), out, &count);
    add_layers(c, c->levels - 1, 1, "mid_block", out, &count);
    for (int i = 0; i < c->levels; i++) {
        int level = c->levels - 1 - i;
        add_layers(c, level, c->layers_per_block[level] + 1, nn_name(name, "up_blocks.%d", i), out,
                   &count);
    }
    return count;
}

struct node *
unet_add_positions(struct nn *nn, const struct unet_config *c, int level, struct node *x)
{
    char name[NN_NAME_MAX];
    struct graph *g = nn->g;
    int64_t side = unet_config_side(c, level), width = c->block_out_channels[level];
    struct param_init start = {INIT_PLACE, 1.75, context_heads(c, level), 0};
    struct node *row = nn_param(nn, nn_name(name, "context_positions.%d.row", level),
                                SHAPE(side, width), PARAM_TABLE, start);
    start.axis = 1;
    struct node *column = nn_param(nn, nn_name(name, "context_positions.%d.column", level),
                                   SHAPE(side, width), PARAM_TABLE, start);
    row = op_reshape(g, row, SHAPE(side, 1, width));
    column = op_reshape(g, column, SHAPE(1, side, width));
    struct node *place = op_reshape(g, op_add(g, row, column), SHAPE(side * side, width));
    const struct shape s = x->shape;
    x = op_reshape(g, x, SHAPE(s.dim[0] * s.dim[1] / (side * side), side * side, width));
    x = op_cast(g, op_add(g, x, place), nn->dtype);
    return op_reshape(g, x, s);
}

// (N|1,R) -> the bias on the scores of the null token and `tokens` others, (N|1,1,1,1+tokens).
static struct node *
weights_as_bias(struct graph *g, struct node *log_weight, int64_t tokens)
{
    int64_t n = log_weight->shape.dim[0], r = log_weight->shape.dim[1];
    struct node *each = op_reshape(g, log_weight, SHAPE(n, r, 1));
    each = op_reshape(g, op_broadcast(g, each, SHAPE(n, r, tokens / r)), SHAPE(n, 1, 1, tokens));
    struct node *null = op_affine(g, op_slice(g, each, 3, 0, 1), 0, 0);
    return op_concat(g, (struct node *[]){null, each}, 2, 3);
}

struct node *
unet_context_attention(struct nn *nn, const struct unet_config *c, struct node *x,
                       struct unet_context *context)
{
    if (!context)
        return x;
    struct unet_context_layer layers[UNET_CONTEXT_MAX];
    int count = unet_context_layers(c, layers);
    require(context->count == count && context->next < count);
    const struct unet_context_layer *l = &layers[context->next];
    struct node *k = context->k[context->next], *v = context->v[context->next];
    context->next++;

    struct graph *g = nn->g;
    const struct shape s = x->shape;
    struct group_norm norm = {.groups = c->norm_num_groups, .eps = 1e-5};
    struct node *h = nn_group_norm(nn, x, &norm, "%s.group_norm", l->name);
    h = op_reshape(g, h, SHAPE(s.dim[0], s.dim[1] * s.dim[2], s.dim[3]));
    struct node *q = nn_linear(nn, h, &(struct linear){.out = l->width}, "%s.to_q", l->name);
    q = unet_add_positions(nn, c, l->level, q);
    if (v->shape.dim[1] == 1) {
        h = v; // only the null token: the result is its value, whatever the query
    } else {
        if (k->shape.dim[0] != s.dim[0]) {
            struct shape full = SHAPE(s.dim[0], k->shape.dim[1], k->shape.dim[2]);
            k = op_broadcast(g, k, full);
            v = op_broadcast(g, v, full);
        }
        double scale = 1 / sqrt((double)l->width / l->heads);
        struct node *bias =
            context->log_weight
                ? weights_as_bias(g, context->log_weight, k->shape.dim[1] - 1)
                : NULL;
        h = op_attention(g, q, k, v, bias, l->heads, scale);
    }
    h = nn_linear(nn, h, &(struct linear){.out = l->width, .zero = true}, "%s.to_out.0", l->name);
    if (h->shape.dim[1] == 1)
        h = op_reshape(g, h, SHAPE(h->shape.dim[0], 1, 1, s.dim[3]));
    else
        h = op_reshape(g, h, s);
    return op_add(g, x, h);
}
