// SPDX-License-Identifier: MIT
// Products: matmul and conv2d with its two gradients.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/ops/rules.h"

// --- matmul

static int64_t
dim_from_end(const struct shape *s, int k)
{
    return s->dim[s->rank - k];
}

static bool
check_types(const struct node *n, int64_t inner, struct err *err)
{
    enum dtype a = n->source[0]->dtype, b = n->source[1]->dtype;
    if (!dtype_is_packed(b))
        return (a == b && dtype_is_float(a)) ||
               err_set(err, ERR_INPUT, "needs two float tensors of one type");
    bool lies = n->source[1]->shape.rank == 2 && n->params.matmul.transpose_b &&
                !n->params.matmul.transpose_a && inner % dtype_block(b) == 0;
    return (lies && dtype_is_float(a)) ||
           err_set(err, ERR_INPUT, "weights in blocks are (N,K) of whole blocks, beside floats");
}

bool
op_shape_matmul(struct node *n, struct err *err)
{
    const struct shape *a = source_shape(n, 0), *b = source_shape(n, 1);
    if (a->rank < 2 || b->rank < 2 || (b->rank != 2 && b->rank != a->rank))
        return err_set(err, ERR_INPUT, "needs matrices");
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    int64_t rows = dim_from_end(a, ta ? 1 : 2), inner = dim_from_end(a, ta ? 2 : 1);
    int64_t inner_b = dim_from_end(b, tb ? 1 : 2), columns = dim_from_end(b, tb ? 2 : 1);
    if (inner != inner_b)
        return err_set(err, ERR_INPUT, "inner dimensions %lld and %lld differ", (long long)inner,
                       (long long)inner_b);
    if (!check_types(n, inner, err))
        return false;
    if (b->rank == 2 && a->rank > 2 && ta)
        return err_set(err, ERR_INPUT, "a shared matrix needs a plain left side");
    for (int i = 0; b->rank > 2 && i < a->rank - 2; i++)
        if (a->dim[i] != b->dim[i])
            return err_set(err, ERR_INPUT, "leading dimensions differ");
    if (n->source_count == 3 &&
        (source_shape(n, 2)->rank != 1 || source_shape(n, 2)->dim[0] != columns ||
         n->source[2]->dtype != wide_dtype(n->source[0]->dtype)))
        return err_set(err, ERR_INPUT, "the bias must be f32 [%lld]", (long long)columns);
    n->shape = *a;
    n->shape.dim[a->rank - 2] = rows;
    n->shape.dim[a->rank - 1] = columns;
    if (n->dtype == DTYPE_NONE)
        n->dtype = n->source[0]->dtype;
    return true;
}

// The right side in blocks: each of its rows is unpacked once.
static bool
plain_packed(const struct op_args *args, struct err *err)
{
    const struct node *n = args->node, *b = n->source[1];
    int64_t columns = shape_last(&n->shape), inner = b->shape.dim[1];
    int64_t rows = arg_count(args) / columns;
    size_t row = dtype_bytes(b->dtype, inner);
    float *w = mem_try_calloc((size_t)inner, sizeof *w, "a row of weights", err);
    bool ok = w != NULL;
    for (int64_t j = 0; ok && j < columns; j++) {
        dtype_convert(DTYPE_F32, w, b->dtype, (const char *)args->src[1] + (size_t)j * row, inner);
        for (int64_t i = 0; i < rows; i++) {
            double sum = n->source_count == 3 ? arg_get(args, 2, j) : 0;
            for (int64_t k = 0; k < inner; k++)
                sum += arg_get(args, 0, i * inner + k) * (double)w[k];
            arg_put(args, i * columns + j, sum);
        }
    }
    free(w);
    return ok;
}

double
op_flops_matmul(const struct node *n)
{
    return 2 * (double)shape_count(&n->shape) *
           (double)dim_from_end(source_shape(n, 0), n->params.matmul.transpose_a ? 2 : 1);
}

