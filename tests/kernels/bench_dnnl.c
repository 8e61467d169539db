// SPDX-License-Identifier: MIT
// GFLOP/s of oneDNN's products by shape and direction, and their share of the machine's own rate.
//
//     bench_dnnl [f32|bf16] [small|if|packed|one|matmul]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"

static struct cpu_table table;
static double ceiling;
static double total_flops[3], total_seconds[3];

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
        dtype_store(n->dtype, data, i, (double)(i * 7919 % 1013) / 1013 - 0.5);
    return data;
}

// Seconds of one run, best of several; prints one line.
static double
measure(const struct node *n, const char *what, double flops, bool constant)
{
    struct cpu_step s = {.node = n};
    s.constant[1] = constant;
    double start = now();
    const struct cpu_kernel *k = NULL;
    for (int i = 0; k == NULL && table.kernels[n->op][i] != NULL; i++)
        if (table.kernels[n->op][i]->prepare(&s))
            k = table.kernels[n->op][i];
    if (k == NULL) {
        printf("%-46s refused\n", what);
        return 0;
    }
    double made = now() - start;
    s.dst = random_tensor(n);
    for (int i = 0; i < n->source_count; i++)
        s.src[i] = random_tensor(n->source[i]);
    s.scratch = mem_try_aligned(s.scratch_size + 64, 64, "scratch", NULL);
    double best = 1e9, spent = 0;
    for (int run = 0; run < 4 || (spent < 0.15 && run < 400); run++) {
        start = now();
        k->run(&s);
        double t = now() - start;
        spent += t;
        if (run > 0)
            best = MIN(best, t);
    }
    printf("%-46s %8.1f us %7.1f GFLOP/s %4.0f %%  made in %5.2f ms, scratch %5.2f MiB  %s\n", what,
           1e6 * best, flops / best / 1e9, 100 * flops / best / ceiling, 1e3 * made,
           (double)s.scratch_size / 1048576, onednn_call_name(s.state));
    k->release(&s);
    mem_aligned_free(s.dst);
    mem_aligned_free(s.scratch);
    for (int i = 0; i < n->source_count; i++)
        mem_aligned_free((void *)s.src[i]);
    return best;
}

struct conv {
    int64_t batch, side, in, out;
    int kernel, stride;
};

static void
bench_conv(const struct conv *c, enum dtype t, bool constant)
{
    static const char *const names[] = {"forward", "grad_x", "grad_w"};
    int pad = c->kernel / 2;
    int64_t o = (c->side + 2 * pad - c->kernel) / c->stride + 1;
    double flops = 2.0 * (double)(c->batch * o * o * c->out * c->in) * c->kernel * c->kernel;
    struct graph *g = graph_create();
    struct node *x = graph_input(g, "x", SHAPE(c->batch, c->side, c->side, c->in), t);
    struct node *dy = graph_input(g, "dy", SHAPE(c->batch, o, o, c->out), t);
    struct node *w = graph_input(g, "w", SHAPE(c->out, c->in, c->kernel, c->kernel), t);
    struct node *b = graph_input(g, "b", SHAPE(c->out), DTYPE_F32);
    struct node *nodes[] = {op_conv2d(g, x, w, b, c->stride, pad),
                            op_conv2d_grad_x(g, dy, w, c->stride, pad, x->shape),
                            op_conv2d_grad_w(g, x, dy, c->kernel, c->stride, pad)};
    for (int i = 0; i < (constant ? 1 : 3); i++) {
        char what[64];
        snprintf(what, sizeof what, "%2ldx%-3ld %4ld->%-4ld k%d s%d %s", (long)c->batch,
                 (long)c->side, (long)c->in, (long)c->out, c->kernel, c->stride, names[i]);
        total_seconds[i] += measure(nodes[i], what, flops, constant);
        total_flops[i] += flops;
    }
    graph_destroy(g);
}

static const struct conv if_convs[] = {
    {2, 64, 3, 192, 3, 1},   {2, 64, 192, 192, 3, 1}, {2, 64, 384, 192, 3, 1},
    {2, 64, 576, 192, 3, 1}, {2, 64, 192, 192, 3, 2}, {2, 64, 384, 192, 1, 1},
    {2, 32, 192, 384, 3, 1}, {2, 32, 384, 384, 3, 1}, {2, 32, 768, 384, 3, 1},
    {2, 32, 960, 384, 3, 1}, {2, 32, 768, 384, 1, 1}, {2, 16, 576, 576, 3, 1},
    {2, 16, 1152, 576, 3, 1}, {2, 8, 768, 768, 3, 1}, {2, 8, 1536, 768, 3, 1},
    {2, 64, 192, 6, 3, 1},
};
static const struct conv small_convs[] = {
    {8, 64, 3, 32, 3, 1},    {8, 64, 32, 3, 3, 1},    {8, 64, 32, 32, 3, 1},
    {8, 64, 64, 32, 3, 1},   {8, 64, 96, 32, 3, 1},   {8, 64, 32, 32, 3, 2},
    {8, 32, 32, 64, 3, 1},   {8, 32, 64, 64, 3, 1},   {8, 32, 96, 96, 3, 1},
    {8, 32, 160, 96, 3, 1},  {8, 32, 96, 96, 3, 2},   {8, 16, 128, 128, 3, 1},
    {8, 16, 192, 192, 3, 1}, {8, 16, 320, 128, 3, 1}, {8, 16, 128, 192, 1, 1},
    {8, 8, 192, 192, 3, 1},  {8, 8, 256, 256, 3, 1},  {8, 8, 512, 256, 3, 1},
    {8, 32, 64, 96, 1, 1},   {16, 64, 32, 32, 3, 1},  {16, 32, 64, 64, 3, 1},
    {16, 16, 128, 128, 3, 1}, {16, 8, 256, 256, 3, 1},
};
static const struct conv one_convs[] = {
    {1, 64, 3, 32, 3, 1},    {1, 64, 32, 32, 3, 1},   {1, 32, 64, 64, 3, 1},
    {1, 16, 128, 128, 3, 1}, {1, 8, 256, 256, 3, 1},  {1, 8, 4, 4, 1, 1},
    {2, 64, 3, 32, 3, 1},    {2, 64, 32, 32, 3, 1},   {2, 32, 96, 96, 3, 1},
    {2, 16, 192, 192, 3, 1}, {2, 8, 256, 256, 3, 1},
};

