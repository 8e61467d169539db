// SPDX-License-Identifier: MIT
// Reductions: sum and max over chosen axes (kept with size 1), sum of squares over everything,
// softmax over the last axis.
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/ops/rules.h"

bool
op_shape_reduce(struct node *n, struct err *err)
{
    const struct shape *s = source_shape(n, 0);
    if (!dtype_is_float(n->source[0]->dtype))
        return err_set(err, ERR_INPUT, "needs a float tensor");
    if (n->params.reduce.axes == 0 || n->params.reduce.axes >> s->rank)
        return err_set(err, ERR_INPUT, "no such axes 0x%x", n->params.reduce.axes);
    n->shape = *s;
    for (int i = 0; i < s->rank; i++)
        if (n->params.reduce.axes >> i & 1)
            n->shape.dim[i] = 1;
    n->dtype = n->op == OP_max ? n->source[0]->dtype : wide_dtype(n->source[0]->dtype);
    return true;
}

// Flat index in the result of the element at flat index i of the source.
static int64_t
reduced_index(const struct node *n, int64_t i)
{
    const struct shape *s = source_shape(n, 0);
    int64_t index = 0, stride = 1;
    for (int axis = s->rank - 1; axis >= 0; axis--) {
        int64_t position = i % s->dim[axis];
        i /= s->dim[axis];
        if (n->shape.dim[axis] > 1)
            index += position * stride;
        stride *= n->shape.dim[axis];
    }
    return index;
}

static bool
reduce_plain(const struct op_args *a, bool take_max, struct err *err)
{
    int64_t out = arg_count(a), in = shape_count(source_shape(a->node, 0));
    double *total = mem_try_calloc((size_t)out, sizeof *total, "reduction", err);
    if (!total)
        return false;
    for (int64_t i = 0; i < out && take_max; i++)
        total[i] = -INFINITY;
    for (int64_t i = 0; i < in; i++) {
        double v = arg_get(a, 0, i), *t = &total[reduced_index(a->node, i)];
        *t = take_max ? fmax(*t, v) : *t + v;
    }
    for (int64_t i = 0; i < out; i++)
        arg_put(a, i, total[i]);
    free(total);
    return true;
}

bool
op_plain_sum(const struct op_args *a, struct err *err)
{
    return reduce_plain(a, false, err);
}

bool
op_plain_max(const struct op_args *a, struct err *err)
{
    return reduce_plain(a, true, err);
}

static struct node *
reduce(struct graph *g, enum op op, struct node *x, uint32_t axes)
{
    union op_params p = {.reduce = {axes}};
    return graph_add(g, op, &p, &x, 1, DTYPE_NONE, NULL);
}

struct node *
op_sum(struct graph *g, struct node *x, uint32_t axes)
{
    return reduce(g, OP_sum, x, axes);
}

struct node *
op_max(struct graph *g, struct node *x, uint32_t axes)
{
    return reduce(g, OP_max, x, axes);
}

struct node *
op_mean(struct graph *g, struct node *x, uint32_t axes)
{
    struct node *s = op_sum(g, x, axes);
    return op_affine(g, s, (double)shape_count(&s->shape) / (double)shape_count(&x->shape), 0);
}

void
op_grad_sum(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_broadcast(g, dy, n->source[0]->shape);
}

bool
op_shape_sumsq(struct node *n, struct err *err)
{
    if (!dtype_is_float(n->source[0]->dtype))
        return err_set(err, ERR_INPUT, "needs a float tensor");
    n->shape = SHAPE_SCALAR;
    n->dtype = wide_dtype(n->source[0]->dtype);
    return true;
}

bool
op_plain_sumsq(const struct op_args *a, struct err *err)
{
    (void)err;
    double total = 0;
    for (int64_t i = 0; i < shape_count(source_shape(a->node, 0)); i++)
        total += arg_get(a, 0, i) * arg_get(a, 0, i);
    arg_put(a, 0, total);
    return true;
}

struct node *
op_sumsq(struct graph *g, struct node *x)
{
    return graph_add(g, OP_sumsq, NULL, &x, 1, DTYPE_NONE, NULL);
}

// --- softmax

bool
op_plain_softmax(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double top = -INFINITY, total = 0;
        for (int64_t i = 0; i < n; i++)
            top = fmax(top, arg_get(a, 0, r * n + i));
        for (int64_t i = 0; i < n; i++)
            total += exp(arg_get(a, 0, r * n + i) - top);
        for (int64_t i = 0; i < n; i++)
            arg_put(a, r * n + i, exp(arg_get(a, 0, r * n + i) - top) / total);
    }
    return true;
}

// dx = y (dy - sum(y dy))
bool
op_plain_softmax_grad(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double dot = 0;
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            dot += arg_get(a, 0, i) * arg_get(a, 1, i);
        for (int64_t i = r * n; i < (r + 1) * n; i++)
            arg_put(a, i, arg_get(a, 0, i) * (arg_get(a, 1, i) - dot));
    }
    return true;
}

struct node *
op_softmax(struct graph *g, struct node *x)
{
    return graph_add(g, OP_softmax, NULL, &x, 1, DTYPE_NONE, NULL);
}

struct node *
op_softmax_grad(struct graph *g, struct node *y, struct node *dy)
{
    return graph_add(g, OP_softmax_grad, NULL, (struct node *[]){y, dy}, 2, DTYPE_NONE, NULL);
}

void
op_grad_softmax(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_softmax_grad(g, n, dy);
}

struct node *
op_expand_softmax(struct graph *g, struct node *n)
{
    struct node *x = n->source[0];
    uint32_t last = 1u << (x->shape.rank - 1);
    struct node *e = op_exp(g, op_sub(g, x, op_max(g, x, last)));
    return op_div(g, e, op_sum(g, e, last));
}

struct node *
op_expand_softmax_grad(struct graph *g, struct node *n)
{
    struct node *y = n->source[0], *dy = n->source[1];
    uint32_t last = 1u << (y->shape.rank - 1);
    return op_mul(g, y, op_sub(g, dy, op_sum(g, op_mul(g, y, dy), last)));
}
