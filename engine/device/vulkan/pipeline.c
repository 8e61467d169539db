// SPDX-License-Identifier: MIT
// Shaders to pipelines, one for each set of constants that is asked for, and the driver's cache of
// them on disk.
//
// The cache file is ours around the driver's bytes: magic, a checksum, the device and driver it
// belongs to. Drivers check their own header, but not all survive damage after it.
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"
#include "engine/device/vulkan/vk.h"

#define SHADER(name)                                                                               \
    extern const uint32_t vk_code_##name[];                                                        \
    extern const size_t vk_code_size_##name;
#include "engine/device/vulkan/shaders.def"
#undef SHADER

static const struct {
    const char *name;
    const uint32_t *code;
    const size_t *size; // bytes
} shaders[VK_SHADER_COUNT] = {
#define SHADER(n) [VK_SHADER_##n] = {#n, vk_code_##n, &vk_code_size_##n},
#include "engine/device/vulkan/shaders.def"
#undef SHADER
};

struct vk_pipeline {
    struct vk_variant variant;
    VkPipeline pipeline;
};

// --- the cache on disk

struct cache_head {
    char magic[8];
    uint32_t vendor, device, driver, reserved;
    uint8_t uuid[VK_UUID_SIZE];
    uint64_t size, sum; // of the driver's bytes
};

enum { CACHE_MAX = 256 << 20 };
static const char cache_magic[8] = "limnvk1";

static uint64_t
check_sum(const void *data, size_t size)
{
    uint64_t h = 14695981039346656037u; // FNV-1a
    for (size_t i = 0; i < size; i++)
        h = (h ^ ((const uint8_t *)data)[i]) * 1099511628211u;
    return h;
}

static struct cache_head
cache_head(const struct vk_device *d, const void *data, size_t size)
{
    struct cache_head h = {.vendor = d->offer.vendor,
                           .device = d->offer.device,
                           .driver = d->offer.driver,
                           .size = size,
                           .sum = check_sum(data, size)};
    memcpy(h.magic, cache_magic, sizeof h.magic);
    memcpy(h.uuid, d->offer.uuid, sizeof h.uuid);
    return h;
}

// NULL: no place for it. Freed with free(). A driver believes what it finds there: it is this
// user's own.
static char *
cache_path(const struct vk_device *d)
{
    struct err err = {0};
    char *folder = xdg_make(XDG_CACHE, "", &err);
    if (!folder)
        log_line(LOG_INFO, "vulkan", "the pipeline cache is not used: %s", err.text);
    char *path = folder ? mem_printf("%s/vulkan-%04x-%04x.bin", folder, d->offer.vendor,
                                     d->offer.device) : NULL;
    free(folder);
    return path;
}

// The driver's bytes inside a good cache file; NULL otherwise. Freed with free().
static char *
cache_read(struct vk_device *d, size_t *size)
{
    struct err ignored = {0};
    char *path = cache_path(d);
    char *file = path && file_exists(path) ? file_read(path, CACHE_MAX, size, &ignored) : NULL;
    struct cache_head h;
    if (file && *size >= sizeof h) {
        memcpy(&h, file, sizeof h);
        *size -= sizeof h;
        memmove(file, file + sizeof h, *size);
        struct cache_head want = cache_head(d, file, *size);
        if (memcmp(&h, &want, sizeof h) != 0) {
            log_line(LOG_INFO, "vulkan", "%s belongs to another driver or is damaged; it will be "
                                         "rebuilt",
                     path);
            free(file);
            file = NULL;
        }
    } else {
        free(file);
        file = NULL;
    }
    free(path);
    return file;
}

static void
cache_write(struct vk_device *d)
{
    size_t size = 0;
    if (!d->cache || d->lost ||
        d->vk.GetPipelineCacheData(d->device, d->cache, &size, NULL) != VK_SUCCESS ||
        size <= d->cache_loaded || size > CACHE_MAX)
        return;
    struct err ignored = {0};
    char *path = cache_path(d);
    struct cache_head *data = mem_try_calloc(1, sizeof *data + size, "pipeline cache", &ignored);
    if (data && path &&
        d->vk.GetPipelineCacheData(d->device, d->cache, &size, data + 1) == VK_SUCCESS) {
        *data = cache_head(d, data + 1, size);
        if (!file_write_private(path, data, sizeof *data + size, &ignored))
            log_line(LOG_INFO, "vulkan", "the pipeline cache cannot be saved: %s", ignored.text);
    }
    free(data);
    free(path);
}

// --- layout: one set of storage buffers and 128 bytes of constants, for all shaders

