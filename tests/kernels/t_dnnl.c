// SPDX-License-Identifier: MIT
// oneDNN's products against plain loops in double over the values the kernel really got (bf16
// inputs are rounded first), over shapes at the edges: size 1, primes, odd channels.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"
#include "engine/device/cpu/tiles.h"
#include "tests/ops/blocks.h"

static int taken, refused;
static void (*add_kernels)(struct cpu_table *t) = cpu_add_dnnl;

struct tensor {
    double *value; // what the bytes mean
    void *data;
    int64_t count;
};

static double
noise(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(int64_t)(*state >> 20) / (double)(1ll << 43) - 1;
}

static struct tensor
tensor_make(const struct node *n, uint64_t seed)
{
    int64_t count = shape_count(&n->shape);
    struct tensor t = {.value = calloc((size_t)count, sizeof(double)), .count = count};
    t.data = mem_try_aligned(dtype_bytes(n->dtype, count), 64, "tensor", NULL);
    if (dtype_is_packed(n->dtype)) {
        float *unpacked = calloc((size_t)count, sizeof *unpacked);
        blocks_random(n->dtype, t.data, count, seed);
        dtype_convert(DTYPE_F32, unpacked, n->dtype, t.data, count);
        for (int64_t i = 0; i < count; i++)
            t.value[i] = unpacked[i];
        free(unpacked);
        return t;
    }
    for (int64_t i = 0; i < count; i++) {
        dtype_store(n->dtype, t.data, i, noise(&seed));
        t.value[i] = dtype_load(n->dtype, t.data, i);
    }
    return t;
}

static void
tensor_free(struct tensor *t)
{
    free(t->value);
    mem_aligned_free(t->data);
}

static int64_t
dim(const struct node *n, int from_end)
{
    return n->shape.dim[n->shape.rank - from_end];
}

// --- the definitions

static void
naive_matmul(const struct node *n, const struct tensor *src, double *out)
{
    bool ta = n->params.matmul.transpose_a, tb = n->params.matmul.transpose_b;
    int64_t rows = dim(n, 2), columns = dim(n, 1), inner = dim(n->source[0], ta ? 2 : 1);
    int64_t batch = shape_count(&n->shape) / (rows * columns);
    for (int64_t z = 0; z < batch; z++)
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                const double *a = src[0].value + z * rows * inner;
                const double *b = src[1].value +
                                  (n->source[1]->shape.rank == 2 ? 0 : z * inner * columns);
                double sum = n->source_count == 3 ? src[2].value[j] : 0;
                for (int64_t k = 0; k < inner; k++)
                    sum += a[ta ? k * rows + i : i * inner + k] *
                           b[tb ? j * inner + k : k * columns + j];
                out[(z * rows + i) * columns + j] = sum;
            }
}

// Every (input, output, weight) triple of a convolution, once: add(ctx, x, y, w) with flat indices.
static void
each_tap(const struct shape *x, const struct shape *y, int kernel, int stride, int pad,
         void (*add)(void *ctx, int64_t x, int64_t y, int64_t w), void *ctx)
{
    int64_t c = x->dim[3], k = y->dim[3];
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t oy = 0; oy < y->dim[1]; oy++)
            for (int64_t ox = 0; ox < y->dim[2]; ox++)
                for (int ky = 0; ky < kernel; ky++)
                    for (int kx = 0; kx < kernel; kx++) {
                        int64_t iy = oy * stride + ky - pad, ix = ox * stride + kx - pad;
                        if (iy < 0 || ix < 0 || iy >= x->dim[1] || ix >= x->dim[2])
                            continue;
                        int64_t xi = ((n * x->dim[1] + iy) * x->dim[2] + ix) * c;
                        int64_t yi = ((n * y->dim[1] + oy) * y->dim[2] + ox) * k;
                        for (int64_t f = 0; f < k; f++)
                            for (int64_t i = 0; i < c; i++)
                                add(ctx, xi + i, yi + f, ((f * c + i) * kernel + ky) * kernel + kx);
                    }
}

struct sums {
    const double *a, *b;
    double *out;
};

static void
add_forward(void *ctx, int64_t x, int64_t y, int64_t w)
{
    struct sums *s = ctx;
    s->out[y] += s->a[x] * s->b[w];
}

