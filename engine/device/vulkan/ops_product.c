// SPDX-License-Identifier: MIT
// Dispatches of products (shaders/product.glsl says how matmul and the convolutions are one), and
// of attention.
#include "engine/device/vulkan/ops.h"

enum { PIECE = 256 }; // inner places of one outer step of a matmul

struct product {
    uint32_t kind, m, n, outer, inner, k;
    uint32_t a[3], b[3]; // strides by line, by inner place, by batch
    uint32_t b_outer;    // stride of B by outer step (convolutions)
    uint32_t batch;
    const struct node *source_a, *source_b, *bias;
    bool unpacked; // B in blocks becomes numbers of A's type in front of the product
    uint32_t picture[9]; // H W C, output H W C, kernel, stride, padding
};

static uint32_t
splits_for(const struct vk_builder *b, const struct product *p, uint64_t tiles)
{
    uint64_t want = b->d->serial ? 8 : 256;
    uint64_t splits = tiles >= want ? 1 : MIN((want + tiles - 1) / tiles, p->outer);
    // A split costs a pass over the result: it must do much more than that.
    uint64_t rounds = (uint64_t)p->outer * (p->inner + 1), most = MAX(rounds / 512, 1);
    uint64_t least = b->d->serial ? rounds / VK_ROUNDS_MAX + 1 : 1;
    return (uint32_t)MAX(MIN(MIN(splits, most), 64u), MIN(least, p->outer));
}

// How a source can be read `unit` elements at a time: 1 along the inner places, 2 along the lines,
// 0 not at all. `other`: a further stride of its addresses; `first`: its first element.
static uint32_t
reading(uint32_t unit, uint32_t lines, uint32_t inner, const uint32_t stride[3], uint32_t other,
        uint32_t first)
{
    bool even = stride[2] % unit == 0 && other % unit == 0 && first % unit == 0;
    if (even && stride[1] == 1 && inner % unit == 0 && stride[0] % unit == 0)
        return 1;
    if (even && stride[0] == 1 && lines % unit == 0 && stride[1] % unit == 0)
        return 2;
    return 0;
}

// B becomes a row a line, tap by tap: what one tap reads is contiguous.
static void
read_packed(struct product *p)
{
    p->b[0] = p->outer * p->inner;
    p->b[1] = 1;
    p->b_outer = p->inner;
}

// Weights (K,C,taps) to scratch as (K,taps,C), or (C,taps,K) for the gradient.
static void
pack_to_scratch(struct vk_builder *b, const struct node *w, struct product *p, size_t offset)
{
    uint32_t taps = p->outer, count = p->n * taps * p->inner;
    // Axes walked, innermost first: inner place, tap, line.
    struct vk_dispatch *x = vk_add_reorder(b, (const uint32_t[3]){p->inner, taps, p->n},
                                           (const uint32_t[3]){1, p->inner, taps * p->inner},
                                           (const uint32_t[3]){p->b[1], p->b_outer, p->b[0]});
    vk_bind_scratch_as(b, x, 0, offset, dtype_bytes(w->dtype, count), w->dtype);
    vk_bind(b, x, 1, w);
    read_packed(p);
}

// Weights in blocks to scratch, as numbers: for matrix units, which read numbers alone and whose
// products have so many lines that each block would be unpacked many times over in the kernel, and
// for software drivers, which would compile that for minutes. gemm_tile.comp unpacks as it reads.
static void
unpack_to_scratch(struct vk_builder *b, const struct product *p, size_t offset)
{
    const struct node *w = p->source_b;
    uint64_t count = (uint64_t)shape_count(&w->shape);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_unpack);
    enum dtype type = p->source_a->dtype;
    vk_bind_scratch_as(b, x, 0, offset, dtype_bytes(type, (int64_t)count), type);
    vk_bind(b, x, 1, w);
    vk_push(x, 0, (uint32_t)(count / 8));
    vk_line(b, x, count / 8);
}

