// SPDX-License-Identifier: MIT
// Prototypes of every rule and plain kernel, made from the table. Private to engine/ops and the
// CPU device. A row without its function is a link error that names it.
#ifndef LIMN_ENGINE_OPS_RULES_H
#define LIMN_ENGINE_OPS_RULES_H

#include "engine/ops/op.h"

// What a plain kernel gets: dense memory, row-major.
struct op_args {
    const struct node *node;
    void *dst;
    const void *const *src;
};
// The definition of the op, in double arithmetic. False only for bad data.
typedef bool op_plain_fn(const struct op_args *a, struct err *err);

#define op_grad_none  op_grad_undefined
#define op_expand_none op_expand_undefined
#define op_flops_none op_flops_undefined
#define OP(n, min, max, shape_rule, grad_rule, expand_rule, kernel, flops_rule, tol)               \
    op_shape_fn op_shape_##shape_rule;                                                             \
    op_grad_fn op_grad_##grad_rule;                                                                \
    op_expand_fn op_expand_##expand_rule;                                                          \
    op_flops_fn op_flops_##flops_rule;                                                             \
    op_plain_fn op_plain_##n;
#include "engine/ops/ops.def"
#undef OP
#undef op_grad_none
#undef op_expand_none
#undef op_flops_none

// Element i of source k as double; store element i of the result.
static inline double
arg_get(const struct op_args *a, int k, int64_t i)
{
    return dtype_load(a->node->source[k]->dtype, a->src[k], i);
}

static inline void
arg_put(const struct op_args *a, int64_t i, double v)
{
    dtype_store(a->node->dtype, a->dst, i, v);
}

static inline int64_t
arg_count(const struct op_args *a)
{
    return shape_count(&a->node->shape);
}

// Shorthands for the rules.
static inline const struct shape *
source_shape(const struct node *n, int k)
{
    return &n->source[k]->shape;
}

// The dtype statistics and weight gradients have: f64 stays f64, all else f32.
static inline enum dtype
wide_dtype(enum dtype t)
{
    return t == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
}

#endif