bool
op_plain_matmul(const struct op_args *args, struct err *err)
{
    if (dtype_is_packed(args->node->source[1]->dtype))
        return plain_packed(args, err);
    const struct node *n = args->node;
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    const struct shape *a = source_shape(n, 0), *b = source_shape(n, 1);
    int64_t rows = dim_from_end(&n->shape, 2), columns = dim_from_end(&n->shape, 1);
    int64_t inner = dim_from_end(a, ta ? 2 : 1), batch = arg_count(args) / (rows * columns);
    for (int64_t z = 0; z < batch; z++) {
        int64_t a0 = z * rows * inner, b0 = b->rank == 2 ? 0 : z * inner * columns;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                double sum = n->source_count == 3 ? arg_get(args, 2, j) : 0;
                for (int64_t k = 0; k < inner; k++)
                    sum += arg_get(args, 0, a0 + (ta ? k * rows + i : i * inner + k)) *
                           arg_get(args, 1, b0 + (tb ? j * inner + k : k * columns + j));
                arg_put(args, (z * rows + i) * columns + j, sum);
            }
    }
    return true;
}

struct node *
op_matmul(struct graph *g, struct node *a, bool transpose_a, struct node *b, bool transpose_b,
          struct node *bias, enum dtype out)
{
    union op_params p = {.matmul = {transpose_a, transpose_b}};
    return graph_add(g, OP_matmul, &p, (struct node *[]){a, b, bias}, bias ? 3 : 2, out, NULL);
}

// Sums over all axes but the last and drops them: (…,C) -> (C)
static struct node *
sum_to_last(struct graph *g, struct node *x)
{
    int64_t last = shape_last(&x->shape);
    struct node *flat = op_reshape(g, x, SHAPE(shape_leading(&x->shape), last));
    return op_reshape(g, op_sum(g, flat, 1), SHAPE(last));
}

static struct node *
as_matrix(struct graph *g, struct node *x)
{
    return op_reshape(g, x, SHAPE(shape_leading(&x->shape), shape_last(&x->shape)));
}

void
op_grad_matmul(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *a = n->source[0], *b = n->source[1];
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    dy = op_cast(g, dy, a->dtype);
    if (n->source_count == 3)
        dx[2] = sum_to_last(g, dy);
    // y = A B with A = a or a^T and B = b or b^T; dA = dy B^T, dB = A^T dy.
    dx[0] = ta ? op_matmul(g, b, tb, dy, true, NULL, DTYPE_NONE)
               : op_matmul(g, dy, false, b, !tb, NULL, DTYPE_NONE);
    if (b->shape.rank == 2) { // one B for every row: all leading dimensions are rows
        a = as_matrix(g, a);
        dy = as_matrix(g, dy);
    }
    enum dtype wide = wide_dtype(a->dtype);
    dx[1] = tb ? op_matmul(g, dy, true, a, ta, NULL, wide)
               : op_matmul(g, a, !ta, dy, false, NULL, wide);
}

// --- conv2d

bool
op_shape_conv2d(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0), *w = source_shape(n, 1);
    int stride = n->params.conv.stride, pad = n->params.conv.pad;
    if (x->rank != 4 || w->rank != 4 || w->dim[2] != w->dim[3])
        return err_set(err, ERR_INPUT, "needs a picture N,H,W,C and a square kernel K,C,k,k");
    if (w->dim[1] != x->dim[3])
        return err_set(err, ERR_INPUT, "the kernel wants %lld channels, the picture has %lld",
                       (long long)w->dim[1], (long long)x->dim[3]);
    if (n->source[0]->dtype != n->source[1]->dtype || !dtype_is_float(n->source[0]->dtype))
        return err_set(err, ERR_INPUT, "needs two float tensors of one type");
    int64_t k = w->dim[2], h = x->dim[1] + 2 * pad - k, v = x->dim[2] + 2 * pad - k;
    if (stride < 1 || pad < 0 || h < 0 || v < 0)
        return err_set(err, ERR_INPUT, "the kernel is larger than the padded picture");
    if (n->source_count == 3 &&
        (source_shape(n, 2)->rank != 1 || source_shape(n, 2)->dim[0] != w->dim[0] ||
         n->source[2]->dtype != wide_dtype(n->source[0]->dtype)))
        return err_set(err, ERR_INPUT, "the bias must be f32 [%lld]", (long long)w->dim[0]);
    n->params.conv.kernel = (int)k;
    n->shape = SHAPE(x->dim[0], h / stride + 1, v / stride + 1, w->dim[0]);
    n->dtype = n->source[0]->dtype;
    return true;
}

