// SPDX-License-Identifier: MIT
// The fast kernels against the plain ones, for every instruction set this processor has: f32, bf16
// and f16, sizes 1, primes and around the widths of tiles; bytes around result and scratch stay
// untouched, the same input gives the same bits, and one thread agrees with several.
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "plain.h"

// One node in a graph of its own.
#define CHECK(expression)                                                                          \
    do {                                                                                           \
        struct graph *g = graph_create();                                                          \
        check(g, expression);                                                                      \
        graph_destroy(g);                                                                          \
    } while (0)
#define X(...) graph_input(g, "x", SHAPE(__VA_ARGS__), t)
#define W(...) graph_input(g, "w", SHAPE(__VA_ARGS__), DTYPE_F32)
#define I(...) graph_input(g, "i", SHAPE(__VA_ARGS__), DTYPE_I32)
#define EACH_DTYPE(t)                                                                              \
    for (int d_ = 0; d_ < DTYPES; d_++)                                                            \
        for (enum dtype t = dtypes[d_], *once_ = &t; once_; once_ = NULL)

static const int64_t sizes[] = {1, 2, 15, 16, 17, 101, 1023, 1024, 1025, 20011, 70001};

static void
elementwise(void **state)
{
    (void)state;
    EACH_DTYPE(t)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            int64_t n = sizes[i];
            spread = 4;
            CHECK(op_silu(g, X(n)));
            CHECK(op_gelu(g, X(n)));
            CHECK(op_gelu_tanh(g, X(n)));
            CHECK(op_silu_grad(g, X(n), X(n)));
            CHECK(op_gelu_grad(g, X(n), X(n)));
            CHECK(op_gelu_tanh_grad(g, X(n), X(n)));
            CHECK(op_relu(g, X(n)));
            CHECK(op_step(g, X(n)));
            CHECK(op_tanh(g, X(n)));
            CHECK(op_erf(g, X(n)));
            CHECK(op_exp(g, X(n)));
            CHECK(op_affine(g, X(n), -1.5, 0.3));
            for (size_t k = 0; k < DTYPES; k++)
                CHECK(graph_add(g, OP_cast, NULL, (struct node *[]){X(n)}, 1, dtypes[k], NULL));
            centre = 5;
            CHECK(op_log(g, X(n)));
            CHECK(op_sqrt(g, X(n)));
            centre = 0;
            spread = 1;
        }
}

// Units in the last place of the worst of many arguments, through the kernel itself.
static double
worst_ulp(int isa, enum op op, double (*truth)(double), double low, double high)
{
    enum { N = 100000 };
    struct graph *g = graph_create();
    struct node *x = graph_input(g, "x", SHAPE(N), DTYPE_F32);
    struct node *y = graph_add(g, op, NULL, &x, 1, DTYPE_NONE, NULL);
    float *in = mem_alloc(N * sizeof *in), *out = mem_alloc(N * sizeof *out);
    for (int i = 0; i < N; i++)
        in[i] = (float)(low + (high - low) * i / (N - 1));
    struct cpu_step s = {.node = y, .dst = out, .src = {in}};
    const struct cpu_kernel *k = tables[isa].kernels[op][0];
    assert_true(k->prepare(&s));
    k->run(&s);
    double worst = 0;
    for (int i = 0; i < N; i++) {
        double t = truth((double)in[i]), last = ldexp(1, MAX(ilogb(t), -126) - 23);
        double off = fabs((double)out[i] - t) / last;
        if (t != 0 && !(off <= worst))
            worst = off;
    }
    free(in);
    free(out);
    graph_destroy(g);
    return worst;
}

static void
functions_are_accurate(void **state)
{
    (void)state;
    static const struct {
        enum op op;
        double (*truth)(double);
        double low, high, ulp;
    } rows[] = {
        {OP_exp, exp, -103, 88.7, 2},   {OP_exp, exp, -1, 1, 2},
        {OP_log, log, 1e-40, 1e-36, 2}, {OP_log, log, 0.25, 4, 2},
        {OP_log, log, 4, 1e30, 2},      {OP_tanh, tanh, -10, 10, 4},
        {OP_tanh, tanh, -0.4, 0.4, 4},  {OP_erf, erf, -5, 5, 4},
        {OP_erf, erf, -0.6, 0.6, 4},    {OP_erf, erf, 1e-30, 1e-20, 4},
        {OP_sqrt, sqrt, 1e-30, 7, 1},
    };
    for (int isa = 0; isa < ISAS; isa++)
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            double ulp = worst_ulp(isa, rows[i].op, rows[i].truth, rows[i].low, rows[i].high);
            if (!(ulp <= rows[i].ulp))
                fail_msg("%s on [%g,%g] (%s): %g ulp", op_rows[rows[i].op].name, rows[i].low,
                         rows[i].high, isas[isa], ulp);
        }
}

