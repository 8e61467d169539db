// SPDX-License-Identifier: MIT
#include "engine/nets/unet.h"

#include "engine/base/require.h"
#include "engine/nets/net.h"
#include "engine/nets/unet_block.h"

static void
push(struct unet_skips *s, struct node *h)
{
    require(s->count < UNET_SKIP_MAX);
    s->skip[s->count++] = h;
}

// (N,H,W,C) -> (N,H/n,W/n,nnC): squares of n x n pixels become one, rows first.
static struct node *
fold(struct graph *g, struct node *x, int n)
{
    const struct shape s = x->shape;
    int64_t height = s.dim[1] / n, width = s.dim[2] / n;
    if (n == 1)
        return x;
    x = op_reshape(g, x, SHAPE(s.dim[0] * height, n, width, n * s.dim[3]));
    x = op_permute(g, x, (int[]){0, 2, 1, 3});
    return op_reshape(g, x, SHAPE(s.dim[0], height, width, n * n * s.dim[3]));
}

// The inverse of fold().
static struct node *
unfold(struct graph *g, struct node *x, int n)
{
    const struct shape s = x->shape;
    int64_t channels = s.dim[3] / (n * n);
    if (n == 1)
        return x;
    x = op_reshape(g, x, SHAPE(s.dim[0] * s.dim[1], s.dim[2], n, n * channels));
    x = op_permute(g, x, (int[]){0, 2, 1, 3});
    return op_reshape(g, x, SHAPE(s.dim[0], s.dim[1] * n, s.dim[2] * n, channels));
}

struct node *
unet_down(struct nn *nn, const struct unet_config *c, const struct unet_inputs *in,
          const struct unet_embedding *e, struct unet_context *context, int last,
          struct unet_skips *skips)
{
    char name[NN_NAME_MAX];
    *skips = (struct unet_skips){0};
    nn_segment(nn);
    struct node *h = fold(nn->g, op_cast(nn->g, in->sample, nn->dtype), c->fold);
    h = nn_conv(nn, h, &(struct conv){.out = c->block_out_channels[0], .kernel = 3}, "conv_in");
    h = unet_add_thumbnail(nn, c, h, e->thumbnail);
    push(skips, h);
    for (int level = 0; level <= last; level++) {
        struct resnet r = {.out = c->block_out_channels[level], .out_scale = c->out_scale};
        for (int i = 0; i < c->layers_per_block[level]; i++) {
            nn_segment(nn);
            h = unet_resnet(nn, c, h, e, &r,
                            nn_name(name, "down_blocks.%d.resnets.%d", level, i));
            if (c->attention[level])
                h = unet_attention(nn, c, h, e, c->attention_head_dim[level],
                                   c->only_cross_attention,
                                   nn_name(name, "down_blocks.%d.attentions.%d", level, i));
            if (c->context[level])
                h = unet_context_attention(nn, c, h, context);
            push(skips, h);
        }
        skips->feature[level] = h;
        if (level < last) {
            nn_segment(nn);
            r.resample = RESAMPLE_HALVE;
            h = unet_resnet(nn, c, h, e, &r,
                            nn_name(name, "down_blocks.%d.downsamplers.0", level));
            push(skips, h);
        }
    }
    return h;
}

struct node *
unet_mid(struct nn *nn, const struct unet_config *c, struct node *h,
         const struct unet_embedding *e, struct unet_context *context)
{
    int level = c->levels - 1;
    struct resnet r = {.out = c->block_out_channels[level], .out_scale = c->mid_scale};
    nn_segment(nn);
    h = unet_resnet(nn, c, h, e, &r, "mid_block.resnets.0");
    if (c->mid_plain)
        return h;
    h = unet_attention(nn, c, h, e, c->attention_head_dim[level], c->mid_only_cross_attention,
                       "mid_block.attentions.0");
    if (c->context[level])
        h = unet_context_attention(nn, c, h, context);
    return unet_resnet(nn, c, h, e, &r, "mid_block.resnets.1");
}

