// SPDX-License-Identifier: MIT
// concat, slice, pad, permute, gather and its gradient. All but the gradient, which adds, move
// bytes, whatever their type.
#include "engine/device/cpu/fast.h"

// --- runs: `count` pieces of `run` bytes from one pitch to another

struct copy {
    char *to;
    const char *from; // NULL: zeros
    size_t run, to_pitch, from_pitch;
    int64_t cuts; // work items per run
};

static void
copy_range(void *ctx, int64_t first, int64_t last)
{
    const struct copy *c = ctx;
    for (int64_t item = first; item < last; item++) {
        size_t piece = (size_t)(item / c->cuts), cut = (size_t)(item % c->cuts);
        size_t begin = c->run * cut / (size_t)c->cuts, end = c->run * (cut + 1) / (size_t)c->cuts;
        char *to = c->to + piece * c->to_pitch + begin;
        if (c->from)
            memcpy(to, c->from + piece * c->from_pitch + begin, end - begin);
        else
            memset(to, 0, end - begin);
    }
}

static void
copy_runs(struct copy c, int64_t count)
{
    if (c.run == 0)
        return;
    c.cuts = count < 4 * cpu_threads() ? (int64_t)(c.run / FAST_GRAIN_BYTES) + 1 : 1;
    cpu_parallel(count * c.cuts, grain_of((int64_t)c.run / c.cuts), copy_range, &c);
}

static size_t
inner_bytes(const struct node *n, const struct shape *s, int axis)
{
    size_t bytes = dtype_size(n->dtype);
    for (int i = axis + 1; i < s->rank; i++)
        bytes *= (size_t)s->dim[i];
    return bytes;
}

static int64_t
outer_count(const struct shape *s, int axis)
{
    int64_t count = 1;
    for (int i = 0; i < axis; i++)
        count *= s->dim[i];
    return count;
}

static void
concat_run(struct cpu_step *s)
{
    const struct node *n = s->node;
    int axis = n->params.range.axis;
    size_t inner = inner_bytes(n, &n->shape, axis), start = 0;
    size_t pitch = (size_t)n->shape.dim[axis] * inner;
    for (int k = 0; k < n->source_count; k++) {
        size_t run = (size_t)n->source[k]->shape.dim[axis] * inner;
        copy_runs((struct copy){(char *)s->dst + start, s->src[k], run, pitch, run, 1},
                  outer_count(&n->shape, axis));
        start += run;
    }
}

static void
slice_run(struct cpu_step *s)
{
    const struct node *n = s->node;
    int axis = n->params.range.axis;
    size_t inner = inner_bytes(n, &n->shape, axis), run = (size_t)n->shape.dim[axis] * inner;
    size_t pitch = (size_t)n->source[0]->shape.dim[axis] * inner;
    const char *from = (const char *)s->src[0] + (size_t)n->params.range.start * inner;
    copy_runs((struct copy){s->dst, from, run, run, pitch, 1}, outer_count(&n->shape, axis));
}

static void
pad_run(struct cpu_step *s)
{
    const struct node *n = s->node;
    int axis = n->params.range.axis;
    size_t inner = inner_bytes(n, &n->shape, axis), pitch = (size_t)n->shape.dim[axis] * inner;
    size_t before = (size_t)n->params.range.before * inner;
    size_t after = (size_t)n->params.range.after * inner, run = pitch - before - after;
    int64_t count = outer_count(&n->shape, axis);
    char *to = s->dst;
    copy_runs((struct copy){to, NULL, before, pitch, 0, 1}, count);
    copy_runs((struct copy){to + before, s->src[0], run, pitch, run, 1}, count);
    copy_runs((struct copy){to + before + run, NULL, after, pitch, 0, 1}, count);
}

// --- permute

struct permutation {
    const struct cpu_step *step;
    int rank;
    int64_t dim[SHAPE_RANK_MAX + 1];    // of the result, merged
    int64_t stride[SHAPE_RANK_MAX + 1]; // in the source, elements
    int fast;                           // the result's axis that is contiguous in the source
    int64_t blocks;                     // of that axis
};