static void
special_values(void **state)
{
    (void)state;
    static const float in[] = {INFINITY, -INFINITY, NAN, 0, -0.0f, 1e38f, -1e38f, 1e-45f};
    static const enum op ops[] = {OP_exp, OP_log, OP_tanh, OP_erf, OP_sqrt, OP_relu,
                                  OP_silu, OP_gelu, OP_gelu_tanh};
    enum { N = COUNT_OF(in) };
    for (int isa = 0; isa < ISAS; isa++)
        for (size_t k = 0; k < COUNT_OF(ops); k++) {
            struct graph *g = graph_create();
            struct node *x = graph_input(g, "x", SHAPE(N), DTYPE_F32);
            struct node *y = graph_add(g, ops[k], NULL, &x, 1, DTYPE_NONE, NULL);
            float out[N], plain[N];
            struct cpu_step s = {.node = y, .dst = out, .src = {in}};
            tables[isa].kernels[ops[k]][0]->run(&s);
            s.dst = plain;
            cpu_plain[ops[k]](&s, NULL);
            for (size_t i = 0; i < N; i++) {
                // infinity times zero may be either; exp(-x) ends at exp(88)
                bool either = isinf(in[i]) && ops[k] >= OP_silu;
                float allowed = 1e-6f * fabsf(plain[i]) + 1e-30f;
                allowed += isnan(in[i]) ? 0 : 1e-38f * fabsf(in[i]);
                bool same = isnan(plain[i])   ? isnan(out[i])
                            : isinf(plain[i]) ? out[i] == plain[i]
                                              : fabsf(out[i] - plain[i]) <= allowed;
                same = same || either;
                if (!same)
                    fail_msg("%s(%g) (%s) is %g, not %g", op_rows[ops[k]].name, (double)in[i],
                             isas[isa], (double)out[i], (double)plain[i]);
            }
            graph_destroy(g);
        }
}

static void
broadcasting(void **state)
{
    (void)state;
    EACH_DTYPE(t)
        for (int k = 0; k < 4; k++) {
            struct node *(*f)(struct graph *, struct node *, struct node *) =
                (struct node * (*[])(struct graph *, struct node *, struct node *)){
                    op_add, op_sub, op_mul, op_div}[k];
            centre = k == 3 ? 3 : 0;
            CHECK(f(g, X(70001), X(70001)));
            CHECK(f(g, X(37, 5, 19), W(19)));
            CHECK(f(g, X(3, 41, 7, 5), X(3, 1, 1, 5)));
            CHECK(f(g, X(3, 41, 7, 5), W(41, 1, 1)));
            CHECK(f(g, X(2, 3, 4, 5), X(2, 3, 4, 1)));
            CHECK(f(g, X(2, 3, 4, 2053), W(2, 1, 4, 1)));
            CHECK(f(g, X(2, 3, 4, 2053), W(2, 1, 1, 2053)));
            CHECK(f(g, X(1, 5), X(3, 1)));
            CHECK(f(g, X(3, 1), W(1, 1025)));
            CHECK(f(g, X(9, 1025), graph_input(g, "s", SHAPE_SCALAR, DTYPE_F32)));
            CHECK(f(g, X(1), X(1)));
            CHECK(f(g, W(5, 1, 3, 1, 7), X(1, 2, 1, 4, 1)));
            CHECK(f(g, W(300, 300), X(300, 1)));
            centre = 0;
        }
    EACH_DTYPE(t) {
        CHECK(op_broadcast(g, X(3, 1, 5), SHAPE(2, 3, 4, 5)));
        CHECK(op_broadcast(g, X(1), SHAPE(70001)));
        CHECK(op_broadcast(g, X(7, 1), SHAPE(7, 1500)));
    }
}