// Whether the weights of a convolution lie packed when the plan runs: constant ones do.
static bool
packed_in_place(struct vk_builder *b, const struct node *w, struct product *p)
{
    const struct place *at = &b->plan->places[w->id];
    if (!b->constant || p->kind != 1 || at->slot != SLOT_PARAMS)
        return false;
    struct vk_packing packing = {.offset = at->offset, .lines = p->n, .inner = p->inner,
                                 .taps = p->outer, .type = w->dtype};
    packing.memory = vk_part(b->plan->slots[SLOT_PARAMS]->memory, &packing.offset);
    ARRAY_PUSH(b->packing, b->packing_count, b->packing_capacity, packing);
    read_packed(p);
    return true;
}

// Groups of lines of B in an invocation of gemm.comp: what leaves the fewest lanes without work.
static uint32_t
wide(const struct vk_builder *b, uint32_t n)
{
    uint32_t best = 6, least = UINT32_MAX;
    for (uint32_t w = 6; w >= 2; w -= 2) {
        uint32_t side = w * b->d->offer.subgroup, lines = (n + side - 1) / side * side;
        if (lines < least) {
            least = lines;
            best = w;
        }
    }
    return best;
}

// The shader, and the results a workgroup of it makes in m and n.
static enum vk_shader
choose_shader(const struct vk_builder *b, struct product *p, uint32_t side[2])
{
    enum dtype type = p->source_a->dtype, other = p->source_b->dtype;
    struct vk_unit unit;
    bool blocks = dtype_is_packed(other);
    enum vk_matrix units = type == other || blocks ? vk_matrix_of(b->d, type, &unit)
                                                   : VK_MATRIX_NONE;
    side[0] = side[1] = 64;
    if (b->d->serial) {
        side[0] = 2 * 16; // gemm.comp: ROWS * TALL, LANES * WIDE
        side[1] = b->d->offer.subgroup * wide(b, p->n);
        p->unpacked = blocks;
        return VK_SHADER_gemm;
    }
    if (units == VK_MATRIX_NONE || p->m < 64 || p->n < 32)
        return VK_SHADER_gemm_tile;
    side[0] = side[1] = 128;
    p->unpacked = blocks;
    return units == VK_MATRIX_EMULATED ? VK_SHADER_gemm_matrix_emulated
           : type == DTYPE_F16         ? VK_SHADER_gemm_matrix
                                       : VK_SHADER_gemm_matrix_bf16;
}

static void
set_group(const struct vk_builder *b, struct vk_dispatch *x, enum vk_shader shader)
{
    const struct vk_offer *o = &b->d->offer;
    bool emulated = shader == VK_SHADER_gemm_matrix_emulated;
    uint32_t *size = x->variant.spec + VK_SPEC_X;
    if (shader == VK_SHADER_gemm) {
        size[0] = o->subgroup;
        size[1] = 2;
        x->variant.subgroup = o->subgroup_fixed ? o->subgroup : 0;
        return;
    }
    if (shader == VK_SHADER_gemm_tile) {
        size[0] = size[1] = 16;
        return;
    }
    size[0] = 8 * (emulated ? 32 : o->subgroup); // eight subgroups
    size[1] = 1;
    x->variant.subgroup = !emulated && o->subgroup_fixed ? o->subgroup : 0;
}

enum vk_matrix
vk_matrix_of(const struct vk_device *d, enum dtype type, struct vk_unit *unit)
{
    enum vk_matrix units = type == DTYPE_F16    ? d->matrix_f16
                           : type == DTYPE_BF16 ? d->matrix_bf16
                                                : VK_MATRIX_NONE;
    *unit = units == VK_MATRIX_EMULATED ? (struct vk_unit){16, 16, 16}
            : type == DTYPE_BF16        ? d->offer.bf16_unit
                                        : d->offer.f16_unit;
    return units;
}

