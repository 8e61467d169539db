// SPDX-License-Identifier: MIT
// Ops that move elements and compute nothing: views, broadcast, permute, concat, slice, pad, and
// the table look-up.
#include <string.h>

#include "engine/ops/rules.h"

// --- views: reshape keeps all elements, part takes a run of them (no gradient: only gradients
// that were computed side by side are taken apart with it)

bool
op_shape_reshape(struct node *n, struct err *err)
{
    if (shape_count(&n->shape) != shape_count(source_shape(n, 0)))
        return err_set(err, ERR_INPUT, "cannot be reshaped: another number of elements");
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_shape_part(struct node *n, struct err *err)
{
    int64_t offset = n->params.part.offset;
    if (offset < 0 || offset + shape_count(&n->shape) > shape_count(source_shape(n, 0)))
        return err_set(err, ERR_INPUT, "part reaches past the end");
    n->dtype = n->source[0]->dtype;
    return true;
}

// Views share memory; their kernels run only in tests that give them memory of their own.
bool
op_plain_reshape(const struct op_args *a, struct err *err)
{
    (void)err;
    memmove(a->dst, a->src[0], dtype_bytes(a->node->dtype, arg_count(a)));
    return true;
}

bool
op_plain_part(const struct op_args *a, struct err *err)
{
    (void)err;
    for (int64_t i = 0; i < arg_count(a); i++)
        arg_put(a, i, arg_get(a, 0, i + a->node->params.part.offset));
    return true;
}

struct node *
op_reshape(struct graph *g, struct node *x, struct shape to)
{
    return shape_equal(&x->shape, &to) ? x
                                       : graph_add(g, OP_reshape, NULL, &x, 1, DTYPE_NONE, &to);
}

struct node *
op_part(struct graph *g, struct node *x, int64_t offset, struct shape shape)
{
    union op_params p = {.part = {offset}};
    return graph_add(g, OP_part, &p, &x, 1, DTYPE_NONE, &shape);
}

void
op_grad_reshape(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_reshape(g, dy, n->source[0]->shape);
}

// --- broadcast

bool
op_shape_broadcast(struct node *n, struct err *err)
{
    struct shape both;
    if (!shape_broadcast(source_shape(n, 0), &n->shape, &both) || !shape_equal(&both, &n->shape))
        return err_set(err, ERR_INPUT, "cannot be broadcast to that shape");
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_broadcast(const struct op_args *a, struct err *err)
{
    (void)err;
    const struct shape *s = source_shape(a->node, 0), *d = &a->node->shape;
    for (int64_t i = 0; i < arg_count(a); i++) {
        int64_t rest = i, index = 0, stride = 1;
        for (int axis = d->rank - 1, at = s->rank - 1; at >= 0; axis--, at--) {
            if (s->dim[at] > 1)
                index += rest % d->dim[axis] * stride;
            rest /= d->dim[axis];
            stride *= s->dim[at];
        }
        arg_put(a, i, arg_get(a, 0, index));
    }
    return true;
}

struct node *
op_broadcast(struct graph *g, struct node *x, struct shape to)
{
    return shape_equal(&x->shape, &to) ? x
                                       : graph_add(g, OP_broadcast, NULL, &x, 1, DTYPE_NONE, &to);
}

void
op_grad_broadcast(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)g, (void)n;
    dx[0] = dy; // grad.c sums it back
}

// --- permute

bool
op_shape_permute(struct node *n, struct err *err)
{
    const struct shape *s = source_shape(n, 0);
    unsigned seen = 0;
    n->shape.rank = s->rank;
    for (int i = 0; i < s->rank; i++) {
        int axis = n->params.permute.axis[i];
        if (axis < 0 || axis >= s->rank || seen >> axis & 1)
            return err_set(err, ERR_INPUT, "axes are not a permutation");
        seen |= 1u << axis;
        n->shape.dim[i] = s->dim[axis];
    }
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_permute(const struct op_args *a, struct err *err)
{
    (void)err;
    const struct shape *s = source_shape(a->node, 0), *d = &a->node->shape;
    int64_t stride[SHAPE_RANK_MAX];
    for (int i = 0; i < d->rank; i++) {
        stride[i] = 1;
        for (int k = a->node->params.permute.axis[i] + 1; k < s->rank; k++)
            stride[i] *= s->dim[k];
    }
    for (int64_t i = 0; i < arg_count(a); i++) {
        int64_t rest = i, index = 0;
        for (int axis = d->rank - 1; axis >= 0; axis--) {
            index += rest % d->dim[axis] * stride[axis];
            rest /= d->dim[axis];
        }
        arg_put(a, i, arg_get(a, 0, index));
    }
    return true;
}

struct node *
op_permute(struct graph *g, struct node *x, const int *axis)
{
    union op_params p = {0};
    memcpy(p.permute.axis, axis, (size_t)x->shape.rank * sizeof *axis);
    return graph_add(g, OP_permute, &p, &x, 1, DTYPE_NONE, NULL);
}

void
op_grad_permute(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    int inverse[SHAPE_RANK_MAX] = {0};
    for (int i = 0; i < n->shape.rank; i++)
        inverse[n->params.permute.axis[i]] = i;
    dx[0] = op_permute(g, dy, inverse);
}

// --- concat, slice, pad: all copy runs of "inner" elements along one axis

static int64_t
inner_of(const struct shape *s, int axis)
{
    int64_t inner = 1;
    for (int i = axis + 1; i < s->rank; i++)
        inner *= s->dim[i];
    return inner;
}

static int64_t
outer_of(const struct shape *s, int axis)
{
    int64_t outer = 1;
    for (int i = 0; i < axis; i++)
        outer *= s->dim[i];
    return outer;
}

bool
op_shape_concat(struct node *n, struct err *err)
{
    int axis = n->params.range.axis;
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    if (axis < 0 || axis >= n->shape.rank)
        return err_set(err, ERR_INPUT, "has no axis %d", axis);
    for (int k = 1; k < n->source_count; k++) {
        const struct shape *s = source_shape(n, k);
        bool fits = s->rank == n->shape.rank && n->source[k]->dtype == n->dtype;
        for (int i = 0; fits && i < s->rank; i++)
            fits = i == axis || s->dim[i] == n->shape.dim[i];
        if (!fits)
            return err_set(err, ERR_INPUT, "sources differ beside axis %d", axis);
        n->shape.dim[axis] += s->dim[axis];
    }
    return true;
}

bool
op_plain_concat(const struct op_args *a, struct err *err)
{
    (void)err;
    int axis = a->node->params.range.axis;
    int64_t inner = inner_of(&a->node->shape, axis), outer = outer_of(&a->node->shape, axis);
    int64_t width = a->node->shape.dim[axis] * inner, start = 0;
    for (int k = 0; k < a->node->source_count; k++) {
        int64_t run = source_shape(a->node, k)->dim[axis] * inner;
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < run; i++)
                arg_put(a, o * width + start + i, arg_get(a, k, o * run + i));
        start += run;
    }
    return true;
}

struct node *
op_concat(struct graph *g, struct node *const *x, int count, int axis)
{
    union op_params p = {.range = {.axis = axis}};
    return graph_add(g, OP_concat, &p, x, count, DTYPE_NONE, NULL);
}

void
op_grad_concat(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    int axis = n->params.range.axis;
    int64_t start = 0;
    for (int k = 0; k < n->source_count; k++) {
        int64_t length = n->source[k]->shape.dim[axis];
        dx[k] = op_slice(g, dy, axis, start, length);
        start += length;
    }
}

bool
op_shape_slice(struct node *n, struct err *err)
{
    const struct shape *s = source_shape(n, 0);
    int axis = n->params.range.axis;
    int64_t start = n->params.range.start, length = n->params.range.length;
    if (axis < 0 || axis >= s->rank || start < 0 || length < 1 || start + length > s->dim[axis])
        return err_set(err, ERR_INPUT, "no elements %lld..%lld on axis %d", (long long)start,
                       (long long)(start + length), axis);
    n->shape = *s;
    n->shape.dim[axis] = length;
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_slice(const struct op_args *a, struct err *err)
{
    (void)err;
    int axis = a->node->params.range.axis;
    const struct shape *s = source_shape(a->node, 0);
    int64_t inner = inner_of(s, axis), outer = outer_of(s, axis);
    int64_t width = s->dim[axis] * inner, start = a->node->params.range.start * inner;
    int64_t run = a->node->params.range.length * inner;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < run; i++)
            arg_put(a, o * run + i, arg_get(a, 0, o * width + start + i));
    return true;
}

struct node *
op_slice(struct graph *g, struct node *x, int axis, int64_t start, int64_t length)
{
    union op_params p = {.range = {.axis = axis, .start = start, .length = length}};
    return graph_add(g, OP_slice, &p, &x, 1, DTYPE_NONE, NULL);
}

void
op_grad_slice(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    int axis = n->params.range.axis;
    int64_t before = n->params.range.start;
    int64_t after = n->source[0]->shape.dim[axis] - before - n->params.range.length;
    dx[0] = op_pad(g, dy, axis, before, after);
}

bool
op_shape_pad(struct node *n, struct err *err)
{
    const struct shape *s = source_shape(n, 0);
    int axis = n->params.range.axis;
    if (axis < 0 || axis >= s->rank || n->params.range.before < 0 || n->params.range.after < 0)
        return err_set(err, ERR_INPUT, "cannot be padded on axis %d", axis);
    n->shape = *s;
    n->shape.dim[axis] += n->params.range.before + n->params.range.after;
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_pad(const struct op_args *a, struct err *err)
{
    (void)err;
    int axis = a->node->params.range.axis;
    const struct shape *s = source_shape(a->node, 0), *d = &a->node->shape;
    int64_t inner = inner_of(s, axis), outer = outer_of(s, axis);
    int64_t run = s->dim[axis] * inner, width = d->dim[axis] * inner;
    int64_t before = a->node->params.range.before * inner;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < width; i++)
            arg_put(a, o * width + i,
                    i >= before && i < before + run ? arg_get(a, 0, o * run + i - before) : 0);
    return true;
}

struct node *
op_pad(struct graph *g, struct node *x, int axis, int64_t before, int64_t after)
{
    if (before == 0 && after == 0)
        return x;
    union op_params p = {.range = {.axis = axis, .before = before, .after = after}};
    return graph_add(g, OP_pad, &p, &x, 1, DTYPE_NONE, NULL);
}

void
op_grad_pad(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    int axis = n->params.range.axis;
    dx[0] = op_slice(g, dy, axis, n->params.range.before, n->source[0]->shape.dim[axis]);
}

// --- gather: rows of a table

bool
op_shape_gather(struct node *n, struct err *err)
{
    const struct shape *table = source_shape(n, 0), *ids = source_shape(n, 1);
    if (table->rank != 2 || n->source[1]->dtype != DTYPE_I32 || ids->rank >= SHAPE_RANK_MAX)
        return err_set(err, ERR_INPUT, "needs a table of rank 2 and i32 ids");
    n->shape = *ids;
    n->shape.dim[n->shape.rank++] = table->dim[1];
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_plain_gather(const struct op_args *a, struct err *err)
{
    const struct shape *table = source_shape(a->node, 0);
    const int32_t *ids = a->src[1];
    int64_t n = shape_count(source_shape(a->node, 1)), width = table->dim[1];
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= table->dim[0])
            return err_set(err, ERR_INPUT, "id %d is outside the table of %lld rows", ids[i],
                           (long long)table->dim[0]);
        for (int64_t c = 0; c < width; c++)
            arg_put(a, i * width + c, arg_get(a, 0, ids[i] * width + c));
    }
    return true;
}