static void
reductions(void **state)
{
    (void)state;
    EACH_DTYPE(t) {
        for (uint32_t axes = 1; axes < 16; axes++) {
            if (axes != 5 && axes != 10) { // four merged axes: the plain kernel's
                CHECK(op_sum(g, X(3, 5, 7, 11), axes));
                CHECK(op_max(g, X(3, 5, 7, 11), axes));
            }
            CHECK(op_sum(g, X(1, 37, 1, 3), axes));
        }
        centre = 0.5; // sums that do not cancel
        CHECK(op_sum(g, X(8, 32, 33, 3), 7));
        CHECK(op_sum(g, X(8, 32, 33, 3), 6));
        CHECK(op_sum(g, X(4, 17, 19, 64), 7));
        CHECK(op_sum(g, X(2, 5, 7, 1300), 7));
        CHECK(op_sum(g, X(70001), 1));
        CHECK(op_sum(g, X(3, 30011), 2));
        CHECK(op_sum(g, X(3, 7, 5003), 5));
        CHECK(op_max(g, X(70001), 1));
        CHECK(op_max(g, X(1021, 33), 1));
        CHECK(op_sumsq(g, X(300007)));
        CHECK(op_sumsq(g, X(1)));
        centre = 0;
        CHECK(op_sum(g, X(300007), 1));
    }
}

static void
row_norms(void **state)
{
    (void)state;
    static const int64_t widths[] = {2, 3, 16, 77, 1101, 4096};
    EACH_DTYPE(t)
        for (size_t i = 0; i < COUNT_OF(widths); i++)
            for (int64_t rows = 1; rows < 80; rows += 39) {
                int64_t n = widths[i];
                spread = 3;
                CHECK(op_softmax(g, X(rows, n)));
                spread = 1 / sqrt((double)n); // the sum of y dy is then of dy's size, as in life
                CHECK(op_softmax_grad(g, X(rows, n), X(rows, n)));
                spread = 1;
                CHECK(op_layer_norm(g, X(rows, n), 1e-5));
                CHECK(op_layer_norm_grad(g, X(rows, n), X(rows, n), 1e-3));
                CHECK(op_rms_norm(g, X(rows, n), 1e-6));
                CHECK(op_rms_norm_grad(g, X(rows, n), X(rows, n), 1e-3));
            }
}

static void
group_norms(void **state)
{
    (void)state;
    static const int64_t shapes[][5] = {{1, 1, 2, 8, 4},    {1, 7, 9, 6, 3},    {2, 5, 5, 32, 8},
                                        {3, 8, 8, 20, 5},   {1, 16, 16, 96, 32}, {5, 3, 3, 260, 4},
                                        {9, 16, 16, 16, 1}, {2, 1, 131, 64, 32}};
    static const enum activation acts[] = {ACT_NONE, ACT_SILU, ACT_GELU};
    EACH_DTYPE(t)
        for (size_t i = 0; i < COUNT_OF(shapes); i++)
            for (int k = 0; k < 3; k++) {
                int64_t n = shapes[i][0], h = shapes[i][1], w = shapes[i][2], c = shapes[i][3];
                int64_t rows = k == 1 ? 1 : n;
                int groups = (int)shapes[i][4];
                enum activation act = acts[k];
                CHECK(op_group_norm(g, X(n, h, w, c), W(rows, c), W(rows, c), groups, 1e-5, act));
                CHECK(op_group_norm_sums(g, X(n, h, w, c), W(rows, c), W(rows, c), X(n, h, w, c),
                                         groups, 1e-5, act));
                CHECK(op_group_norm_grad(g, X(n, h, w, c), W(rows, c), W(rows, c), X(n, h, w, c),
                                         W(n, 4, c), groups, 1e-5, act));
            }
    // a mean a thousand times the deviation
    enum dtype t = DTYPE_F32;
    centre = 1000;
    CHECK(op_group_norm(g, X(2, 16, 16, 32), W(1, 32), W(1, 32), 8, 1e-5, ACT_NONE));
    centre = 0;
}

