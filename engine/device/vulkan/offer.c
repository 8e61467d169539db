// SPDX-License-Identifier: MIT
// What a physical device offers, and why it cannot be used.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/matrix.h"
#include "engine/device/vulkan/vk.h"

static bool
device_has(const VkExtensionProperties *list, uint32_t count, const char *name)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(list[i].extensionName, name) == 0)
            return true;
    return false;
}

static int
compute_family(struct vk_device *d, VkPhysicalDevice p, bool *timestamps)
{
    VkQueueFamilyProperties families[32];
    uint32_t count = 0;
    d->vk.GetPhysicalDeviceQueueFamilyProperties(p, &count, NULL);
    count = MIN(count, (uint32_t)COUNT_OF(families));
    d->vk.GetPhysicalDeviceQueueFamilyProperties(p, &count, families);
    int best = -1;
    for (uint32_t i = 0; i < count; i++) {
        bool computes = families[i].queueFlags & VK_QUEUE_COMPUTE_BIT;
        bool draws = families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT;
        // One that only computes leaves the desktop's alone.
        if (computes && (best < 0 || !draws)) {
            best = (int)i;
            *timestamps = families[i].timestampValidBits > 0;
        }
        if (computes && !draws)
            break;
    }
    return best;
}

static void
read_memory(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 m = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2,
        .pNext = o->memory_budget ? &budget : NULL};
    d->vk.GetPhysicalDeviceMemoryProperties2(p, &m);
    for (uint32_t i = 0; i < m.memoryProperties.memoryHeapCount; i++) {
        const VkMemoryHeap *h = &m.memoryProperties.memoryHeaps[i];
        if (!(h->flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) || h->size < o->memory)
            continue;
        o->memory = o->available = h->size;
        if (o->memory_budget && budget.heapBudget[i])
            o->available = budget.heapBudget[i] > budget.heapUsage[i]
                               ? budget.heapBudget[i] - budget.heapUsage[i]
                               : 0;
    }
}

// The largest matrices of a type it multiplies into f32, by subgroup, that tile what a subgroup
// makes (shaders/gemm_matrix.comp: 64 x 32 results, 32 deep, 256 at most on their way out).
static struct vk_unit
largest_unit(struct vk_device *d, VkPhysicalDevice p, int type)
{
    matrix_properties_fn ask = (matrix_properties_fn)d->vk.GetCooperativeMatrixProperties;
    struct matrix_properties list[64];
    uint32_t count = COUNT_OF(list);
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct matrix_properties){.type = (VkStructureType)MATRIX_STRUCTURE_PROPERTIES};
    VkResult r = ask ? ask(p, &count, list) : VK_ERROR_EXTENSION_NOT_PRESENT;
    struct vk_unit best = {0};
    if (r != VK_SUCCESS && r != VK_INCOMPLETE)
        return best;
    for (uint32_t i = 0; i < count; i++) {
        const struct matrix_properties *m = &list[i];
        bool typed = m->a == type && m->b == type && m->c == MATRIX_TYPE_F32 &&
                     m->result == MATRIX_TYPE_F32 && m->scope == MATRIX_SCOPE_SUBGROUP;
        if (!typed || m->m < 4 || m->n < 4 || m->k < 4 || 64 % m->m || 32 % m->n || 32 % m->k ||
            m->m * m->n > 256)
            continue;
        if (m->m * m->n * m->k > best.m * best.n * best.k)
            best = (struct vk_unit){m->m, m->n, m->k};
    }
    return best;
}

// Matrix units, and what their shaders need besides: eight subgroups that share 28 KiB.
static void
read_units(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o, bool bf16)
{
    if (o->subgroup < 8 || 8 * o->subgroup > o->group_max || o->shared_bytes < 28672)
        return;
    if (o->f16_arithmetic)
        o->f16_unit = largest_unit(d, p, MATRIX_TYPE_F16);
    if (bf16)
        o->bf16_unit = largest_unit(d, p, MATRIX_TYPE_BF16);
}

bool
vk_has_units(const struct vk_offer *o)
{
    return o->f16_unit.m || o->bf16_unit.m;
}

// Whether compute shaders can ask for subgroups of `size`.
static bool
can_require_size(struct vk_device *d, VkPhysicalDevice p, uint32_t size)
{
    VkPhysicalDeviceSubgroupSizeControlPropertiesEXT sizes = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES_EXT};
    VkPhysicalDeviceProperties2 props = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &sizes};
    d->vk.GetPhysicalDeviceProperties2(p, &props);
    return size >= sizes.minSubgroupSize && size <= sizes.maxSubgroupSize &&
           8 <= sizes.maxComputeWorkgroupSubgroups &&
           (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT);
}

static size_t
largest_buffer(struct vk_device *d, VkPhysicalDevice p)
{
    VkPhysicalDeviceMaintenance4Properties limits = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES};
    VkPhysicalDeviceProperties2 props = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &limits};
    d->vk.GetPhysicalDeviceProperties2(p, &props);
    return limits.maxBufferSize;
}