static void
add_grad_x(void *ctx, int64_t x, int64_t y, int64_t w)
{
    struct sums *s = ctx;
    s->out[x] += s->a[y] * s->b[w];
}

static void
add_grad_w(void *ctx, int64_t x, int64_t y, int64_t w)
{
    struct sums *s = ctx;
    s->out[w] += s->a[x] * s->b[y];
}

static void
naive_conv(const struct node *n, const struct tensor *src, double *out)
{
    const struct shape *a = &n->source[0]->shape, *b = &n->source[1]->shape;
    int stride = n->params.conv.stride, pad = n->params.conv.pad, k = n->params.conv.kernel;
    struct sums s = {src[0].value, src[1].value, out};
    if (n->op == OP_conv2d) {
        each_tap(a, &n->shape, k, stride, pad, add_forward, &s);
        for (int64_t i = 0; n->source_count == 3 && i < shape_count(&n->shape); i++)
            out[i] += src[2].value[i % n->shape.dim[3]];
    } else if (n->op == OP_conv2d_grad_x) {
        each_tap(&n->shape, a, k, stride, pad, add_grad_x, &s);
    } else {
        each_tap(a, b, k, stride, pad, add_grad_w, &s);
    }
}

// --- running and comparing

static void
run_step(struct cpu_step *s, void *dst, const struct tensor *src)
{
    s->dst = dst;
    for (int i = 0; i < s->node->source_count; i++)
        s->src[i] = src[i].data;
    s->scratch = mem_try_aligned(s->scratch_size + 64, 64, "scratch", NULL);
    memset(s->scratch, 0xff, s->scratch_size); // NaN everywhere
    s->kernel->run(s);
    mem_aligned_free(s->scratch);
}

static double
worst(const struct node *n, const void *data, const double *truth)
{
    double most = 0, error = 0;
    for (int64_t i = 0; i < shape_count(&n->shape); i++) {
        double got = dtype_load(n->dtype, data, i);
        double off = got > truth[i] ? got - truth[i] : truth[i] - got;
        most = MAX(most, truth[i] < 0 ? -truth[i] : truth[i]);
        if (!(off <= error)) // also NaN
            error = off;
    }
    return most > 0 ? error / most : error;
}

static void
check(struct graph *g, const struct node *n, bool constant)
{
    if (graph_error(g)->code != ERR_NONE)
        fail_msg("%s", graph_error(g)->text);
    struct cpu_table *table = calloc(1, sizeof *table);
    add_kernels(table);
    struct cpu_step s = {.node = n};
    s.constant[1] = constant;
    bool f32 = n->source[0]->dtype == DTYPE_F32;
    for (int i = 0; table->kernels[n->op][i] && s.kernel == NULL; i++)
        if (table->kernels[n->op][i]->prepare(&s))
            s.kernel = table->kernels[n->op][i];
    free(table);
    if (s.kernel == NULL) {
        refused++;
        char *text = graph_text(g);
        if (f32)
            fail_msg("no kernel takes\n%s", text);
        free(text);
        return;
    }
    taken++;
    struct tensor src[OP_SRC_MAX] = {0}, dst = tensor_make(n, 1);
    for (int i = 0; i < n->source_count; i++)
        src[i] = tensor_make(n->source[i], (uint64_t)i + 77);
    double *truth = calloc((size_t)dst.count, sizeof *truth);
    n->op == OP_matmul ? naive_matmul(n, src, truth) : naive_conv(n, src, truth);
    for (int run = 0; run < 2; run++) { // the second one with other pointers and packed weights
        memset(dst.data, 0xff, dtype_bytes(n->dtype, dst.count));
        struct tensor moved = {.data = mem_try_aligned((size_t)dst.count * 8, 64, "moved", NULL)};
        run_step(&s, run ? moved.data : dst.data, src);
        double error = worst(n, run ? moved.data : dst.data, truth);
        // Weights in blocks are rounded to the left side's type, whatever the result's is.
        bool rounded = dtype_is_packed(n->source[1]->dtype) && n->source[0]->dtype != DTYPE_F32;
        if (!(error <= (n->dtype != DTYPE_F32 ? 1e-2 : rounded ? 4e-3 : 1e-4))) {
            char *text = graph_text(g);
            fail_msg("error %g in run %d%s of\n%s", error, run, constant ? " (packed)" : "", text);
            free(text);
        }
        tensor_free(&moved);
    }
    if (s.kernel->release)
        s.kernel->release(&s);
    for (int i = 0; i < n->source_count; i++)
        tensor_free(&src[i]);
    tensor_free(&dst);
    free(truth);
}

