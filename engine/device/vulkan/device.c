// SPDX-License-Identifier: MIT
// The Vulkan device as the rest of the engine sees it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

static bool
device_open_vulkan(struct device *d, struct err *err)
{
    struct vk_device *v = d->state = mem_zalloc(sizeof *v);
    if (!vk_context_open(v, d->number, err)) {
        vk_context_close(v);
        free(v);
        return false;
    }
    const struct vk_offer *o = &v->offer;
    snprintf(d->limits.name, sizeof d->limits.name, "vulkan: %.80s, %s", o->name,
             o->type == VK_PHYSICAL_DEVICE_TYPE_CPU ? "a CPU that plays GPU" : "16-bit storage");
    d->limits.bf16 = d->limits.f16 = !v->serial;
    d->limits.emulated = o->type == VK_PHYSICAL_DEVICE_TYPE_CPU;
    d->limits.memory = o->memory;
    d->limits.alignment = MAX(64, o->offset_alignment);
    return true;
}

static void
device_close_vulkan(struct device *d)
{
    vk_context_close(d->state);
    free(d->state);
}

static void *
memory_create(struct device *d, size_t size, const char *what, struct err *err)
{
    struct vk_memory *m = vk_memory_create(vk_of(d), size, VK_USE_DEVICE, what, err);
    if (m && !vk_memory_zero(vk_of(d), m, err)) {
        vk_memory_destroy(vk_of(d), m);
        return NULL;
    }
    return m;
}

static void
memory_destroy(struct device *d, void *memory)
{
    vk_memory_destroy(vk_of(d), memory);
}

static bool
memory_write(struct buffer *b, size_t offset, const void *data, size_t size, struct err *err)
{
    return vk_memory_write(vk_of(b->device), b->memory, offset, data, size, err);
}

static bool
memory_read(struct buffer *b, size_t offset, void *data, size_t size, struct err *err)
{
    return vk_memory_read(vk_of(b->device), b->memory, offset, data, size, err);
}

static bool
memory_copy(struct buffer *to, size_t to_offset, struct buffer *from, size_t from_offset,
            size_t size, struct err *err)
{
    return vk_memory_copy(vk_of(to->device), to->memory, to_offset, from->memory, from_offset, size,
                          err);
}

static bool
memory_zero(struct buffer *b, struct err *err)
{
    return vk_memory_zero(vk_of(b->device), b->memory, err);
}

const struct device_table device_vulkan = {
    .kind = "vulkan",
    .open = device_open_vulkan,
    .close = device_close_vulkan,
    .memory_create = memory_create,
    .memory_destroy = memory_destroy,
    .write = memory_write,
    .read = memory_read,
    .copy = memory_copy,
    .zero = memory_zero,
    .prepare = vk_plan_prepare,
    .release = vk_plan_release,
    .run = vk_plan_run,
    .times = vk_plan_times,
    .profile = vk_plan_profile,
};
