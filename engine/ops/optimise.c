// SPDX-License-Identifier: MIT
// Training steps that change memory in place: gradient accumulation, AdamW, averaged weights.
#include <math.h>

#include "engine/ops/rules.h"

static bool
check_in_place(struct node *n, struct err *err)
{
    n->shape = *source_shape(n, 0);
    n->dtype = n->source[0]->dtype;
    n->slot = n->source[0]->slot;
    n->offset = n->source[0]->offset;
    if (!(n->source[0]->flags & NODE_BOUND))
        return err_set(err, ERR_INPUT, "changes memory in place, so it needs a bound tensor");
    return true;
}

bool
op_shape_accumulate(struct node *n, struct err *err)
{
    if (shape_count(source_shape(n, 0)) != shape_count(source_shape(n, 1)))
        return err_set(err, ERR_INPUT, "sizes differ");
    return check_in_place(n, err);
}

bool
op_plain_accumulate(const struct op_args *a, struct err *err)
{
    (void)err;
    for (int64_t i = 0; i < arg_count(a); i++)
        arg_put(a, i, dtype_load(a->node->dtype, a->dst, i) + arg_get(a, 1, i));
    return true;
}

struct node *
op_accumulate(struct graph *g, struct node *into, struct node *x)
{
    return graph_add(g, OP_accumulate, NULL, (struct node *[]){into, x}, 2, DTYPE_NONE, NULL);
}

bool
op_shape_adamw(struct node *n, struct err *err)
{
    for (int k = 1; k < 4; k++)
        if (!shape_equal(source_shape(n, k), source_shape(n, 0)) ||
            (k > 1 && !(n->source[k]->flags & NODE_BOUND)))
            return err_set(err, ERR_INPUT, "weights, gradients and moments must match");
    if (shape_count(source_shape(n, 4)) != ADAMW_NUMBERS || shape_count(source_shape(n, 5)) != 1)
        return err_set(err, ERR_INPUT, "needs eight numbers and the sum of squares");
    return check_in_place(n, err);
}

bool
op_plain_adamw(const struct op_args *a, struct err *err)
{
    (void)err;
    double lr = arg_get(a, 4, ADAMW_RATE), eps = arg_get(a, 4, ADAMW_EPS);
    double beta1 = arg_get(a, 4, ADAMW_BETA1), beta2 = arg_get(a, 4, ADAMW_BETA2);
    double correct1 = arg_get(a, 4, ADAMW_UNBIAS1), correct2 = arg_get(a, 4, ADAMW_UNBIAS2);
    double decay = arg_get(a, 4, ADAMW_DECAY), clip = arg_get(a, 4, ADAMW_CLIP);
    double norm = sqrt(arg_get(a, 5, 0)), scale = 1;
    if (clip > 0 && clip / (norm + 1e-6) < 1)
        scale = clip / (norm + 1e-6);
    void *m = (void *)(uintptr_t)a->src[2], *v = (void *)(uintptr_t)a->src[3];
    enum dtype tm = a->node->source[2]->dtype, tv = a->node->source[3]->dtype;
    for (int64_t i = 0; i < arg_count(a); i++) {
        double g = arg_get(a, 1, i) * scale;
        double m1 = beta1 * dtype_load(tm, m, i) + (1 - beta1) * g;
        double v1 = beta2 * dtype_load(tv, v, i) + (1 - beta2) * g * g;
        double p = dtype_load(a->node->dtype, a->dst, i);
        dtype_store(tm, m, i, m1);
        dtype_store(tv, v, i, v1);
        p -= lr * decay * p;
        p -= lr * (m1 / correct1) / (sqrt(v1 / correct2) + eps);
        arg_put(a, i, p);
    }
    return true;
}

struct node *
op_adamw(struct graph *g, struct node *p, struct node *grad, struct node *m, struct node *v,
         struct node *hyper, struct node *sumsq)
{
    return graph_add(g, OP_adamw, NULL, (struct node *[]){p, grad, m, v, hyper, sumsq}, 6,
                     DTYPE_NONE, NULL);
}

bool
op_shape_ema(struct node *n, struct err *err)
{
    if (!shape_equal(source_shape(n, 0), source_shape(n, 1)) ||
        shape_count(source_shape(n, 2)) != 1)
        return err_set(err, ERR_INPUT, "needs two tensors of one shape and a number");
    return check_in_place(n, err);
}

bool
op_plain_ema(const struct op_args *a, struct err *err)
{
    (void)err;
    double decay = arg_get(a, 2, 0);
    for (int64_t i = 0; i < arg_count(a); i++) {
        double e = dtype_load(a->node->dtype, a->dst, i);
        arg_put(a, i, e + (1 - decay) * (arg_get(a, 1, i) - e));
    }
    return true;
}

struct node *
op_ema(struct graph *g, struct node *e, struct node *p, struct node *decay)
{
    return graph_add(g, OP_ema, NULL, (struct node *[]){e, p, decay}, 3, DTYPE_NONE, NULL);
}
