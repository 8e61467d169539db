// SPDX-License-Identifier: MIT
// Elementwise ops: with broadcasting (add, sub, mul, div), of one source, casts, activations.
#include <math.h>

#include "engine/ops/rules.h"

bool
op_shape_binary(struct node *n, struct err *err)
{
    enum dtype a = n->source[0]->dtype, b = n->source[1]->dtype;
    if (!dtype_is_float(a) || !dtype_is_float(b))
        return err_set(err, ERR_INPUT, "needs float tensors");
    if (!shape_broadcast(source_shape(n, 0), source_shape(n, 1), &n->shape))
        return err_set(err, ERR_INPUT, "shapes do not broadcast");
    n->dtype = a;
    return true;
}

bool
op_shape_same(struct node *n, struct err *err)
{
    if (!dtype_is_float(n->source[0]->dtype))
        return err_set(err, ERR_INPUT, "needs a float tensor");
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    return true;
}

bool
op_shape_same2(struct node *n, struct err *err)
{
    if (!shape_equal(source_shape(n, 0), source_shape(n, 1)) ||
        n->source[0]->dtype != n->source[1]->dtype)
        return err_set(err, ERR_INPUT, "needs two tensors of one shape and type");
    return op_shape_same(n, err);
}

bool
op_shape_cast(struct node *n, struct err *err)
{
    if (n->dtype == DTYPE_NONE)
        return err_set(err, ERR_INPUT, "no type to cast to");
    n->shape = *source_shape(n, 0);
    return true;
}

// Flat index in source k of the element at flat index i of the result.
static int64_t
broadcast_index(const struct node *n, int k, int64_t i)
{
    const struct shape *s = source_shape(n, k);
    int64_t index = 0, stride = 1;
    for (int axis = n->shape.rank - 1, at = s->rank - 1; axis >= 0; axis--, at--) {
        int64_t position = i % n->shape.dim[axis];
        i /= n->shape.dim[axis];
        if (at < 0)
            break;
        if (s->dim[at] > 1)
            index += position * stride;
        stride *= s->dim[at];
    }
    return index;
}

#define BINARY(name, expression)                                                                   \
    bool op_plain_##name(const struct op_args *args, struct err *err)                              \
    {                                                                                              \
        (void)err;                                                                                 \
        for (int64_t i = 0; i < arg_count(args); i++) {                                            \
            double a = arg_get(args, 0, broadcast_index(args->node, 0, i));                        \
            double b = arg_get(args, 1, broadcast_index(args->node, 1, i));                        \
            arg_put(args, i, expression);                                                          \
        }                                                                                          \
        return true;                                                                               \
    }                                                                                              \
    struct node *op_##name(struct graph *g, struct node *a, struct node *b)                        \
    {                                                                                              \
        return graph_add(g, OP_##name, NULL, (struct node *[]){a, b}, 2, DTYPE_NONE, NULL);        \
    }

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a *b)
BINARY(div, a / b)

void
op_grad_add(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)g, (void)n;
    dx[0] = dx[1] = dy;
}

void
op_grad_sub(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)n;
    dx[0] = dy;
    dx[1] = op_affine(g, dy, -1, 0);
}

void
op_grad_mul(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_mul(g, dy, n->source[1]);
    dx[1] = op_mul(g, dy, n->source[0]);
}

void
op_grad_div(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_div(g, dy, n->source[1]);
    dx[1] = op_affine(g, op_div(g, op_mul(g, dy, n), n->source[1]), -1, 0);
}

#define UNARY_PLAIN(name, expression)                                                              \
    bool op_plain_##name(const struct op_args *args, struct err *err)                              \
    {                                                                                              \
        (void)err;                                                                                 \
        for (int64_t i = 0; i < arg_count(args); i++) {                                            \
            double x = arg_get(args, 0, i);                                                        \
            arg_put(args, i, expression);                                                          \
        }                                                                                          \
        return true;                                                                               \
    }