// How the tiled shaders read both sides, and the size of the device's matrices where it has any.
static void
spec_tiles(struct vk_builder *b, struct vk_dispatch *x, const struct product *p,
           enum vk_shader shader)
{
    uint32_t unit = shader == VK_SHADER_gemm_tile ? 4 : 8;
    uint32_t inner = p->kind == 0 ? p->k : p->inner;
    // Pixels of A are `inner` apart in convolutions; B's pixels its channels in their gradient.
    uint32_t pixel_a = p->kind == 1 || p->kind == 2 ? p->inner : 0;
    uint32_t other_b = p->kind == 3 ? p->picture[2] : p->outer > 1 ? p->b_outer : 0;
    uint32_t lines_b = p->kind == 3 ? p->picture[2] : p->n;
    uint32_t b_strides[3] = {p->kind == 3 ? 1 : p->b[0], p->b[1], p->b[2]};
    uint32_t inner_b = p->kind == 3 ? 1 : inner;
    struct vk_unit matrix;
    vk_spec(x, reading(unit, p->m, inner, p->a, pixel_a, x->push[1]));
    bool blocks = dtype_is_packed(p->source_b->dtype) && !p->unpacked;
    vk_spec(x, blocks ? 0 : reading(unit, lines_b, inner_b, b_strides, other_b, x->push[2]));
    if (shader == VK_SHADER_gemm_tile)
        return;
    vk_matrix_of(b->d, p->source_a->dtype, &matrix);
    vk_spec(x, matrix.m);
    vk_spec(x, matrix.n);
    vk_spec(x, matrix.k);
}

static void
push_product(struct vk_dispatch *x, const struct product *p, uint32_t splits)
{
    const uint32_t words[] = {p->m,    p->n,    p->outer, p->inner, p->k,    p->a[0],
                              p->a[1], p->a[2], p->b[0],  p->b[1],  p->b[2], splits};
    for (int i = 0; i < 12; i++)
        vk_push(x, i, words[i]);
    for (int i = 0; i < 9; i++)
        vk_push(x, 12 + i, p->picture[i]);
    vk_push(x, 21, p->b_outer);
}

// Adds up the parts that k was split into, and the bias.
static void
add_combine(struct vk_builder *b, const struct node *n, const struct product *p, uint32_t splits,
            size_t partial)
{
    uint32_t count = p->m * p->n * p->batch;
    struct vk_dispatch *x = vk_add(b, VK_SHADER_combine);
    vk_bind(b, x, 0, n);
    vk_bind_scratch(b, x, 1, 0, partial);
    vk_bind(b, x, 2, p->bias ? p->bias : p->source_a);
    vk_spec(x, p->bias != NULL);
    vk_push(x, 0, count);
    vk_push(x, 1, p->m * p->n);
    vk_push(x, 2, splits);
    vk_push(x, 3, p->n);
    vk_line(b, x, count);
}

