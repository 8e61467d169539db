// SPDX-License-Identifier: MIT
// Dispatches of reductions and norms: a row of lanes for each result.
#include "engine/base/require.h"
#include "engine/device/vulkan/ops.h"

enum { LANES = 128, PIECE = 4096, PIECES_MAX = 256 };

// Neighbouring axes that are both kept or both reduced, as one.
struct runs {
    int64_t size[SHAPE_RANK_MAX], stride[SHAPE_RANK_MAX]; // innermost first
    int count;
};

static void
add_run(struct runs *r, int64_t size, int64_t stride)
{
    if (size == 1)
        return;
    if (r->count && r->stride[r->count - 1] * r->size[r->count - 1] == stride) {
        r->size[r->count - 1] *= size;
        return;
    }
    r->size[r->count] = size;
    r->stride[r->count++] = stride;
}

static void
push_runs(struct vk_dispatch *x, int word, const struct runs *r)
{
    require(r->count <= 3);
    for (int k = 0; k < 3; k++) {
        if (k < 2)
            vk_push(x, word + k, k < r->count ? (uint32_t)r->size[k] : 1);
        vk_push(x, word + 2 + k, k < r->count ? (uint32_t)r->stride[k] : 0);
    }
}

static int64_t
pieces_for(const struct vk_builder *b, int64_t results, int64_t each)
{
    int64_t want = b->d->serial ? 8 : 512, most = MIN(each / PIECE, PIECES_MAX);
    int64_t least = each / VK_ROUNDS_MAX / LANES + 1;
    return MAX(MIN((want + results - 1) / results, most), least);
}

bool
vk_build_reduce(struct vk_builder *b, const struct node *n)
{
    const struct node *source = n->source[0];
    const struct shape *s = &source->shape;
    struct runs kept = {0}, gone = {0};
    int64_t stride = 1, each = 1, results = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        bool reduced = n->op == OP_sumsq || n->params.reduce.axes >> i & 1;
        add_run(reduced ? &gone : &kept, s->dim[i], stride);
        *(reduced ? &each : &results) *= s->dim[i];
        stride *= s->dim[i];
    }
    uint32_t what = n->op == OP_sum   ? REDUCE_SUM
                    : n->op == OP_max ? REDUCE_MAX
                                      : REDUCE_SUMSQ;
    int64_t pieces = pieces_for(b, results, each);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_reduce);
    if (pieces == 1)
        vk_bind(b, x, 0, n);
    else
        vk_bind_scratch(b, x, 0, 0, (size_t)(results * pieces) * 4);
    vk_bind(b, x, 1, source);
    vk_spec(x, what);
    vk_push(x, 0, (uint32_t)results);
    push_runs(x, 1, &kept);
    push_runs(x, 6, &gone);
    vk_push(x, 11, (uint32_t)each);
    vk_push(x, 12, (uint32_t)pieces);
    vk_rows(b, x, (uint64_t)(results * pieces), LANES, (uint64_t)(each / pieces) + 1);
    if (pieces == 1)
        return true;
    // The pieces, one row a result.
    x = vk_add(b, VK_SHADER_reduce);
    vk_bind(b, x, 0, n);
    vk_bind_scratch(b, x, 1, 0, (size_t)(results * pieces) * 4);
    vk_spec(x, what == REDUCE_MAX ? REDUCE_MAX : REDUCE_SUM);
    vk_push(x, 0, (uint32_t)results);
    push_runs(x, 1, &(struct runs){.size = {results}, .stride = {pieces}, .count = 1});
    push_runs(x, 6, &(struct runs){.size = {pieces}, .stride = {1}, .count = 1});
    vk_push(x, 11, (uint32_t)pieces);
    vk_push(x, 12, 1);
    vk_rows(b, x, (uint64_t)results, 32, (uint64_t)pieces);
    return true;
}

bool
vk_build_row(struct vk_builder *b, const struct node *n)
{
    static const uint32_t codes[OP_COUNT] = {
        [OP_softmax] = ROW_SOFTMAX,       [OP_softmax_grad] = ROW_SOFTMAX_GRAD,
        [OP_layer_norm] = ROW_LAYER_NORM, [OP_layer_norm_grad] = ROW_LAYER_NORM_GRAD,
        [OP_rms_norm] = ROW_RMS_NORM,     [OP_rms_norm_grad] = ROW_RMS_NORM_GRAD};
    int64_t width = shape_last(&n->shape), rows = shape_count(&n->shape) / width;
    struct vk_dispatch *x = vk_add(b, VK_SHADER_row);
    vk_bind(b, x, 0, n);
    vk_bind(b, x, 1, n->source[0]);
    vk_bind(b, x, 2, n->source[n->source_count - 1]);
    for (int slot = 3; slot < 5; slot++) // of gain and offset, unread
        vk_bind(b, x, slot, n->source[0]);
    vk_spec(x, codes[n->op]);
    vk_spec(x, 0);
    vk_push(x, 0, (uint32_t)rows);
    vk_push(x, 1, (uint32_t)width);
    vk_push_f(x, 2, (float)n->params.norm.eps);
    vk_rows(b, x, (uint64_t)rows, LANES, (uint64_t)width * 4);
    return true;
}

