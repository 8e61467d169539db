// SPDX-License-Identifier: MIT
// Memory of the device, and the ways between it and the host.
//
// Drivers allow few allocations (4096), so what is small shares blocks, in units.
//
// Where the host can map device memory at full speed (integrated and software devices) it writes
// and reads it in place, when the device is idle. Elsewhere everything goes through one staging
// buffer in pieces. Work is ordered by submission, so a copy needs no wait before it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

static int
find_type(const struct vk_device *d, uint32_t allowed, VkMemoryPropertyFlags need)
{
    for (uint32_t i = 0; i < d->memory.memoryTypeCount; i++)
        if (allowed >> i & 1 && (d->memory.memoryTypes[i].propertyFlags & need) == need)
            return (int)i;
    return -1;
}

static int
memory_type(const struct vk_device *d, uint32_t allowed, enum vk_use use)
{
    const VkMemoryPropertyFlags host = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                       VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
    int type = -1;
    if (use == VK_USE_HOST) {
        type = find_type(d, allowed, host | VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
        return type >= 0 ? type : find_type(d, allowed, host);
    }
    // A discrete card's window into its memory is slow to read: stage there.
    if (d->offer.type != VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU)
        type = find_type(d, allowed, host | VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    if (type < 0)
        type = find_type(d, allowed, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT);
    return type >= 0 ? type : find_type(d, allowed, 0);
}

// Bytes of a type's heap that nobody uses now, as far as the driver says; *all: of the whole heap.
static size_t
heap_free(struct vk_device *d, int type, size_t *all)
{
    VkPhysicalDeviceMemoryBudgetPropertiesEXT budget = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT};
    VkPhysicalDeviceMemoryProperties2 now = {
        .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, .pNext = &budget};
    uint32_t heap = d->memory.memoryTypes[type].heapIndex;
    *all = d->memory.memoryHeaps[heap].size;
    if (!d->offer.memory_budget)
        return *all;
    d->vk.GetPhysicalDeviceMemoryProperties2(d->physical, &now);
    VkDeviceSize most = budget.heapBudget[heap], used = budget.heapUsage[heap];
    return most > used ? most - used : 0;
}

size_t
vk_room(struct vk_device *d)
{
    size_t all;
    int type = memory_type(d, ~0u, VK_USE_DEVICE);
    return type < 0 ? 0 : heap_free(d, type, &all);
}

static bool
out_of_memory(struct vk_device *d, size_t size, int type, const char *what, struct err *err)
{
    size_t all = d->offer.memory, left = type >= 0 ? heap_free(d, type, &all) : all;
    char missing[64] = "and the driver gives none";
    if (size > left)
        snprintf(missing, sizeof missing, "%.1f MiB too many", (double)(size - left) / 0x1p20);
    return err_set(
        err, ERR_MEMORY, "%s: %.1f MiB are needed, %s: %s has %.0f MiB, %.0f of them free; %s",
        what, (double)size / 0x1p20, missing, d->offer.name, (double)all / 0x1p20,
        (double)left / 0x1p20,
        strcmp(what, "weights") == 0
            ? "--offload keeps weights in main memory, a 16-bit --dtype halves them"
            : "fewer pictures at once, a smaller size, a 16-bit --dtype or --offload need less");
}

// --- blocks

enum { UNITS = 64, UNIT = 64 << 10, SMALL = UNITS / 4 * UNIT };

struct vk_block {
    struct vk_block *next;
    VkDeviceMemory memory;
    void *mapped;
    uint64_t used; // bit i: unit i
    int type;
};

static bool
allocate(struct vk_device *d, size_t size, int type, VkDeviceMemory *memory, void **mapped,
         const char *what, struct err *err)
{
    VkMemoryAllocateInfo info = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                 .allocationSize = size,
                                 .memoryTypeIndex = (uint32_t)type};
    size_t all;
    // Beyond its budget a driver may take the machine's memory, or another program's, without a
    // word.
    if (type < 0 || size > heap_free(d, type, &all))
        return out_of_memory(d, size, type, what, err);
    VkResult r = d->vk.AllocateMemory(d->device, &info, NULL, memory);
    if (r != VK_SUCCESS) {
        *memory = VK_NULL_HANDLE;
        bool full = r == VK_ERROR_OUT_OF_DEVICE_MEMORY || r == VK_ERROR_OUT_OF_HOST_MEMORY;
        return full ? out_of_memory(d, size, type, what, err) : vk_failed(d, r, what, err);
    }
    if (d->memory.memoryTypes[type].propertyFlags & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)
        r = d->vk.MapMemory(d->device, *memory, 0, VK_WHOLE_SIZE, 0, mapped);
    return r == VK_SUCCESS || vk_failed(d, r, what, err);
}

