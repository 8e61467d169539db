// SPDX-License-Identifier: MIT
// Weights that stay with the host (device_set_offload): before each dispatch that reads some, a
// copy brings them into a ring of device memory, and the dispatch reads them there. The ring holds
// at least twice what the largest dispatch needs, so the next copy runs while this dispatch
// computes; barriers come from the bytes touched, as everywhere (record.c).
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

enum { ALIGNMENT = 256 };

static size_t
padded(size_t size)
{
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool
is_offloaded(const struct vk_dispatch *x, int slot, const struct vk_memory *weights)
{
    const struct vk_memory *m = weights;
    while (m && m != x->range[slot].memory)
        m = m->next;
    return m && x->range[slot].size && !(x->writes >> slot & 1);
}

size_t
vk_offload_ring(const struct vk_dispatch *list, int count, const struct vk_memory *weights)
{
    size_t largest = 0;
    for (int i = 0; i < count; i++) {
        size_t need = 0;
        for (int k = 0; k < VK_BINDINGS; k++)
            need += is_offloaded(&list[i], k, weights) ? padded(list[i].range[k].size) : 0;
        largest = MAX(largest, need);
    }
    return 2 * largest;
}

void
vk_offload_apply(struct vk_dispatch **list, int *count, const struct vk_memory *weights,
                 struct vk_memory *ring)
{
    struct vk_dispatch *out = NULL;
    int made = 0, capacity = 0;
    size_t at = 0;
    for (int i = 0; i < *count; i++) {
        struct vk_dispatch x = (*list)[i];
        for (int k = 0; k < VK_BINDINGS; k++) {
            if (!is_offloaded(&x, k, weights))
                continue;
            struct vk_range from = x.range[k];
            if (at + padded(from.size) > ring->size)
                at = 0;
            struct vk_range to = {ring, at, from.size};
            at += padded(from.size);
            struct vk_dispatch copy = {.copy = true, .writes = 1, .step = x.step,
                                       .range = {to, from}};
            ARRAY_PUSH(out, made, capacity, copy);
            x.range[k] = to;
        }
        ARRAY_PUSH(out, made, capacity, x);
    }
    free(*list);
    *list = out;
    *count = made;
}
