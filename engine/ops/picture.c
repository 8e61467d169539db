// SPDX-License-Identifier: MIT
// Pictures: doubling, halving; the sinusoids that encode a timestep.
#include <math.h>

#include "engine/ops/rules.h"

bool
op_shape_upsample2(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0);
    if (x->rank != 4)
        return err_set(err, ERR_INPUT, "needs a picture N,H,W,C");
    n->shape = SHAPE(x->dim[0], 2 * x->dim[1], 2 * x->dim[2], x->dim[3]);
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_shape_downsample2(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0);
    if (x->rank != 4 || x->dim[1] % 2 || x->dim[2] % 2)
        return err_set(err, ERR_INPUT, "needs a picture N,H,W,C of even height and width");
    n->shape = SHAPE(x->dim[0], x->dim[1] / 2, x->dim[2] / 2, x->dim[3]);
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_upsample2(const struct op_args *a, struct err *err)
{
    (void)err;
    const struct shape *y = &a->node->shape;
    int64_t i = 0;
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t row = 0; row < y->dim[1]; row++)
            for (int64_t column = 0; column < y->dim[2]; column++)
                for (int64_t c = 0; c < y->dim[3]; c++, i++)
                    arg_put(a, i,
                            arg_get(a, 0,
                                    ((n * (y->dim[1] / 2) + row / 2) * (y->dim[2] / 2) +
                                     column / 2) * y->dim[3] + c));
    return true;
}

bool
op_plain_downsample2(const struct op_args *a, struct err *err)
{
    (void)err;
    const struct shape *y = &a->node->shape;
    int64_t width = 2 * y->dim[2] * y->dim[3], c_count = y->dim[3], i = 0;
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t row = 0; row < y->dim[1]; row++)
            for (int64_t column = 0; column < y->dim[2]; column++)
                for (int64_t c = 0; c < c_count; c++, i++) {
                    int64_t at = (n * 2 * y->dim[1] + 2 * row) * width + 2 * column * c_count + c;
                    arg_put(a, i,
                            0.25 *
                                (arg_get(a, 0, at) + arg_get(a, 0, at + c_count) +
                                 arg_get(a, 0, at + width) + arg_get(a, 0, at + width + c_count)));
                }
    return true;
}

struct node *
op_upsample2(struct graph *g, struct node *x)
{
    return graph_add(g, OP_upsample2, NULL, &x, 1, DTYPE_NONE, NULL);
}

struct node *
op_downsample2(struct graph *g, struct node *x)
{
    return graph_add(g, OP_downsample2, NULL, &x, 1, DTYPE_NONE, NULL);
}

// Each is the other's transpose but for the factor of the mean.
void
op_grad_upsample2(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)n;
    dx[0] = op_affine(g, op_downsample2(g, dy), 4, 0);
}

void
op_grad_downsample2(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)n;
    dx[0] = op_affine(g, op_upsample2(g, dy), 0.25, 0);
}

bool
op_shape_timestep_embed(struct node *n, struct err *err)
{
    if (source_shape(n, 0)->rank != 1 || n->shape.rank != 2 || n->shape.dim[1] % 2)
        return err_set(err, ERR_INPUT, "needs timesteps [N] and an even width");
    n->dtype = wide_dtype(n->source[0]->dtype);
    return true;
}

bool
op_plain_timestep_embed(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t count = a->node->shape.dim[0], half = a->node->shape.dim[1] / 2;
    double shift = a->node->params.timestep.shift;
    double rate = -log(a->node->params.timestep.max_period) / ((double)half - shift);
    bool cos_first = a->node->params.timestep.cos_first;
    for (int64_t n = 0; n < count; n++)
        for (int64_t i = 0; i < half; i++) {
            double angle = arg_get(a, 0, n) * exp(rate * (double)i);
            arg_put(a, n * 2 * half + i, cos_first ? cos(angle) : sin(angle));
            arg_put(a, n * 2 * half + half + i, cos_first ? sin(angle) : cos(angle));
        }
    return true;
}

struct node *
op_timestep_embed(struct graph *g, struct node *t, int64_t channels, double max_period,
                  double shift, bool cos_first)
{
    union op_params p = {.timestep = {max_period, shift, cos_first}};
    struct shape to = SHAPE(t->shape.dim[0], channels);
    return graph_add(g, OP_timestep_embed, &p, &t, 1, DTYPE_NONE, &to);
}