#define UNARY(name, expression)                                                                    \
    UNARY_PLAIN(name, expression)                                                                  \
    struct node *op_##name(struct graph *g, struct node *x)                                        \
    {                                                                                              \
        return graph_add(g, OP_##name, NULL, &x, 1, DTYPE_NONE, NULL);                             \
    }

UNARY(exp, exp(x))
UNARY(log, log(x))
UNARY(sqrt, sqrt(x))
UNARY(tanh, tanh(x))
UNARY(erf, erf(x))
UNARY(relu, x > 0 ? x : 0)
UNARY(step, x > 0 ? 1 : 0)
UNARY_PLAIN(affine, x *args->node->params.affine.scale + args->node->params.affine.shift)
UNARY_PLAIN(cast, x)

struct node *
op_affine(struct graph *g, struct node *x, double scale, double shift)
{
    union op_params p = {.affine = {scale, shift}};
    return graph_add(g, OP_affine, &p, &x, 1, DTYPE_NONE, NULL);
}

struct node *
op_cast(struct graph *g, struct node *x, enum dtype to)
{
    return x->dtype == to ? x : graph_add(g, OP_cast, NULL, &x, 1, to, NULL);
}

void
op_grad_affine(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_affine(g, dy, n->params.affine.scale, 0);
}

void
op_grad_exp(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_mul(g, dy, n);
}

void
op_grad_log(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_div(g, dy, n->source[0]);
}

void
op_grad_sqrt(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_affine(g, op_div(g, dy, n), 0.5, 0);
}

void
op_grad_tanh(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_mul(g, dy, op_affine(g, op_mul(g, n, n), -1, 1));
}

void
op_grad_erf(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    struct node *x = n->source[0];
    struct node *bell = op_exp(g, op_affine(g, op_mul(g, x, x), -1, 0));
    dx[0] = op_mul(g, dy, op_affine(g, bell, M_2_SQRTPI, 0));
}

void
op_grad_relu(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    dx[0] = op_mul(g, dy, op_step(g, n->source[0]));
}

void
op_grad_cast(struct graph *g, struct node *n, struct node *dy, struct node **dx)
{
    (void)g, (void)n;
    dx[0] = dy; // grad.c casts to the source's type
}

// --- activations

static double
sigmoid(double x)
{
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double
normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

// gelu_tanh: x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)
#define GELU_C 0.79788456080286535588
#define GELU_K 0.044715

static double
gelu_tanh_slope(double x)
{
    double t = tanh(GELU_C * (x + GELU_K * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * GELU_C * (1 + 3 * GELU_K * x * x);
}

UNARY(silu, x *sigmoid(x))
UNARY(gelu, x *normal_cdf(x))
UNARY(gelu_tanh, 0.5 * x * (1 + tanh(GELU_C * (x + GELU_K * x * x * x))))

#define ACTIVATION_GRAD(name, slope)                                                               \
    bool op_plain_##name##_grad(const struct op_args *args, struct err *err)                       \
    {                                                                                              \
        (void)err;                                                                                 \
        for (int64_t i = 0; i < arg_count(args); i++) {                                            \
            double x = arg_get(args, 0, i);                                                        \
            arg_put(args, i, arg_get(args, 1, i) * (slope));                                       \
        }                                                                                          \
        return true;                                                                               \
    }                                                                                              \
    struct node *op_##name##_grad(struct graph *g, struct node *x, struct node *dy)                \
    {                                                                                              \
        return graph_add(g, OP_##name##_grad, NULL, (struct node *[]){x, dy}, 2, DTYPE_NONE,       \
                         NULL);                                                                    \
    }                                                                                              \
    void op_grad_##name(struct graph *g, struct node *n, struct node *dy, struct node **dx)        \
    {                                                                                              \
        dx[0] = op_##name##_grad(g, n->source[0], dy);                                             \
    }

ACTIVATION_GRAD(silu, sigmoid(x) * (1 + x * (1 - sigmoid(x))))
ACTIVATION_GRAD(gelu, normal_cdf(x) + x * exp(-0.5 * x * x) * 0.39894228040143267794)
ACTIVATION_GRAD(gelu_tanh, gelu_tanh_slope(x))

// 1/(1+exp(-x))
static struct node *
expand_sigmoid(struct graph *g, struct node *x)
{
    struct node *e = op_exp(g, op_affine(g, x, -1, 0));
    struct node *one = op_affine(g, x, 0, 1);
    return op_div(g, one, op_affine(g, e, 1, 1));
}

struct node *
op_expand_silu(struct graph *g, struct node *n)
{
    return op_mul(g, n->source[0], expand_sigmoid(g, n->source[0]));
}

struct node *
op_expand_silu_grad(struct graph *g, struct node *n)
{
    struct node *x = n->source[0], *s = expand_sigmoid(g, x);
    struct node *slope = op_mul(g, s, op_affine(g, op_mul(g, x, op_affine(g, s, -1, 1)), 1, 1));
    return op_mul(g, n->source[1], slope);
}

static struct node *
expand_normal_cdf(struct graph *g, struct node *x)
{
    return op_affine(g, op_erf(g, op_affine(g, x, M_SQRT1_2, 0)), 0.5, 0.5);
}

struct node *
op_expand_gelu(struct graph *g, struct node *n)
{
    return op_mul(g, n->source[0], expand_normal_cdf(g, n->source[0]));
}

struct node *
op_expand_gelu_grad(struct graph *g, struct node *n)
{
    struct node *x = n->source[0];
    struct node *bell = op_exp(g, op_affine(g, op_mul(g, x, x), -0.5, 0));
    struct node *tail = op_affine(g, op_mul(g, x, bell), 0.39894228040143267794, 0);
    return op_mul(g, n->source[1], op_add(g, expand_normal_cdf(g, x), tail));
}

// tanh(u) of gelu_tanh
static struct node *
expand_gelu_tanh_t(struct graph *g, struct node *x)
{
    struct node *cube = op_mul(g, op_mul(g, x, x), x);
    return op_tanh(g, op_affine(g, op_add(g, x, op_affine(g, cube, GELU_K, 0)), GELU_C, 0));
}

struct node *
op_expand_gelu_tanh(struct graph *g, struct node *n)
{
    struct node *x = n->source[0];
    return op_mul(g, x, op_affine(g, expand_gelu_tanh_t(g, x), 0.5, 0.5));
}

struct node *
op_expand_gelu_tanh_grad(struct graph *g, struct node *n)
{
    struct node *x = n->source[0], *t = expand_gelu_tanh_t(g, x);
    struct node *du = op_affine(g, op_mul(g, x, x), 3 * GELU_K * GELU_C, GELU_C);
    struct node *sech2 = op_affine(g, op_mul(g, t, t), -0.5, 0.5);
    struct node *slope =
        op_add(g, op_affine(g, t, 0.5, 0.5), op_mul(g, op_mul(g, x, sech2), du));
    return op_mul(g, n->source[1], slope);
}
