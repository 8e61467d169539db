// SPDX-License-Identifier: MIT
// The style embedding: statistics of the references, by channel, added to the time embedding of the
// picture, so that they reach the scale and shift of every residual block.
//
//     look   = norm( mean and deviation over the places of the features of style_levels )
//     hidden = act( linear_1( look, time embedding of the reference's pass ) )
//     value  = norm_out( linear_2( hidden ) )
//     style  = sum over the references of softmax( role(hidden) + log weight, 0 ) value
//     time   = time + proj( style )
//
// Context attention finds places in a reference; colour, outline and shading have no place. A
// picture's statistics by channel describe its texture (Gatys et al. 2016; Huang & Belongie 2017),
// and the time embedding is how they are applied to a picture. Which reference is one of style is
// told by its own text, which the time embedding of its pass contains. The 0 in the softmax is a
// null entry without a value: all references may be ignored, which equals having none.
//
// proj starts as zeros, so that the model's output is unchanged at first. norm_out scales its input
// to size 1: the output of linear_2 is a tenth of that, and learning would be ten times slower.
#include "engine/nets/unet_block.h"

// Below the deviation of any informative feature; keeps the derivative of the root finite.
static const double variance_eps = 1e-4;

// x (N,H,W,C) -> (N,2C) f32
static struct node *
statistics(struct graph *g, struct node *x)
{
    int64_t n = x->shape.dim[0], width = x->shape.dim[3];
    struct node *mean = op_cast(g, op_mean(g, x, 2 | 4), DTYPE_F32);
    struct node *away = op_sub(g, x, mean);
    struct node *variance = op_cast(g, op_mean(g, op_mul(g, away, away), 2 | 4), DTYPE_F32);
    struct node *deviation = op_sqrt(g, op_affine(g, variance, 1, variance_eps));
    struct node *both = op_concat(g, (struct node *[]){mean, deviation}, 2, 3);
    return op_reshape(g, both, SHAPE(n, 2 * width));
}

// (N*R,T) f32 of each, and the weight of each -> (N,T) f32
static struct node *
combine(struct graph *g, struct node *each, struct node *role, const struct unet_references *in)
{
    int64_t batch = in->batch, count = each->shape.dim[0] / batch, width = each->shape.dim[1];
    struct node *scores = op_reshape(g, role, SHAPE(batch, count));
    if (in->log_weight)
        scores = op_add(g, scores, in->log_weight);
    struct node *null = op_affine(g, op_slice(g, scores, 1, 0, 1), 0, 0);
    struct node *weights = op_softmax(g, op_concat(g, (struct node *[]){scores, null}, 2, 1));
    weights = op_reshape(g, op_slice(g, weights, 1, 0, count), SHAPE(batch, count, 1));
    struct node *all = op_mul(g, op_reshape(g, each, SHAPE(batch, count, width)), weights);
    return op_reshape(g, op_sum(g, all, 2), SHAPE(batch, width));
}

struct node *
unet_style(struct nn *nn, const struct unet_config *c, const struct unet_skips *skips,
           const struct unet_embedding *e, const struct unet_references *in)
{
    struct graph *g = nn->g;
    struct node *look = NULL;
    nn_segment(nn);
    for (int i = 0; i < c->levels; i++) {
        if (!c->style[i])
            continue;
        struct node *s = statistics(g, skips->feature[i]);
        look = look ? op_concat(g, (struct node *[]){look, s}, 2, 1) : s;
    }
    look = nn_layer_norm(nn, look, 1e-5, "style_embedding.norm");
    struct node *both = op_concat(
        g, (struct node *[]){look, op_cast(g, e->time, DTYPE_F32)}, 2, 1);
    struct linear wide = {.out = c->time_embedding_dim, .out_dtype = DTYPE_F32};
    struct node *hidden = nn_activation(
        nn, nn_linear(nn, both, &wide, "style_embedding.linear_1"), c->act);
    struct node *each = nn_linear(nn, hidden, &wide, "style_embedding.linear_2");
    each = nn_layer_norm(nn, each, 1e-5, "style_embedding.norm_out");
    struct linear one = {.out = 1, .out_dtype = DTYPE_F32};
    struct node *role = nn_linear(nn, hidden, &one, "style_embedding.role");
    struct linear last = wide;
    last.zero = last.no_bias = true;
    return nn_linear(nn, combine(g, each, role, in), &last, "style_embedding.proj");
}
