// SPDX-License-Identifier: MIT
// Elementwise kernels of one source, and of two sources of the same shape: activations and their
// gradients.
#include "engine/device/cpu/fast_math.h"

typedef void tile_fn(const struct cpu_step *s, const float *x, const float *other, float *y,
                     int64_t n);

struct job {
    const struct cpu_step *step;
    tile_fn *tile;
};

static void
run_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct cpu_step *s = j->step;
    const struct node *n = s->node;
    int64_t count = shape_count(&n->shape);
    float x_buffer[TILE], other_buffer[TILE], y_buffer[TILE];
    for (int64_t at = first * TILE; at < MIN(last * TILE, count); at += TILE) {
        int64_t length = MIN(TILE, count - at);
        const float *x = fetch(n->source[0]->dtype, s->src[0], at, length, x_buffer);
        const float *other = n->source_count > 1 ? fetch(n->source[1]->dtype, s->src[1], at,
                                                         length, other_buffer)
                                                 : NULL;
        float *y = target(n->dtype, s->dst, at, y_buffer);
        j->tile(s, x, other, y, length);
        commit(n->dtype, s->dst, at, length, y);
    }
}

static void
run_tiles(struct cpu_step *s, tile_fn *tile)
{
    int64_t tiles = (shape_count(&s->node->shape) + TILE - 1) / TILE;
    struct job j = {s, tile};
    cpu_parallel(tiles, 8, run_range, &j);
}

static bool
prepare(struct cpu_step *s)
{
    return all_fast(s->node);
}

// y may be the same memory as x or other: each index is read before it is written.
#define KERNEL(name, expression)                                                                   \
    static void name##_tile(const struct cpu_step *s, const float *x, const float *other,          \
                            float *y, int64_t n)                                                   \
    {                                                                                              \
        (void)s, (void)other;                                                                      \
        SIMD for (int64_t i = 0; i < n; i++)                                                       \
            y[i] = expression;                                                                     \
    }                                                                                              \
    static void name##_run(struct cpu_step *s)                                                     \
    {                                                                                              \
        run_tiles(s, name##_tile);                                                                 \
    }                                                                                              \
    static const struct cpu_kernel name##_kernel = {#name, prepare, name##_run, NULL};

KERNEL(exp, exp_full(x[i]))
KERNEL(log, log_full(x[i]))
KERNEL(sqrt, __builtin_sqrtf(x[i]))
KERNEL(tanh, tanh_full(x[i]))
KERNEL(erf, erf_full(x[i]))
KERNEL(relu, x[i] > 0 ? x[i] : 0)
KERNEL(step, x[i] > 0 ? 1.0f : 0.0f)
KERNEL(silu, silu_value(x[i]))
KERNEL(gelu, gelu_value(x[i]))
KERNEL(gelu_tanh, gelu_tanh_value(x[i]))
KERNEL(silu_grad, other[i] * silu_slope(x[i]))
KERNEL(gelu_grad, other[i] * gelu_slope(x[i]))
KERNEL(gelu_tanh_grad, other[i] * gelu_tanh_slope(x[i]))

static void
affine_tile(const struct cpu_step *s, const float *x, const float *other, float *y, int64_t n)
{
    (void)other;
    float scale = (float)s->node->params.affine.scale, shift = (float)s->node->params.affine.shift;
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * scale + shift;
}

static void
affine_run(struct cpu_step *s)
{
    run_tiles(s, affine_tile);
}

static const struct cpu_kernel affine_kernel = {"affine", prepare, affine_run, NULL};

// --- cast: the widening and narrowing alone, without a buffer where one side is f32

static void
cast_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct node *n = s->node;
    int64_t count = shape_count(&n->shape);
    float buffer[TILE];
    for (int64_t at = first * TILE; at < MIN(last * TILE, count); at += TILE) {
        int64_t length = MIN(TILE, count - at);
        float *y = target(n->dtype, s->dst, at, buffer);
        commit(n->dtype, s->dst, at, length,
               fetch(n->source[0]->dtype, s->src[0], at, length, y));
    }
}

static void
cast_run(struct cpu_step *s)
{
    cpu_parallel((shape_count(&s->node->shape) + TILE - 1) / TILE, 16, cast_range, s);
}

static const struct cpu_kernel cast_kernel = {"cast", prepare, cast_run, NULL};

void
FAST(fast_add_elementwise)(struct cpu_table *t)
{
#define ADD(name) cpu_table_add(t, OP_##name, &name##_kernel)
    ADD(exp), ADD(log), ADD(sqrt), ADD(tanh), ADD(erf), ADD(relu), ADD(step), ADD(affine);
    ADD(silu), ADD(gelu), ADD(gelu_tanh), ADD(silu_grad), ADD(gelu_grad), ADD(gelu_tanh_grad);
    ADD(cast);
#undef ADD
}