// --- what is tried

struct product {
    int64_t batch, m, k, n; // batch 0: rank 2
    bool ta, tb, shared;    // shared: b of rank 2
};

static const struct product products[] = {
    {0, 1, 1, 1},
    {0, 1, 64, 1},
    {0, 5, 1, 7},
    {0, 7, 13, 1},
    {0, 1, 128, 256, false, true},
    {0, 64, 32, 48},
    {0, 37, 29, 41, true, false},
    {0, 37, 29, 41, false, true},
    {0, 37, 29, 41, true, true},
    {0, 192, 300, 64, true, false},
    {0, 1, 300, 33, true, false},
    {0, 33, 300, 1, true, false},
    {0, 130, 65, 257, false, true},
    {3, 17, 19, 23, false, true, true},
    {3, 17, 19, 23, false, false, true},
    {2, 1, 64, 96, false, true, true},
    {3, 17, 19, 23},
    {3, 17, 19, 23, true, false},
    {3, 17, 19, 23, false, true},
    {3, 17, 19, 23, true, true},
    {1, 16, 16, 16, false, false},
    {1, 7, 9, 5, true, true},
    {8, 64, 32, 64, false, true},
};

static void
test_matmul(void **state)
{
    (void)state;
    static const enum dtype types[][2] = {
        {DTYPE_F32, DTYPE_F32}, {DTYPE_BF16, DTYPE_BF16}, {DTYPE_BF16, DTYPE_F32}};
    for (size_t i = 0; i < COUNT_OF(products); i++)
        for (size_t t = 0; t < COUNT_OF(types); t++)
            for (int with_bias = 0; with_bias < 2; with_bias++)
                for (int constant = 0; constant < 2; constant++) {
                    const struct product *p = &products[i];
                    struct shape a = p->ta ? SHAPE(p->k, p->m) : SHAPE(p->m, p->k);
                    struct shape b = p->tb ? SHAPE(p->n, p->k) : SHAPE(p->k, p->n);
                    if (p->batch > 0)
                        a = SHAPE(p->batch, a.dim[0], a.dim[1]);
                    if (p->batch > 0 && !p->shared)
                        b = SHAPE(p->batch, b.dim[0], b.dim[1]);
                    struct graph *g = graph_create();
                    struct node *bias =
                        with_bias ? graph_input(g, "bias", SHAPE(p->n), DTYPE_F32) : NULL;
                    struct node *n = op_matmul(g, graph_input(g, "a", a, types[t][0]), p->ta,
                                               graph_input(g, "b", b, types[t][0]), p->tb, bias,
                                               types[t][1]);
                    check(g, n, constant);
                    graph_destroy(g);
                }
}

struct conv {
    int64_t n, h, w, c, k;
    int kernel, stride, pad;
};

static const struct conv convs[] = {
    {1, 1, 1, 1, 1, 1, 1, 0},    {1, 3, 3, 1, 1, 3, 1, 1},    {2, 5, 7, 3, 5, 3, 1, 1},
    {1, 8, 8, 3, 32, 3, 1, 1},   {2, 16, 16, 3, 32, 3, 1, 1}, {2, 16, 16, 32, 3, 3, 1, 1},
    {1, 8, 8, 6, 32, 3, 1, 1},   {2, 8, 8, 32, 6, 3, 1, 1},   {2, 8, 8, 32, 64, 3, 1, 1},
    {2, 8, 8, 48, 96, 3, 2, 1},  {2, 9, 7, 17, 19, 3, 2, 1},  {2, 8, 8, 32, 64, 1, 1, 0},
    {3, 7, 5, 13, 11, 1, 1, 0},  {2, 8, 8, 64, 32, 1, 2, 0},  {1, 4, 4, 96, 80, 3, 1, 1},
    {1, 2, 2, 64, 64, 3, 1, 1},  {1, 1, 1, 64, 64, 3, 1, 1},  {2, 8, 8, 16, 16, 5, 1, 2},
    {2, 8, 8, 8, 8, 4, 2, 1},    {1, 9, 9, 4, 4, 3, 1, 0},    {2, 16, 16, 1, 32, 3, 1, 1},
    {2, 12, 12, 32, 1, 3, 1, 1}, {4, 8, 8, 96, 64, 3, 1, 1},  {1, 32, 32, 16, 32, 3, 1, 1},
    {2, 9, 7, 40, 7, 5, 1, 1},   {5, 4, 4, 33, 65, 3, 1, 1},  {2, 10, 10, 24, 40, 7, 1, 3},
};