static void
movement(void **state)
{
    (void)state;
    EACH_DTYPE(t) {
        CHECK(op_concat(g, (struct node *[]){X(7, 3, 5), X(7, 3, 4), X(7, 3, 1)}, 3, 2));
        CHECK(op_concat(g, (struct node *[]){X(70, 33, 50), X(70, 33, 64)}, 2, 2));
        CHECK(op_concat(g, (struct node *[]){X(1, 40001), X(1, 90001)}, 2, 1));
        CHECK(op_concat(g, (struct node *[]){X(2, 3), X(5, 3), X(1, 3), X(4, 3)}, 4, 0));
        CHECK(op_slice(g, X(7, 9, 13), 1, 2, 5));
        CHECK(op_slice(g, X(70, 19, 113), 2, 50, 63));
        CHECK(op_slice(g, X(90001), 0, 13, 80000));
        CHECK(op_pad(g, X(7, 9, 13), 1, 2, 0));
        CHECK(op_pad(g, X(70, 19, 113), 2, 3, 64));
        CHECK(op_pad(g, X(30), 0, 1, 90001));
        CHECK(op_gather(g, X(5, 37), I(3, 11)));
        CHECK(op_gather(g, X(5, 1), I(2000)));
        CHECK(op_gather_grad(g, I(3, 11), X(3, 11, 37), SHAPE(5, 37)));
        CHECK(op_gather_grad(g, I(700), X(700, 1100), SHAPE(5, 1100)));
        static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {0, 3, 1, 2},
                                        {1, 0, 3, 2}, {2, 3, 0, 1}, {0, 1, 3, 2}, {1, 2, 3, 0},
                                        {3, 0, 2, 1}};
        for (size_t i = 0; i < COUNT_OF(orders); i++) {
            CHECK(op_permute(g, X(2, 33, 5, 37), orders[i]));
            CHECK(op_permute(g, X(3, 1, 70, 64), orders[i]));
            CHECK(op_permute(g, X(1, 1, 1, 1), orders[i]));
        }
        CHECK(op_upsample2(g, X(2, 3, 5, 7)));
        CHECK(op_upsample2(g, X(2, 33, 17, 64)));
        CHECK(op_downsample2(g, X(2, 4, 6, 7)));
        CHECK(op_downsample2(g, X(2, 32, 34, 48)));
        CHECK(op_downsample2(g, X(1, 2, 4, 2051)));
    }
    for (int first = 0; first < 2; first++) {
        CHECK(op_timestep_embed(g, W(1), 2, 10000, 0.5, first));
        CHECK(op_timestep_embed(g, W(5), 64, 10000, 0, first));
    }
}

static void
optimiser(void **state)
{
    (void)state;
    centre = 1.5; // second moments and the sum of squares must be positive
#define B(...) graph_bound(g, "b", SLOT_USER, 0, SHAPE(__VA_ARGS__), DTYPE_F32)
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        for (int isa = 0; isa < ISAS; isa++)
            for (int k = 0; k < 3; k++) {
                int64_t n = sizes[i];
                struct graph *g = graph_create();
                struct node *scalar = graph_input(g, "s", SHAPE_SCALAR, DTYPE_F32);
                struct node *y = k == 0   ? op_accumulate(g, B(n), W(n))
                                 : k == 1 ? op_ema(g, B(n), W(n), scalar)
                                          : op_adamw(g, B(n), W(n), B(n), B(n), W(8), scalar);
                char *src[2][OP_SRC_MAX] = {{NULL}};
                struct cpu_step s[2] = {{.node = y}, {.node = y}};
                for (int run = 0; run < 2; run++) {
                    for (int j = 0; j < y->source_count; j++)
                        s[run].src[j] = src[run][j] = random_tensor(y->source[j], (uint64_t)j, 0);
                    s[run].dst = src[run][0];
                    static const float hyper[8] = {1e-3f, 0.9f,  0.99f, 1e-8f,
                                                   0.1f,  0.19f, 0.02f, 1};
                    if (y->op == OP_adamw)
                        memcpy(src[run][4], hyper, sizeof hyper);
                }
                assert_true(tables[isa].kernels[y->op][0]->prepare(&s[0]));
                tables[isa].kernels[y->op][0]->run(&s[0]);
                assert_true(cpu_plain[y->op](&s[1], NULL));
                for (int j = 0; j < y->source_count; j++) {
                    double largest;
                    double worst = difference(y->source[j], src[0][j], y->source[j], src[1][j],
                                              &largest);
                    if (!(worst <= op_rows[y->op].tolerance * largest) ||
                        !guards_intact(src[0][j], node_bytes(y->source[j])))
                        fail_msg("%s of %d (%s): source %d off by %g", op_rows[y->op].name, (int)n,
                                 isas[isa], j, worst);
                    guarded_free(src[0][j]);
                    guarded_free(src[1][j]);
                }
                graph_destroy(g);
            }
    centre = 0;
}

