// SPDX-License-Identifier: MIT
#include "tests/ops/cases.h"

#include <stdio.h>

#include "tests/ops/dummy_op.h"

static struct node *
in(struct graph *g, struct shape shape, enum dtype dtype)
{
    char name[16];
    int used = 0;
    for (int i = 0; i < graph_count(g); i++)
        used += graph_node(g, i)->flags & NODE_INPUT ? 1 : 0;
    snprintf(name, sizeof name, "%d", used);
    return graph_input(g, name, shape, dtype);
}

static enum dtype
wide(enum dtype t)
{
    return t == DTYPE_F64 ? DTYPE_F64 : DTYPE_F32;
}

#define CASE(name) static struct node *name(struct graph *g, enum dtype t)
#define X(...)     in(g, SHAPE(__VA_ARGS__), t)
#define W(...)     in(g, SHAPE(__VA_ARGS__), wide(t))

CASE(add_same) { return op_add(g, X(2, 3, 5), X(2, 3, 5)); }
CASE(add_row) { return op_add(g, X(2, 3, 5), W(5)); }
CASE(add_middle) { return op_add(g, X(2, 3, 4, 5), X(2, 1, 1, 5)); }
CASE(add_left) { return op_add(g, X(1, 5), X(3, 1)); }
CASE(sub_case) { return op_sub(g, X(2, 7), X(7)); }
CASE(mul_case) { return op_mul(g, X(2, 3, 5), X(2, 1, 5)); }
CASE(div_case) { return op_div(g, X(2, 3, 5), X(3, 1)); }
CASE(affine_case) { return op_affine(g, X(17), -1.5, 0.25); }
CASE(exp_case) { return op_exp(g, X(3, 5)); }
CASE(log_case) { return op_log(g, X(3, 5)); }
CASE(sqrt_case) { return op_sqrt(g, X(3, 5)); }
CASE(tanh_case) { return op_tanh(g, X(3, 5)); }
CASE(erf_case) { return op_erf(g, X(3, 5)); }
CASE(relu_case) { return op_relu(g, X(3, 5)); }
CASE(step_case) { return op_step(g, X(3, 5)); }
CASE(cast_case)
{
    return graph_add(g, OP_cast, NULL, (struct node *[]){X(3, 5)}, 1, wide(t), NULL);
}
CASE(sum_first) { return op_sum(g, X(3, 5, 7), 1); }
CASE(sum_leading) { return op_sum(g, X(3, 5, 7), 3); }
CASE(sum_last) { return op_sum(g, X(3, 5, 7), 4); }
CASE(sum_middle) { return op_sum(g, X(3, 5, 7), 2); }
CASE(sum_all) { return op_sum(g, X(3, 5, 7), 7); }
CASE(max_case) { return op_max(g, X(3, 5, 7), 4); }
CASE(sumsq_case) { return op_sumsq(g, X(3, 37)); }
CASE(reshape_case) { return op_reshape(g, X(3, 4), SHAPE(2, 6)); }
CASE(part_case) { return op_part(g, X(20), 4, SHAPE(2, 3)); }
CASE(broadcast_case) { return op_broadcast(g, X(3, 1, 5), SHAPE(2, 3, 4, 5)); }
CASE(permute_case) { return op_permute(g, X(2, 3, 4, 5), (int[]){0, 2, 1, 3}); }
CASE(permute_last) { return op_permute(g, X(3, 4, 5), (int[]){2, 0, 1}); }
CASE(concat_last) { return op_concat(g, (struct node *[]){X(2, 3, 5), X(2, 3, 4)}, 2, 2); }
CASE(concat_middle)
{
    return op_concat(g, (struct node *[]){X(2, 3, 5), X(2, 1, 5), X(2, 2, 5)}, 3, 1);
}
CASE(slice_last) { return op_slice(g, X(2, 3, 7), 2, 2, 3); }
CASE(slice_first) { return op_slice(g, X(4, 3, 5), 0, 1, 2); }
CASE(pad_case) { return op_pad(g, X(2, 3, 5), 1, 2, 1); }
CASE(gather_case) { return op_gather(g, X(7, 5), in(g, SHAPE(2, 3), DTYPE_I32)); }
CASE(gather_grad_case)
{
    return op_gather_grad(g, in(g, SHAPE(2, 3), DTYPE_I32), X(2, 3, 5), SHAPE(7, 5));
}
CASE(matmul_plain) { return op_matmul(g, X(3, 5), false, X(5, 7), false, NULL, DTYPE_NONE); }
CASE(matmul_linear) { return op_matmul(g, X(2, 3, 5), false, X(7, 5), true, W(7), DTYPE_NONE); }
CASE(matmul_ta) { return op_matmul(g, X(5, 3), true, X(5, 7), false, NULL, DTYPE_NONE); }
CASE(matmul_tatb) { return op_matmul(g, X(5, 3), true, X(7, 5), true, NULL, wide(t)); }
CASE(matmul_batch)
{
    return op_matmul(g, X(2, 3, 4, 5), false, X(2, 3, 6, 5), true, NULL, DTYPE_NONE);
}
CASE(matmul_batch_ta)
{
    return op_matmul(g, X(2, 5, 4), true, X(2, 5, 6), false, NULL, DTYPE_NONE);
}
CASE(conv_3x3) { return op_conv2d(g, X(2, 5, 6, 3), X(4, 3, 3, 3), W(4), 1, 1); }
CASE(conv_stride) { return op_conv2d(g, X(1, 7, 5, 3), X(4, 3, 3, 3), NULL, 2, 1); }
CASE(conv_1x1) { return op_conv2d(g, X(2, 3, 3, 5), X(2, 5, 1, 1), W(2), 1, 0); }
CASE(conv_gx) { return op_conv2d_grad_x(g, X(2, 3, 3, 4), X(4, 3, 3, 3), 2, 1, SHAPE(2, 5, 6, 3)); }
CASE(conv_gx1)
{
    return op_conv2d_grad_x(g, X(2, 5, 6, 4), X(4, 3, 3, 3), 1, 1, SHAPE(2, 5, 6, 3));
}
CASE(conv_gw) { return op_conv2d_grad_w(g, X(2, 5, 6, 3), X(2, 3, 3, 4), 3, 2, 1); }
CASE(conv_gw1) { return op_conv2d_grad_w(g, X(2, 5, 6, 3), X(2, 5, 6, 4), 3, 1, 1); }
CASE(silu_case) { return op_silu(g, X(3, 37)); }
CASE(silu_grad_case) { return op_silu_grad(g, X(3, 37), X(3, 37)); }
CASE(gelu_case) { return op_gelu(g, X(3, 37)); }
CASE(gelu_grad_case) { return op_gelu_grad(g, X(3, 37), X(3, 37)); }
CASE(gelu_tanh_case) { return op_gelu_tanh(g, X(3, 37)); }
CASE(gelu_tanh_grad_case) { return op_gelu_tanh_grad(g, X(3, 37), X(3, 37)); }
CASE(softmax_case) { return op_softmax(g, X(3, 4, 19)); }
CASE(softmax_grad_case) { return op_softmax_grad(g, X(3, 19), X(3, 19)); }
CASE(group_norm_rows)
{
    return op_group_norm(g, X(2, 3, 3, 8), W(2, 8), W(2, 8), 4, 1e-5, ACT_SILU);
}
CASE(group_norm_one) { return op_group_norm(g, X(2, 5, 6), W(1, 6), W(1, 6), 2, 1e-5, ACT_NONE); }
CASE(group_norm_gelu)
{
    return op_group_norm(g, X(2, 3, 3, 4), W(1, 4), W(1, 4), 2, 1e-5, ACT_GELU);
}
CASE(group_norm_sums_case)
{
    return op_group_norm_sums(g, X(2, 3, 3, 8), W(2, 8), W(2, 8), X(2, 3, 3, 8), 4, 1e-5, ACT_SILU);
}
CASE(group_norm_grad_case)
{
    struct node *x = X(2, 3, 3, 8), *a = W(2, 8), *b = W(2, 8), *dy = X(2, 3, 3, 8);
    return op_group_norm_grad(g, x, a, b, dy, W(2, 4, 8), 4, 1e-5, ACT_SILU);
}
CASE(layer_norm_case) { return op_layer_norm(g, X(3, 4, 19), 1e-5); }
CASE(layer_norm_grad_case) { return op_layer_norm_grad(g, X(3, 19), X(3, 19), 1e-5); }
CASE(rms_norm_case) { return op_rms_norm(g, X(3, 4, 19), 1e-6); }
CASE(rms_norm_grad_case) { return op_rms_norm_grad(g, X(3, 19), X(3, 19), 1e-6); }
CASE(norm_affine_layer)
{
    return op_norm_affine(g, X(2, 3, 19), W(2, 19), W(2, 19), 1e-5, false, DTYPE_NONE);
}
CASE(norm_affine_rms)
{
    return op_norm_affine(g, X(3, 2, 4, 21), W(21), NULL, 1e-6, true, DTYPE_NONE);
}
CASE(norm_affine_wide)
{
    return op_norm_affine(g, X(3, 40), W(1, 40), W(1, 40), 1e-6, false, wide(t));
}
CASE(swiglu_case) { return op_swiglu(g, X(3, 2, 38)); }
CASE(swiglu_quads) { return op_swiglu(g, X(5, 64)); }
CASE(rope_halves)
{
    struct node *x = X(2, 5, 30);
    return op_rope(g, x, W(5, 10), 3, false);
}
CASE(rope_pairs)
{
    struct node *x = X(2, 3, 48);
    return op_rope(g, x, W(3, 16), 3, true);
}
CASE(attention_case) { return op_attention(g, X(2, 5, 8), X(2, 7, 8), X(2, 7, 8), NULL, 2, 0.5); }
CASE(attention_bias)
{
    return op_attention(g, X(2, 5, 8), X(2, 7, 8), X(2, 7, 8), W(1, 2, 5, 7), 2, 0.5);
}
CASE(attention_mask)
{
    return op_attention(g, X(2, 5, 8), X(2, 7, 8), X(2, 7, 8), W(2, 1, 1, 7), 2, 1);
}
CASE(attention_grad_case)
{
    return op_attention_grad(g, X(2, 5, 8), X(2, 7, 8), X(2, 7, 8), NULL, X(2, 5, 8), 2, 0.5);
}
CASE(attention_grad_with_bias)
{
    struct node *q = X(2, 5, 8), *k = X(2, 7, 8), *v = X(2, 7, 8), *dy = X(2, 5, 8);
    return op_attention_grad(g, q, k, v, W(1, 2, 5, 7), dy, 2, 0.5);
}
CASE(attention_grad_bias_case)
{
    struct node *q = X(2, 5, 8), *k = X(2, 7, 8), *v = X(2, 7, 8), *dy = X(2, 5, 8);
    return op_attention_grad_bias(g, q, k, v, W(1, 2, 5, 7), dy, 2, 0.5);
}
CASE(upsample2_case) { return op_upsample2(g, X(2, 3, 4, 5)); }
CASE(downsample2_case) { return op_downsample2(g, X(2, 4, 6, 5)); }
CASE(timestep_case) { return op_timestep_embed(g, W(3), 8, 10000, 0, true); }
#ifdef LIMN_DUMMY_OP
CASE(dummy_case) { return op_dummy(g, X(3, 5)); }
#endif