enum direction { FORWARD, GRAD_X, GRAD_W, DIRECTIONS };

static struct node *
conv_node(struct graph *g, const struct conv *c, enum direction d, enum dtype t, bool with_bias)
{
    int64_t h = (c->h + 2 * c->pad - c->kernel) / c->stride + 1;
    int64_t v = (c->w + 2 * c->pad - c->kernel) / c->stride + 1;
    struct shape xs = SHAPE(c->n, c->h, c->w, c->c), ys = SHAPE(c->n, h, v, c->k);
    struct shape ws = SHAPE(c->k, c->c, c->kernel, c->kernel);
    struct node *bias = with_bias ? graph_input(g, "bias", SHAPE(c->k), DTYPE_F32) : NULL;
    switch (d) {
    case FORWARD:
        return op_conv2d(g, graph_input(g, "x", xs, t), graph_input(g, "w", ws, t), bias, c->stride,
                         c->pad);
    case GRAD_X:
        return op_conv2d_grad_x(g, graph_input(g, "dy", ys, t), graph_input(g, "w", ws, t),
                                c->stride, c->pad, xs);
    case GRAD_W:
        return op_conv2d_grad_w(g, graph_input(g, "x", xs, t), graph_input(g, "dy", ys, t),
                                c->kernel, c->stride, c->pad);
    case DIRECTIONS:
        break;
    }
    return NULL;
}

static void
test_conv(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(convs); i++)
        for (int d = 0; d < DIRECTIONS; d++)
            for (int bf16 = 0; bf16 < 2; bf16++)
                for (int with_bias = 0; with_bias < (d == FORWARD ? 2 : 1); with_bias++)
                    for (int constant = 0; constant < (d == GRAD_W ? 1 : 2); constant++) {
                        struct graph *g = graph_create();
                        struct node *n = conv_node(g, &convs[i], (enum direction)d,
                                                   bf16 ? DTYPE_BF16 : DTYPE_F32, with_bias);
                        check(g, n, constant);
                        graph_destroy(g);
                    }
}

// What the library cannot hold goes to the plain kernels.
static void
test_refuses(void **state)
{
    (void)state;
    struct cpu_table *table = calloc(1, sizeof *table);
    cpu_add_dnnl(table);
    struct graph *g = graph_create();
    struct node *a = graph_input(g, "a", SHAPE(4, 4), DTYPE_F64);
    struct cpu_step s = {.node = op_matmul(g, a, false, a, false, NULL, DTYPE_NONE)};
    assert_false(table->kernels[OP_matmul][0]->prepare(&s));
    struct node *x = graph_input(g, "x", SHAPE(1, 4, 4, 2), DTYPE_F64);
    struct node *w = graph_input(g, "w", SHAPE(2, 2, 3, 3), DTYPE_F64);
    s = (struct cpu_step){.node = op_conv2d(g, x, w, NULL, 1, 1)};
    assert_false(table->kernels[OP_conv2d][0]->prepare(&s));
    assert_null(s.state);
    graph_destroy(g);
    free(table);
}

// A step whose second source is constant and lies where src says.
static struct cpu_step
constant_step(const struct node *n, const struct tensor *src)
{
    struct cpu_table *table = calloc(1, sizeof *table);
    struct cpu_step s = {.node = n};
    cpu_add_dnnl(table);
    s.constant[1] = true;
    s.src[1] = src[1].data;
    s.kernel = table->kernels[n->op][0];
    assert_true(s.kernel->prepare(&s));
    free(table);
    return s;
}

static void
right(struct cpu_step *s, const struct tensor *src)
{
    struct tensor dst = tensor_make(s->node, 3);
    double *truth = calloc((size_t)dst.count, sizeof *truth);
    s->node->op == OP_matmul ? naive_matmul(s->node, src, truth) : naive_conv(s->node, src, truth);
    run_step(s, dst.data, src);
    assert_true(worst(s->node, dst.data, truth) <= 1e-4);
    tensor_free(&dst);
    free(truth);
}

