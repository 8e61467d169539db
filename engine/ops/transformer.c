// SPDX-License-Identifier: MIT
// What transformers are made of beside products and attention: norms with gain and offset, gated
// units, rotary positions.
#include <math.h>

#include "engine/ops/rules.h"

// --- norm_affine: norm(x) a + b over rows of the last axis, a and b for all rows or one a sample

static bool
fits_rows(const struct node *n, int k)
{
    const struct shape *x = source_shape(n, 0), *a = source_shape(n, k);
    bool rows = a->rank == 1 || (a->rank == 2 && (a->dim[0] == 1 || a->dim[0] == x->dim[0]));
    return rows && shape_last(a) == shape_last(x) &&
           n->source[k]->dtype == wide_dtype(n->source[0]->dtype);
}

bool
op_shape_norm_affine(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 0);
    if (n->dtype == DTYPE_NONE)
        n->dtype = n->source[0]->dtype;
    for (int k = 1; k < n->source_count; k++)
        if (n->shape.rank < 2 || !fits_rows(n, k))
            return err_set(err, ERR_INPUT,
                           "needs x [N,…,C] and f32 gain and offset [C] or [N|1,C]");
    return dtype_is_float(n->dtype) && dtype_is_float(n->source[0]->dtype) ? true
           : err_set(err, ERR_INPUT, "needs float types");
}

// Element i of row r, of source k.
static double
row_get(const struct op_args *a, int k, int64_t r, int64_t i, int64_t rows)
{
    const struct shape *s = source_shape(a->node, k);
    int64_t samples = shape_count(s) / shape_last(s);
    return arg_get(a, k, (samples > 1 ? r / (rows / samples) : 0) * shape_last(s) + i);
}

bool
op_plain_norm_affine(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n && !a->node->params.norm.rms; i++)
            mean += arg_get(a, 0, r * n + i) / (double)n;
        for (int64_t i = 0; i < n; i++)
            square += pow(arg_get(a, 0, r * n + i) - mean, 2);
        double rstd = 1 / sqrt(square / (double)n + a->node->params.norm.eps);
        for (int64_t i = 0; i < n; i++) {
            double y = (arg_get(a, 0, r * n + i) - mean) * rstd * row_get(a, 1, r, i, rows);
            if (a->node->source_count > 2)
                y += row_get(a, 2, r, i, rows);
            arg_put(a, r * n + i, y);
        }
    }
    return true;
}

struct node *
op_norm_affine(struct graph *g, struct node *x, struct node *a, struct node *b, double eps,
               bool rms, enum dtype out)
{
    union op_params p = {.norm = {.eps = eps, .rms = rms}};
    return graph_add(g, OP_norm_affine, &p, (struct node *[]){x, a, b}, b ? 3 : 2, out, NULL);
}

// Rows [C] or [N|1,C] as they are broadcast over x [N,…,C].
static struct node *
spread(struct graph *g, struct node *rows, const struct shape *x)
{
    struct shape s = {.rank = x->rank};
    for (int i = 0; i < x->rank; i++)
        s.dim[i] = 1;
    s.dim[0] = rows->shape.rank == 2 ? rows->shape.dim[0] : 1;
    s.dim[x->rank - 1] = shape_last(x);
    return op_reshape(g, rows, s);
}

static struct node *
normed(struct graph *g, struct node *n)
{
    struct node *x = op_cast(g, n->source[0], wide_dtype(n->source[0]->dtype));
    double eps = n->params.norm.eps;
    return n->params.norm.rms ? op_rms_norm(g, x, eps) : op_layer_norm(g, x, eps);
}

struct node *
op_expand_norm_affine(struct graph *g, struct node *n)
{
    struct node *y = op_mul(g, normed(g, n), spread(g, n->source[1], &n->shape));
    if (n->source_count > 2)
        y = op_add(g, y, spread(g, n->source[2], &n->shape));
    return op_cast(g, y, n->dtype);
}

// (N,…,C) summed to (N,C); who is broadcast over samples is summed further by the caller.
static struct node *
per_sample(struct graph *g, struct node *x)
{
    uint32_t middle = 0;
    for (int i = 1; i < x->shape.rank - 1; i++)
        middle |= 1u << i;
    x = middle ? op_sum(g, x, middle) : x;
    return op_reshape(g, x, SHAPE(x->shape.dim[0], shape_last(&x->shape)));
}

void
op_grad_norm_affine(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *x = op_cast(g, n->source[0], wide_dtype(n->source[0]->dtype));
    double eps = n->params.norm.eps;
    dy = op_cast(g, dy, x->dtype);
    struct node *scaled = op_mul(g, dy, spread(g, n->source[1], &n->shape));
    dx[0] = n->params.norm.rms ? op_rms_norm_grad(g, x, scaled, eps)
                               : op_layer_norm_grad(g, x, scaled, eps);
    dx[1] = per_sample(g, op_mul(g, dy, normed(g, n)));
    if (n->source_count > 2)
        dx[2] = per_sample(g, dy);
}

// --- swiglu: silu(first half) * second half

bool
op_shape_swiglu(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    int64_t width = shape_last(&n->shape);
    if (n->shape.rank < 1 || width % 2 || !dtype_is_float(n->dtype))
        return err_set(err, ERR_INPUT, "needs a float type and an even last axis");
    n->shape.dim[n->shape.rank - 1] = width / 2;
    return true;
}