// What all three kernels walk: for each output pixel and kernel tap the input pixel beneath it.
struct taps {
    int64_t n, h, w, c;    // input
    int64_t oh, ow, k;     // output
    int64_t size, stride, pad;
};

// Input row or column of an output coordinate and tap, -1 when it lies in the padding.
static int64_t
tap_at(const struct taps *t, int64_t out, int64_t tap, int64_t limit)
{
    int64_t in = out * t->stride + tap - t->pad;
    return in >= 0 && in < limit ? in : -1;
}

static struct taps
taps_of(const struct node *n, const struct shape *x, const struct shape *y)
{
    return (struct taps){.n = x->dim[0], .h = x->dim[1], .w = x->dim[2], .c = x->dim[3],
                         .oh = y->dim[1], .ow = y->dim[2], .k = y->dim[3],
                         .size = n->params.conv.kernel, .stride = n->params.conv.stride,
                         .pad = n->params.conv.pad};
}

static int64_t
pixel(int64_t n, int64_t row, int64_t column, int64_t h, int64_t w, int64_t c)
{
    return ((n * h + row) * w + column) * c;
}

// Of a convolution that makes `pixels` (N,Ho,Wo,K), with weights (K,C,k,k); its gradients have the
// same multiply-adds.
static double
conv_flops(const struct shape *pixels, const struct shape *w)
{
    return 2 * (double)shape_count(pixels) * (double)(w->dim[1] * w->dim[2] * w->dim[3]);
}

double
op_flops_conv2d(const struct node *n)
{
    return conv_flops(&n->shape, source_shape(n, 1));
}

bool
op_plain_conv2d(const struct op_args *a, struct err *err)
{
    (void)err;
    struct taps t = taps_of(a->node, source_shape(a->node, 0), &a->node->shape);
    for (int64_t n = 0; n < t.n; n++)
        for (int64_t oy = 0; oy < t.oh; oy++)
            for (int64_t ox = 0; ox < t.ow; ox++)
                for (int64_t k = 0; k < t.k; k++) {
                    double sum = a->node->source_count == 3 ? arg_get(a, 2, k) : 0;
                    for (int64_t ky = 0; ky < t.size; ky++)
                        for (int64_t kx = 0; kx < t.size; kx++) {
                            int64_t y = tap_at(&t, oy, ky, t.h), x = tap_at(&t, ox, kx, t.w);
                            for (int64_t c = 0; y >= 0 && x >= 0 && c < t.c; c++)
                                sum += arg_get(a, 0, pixel(n, y, x, t.h, t.w, t.c) + c) *
                                       arg_get(a, 1, ((k * t.c + c) * t.size + ky) * t.size + kx);
                        }
                    arg_put(a, pixel(n, oy, ox, t.oh, t.ow, t.k) + k, sum);
                }
    return true;
}

struct node *
op_conv2d(struct graph *g, struct node *x, struct node *w, struct node *bias, int stride, int pad)
{
    union op_params p = {.conv = {.stride = stride, .pad = pad}};
    return graph_add(g, OP_conv2d, &p, (struct node *[]){x, w, bias}, bias ? 3 : 2, DTYPE_NONE,
                     NULL);
}

void
op_grad_conv2d(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    int stride = n->params.conv.stride, pad = n->params.conv.pad;
    dx[0] = op_conv2d_grad_x(g, dy, n->source[1], stride, pad, n->source[0]->shape);
    dx[1] = op_conv2d_grad_w(g, n->source[0], dy, n->params.conv.kernel, stride, pad);
    if (n->source_count == 3)
        dx[2] = sum_to_last(g, dy);
}

bool
op_shape_conv2d_grad_x(struct node *n, struct err *err)
{
    const struct shape *dy = source_shape(n, 0), *w = source_shape(n, 1);
    if (dy->rank != 4 || w->rank != 4 || n->shape.rank != 4 || w->dim[0] != dy->dim[3] ||
        w->dim[1] != n->shape.dim[3] || n->source[0]->dtype != n->source[1]->dtype)
        return err_set(err, ERR_INPUT, "sources do not belong to one convolution");
    n->params.conv.kernel = (int)w->dim[2];
    n->dtype = n->source[0]->dtype;
    return true;
}