// Constant weights are packed once for all that read them alike, and for as long as anybody does.
static void
test_packed_once(void **state)
{
    (void)state;
    struct graph *g = graph_create();
    struct node *x = graph_input(g, "x", SHAPE(1, 8, 8, 32), DTYPE_F32);
    struct node *w = graph_input(g, "w", SHAPE(32, 32, 3, 3), DTYPE_F32);
    const struct node *n = op_conv2d(g, x, w, NULL, 1, 1);
    struct tensor src[OP_SRC_MAX] = {tensor_make(x, 1), tensor_make(w, 2)};
    struct tensor other[OP_SRC_MAX] = {src[0], tensor_make(w, 5)};
    struct cpu_step a = constant_step(n, src), b = constant_step(n, src);
    struct cpu_step c = constant_step(n, other);
    assert_true(a.packed > 0);
    assert_true(b.packed == 0);
    assert_true(c.packed == a.packed);
    right(&b, src);
    right(&c, other);
    right(&a, src);
    a.kernel->release(&a);
    right(&b, src);
    b.kernel->release(&b);
    a = constant_step(n, src); // nobody had it any more
    assert_true(a.packed > 0);
    right(&a, src);
    a.kernel->release(&a);
    c.kernel->release(&c);

    // The same numbers read by rows and by columns are two matrices.
    struct node *p = graph_input(g, "p", SHAPE(48, 48), DTYPE_F32);
    struct node *q = graph_input(g, "q", SHAPE(48, 48), DTYPE_F32);
    struct tensor square[OP_SRC_MAX] = {tensor_make(p, 3), tensor_make(q, 4)};
    a = constant_step(op_matmul(g, p, false, q, false, NULL, DTYPE_NONE), square);
    b = constant_step(op_matmul(g, p, false, q, true, NULL, DTYPE_NONE), square);
    right(&a, square);
    right(&b, square);
    right(&a, square);
    a.kernel->release(&a);
    b.kernel->release(&b);
    struct tensor *const owned[] = {&src[0], &src[1], &other[1], &square[0], &square[1]};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        tensor_free(owned[i]);
    graph_destroy(g);
}

// Weights in blocks of every type, against the sum in double of what their definition says they
// are: one tile, one that is narrow, several; with each instruction set that this processor has.
static void
test_blocks(void **state)
{
    (void)state;
    static const char *const sets[] = {"baseline", "v3", "v4", "bf16"};
    static const int64_t sizes[][3] = {{1, 67, 256}, {37, 96, 1024}, {3, 2048 + 70, 256}};
    int before = taken;
    add_kernels = cpu_add_fast;
    for (size_t s = 0; s < COUNT_OF(sets); s++) {
        setenv("LIMN_CPU_ISA", sets[s], 1);
        for (size_t b = 0; b < COUNT_OF(block_types); b++)
            for (size_t i = 0; i < COUNT_OF(sizes); i++)
                for (int wide = 0; wide < 2; wide++) {
                    struct graph *g = graph_create();
                    enum dtype t = i == 1 || wide ? DTYPE_F32 : DTYPE_BF16;
                    struct node *x = graph_input(g, "x", SHAPE(sizes[i][0], sizes[i][2]), t);
                    struct node *w = graph_input(g, "w", SHAPE(sizes[i][1], sizes[i][2]),
                                                 block_types[b].type);
                    struct node *bias = graph_input(g, "bias", SHAPE(sizes[i][1]), DTYPE_F32);
                    check(g, op_matmul(g, x, false, w, true, i ? bias : NULL, DTYPE_F32), true);
                    graph_destroy(g);
                }
    }
    unsetenv("LIMN_CPU_ISA");
    add_kernels = cpu_add_dnnl;
    assert_true(taken > before);
}

// One element of what a product of weights (columns,inner) should be.
static double
element(const struct node *n, const struct tensor *src, int64_t at)
{
    int64_t inner = dim(n->source[0], 1), columns = dim(n, 1);
    const double *x = src[0].value + at / columns * inner;
    const double *w = src[1].value + at % columns * inner;
    double sum = n->source_count > 2 ? src[2].value[at % columns] : 0;
    for (int64_t k = 0; k < inner; k++)
        sum += x[k] * w[k];
    return sum;
}

