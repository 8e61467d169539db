// SPDX-License-Identifier: MIT
// Speed of the fast kernels: GB/s of tensors read and written, or GFLOP/s of attention. Tensors
// rotate through more memory than the second-level cache holds.
//
//     bench_fast [f32|bf16|f16] [part of a line's name]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/cpu.h"

static struct cpu_table table;
static const char *wanted = "";

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *
random_tensor(const struct node *n)
{
    int64_t count = shape_count(&n->shape);
    void *data = mem_try_aligned(dtype_bytes(n->dtype, count), 64, "tensor", NULL);
    for (int64_t i = 0; i < count; i++)
        dtype_store(n->dtype, data, i,
                    n->dtype == DTYPE_I32 ? (double)(i * 7919 % 100)
                                          : (double)(i * 7919 % 1013) / 1013 - 0.4);
    return data;
}

static double
attention_flops(const struct node *n)
{
    if (n->op != OP_attention && n->op != OP_attention_grad && n->op != OP_attention_grad_bias)
        return 0;
    const struct shape *q = &n->source[0]->shape;
    double product = 2.0 * (double)(q->dim[0] * q->dim[1] * n->source[1]->shape.dim[1] * q->dim[2]);
    return product * (n->op == OP_attention ? 2 : n->op == OP_attention_grad ? 5 : 2);
}

static void
measure(const char *what, struct graph *g, struct node *n)
{
    if (graph_error(g)->code != ERR_NONE) {
        printf("%-40s %s\n", what, graph_error(g)->text);
        return;
    }
    if (!strstr(what, wanted))
        return;
    struct cpu_step s = {.node = n};
    const struct cpu_kernel *k = NULL;
    for (int i = 0; k == NULL && table.kernels[n->op][i] != NULL; i++)
        if (table.kernels[n->op][i]->prepare(&s))
            k = table.kernels[n->op][i];
    if (k == NULL) {
        printf("%-40s refused\n", what);
        return;
    }
    size_t bytes = node_bytes(n);
    s.dst = random_tensor(n);
    for (int i = 0; i < n->source_count; i++) {
        s.src[i] = random_tensor(n->source[i]);
        bytes += node_bytes(n->source[i]);
    }
    if (op_rows[n->op].kind == KERNEL_INPLACE)
        s.src[0] = s.dst;
    s.scratch = mem_try_aligned(s.scratch_size + 64, 64, "scratch", NULL);
    double best = 1e9, spent = 0;
    for (int run = 0; run < 4 || (spent < 0.2 && run < 1000); run++) {
        double start = now();
        k->run(&s);
        double t = now() - start;
        spent += t;
        best = MIN(best, t);
    }
    double flops = attention_flops(n);
    printf("%-40s %9.1f us %8.1f GB/s", what, best * 1e6, (double)bytes / best * 1e-9);
    if (flops > 0)
        printf(" %8.1f GFLOP/s", flops / best * 1e-9);
    printf("\n");
    for (int i = 0; i < n->source_count; i++)
        if (s.src[i] != s.dst)
            mem_aligned_free((void *)(uintptr_t)s.src[i]);
    mem_aligned_free(s.dst);
    mem_aligned_free(s.scratch);
}

