// SPDX-License-Identifier: MIT
// The ops of a training step that work in place, in f32, each in one pass over memory.
#include <math.h>

#include "engine/device/cpu/fast.h"

enum { GRAIN = FAST_GRAIN_BYTES / 16 };

static void
accumulate_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    float *into = s->dst, buffer[TILE];
    for (int64_t at = first; at < last; at += TILE) {
        int64_t n = MIN(TILE, last - at);
        const float *x = fetch(s->node->source[1]->dtype, s->src[1], at, n, buffer);
        SIMD for (int64_t i = 0; i < n; i++)
            into[at + i] += x[i];
    }
}

static void
accumulate_run(struct cpu_step *s)
{
    cpu_parallel(shape_count(&s->node->shape), GRAIN, accumulate_range, s);
}

static void
adamw_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const float *hyper = s->src[4];
    double clip = (double)hyper[ADAMW_CLIP], norm = sqrt((double)*(const float *)s->src[5]) + 1e-6;
    float scale = clip > 0 && clip / norm < 1 ? (float)(clip / norm) : 1.0f;
    float beta1 = hyper[ADAMW_BETA1], beta2 = hyper[ADAMW_BETA2], eps = hyper[ADAMW_EPS];
    float rest1 = (float)(1 - (double)beta1), rest2 = (float)(1 - (double)beta2);
    float keep = (float)(1 - (double)hyper[ADAMW_RATE] * (double)hyper[ADAMW_DECAY]);
    float rate = (float)((double)hyper[ADAMW_RATE] / (double)hyper[ADAMW_UNBIAS1]);
    float correct = (float)(1 / (double)hyper[ADAMW_UNBIAS2]);
    float *p = s->dst, *m = (float *)(uintptr_t)s->src[2], *v = (float *)(uintptr_t)s->src[3];
    const float *grad = s->src[1];
    SIMD for (int64_t i = first; i < last; i++) {
        float g = grad[i] * scale;
        float m1 = beta1 * m[i] + rest1 * g;
        float v1 = beta2 * v[i] + rest2 * g * g;
        m[i] = m1;
        v[i] = v1;
        p[i] = p[i] * keep - rate * m1 / (__builtin_sqrtf(v1 * correct) + eps);
    }
}

static void
adamw_run(struct cpu_step *s)
{
    cpu_parallel(shape_count(&s->node->shape), GRAIN, adamw_range, s);
}

static void
ema_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    float rest = (float)(1 - (double)*(const float *)s->src[2]);
    float *e = s->dst;
    const float *p = s->src[1];
    SIMD for (int64_t i = first; i < last; i++)
        e[i] += rest * (p[i] - e[i]);
}

static void
ema_run(struct cpu_step *s)
{
    cpu_parallel(shape_count(&s->node->shape), GRAIN, ema_range, s);
}

static bool
prepare(struct cpu_step *s)
{
    bool f32 = s->node->dtype == DTYPE_F32;
    for (int k = 0; k < s->node->source_count; k++)
        f32 = f32 && s->node->source[k]->dtype == DTYPE_F32;
    return f32;
}

static bool
prepare_accumulate(struct cpu_step *s)
{
    return s->node->dtype == DTYPE_F32 && is_fast(s->node->source[1]->dtype);
}

static const struct cpu_kernel accumulate_kernel = {"accumulate", prepare_accumulate,
                                                    accumulate_run, NULL};
static const struct cpu_kernel adamw_kernel = {"adamw", prepare, adamw_run, NULL};
static const struct cpu_kernel ema_kernel = {"ema", prepare, ema_run, NULL};

void
FAST(fast_add_optimise)(struct cpu_table *t)
{
    cpu_table_add(t, OP_accumulate, &accumulate_kernel);
    cpu_table_add(t, OP_adamw, &adamw_kernel);
    cpu_table_add(t, OP_ema, &ema_kernel);
}