static void
add_product(struct vk_builder *b, const struct node *n, struct product *p)
{
    uint32_t side[2];
    enum vk_shader shader = choose_shader(b, p, side);
    uint32_t tiles_m = (p->m + side[0] - 1) / side[0], tiles_n = (p->n + side[1] - 1) / side[1];
    uint32_t splits = splits_for(b, p, (uint64_t)tiles_m * tiles_n * p->batch);
    size_t partial = splits > 1 ? (size_t)p->m * p->n * p->batch * splits * sizeof(float) : 0;
    size_t packed = (partial + 255) / 256 * 256;
    bool pack = !b->d->serial && (p->kind == 1 || p->kind == 2) && p->outer > 1;
    bool in_place = pack && packed_in_place(b, p->source_b, p);
    bool moved = (pack && !in_place) || p->unpacked;
    enum dtype type_b = p->unpacked ? p->source_a->dtype : p->source_b->dtype;
    if (p->unpacked)
        unpack_to_scratch(b, p, packed);
    else if (moved)
        pack_to_scratch(b, p->source_b, p, packed);
    struct vk_dispatch *x = vk_add(b, shader);
    x->packed = in_place;
    if (splits == 1)
        vk_bind(b, x, 0, n);
    else
        vk_bind_scratch(b, x, 0, 0, partial);
    vk_bind(b, x, 1, p->source_a);
    if (moved)
        vk_bind_scratch_as(b, x, 2, packed,
                           dtype_bytes(type_b, shape_count(&p->source_b->shape)), type_b);
    else
        vk_bind(b, x, 2, p->source_b);
    vk_bind(b, x, 3, p->bias ? p->bias : p->source_a); // without a bias not read
    set_group(b, x, shader);
    vk_spec(x, p->kind);
    vk_spec(x, p->bias != NULL);
    if (shader == VK_SHADER_gemm)
        vk_spec(x, wide(b, p->n));
    else
        spec_tiles(b, x, p, shader);
    push_product(x, p, splits);
    x->groups[0] = tiles_n;
    x->groups[1] = tiles_m;
    x->groups[2] = p->batch * splits;
    if (splits > 1)
        add_combine(b, n, p, splits, partial);
}

static uint32_t
from_end(const struct shape *s, int k)
{
    return (uint32_t)s->dim[s->rank - k];
}

bool
vk_build_matmul(struct vk_builder *b, const struct node *n)
{
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    const struct shape *sa = &n->source[0]->shape, *sb = &n->source[1]->shape;
    uint32_t m = from_end(&n->shape, 2), columns = from_end(&n->shape, 1);
    uint32_t k = from_end(sa, ta ? 2 : 1);
    uint32_t batch = (uint32_t)(shape_count(&n->shape) / m / columns);
    if (sb->rank == 2 && !ta) { // one right side for every row
        m *= batch;
        batch = 1;
    }
    struct product p = {.m = m,
                        .n = columns,
                        .outer = (k + PIECE - 1) / PIECE,
                        .inner = PIECE,
                        .k = k,
                        .a = {ta ? 1 : k, ta ? m : 1, m * k},
                        .b = {tb ? k : 1, tb ? 1 : columns, sb->rank == 2 ? 0 : k * columns},
                        .batch = batch,
                        .source_a = n->source[0],
                        .source_b = n->source[1],
                        .bias = n->source_count == 3 ? n->source[2] : NULL};
    add_product(b, n, &p);
    return true;
}

static void
set_picture(struct product *p, const struct node *n, const struct shape *x, const struct shape *y)
{
    const int64_t words[9] = {x->dim[1],
                              x->dim[2],
                              x->dim[3],
                              y->dim[1],
                              y->dim[2],
                              y->dim[3],
                              n->params.conv.kernel,
                              n->params.conv.stride,
                              n->params.conv.pad};
    for (int i = 0; i < 9; i++)
        p->picture[i] = (uint32_t)words[i];
}

bool
vk_build_conv2d(struct vk_builder *b, const struct node *n)
{
    const struct shape *x = &n->source[0]->shape, *y = &n->shape;
    uint32_t taps = (uint32_t)(n->params.conv.kernel * n->params.conv.kernel);
    uint32_t c = (uint32_t)x->dim[3];
    struct product p = {.kind = 1,
                        .m = (uint32_t)(y->dim[0] * y->dim[1] * y->dim[2]),
                        .n = (uint32_t)y->dim[3],
                        .outer = taps,
                        .inner = c,
                        .a = {0, 1, 0},
                        .b = {c * taps, taps, 0},
                        .b_outer = 1,
                        .batch = 1,
                        .source_a = n->source[0],
                        .source_b = n->source[1],
                        .bias = n->source_count == 3 ? n->source[2] : NULL};
    set_picture(&p, n, x, y);
    add_product(b, n, &p);
    return true;
}