static void
measure_all(enum dtype t)
{
    struct graph *g = graph_create();
#define X(...) graph_input(g, "x", SHAPE(__VA_ARGS__), t)
#define W(...) graph_input(g, "w", SHAPE(__VA_ARGS__), DTYPE_F32)
#define B(...) graph_bound(g, "b", SLOT_USER, 0, SHAPE(__VA_ARGS__), DTYPE_F32)
#define NORM   32, 1e-5, ACT_SILU
    static const int64_t sizes[][4] = {{16, 64, 64, 64}, {16, 32, 32, 128}, {16, 16, 16, 256},
                                       {16, 8, 8, 256}, {1, 64, 64, 256}};
    char what[96];
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int64_t n = sizes[i][0], h = sizes[i][1], w = sizes[i][2], c = sizes[i][3];
#define LINE(name, node)                                                                           \
    do {                                                                                           \
        snprintf(what, sizeof what, name " %dx%dx%dx%d", (int)n, (int)h, (int)w, (int)c);          \
        measure(what, g, node);                                                                    \
    } while (0)
        LINE("group_norm silu", op_group_norm(g, X(n, h, w, c), W(n, c), W(n, c), NORM));
        LINE("group_norm gelu",
             op_group_norm(g, X(n, h, w, c), W(1, c), W(1, c), 32, 1e-5, ACT_GELU));
        LINE("group_norm_sums",
             op_group_norm_sums(g, X(n, h, w, c), W(n, c), W(n, c), X(n, h, w, c), NORM));
        LINE("group_norm_grad", op_group_norm_grad(g, X(n, h, w, c), W(n, c), W(n, c),
                                                   X(n, h, w, c), W(n, 4, c), NORM));
        LINE("add", op_add(g, X(n, h, w, c), X(n, h, w, c)));
        LINE("add bias", op_add(g, X(n, h, w, c), W(c)));
        LINE("add scalar", op_add(g, X(n, h, w, c), W(1)));
        LINE("mul sample", op_mul(g, X(n, h, w, c), X(n, 1, 1, c)));
        LINE("silu", op_silu(g, X(n, h, w, c)));
        LINE("silu_grad", op_silu_grad(g, X(n, h, w, c), X(n, h, w, c)));
        LINE("gelu", op_gelu(g, X(n, h, w, c)));
        LINE("gelu_grad", op_gelu_grad(g, X(n, h, w, c), X(n, h, w, c)));
        LINE("gelu_tanh", op_gelu_tanh(g, X(n, h, w, c)));
        LINE("affine", op_affine(g, X(n, h, w, c), 0.5, 0.5));
        LINE("exp", op_exp(g, X(n, h, w, c)));
        LINE("cast to f32", graph_add(g, OP_cast, NULL, (struct node *[]){X(n, h, w, c)}, 1,
                                      DTYPE_F32, NULL));
        LINE("cast from f32",
             graph_add(g, OP_cast, NULL, (struct node *[]){W(n, h, w, c)}, 1, t, NULL));
        LINE("concat", op_concat(g, (struct node *[]){X(n, h, w, c), X(n, h, w, c)}, 2, 3));
        LINE("slice", op_slice(g, X(n, h, w, 2 * c), 3, c, c));
        LINE("pad", op_pad(g, X(n, h, w, c), 3, c, 0));
        LINE("upsample2", op_upsample2(g, X(n, h, w, c)));
        LINE("downsample2", op_downsample2(g, X(n, h, w, c)));
        LINE("permute", op_permute(g, X(n, h, w, c), (int[]){0, 3, 1, 2}));
        LINE("permute middle", op_permute(g, X(n, h, w, c), (int[]){0, 2, 1, 3}));
        LINE("sum bias", op_sum(g, X(n, h, w, c), 7));
        LINE("sum positions", op_sum(g, X(n, h, w, c), 6));
        LINE("sum all", op_sum(g, X(n, h, w, c), 15));
        LINE("sum last", op_sum(g, X(n, h, w, c), 8));
        LINE("softmax", op_softmax(g, X(n, h, w, c)));
        LINE("layer_norm", op_layer_norm(g, X(n, h, w, c), 1e-5));
        LINE("layer_norm_grad", op_layer_norm_grad(g, X(n, h, w, c), X(n, h, w, c), 1e-5));
        LINE("rms_norm", op_rms_norm(g, X(n, h, w, c), 1e-5));
    }
    measure("sum bias 16x64x64x3", g, op_sum(g, X(16, 64, 64, 3), 7));
    measure("add bias 16x64x64x3", g, op_add(g, X(16, 64, 64, 3), W(3)));
    measure("gather 4096x512", g,
            op_gather(g, X(100, 512), graph_input(g, "i", SHAPE(4096), DTYPE_I32)));
    measure("gather_grad 4096x512", g,
            op_gather_grad(g, graph_input(g, "i", SHAPE(4096), DTYPE_I32), X(4096, 512),
                           SHAPE(100, 512)));
    measure("sumsq 10M", g, op_sumsq(g, W(10000000)));
    measure("accumulate 10M", g, op_accumulate(g, B(10000000), W(10000000)));
    measure("adamw 10M", g, op_adamw(g, B(10000000), W(10000000), B(10000000), B(10000000), W(8),
                                     graph_input(g, "s", SHAPE_SCALAR, DTYPE_F32)));
    measure("ema 10M", g, op_ema(g, B(10000000), B(10000000),
                                 graph_input(g, "d", SHAPE_SCALAR, DTYPE_F32)));
    static const int64_t attention[][5] = {
        {1, 4608, 4608, 2, 128}, {8, 1024, 1101, 4, 64}, {8, 256, 333, 4, 64},
        {16, 256, 256, 8, 32},   {16, 64, 141, 4, 64},   {16, 64, 64, 12, 32},
        {48, 64, 64, 6, 64},     {1, 1024, 1101, 8, 64}, {8, 77, 77, 8, 64}};
    for (size_t i = 0; i < COUNT_OF(attention); i++) {
        int64_t n = attention[i][0], q = attention[i][1], k = attention[i][2], c = attention[i][4];
        int heads = (int)attention[i][3];
        c *= heads;
#define ROW(name, node)                                                                            \
    do {                                                                                           \
        snprintf(what, sizeof what, name " %dx%dx%d, %d of %d", (int)n, (int)q, (int)k, heads,     \
                 (int)attention[i][4]);                                                            \
        measure(what, g, node);                                                                    \
    } while (0)
        ROW("attention", op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL, heads, 0.125));
        ROW("attention bias", op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c),
                                           W(1, heads, q, k), heads, 0.125));
        ROW("attention_grad", op_attention_grad(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL,
                                                X(n, q, c), heads, 0.125));
    }
    struct node *q = X(16, 77, 512);
    measure("attention_grad_bias 16x77, 8 of 64", g,
            op_attention_grad_bias(g, q, X(16, 77, 512), X(16, 77, 512), W(1, 8, 77, 77),
                                   X(16, 77, 512), 8, 0.125));
    graph_destroy(g);
}

int
main(int argc, char **argv)
{
    enum dtype t = argc > 1 ? dtype_from_name(argv[1]) : DTYPE_BF16;
    wanted = argc > 2 ? argv[2] : "";
    cpu_add_fast(&table);
    size_t size = 64 << 20;
    char *a = mem_zalloc(size), *b = mem_zalloc(size);
    double best = 1e9;
    for (int i = 0; i < 5; i++) {
        double start = now();
        memcpy(b, a, size);
        best = MIN(best, now() - start);
        a[0] = b[0];
    }
    printf("%d threads; one thread copies at %.1f GB/s (read and written)\n", cpu_threads(),
           2.0 * (double)size / best * 1e-9);
    free(a);
    free(b);
    measure_all(t == DTYPE_NONE ? DTYPE_BF16 : t);
    return 0;
}