double
op_flops_conv2d_grad_x(const struct node *n)
{
    return conv_flops(source_shape(n, 0), source_shape(n, 1));
}

bool
op_plain_conv2d_grad_x(const struct op_args *a, struct err *err)
{
    (void)err;
    struct taps t = taps_of(a->node, &a->node->shape, source_shape(a->node, 0));
    for (int64_t n = 0; n < t.n; n++)
        for (int64_t y = 0; y < t.h; y++)
            for (int64_t x = 0; x < t.w; x++)
                for (int64_t c = 0; c < t.c; c++) {
                    double sum = 0;
                    for (int64_t ky = 0; ky < t.size; ky++)
                        for (int64_t kx = 0; kx < t.size; kx++) {
                            int64_t oy = y + t.pad - ky, ox = x + t.pad - kx;
                            if (oy < 0 || ox < 0 || oy % t.stride || ox % t.stride)
                                continue;
                            oy /= t.stride;
                            ox /= t.stride;
                            for (int64_t k = 0; oy < t.oh && ox < t.ow && k < t.k; k++)
                                sum += arg_get(a, 0, pixel(n, oy, ox, t.oh, t.ow, t.k) + k) *
                                       arg_get(a, 1, ((k * t.c + c) * t.size + ky) * t.size + kx);
                        }
                    arg_put(a, pixel(n, y, x, t.h, t.w, t.c) + c, sum);
                }
    return true;
}

struct node *
op_conv2d_grad_x(struct graph *g, struct node *dy, struct node *w, int stride, int pad,
                 struct shape like)
{
    union op_params p = {.conv = {.stride = stride, .pad = pad}};
    return graph_add(g, OP_conv2d_grad_x, &p, (struct node *[]){dy, w}, 2, DTYPE_NONE, &like);
}

bool
op_shape_conv2d_grad_w(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0), *dy = source_shape(n, 1);
    if (x->rank != 4 || dy->rank != 4 || x->dim[0] != dy->dim[0] ||
        n->source[0]->dtype != n->source[1]->dtype)
        return err_set(err, ERR_INPUT, "sources do not belong to one convolution");
    int64_t k = n->params.conv.kernel;
    n->shape = SHAPE(dy->dim[3], x->dim[3], k, k);
    n->dtype = wide_dtype(n->source[0]->dtype);
    return true;
}

double
op_flops_conv2d_grad_w(const struct node *n)
{
    return conv_flops(source_shape(n, 1), &n->shape);
}

bool
op_plain_conv2d_grad_w(const struct op_args *a, struct err *err)
{
    (void)err;
    struct taps t = taps_of(a->node, source_shape(a->node, 0), source_shape(a->node, 1));
    for (int64_t k = 0; k < t.k; k++)
        for (int64_t c = 0; c < t.c; c++)
            for (int64_t ky = 0; ky < t.size; ky++)
                for (int64_t kx = 0; kx < t.size; kx++) {
                    double sum = 0;
                    for (int64_t n = 0; n < t.n; n++)
                        for (int64_t oy = 0; oy < t.oh; oy++)
                            for (int64_t ox = 0; ox < t.ow; ox++) {
                                int64_t y = tap_at(&t, oy, ky, t.h), x = tap_at(&t, ox, kx, t.w);
                                if (y >= 0 && x >= 0)
                                    sum += arg_get(a, 0, pixel(n, y, x, t.h, t.w, t.c) + c) *
                                           arg_get(a, 1, pixel(n, oy, ox, t.oh, t.ow, t.k) + k);
                            }
                    arg_put(a, ((k * t.c + c) * t.size + ky) * t.size + kx, sum);
                }
    return true;
}

struct node *
op_conv2d_grad_w(struct graph *g, struct node *x, struct node *dy, int kernel, int stride, int pad)
{
    union op_params p = {.conv = {.stride = stride, .pad = pad, .kernel = kernel}};
    return graph_add(g, OP_conv2d_grad_w, &p, (struct node *[]){x, dy}, 2, DTYPE_NONE, NULL);
}
