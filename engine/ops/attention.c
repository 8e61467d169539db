// SPDX-License-Identifier: MIT
// Attention of several heads that lie side by side in the last dimension.
//
// Row i of a head: s_j = scale q_i.k_j + bias_ij, p = softmax(s), o_i = sum_j p_j v_j. Backward,
// with dp_j = do_i.v_j and D = sum_j p_j dp_j:  ds_j = p_j (dp_j - D), and then
// dq_i = scale sum_j ds_j k_j, dk_j = scale sum_i ds_j q_i, dv_j = sum_i p_j do_i, dbias = ds.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/ops/rules.h"

static bool
check_attention(const struct node *n, int bias_at, struct err *err)
{
    const struct shape *q = source_shape(n, 0), *k = source_shape(n, 1), *v = source_shape(n, 2);
    int heads = n->params.attention.heads;
    if (q->rank != 3 || k->rank != 3 || !shape_equal(k, v) || q->dim[0] != k->dim[0] ||
        q->dim[2] != k->dim[2] || heads < 1 || q->dim[2] % heads)
        return err_set(err, ERR_INPUT, "needs q [N,T,C], k and v [N,S,C], C a multiple of %d heads",
                       heads);
    if (n->source[1]->dtype != n->source[0]->dtype || n->source[2]->dtype != n->source[0]->dtype)
        return err_set(err, ERR_INPUT, "q, k and v must have one type");
    if (bias_at) {
        const struct shape *b = source_shape(n, bias_at);
        const int64_t want[4] = {q->dim[0], heads, q->dim[1], k->dim[1]};
        bool fits = b->rank == 4 && n->source[bias_at]->dtype == wide_dtype(n->source[0]->dtype);
        for (int i = 0; fits && i < 4; i++)
            fits = b->dim[i] == want[i] || (b->dim[i] == 1 && i < 3);
        if (!fits)
            return err_set(err, ERR_INPUT, "the bias must be f32 [N|1,heads|1,T|1,S]");
    }
    return true;
}

bool
op_shape_attention(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    return check_attention(n, n->source_count == 4 ? 3 : 0, err);
}

// Sources of the gradient ops: q, k, v, dy, then the bias if there is one.
static bool
check_gradient(const struct node *n, struct err *err)
{
    if (!shape_equal(source_shape(n, 3), source_shape(n, 0)) ||
        n->source[3]->dtype != n->source[0]->dtype)
        return err_set(err, ERR_INPUT, "the gradient must look like q");
    return check_attention(n, n->source_count == 5 ? 4 : 0, err);
}

bool
op_shape_attention_grad(struct node *n, struct err *err)
{
    n->shape = SHAPE(shape_count(source_shape(n, 0)) + 2 * shape_count(source_shape(n, 1)));
    n->dtype = n->source[0]->dtype;
    return check_gradient(n, err);
}

bool
op_shape_attention_grad_bias(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 4);
    n->dtype = wide_dtype(n->source[0]->dtype);
    return check_gradient(n, err);
}

struct heads {
    int64_t n, t, s, heads, width, c; // c = heads*width
    double scale;
    int bias; // source that is the bias, 0: none
};

static struct heads
heads_of(const struct op_args *a, int bias)
{
    const struct shape *q = source_shape(a->node, 0);
    int heads = a->node->params.attention.heads;
    return (struct heads){.n = q->dim[0], .t = q->dim[1], .s = source_shape(a->node, 1)->dim[1],
                          .heads = heads, .width = q->dim[2] / heads, .c = q->dim[2],
                          .scale = a->node->params.attention.scale, .bias = bias};
}

static int64_t
bias_index(const struct shape *b, int64_t n, int64_t h, int64_t i, int64_t j)
{
    int64_t at = b->dim[0] > 1 ? n : 0;
    at = at * b->dim[1] + (b->dim[1] > 1 ? h : 0);
    at = at * b->dim[2] + (b->dim[2] > 1 ? i : 0);
    return at * b->dim[3] + j;
}

