// SPDX-License-Identifier: MIT
#include "engine/device/vulkan/ops.h"

#include <assert.h>

// What shaders/head.glsl and math.glsl say, which some SPIR-V that comes with limn is made of.
static_assert(DTYPE_F32 == 2 && DTYPE_F16 == 3 && DTYPE_BF16 == 4 && DTYPE_I32 == 6,
              "head.glsl: F32, F16, BF16, I32");
static_assert(DTYPE_Q4_0 == 8 && DTYPE_Q4_1 == 9 && DTYPE_Q5_0 == 10 && DTYPE_Q5_1 == 11 &&
                  DTYPE_Q8_0 == 12 && DTYPE_Q2_K == 13 && DTYPE_Q3_K == 14 && DTYPE_Q4_K == 15 &&
                  DTYPE_Q5_K == 16 && DTYPE_Q6_K == 17 && DTYPE_IQ4_NL == 18 && DTYPE_IQ4_XS == 19,
              "packed.glsl: types");
static_assert(VK_BINDINGS == 8 && VK_PUSH_WORDS - VK_PUSH_OWN == 24, "head.glsl: struct Push");
static_assert(VK_SPEC_X == 0 && VK_SPEC_Y == 1 && VK_SPEC_TYPE == 2 && VK_SPEC_OWN == 10,
              "head.glsl: constant_id");
static_assert(ACT_NONE == 0 && ACT_SILU == 1 && ACT_GELU == 2, "math.glsl: activate()");
static_assert(AT_RATE == ADAMW_RATE && AT_BETA1 == ADAMW_BETA1 && AT_BETA2 == ADAMW_BETA2 &&
                  AT_EPS == ADAMW_EPS && AT_DECAY == ADAMW_DECAY && AT_UNBIAS1 == ADAMW_UNBIAS1 &&
                  AT_UNBIAS2 == ADAMW_UNBIAS2 && AT_CLIP == ADAMW_CLIP,
              "shared.h: AdamW's numbers");

vk_build_fn *const vk_build[OP_COUNT] = {
    [OP_add] = vk_build_binary,
    [OP_sub] = vk_build_binary,
    [OP_mul] = vk_build_binary,
    [OP_div] = vk_build_binary,
    [OP_affine] = vk_build_unary,
    [OP_exp] = vk_build_unary,
    [OP_log] = vk_build_unary,
    [OP_sqrt] = vk_build_unary,
    [OP_tanh] = vk_build_unary,
    [OP_erf] = vk_build_unary,
    [OP_relu] = vk_build_unary,
    [OP_step] = vk_build_unary,
    [OP_cast] = vk_build_unary,
    [OP_sum] = vk_build_reduce,
    [OP_max] = vk_build_reduce,
    [OP_sumsq] = vk_build_reduce,
    [OP_broadcast] = vk_build_move,
    [OP_permute] = vk_build_move,
    [OP_concat] = vk_build_concat,
    [OP_slice] = vk_build_move,
    [OP_pad] = vk_build_move,
    [OP_gather] = vk_build_gather,
    [OP_gather_grad] = vk_build_gather_grad,
    [OP_matmul] = vk_build_matmul,
    [OP_conv2d] = vk_build_conv2d,
    [OP_conv2d_grad_x] = vk_build_conv2d_grad_x,
    [OP_conv2d_grad_w] = vk_build_conv2d_grad_w,
    [OP_silu] = vk_build_unary,
    [OP_silu_grad] = vk_build_pair,
    [OP_gelu] = vk_build_unary,
    [OP_gelu_grad] = vk_build_pair,
    [OP_gelu_tanh] = vk_build_unary,
    [OP_gelu_tanh_grad] = vk_build_pair,
    [OP_softmax] = vk_build_row,
    [OP_softmax_grad] = vk_build_row,
    [OP_group_norm] = vk_build_group_norm,
    [OP_group_norm_sums] = vk_build_group_norm_sums,
    [OP_group_norm_grad] = vk_build_group_norm_grad,
    [OP_layer_norm] = vk_build_row,
    [OP_layer_norm_grad] = vk_build_row,
    [OP_rms_norm] = vk_build_row,
    [OP_rms_norm_grad] = vk_build_row,
    [OP_norm_affine] = vk_build_norm_affine,
    [OP_swiglu] = vk_build_swiglu,
    [OP_rope] = vk_build_rope,
    [OP_attention] = vk_build_attention,
    [OP_attention_grad] = vk_build_attention_grad,
    [OP_attention_grad_bias] = vk_build_attention_grad_bias,
    [OP_upsample2] = vk_build_picture,
    [OP_downsample2] = vk_build_picture,
    [OP_timestep_embed] = vk_build_timestep,
    [OP_accumulate] = vk_build_optimise,
    [OP_adamw] = vk_build_optimise,
    [OP_ema] = vk_build_optimise,
};