enum { BLOCK = 32 };

static struct permutation
permutation_of(const struct cpu_step *s)
{
    const struct node *n = s->node;
    const struct shape *from = &n->source[0]->shape;
    struct permutation p = {.step = s};
    for (int i = 0; i < n->shape.rank; i++) {
        int64_t stride = 1;
        for (int k = n->params.permute.axis[i] + 1; k < from->rank; k++)
            stride *= from->dim[k];
        if (n->shape.dim[i] == 1)
            continue;
        if (p.rank > 0 && p.stride[p.rank - 1] == stride * n->shape.dim[i]) {
            p.dim[p.rank - 1] *= n->shape.dim[i];
            p.stride[p.rank - 1] = stride;
        } else {
            p.dim[p.rank] = n->shape.dim[i];
            p.stride[p.rank++] = stride;
        }
    }
    if (p.rank == 0) {
        p.dim[0] = p.stride[0] = 1;
        p.rank = 1;
    }
    for (int i = 0; i < p.rank; i++)
        if (p.stride[i] == 1)
            p.fast = i;
    p.blocks = p.fast == p.rank - 1 ? p.dim[p.fast] : (p.dim[p.fast] + BLOCK - 1) / BLOCK;
    return p;
}

// Offsets of outer index `index`, which counts over all axes but the last and `fast`.
static void
outer_offsets(const struct permutation *p, int64_t index, int64_t *to, int64_t *from)
{
    int64_t pitch = p->dim[p->rank - 1];
    *to = *from = 0;
    for (int i = p->rank - 2; i >= 0; i--) {
        if (i != p->fast) {
            *to += index % p->dim[i] * pitch;
            *from += index % p->dim[i] * p->stride[i];
            index /= p->dim[i];
        }
        pitch *= p->dim[i];
    }
}

// If the last axis stays the last: copies runs.
static void
permute_runs(void *ctx, int64_t first, int64_t last)
{
    const struct permutation *p = ctx;
    size_t size = dtype_size(p->step->node->dtype), run = (size_t)p->dim[p->rank - 1] * size;
    for (int64_t i = first; i < last; i++) {
        int64_t to, from;
        outer_offsets(p, i, &to, &from);
        memcpy((char *)p->step->dst + (size_t)to * size,
               (const char *)p->step->src[0] + (size_t)from * size, run);
    }
}

// Transposes [rows][columns] of the result, `fast` by last axis, in squares that stay in the cache.
#define TRANSPOSE(type)                                                                            \
    static void transpose_##type(const struct permutation *p, int64_t to, int64_t from,            \
                                 int64_t row, int64_t rows, int64_t pitch)                         \
    {                                                                                              \
        type *restrict d = (type *)p->step->dst + to;                                              \
        const type *restrict s = (const type *)p->step->src[0] + from;                             \
        int64_t columns = p->dim[p->rank - 1], stride = p->stride[p->rank - 1];                    \
        for (int64_t c = 0; c < columns; c += BLOCK)                                               \
            for (int64_t r = row; r < row + rows; r++)                                             \
                for (int64_t i = c; i < MIN(columns, c + BLOCK); i++)                              \
                    d[r * pitch + i] = s[i * stride + r];                                          \
    }
TRANSPOSE(uint8_t)
TRANSPOSE(uint16_t)
TRANSPOSE(uint32_t)
TRANSPOSE(uint64_t)

static void
permute_blocks(void *ctx, int64_t first, int64_t last)
{
    const struct permutation *p = ctx;
    int64_t pitch = 1;
    for (int i = p->fast + 1; i < p->rank; i++)
        pitch *= p->dim[i];
    for (int64_t item = first; item < last; item++) {
        int64_t to, from, row = item % p->blocks * BLOCK, rows = MIN(BLOCK, p->dim[p->fast] - row);
        outer_offsets(p, item / p->blocks, &to, &from);
        switch (dtype_size(p->step->node->dtype)) {
        case 1:
            transpose_uint8_t(p, to, from, row, rows, pitch);
            break;
        case 2:
            transpose_uint16_t(p, to, from, row, rows, pitch);
            break;
        case 4:
            transpose_uint32_t(p, to, from, row, rows, pitch);
            break;
        default:
            transpose_uint64_t(p, to, from, row, rows, pitch);
            break;
        }
    }
}