// p[j], j in [0,S): the softmax row of query i.
static void
probabilities(const struct op_args *a, const struct heads *v, int64_t n, int64_t h, int64_t i,
              double *p)
{
    double top = -INFINITY, total = 0;
    for (int64_t j = 0; j < v->s; j++) {
        double dot = 0;
        for (int64_t d = 0; d < v->width; d++)
            dot += arg_get(a, 0, (n * v->t + i) * v->c + h * v->width + d) *
                   arg_get(a, 1, (n * v->s + j) * v->c + h * v->width + d);
        p[j] = dot * v->scale;
        if (v->bias)
            p[j] += arg_get(a, v->bias, bias_index(source_shape(a->node, v->bias), n, h, i, j));
        top = fmax(top, p[j]);
    }
    for (int64_t j = 0; j < v->s; j++)
        total += p[j] = exp(p[j] - top);
    for (int64_t j = 0; j < v->s; j++)
        p[j] /= total;
}

double
op_flops_attention(const struct node *n)
{
    return 4 * (double)shape_count(&n->shape) * (double)source_shape(n, 1)->dim[1];
}

bool
op_plain_attention(const struct op_args *a, struct err *err)
{
    struct heads v = heads_of(a, a->node->source_count == 4 ? 3 : 0);
    double *p = mem_try_calloc((size_t)v.s, sizeof *p, "attention", err);
    if (!p)
        return false;
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t h = 0; h < v.heads; h++)
            for (int64_t i = 0; i < v.t; i++) {
                probabilities(a, &v, n, h, i, p);
                for (int64_t d = 0; d < v.width; d++) {
                    double sum = 0;
                    for (int64_t j = 0; j < v.s; j++)
                        sum += p[j] * arg_get(a, 2, (n * v.s + j) * v.c + h * v.width + d);
                    arg_put(a, (n * v.t + i) * v.c + h * v.width + d, sum);
                }
            }
    free(p);
    return true;
}

// ds[j] of query i, given its probabilities.
static void
score_gradient(const struct op_args *a, const struct heads *v, int64_t n, int64_t h, int64_t i,
               const double *p, double *ds)
{
    double total = 0;
    for (int64_t j = 0; j < v->s; j++) {
        ds[j] = 0;
        for (int64_t d = 0; d < v->width; d++)
            ds[j] += arg_get(a, 3, (n * v->t + i) * v->c + h * v->width + d) *
                     arg_get(a, 2, (n * v->s + j) * v->c + h * v->width + d);
        total += p[j] * ds[j];
    }
    for (int64_t j = 0; j < v->s; j++)
        ds[j] = p[j] * (ds[j] - total);
}

// Five products: scores again, dp, dv, dq, dk.
double
op_flops_attention_grad(const struct node *n)
{
    return 10 * (double)shape_count(source_shape(n, 0)) * (double)source_shape(n, 1)->dim[1];
}

bool
op_plain_attention_grad(const struct op_args *a, struct err *err)
{
    struct heads v = heads_of(a, a->node->source_count == 5 ? 4 : 0);
    int64_t q_count = v.n * v.t * v.c, k_count = v.n * v.s * v.c;
    double *all = mem_try_calloc((size_t)(q_count + 2 * k_count + 2 * v.s), sizeof *all,
                                 "attention gradient", err);
    if (!all)
        return false;
    double *dq = all, *dk = dq + q_count, *dv = dk + k_count, *p = dv + k_count, *ds = p + v.s;
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t h = 0; h < v.heads; h++)
            for (int64_t i = 0; i < v.t; i++) {
                probabilities(a, &v, n, h, i, p);
                score_gradient(a, &v, n, h, i, p, ds);
                for (int64_t j = 0; j < v.s; j++)
                    for (int64_t d = 0; d < v.width; d++) {
                        int64_t iq = (n * v.t + i) * v.c + h * v.width + d;
                        int64_t ik = (n * v.s + j) * v.c + h * v.width + d;
                        dq[iq] += v.scale * ds[j] * arg_get(a, 1, ik);
                        dk[ik] += v.scale * ds[j] * arg_get(a, 0, iq);
                        dv[ik] += p[j] * arg_get(a, 3, iq);
                    }
            }
    for (int64_t i = 0; i < q_count + 2 * k_count; i++)
        arg_put(a, i, all[i]);
    free(all);
    return true;
}