struct product {
    int64_t batch, m, k, n;
    bool ta, tb;
    bool wide; // f32 out
};
static const struct product products[] = {
    {0, 1, 128, 512, false, true},    {0, 8, 512, 512, false, true},
    {0, 128, 192, 192, false, true},  {0, 2048, 128, 128, false, true},
    {0, 2048, 128, 384, false, true}, {0, 2048, 192, 768, false, true},
    {0, 512, 256, 256, false, true},  {0, 512, 256, 1024, false, true},
    {0, 8192, 96, 96, false, true},   {0, 77, 4096, 768, false, true},
    {0, 154, 4096, 1536, false, true}, {0, 2048, 576, 576, false, true},
    {0, 8, 512, 512, false, false},   {0, 2048, 128, 128, false, false},
    {0, 512, 1024, 256, false, false}, {0, 8, 512, 512, true, false, true},
    {0, 512, 8, 512, true, false, true}, {0, 128, 2048, 128, true, false, true},
    {0, 384, 2048, 128, true, false, true}, {0, 256, 512, 256, true, false, true},
    {0, 1024, 512, 256, true, false, true}, {0, 96, 8192, 96, true, false, true},
    {0, 64, 8192, 32, true, false, true}, {16, 256, 64, 256, false, true},
    {16, 256, 256, 64, false, false}, {16, 256, 256, 64, true, false, true},
};

static void
bench_matmul(const struct product *p, enum dtype t)
{
    struct graph *g = graph_create();
    struct shape a = p->ta ? SHAPE(p->k, p->m) : SHAPE(p->m, p->k);
    struct shape b = p->tb ? SHAPE(p->n, p->k) : SHAPE(p->k, p->n);
    if (p->batch > 0) {
        a = SHAPE(p->batch, a.dim[0], a.dim[1]);
        b = SHAPE(p->batch, b.dim[0], b.dim[1]);
    }
    struct node *n = op_matmul(g, graph_input(g, "a", a, t), p->ta, graph_input(g, "b", b, t),
                               p->tb, NULL, p->wide ? DTYPE_F32 : DTYPE_NONE);
    double flops = 2.0 * (double)(p->m * p->k * p->n) * (double)MAX(p->batch, 1);
    for (int constant = 0; constant < (p->tb && p->batch == 0 ? 2 : 1); constant++) {
        char what[64];
        snprintf(what, sizeof what, "%2ld x (%ld,%ld,%ld) %c%c%s%s", (long)p->batch, (long)p->m,
                 (long)p->k, (long)p->n, p->ta ? 't' : '-', p->tb ? 't' : '-',
                 p->wide ? " wide" : "", constant ? " packed" : "");
        measure(n, what, flops, constant);
    }
    graph_destroy(g);
}

int
main(int argc, char **argv)
{
    enum dtype t = argc > 1 ? dtype_from_name(argv[1]) : DTYPE_BF16;
    const char *part = argc > 2 ? argv[2] : "small";
    struct err err = {0};
    cpu_add_dnnl(&table);
    ceiling = cpu_matmul_rate(t, &err);
    printf("oneDNN %s, %s: own rate %.0f GFLOP/s %s\n", onednn_version(), dtype_name(t),
           ceiling / 1e9, err.text);
    if (strcmp(part, "small") == 0)
        for (size_t i = 0; i < COUNT_OF(small_convs); i++)
            bench_conv(&small_convs[i], t, false);
    if (strcmp(part, "if") == 0)
        for (size_t i = 0; i < COUNT_OF(if_convs); i++)
            bench_conv(&if_convs[i], t, false);
    if (strcmp(part, "packed") == 0)
        for (size_t i = 0; i < COUNT_OF(if_convs); i++)
            bench_conv(&if_convs[i], t, true);
    if (strcmp(part, "one") == 0)
        for (size_t i = 0; i < COUNT_OF(one_convs); i++)
            bench_conv(&one_convs[i], t, true);
    if (strcmp(part, "matmul") == 0)
        for (size_t i = 0; i < COUNT_OF(products); i++)
            bench_matmul(&products[i], t);
    for (int i = 0; i < 3; i++)
        if (total_seconds[i] > 0)
            printf("%s: %.1f ms, %.0f GFLOP/s, %.0f %%\n",
                   (const char *[]){"forward", "grad_x", "grad_w"}[i], 1e3 * total_seconds[i],
                   total_flops[i] / total_seconds[i] / 1e9,
                   100 * total_flops[i] / total_seconds[i] / ceiling);
    return 0;
}
