// SPDX-License-Identifier: MIT
// Doubling and halving pictures; timestep sinusoids.
#include <math.h>

#include "engine/device/cpu/fast.h"

static void
upsample_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct shape *x = &s->node->source[0]->shape;
    size_t pixel = (size_t)x->dim[3] * dtype_size(s->node->dtype), line = (size_t)x->dim[2] * pixel;
    for (int64_t row = first; row < last; row++) { // of the source: two of the result
        const char *from = (const char *)s->src[0] + (size_t)row * line;
        char *to = (char *)s->dst + (size_t)row * 4 * line;
        for (int64_t i = 0; i < x->dim[2]; i++) {
            memcpy(to + 2 * (size_t)i * pixel, from + (size_t)i * pixel, pixel);
            memcpy(to + (2 * (size_t)i + 1) * pixel, from + (size_t)i * pixel, pixel);
        }
        memcpy(to + 2 * line, to, 2 * line);
    }
}

static void
upsample_run(struct cpu_step *s)
{
    const struct shape *x = &s->node->source[0]->shape;
    int64_t bytes = 4 * x->dim[2] * x->dim[3] * (int64_t)dtype_size(s->node->dtype);
    cpu_parallel(x->dim[0] * x->dim[1], grain_of(bytes), upsample_range, s);
}

static void
downsample_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct node *n = s->node;
    int64_t c = n->shape.dim[3], width = n->shape.dim[2], line = 2 * width * c;
    enum dtype t = n->dtype;
    float a_buffer[2 * TILE], b_buffer[2 * TILE], y_buffer[TILE];
    int64_t channels = MIN(c, TILE), pixels = c <= TILE ? TILE / c : 1;
    for (int64_t row = first; row < last; row++)
        for (int64_t i = 0; i < width; i += pixels)
            for (int64_t k = 0; k < c; k += channels) {
                // `count` pixels of all channels, or a run of channels of one pixel
                int64_t count = MIN(pixels, width - i), run = MIN(channels, c - k);
                int64_t at = 2 * row * line + 2 * i * c + k, to = (row * width + i) * c + k;
                float *y = target(t, s->dst, to, y_buffer);
                const float *a, *b;
                if (run == c) {
                    a = fetch(t, s->src[0], at, 2 * count * c, a_buffer);
                    b = fetch(t, s->src[0], at + line, 2 * count * c, b_buffer);
                    for (int64_t p = 0; p < count; p++) {
                        SIMD for (int64_t j = 0; j < c; j++)
                            y[p * c + j] = 0.25f * (a[2 * p * c + j] + a[(2 * p + 1) * c + j] +
                                                    b[2 * p * c + j] + b[(2 * p + 1) * c + j]);
                    }
                    commit(t, s->dst, to, count * c, y);
                    continue;
                }
                for (int half = 0; half < 2; half++) {
                    a = fetch(t, s->src[0], at + half * c, run, a_buffer);
                    b = fetch(t, s->src[0], at + half * c + line, run, b_buffer);
                    SIMD for (int64_t j = 0; j < run; j++)
                        y_buffer[j] = 0.25f * (a[j] + b[j]) + (half ? y_buffer[j] : 0.0f);
                }
                commit(t, s->dst, to, run, y_buffer);
            }
}

static void
downsample_run(struct cpu_step *s)
{
    const struct shape *y = &s->node->shape;
    int64_t bytes = 4 * y->dim[2] * y->dim[3] * (int64_t)dtype_size(s->node->dtype);
    cpu_parallel(y->dim[0] * y->dim[1], grain_of(bytes), downsample_range, s);
}

// Few values, so libm's sine is fast enough.
static void
timestep_run(struct cpu_step *s)
{
    int64_t count = s->node->shape.dim[0], half = s->node->shape.dim[1] / 2;
    double rate = -log(s->node->params.timestep.max_period) /
                  ((double)half - s->node->params.timestep.shift);
    float *y = s->dst, buffer;
    int64_t cos_at = s->node->params.timestep.cos_first ? 0 : half, sin_at = half - cos_at;
    for (int64_t i = 0; i < half; i++) {
        double frequency = exp(rate * (double)i);
        for (int64_t n = 0; n < count; n++) {
            float t = *fetch(s->node->source[0]->dtype, s->src[0], n, 1, &buffer);
            y[n * 2 * half + cos_at + i] = (float)cos((double)t * frequency);
            y[n * 2 * half + sin_at + i] = (float)sin((double)t * frequency);
        }
    }
}

static bool
prepare(struct cpu_step *s)
{
    return all_fast(s->node);
}

static const struct cpu_kernel upsample_kernel = {"upsample2", prepare, upsample_run, NULL};
static const struct cpu_kernel downsample_kernel = {"downsample2", prepare, downsample_run, NULL};
static const struct cpu_kernel timestep_kernel = {"timestep_embed", prepare, timestep_run, NULL};

void
FAST(fast_add_picture)(struct cpu_table *t)
{
    cpu_table_add(t, OP_upsample2, &upsample_kernel);
    cpu_table_add(t, OP_downsample2, &downsample_kernel);
    cpu_table_add(t, OP_timestep_embed, &timestep_kernel);
}
