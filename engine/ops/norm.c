// SPDX-License-Identifier: MIT
// Group, layer and RMS norm.
//
// Group norm is the U-Net's workhorse: y = act(xhat a + b), xhat = (x - mean)/sqrt(var + eps) over
// a group's channels and all positions of a sample; a and b are per sample and channel, so gamma,
// beta and the scale-shift embedding are folded in by ordinary small ops, whose gradients come
// for free. Its backward pass needs, per sample and channel,
//     s1 = sum dz,  s2 = sum dz xhat        (dz = dy act'(z), sums over positions)
// from which da = s2, db = s1 and, with M values in a group and group sums G1 = sum a s1,
// G2 = sum a s2,
//     dx = r (a dz - G1/M - xhat G2/M),     r = 1/sqrt(var + eps).
// group_norm_sums computes s1, s2 and keeps mean and r; group_norm_grad is the last line.
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/ops/rules.h"

static bool
check_group_norm(const struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0);
    int groups = n->params.norm.groups;
    int64_t c = shape_last(x);
    if (x->rank < 2 || groups < 1 || c % groups)
        return err_set(err, ERR_INPUT, "%lld channels do not make %d groups", (long long)c, groups);
    for (int k = 1; k <= 2; k++) {
        const struct shape *s = source_shape(n, k);
        if (s->rank != 2 || s->dim[1] != c || (s->dim[0] != 1 && s->dim[0] != x->dim[0]) ||
            n->source[k]->dtype != wide_dtype(n->source[0]->dtype))
            return err_set(err, ERR_INPUT, "gain and offset must be f32 [N,C] or [1,C]");
    }
    if (!shape_equal(source_shape(n, 1), source_shape(n, 2)))
        return err_set(err, ERR_INPUT, "gain and offset differ in shape");
    if (n->source_count > 3 && (!shape_equal(source_shape(n, 3), x) ||
                                n->source[3]->dtype != n->source[0]->dtype))
        return err_set(err, ERR_INPUT, "the gradient must look like the picture");
    return true;
}

bool
op_shape_group_norm(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    return check_group_norm(n, err);
}

bool
op_shape_group_norm_sums(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0);
    n->shape = SHAPE(x->dim[0], 4, shape_last(x));
    n->dtype = wide_dtype(n->source[0]->dtype);
    return check_group_norm(n, err);
}

bool
op_shape_group_norm_grad(struct node *n, struct err *err)
{
    const struct shape *x = source_shape(n, 0), *sums = source_shape(n, 4);
    if (sums->rank != 3 || sums->dim[0] != x->dim[0] || sums->dim[1] != 4 ||
        sums->dim[2] != shape_last(x))
        return err_set(err, ERR_INPUT, "needs the sums of the same norm");
    return op_shape_group_norm(n, err);
}

static double
act_value(enum activation act, double z)
{
    switch (act) {
    case ACT_NONE:
        return z;
    case ACT_SILU:
        return z / (1 + exp(-z));
    case ACT_GELU:
        return 0.5 * z * erfc(-z * M_SQRT1_2);
    case ACT_COUNT:
        break;
    }
    unreachable_here();
}

static double
act_slope(enum activation act, double z)
{
    double s = 1 / (1 + exp(-z));
    switch (act) {
    case ACT_NONE:
        return 1;
    case ACT_SILU:
        return s * (1 + z * (1 - s));
    case ACT_GELU:
        return 0.5 * erfc(-z * M_SQRT1_2) + z * exp(-0.5 * z * z) * 0.39894228040143267794;
    case ACT_COUNT:
        break;
    }
    unreachable_here();
}

struct group_view {
    int64_t n, positions, c, per_group; // per_group: channels of one group
    int64_t row;                        // 1 when gain and offset have a row a sample, else 0
};

static struct group_view
group_view(const struct node *n)
{
    const struct shape *x = source_shape(n, 0);
    int64_t c = shape_last(x);
    return (struct group_view){.n = x->dim[0],
                               .positions = shape_count(x) / x->dim[0] / c,
                               .c = c,
                               .per_group = c / n->params.norm.groups,
                               .row = source_shape(n, 1)->dim[0] > 1};
}

