// SPDX-License-Identifier: MIT
// Pictures: doubling, halving, bilinear resize, timestep sinusoids.
#include <math.h>

#include "engine/device/cpu/fast.h"

// One row of the result, [first, last) counted over all samples.
static void
upsample_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct shape *x = &s->node->source[0]->shape;
    size_t pixel = (size_t)x->dim[3] * dtype_size(s->node->dtype), line = (size_t)x->dim[2] * pixel;
    for (int64_t row = first; row < last; row++) { // rows of the source: two of the result
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

// --- bilinear resize

// The two pixels around, and the share of the second: the plain kernel's conventions.
static void
source_position(int64_t at, int64_t in, int64_t out, bool align_corners, int64_t *low,
                int64_t *high, float *share)
{
    double p = 0;
    if (align_corners)
        p = out > 1 ? (double)at * (double)(in - 1) / (double)(out - 1) : 0;
    else
        p = fmax(0, ((double)at + 0.5) * (double)in / (double)out - 0.5);
    *low = (int64_t)p;
    *high = *low + 1 < in ? *low + 1 : *low;
    *share = (float)(p - (double)*low);
}

// Where a pixel of the result comes from, across.
struct mix {
    int64_t left, right; // elements
    float share;
};

// Of a worker: mixes of a line, two lines of the source and a line of the result in f32.
static size_t
resize_bytes(const struct cpu_step *s)
{
    int64_t in = s->node->source[0]->shape.dim[2], out = s->node->shape.dim[2];
    return (size_t)out * sizeof(struct mix) +
           (size_t)((2 * in + out) * s->node->shape.dim[3]) * sizeof(float);
}

// Down first, over a whole line, then across.
static void
resize_line(const struct cpu_step *s, int64_t row, const struct mix *mix, float *lines)
{
    const struct shape *x = &s->node->source[0]->shape, *y = &s->node->shape;
    enum dtype t = s->node->dtype;
    bool align = s->node->params.resize.align_corners;
    int64_t c = x->dim[3], line = x->dim[2] * c, n = row / y->dim[1], top, low;
    float *blend = lines, *out = lines + 2 * line, share;
    source_position(row % y->dim[1], x->dim[1], y->dim[1], align, &top, &low, &share);
    const float *a = fetch(t, s->src[0], (n * x->dim[1] + top) * line, line, lines);
    const float *b = fetch(t, s->src[0], (n * x->dim[1] + low) * line, line, lines + line);
    SIMD for (int64_t i = 0; i < line; i++)
        blend[i] = a[i] + share * (b[i] - a[i]);
    for (int64_t column = 0; column < y->dim[2]; column++, mix++)
        for (int64_t i = 0; i < c; i++)
            out[column * c + i] =
                blend[mix->left + i] + mix->share * (blend[mix->right + i] - blend[mix->left + i]);
    commit(t, s->dst, row * y->dim[2] * c, y->dim[2] * c, out);
}

static void
resize_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct shape *x = &s->node->source[0]->shape, *y = &s->node->shape;
    int64_t rows = y->dim[0] * y->dim[1], threads = workers(s, resize_bytes(s));
    for (int64_t t = first; t < last; t++) {
        struct mix *mix = worker_memory(s, resize_bytes(s), t);
        for (int64_t i = 0; i < y->dim[2]; i++) {
            source_position(i, x->dim[2], y->dim[2], s->node->params.resize.align_corners,
                            &mix[i].left, &mix[i].right, &mix[i].share);
            mix[i].left *= x->dim[3];
            mix[i].right *= x->dim[3];
        }
        for (int64_t row = rows * t / threads; row < rows * (t + 1) / threads; row++)
            resize_line(s, row, mix, (float *)(mix + y->dim[2]));
    }
}

static void
resize_run(struct cpu_step *s)
{
    cpu_parallel(workers(s, resize_bytes(s)), 1, resize_range, s);
}

static bool
prepare_resize(struct cpu_step *s)
{
    return all_fast(s->node) && reserve(s, resize_bytes(s));
}

// Few values, so the library's sine is good enough.
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
static const struct cpu_kernel resize_kernel = {"resize", prepare_resize, resize_run, NULL};
static const struct cpu_kernel timestep_kernel = {"timestep_embed", prepare, timestep_run, NULL};

void
FAST(fast_add_picture)(struct cpu_table *t)
{
    cpu_table_add(t, OP_upsample2, &upsample_kernel);
    cpu_table_add(t, OP_downsample2, &downsample_kernel);
    cpu_table_add(t, OP_resize, &resize_kernel);
    cpu_table_add(t, OP_timestep_embed, &timestep_kernel);
}