// Elements all over the result, its last one too, against sums in double.
static void
check_some(const struct node *n, const struct cpu_kernel *kernel)
{
    enum { TRIED = 1000 };
    struct cpu_step s = {.node = n, .kernel = kernel};
    struct tensor src[OP_SRC_MAX] = {0}, dst = tensor_make(n, 1);
    double most = 0, error = 0;
    assert_true(kernel->prepare(&s));
    for (int i = 0; i < n->source_count; i++)
        src[i] = tensor_make(n->source[i], (uint64_t)i + 77);
    memset(dst.data, 0xff, dtype_bytes(n->dtype, dst.count));
    run_step(&s, dst.data, src);
    for (int64_t i = 0; i < TRIED; i++) {
        int64_t at = i ? (i * 1000003 + i * i * 17) % dst.count : dst.count - 1;
        double truth = element(n, src, at), off = fabs(dtype_load(n->dtype, dst.data, at) - truth);
        most = MAX(most, fabs(truth));
        error = off <= error ? error : off; // also NaN
    }
    bool rounded = dtype_is_packed(n->source[1]->dtype);
    assert_true(error <= most * (n->dtype != DTYPE_F32 ? 1e-2 : rounded ? 4e-3 : 1e-5));
    kernel->release(&s);
    for (int i = 0; i < n->source_count; i++)
        tensor_free(&src[i]);
    tensor_free(&dst);
}

// Rows that fill no block, weights in one stretch and in several, deeper than a block of rows is
// brought into order at a time; by one thread and by several, which share the columns of few rows.
static void
test_units(void **state)
{
    (void)state;
    static const struct {
        int64_t rows, columns, inner;
        enum dtype weights, result;
        int threads;
        size_t stretch;
    } cases[] = {
        {293, 1024, 2080, DTYPE_BF16, DTYPE_BF16, 1, 32 << 20},
        {260, 1056, 2080, DTYPE_BF16, DTYPE_F32, 3, 1 << 20},
        {256, 544, 4128, DTYPE_BF16, DTYPE_F32, 4, 2 << 20},
        {513, 640, 3328, DTYPE_Q8_0, DTYPE_F32, 1, 32 << 20},
        {256, 1024, 2048, DTYPE_Q4_K, DTYPE_BF16, 3, 3 << 20},
    };
    struct cpu_table *table = calloc(1, sizeof *table);
    cpu_add_fast(table);
    const struct cpu_kernel *kernel = table->kernels[OP_matmul][0];
    free(table);
    if (!kernel || strcmp(kernel->name, "matrix units") != 0)
        skip();
    int threads = cpu_threads();
    size_t stretch = tiles_stretch_bytes;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int bias = 0; bias < 2; bias++) {
            struct graph *g = graph_create();
            struct node *x = graph_input(g, "x", SHAPE(cases[i].rows, cases[i].inner), DTYPE_BF16);
            struct node *w = graph_input(g, "w", SHAPE(cases[i].columns, cases[i].inner),
                                         cases[i].weights);
            struct node *b = graph_input(g, "bias", SHAPE(cases[i].columns), DTYPE_F32);
            cpu_threads_set(cases[i].threads);
            tiles_stretch_bytes = cases[i].stretch;
            check_some(op_matmul(g, x, false, w, true, bias ? b : NULL, cases[i].result), kernel);
            graph_destroy(g);
        }
    cpu_threads_set(threads);
    tiles_stretch_bytes = stretch;
}

static void
test_rate(void **state)
{
    (void)state;
    struct err err = {0};
    double rate = cpu_matmul_rate(DTYPE_F32, &err);
    assert_true(rate > 1e8 && rate < 1e15);
    assert_int_equal(err.code, ERR_NONE);
    assert_true(cpu_matmul_rate(DTYPE_F64, &err) == 0);
    assert_int_equal(err.code, ERR_UNSUPPORTED);
}

int
main(void)
{
    if (!onednn_available()) {
        printf("built without oneDNN\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matmul),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_packed_once),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_units),
        cmocka_unit_test(test_rate),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("oneDNN %s: %d taken, %d refused\n", onednn_version(), taken, refused);
    return failed;
}