bool
op_plain_attention_grad_bias(const struct op_args *a, struct err *err)
{
    struct heads v = heads_of(a, 4);
    int64_t count = arg_count(a);
    double *sum = mem_try_calloc((size_t)(count + 2 * v.s), sizeof *sum, "bias gradient", err);
    if (!sum)
        return false;
    double *p = sum + count, *ds = p + v.s;
    for (int64_t n = 0; n < v.n; n++)
        for (int64_t h = 0; h < v.heads; h++)
            for (int64_t i = 0; i < v.t; i++) {
                probabilities(a, &v, n, h, i, p);
                score_gradient(a, &v, n, h, i, p, ds);
                for (int64_t j = 0; j < v.s; j++)
                    sum[bias_index(&a->node->shape, n, h, i, j)] += ds[j];
            }
    for (int64_t i = 0; i < count; i++)
        arg_put(a, i, sum[i]);
    free(sum);
    return true;
}

struct node *
op_attention(struct graph *g, struct node *q, struct node *k, struct node *v, struct node *bias,
             int heads, double scale)
{
    union op_params p = {.attention = {heads, scale}};
    return graph_add(g, OP_attention, &p, (struct node *[]){q, k, v, bias}, bias ? 4 : 3,
                     DTYPE_NONE, NULL);
}

struct node *
op_attention_grad(struct graph *g, struct node *q, struct node *k, struct node *v,
                  struct node *bias, struct node *dy, int heads, double scale)
{
    union op_params p = {.attention = {heads, scale}};
    return graph_add(g, OP_attention_grad, &p, (struct node *[]){q, k, v, dy, bias}, bias ? 5 : 4,
                     DTYPE_NONE, NULL);
}

struct node *
op_attention_grad_bias(struct graph *g, struct node *q, struct node *k, struct node *v,
                       struct node *bias, struct node *dy, int heads, double scale)
{
    union op_params p = {.attention = {heads, scale}};
    return graph_add(g, OP_attention_grad_bias, &p, (struct node *[]){q, k, v, dy, bias}, 5,
                     DTYPE_NONE, NULL);
}

void
op_grad_attention(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *q = n->source[0], *k = n->source[1], *v = n->source[2];
    struct node *bias = n->source_count == 4 ? n->source[3] : NULL;
    int heads = n->params.attention.heads;
    double scale = n->params.attention.scale;
    int64_t q_count = shape_count(&q->shape), k_count = shape_count(&k->shape);
    struct node *all = op_attention_grad(g, q, k, v, bias, dy, heads, scale);
    dx[0] = op_part(g, all, 0, q->shape);
    dx[1] = op_part(g, all, q_count, k->shape);
    dx[2] = op_part(g, all, q_count + k_count, k->shape);
    if (bias)
        dx[3] = op_attention_grad_bias(g, q, k, v, bias, dy, heads, scale);
}

// (N,T,heads*D) -> (N,heads,T,D)
static struct node *
split_heads(struct graph *g, struct node *x, int64_t heads)
{
    int64_t n = x->shape.dim[0], t = x->shape.dim[1], c = x->shape.dim[2];
    return op_permute(g, op_reshape(g, x, SHAPE(n, t, heads, c / heads)), (int[]){0, 2, 1, 3});
}

struct node *
op_expand_attention(struct graph *g, struct node *n)
{
    int heads = n->params.attention.heads;
    enum dtype wide = wide_dtype(n->dtype);
    struct node *q = op_cast(g, split_heads(g, n->source[0], heads), wide);
    struct node *k = op_cast(g, split_heads(g, n->source[1], heads), wide);
    struct node *v = op_cast(g, split_heads(g, n->source[2], heads), wide);
    struct node *s = op_affine(g, op_matmul(g, q, false, k, true, NULL, DTYPE_NONE),
                               n->params.attention.scale, 0);
    if (n->source_count == 4)
        s = op_add(g, s, n->source[3]);
    struct node *o = op_matmul(g, op_softmax(g, s), false, v, false, NULL, DTYPE_NONE);
    return op_cast(g, op_reshape(g, op_permute(g, o, (int[]){0, 2, 1, 3}), n->shape), n->dtype);
}
