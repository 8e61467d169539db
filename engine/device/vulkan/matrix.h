// SPDX-License-Identifier: MIT
// VK_KHR_cooperative_matrix, revision 2, and VK_KHR_shader_bfloat16 for headers older than they are
// (1.3.255, 1.4.311): the few structures we read, under names of our own, as the specification lays
// them out.
#ifndef LIMN_ENGINE_DEVICE_VULKAN_MATRIX_H
#define LIMN_ENGINE_DEVICE_VULKAN_MATRIX_H

#include "engine/device/vulkan/vk.h"

#define VK_MATRIX_EXTENSION "VK_KHR_cooperative_matrix"
#define VK_BF16_EXTENSION "VK_KHR_shader_bfloat16"

enum {
    MATRIX_STRUCTURE_FEATURES = 1000506000,
    MATRIX_STRUCTURE_PROPERTIES = 1000506001,
    BF16_STRUCTURE_FEATURES = 1000141000,
    MATRIX_TYPE_F16 = 0,
    MATRIX_TYPE_F32 = 1,
    MATRIX_TYPE_BF16 = 1000141000,
    MATRIX_SCOPE_SUBGROUP = 3,
};

struct matrix_features {
    VkStructureType type;
    void *next;
    VkBool32 matrix, robust;
};

struct bf16_features {
    VkStructureType type;
    void *next;
    VkBool32 type16, dot_product, matrix;
};

struct matrix_properties {
    VkStructureType type;
    void *next;
    uint32_t m, n, k;
    int a, b, c, result;
    VkBool32 saturating;
    int scope;
};

typedef VkResult(VKAPI_PTR *matrix_properties_fn)(VkPhysicalDevice, uint32_t *,
                                                  struct matrix_properties *);

#endif