bool
vk_build_conv2d_grad_x(struct vk_builder *b, const struct node *n)
{
    const struct shape *x = &n->shape, *y = &n->source[0]->shape;
    uint32_t taps = (uint32_t)(n->params.conv.kernel * n->params.conv.kernel);
    struct product p = {.kind = 2,
                        .m = (uint32_t)(x->dim[0] * x->dim[1] * x->dim[2]),
                        .n = (uint32_t)x->dim[3],
                        .outer = taps,
                        .inner = (uint32_t)y->dim[3],
                        .a = {0, 1, 0},
                        .b = {taps, (uint32_t)x->dim[3] * taps, 0},
                        .b_outer = 1,
                        .batch = 1,
                        .source_a = n->source[0],
                        .source_b = n->source[1]};
    set_picture(&p, n, x, y);
    add_product(b, n, &p);
    return true;
}

bool
vk_build_conv2d_grad_w(struct vk_builder *b, const struct node *n)
{
    const struct shape *x = &n->source[0]->shape, *y = &n->source[1]->shape;
    uint32_t stride = (uint32_t)n->params.conv.stride;
    struct product p = {.kind = 3,
                        .m = (uint32_t)n->shape.dim[0],
                        .n = (uint32_t)(n->shape.dim[1] * n->shape.dim[2] * n->shape.dim[3]),
                        .outer = (uint32_t)(y->dim[0] * y->dim[1]),
                        .inner = (uint32_t)y->dim[2],
                        .a = {1, (uint32_t)y->dim[3], 0},
                        .b = {0, stride * (uint32_t)x->dim[3], 0},
                        .batch = 1,
                        .source_a = n->source[1],
                        .source_b = n->source[0]};
    set_picture(&p, n, x, y);
    add_product(b, n, &p);
    return true;
}

// --- attention

struct heads {
    uint32_t n, t, s, heads, width;
    uint32_t unit; // divides width
    const struct node *bias;
};

static bool
heads_of(struct vk_builder *b, const struct node *n, int bias_at, struct heads *h)
{
    const struct shape *q = &n->source[0]->shape;
    *h = (struct heads){.n = (uint32_t)q->dim[0],
                        .t = (uint32_t)q->dim[1],
                        .s = (uint32_t)n->source[1]->shape.dim[1],
                        .heads = (uint32_t)n->params.attention.heads,
                        .bias = n->source_count > bias_at ? n->source[bias_at] : NULL};
    h->width = (uint32_t)q->dim[2] / h->heads;
    h->unit = MIN(h->width, 64u);
    while (h->width % h->unit)
        h->unit--;
    if (h->width > 256)
        return err_set(b->err, ERR_UNSUPPORTED, "vulkan: heads of %u channels are wider than 256",
                       h->width);
    uint64_t rounds = (uint64_t)MAX(h->t, h->s) * 3 * (h->width / h->unit + 1);
    if (b->d->serial && rounds > 2 * VK_ROUNDS_MAX - 64)
        return err_set(b->err, ERR_UNSUPPORTED,
                       "vulkan: attention of %u to %u places in heads of %u "
                       "channels is too long for a software driver",
                       h->t, h->s, h->width);
    return true;
}

// Everything after the bindings: constants, words, grid of `lines` queries or keys.
static void
finish_heads(struct vk_builder *b, struct vk_dispatch *x, const struct node *n,
             const struct heads *h, uint32_t lines)
{
    vk_spec(x, h->width);
    vk_spec(x, h->bias != NULL);
    vk_spec(x, h->unit);
    const uint32_t words[] = {h->n, h->t, h->s, h->heads};
    for (int i = 0; i < 4; i++)
        vk_push(x, i, words[i]);
    vk_push_f(x, 4, (float)n->params.attention.scale);
    if (h->bias) {
        const int64_t *d = h->bias->shape.dim;
        vk_push(x, 5, d[0] > 1 ? (uint32_t)(d[1] * d[2] * d[3]) : 0);
        vk_push(x, 6, d[1] > 1 ? (uint32_t)(d[2] * d[3]) : 0);
        vk_push(x, 7, d[2] > 1 ? (uint32_t)d[3] : 0);
    }
    // Two lines of f32 of one piece: 8 bytes a channel, and half of what every device shares.
    vk_spec(x, MIN(b->d->offer.shared_bytes / 2 / (8 * h->width), 32u));
    uint32_t lanes = b->d->serial ? b->d->offer.subgroup : 64;
    x->variant.spec[VK_SPEC_X] = lanes;
    x->variant.subgroup = b->d->serial && b->d->offer.subgroup_fixed ? lanes : 0;
    x->groups[0] = (lines + lanes - 1) / lanes;
    x->groups[1] = h->heads;
    x->groups[2] = h->n;
}