bool
vk_pipelines_open(struct vk_device *d, struct err *err)
{
    VkDescriptorSetLayoutBinding bindings[VK_BINDINGS];
    for (uint32_t i = 0; i < VK_BINDINGS; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding){
            .binding = i,
            .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = VK_BINDINGS,
        .pBindings = bindings};
    VkResult r = d->vk.CreateDescriptorSetLayout(d->device, &set, NULL, &d->set_layout);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot make a descriptor layout", err);
    VkPushConstantRange push = {.stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
                                .size = VK_PUSH_WORDS * sizeof(uint32_t)};
    VkPipelineLayoutCreateInfo layout = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                         .setLayoutCount = 1,
                                         .pSetLayouts = &d->set_layout,
                                         .pushConstantRangeCount = 1,
                                         .pPushConstantRanges = &push};
    r = d->vk.CreatePipelineLayout(d->device, &layout, NULL, &d->layout);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot make a pipeline layout", err);
    char *data = cache_read(d, &d->cache_loaded);
    VkPipelineCacheCreateInfo cache = {.sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO,
                                       .initialDataSize = data ? d->cache_loaded : 0,
                                       .pInitialData = data};
    r = d->vk.CreatePipelineCache(d->device, &cache, NULL, &d->cache);
    d->cache_loaded = data ? d->cache_loaded : 0;
    free(data);
    return r == VK_SUCCESS || vk_failed(d, r, "cannot make a pipeline cache", err);
}

void
vk_pipelines_close(struct vk_device *d)
{
    cache_write(d);
    for (int i = 0; i < d->pipeline_count; i++)
        d->vk.DestroyPipeline(d->device, d->pipelines[i].pipeline, NULL);
    for (int i = 0; i < VK_SHADER_COUNT; i++)
        if (d->modules[i])
            d->vk.DestroyShaderModule(d->device, d->modules[i], NULL);
    if (d->cache)
        d->vk.DestroyPipelineCache(d->device, d->cache, NULL);
    if (d->layout)
        d->vk.DestroyPipelineLayout(d->device, d->layout, NULL);
    if (d->set_layout)
        d->vk.DestroyDescriptorSetLayout(d->device, d->set_layout, NULL);
    free(d->pipelines);
    d->pipelines = NULL;
    d->pipeline_count = d->pipeline_capacity = 0;
}

static bool
same(const struct vk_variant *a, const struct vk_variant *b)
{
    return a->shader == b->shader && a->spec_count == b->spec_count && a->subgroup == b->subgroup &&
           memcmp(a->spec, b->spec, (size_t)a->spec_count * sizeof *a->spec) == 0;
}

VkPipeline
vk_pipeline(struct vk_device *d, const struct vk_variant *v, struct err *err)
{
    for (int i = 0; i < d->pipeline_count; i++)
        if (same(&d->pipelines[i].variant, v))
            return d->pipelines[i].pipeline;
    VkResult r = VK_SUCCESS;
    if (!d->modules[v->shader]) {
        VkShaderModuleCreateInfo info = {.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
                                         .codeSize = *shaders[v->shader].size,
                                         .pCode = shaders[v->shader].code};
        r = d->vk.CreateShaderModule(d->device, &info, NULL, &d->modules[v->shader]);
    }
    VkSpecializationMapEntry entries[VK_SPEC_MAX];
    for (int i = 0; i < v->spec_count; i++)
        entries[i] = (VkSpecializationMapEntry){.constantID = (uint32_t)i,
                                                .offset = (uint32_t)i * 4,
                                                .size = 4};
    VkSpecializationInfo spec = {.mapEntryCount = (uint32_t)v->spec_count,
                                 .pMapEntries = entries,
                                 .dataSize = (size_t)v->spec_count * 4,
                                 .pData = v->spec};
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfoEXT subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO_EXT,
        .requiredSubgroupSize = v->subgroup};
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                  .pNext = v->subgroup ? &subgroup : NULL,
                  .flags = v->subgroup
                               ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT_EXT
                               : 0,
                  .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                  .module = d->modules[v->shader],
                  .pName = "main",
                  .pSpecializationInfo = &spec},
        .layout = d->layout};
    VkPipeline pipeline = VK_NULL_HANDLE;
    if (r == VK_SUCCESS)
        r = d->vk.CreateComputePipelines(d->device, d->cache, 1, &info, NULL, &pipeline);
    if (r != VK_SUCCESS) {
        vk_failed(d, r, shaders[v->shader].name, err);
        return VK_NULL_HANDLE;
    }
    ARRAY_PUSH(d->pipelines, d->pipeline_count, d->pipeline_capacity,
               ((struct vk_pipeline){*v, pipeline}));
    return pipeline;
}