// Mean and 1/sqrt(var + eps) of the group that holds channel c of sample n.
static void
group_statistics(const struct op_args *a, const struct group_view *v, int64_t n, int64_t group,
                 double *mean, double *rstd)
{
    double sum = 0, square = 0, count = (double)(v->positions * v->per_group);
    for (int64_t p = 0; p < v->positions; p++)
        for (int64_t c = group * v->per_group; c < (group + 1) * v->per_group; c++)
            sum += arg_get(a, 0, (n * v->positions + p) * v->c + c);
    *mean = sum / count;
    for (int64_t p = 0; p < v->positions; p++)
        for (int64_t c = group * v->per_group; c < (group + 1) * v->per_group; c++) {
            double d = arg_get(a, 0, (n * v->positions + p) * v->c + c) - *mean;
            square += d * d;
        }
    *rstd = 1 / sqrt(square / count + a->node->params.norm.eps);
}

bool
op_plain_group_norm(const struct op_args *a, struct err *err)
{
    (void)err;
    struct group_view v = group_view(a->node);
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t group = 0; group < v.c / v.per_group; group++) {
            double mean, rstd;
            group_statistics(a, &v, n, group, &mean, &rstd);
            for (int64_t p = 0; p < v.positions; p++)
                for (int64_t c = group * v.per_group; c < (group + 1) * v.per_group; c++) {
                    int64_t at = (n * v.positions + p) * v.c + c, row = n * v.row * v.c + c;
                    double z = (arg_get(a, 0, at) - mean) * rstd * arg_get(a, 1, row) +
                               arg_get(a, 2, row);
                    arg_put(a, at, act_value(a->node->params.norm.act, z));
                }
        }
    return true;
}

bool
op_plain_group_norm_sums(const struct op_args *a, struct err *err)
{
    (void)err;
    struct group_view v = group_view(a->node);
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t c = 0; c < v.c; c++) {
            double mean, rstd, s1 = 0, s2 = 0;
            group_statistics(a, &v, n, c / v.per_group, &mean, &rstd);
            double gain = arg_get(a, 1, n * v.row * v.c + c);
            double offset = arg_get(a, 2, n * v.row * v.c + c);
            for (int64_t p = 0; p < v.positions; p++) {
                int64_t at = (n * v.positions + p) * v.c + c;
                double xhat = (arg_get(a, 0, at) - mean) * rstd;
                double dz = arg_get(a, 3, at) *
                            act_slope(a->node->params.norm.act, xhat * gain + offset);
                s1 += dz;
                s2 += dz * xhat;
            }
            double rows[4] = {s1, s2, mean, rstd};
            for (int k = 0; k < 4; k++)
                arg_put(a, (n * 4 + k) * v.c + c, rows[k]);
        }
    return true;
}

bool
op_plain_group_norm_grad(const struct op_args *a, struct err *err)
{
    (void)err;
    struct group_view v = group_view(a->node);
    double count = (double)(v.positions * v.per_group);
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t group = 0; group < v.c / v.per_group; group++) {
            double g1 = 0, g2 = 0;
            for (int64_t c = group * v.per_group; c < (group + 1) * v.per_group; c++) {
                double gain = arg_get(a, 1, n * v.row * v.c + c);
                g1 += gain * arg_get(a, 4, (n * 4 + 0) * v.c + c);
                g2 += gain * arg_get(a, 4, (n * 4 + 1) * v.c + c);
            }
            for (int64_t p = 0; p < v.positions; p++)
                for (int64_t c = group * v.per_group; c < (group + 1) * v.per_group; c++) {
                    int64_t at = (n * v.positions + p) * v.c + c, row = n * v.row * v.c + c;
                    double mean = arg_get(a, 4, (n * 4 + 2) * v.c + c);
                    double rstd = arg_get(a, 4, (n * 4 + 3) * v.c + c);
                    double xhat = (arg_get(a, 0, at) - mean) * rstd, gain = arg_get(a, 1, row);
                    double slope = act_slope(a->node->params.norm.act,
                                             xhat * gain + arg_get(a, 2, row));
                    arg_put(a, at,
                            rstd * (gain * arg_get(a, 3, at) * slope - g1 / count -
                                    xhat * g2 / count));
                }
        }
    return true;
}