static enum vk_shader
variant(const struct vk_builder *b, enum vk_shader shader)
{
    return b->d->serial ? shader + 1 : shader;
}

bool
vk_build_attention(struct vk_builder *b, const struct node *n)
{
    struct heads h;
    if (!heads_of(b, n, 3, &h))
        return false;
    struct vk_dispatch *x = vk_add(b, variant(b, VK_SHADER_attention));
    vk_bind(b, x, 0, n);
    for (int k = 0; k < 3; k++)
        vk_bind(b, x, 1 + k, n->source[k]);
    vk_bind(b, x, 4, h.bias ? h.bias : n->source[0]);
    finish_heads(b, x, n, &h, h.t);
    return true;
}

// Sources q, k, v, dy and perhaps the bias at slots 1..5, statistics at 6.
static struct vk_dispatch *
add_backward(struct vk_builder *b, enum vk_shader shader, const struct node *n,
             const struct heads *h, bool statistics)
{
    struct vk_dispatch *x = vk_add(b, variant(b, shader));
    size_t bytes = (size_t)h->n * h->heads * h->t * 2 * sizeof(float);
    for (int k = 0; k < 4; k++)
        vk_bind(b, x, 1 + k, n->source[k]);
    vk_bind(b, x, 5, h->bias ? h->bias : n->source[0]);
    if (statistics)
        vk_bind_scratch(b, x, 0, 0, bytes);
    else {
        vk_bind(b, x, 0, n);
        vk_bind_scratch(b, x, 6, 0, bytes);
    }
    return x;
}

bool
vk_build_attention_grad(struct vk_builder *b, const struct node *n)
{
    struct heads h;
    if (!heads_of(b, n, 4, &h))
        return false;
    struct vk_dispatch *x = add_backward(b, VK_SHADER_attention_rows, n, &h, true);
    finish_heads(b, x, n, &h, h.t);
    x = add_backward(b, VK_SHADER_attention_grad_q, n, &h, false);
    finish_heads(b, x, n, &h, h.t);
    x = add_backward(b, VK_SHADER_attention_grad_kv, n, &h, false);
    finish_heads(b, x, n, &h, h.s);
    uint32_t queries = (uint32_t)shape_count(&n->source[0]->shape);
    vk_push(x, 8, queries);
    vk_push(x, 9, queries + (uint32_t)shape_count(&n->source[1]->shape));
    return true;
}

bool
vk_build_attention_grad_bias(struct vk_builder *b, const struct node *n)
{
    struct heads h;
    if (!heads_of(b, n, 4, &h))
        return false;
    struct vk_dispatch *x = add_backward(b, VK_SHADER_attention_rows, n, &h, true);
    finish_heads(b, x, n, &h, h.t);
    x = add_backward(b, VK_SHADER_attention_grad_bias, n, &h, false);
    finish_heads(b, x, n, &h, 1);
    uint32_t count = (uint32_t)shape_count(&n->shape);
    for (int i = 0; i < 3; i++)
        vk_push(x, 8 + i, (uint32_t)n->shape.dim[i]);
    vk_push(x, 11, count);
    x->groups[1] = x->groups[2] = 1;
    vk_line(b, x, count);
    return true;
}