// First of `units` free units in a row, -1: none.
static int
free_units(const struct vk_block *b, int units)
{
    uint64_t mask = (1ull << units) - 1;
    for (int i = 0; i + units <= UNITS; i++)
        if (!(b->used & mask << i))
            return i;
    return -1;
}

static bool
place_in_block(struct vk_device *d, struct vk_memory *m, size_t size, int type, const char *what,
               struct err *err)
{
    int units = (int)((size + UNIT - 1) / UNIT);
    struct vk_block *b = d->blocks;
    while (b && (b->type != type || free_units(b, units) < 0))
        b = b->next;
    if (!b) {
        b = mem_zalloc(sizeof *b);
        b->type = type;
        b->next = d->blocks;
        d->blocks = b; // the device owns it, also when the next line fails
        if (!allocate(d, (size_t)UNITS * UNIT, type, &b->memory, &b->mapped, what, err)) {
            b->used = UINT64_MAX;
            return false;
        }
    }
    m->block = b;
    m->first = free_units(b, units);
    m->units = units;
    b->used |= ((1ull << units) - 1) << m->first;
    return true;
}

void
vk_blocks_free(struct vk_device *d)
{
    while (d->blocks) {
        struct vk_block *b = d->blocks;
        d->blocks = b->next;
        if (b->memory)
            d->vk.FreeMemory(d->device, b->memory, NULL);
        free(b);
    }
}

struct vk_memory *
vk_memory_create(struct vk_device *d, size_t size, enum vk_use use, const char *what,
                 struct err *err)
{
    if (d->lost) {
        vk_failed(d, VK_ERROR_DEVICE_LOST, what, err);
        return NULL;
    }
    if (d->offer.memory_max && size > d->offer.memory_max) {
        out_of_memory(d, size, -1, what, err);
        return NULL;
    }
    struct vk_memory *m = mem_zalloc(sizeof *m);
    m->size = MAX((size + 15) / 16 * 16, 256);
    VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                               .size = m->size,
                               .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                                        VK_BUFFER_USAGE_TRANSFER_DST_BIT};
    VkResult r = d->vk.CreateBuffer(d->device, &info, NULL, &m->buffer);
    if (r != VK_SUCCESS) {
        m->buffer = VK_NULL_HANDLE;
        out_of_memory(d, size, -1, what, err);
        goto failed;
    }
    VkMemoryRequirements need;
    d->vk.GetBufferMemoryRequirements(d->device, m->buffer, &need);
    int type = memory_type(d, need.memoryTypeBits, use);
    bool small = need.size <= SMALL && need.alignment <= UNIT;
    if (small ? !place_in_block(d, m, need.size, type, what, err)
              : !allocate(d, need.size, type, &m->memory, &m->mapped, what, err))
        goto failed;
    size_t offset = m->block ? (size_t)m->first * UNIT : 0;
    if (m->block && m->block->mapped)
        m->mapped = (char *)m->block->mapped + offset;
    r = d->vk.BindBufferMemory(d->device, m->buffer, m->block ? m->block->memory : m->memory,
                               offset);
    if (r == VK_SUCCESS)
        return m;
    vk_failed(d, r, what, err);
failed:
    vk_memory_destroy(d, m);
    return NULL;
}

struct vk_memory *
vk_weights_create(struct vk_device *d, size_t size, enum vk_use use, struct err *err)
{
    static const char what[] = "weights";
    size_t most = d->part ? d->part : d->offer.allocation_max, all;
    if (!most || size <= most)
        return vk_memory_create(d, size, use, what, err);
    size_t part = most >= BUFFER_SEGMENT ? most / BUFFER_SEGMENT * BUFFER_SEGMENT : most;
    int type = memory_type(d, UINT32_MAX, use); // so that an error speaks of the whole
    if (type < 0 || size > heap_free(d, type, &all)) {
        out_of_memory(d, size, type, what, err);
        return NULL;
    }
    struct vk_memory *first = NULL, **last = &first;
    for (size_t at = 0; at < size; at += part) {
        *last = vk_memory_create(d, MIN(part, size - at), use, what, err);
        if (!*last) {
            vk_memory_destroy(d, first);
            return NULL;
        }
        last = &(*last)->next;
    }
    return first;
}

