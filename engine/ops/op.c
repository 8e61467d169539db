// SPDX-License-Identifier: MIT
#include "engine/ops/op.h"
#include "engine/ops/rules.h"

#define op_grad_none NULL
#define op_expand_none NULL
#define op_flops_none NULL
const struct op_row op_rows[OP_COUNT] = {
#define OP(n, min, max, shape_rule, grad_rule, expand_rule, kernel, flops_rule, tol)               \
    [OP_##n] = {.name = #n,                                                                        \
                .source_min = min,                                                                 \
                .source_max = max,                                                                 \
                .shape = op_shape_##shape_rule,                                                    \
                .grad = op_grad_##grad_rule,                                                       \
                .expand = op_expand_##expand_rule,                                                 \
                .kind = KERNEL_##kernel,                                                           \
                .flops = op_flops_##flops_rule,                                                    \
                .tolerance = tol},
#include "engine/ops/ops.def"
#undef OP
};

double
op_flops(const struct node *n)
{
    return op_rows[n->op].flops ? op_rows[n->op].flops(n) : 0;
}
