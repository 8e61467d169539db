// SPDX-License-Identifier: MIT
// The device's peak rate: multiply-adds that touch no memory, on matrix units if products of the
// type use them.
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

static bool
begin(struct vk_device *d, VkCommandBuffer *out, struct err *err)
{
    VkCommandBufferAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                        .commandPool = d->commands,
                                        .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
                                        .commandBufferCount = 1};
    VkCommandBufferBeginInfo begin_info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    VkResult r = d->vk.AllocateCommandBuffers(d->device, &info, out);
    if (r != VK_SUCCESS)
        *out = VK_NULL_HANDLE;
    else
        r = d->vk.BeginCommandBuffer(*out, &begin_info);
    return r == VK_SUCCESS || vk_failed(d, r, "cannot measure", err);
}

bool
vk_rate(struct vk_device *d, enum dtype type, double *flops, const char **how, struct err *err)
{
    struct vk_unit unit;
    bool matrix = vk_matrix_of(d, type, &unit) == VK_MATRIX_UNITS;
    // Long enough for the clock, short enough for any driver's patience.
    uint32_t rounds = 4096, groups = d->serial ? 64 : 4096, size = d->serial ? 64 : 256;
    double round = 2.0 * 32 * size; // of a group
    struct vk_variant v = {.shader = VK_SHADER_ceiling, .spec_count = VK_SPEC_OWN};
    if (matrix) {
        size = 8 * d->offer.subgroup;
        groups = d->offer.type == VK_PHYSICAL_DEVICE_TYPE_CPU ? 16 : 2048;
        round = 2.0 * unit.m * unit.n * unit.k * 8 * 8;
        v.shader = type == DTYPE_BF16 ? VK_SHADER_ceiling_matrix_bf16 : VK_SHADER_ceiling_matrix;
        v.subgroup = d->offer.subgroup_fixed ? d->offer.subgroup : 0;
        const uint32_t own[] = {unit.m, unit.n, unit.k};
        for (int i = 0; i < 3; i++)
            v.spec[v.spec_count++] = own[i];
    }
    *how = matrix ? "multiply-adds of matrix units in registers" : "f32 multiply-adds in registers";
    struct vk_memory *m = vk_memory_create(d, 256, VK_USE_DEVICE, "a measurement", err);
    VkDescriptorPool pool = VK_NULL_HANDLE;
    VkDescriptorSet set = VK_NULL_HANDLE;
    VkCommandBuffer commands = VK_NULL_HANDLE;
    bool ok = m != NULL;
    v.spec[VK_SPEC_X] = size;
    v.spec[VK_SPEC_Y] = 1;
    v.spec[VK_SPEC_TYPE] = DTYPE_F32;
    VkPipeline pipeline = ok ? vk_pipeline(d, &v, err) : VK_NULL_HANDLE;
    ok = pipeline && vk_one_set(d, m, &pool, &set, err) && begin(d, &commands, err);
    if (ok) {
        uint32_t push[VK_PUSH_WORDS] = {0};
        const float small = 1e-4f;
        push[VK_PUSH_OWN] = rounds;
        memcpy(&push[VK_PUSH_OWN + 1], &small, sizeof small);
        d->vk.CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
        d->vk.CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE, d->layout, 0, 1, &set,
                                    0, NULL);
        d->vk.CmdPushConstants(commands, d->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof push,
                               push);
        d->vk.CmdDispatch(commands, groups, 1, 1);
        VkResult r = d->vk.EndCommandBuffer(commands);
        ok = r == VK_SUCCESS || vk_failed(d, r, "cannot measure", err);
    }
    double best = 1e30;
    for (int i = 0; ok && i < 3; i++) {
        double start = clock_seconds();
        ok = vk_submit(d, commands, err) && vk_wait(d, err);
        best = i ? MIN(best, clock_seconds() - start) : best;
    }
    *flops = round * rounds * groups / best;
    if (commands)
        d->vk.FreeCommandBuffers(d->device, d->commands, 1, &commands);
    if (pool)
        d->vk.DestroyDescriptorPool(d->device, pool, NULL);
    vk_memory_destroy(d, m);
    return ok;
}
