// SPDX-License-Identifier: MIT
// What builders of ops call: dispatches with their bindings, constants and grids.
#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/device/vulkan/vk.h"

struct vk_dispatch *
vk_add(struct vk_builder *b, enum vk_shader shader)
{
    struct vk_dispatch fresh = {.variant = {.shader = shader, .spec_count = VK_SPEC_OWN},
                                .writes = 1,
                                .groups = {1, 1, 1},
                                .step = b->step};
    fresh.variant.spec[VK_SPEC_X] = fresh.variant.spec[VK_SPEC_Y] = 1;
    ARRAY_PUSH(b->list, b->count, b->capacity, fresh);
    return &b->list[b->count - 1];
}

size_t
vk_unit_bytes(enum dtype type)
{
    return dtype_is_packed(type) ? 2 : dtype_size(type);
}

void
vk_bind_memory(struct vk_builder *b, struct vk_dispatch *x, int slot, struct vk_memory *m,
               size_t offset, size_t size, enum dtype type)
{
    uint32_t alignment = MAX(b->d->offer.offset_alignment, 4u);
    size_t start = offset / alignment * alignment;
    x->range[slot] = (struct vk_range){m, start, offset - start + size};
    x->variant.spec[VK_SPEC_TYPE + slot] = (uint32_t)type;
    x->push[slot] = (uint32_t)((offset - start) / vk_unit_bytes(type));
}

void
vk_bind(struct vk_builder *b, struct vk_dispatch *x, int slot, const struct node *n)
{
    const struct place *at = &b->plan->places[n->id];
    size_t offset = at->offset;
    struct vk_memory *m = vk_part(b->plan->slots[at->slot]->memory, &offset);
    vk_bind_memory(b, x, slot, m, offset, node_bytes(n),
                   n->dtype);
}

struct vk_memory vk_scratch_unresolved, vk_constants_unresolved;

void
vk_bind_scratch(struct vk_builder *b, struct vk_dispatch *x, int slot, size_t offset, size_t size)
{
    vk_bind_memory(b, x, slot, &vk_scratch_unresolved, offset, size, DTYPE_F32);
    b->scratch = MAX(b->scratch, offset + size);
}

void
vk_bind_scratch_as(struct vk_builder *b, struct vk_dispatch *x, int slot, size_t offset,
                   size_t size, enum dtype type)
{
    vk_bind_memory(b, x, slot, &vk_scratch_unresolved, offset, size, type);
    b->scratch = MAX(b->scratch, offset + size);
}

void
vk_bind_constant(struct vk_builder *b, struct vk_dispatch *x, int slot, const float *values,
                 size_t count)
{
    vk_bind_memory(b, x, slot, &vk_constants_unresolved,
                   (size_t)b->constant_count * sizeof *values, count * sizeof *values, DTYPE_F32);
    for (size_t i = 0; i < count; i++)
        ARRAY_PUSH(b->constants, b->constant_count, b->constant_capacity, values[i]);
}

void
vk_add_zeros(struct vk_builder *b, const struct node *n)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_NONE);
    const struct place *at = &b->plan->places[n->id];
    x->fill = true;
    x->range[0] = (struct vk_range){b->plan->slots[at->slot]->memory, at->offset, node_bytes(n)};
    require(at->offset % 4 == 0 && x->range[0].size % 4 == 0);
}

void
vk_spec(struct vk_dispatch *x, uint32_t value)
{
    require(x->variant.spec_count < VK_SPEC_MAX);
    x->variant.spec[x->variant.spec_count++] = value;
}

void
vk_push(struct vk_dispatch *x, int word, uint32_t value)
{
    require(word >= 0 && word + VK_PUSH_OWN < VK_PUSH_WORDS);
    x->push[VK_PUSH_OWN + word] = value;
}

void
vk_push_f(struct vk_dispatch *x, int word, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    vk_push(x, word, bits);
}

// Groups beyond what x takes go on in y; shaders count both (head.glsl).
static void
spread(const struct vk_builder *b, struct vk_dispatch *x, uint64_t groups)
{
    uint64_t limit = MIN((uint64_t)b->d->offer.grid_max, 65535u);
    x->groups[0] = (uint32_t)MIN(groups, limit);
    x->groups[1] = (uint32_t)((groups + limit - 1) / limit);
}

void
vk_line(const struct vk_builder *b, struct vk_dispatch *x, uint64_t count)
{
    uint32_t size = b->d->serial ? 64 : 256;
    x->variant.spec[VK_SPEC_X] = size;
    spread(b, x, (count + size - 1) / size);
}

bool
vk_quads(const struct vk_builder *b, const struct vk_dispatch *x, uint64_t count, unsigned slots)
{
    bool can = !b->d->serial && count % 4 == 0;
    for (int k = 0; k < VK_BINDINGS; k++) {
        enum dtype type = (enum dtype)x->variant.spec[VK_SPEC_TYPE + k];
        if (slots >> k & 1)
            can = can && dtype_is_float(type) && x->push[k] % 4 == 0 &&
                  x->range[k].offset % (4 * dtype_size(type)) == 0;
    }
    return can;
}

void
vk_rows(const struct vk_builder *b, struct vk_dispatch *x, uint64_t rows, uint32_t lanes,
        uint64_t work)
{
    // x: lanes of a row, y: rows of a group.
    bool alone = b->d->serial && work <= VK_ROUNDS_MAX;
    uint32_t per_group = alone ? 16 : 1;
    x->variant.spec[VK_SPEC_X] = alone ? 1 : MIN(lanes, b->d->offer.group_max);
    x->variant.spec[VK_SPEC_Y] = per_group;
    spread(b, x, (rows + per_group - 1) / per_group);
}