// --- group norm: partial statistics of pieces of the positions, then what is asked for

struct groups {
    int64_t n, positions, channels, groups, pieces;
};

static struct groups
groups_of(const struct vk_builder *b, const struct node *n)
{
    const struct shape *s = &n->source[0]->shape;
    struct groups g = {.n = s->dim[0], .channels = shape_last(s), .groups = n->params.norm.groups};
    g.positions = shape_count(s) / g.n / g.channels;
    g.pieces = pieces_for(b, g.n * g.groups, g.positions * (g.channels / g.groups));
    g.pieces = MIN(MIN(g.pieces, 16), g.positions);
    return g;
}

// Mean and 1 / deviation of each group, two floats, in working memory from its start on; their
// bytes.
static size_t
add_statistics(struct vk_builder *b, const struct node *n, const struct groups *g)
{
    size_t rows = (size_t)(g->n * g->groups), bytes = rows * 2 * sizeof(float);
    size_t partial = (bytes + 255) / 256 * 256,
           partial_bytes = rows * (size_t)g->pieces * 3 * sizeof(float);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_group_stats);
    vk_bind_scratch(b, x, 0, partial, partial_bytes);
    vk_bind(b, x, 1, n->source[0]);
    vk_spec(x, 0);
    vk_push(x, 0, (uint32_t)rows * (uint32_t)g->pieces);
    vk_push(x, 1, (uint32_t)g->positions);
    vk_push(x, 2, (uint32_t)g->channels);
    vk_push(x, 3, (uint32_t)g->groups);
    vk_push(x, 4, (uint32_t)g->pieces);
    uint64_t values =
        (uint64_t)(g->positions / g->pieces + 1) * (uint64_t)(g->channels / g->groups);
    vk_rows(b, x, rows * (uint64_t)g->pieces, LANES, 2 * values);
    x = vk_add(b, VK_SHADER_group_stats);
    vk_bind_scratch(b, x, 0, 0, bytes);
    vk_bind_scratch(b, x, 1, partial, partial_bytes);
    vk_spec(x, 1);
    vk_push(x, 0, (uint32_t)rows);
    vk_push(x, 4, (uint32_t)g->pieces);
    vk_push_f(x, 5, (float)n->params.norm.eps);
    vk_line(b, x, rows);
    return bytes;
}

static void
push_groups(struct vk_dispatch *x, const struct node *n, const struct groups *g, int64_t count)
{
    vk_push(x, 0, (uint32_t)count);
    vk_push(x, 1, (uint32_t)g->positions);
    vk_push(x, 2, (uint32_t)g->channels);
    vk_push(x, 3, (uint32_t)g->groups);
    vk_push(x, 4, n->source[1]->shape.dim[0] > 1 ? (uint32_t)g->channels : 0);
    vk_spec(x, (uint32_t)n->params.norm.act);
}

// Four elements of a group at a time, where groups are that wide.
static void
set_wide(struct vk_builder *b, struct vk_dispatch *x, const struct node *n, const struct groups *g,
         unsigned slots)
{
    uint64_t count = (uint64_t)shape_count(&n->shape);
    bool wide = g->channels / g->groups % 4 == 0 && vk_quads(b, x, count, slots);
    vk_spec(x, wide ? 4 : 1);
    vk_line(b, x, wide ? count / 4 : count);
}

bool
vk_build_group_norm(struct vk_builder *b, const struct node *n)
{
    struct groups g = groups_of(b, n);
    size_t bytes = add_statistics(b, n, &g);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_group_norm);
    vk_bind(b, x, 0, n);
    for (int k = 0; k < 3; k++)
        vk_bind(b, x, 1 + k, n->source[k]);
    vk_bind_scratch(b, x, 4, 0, bytes);
    vk_bind(b, x, 5, n->source[1]); // not read
    push_groups(x, n, &g, shape_count(&n->shape));
    vk_spec(x, 0);
    set_wide(b, x, n, &g, 0x0f);
    return true;
}

bool
vk_build_group_norm_sums(struct vk_builder *b, const struct node *n)
{
    struct groups g = groups_of(b, n);
    size_t bytes = add_statistics(b, n, &g);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_group_sums);
    vk_bind(b, x, 0, n);
    for (int k = 0; k < 3; k++)
        vk_bind(b, x, 1 + k, n->source[k]);
    vk_bind_scratch(b, x, 4, 0, bytes);
    vk_bind(b, x, 5, n->source[3]);
    push_groups(x, n, &g, g.n * g.channels);
    vk_rows(b, x, (uint64_t)(g.n * g.channels), LANES, (uint64_t)g.positions + 16);
    return true;
}

bool
vk_build_group_norm_grad(struct vk_builder *b, const struct node *n)
{
    struct groups g = groups_of(b, n);
    struct vk_dispatch *x = vk_add(b, VK_SHADER_group_norm);
    vk_bind(b, x, 0, n);
    for (int k = 0; k < 5; k++)
        vk_bind(b, x, 1 + k, n->source[k]);
    push_groups(x, n, &g, shape_count(&n->shape));
    vk_spec(x, 1);
    set_wide(b, x, n, &g, 0x3f);
    return true;
}
