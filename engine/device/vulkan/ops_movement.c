// SPDX-License-Identifier: MIT
// Dispatches of the ops that move elements: all but the table look-ups are one strided copy.
#include "engine/device/vulkan/ops.h"

// A copy of the elements of `walk`, axes innermost first.
struct copy {
    struct shape walk;
    int64_t to[SHAPE_RANK_MAX], to_offset;     // strides by axis of walk, outermost first
    int64_t from[SHAPE_RANK_MAX], from_offset; // the same of the source
    int axis;                                  // padded axis of walk, -1: none
    int64_t before, inside;
};

static void
strides_of(const struct shape *s, int64_t stride[SHAPE_RANK_MAX])
{
    int64_t next = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        stride[i] = next;
        next *= s->dim[i];
    }
}

static void
add_copy(struct vk_builder *b, const struct node *n, const struct node *source,
         const struct copy *c)
{
    struct vk_dispatch *x = vk_add(b, VK_SHADER_move);
    uint32_t count = (uint32_t)shape_count(&c->walk);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, source);
    vk_push(x, 0, count);
    for (int k = 0; k < SHAPE_RANK_MAX; k++) {
        int axis = c->walk.rank - 1 - k;
        if (k < SHAPE_RANK_MAX - 1)
            vk_push(x, 1 + k, axis >= 0 ? (uint32_t)c->walk.dim[axis] : 1);
        vk_push(x, 5 + k, axis >= 0 ? (uint32_t)c->to[axis] : 0);
        vk_push(x, 11 + k, axis >= 0 ? (uint32_t)c->from[axis] : 0);
    }
    vk_push(x, 10, (uint32_t)c->to_offset);
    vk_push(x, 16, (uint32_t)c->from_offset);
    vk_push(x, 17, c->axis < 0 ? SHAPE_RANK_MAX : (uint32_t)(c->walk.rank - 1 - c->axis));
    vk_push(x, 18, (uint32_t)c->before);
    vk_push(x, 19, (uint32_t)c->inside);
    vk_line(b, x, count);
}

bool
vk_build_move(struct vk_builder *b, const struct node *n)
{
    struct copy c = {.walk = n->shape, .axis = -1};
    const struct shape *s = &n->source[0]->shape;
    int64_t from[SHAPE_RANK_MAX] = {0};
    int axis = n->params.range.axis;
    strides_of(&n->shape, c.to);
    strides_of(s, from);
    switch ((int)n->op) {
    case OP_broadcast:
        for (int i = n->shape.rank - 1, k = s->rank - 1; k >= 0; i--, k--)
            c.from[i] = s->dim[k] > 1 ? from[k] : 0;
        break;
    case OP_permute:
        for (int i = 0; i < n->shape.rank; i++)
            c.from[i] = from[n->params.permute.axis[i]];
        break;
    case OP_slice:
        for (int i = 0; i < s->rank; i++)
            c.from[i] = from[i];
        c.from_offset = n->params.range.start * from[axis];
        break;
    case OP_pad:
        for (int i = 0; i < s->rank; i++)
            c.from[i] = from[i];
        c.axis = axis;
        c.before = n->params.range.before;
        c.inside = s->dim[axis];
        c.from_offset = -c.before * from[axis];
        break;
    default:
        return false;
    }
    add_copy(b, n, n->source[0], &c);
    return true;
}

bool
vk_build_concat(struct vk_builder *b, const struct node *n)
{
    int64_t start = 0, stride[SHAPE_RANK_MAX];
    int axis = n->params.range.axis;
    strides_of(&n->shape, stride);
    for (int k = 0; k < n->source_count; k++) {
        struct copy c = {.walk = n->source[k]->shape, .axis = -1};
        strides_of(&c.walk, c.from);
        for (int i = 0; i < n->shape.rank; i++)
            c.to[i] = stride[i];
        c.to_offset = start * stride[axis];
        start += c.walk.dim[axis];
        add_copy(b, n, n->source[k], &c);
    }
    return true;
}

bool
vk_build_gather(struct vk_builder *b, const struct node *n)
{
    const struct shape *table = &n->source[0]->shape;
    struct vk_dispatch *x = vk_add(b, VK_SHADER_gather);
    uint32_t count = (uint32_t)shape_count(&n->shape);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[1]);
    vk_bind_status(b, x, 3);
    vk_push(x, 0, count);
    vk_push(x, 1, (uint32_t)table->dim[1]);
    vk_push(x, 2, (uint32_t)table->dim[0]);
    vk_push(x, 3, (uint32_t)b->step + 1);
    vk_line(b, x, count);
    return true;
}

bool
vk_build_gather_grad(struct vk_builder *b, const struct node *n)
{
    vk_add_zeros(b, n);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_gather_grad);
    uint32_t places = (uint32_t)shape_count(&n->source[0]->shape);
    uint32_t width = (uint32_t)n->shape.dim[1];
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[1]);
    vk_bind_status(b, x, 3);
    vk_push(x, 0, places * width);
    vk_push(x, 1, width);
    vk_push(x, 2, (uint32_t)n->shape.dim[0]);
    vk_push(x, 3, (uint32_t)b->step + 1);
    vk_push(x, 4, places);
    vk_line(b, x, (uint64_t)places * width);
    return true;
}
