// SPDX-License-Identifier: MIT
// Kernels over rows of the last axis: softmax, layer norm, RMS norm and their gradients. A row is
// widened once into the thread's memory, and read from there as often as needed.
#include <math.h>

#include "engine/device/cpu/fast_math.h"

typedef void row_fn(const struct node *n, const float *x, const float *dy, float *y, int64_t width);

struct job {
    const struct cpu_step *step;
    row_fn *row;
};

enum { ROW_BUFFERS = 3 };

static size_t
worker_bytes(const struct cpu_step *s)
{
    return ROW_BUFFERS * aligned_bytes((size_t)shape_last(&s->node->shape) * sizeof(float));
}

static void
rows_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct cpu_step *s = j->step;
    const struct node *n = s->node;
    int64_t width = shape_last(&n->shape), rows = shape_leading(&n->shape);
    int64_t threads = workers(s, worker_bytes(s));
    for (int64_t t = first; t < last; t++) {
        char *memory = worker_memory(s, worker_bytes(s), t);
        size_t bytes = aligned_bytes((size_t)width * sizeof(float));
        float *bx = (float *)memory, *bd = (float *)(memory + bytes);
        float *by = (float *)(memory + 2 * bytes);
        for (int64_t r = rows * t / threads; r < rows * (t + 1) / threads; r++) {
            const float *x = fetch(n->source[0]->dtype, s->src[0], r * width, width, bx),
                        *dy = NULL;
            if (n->source_count > 1)
                dy = fetch(n->source[1]->dtype, s->src[1], r * width, width, bd);
            float *y = target(n->dtype, s->dst, r * width, by);
            j->row(n, x, dy, y, width);
            commit(n->dtype, s->dst, r * width, width, y);
        }
    }
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

// Rows are summed in blocks, whose sums are then added up, to be as exact if the compiler does not
// vectorise the loop.
enum { BLOCK = 256 };

#define ROW_SUM(total, n, expression)                                                              \
    for (int64_t block_ = 0; block_ < (n); block_ += BLOCK) {                                      \
        float part_ = 0;                                                                           \
        _Pragma("omp simd reduction(+ : part_)")                                                   \
        for (int64_t i = block_; i < MIN(block_ + BLOCK, n); i++)                                  \
            part_ += expression;                                                                   \
        total += part_;                                                                            \
    }

static float
sum_of(const float *x, int64_t n)
{
    float s = 0;
    ROW_SUM(s, n, x[i])
    return s;
}

static float
dot_of(const float *a, const float *b, int64_t n)
{
    float s = 0;
    ROW_SUM(s, n, a[i] * b[i])
    return s;
}

static void
softmax_row(const struct node *node, const float *x, const float *dy, float *y, int64_t n)
{
    (void)node, (void)dy;
    float top = x[0], total = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++)
        top = x[i] > top ? x[i] : top;
    ROW_SUM(total, n, (y[i] = exp_softmax(x[i] - top)))
    float scale = 1.0f / total;
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] *= scale;
}

static void
softmax_grad_row(const struct node *node, const float *p, const float *dy, float *y, int64_t n)
{
    (void)node;
    float dot = dot_of(p, dy, n);
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = p[i] * (dy[i] - dot);
}

// Two passes, the second over values that are already near zero.
static float
layer_statistics(const struct node *node, const float *x, int64_t n, float *mean)
{
    float m = sum_of(x, n) / (float)n, s = 0;
    ROW_SUM(s, n, (x[i] - m) * (x[i] - m))
    *mean = m;
    return 1.0f / sqrtf(s / (float)n + (float)node->params.norm.eps);
}

static void
layer_norm_row(const struct node *node, const float *x, const float *dy, float *y, int64_t n)
{
    (void)dy;
    float mean, rstd = layer_statistics(node, x, n, &mean);
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * rstd;
}

static void
layer_norm_grad_row(const struct node *node, const float *x, const float *dy, float *y, int64_t n)
{
    float mean, rstd = layer_statistics(node, x, n, &mean);
    float dy_mean = sum_of(dy, n) / (float)n, dot = 0;
    ROW_SUM(dot, n, dy[i] * ((x[i] - mean) * rstd))
    dot /= (float)n;
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = rstd * (dy[i] - dy_mean - (x[i] - mean) * rstd * dot);
}

static float
rms_rstd(const struct node *node, const float *x, int64_t n)
{
    return 1.0f / sqrtf(dot_of(x, x, n) / (float)n + (float)node->params.norm.eps);
}

static void
rms_norm_row(const struct node *node, const float *x, const float *dy, float *y, int64_t n)
{
    (void)dy;
    float rstd = rms_rstd(node, x, n);
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * rstd;
}

static void
rms_norm_grad_row(const struct node *node, const float *x, const float *dy, float *y, int64_t n)
{
    float rstd = rms_rstd(node, x, n), dot = dot_of(x, dy, n) * rstd / (float)n;
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = rstd * (dy[i] - x[i] * rstd * dot);
}

#define KERNEL(name)                                                                               \
    static void name##_run(struct cpu_step *s)                                                     \
    {                                                                                              \
        run_rows(s, name##_row);                                                                   \
    }                                                                                              \
    static const struct cpu_kernel name##_kernel = {#name, prepare, name##_run, NULL};

KERNEL(softmax)
KERNEL(softmax_grad)
KERNEL(layer_norm)
KERNEL(layer_norm_grad)
KERNEL(rms_norm)
KERNEL(rms_norm_grad)

void
FAST(fast_add_rows)(struct cpu_table *t)
{
    cpu_table_add(t, OP_softmax, &softmax_kernel);
    cpu_table_add(t, OP_softmax_grad, &softmax_grad_kernel);
    cpu_table_add(t, OP_layer_norm, &layer_norm_kernel);
    cpu_table_add(t, OP_layer_norm_grad, &layer_norm_grad_kernel);
    cpu_table_add(t, OP_rms_norm, &rms_norm_kernel);
    cpu_table_add(t, OP_rms_norm_grad, &rms_norm_grad_kernel);
}