struct node *
op_gather(struct graph *g, struct node *table, struct node *ids)
{
    return graph_add(g, OP_gather, NULL, (struct node *[]){table, ids}, 2, DTYPE_NONE, NULL);
}

void
op_grad_gather(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_gather_grad(g, n->source[1], dy, n->source[0]->shape);
}

bool
op_shape_gather_grad(struct node *n, struct err *err)
{
    if (n->shape.rank != 2 || n->source[0]->dtype != DTYPE_I32 ||
        shape_count(source_shape(n, 0)) * n->shape.dim[1] != shape_count(source_shape(n, 1)))
        return err_set(err, ERR_INPUT, "needs i32 ids and a gradient row for each");
    n->dtype = wide_dtype(n->source[1]->dtype);
    return true;
}

bool
op_plain_gather_grad(const struct op_args *a, struct err *err)
{
    const struct shape *table = &a->node->shape;
    const int32_t *ids = a->src[0];
    int64_t n = shape_count(source_shape(a->node, 0)), width = table->dim[1];
    memset(a->dst, 0, dtype_bytes(a->node->dtype, arg_count(a)));
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= table->dim[0])
            return err_set(err, ERR_INPUT, "id %d is outside the table of %lld rows", ids[i],
                           (long long)table->dim[0]);
        for (int64_t c = 0; c < width; c++) {
            int64_t at = ids[i] * width + c;
            arg_put(a, at, dtype_load(a->node->dtype, a->dst, at) + arg_get(a, 1, i * width + c));
        }
    }
    return true;
}

struct node *
op_gather_grad(struct graph *g, struct node *ids, struct node *dy, struct shape table)
{
    return graph_add(g, OP_gather_grad, NULL, (struct node *[]){ids, dy}, 2, DTYPE_NONE, &table);
}