static struct node *
group_norm_node(struct graph *g, enum op op, struct node **sources, int count, int groups,
                double eps, enum activation act)
{
    union op_params p = {.norm = {.groups = groups, .act = act, .eps = eps}};
    return graph_add(g, op, &p, sources, count, DTYPE_NONE, NULL);
}

struct node *
op_group_norm(struct graph *g, struct node *x, struct node *a, struct node *b, int groups,
              double eps, enum activation act)
{
    return group_norm_node(g, OP_group_norm, (struct node *[]){x, a, b}, 3, groups, eps, act);
}

struct node *
op_group_norm_sums(struct graph *g, struct node *x, struct node *a, struct node *b,
                   struct node *dy, int groups, double eps, enum activation act)
{
    return group_norm_node(g, OP_group_norm_sums, (struct node *[]){x, a, b, dy}, 4, groups, eps,
                           act);
}

struct node *
op_group_norm_grad(struct graph *g, struct node *x, struct node *a, struct node *b,
                   struct node *dy, struct node *sums, int groups, double eps, enum activation act)
{
    return group_norm_node(g, OP_group_norm_grad, (struct node *[]){x, a, b, dy, sums}, 5, groups,
                           eps, act);
}

void
op_grad_group_norm(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *x = n->source[0], *a = n->source[1], *b = n->source[2];
    int groups = n->params.norm.groups;
    double eps = n->params.norm.eps;
    enum activation act = n->params.norm.act;
    struct node *sums = op_group_norm_sums(g, x, a, b, dy, groups, eps, act);
    int64_t count = x->shape.dim[0], c = shape_last(&x->shape);
    dx[0] = op_group_norm_grad(g, x, a, b, dy, sums, groups, eps, act);
    dx[1] = op_reshape(g, op_slice(g, sums, 1, 1, 1), SHAPE(count, c));
    dx[2] = op_reshape(g, op_slice(g, sums, 1, 0, 1), SHAPE(count, c));
}

struct node *
op_expand_group_norm(struct graph *g, struct node *n)
{
    struct node *x = op_cast(g, n->source[0], wide_dtype(n->dtype));
    struct group_view v = group_view(n);
    int64_t groups = v.c / v.per_group;
    struct node *split = op_reshape(g, x, SHAPE(v.n, v.positions, groups, v.per_group));
    uint32_t axes = 2 | 8; // positions and channels of a group
    struct node *centred = op_sub(g, split, op_mean(g, split, axes));
    struct node *variance = op_mean(g, op_mul(g, centred, centred), axes);
    struct node *deviation = op_sqrt(g, op_affine(g, variance, 1, n->params.norm.eps));
    struct node *xhat = op_reshape(g, op_div(g, centred, deviation), SHAPE(v.n, v.positions, v.c));
    int64_t rows = v.row ? v.n : 1;
    struct node *gain = op_reshape(g, n->source[1], SHAPE(rows, 1, v.c));
    struct node *offset = op_reshape(g, n->source[2], SHAPE(rows, 1, v.c));
    struct node *z = op_add(g, op_mul(g, xhat, gain), offset);
    switch (n->params.norm.act) {
    case ACT_NONE:
    case ACT_COUNT:
        break;
    case ACT_SILU:
        z = op_silu(g, z);
        break;
    case ACT_GELU:
        z = op_gelu(g, z);
        break;
    }
    return op_cast(g, op_reshape(g, z, n->shape), n->dtype);
}

// --- layer norm and RMS norm, rows of the last axis, no gain

bool
op_plain_layer_norm(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < n; i++)
            mean += arg_get(a, 0, r * n + i) / (double)n;
        for (int64_t i = 0; i < n; i++)
            square += pow(arg_get(a, 0, r * n + i) - mean, 2);
        double rstd = 1 / sqrt(square / (double)n + a->node->params.norm.eps);
        for (int64_t i = 0; i < n; i++)
            arg_put(a, r * n + i, (arg_get(a, 0, r * n + i) - mean) * rstd);
    }
    return true;
}

