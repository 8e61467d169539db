// SPDX-License-Identifier: MIT
// Numbers that C and GLSL must agree on: both include this file, which therefore holds nothing but
// #define. The constants of head.glsl, which is compiled into prebuilt shaders, are checked in
// ops.c.
#ifndef LIMN_ENGINE_DEVICE_VULKAN_SHADERS_SHARED_H
#define LIMN_ENGINE_DEVICE_VULKAN_SHADERS_SHARED_H

// unary.comp
#define UNARY_CAST 0
#define UNARY_AFFINE 1
#define UNARY_EXP 2
#define UNARY_LOG 3
#define UNARY_SQRT 4
#define UNARY_TANH 5
#define UNARY_ERF 6
#define UNARY_RELU 7
#define UNARY_STEP 8
#define UNARY_SILU 9
#define UNARY_GELU 10
#define UNARY_GELU_TANH 11

// pair.comp
#define PAIR_SILU 0
#define PAIR_GELU 1
#define PAIR_GELU_TANH 2

// binary.comp
#define BINARY_ADD 0
#define BINARY_SUB 1
#define BINARY_MUL 2
#define BINARY_DIV 3

// reduce.comp
#define REDUCE_SUM 0
#define REDUCE_MAX 1
#define REDUCE_SUMSQ 2

// row.comp
#define ROW_SOFTMAX 0
#define ROW_SOFTMAX_GRAD 1
#define ROW_LAYER_NORM 2
#define ROW_LAYER_NORM_GRAD 3
#define ROW_RMS_NORM 4
#define ROW_RMS_NORM_GRAD 5

// picture.comp
#define PICTURE_UPSAMPLE 0
#define PICTURE_DOWNSAMPLE 1

// optimise.comp, and where AdamW's numbers lie (enum adamw_number of engine/ops/op.h)
#define OPTIMISE_ACCUMULATE 0
#define OPTIMISE_EMA 1
#define OPTIMISE_ADAMW 2
#define AT_RATE 0
#define AT_BETA1 1
#define AT_BETA2 2
#define AT_EPS 3
#define AT_DECAY 4
#define AT_UNBIAS1 5
#define AT_UNBIAS2 6
#define AT_CLIP 7

#endif
