// SPDX-License-Identifier: MIT
// Conditions of a U-Net: timestep, noise level, pooled text, and the text for the attentions.
#include <math.h>

#include "engine/nets/unet.h"

// One query, the mean of all tokens plus a learned offset, attends to itself and all tokens.
static struct node *
pool_text(struct nn *nn, struct node *text, int heads)
{
    static const char name[] = "add_embedding.pool";
    struct graph *g = nn->g;
    int64_t n = text->shape.dim[0], width = text->shape.dim[2];
    struct linear project = {.out = width};
    struct node *offset = nn_param(nn, "add_embedding.pool.positional_embedding", SHAPE(1, width),
                                   PARAM_TABLE,
                                   (struct param_init){INIT_NORMAL, 1 / sqrt((double)width)});
    struct node *mean = op_mean(g, text, 1u << 1); // (N,1,D)
    mean = op_cast(g, op_add(g, mean, offset), text->dtype);
    struct node *all = op_concat(g, (struct node *[]){mean, text}, 2, 1);
    struct node *q = nn_linear(nn, mean, &project, "%s.q_proj", name);
    struct node *k = nn_linear(nn, all, &project, "%s.k_proj", name);
    struct node *v = nn_linear(nn, all, &project, "%s.v_proj", name);
    double scale = 1 / sqrt((double)width / heads);
    return op_reshape(g, op_attention(g, q, k, v, NULL, heads, scale), SHAPE(n, width));
}

static struct node *
sinusoids(struct nn *nn, const struct unet_config *c, struct node *t)
{
    return op_timestep_embed(nn->g, t, c->block_out_channels[0], 10000, c->freq_shift,
                             c->flip_sin_to_cos);
}

// Two layers; f32 out.
static struct node *
perceptron(struct nn *nn, const struct unet_config *c, struct node *x, const char *name)
{
    struct linear l = {.out = c->time_embedding_dim, .out_dtype = DTYPE_F32};
    x = nn_linear(nn, x, &l, "%s.linear_1", name);
    x = nn_activation(nn, x, c->act);
    return nn_linear(nn, x, &l, "%s.linear_2", name);
}

struct unet_embedding
unet_embed(struct nn *nn, const struct unet_config *c, const struct unet_inputs *in)
{
    struct graph *g = nn->g;
    nn_segment(nn);
    struct node *time = perceptron(nn, c, sinusoids(nn, c, in->timestep), "time_embedding");
    if (c->class_timestep)
        time = op_add(g, time,
                      perceptron(nn, c, sinusoids(nn, c, in->class_labels), "class_embedding"));
    bool uses_text = unet_config_uses_text(c);
    struct node *text = uses_text ? op_cast(g, in->text, nn->dtype) : NULL;
    if (c->pooled_text) {
        struct node *p = nn_layer_norm(nn, text, 1e-5, "add_embedding.norm1");
        p = pool_text(nn, p, c->pooled_heads);
        struct linear l = {.out = c->time_embedding_dim, .out_dtype = DTYPE_F32};
        p = nn_linear(nn, p, &l, "add_embedding.proj");
        time = op_add(g, time, nn_layer_norm(nn, p, 1e-5, "add_embedding.norm2"));
    }
    if (in->context && in->context->style)
        time = op_add(g, time, in->context->style);
    time = nn_activation(nn, time, c->time_act);
    if (!c->skip_time_act)
        time = nn_activation(nn, time, c->act);
    if (uses_text && c->encoder_hid_dim)
        text = nn_linear(nn, text, &(struct linear){.out = c->cross_attention_dim},
                         "encoder_hid_proj");
    return (struct unet_embedding){.time = op_cast(g, time, nn->dtype), .text = text};
}