bool
op_plain_swiglu(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < n; i++) {
            double gate = arg_get(a, 0, 2 * r * n + i), up = arg_get(a, 0, (2 * r + 1) * n + i);
            arg_put(a, r * n + i, gate / (1 + exp(-gate)) * up);
        }
    return true;
}

struct node *
op_swiglu(struct graph *g, struct node *x)
{
    return graph_add(g, OP_swiglu, NULL, &x, 1, DTYPE_NONE, NULL);
}

static struct node *
half(struct graph *g, struct node *x, int which)
{
    int64_t width = shape_last(&x->shape) / 2;
    return op_slice(g, x, x->shape.rank - 1, which * width, width);
}

struct node *
op_expand_swiglu(struct graph *g, struct node *n)
{
    return op_mul(g, op_silu(g, half(g, n->source[0], 0)), half(g, n->source[0], 1));
}

void
op_grad_swiglu(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *gate = half(g, n->source[0], 0), *up = half(g, n->source[0], 1);
    struct node *d[] = {op_silu_grad(g, gate, op_mul(g, dy, up)), op_mul(g, dy, op_silu(g, gate))};
    dx[0] = op_concat(g, d, 2, n->shape.rank - 1);
}

// --- rope: pairs of channels of each head turned by the angles of the token

bool
op_shape_rope(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0), *t = source_shape(n, 1);
    int heads = n->params.rope.heads;
    n->shape = *x;
    n->dtype = n->source[0]->dtype;
    bool fits = x->rank == 3 && heads > 0 && x->dim[2] % (2 * (int64_t)heads) == 0 &&
                t->rank == 2 && t->dim[0] == x->dim[1] && t->dim[1] == x->dim[2] / heads &&
                n->source[1]->dtype == wide_dtype(n->dtype);
    return fits || err_set(err, ERR_INPUT, "needs x [N,T,%d heads of an even width D] and f32 "
                           "cosines and sines [T,D]", heads);
}

bool
op_plain_rope(const struct op_args *a, struct err *err)
{
    (void)err;
    const struct shape *x = source_shape(a->node, 0);
    int64_t heads = a->node->params.rope.heads, width = x->dim[2] / heads, half_width = width / 2;
    bool together = a->node->params.rope.interleaved;
    for (int64_t r = 0; r < x->dim[0] * x->dim[1] * heads; r++)
        for (int64_t i = 0; i < half_width; i++) {
            int64_t table = r / heads % x->dim[1] * width;
            double c = arg_get(a, 1, table + i), s = arg_get(a, 1, table + half_width + i);
            s = a->node->params.rope.inverse ? -s : s;
            int64_t i0 = r * width + (together ? 2 * i : i), i1 = i0 + (together ? 1 : half_width);
            double x0 = arg_get(a, 0, i0), x1 = arg_get(a, 0, i1);
            arg_put(a, i0, x0 * c - x1 * s);
            arg_put(a, i1, x1 * c + x0 * s);
        }
    return true;
}

static struct node *
add_rope(struct graph *g, struct node *x, struct node *table, const union op_params *p)
{
    return graph_add(g, OP_rope, p, (struct node *[]){x, table}, 2, DTYPE_NONE, NULL);
}

struct node *
op_rope(struct graph *g, struct node *x, struct node *table, int heads, bool interleaved)
{
    return add_rope(g, x, table, &(union op_params){.rope = {heads, interleaved, false}});
}

// Turned back; the table holds positions, which no gradient reaches.
void
op_grad_rope(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    union op_params p = n->params;
    p.rope.inverse = !p.rope.inverse;
    dx[0] = add_rope(g, dy, n->source[1], &p);
}

// Halves [N,T,H,D/2] of the pairs: first, or second.
static struct node *
pair_half(struct graph *g, struct node *n, int which)
{
    const struct shape *x = source_shape(n, 0);
    int64_t heads = n->params.rope.heads, half_width = x->dim[2] / heads / 2;
    bool together = n->params.rope.interleaved;
    struct shape s = SHAPE(x->dim[0] * x->dim[1], heads, together ? half_width : 2,
                           together ? 2 : half_width);
    struct node *h = op_slice(g, op_reshape(g, n->source[0], s), together ? 3 : 2, which, 1);
    return op_reshape(g, h, SHAPE(x->dim[0], x->dim[1], heads, half_width));
}

// Cosines, or sines, [T,1,D/2].
static struct node *
table_half(struct graph *g, struct node *n, int which)
{
    struct node *h = half(g, n->source[1], which);
    return op_reshape(g, h, SHAPE(h->shape.dim[0], 1, h->shape.dim[1]));
}

struct node *
op_expand_rope(struct graph *g, struct node *n)
{
    struct node *x0 = pair_half(g, n, 0), *x1 = pair_half(g, n, 1);
    struct node *c = table_half(g, n, 0), *s = table_half(g, n, 1);
    s = n->params.rope.inverse ? op_affine(g, s, -1, 0) : s;
    struct node *y[] = {op_sub(g, op_mul(g, x0, c), op_mul(g, x1, s)),
                        op_add(g, op_mul(g, x1, c), op_mul(g, x0, s))};
    bool together = n->params.rope.interleaved;
    const struct shape *h = &x0->shape;
    struct shape one = SHAPE(h->dim[0], h->dim[1], h->dim[2], together ? h->dim[3] : 1,
                             together ? 1 : h->dim[3]);
    for (int i = 0; i < 2; i++)
        y[i] = op_reshape(g, y[i], one);
    return op_reshape(g, op_concat(g, y, 2, together ? 4 : 3), n->shape);
}