struct vk_memory *
vk_part(struct vk_memory *m, size_t *offset)
{
    while (m->next && *offset >= m->size) {
        *offset -= m->size;
        m = m->next;
    }
    return m;
}

static void
destroy_part(struct vk_device *d, struct vk_memory *m)
{
    if (m->memory || m->block)
        vk_wait_idle(d);
    if (m->buffer)
        d->vk.DestroyBuffer(d->device, m->buffer, NULL);
    if (m->memory)
        d->vk.FreeMemory(d->device, m->memory, NULL);
    if (m->block)
        m->block->used &= ~(((1ull << m->units) - 1) << m->first);
    free(m->packed);
    free(m);
}

void
vk_memory_destroy(struct vk_device *d, struct vk_memory *m)
{
    while (m) {
        struct vk_memory *next = m->next;
        destroy_part(d, m);
        m = next;
    }
}

void
vk_barrier(const struct vk_device *d, VkCommandBuffer commands)
{
    const VkPipelineStageFlags stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT |
                                        VK_PIPELINE_STAGE_TRANSFER_BIT;
    const VkAccessFlags writes = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
    const VkAccessFlags reads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = writes,
                               .dstAccessMask = reads | writes};
    d->vk.CmdPipelineBarrier(commands, stages, stages, 0, 1, &barrier, 0, NULL, 0, NULL);
}

void
vk_barrier_to_host(const struct vk_device *d, VkCommandBuffer commands)
{
    VkMemoryBarrier barrier = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                               .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT |
                                                VK_ACCESS_TRANSFER_WRITE_BIT,
                               .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
    d->vk.CmdPipelineBarrier(commands,
                             VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                             VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &barrier, 0, NULL, 0, NULL);
}

bool
vk_submit(struct vk_device *d, VkCommandBuffer commands, struct err *err)
{
    if (d->lost)
        return vk_failed(d, VK_ERROR_DEVICE_LOST, "cannot run", err);
    uint64_t value = d->submitted + 1;
    VkTimelineSemaphoreSubmitInfo values = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .signalSemaphoreValueCount = 1,
        .pSignalSemaphoreValues = &value};
    VkSubmitInfo info = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         .pNext = &values,
                         .commandBufferCount = 1,
                         .pCommandBuffers = &commands,
                         .signalSemaphoreCount = 1,
                         .pSignalSemaphores = &d->timeline};
    VkResult r = d->vk.QueueSubmit(d->queue, 1, &info, VK_NULL_HANDLE);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot run", err);
    d->submitted = value;
    return true;
}

bool
vk_wait(struct vk_device *d, struct err *err)
{
    return vk_wait_for(d, d->submitted, err);
}

void
vk_wait_idle(struct vk_device *d)
{
    struct err ignored = {0};
    // A lost device may still be at work; the driver knows.
    if (!vk_wait(d, &ignored))
        d->vk.DeviceWaitIdle(d->device);
}

bool
vk_wait_for(struct vk_device *d, uint64_t value, struct err *err)
{
    if (d->lost)
        return vk_failed(d, VK_ERROR_DEVICE_LOST, "cannot continue", err);
    if (d->finished >= value)
        return true;
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &d->timeline,
                                .pValues = &value};
    // A dispatch that runs for minutes is one that hangs: drivers stop it, or we do.
    VkResult r = d->vk.WaitSemaphores(d->device, &info, 600ull * 1000000000ull);
    if (r == VK_TIMEOUT) {
        d->lost = true;
        return err_set(err, ERR_DEVICE, "vulkan: %s did not answer for ten minutes", d->offer.name);
    }
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot continue", err);
    d->finished = value;
    return true;
}

// --- one-off commands

