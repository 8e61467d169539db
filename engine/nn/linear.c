// SPDX-License-Identifier: MIT
// Layers that are products: linear and convolution.
#include <math.h>

#include "engine/nn/nn_parts.h"

// PyTorch draws uniformly from +-1/sqrt(fan in); this is the normal law of the same variance.
static struct param_init
start(int64_t fan_in, double std, bool zero)
{
    if (zero)
        return (struct param_init){INIT_NONE, 0};
    return (struct param_init){INIT_NORMAL, std > 0 ? std : 1 / sqrt(3.0 * (double)fan_in)};
}

struct node *
nn_linear(struct nn *nn, struct node *x, const struct linear *l, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    int64_t in = shape_last(&x->shape);
    enum dtype dtype = l->wide ? DTYPE_F32 : nn->dtype;
    enum param_kind kind = l->wide ? PARAM_TABLE : l->kept ? PARAM_KEPT : PARAM_MATRIX;
    struct node *w = nn_named(nn, buf, "weight", SHAPE(l->out, in), kind,
                           start(in, l->std, l->zero));
    struct node *b = NULL;
    if (!l->no_bias)
        b = nn_named(nn, buf, "bias", SHAPE(l->out), PARAM_VECTOR, (struct param_init){0});
    return op_matmul(nn->g, op_cast(nn->g, x, dtype), false, w, true, b, l->out_dtype);
}

struct node *
nn_conv(struct nn *nn, struct node *x, const struct conv *c, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    int64_t in = shape_last(&x->shape), k = c->kernel;
    struct node *w = nn_named(nn, buf, "weight", SHAPE(c->out, in, k, k), PARAM_MATRIX,
                           start(in * k * k, 0, c->zero));
    struct node *b = nn_named(nn, buf, "bias", SHAPE(c->out), PARAM_VECTOR, (struct param_init){0});
    if (c->pad_end)
        x = op_pad(nn->g, c->bare_below ? x : op_pad(nn->g, x, 1, 0, 1), 2, 0, 1);
    return op_conv2d(nn->g, x, w, b, c->stride ? c->stride : 1, c->pad_end ? 0 : c->kernel / 2);
}
