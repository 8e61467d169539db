// SPDX-License-Identifier: MIT
#include "engine/nets/unet_block.h"

#include <math.h>

#include "engine/base/require.h"

// diffusers' Attention normalises with these whatever the config says.
static const double attention_eps = 1e-5;
enum { TEXT_GROUPS = 32 };

static struct node *
resampled(struct nn *nn, struct node *x, enum resample how)
{
    switch (how) {
    case RESAMPLE_NONE:
        return x;
    case RESAMPLE_HALVE:
        return op_downsample2(nn->g, x);
    case RESAMPLE_DOUBLE:
        return op_upsample2(nn->g, x);
    case RESAMPLE_COUNT:
        break;
    }
    unreachable_here();
}

struct node *
unet_resnet(struct nn *nn, const struct unet_config *c, struct node *x,
            const struct unet_embedding *e, const struct resnet *r, const char *name)
{
    struct graph *g = nn->g;
    struct group_norm norm = {.groups = c->norm_num_groups, .eps = c->norm_eps, .act = c->act};
    struct node *h = nn_group_norm(nn, x, &norm, "%s.norm1", name);
    h = resampled(nn, h, r->resample);
    h = nn_conv(nn, h, &(struct conv){.out = r->out, .kernel = 3}, "%s.conv1", name);
    struct linear project = {.out = c->scale_shift ? 2 * r->out : r->out, .out_dtype = DTYPE_F32};
    struct node *time = nn_linear(nn, e->time, &project, "%s.time_emb_proj", name);
    if (c->scale_shift)
        norm.scale_shift = time;
    else
        h = op_add(g, h, op_reshape(g, time, SHAPE(time->shape.dim[0], 1, 1, r->out)));
    h = nn_group_norm(nn, h, &norm, "%s.norm2", name);
    h = nn_conv(nn, h, &(struct conv){.out = r->out, .kernel = 3, .zero = true}, "%s.conv2", name);

    int64_t in = shape_last(&x->shape);
    x = resampled(nn, x, r->resample);
    if (in != r->out)
        x = nn_conv(nn, x, &(struct conv){.out = r->out, .kernel = 1}, "%s.conv_shortcut", name);
    h = op_add(g, x, h);
    return r->out_scale == 1 ? h : op_affine(g, h, 1 / r->out_scale, 0);
}

struct node *
unet_attention(struct nn *nn, const struct unet_config *c, struct node *x,
               const struct unet_embedding *e, int head_dim, bool only_text, const char *name)
{
    struct graph *g = nn->g;
    const struct shape *s = &x->shape;
    int64_t width = s->dim[3];
    struct group_norm norm = {.groups = c->norm_num_groups, .eps = attention_eps};
    struct linear project = {.out = width};

    struct node *h = nn_group_norm(nn, x, &norm, "%s.group_norm", name);
    h = op_reshape(g, h, SHAPE(s->dim[0], s->dim[1] * s->dim[2], width));
    struct node *text = e->text;
    if (c->cross_attention_norm)
        text = nn_group_norm(
            nn, text, &(struct group_norm){.groups = TEXT_GROUPS, .eps = attention_eps},
            "%s.norm_cross", name);

    struct node *q = nn_linear(nn, h, &project, "%s.to_q", name);
    struct node *k = nn_linear(nn, text, &project, "%s.add_k_proj", name);
    struct node *v = nn_linear(nn, text, &project, "%s.add_v_proj", name);
    if (!only_text) {
        struct node *own_k = nn_linear(nn, h, &project, "%s.to_k", name);
        struct node *own_v = nn_linear(nn, h, &project, "%s.to_v", name);
        k = op_concat(g, (struct node *[]){k, own_k}, 2, 1);
        v = op_concat(g, (struct node *[]){v, own_v}, 2, 1);
    }
    int heads = (int)(width / head_dim);
    h = op_attention(g, q, k, v, NULL, heads, 1 / sqrt((double)head_dim));
    h = nn_linear(nn, h, &(struct linear){.out = width, .zero = true}, "%s.to_out.0", name);
    return op_add(g, x, op_reshape(g, h, *s));
}
