// SPDX-License-Identifier: MIT
// Norms with their gains and offsets, and activations.
#include "engine/base/require.h"
#include "engine/nn/nn_parts.h"

static struct node *
vector(struct nn *nn, const char *name, const char *suffix, int64_t width, enum init_rule rule)
{
    return nn_named(nn, name, suffix, SHAPE(width), PARAM_VECTOR, (struct param_init){rule, 0});
}

struct node *
nn_group_norm(struct nn *nn, struct node *x, const struct group_norm *n, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    struct graph *g = nn->g;
    int64_t width = shape_last(&x->shape);
    struct node *a = op_reshape(g, vector(nn, buf, "weight", width, INIT_ONES), SHAPE(1, width));
    struct node *b = op_reshape(g, vector(nn, buf, "bias", width, INIT_NONE), SHAPE(1, width));
    if (n->scale_shift) {
        struct node *scale = op_slice(g, n->scale_shift, 1, 0, width);
        struct node *shift = op_slice(g, n->scale_shift, 1, width, width);
        scale = op_affine(g, scale, 1, 1);
        b = op_add(g, op_mul(g, scale, b), shift);
        a = op_mul(g, scale, a);
    }
    return op_group_norm(g, x, a, b, n->groups, n->eps, n->act);
}

struct node *
nn_layer_norm(struct nn *nn, struct node *x, double eps, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    int64_t width = shape_last(&x->shape);
    struct node *a = vector(nn, buf, "weight", width, INIT_ONES);
    struct node *b = vector(nn, buf, "bias", width, INIT_NONE);
    return op_add(nn->g, op_mul(nn->g, op_layer_norm(nn->g, x, eps), a), b);
}

struct node *
nn_rms_norm(struct nn *nn, struct node *x, double eps, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    struct node *a = vector(nn, buf, "weight", shape_last(&x->shape), INIT_ONES);
    return op_mul(nn->g, op_rms_norm(nn->g, x, eps), a);
}

struct node *
nn_rms_norm_as(struct nn *nn, struct node *x, double eps, enum dtype out, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    struct node *a = vector(nn, buf, "weight", shape_last(&x->shape), INIT_ONES);
    return op_norm_affine(nn->g, x, a, NULL, eps, true, out);
}

struct node *
nn_embedding(struct nn *nn, struct node *ids, const struct embedding *e, const char *name, ...)
{
    NN_NAME_FROM_ARGS(buf, name);
    struct node *table = nn_named(nn, buf, "weight", SHAPE(e->rows, e->width), PARAM_TABLE,
                                  (struct param_init){INIT_NORMAL, e->std});
    return op_gather(nn->g, table, ids);
}

struct node *
nn_activation(struct nn *nn, struct node *x, enum activation act)
{
    switch (act) {
    case ACT_NONE:
        return x;
    case ACT_SILU:
        return op_silu(nn->g, x);
    case ACT_GELU:
        return op_gelu(nn->g, x);
    case ACT_COUNT:
        break;
    }
    unreachable_here();
}