// clang-format off
const struct op_case op_cases[] = {
#define ROW(op, build, ...) {OP_##op, #build, build, __VA_ARGS__}
    ROW(add, add_same), ROW(add, add_row), ROW(add, add_middle), ROW(add, add_left),
    ROW(sub, sub_case), ROW(mul, mul_case), ROW(div, div_case, .positive = true),
    ROW(affine, affine_case), ROW(exp, exp_case), ROW(log, log_case, .positive = true),
    ROW(sqrt, sqrt_case, .positive = true), ROW(tanh, tanh_case), ROW(erf, erf_case),
    ROW(relu, relu_case), ROW(step, step_case), ROW(cast, cast_case), ROW(sum, sum_first),
    ROW(sum, sum_leading), ROW(sum, sum_last), ROW(sum, sum_middle), ROW(sum, sum_all),
    ROW(max, max_case), ROW(sumsq, sumsq_case), ROW(reshape, reshape_case), ROW(part, part_case),
    ROW(broadcast, broadcast_case), ROW(permute, permute_case), ROW(permute, permute_last),
    ROW(concat, concat_last), ROW(concat, concat_middle), ROW(slice, slice_last),
    ROW(slice, slice_first), ROW(pad, pad_case), ROW(gather, gather_case),
    ROW(gather_grad, gather_grad_case), ROW(matmul, matmul_plain), ROW(matmul, matmul_linear),
    ROW(matmul, matmul_ta), ROW(matmul, matmul_tatb), ROW(matmul, matmul_batch),
    ROW(matmul, matmul_batch_ta), ROW(conv2d, conv_3x3), ROW(conv2d, conv_stride),
    ROW(conv2d, conv_1x1), ROW(conv2d_grad_x, conv_gx), ROW(conv2d_grad_x, conv_gx1),
    ROW(conv2d_grad_w, conv_gw), ROW(conv2d_grad_w, conv_gw1), ROW(silu, silu_case),
    ROW(silu_grad, silu_grad_case), ROW(gelu, gelu_case), ROW(gelu_grad, gelu_grad_case),
    ROW(gelu_tanh, gelu_tanh_case), ROW(gelu_tanh_grad, gelu_tanh_grad_case),
    ROW(softmax, softmax_case), ROW(softmax_grad, softmax_grad_case),
    ROW(group_norm, group_norm_rows), ROW(group_norm, group_norm_one),
    ROW(group_norm, group_norm_gelu), ROW(group_norm_sums, group_norm_sums_case),
    ROW(group_norm_grad, group_norm_grad_case), ROW(layer_norm, layer_norm_case),
    ROW(layer_norm_grad, layer_norm_grad_case), ROW(rms_norm, rms_norm_case),
    ROW(rms_norm_grad, rms_norm_grad_case), ROW(norm_affine, norm_affine_layer),
    ROW(norm_affine, norm_affine_rms), ROW(norm_affine, norm_affine_wide), ROW(swiglu, swiglu_case),
    ROW(swiglu, swiglu_quads), ROW(rope, rope_halves, .fixed = 2),
    ROW(rope, rope_pairs, .fixed = 2),
    ROW(attention, attention_case),
    ROW(attention, attention_bias), ROW(attention, attention_mask),
    ROW(attention_grad, attention_grad_case), ROW(attention_grad, attention_grad_with_bias),
    ROW(attention_grad_bias, attention_grad_bias_case), ROW(upsample2, upsample2_case),
    ROW(downsample2, downsample2_case),
    ROW(timestep_embed, timestep_case),
    {OP_accumulate, "accumulate", NULL, .by_hand = true},
    {OP_adamw, "adamw", NULL, .by_hand = true},
    {OP_ema, "ema", NULL, .by_hand = true},
#ifdef LIMN_DUMMY_OP
    ROW(dummy, dummy_case),
#endif
};
// clang-format on
const int op_case_count = sizeof op_cases / sizeof *op_cases;
