// SPDX-License-Identifier: MIT
// Kernels for the ops of engine/ops/transformer.c. A row is widened once into the worker's memory,
// and its result is written from there.
#include <math.h>

#include "engine/device/cpu/fast_math.h"

// Row r of the result; `memory` holds four rows of f32 as wide as the widest tensor.
typedef void row_fn(const struct cpu_step *s, int64_t r, float *memory, int64_t pitch);

struct job {
    const struct cpu_step *step;
    row_fn *row;
};

static int64_t
pitch_of(const struct node *n)
{
    return (shape_last(&n->source[0]->shape) + 15) / 16 * 16;
}

static size_t
worker_bytes(const struct cpu_step *s)
{
    return 4 * (size_t)pitch_of(s->node) * sizeof(float);
}

static void
rows_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct cpu_step *s = j->step;
    int64_t rows = shape_leading(&s->node->shape), threads = workers(s, worker_bytes(s));
    for (int64_t t = first; t < last; t++)
        for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; r++)
            j->row(s, r, worker_memory(s, worker_bytes(s), t), pitch_of(s->node));
}

static void
run_rows(struct cpu_step *s, row_fn *row)
{
    struct job j = {s, row};
    int64_t threads = workers(s, worker_bytes(s));
    // a few small rows stay on this thread
    bool small = shape_count(&s->node->shape) < FAST_GRAIN_BYTES / 8;
    cpu_parallel(threads, small ? threads : 1, rows_range, &j);
}

static bool
prepare(struct cpu_step *s)
{
    return all_fast(s->node) && reserve(s, worker_bytes(s));
}

// Sums are taken over blocks, to be as exact if they are not vectorised.
static float
squares(const float *x, float mean, int64_t n)
{
    float total = 0;
    for (int64_t at = 0; at < n; at += 256) {
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = at; i < MIN(at + 256, n); i++)
            part += (x[i] - mean) * (x[i] - mean);
        total += part;
    }
    return total;
}

static float
mean_of(const float *x, int64_t n)
{
    float total = 0;
    for (int64_t at = 0; at < n; at += 256) {
        float part = 0;
#pragma omp simd reduction(+ : part)
        for (int64_t i = at; i < MIN(at + 256, n); i++)
            part += x[i];
        total += part;
    }
    return total / (float)n;
}

// Gain or offset of row r: source k.
static const float *
affine_row(const struct cpu_step *s, int k, int64_t r)
{
    const struct shape *a = &s->node->source[k]->shape;
    int64_t samples = shape_count(a) / shape_last(a), rows = shape_leading(&s->node->shape);
    return (const float *)s->src[k] + (samples > 1 ? r / (rows / samples) : 0) * shape_last(a);
}

static void
norm_affine_row(const struct cpu_step *s, int64_t r, float *memory, int64_t pitch)
{
    const struct node *n = s->node;
    int64_t width = shape_last(&n->shape);
    const float *x = fetch(n->source[0]->dtype, s->src[0], r * width, width, memory);
    const float *a = affine_row(s, 1, r), *b = n->source_count > 2 ? affine_row(s, 2, r) : NULL;
    float *y = target(n->dtype, s->dst, r * width, memory + pitch);
    float mean = n->params.norm.rms ? 0 : mean_of(x, width);
    float square = squares(x, mean, width) / (float)width;
    float rstd = 1.0f / sqrtf(square + (float)n->params.norm.eps);
    SIMD for (int64_t i = 0; i < width; i++)
        y[i] = (x[i] - mean) * rstd * a[i];
    if (b)
        SIMD for (int64_t i = 0; i < width; i++)
            y[i] += b[i];
    commit(n->dtype, s->dst, r * width, width, y);
}

static bool
prepare_norm_affine(struct cpu_step *s)
{
    for (int k = 1; k < s->node->source_count; k++)
        if (s->node->source[k]->dtype != DTYPE_F32)
            return false;
    return prepare(s);
}

static void
swiglu_row(const struct cpu_step *s, int64_t r, float *memory, int64_t pitch)
{
    const struct node *n = s->node;
    int64_t width = shape_last(&n->shape);
    const float *x = fetch(n->source[0]->dtype, s->src[0], 2 * r * width, 2 * width, memory);
    float *y = target(n->dtype, s->dst, r * width, memory + pitch);
    SIMD for (int64_t i = 0; i < width; i++)
        y[i] = silu_value(x[i]) * x[width + i];
    commit(n->dtype, s->dst, r * width, width, y);
}

// One head: rotates the pairs (0,1), (2,3) …
INLINE void
rotate_pairs(const float *restrict x, float *restrict y, const float *restrict c,
             const float *restrict s, int64_t half)
{
    SIMD for (int64_t i = 0; i < half; i++) {
        float x0 = x[2 * i], x1 = x[2 * i + 1];
        y[2 * i] = x0 * c[i] - x1 * s[i];
        y[2 * i + 1] = x1 * c[i] + x0 * s[i];
    }
}

// One head: rotates the pairs (0,half), (1,half+1) …
INLINE void
rotate_halves(const float *restrict x, float *restrict y, const float *restrict c,
              const float *restrict s, int64_t half)
{
    SIMD for (int64_t i = 0; i < half; i++) {
        float x0 = x[i], x1 = x[half + i];
        y[i] = x0 * c[i] - x1 * s[i];
        y[half + i] = x1 * c[i] + x0 * s[i];
    }
}

static void
rope_row(const struct cpu_step *s, int64_t r, float *memory, int64_t pitch)
{
    const struct node *n = s->node;
    int64_t all = shape_last(&n->shape), heads = n->params.rope.heads, width = all / heads;
    const float *x = fetch(n->dtype, s->src[0], r * all, all, memory);
    const float *table = (const float *)s->src[1] + r % n->shape.dim[1] * width;
    float *y = target(n->dtype, s->dst, r * all, memory + pitch), *sines = memory + 2 * pitch;
    float sign = n->params.rope.inverse ? -1.0f : 1.0f;
    SIMD for (int64_t i = 0; i < width / 2; i++)
        sines[i] = sign * table[width / 2 + i];
    for (int64_t at = 0; at < all; at += width)
        if (n->params.rope.interleaved)
            rotate_pairs(x + at, y + at, table, sines, width / 2);
        else
            rotate_halves(x + at, y + at, table, sines, width / 2);
    commit(n->dtype, s->dst, r * all, all, y);
}

static bool
prepare_rope(struct cpu_step *s)
{
    return s->node->source[1]->dtype == DTYPE_F32 && prepare(s);
}

#define KERNEL(name, prepare)                                                                      \
    static void name##_run(struct cpu_step *s)                                                     \
    {                                                                                              \
        run_rows(s, name##_row);                                                                   \
    }                                                                                              \
    static const struct cpu_kernel name##_kernel = {#name, prepare, name##_run, NULL};

KERNEL(norm_affine, prepare_norm_affine)
KERNEL(swiglu, prepare)
KERNEL(rope, prepare_rope)

void
FAST(fast_add_transformer)(struct cpu_table *t)
{
    cpu_table_add(t, OP_norm_affine, &norm_affine_kernel);
    cpu_table_add(t, OP_swiglu, &swiglu_kernel);
    cpu_table_add(t, OP_rope, &rope_kernel);
}
