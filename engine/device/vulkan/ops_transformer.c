// SPDX-License-Identifier: MIT
// Dispatches of norms with gain and offset, gated units and rotary positions.
#include "engine/device/vulkan/ops.h"

enum { LANES = 128 };

// Rows of x that share one row of source k.
static uint32_t
rows_each(const struct node *n, int k, int64_t rows)
{
    const struct shape *a = &n->source[k]->shape;
    return (uint32_t)(rows / (shape_count(a) / shape_last(a)));
}

bool
vk_build_norm_affine(struct vk_builder *b, const struct node *n)
{
    int64_t width = shape_last(&n->shape), rows = shape_count(&n->shape) / width;
    int last = n->source_count - 1;
    struct vk_dispatch *x = vk_add(b, VK_SHADER_row);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[0]);
    vk_bind(b, x, 3, n->source[1]);
    vk_bind(b, x, 4, n->source[last]);
    vk_spec(x, n->params.norm.rms ? ROW_RMS_NORM : ROW_LAYER_NORM);
    vk_spec(x, (uint32_t)last);
    vk_push(x, 0, (uint32_t)rows);
    vk_push(x, 1, (uint32_t)width);
    vk_push_f(x, 2, (float)n->params.norm.eps);
    vk_push(x, 3, rows_each(n, 1, rows));
    vk_push(x, 4, rows_each(n, last, rows));
    vk_rows(b, x, (uint64_t)rows, LANES, (uint64_t)width * 4);
    return true;
}

bool
vk_build_swiglu(struct vk_builder *b, const struct node *n)
{
    uint32_t count = (uint32_t)shape_count(&n->shape), width = (uint32_t)shape_last(&n->shape);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_swiglu);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    bool quads = width % 4 == 0 && vk_quads(b, x, count, 3);
    vk_spec(x, quads ? 4 : 1);
    vk_push(x, 0, count);
    vk_push(x, 1, width);
    vk_line(b, x, quads ? count / 4 : count);
    return true;
}

bool
vk_build_rope(struct vk_builder *b, const struct node *n)
{
    uint32_t heads = (uint32_t)n->params.rope.heads, pairs = (uint32_t)shape_count(&n->shape) / 2;
    struct vk_dispatch *x = vk_add(b, VK_SHADER_rope);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[1]);
    vk_spec(x, n->params.rope.interleaved);
    const uint32_t words[] = {pairs, (uint32_t)n->shape.dim[2] / heads, heads,
                              (uint32_t)n->shape.dim[1]};
    for (int i = 0; i < 4; i++)
        vk_push(x, i, words[i]);
    vk_push_f(x, 4, n->params.rope.inverse ? -1.0f : 1.0f);
    vk_line(b, x, pairs);
    return true;
}