static void
attention(void **state)
{
    (void)state;
    // samples, queries, keys, heads, width, bias: shape bits (4: samples, 2: heads, 1: queries)
    static const int shapes[][6] = {
        {1, 1, 1, 1, 1, 0},      {2, 5, 7, 2, 3, 3},    {2, 64, 77, 3, 32, 3},
        {1, 67, 33, 2, 64, 4},   {3, 17, 16, 2, 16, 7}, {1, 130, 300, 1, 40, 1},
        {2, 16, 1031, 1, 32, 2}, {1, 9, 19, 2, 70, 0},  {5, 33, 47, 1, 64, 5}};
    EACH_DTYPE(t)
        for (size_t i = 0; i < COUNT_OF(shapes); i++) {
            const int *v = shapes[i];
            int64_t n = v[0], q = v[1], k = v[2], c = v[3] * v[4];
            double scale = 1 / sqrt(v[4]);
            spread = 2;
#define BIAS W(v[5] & 4 ? n : 1, v[5] & 2 ? v[3] : 1, v[5] & 1 ? q : 1, k)
            CHECK(op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL, v[3], scale));
            CHECK(op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c), BIAS, v[3], scale));
            CHECK(op_attention_grad(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL, X(n, q, c), v[3],
                                    scale));
            CHECK(op_attention_grad(g, X(n, q, c), X(n, k, c), X(n, k, c), BIAS, X(n, q, c), v[3],
                                    scale));
            CHECK(op_attention_grad_bias(g, X(n, q, c), X(n, k, c), X(n, k, c), BIAS, X(n, q, c),
                                         v[3], scale));
            spread = 1;
        }
}

// More queries and keys than a tile of theirs has, in bf16: the products may be oneDNN's.
static void
long_attention(void **state)
{
    (void)state;
    static const int shapes[][6] = {
        {1, 140, 700, 2, 32, 7}, {2, 530, 130, 1, 64, 4}, {1, 128, 512, 1, 32, 1}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const int *v = shapes[i];
        enum dtype t = DTYPE_BF16;
        int64_t n = v[0], q = v[1], k = v[2], c = v[3] * v[4];
        CHECK(op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL, v[3], 1 / sqrt(v[4])));
        CHECK(op_attention(g, X(n, q, c), X(n, k, c), X(n, k, c), BIAS, v[3], 1 / sqrt(v[4])));
        CHECK(op_attention_grad(g, X(n, q, c), X(n, k, c), X(n, k, c), NULL, X(n, q, c), v[3],
                                1 / sqrt(v[4])));
        CHECK(op_attention_grad(g, X(n, q, c), X(n, k, c), X(n, k, c), BIAS, X(n, q, c), v[3],
                                1 / sqrt(v[4])));
    }
}

static void
in_place(void **state)
{
    (void)state;
    EACH_DTYPE(t)
        for (int isa = 0; isa < ISAS; isa++)
            for (int k = 0; k < 4; k++) {
                struct graph *g = graph_create();
                struct node *y = k == 0   ? op_gelu(g, X(3, 7001))
                                 : k == 1 ? op_silu_grad(g, X(3, 7001), X(3, 7001))
                                 : k == 2 ? op_sub(g, X(3, 7001), X(3, 7001))
                                          : op_mul(g, X(3, 7001), W(7001));
                struct cpu_step s = {.node = y};
                char *src[2];
                for (int j = 0; j < y->source_count; j++)
                    s.src[j] = src[j] = random_tensor(y->source[j], (uint64_t)j, 0);
                char *apart = guarded(node_bytes(y));
                const struct cpu_kernel *kernel = tables[isa].kernels[y->op][0];
                assert_true(kernel->prepare(&s));
                s.dst = apart;
                kernel->run(&s);
                int over = k == 1 || k == 2; // the second source
                s.dst = src[over];
                kernel->run(&s);
                assert_memory_equal(apart, src[over], node_bytes(y));
                for (int j = 0; j < y->source_count; j++)
                    guarded_free(src[j]);
                guarded_free(apart);
                graph_destroy(g);
            }
}

int
main(void)
{
    fill_tables();
#define TEST(name) cmocka_unit_test_setup(name, usual_values)
    const struct CMUnitTest tests[] = {
        TEST(elementwise), TEST(functions_are_accurate), TEST(special_values), TEST(broadcasting),
        TEST(reductions),  TEST(row_norms),              TEST(group_norms),    TEST(movement),
        TEST(optimiser),   TEST(attention),              TEST(long_attention),
        TEST(in_place),
    };
    int failed = 0;
    for (int threads = 1; threads <= 3; threads += 2) {
        omp_set_num_threads(threads);
        failed += cmocka_run_group_tests_name(threads == 1 ? "one thread" : "three threads", tests,
                                              NULL, NULL);
    }
    printf("%d kernels ran\n", taken);
    return failed;
}