// dx = r (dy - mean(dy) - xhat mean(dy xhat))
bool
op_plain_layer_norm_grad(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double mean = 0, square = 0, dy_mean = 0, dot = 0;
        for (int64_t i = 0; i < n; i++) {
            mean += arg_get(a, 0, r * n + i) / (double)n;
            dy_mean += arg_get(a, 1, r * n + i) / (double)n;
        }
        for (int64_t i = 0; i < n; i++)
            square += pow(arg_get(a, 0, r * n + i) - mean, 2);
        double rstd = 1 / sqrt(square / (double)n + a->node->params.norm.eps);
        for (int64_t i = 0; i < n; i++)
            dot += arg_get(a, 1, r * n + i) * (arg_get(a, 0, r * n + i) - mean) * rstd / (double)n;
        for (int64_t i = 0; i < n; i++) {
            double xhat = (arg_get(a, 0, r * n + i) - mean) * rstd;
            arg_put(a, r * n + i, rstd * (arg_get(a, 1, r * n + i) - dy_mean - xhat * dot));
        }
    }
    return true;
}

bool
op_plain_rms_norm(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double square = 0;
        for (int64_t i = 0; i < n; i++)
            square += pow(arg_get(a, 0, r * n + i), 2);
        double rstd = 1 / sqrt(square / (double)n + a->node->params.norm.eps);
        for (int64_t i = 0; i < n; i++)
            arg_put(a, r * n + i, arg_get(a, 0, r * n + i) * rstd);
    }
    return true;
}

// dx = r (dy - xhat mean(dy xhat))
bool
op_plain_rms_norm_grad(const struct op_args *a, struct err *err)
{
    (void)err;
    int64_t n = shape_last(&a->node->shape), rows = arg_count(a) / n;
    for (int64_t r = 0; r < rows; r++) {
        double square = 0, dot = 0;
        for (int64_t i = 0; i < n; i++) {
            square += pow(arg_get(a, 0, r * n + i), 2);
            dot += arg_get(a, 0, r * n + i) * arg_get(a, 1, r * n + i);
        }
        double rstd = 1 / sqrt(square / (double)n + a->node->params.norm.eps);
        for (int64_t i = 0; i < n; i++) {
            double xhat = arg_get(a, 0, r * n + i) * rstd;
            arg_put(a, r * n + i,
                    rstd * (arg_get(a, 1, r * n + i) - xhat * dot * rstd / (double)n));
        }
    }
    return true;
}

static struct node *
row_norm(struct graph *g, enum op op, struct node *x, struct node *dy, double eps)
{
    union op_params p = {.norm = {.eps = eps}};
    return graph_add(g, op, &p, (struct node *[]){x, dy}, dy ? 2 : 1, DTYPE_NONE, NULL);
}

struct node *
op_layer_norm(struct graph *g, struct node *x, double eps)
{
    return row_norm(g, OP_layer_norm, x, NULL, eps);
}

struct node *
op_layer_norm_grad(struct graph *g, struct node *x, struct node *dy, double eps)
{
    return row_norm(g, OP_layer_norm_grad, x, dy, eps);
}

struct node *
op_rms_norm(struct graph *g, struct node *x, double eps)
{
    return row_norm(g, OP_rms_norm, x, NULL, eps);
}

struct node *
op_rms_norm_grad(struct graph *g, struct node *x, struct node *dy, double eps)
{
    return row_norm(g, OP_rms_norm_grad, x, dy, eps);
}

void
op_grad_layer_norm(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_layer_norm_grad(g, n->source[0], dy, n->params.norm.eps);
}

void
op_grad_rms_norm(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_rms_norm_grad(g, n->source[0], dy, n->params.norm.eps);
}

// x / sqrt(mean(x^2) + eps) in the wide type
static struct node *
expand_rms(struct graph *g, struct node *x, double eps)
{
    uint32_t last = 1u << (x->shape.rank - 1);
    struct node *square = op_mean(g, op_mul(g, x, x), last);
    return op_div(g, x, op_sqrt(g, op_affine(g, square, 1, eps)));
}

struct node *
op_expand_rms_norm(struct graph *g, struct node *n)
{
    struct node *x = op_cast(g, n->source[0], wide_dtype(n->dtype));
    return op_cast(g, expand_rms(g, x, n->params.norm.eps), n->dtype);
}

struct node *
op_expand_layer_norm(struct graph *g, struct node *n)
{
    struct node *x = op_cast(g, n->source[0], wide_dtype(n->dtype));
    struct node *centred = op_sub(g, x, op_mean(g, x, 1u << (x->shape.rank - 1)));
    return op_cast(g, expand_rms(g, centred, n->params.norm.eps), n->dtype);
}