static void
read_properties(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o)
{
    VkPhysicalDeviceMaintenance3Properties maintenance = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
    VkPhysicalDeviceSubgroupProperties subgroup = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, .pNext = &maintenance};
    VkPhysicalDeviceProperties2 props = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2,
                                         .pNext = &subgroup};
    d->vk.GetPhysicalDeviceProperties2(p, &props);
    const VkPhysicalDeviceLimits *l = &props.properties.limits;
    *o =
        (struct vk_offer){.vendor = props.properties.vendorID,
                          .device = props.properties.deviceID,
                          .driver = props.properties.driverVersion,
                          .type = props.properties.deviceType,
                          .api = props.properties.apiVersion,
                          .buffer_max = l->maxStorageBufferRange,
                          .allocation_max = maintenance.maxMemoryAllocationSize,
                          .memory_max = maintenance.maxMemoryAllocationSize,
                          .offset_alignment = (uint32_t)l->minStorageBufferOffsetAlignment,
                          .subgroup = subgroup.subgroupSize,
                          .shuffle = subgroup.supportedOperations & VK_SUBGROUP_FEATURE_SHUFFLE_BIT,
                          .shared_bytes = l->maxComputeSharedMemorySize,
                          .group_max = l->maxComputeWorkGroupInvocations,
                          .grid_max = l->maxComputeWorkGroupCount[0],
                          .tick = l->timestampPeriod};
    snprintf(o->name, sizeof o->name, "%s", props.properties.deviceName);
    memcpy(o->uuid, props.properties.pipelineCacheUUID, VK_UUID_SIZE);
    o->queue_family = compute_family(d, p, &o->timestamps);
}

// Extensions that tell what else may be asked.
struct extensions {
    bool matrix, bf16, sizes;
};

static struct extensions
read_extensions(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o)
{
    uint32_t count = 0;
    d->vk.EnumerateDeviceExtensionProperties(p, NULL, &count, NULL);
    VkExtensionProperties *list = mem_zalloc((count + 1) * sizeof *list);
    d->vk.EnumerateDeviceExtensionProperties(p, NULL, &count, list);
    o->memory_budget = device_has(list, count, VK_EXT_MEMORY_BUDGET_EXTENSION_NAME);
    struct extensions e = {
        .matrix = device_has(list, count, VK_MATRIX_EXTENSION),
        .bf16 = device_has(list, count, VK_BF16_EXTENSION),
        .sizes = device_has(list, count, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME)};
    if (device_has(list, count, VK_KHR_MAINTENANCE_4_EXTENSION_NAME))
        o->memory_max = MAX(o->memory_max, largest_buffer(d, p));
    free(list);
    return e;
}

// *timeline: whether it has semaphores that count.
static void
read_features(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o, struct extensions e,
              bool *timeline)
{
    VkPhysicalDeviceSubgroupSizeControlFeaturesEXT size_control = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES_EXT};
    struct bf16_features bf16_offer = {.type = (VkStructureType)BF16_STRUCTURE_FEATURES};
    void *next = NULL;
    if (e.sizes)
        next = &size_control;
    if (e.bf16) {
        bf16_offer.next = next;
        next = &bf16_offer;
    }
    VkPhysicalDeviceVulkan12Features v12 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .pNext = next};
    VkPhysicalDeviceVulkan11Features v11 = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, .pNext = &v12};
    VkPhysicalDeviceFeatures2 features = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2,
                                          .pNext = &v11};
    d->vk.GetPhysicalDeviceFeatures2(p, &features);
    o->storage16 = v11.storageBuffer16BitAccess;
    o->f16_arithmetic = v12.shaderFloat16;
    o->subgroup_fixed = size_control.subgroupSizeControl && size_control.computeFullSubgroups &&
                        can_require_size(d, p, o->subgroup);
    *timeline = v12.timelineSemaphore;
    if (e.matrix && v12.vulkanMemoryModel)
        read_units(d, p, o, bf16_offer.type16 && bf16_offer.matrix);
}

void
vk_read_offer(struct vk_device *d, VkPhysicalDevice p, struct vk_offer *o)
{
    bool timeline = false;
    read_properties(d, p, o);
    if (o->api < VK_API_VERSION_1_2) {
        snprintf(o->refusal, sizeof o->refusal, "its driver speaks Vulkan %u.%u, limn needs 1.2",
                 VK_API_VERSION_MAJOR(o->api), VK_API_VERSION_MINOR(o->api));
        return;
    }
    struct extensions e = read_extensions(d, p, o);
    read_features(d, p, o, e, &timeline);
    read_memory(d, p, o);
    if (o->queue_family < 0)
        snprintf(o->refusal, sizeof o->refusal, "it has no queue that computes");
    else if (!o->storage16)
        snprintf(o->refusal, sizeof o->refusal, "it cannot store 16-bit numbers");
    else if (!timeline)
        snprintf(o->refusal, sizeof o->refusal, "it has no timeline semaphores");
}
