// SPDX-License-Identifier: MIT
// The multi-modal context: references to keys and values, and the attention that reads them.
//
// A reference goes through the down half of the U-Net like a picture with no noise on it,
// conditioned on its own text; its marker is in that text, and that is all that tells references
// apart. At each context level the features are tokens:
//
//     key   = to_k( layer_norm(feature) ) + position      value = to_v( layer_norm(feature) )
//     query = to_q( group_norm(picture) ) + position
//
// Queries and keys share one learned table of row and column positions a level. It is added after
// the projections, so the product of two tables is part of the score whatever to_q and to_k are,
// and it starts as sinusoids in half of the heads (INIT_PLACE): these look at the same place in
// the reference from the first step, the others at all of it alike. One learned null token stands
// before the tokens, without a position: without references it is all there is, and a softmax
// over one key is 1, so the layer is its value, projected. to_out starts as zeros: the model is
// the text-to-image model until training says otherwise.
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

// x + position of each place, x (N,R*S*S,C): R pictures of one level, one after another.
static struct node *
add_positions(struct nn *nn, const struct unet_config *c, int level, struct node *x)
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
    q = add_positions(nn, c, l->level, q);
    if (v->shape.dim[1] == 1) {
        h = v; // only the null token: whatever the query is, the answer is its value
    } else {
        if (k->shape.dim[0] != s.dim[0]) {
            struct shape full = SHAPE(s.dim[0], k->shape.dim[1], k->shape.dim[2]);
            k = op_broadcast(g, k, full);
            v = op_broadcast(g, v, full);
        }
        double scale = 1 / sqrt((double)l->width / l->heads);
        h = op_attention(g, q, k, v, NULL, l->heads, scale);
    }
    h = nn_linear(nn, h, &(struct linear){.out = l->width, .zero = true}, "%s.to_out.0", l->name);
    if (h->shape.dim[1] == 1)
        h = op_reshape(g, h, SHAPE(h->shape.dim[0], 1, 1, s.dim[3]));
    else
        h = op_reshape(g, h, s);
    return op_add(g, x, h);
}

// Keys and values of one layer from the features of its level (N*R,h,w,C), NULL when R = 0.
static void
keys_and_values(struct nn *nn, const struct unet_config *c, const struct unet_context_layer *l,
                struct node *feature, int batch, struct node **k, struct node **v)
{
    char name[NN_NAME_MAX];
    struct graph *g = nn->g;
    int64_t width = l->width;
    struct node *null = nn_param(nn, nn_name(name, "%s.null_token", l->name), SHAPE(width),
                                 PARAM_VECTOR, (struct param_init){INIT_NORMAL, 1});
    null = op_cast(g, op_reshape(g, null, SHAPE(1, 1, width)), nn->dtype);
    null = op_broadcast(g, null, SHAPE(batch, 1, width));
    struct linear project = {.out = width};
    struct node *tokens = null;
    if (feature) {
        const struct shape *s = &feature->shape;
        int64_t count = s->dim[0] / batch * s->dim[1] * s->dim[2];
        struct node *t = nn_layer_norm(nn, feature, 1e-5, "%s.norm_context", l->name);
        t = op_reshape(g, op_cast(g, t, nn->dtype), SHAPE(batch, count, width));
        tokens = op_concat(g, (struct node *[]){null, t}, 2, 1);
    }
    *k = nn_linear(nn, tokens, &project, "%s.to_k", l->name);
    *v = nn_linear(nn, tokens, &project, "%s.to_v", l->name);
    if (feature) {
        int64_t count = (*k)->shape.dim[1];
        struct node *first = op_slice(g, *k, 1, 0, 1);
        struct node *rest = op_slice(g, *k, 1, 1, count - 1);
        rest = add_positions(nn, c, l->level, rest);
        *k = op_concat(g, (struct node *[]){first, rest}, 2, 1);
    }
}

void
unet_encode_references(struct nn *nn, const struct unet_config *c,
                       const struct unet_references *in, struct unet_context *out)
{
    struct unet_context_layer layers[UNET_CONTEXT_MAX];
    int last = -1;
    struct unet_skips skips = {0};
    *out = (struct unet_context){.count = unet_context_layers(c, layers)};
    for (int i = 0; i < c->levels; i++)
        last = c->context[i] || c->style[i] ? i : last;
    if (in->references && last >= 0) {
        int count = in->batch * in->references;
        require(in->image && in->text && in->image->shape.dim[0] == count);
        int32_t *zeros = mem_zalloc((size_t)count * sizeof *zeros);
        struct node *t = nn_constant_i32(nn, "reference_timestep", SHAPE(count), zeros);
        free(zeros);
        struct unet_inputs u = {.sample = in->image,
                                .timestep = op_cast(nn->g, t, DTYPE_F32),
                                .text = in->text};
        struct unet_embedding e = unet_embed(nn, c, &u);
        unet_down(nn, c, &u, &e, NULL, last, &skips);
        if (unet_config_has_style(c))
            out->style = unet_style(nn, c, &skips, &e, in->batch);
    }
    nn_segment(nn);
    for (int i = 0; i < out->count; i++)
        keys_and_values(nn, c, &layers[i], skips.feature[layers[i].level], in->batch, &out->k[i],
                        &out->v[i]);
    nn_segment_end(nn);
}

void
unet_context_inputs(struct nn *nn, const struct unet_config *c, int references,
                    struct unet_context *out)
{
    struct unet_context_layer layers[UNET_CONTEXT_MAX];
    char name[NN_NAME_MAX];
    *out = (struct unet_context){.count = unet_context_layers(c, layers)};
    for (int i = 0; i < out->count; i++) {
        int64_t side = unet_config_side(c, layers[i].level);
        struct shape s = SHAPE(1, 1 + references * side * side, layers[i].width);
        out->k[i] = graph_input(nn->g, nn_name(name, "context.%d.k", i), s, nn->dtype);
        out->v[i] = graph_input(nn->g, nn_name(name, "context.%d.v", i), s, nn->dtype);
    }
    if (references && unet_config_has_style(c))
        out->style =
            graph_input(nn->g, "context.style", SHAPE(1, c->time_embedding_dim), DTYPE_F32);
}

void
unet_context_outputs(struct nn *nn, const struct unet_config *c, struct unet_context *context)
{
    char name[NN_NAME_MAX];
    for (int i = 0; i < context->count; i++) {
        graph_name(nn->g, context->k[i], nn_name(name, "context.%d.k", i));
        graph_name(nn->g, context->v[i], nn_name(name, "context.%d.v", i));
        graph_output(nn->g, context->k[i]);
        graph_output(nn->g, context->v[i]);
    }
    if (context->style) {
        graph_name(nn->g, context->style, "context.style");
        graph_output(nn->g, context->style);
    }
}