struct node *
unet_up(struct nn *nn, const struct unet_config *c, struct node *h,
        const struct unet_embedding *e, struct unet_context *context, struct unet_skips *skips)
{
    char name[NN_NAME_MAX];
    for (int block = 0; block < c->levels; block++) {
        int level = c->levels - 1 - block;
        struct resnet r = {.out = c->block_out_channels[level], .out_scale = c->out_scale};
        for (int i = 0; i <= c->layers_per_block[level]; i++) {
            require(skips->count > 0);
            nn_segment(nn);
            struct node *both[] = {h, skips->skip[--skips->count]};
            h = op_concat(nn->g, both, 2, 3);
            h = unet_resnet(nn, c, h, e, &r, nn_name(name, "up_blocks.%d.resnets.%d", block, i));
            if (c->attention[level])
                h = unet_attention(nn, c, h, e, c->attention_head_dim[level],
                                   c->only_cross_attention,
                                   nn_name(name, "up_blocks.%d.attentions.%d", block, i));
            if (c->context[level])
                h = unet_context_attention(nn, c, h, context);
        }
        if (level > 0 && c->plain_upsampling) {
            h = op_upsample2(nn->g, h);
        } else if (level > 0) {
            nn_segment(nn);
            r.resample = RESAMPLE_DOUBLE;
            h = unet_resnet(nn, c, h, e, &r, nn_name(name, "up_blocks.%d.upsamplers.0", block));
        }
    }
    return h;
}

struct node *
unet_build(struct nn *nn, const struct unet_config *c, const struct unet_inputs *in)
{
    struct unet_context own, *context = NULL;
    if (in->context) {
        own = *in->context;
        own.next = 0;
        context = &own;
    }
    struct unet_skips skips;
    struct unet_embedding e = unet_embed(nn, c, in);
    e.thumbnail = in->thumbnail;
    struct node *h = unet_down(nn, c, in, &e, context, c->levels - 1, &skips);
    h = unet_mid(nn, c, h, &e, context);
    h = unet_up(nn, c, h, &e, context, &skips);
    require(skips.count == 0);
    nn_segment(nn);
    struct group_norm norm = {.groups = c->norm_num_groups, .eps = c->norm_eps, .act = c->act};
    h = nn_group_norm(nn, h, &norm, "conv_norm_out");
    struct conv last = {.out = c->out_channels * c->fold * c->fold, .kernel = 3, .zero = true};
    h = unfold(nn->g, nn_conv(nn, h, &last, "conv_out"), c->fold);
    h = op_cast(nn->g, h, DTYPE_F32);
    nn_segment_end(nn);
    return h;
}

// With everything that the config has.
static struct node *
build_whole(struct nn *nn, const void *config)
{
    const struct unet_config *c = config;
    struct graph *g = nn->g;
    int side = c->sample_size;
    int width = c->encoder_hid_dim ? c->encoder_hid_dim : c->cross_attention_dim;
    struct unet_context context;
    struct unet_inputs in = {
        .sample = graph_input(g, "sample", SHAPE(1, side, side, c->in_channels), DTYPE_F32),
        .timestep = graph_input(g, "timestep", SHAPE(1), DTYPE_F32),
    };
    if (unet_config_uses_text(c))
        in.text = graph_input(g, "text", SHAPE(1, 2, width), DTYPE_F32);
    if (c->class_timestep)
        in.class_labels = graph_input(g, "class_labels", SHAPE(1), DTYPE_F32);
    if (c->thumbnail_size)
        in.thumbnail = unet_thumbnail(nn, c, in.text,
                                      graph_input(g, "mask", SHAPE(1, 2), DTYPE_F32));
    if (unet_config_has_context(c)) {
        struct node *image = graph_input(g, "image", SHAPE(1, side, side, 3), DTYPE_F32);
        struct unet_references r = {.batch = 1, .references = 1, .image = image,
                                    .text = in.text};
        unet_encode_references(nn, c, &r, &context);
        in.context = &context;
    }
    return unet_build(nn, c, &in);
}

bool
unet_declare(struct params *params, const char *part, const struct unet_config *c, struct err *err)
{
    return net_declare(params, part, c, build_whole, err);
}
