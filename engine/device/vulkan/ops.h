// SPDX-License-Identifier: MIT
// Builders by family of ops, for the table in ops.c. Each adds the dispatches of one node.
#ifndef LIMN_ENGINE_DEVICE_VULKAN_OPS_H
#define LIMN_ENGINE_DEVICE_VULKAN_OPS_H

#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/shaders/shared.h"
#include "engine/device/vulkan/vk.h"

vk_build_fn vk_build_unary, vk_build_pair, vk_build_binary, vk_build_picture, vk_build_timestep,
    vk_build_optimise;
vk_build_fn vk_build_move, vk_build_concat, vk_build_gather, vk_build_gather_grad;
vk_build_fn vk_build_norm_affine, vk_build_swiglu, vk_build_rope;
vk_build_fn vk_build_reduce, vk_build_row, vk_build_group_norm, vk_build_group_norm_sums,
    vk_build_group_norm_grad;
vk_build_fn vk_build_matmul, vk_build_conv2d, vk_build_conv2d_grad_x, vk_build_conv2d_grad_w;
vk_build_fn vk_build_attention, vk_build_attention_grad, vk_build_attention_grad_bias;

#endif