static void
permute_run(struct cpu_step *s)
{
    struct permutation p = permutation_of(s);
    int64_t all = shape_count(&s->node->shape), size = (int64_t)dtype_size(s->node->dtype);
    int64_t last = p.dim[p.rank - 1];
    if (p.fast == p.rank - 1)
        cpu_parallel(all / last, grain_of(last * size), permute_runs, &p);
    else
        cpu_parallel(all / (last * p.dim[p.fast]) * p.blocks, grain_of(last * BLOCK * size),
                     permute_blocks, &p);
}

// --- gather (cpu.c has checked the ids)

static void
gather_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    size_t row = (size_t)shape_last(&s->node->shape) * dtype_size(s->node->dtype);
    const int32_t *ids = s->src[1];
    for (int64_t i = first; i < last; i++)
        memcpy((char *)s->dst + (size_t)i * row, (const char *)s->src[0] + (size_t)ids[i] * row,
               row);
}

static void
gather_run(struct cpu_step *s)
{
    int64_t row = shape_last(&s->node->shape) * (int64_t)dtype_size(s->node->dtype);
    cpu_parallel(shape_leading(&s->node->shape), grain_of(row), gather_range, s);
}

// Each thread owns rows of the table and scans all ids for them: no two threads add to the same
// row, and each row is summed in the order of the ids.
static void
gather_grad_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const int32_t *ids = s->src[0];
    int64_t count = shape_count(&s->node->source[0]->shape), width = s->node->shape.dim[1];
    float *table = s->dst, buffer[TILE];
    memset(table + first * width, 0, (size_t)((last - first) * width) * sizeof *table);
    for (int64_t i = 0; i < count; i++) {
        if (ids[i] < first || ids[i] >= last)
            continue;
        for (int64_t c = 0; c < width; c += TILE) {
            int64_t n = MIN(TILE, width - c);
            const float *x = fetch(s->node->source[1]->dtype, s->src[1], i * width + c, n, buffer);
            float *sum = table + ids[i] * width + c;
            SIMD for (int64_t k = 0; k < n; k++)
                sum[k] += x[k];
        }
    }
}

static void
gather_grad_run(struct cpu_step *s)
{
    int64_t rows = s->node->shape.dim[0];
    cpu_parallel(rows, grain_of(4 * s->node->shape.dim[1]), gather_grad_range, s);
}

static bool
prepare(struct cpu_step *s)
{
    (void)s;
    return true;
}

static bool
prepare_gather_grad(struct cpu_step *s)
{
    return s->node->dtype == DTYPE_F32 && is_fast(s->node->source[1]->dtype);
}

static const struct cpu_kernel concat_kernel = {"concat", prepare, concat_run, NULL};
static const struct cpu_kernel slice_kernel = {"slice", prepare, slice_run, NULL};
static const struct cpu_kernel pad_kernel = {"pad", prepare, pad_run, NULL};
static const struct cpu_kernel permute_kernel = {"permute", prepare, permute_run, NULL};
static const struct cpu_kernel gather_kernel = {"gather", prepare, gather_run, NULL};
static const struct cpu_kernel gather_grad_kernel = {"gather_grad", prepare_gather_grad,
                                                     gather_grad_run, NULL};

void
FAST(fast_add_movement)(struct cpu_table *t)
{
    cpu_table_add(t, OP_concat, &concat_kernel);
    cpu_table_add(t, OP_slice, &slice_kernel);
    cpu_table_add(t, OP_pad, &pad_kernel);
    cpu_table_add(t, OP_permute, &permute_kernel);
    cpu_table_add(t, OP_gather, &gather_kernel);
    cpu_table_add(t, OP_gather_grad, &gather_grad_kernel);
}
