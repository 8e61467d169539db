// SPDX-License-Identifier: MIT
// Weights of convolutions in the order that products like.
//
// Checkpoints have them as (K,C,taps): what one tap reads is `taps` elements apart. Packed they
// are (K,taps,C). A plan whose weights are constant (plan_params.constant_params) wants them so,
// and gets it in place: a model never lies in memory twice, and nothing is packed again in each
// run. Which ranges are packed is known to the memory; the host, copies and plans that want them
// as they were have them put back first. Plans that train pack what they need to scratch in each
// run (ops_product.c), because their weights change in each.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/vulkan/vk.h"

struct vk_dispatch *
vk_add_reorder(struct vk_builder *b, const uint32_t size[3], const uint32_t to[3],
               const uint32_t from[3])
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_move);
    uint32_t count = size[0] * size[1] * size[2];
    vk_push(x, 0, count);
    for (int i = 0; i < 5; i++) {
        if (i < 4)
            vk_push(x, 1 + i, i < 3 ? size[i] : 1);
        vk_push(x, 5 + i, i < 3 ? to[i] : 0);
        vk_push(x, 11 + i, i < 3 ? from[i] : 0);
    }
    vk_push(x, 17, SHAPE_RANK_MAX); // nothing is padded
    vk_line(b, x, count);
    return x;
}

size_t
vk_packing_size(const struct vk_packing *p)
{
    return (size_t)p->lines * p->inner * p->taps * dtype_size(p->type);
}

static bool
is_packed(const struct vk_packing *p)
{
    for (int i = 0; i < p->memory->packed_count; i++)
        if (p->memory->packed[i].offset == p->offset)
            return true;
    return false;
}

// Each range by way of scratch memory, to packed order or back.
static bool
reorder(struct vk_device *d, const struct vk_packing *list, int count, bool pack, struct err *err)
{
    size_t largest = 0;
    for (int i = 0; i < count; i++)
        largest = MAX(largest, vk_packing_size(&list[i]));
    struct vk_memory *scratch = vk_memory_create(d, largest, VK_USE_DEVICE, "packing weights", err);
    if (!scratch)
        return false;
    struct vk_builder b = {.d = d, .err = err};
    for (int i = 0; i < count; i++) {
        const struct vk_packing *p = &list[i];
        size_t bytes = vk_packing_size(p);
        struct vk_dispatch *x = vk_add(&b, VK_SHADER_NONE);
        x->copy = true;
        x->range[0] = (struct vk_range){scratch, 0, bytes};
        x->range[1] = (struct vk_range){p->memory, p->offset, bytes};
        // Walked as packed: inner place, tap, line.
        const uint32_t size[3] = {p->inner, p->taps, p->lines}, row = p->inner * p->taps;
        const uint32_t packed[3] = {1, p->inner, row}, plain[3] = {p->taps, 1, row};
        x = vk_add_reorder(&b, size, pack ? packed : plain, pack ? plain : packed);
        vk_bind_memory(&b, x, 0, p->memory, p->offset, bytes, p->type);
        vk_bind_memory(&b, x, 1, scratch, 0, bytes, p->type);
    }
    bool ok = vk_run_once(d, b.list, b.count, err);
    free(b.list);
    vk_memory_destroy(d, scratch);
    return ok;
}

bool
vk_pack(struct vk_device *d, const struct vk_packing *list, int count, struct err *err)
{
    struct vk_packing *missing = NULL;
    int missing_count = 0, capacity = 0;
    for (int i = 0; i < count; i++) {
        bool seen = is_packed(&list[i]);
        for (int k = 0; k < missing_count && !seen; k++) // one weight may be read twice
            seen = missing[k].memory == list[i].memory && missing[k].offset == list[i].offset;
        if (!seen)
            ARRAY_PUSH(missing, missing_count, capacity, list[i]);
    }
    bool ok = !missing_count || reorder(d, missing, missing_count, true, err);
    for (int i = 0; ok && i < missing_count; i++) {
        struct vk_memory *m = missing[i].memory;
        ARRAY_PUSH(m->packed, m->packed_count, m->packed_capacity, missing[i]);
    }
    free(missing);
    return ok;
}

bool
vk_unpack(struct vk_device *d, struct vk_memory *m, struct err *err)
{
    if (!m->packed_count)
        return true;
    bool ok = reorder(d, m->packed, m->packed_count, false, err);
    m->packed_count = ok ? 0 : m->packed_count;
    return ok;
}