static bool
begin(struct vk_device *d, struct err *err)
{
    // The commands and the staging buffer are used again: the last copy must be done.
    if (!vk_wait(d, err))
        return false;
    VkResult r = d->vk.ResetCommandPool(d->device, d->copies, 0);
    if (r == VK_SUCCESS && !d->copy_commands) {
        VkCommandBufferAllocateInfo info = {
            .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
            .commandPool = d->copies,
            .level = VK_COMMAND_BUFFER_LEVEL_PRIMARY,
            .commandBufferCount = 1};
        r = d->vk.AllocateCommandBuffers(d->device, &info, &d->copy_commands);
        if (r != VK_SUCCESS)
            d->copy_commands = VK_NULL_HANDLE;
    }
    VkCommandBufferBeginInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                     .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
    if (r == VK_SUCCESS)
        r = d->vk.BeginCommandBuffer(d->copy_commands, &info);
    if (r != VK_SUCCESS)
        return vk_failed(d, r, "cannot copy", err);
    vk_barrier(d, d->copy_commands);
    return true;
}

static bool
end(struct vk_device *d, struct err *err)
{
    vk_barrier_to_host(d, d->copy_commands);
    VkResult r = d->vk.EndCommandBuffer(d->copy_commands);
    return r == VK_SUCCESS ? vk_submit(d, d->copy_commands, err)
                           : vk_failed(d, r, "cannot copy", err);
}

bool
vk_memory_copy(struct vk_device *d, struct vk_memory *to, size_t to_offset, struct vk_memory *from,
               size_t from_offset, size_t size, struct err *err)
{
    VkBufferCopy region = {.srcOffset = from_offset, .dstOffset = to_offset, .size = size};
    if (size == 0)
        return true;
    if (!vk_unpack(d, to, err) || !vk_unpack(d, from, err) || !begin(d, err))
        return false;
    d->vk.CmdCopyBuffer(d->copy_commands, from->buffer, to->buffer, 1, &region);
    return end(d, err);
}

bool
vk_memory_zero(struct vk_device *d, struct vk_memory *m, struct err *err)
{
    m->packed_count = 0; // zeros are zeros in any order
    if (m->mapped) {
        if (!vk_wait(d, err))
            return false;
        memset(m->mapped, 0, m->size);
        return true;
    }
    if (!begin(d, err))
        return false;
    d->vk.CmdFillBuffer(d->copy_commands, m->buffer, 0, VK_WHOLE_SIZE, 0);
    return end(d, err);
}

static bool
staging(struct vk_device *d, struct err *err)
{
    if (!d->staging)
        d->staging = vk_memory_create(d, VK_STAGING_BYTES, VK_USE_HOST, "the staging buffer", err);
    return d->staging != NULL;
}

bool
vk_memory_write(struct vk_device *d, struct vk_memory *m, size_t offset, const void *data,
                size_t size, struct err *err)
{
    if (!vk_unpack(d, m, err))
        return false;
    if (m->mapped) {
        if (!vk_wait(d, err))
            return false;
        memcpy((char *)m->mapped + offset, data, size);
        return true;
    }
    if (!staging(d, err))
        return false;
    for (size_t done = 0; done < size;) {
        size_t piece = MIN(size - done, (size_t)VK_STAGING_BYTES);
        if (!vk_wait(d, err)) // the piece before is still being copied
            return false;
        memcpy(d->staging->mapped, (const char *)data + done, piece);
        if (!vk_memory_copy(d, m, offset + done, d->staging, 0, piece, err))
            return false;
        done += piece;
    }
    return true;
}

bool
vk_memory_read(struct vk_device *d, struct vk_memory *m, size_t offset, void *data, size_t size,
               struct err *err)
{
    if (!vk_unpack(d, m, err))
        return false;
    if (m->mapped) {
        if (!vk_wait(d, err))
            return false;
        memcpy(data, (char *)m->mapped + offset, size);
        return true;
    }
    if (!staging(d, err))
        return false;
    for (size_t done = 0; done < size;) {
        size_t piece = MIN(size - done, (size_t)VK_STAGING_BYTES);
        if (!vk_memory_copy(d, d->staging, 0, m, offset + done, piece, err) || !vk_wait(d, err))
            return false;
        memcpy((char *)data + done, d->staging->mapped, piece);
        done += piece;
    }
    return true;
}
