// SPDX-License-Identifier: MIT
// Turns references into keys and values with the U-Net's own down half: see unet_context.c.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/nets/unet_block.h"

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
        rest = unet_add_positions(nn, c, l->level, rest);
        *k = op_concat(g, (struct node *[]){first, rest}, 2, 1);
    }
}

// Converts pictures (R,S,S,3) to a network's `channels`: with alpha they are opaque, on the
// background they were composed on.
static struct node *
opaque(struct graph *g, struct node *image, int channels)
{
    if (channels == 3)
        return image;
    struct node *one = op_affine(g, op_slice(g, image, 3, 0, 1), 0, 1);
    return op_concat(g, (struct node *[]){image, one}, 2, 3);
}

// Runs the references through the down half at timestep 0, up to the last level needed.
static struct unet_embedding
encode(struct nn *nn, const struct unet_config *c, const struct unet_references *in, int last,
       struct unet_skips *skips)
{
    int count = in->batch * in->references;
    require(in->image && in->text && in->image->shape.dim[0] == count);
    struct node *t;
    nn_constant_i32(nn, "reference_timestep", SHAPE(count), &t); // zeros
    struct unet_inputs u = {.sample = opaque(nn->g, in->image, c->in_channels),
                            .timestep = op_cast(nn->g, t, DTYPE_F32),
                            .text = in->text};
    struct unet_embedding e = unet_embed(nn, c, &u);
    unet_down(nn, c, &u, &e, NULL, last, skips);
    return e;
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
        struct unet_embedding e = encode(nn, c, in, last, &skips);
        if (unet_config_has_style(c))
            out->style = unet_style(nn, c, &skips, &e, in);
    }
    if (in->references && in->log_weight)
        out->log_weight = op_affine(nn->g, in->log_weight, 1, 0);
    nn_segment(nn);
    for (int i = 0; i < out->count; i++)
        keys_and_values(nn, c, &layers[i], skips.feature[layers[i].level], in->batch, &out->k[i],
                        &out->v[i]);
    nn_segment_end(nn);
}

static int
deepest_context(const struct unet_config *c)
{
    int last = -1;
    for (int i = 0; i < c->levels; i++)
        last = c->context[i] ? i : last;
    return last;
}

// Cells a side: the largest number up to four that divides it.
static int64_t
pooled_cells(const struct unet_config *c, int level)
{
    int64_t side = unet_config_side(c, level);
    return side % 4 == 0 ? 4 : side % 2 == 0 ? 2 : 1;
}

int
unet_pooled_width(const struct unet_config *c)
{
    int level = deepest_context(c);
    int64_t cells = level < 0 ? 0 : pooled_cells(c, level);
    return level < 0 ? 0 : (int)(cells * cells) * c->block_out_channels[level];
}

struct node *
unet_pooled_context(struct nn *nn, const struct unet_config *c, const struct unet_references *in)
{
    struct unet_skips skips = {0};
    int level = deepest_context(c);
    encode(nn, c, in, level, &skips);
    struct graph *g = nn->g;
    struct node *f = op_layer_norm(g, op_cast(g, skips.feature[level], DTYPE_F32), 1e-5);
    int64_t n = f->shape.dim[0], side = f->shape.dim[1], width = f->shape.dim[3];
    int64_t cells = pooled_cells(c, level);
    f = op_reshape(g, f, SHAPE(n * cells, side / cells, cells, side / cells, width));
    return op_reshape(g, op_mean(g, f, 2 | 8), SHAPE(n, cells * cells * width));
}

void
unet_context_inputs(struct nn *nn, const struct unet_config *c, int references, bool weighted,
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
    if (references && weighted)
        out->log_weight = graph_input(nn->g, "context.log_weight", SHAPE(1, references), DTYPE_F32);
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
    if (context->log_weight) {
        graph_name(nn->g, context->log_weight, "context.log_weight");
        graph_output(nn->g, context->log_weight);
    }
}
