// SPDX-License-Identifier: MIT
// The Vulkan device against the plain kernels: every row of the op table in f32, bf16 and f16, at
// sizes of 1, primes and around the tiles; nothing is written beside a result; the validation
// layers (core, synchronization, best practices) have nothing to say. Runs with shared memory in
// the shaders and without (LIMN_VULKAN_SERIAL), on whatever driver there is; without one it is
// skipped.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "both.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/device/vulkan/vk.h"
#include "tests/ops/blocks.h"
#include "tests/ops/cases.h"

static enum dtype dtypes[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
static size_t dtype_count = COUNT_OF(dtypes);

static void
every_case_in_every_type(void **state)
{
    (void)state;
    for (size_t t = 0; t < dtype_count; t++)
        for (int i = 0; i < op_case_count; i++)
            if (!op_cases[i].by_hand) {
                struct graph *g = graph_create();
                check(g, op_cases[i].build(g, dtypes[t]), op_cases[i].positive);
                graph_destroy(g);
            }
}

// --- edge sizes

static enum dtype t;
#define CHECK(expression)                                                                          \
    do {                                                                                           \
        struct graph *g = graph_create();                                                          \
        check(g, expression, false);                                                               \
        graph_destroy(g);                                                                          \
    } while (0)
#define X(...) graph_input(g, "x", SHAPE(__VA_ARGS__), t)
#define W(...) graph_input(g, "x", SHAPE(__VA_ARGS__), DTYPE_F32)

static void
products_of_every_size(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{1, 1, 1},    {1, 67, 3},     {31, 1, 5},
                                       {33, 65, 17}, {64, 64, 16},   {65, 31, 257},
                                       {3, 5, 1031}, {127, 129, 64}, {200, 136, 40}};
    for (size_t k = 0; k < dtype_count; k++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            int64_t m = sizes[i][0], n = sizes[i][1], c = sizes[i][2];
            t = dtypes[k];
            CHECK(op_matmul(g, X(m, c), false, X(n, c), true, W(n), DTYPE_NONE));
            CHECK(op_matmul(g, X(m, c), false, X(c, n), false, NULL, DTYPE_F32));
            CHECK(op_matmul(g, X(c, m), true, X(c, n), false, NULL, DTYPE_F32));
            CHECK(op_matmul(g, X(2, 3, m, c), false, X(2, 3, n, c), true, NULL, DTYPE_NONE));
            CHECK(op_matmul(g, X(3, m, c), false, X(n, c), true, W(n), DTYPE_NONE));
        }
}

// Weights in blocks of every type; few lines and many, which matrix units take.
static void
products_with_blocks(void **state)
{
    (void)state;
    static const int64_t sizes[][3] = {{1, 67, 256}, {33, 5, 512}, {65, 72, 768}};
    for (size_t k = 0; k < dtype_count; k++)
        for (size_t b = 0; b < COUNT_OF(block_types); b++)
            for (size_t i = 0; i < COUNT_OF(sizes); i++) {
                int64_t m = sizes[i][0], n = sizes[i][1], c = sizes[i][2];
                t = dtypes[k];
                if (k && b > 1) // how blocks are read does not depend on what they are read for
                    continue;
                struct graph *g = graph_create();
                struct node *w = graph_input(g, "w", SHAPE(n, c), block_types[b].type);
                check(g, op_matmul(g, X(m, c), false, w, true, i ? W(n) : NULL,
                                   i == 1 ? DTYPE_F32 : DTYPE_NONE), false);
                graph_destroy(g);
            }
}

static void
convolutions_of_every_size(void **state)
{
    (void)state;
    // N H W C K kernel stride padding
    static const int64_t sizes[][8] = {{1, 1, 1, 1, 1, 1, 1, 0},   {1, 1, 1, 1, 1, 3, 1, 1},
                                       {2, 7, 5, 3, 67, 3, 1, 1},  {1, 9, 11, 17, 5, 3, 2, 1},
                                       {2, 8, 8, 33, 31, 3, 2, 1}, {1, 5, 13, 65, 2, 1, 1, 0},
                                       {3, 6, 6, 4, 4, 3, 1, 0},   {1, 16, 16, 32, 64, 3, 1, 1},
                                       {1, 7, 7, 2, 3, 5, 2, 2},   {2, 5, 5, 3, 4, 1, 2, 0},
                                       {2, 12, 10, 16, 72, 3, 1, 1}, {1, 9, 9, 32, 64, 1, 1, 0}};
    for (size_t k = 0; k < dtype_count; k++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            const int64_t *s = sizes[i];
            int size = (int)s[5], stride = (int)s[6], pad = (int)s[7];
            int64_t oh = (s[1] + 2 * pad - size) / stride + 1;
            int64_t ow = (s[2] + 2 * pad - size) / stride + 1;
            t = dtypes[k];
            CHECK(op_conv2d(g, X(s[0], s[1], s[2], s[3]), X(s[4], s[3], size, size), W(s[4]),
                            stride, pad));
            CHECK(op_conv2d_grad_x(g, X(s[0], oh, ow, s[4]), X(s[4], s[3], size, size), stride, pad,
                                   SHAPE(s[0], s[1], s[2], s[3])));
            CHECK(op_conv2d_grad_w(g, X(s[0], s[1], s[2], s[3]), X(s[0], oh, ow, s[4]), size,
                                   stride, pad));
        }
}

static void
attention_of_every_size(void **state)
{
    (void)state;
    // N T S heads width
    static const int64_t sizes[][5] = {{1, 1, 1, 1, 1},   {2, 5, 67, 3, 8},  {1, 65, 33, 2, 32},
                                       {2, 17, 31, 1, 64}, {1, 130, 3, 1, 5}, {1, 3, 129, 2, 128}};
    for (size_t k = 0; k < dtype_count; k++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            const int64_t *s = sizes[i];
            int64_t c = s[3] * s[4];
            int heads = (int)s[3];
            t = dtypes[k];
            // Unrolled for registers, wide heads take LLVM minutes.
            if (s[4] > 32 && vk_of(gpu)->offer.type == VK_PHYSICAL_DEVICE_TYPE_CPU &&
                !vk_of(gpu)->serial)
                continue;
#define Q X(s[0], s[1], c)
#define K X(s[0], s[2], c)
            CHECK(op_attention(g, Q, K, K, NULL, heads, 0.3));
            CHECK(op_attention(g, Q, K, K, W(1, heads, s[1], s[2]), heads, 0.3));
            CHECK(op_attention_grad(g, Q, K, K, NULL, Q, heads, 0.3));
            CHECK(op_attention_grad(g, Q, K, K, W(s[0], 1, 1, s[2]), Q, heads, 0.3));
            CHECK(op_attention_grad_bias(g, Q, K, K, W(1, heads, s[1], s[2]), Q, heads, 0.3));
            CHECK(op_attention_grad_bias(g, Q, K, K, W(s[0], 1, 1, s[2]), Q, heads, 0.3));
        }
}

static void
norms_and_rows_of_every_size(void **state)
{
    (void)state;
    // N H W C groups
    static const int64_t sizes[][5] = {{1, 1, 1, 2, 1}, {2, 3, 5, 6, 3}, {1, 31, 33, 8, 2},
                                       {3, 7, 1, 130, 13}, {1, 64, 64, 32, 16}};
    static const int64_t rows[][2] = {{1, 1}, {3, 3}, {17, 129}, {1, 1031}, {300, 7}};
    for (size_t k = 0; k < dtype_count; k++) {
        t = dtypes[k];
        for (size_t i = 0; i < COUNT_OF(sizes); i++) {
            const int64_t *s = sizes[i], n = s[0], c = s[3];
            int groups = (int)s[4];
#define P X(n, s[1], s[2], c)
            CHECK(op_group_norm(g, P, W(n, c), W(n, c), groups, 1e-5, ACT_SILU));
            CHECK(op_group_norm(g, P, W(1, c), W(1, c), groups, 1e-5, ACT_GELU));
            CHECK(op_group_norm_sums(g, P, W(n, c), W(n, c), P, groups, 1e-5, ACT_SILU));
            CHECK(
                op_group_norm_grad(g, P, W(1, c), W(1, c), P, W(n, 4, c), groups, 1e-5, ACT_GELU));
            CHECK(op_sum(g, P, 7));
            CHECK(op_sum(g, P, 15));
            CHECK(op_sum(g, P, 6));
            CHECK(op_max(g, P, 8));
            CHECK(op_max(g, P, 3));
            CHECK(op_sumsq(g, P));
            CHECK(op_upsample2(g, P));
        }
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            int64_t n = rows[i][0], c = rows[i][1];
            CHECK(op_softmax(g, X(n, c)));
            CHECK(op_softmax_grad(g, X(n, c), X(n, c)));
            CHECK(op_layer_norm(g, X(n, c), 1e-5));
            CHECK(op_layer_norm_grad(g, X(n, c), X(n, c), 1e-5));
            CHECK(op_rms_norm(g, X(n, c), 1e-6));
            CHECK(op_rms_norm_grad(g, X(n, c), X(n, c), 1e-6));
            CHECK(op_add(g, X(n, c), W(c)));
            CHECK(op_mul(g, X(n, 3, 2, c), X(1, 3, 1, c)));
            CHECK(op_silu(g, X(n, c)));
            CHECK(op_permute(g, X(n, 2, 3, c), (int[]){3, 1, 0, 2}));
            CHECK(op_concat(g, (struct node *[]){X(n, c), X(n, 3), X(n, 1)}, 3, 1));
            CHECK(op_pad(g, X(n, c), 0, 3, 1));
            CHECK(op_gather(g, X(7, c), graph_input(g, "x", SHAPE(n), DTYPE_I32)));
            CHECK(
                op_gather_grad(g, graph_input(g, "x", SHAPE(n), DTYPE_I32), X(n, c), SHAPE(7, c)));
        }
    }
}

// Large sums over many values, and timesteps whose angles are thousands of radians.
static void
large_numbers(void **state)
{
    (void)state;
    t = DTYPE_F32;
    CHECK(op_sumsq(g, X(1 << 20)));
    CHECK(op_sum(g, X(300000, 3), 1));
    struct graph *g = graph_create();
    struct node *at = graph_input(g, "t", SHAPE(5), DTYPE_F32);
    struct node *y = op_timestep_embed(g, at, 64, 10000, 0, true);
    graph_output(g, y);
    const float steps[5] = {0, 999, 998.5f, 0.001f, 731.0625f};
    float got[5 * 64], want[5 * 64];
    for (int plain = 0; plain < 2; plain++) {
        struct err err = {0};
        struct plan_params params = {.device = plain ? cpu : gpu, .plain = plain};
        struct plan *p = plan_create(g, &params, &err);
        assert_true(p && plan_write(p, at, steps, &err) && plan_run(p, &err) &&
                    plan_read(p, y, plain ? want : got, &err));
        plan_destroy(p);
    }
    for (int i = 0; i < 5 * 64; i++)
        if (fabs(got[i] - want[i]) > 2e-6)
            fail_msg("timestep %g, place %d: %g instead of %g", steps[i / 64], i % 64, got[i],
                     want[i]);
    graph_destroy(g);
}

// Bits no rounding may lose: f16 and bf16 there and back, with infinities, NaN and subnormals.
static void
every_half_survives(void **state)
{
    (void)state;
    for (size_t k = 0; k < dtype_count; k++) {
        if (dtypes[k] == DTYPE_F32)
            continue;
        struct err err = {0};
        struct graph *g = graph_create();
        struct node *x = graph_input(g, "x", SHAPE(65536), dtypes[k]);
        struct node *wide = op_cast(g, x, DTYPE_F32), *back = op_cast(g, wide, dtypes[k]);
        graph_output(g, wide);
        graph_output(g, back);
        struct plan *p = plan_create(g, &(struct plan_params){.device = gpu}, &err);
        assert_non_null(p);
        static uint16_t all[65536], again[65536];
        static float floats[65536];
        for (int i = 0; i < 65536; i++)
            all[i] = (uint16_t)i;
        assert_true(plan_write(p, x, all, &err) && plan_run(p, &err) &&
                    plan_read(p, wide, floats, &err) && plan_read(p, back, again, &err));
        for (int i = 0; i < 65536; i++) {
            double truth = dtype_load(dtypes[k], all, i);
            if (isnan(truth))
                assert_true(isnan(floats[i]) && isnan(dtype_load(dtypes[k], again, i)));
            else if (floats[i] != truth || again[i] != all[i])
                fail_msg("%s %04x: %g became %g and %04x", dtype_name(dtypes[k]), i, truth,
                         floats[i], again[i]);
        }
        plan_destroy(p);
        graph_destroy(g);
    }
}

// Plans with constant weights have them packed in place; plans without, the host and copies see
// them as they were, in whichever order all of them come.
static void
packed_weights_are_nobodys_business(void **state)
{
    (void)state;
    enum { IN = 24, OUT = 40, COUNT = OUT * IN * 9, POINT = IN * OUT };
    static const int order[] = {0, 0, 1, 0, 2, 0, 3, 1, 4, 0, 4, 5, 0};
    for (size_t k = 0; k < dtype_count; k++) {
        struct err err = {0};
        enum dtype type = dtypes[k];
        size_t unit = dtype_size(type), size = (size_t)(COUNT + POINT) * unit;
        char *weights = mem_zalloc(size), *back = mem_zalloc(size);
        struct rng rng;
        rng_init(&rng, 3, RNG_STREAM_TEST);
        for (int i = 0; i < COUNT + POINT; i++)
            dtype_store(type, weights, i, 0.1 * rng_normal(&rng));
        struct buffer *host = buffer_create(cpu, size, "weights", &err);
        struct buffer *block = buffer_create_weights(gpu, size, "weights", &err);
        struct buffer *other = buffer_create(gpu, size, "weights", &err);
        assert_true(host && block && other && buffer_write(host, 0, weights, size, &err) &&
                    buffer_write(block, 0, weights, size, &err));
        // A 3x3 convolution, one of 1x1 behind it. The other graph reads the weights themselves.
        struct graph *g[2] = {graph_create(), graph_create()};
        struct node *x = graph_input(g[0], "x", SHAPE(1, 7, 6, IN), type);
        struct node *w = graph_bound(g[0], "w", SLOT_PARAMS, 0, SHAPE(OUT, IN, 3, 3), type);
        struct node *v =
            graph_bound(g[0], "v", SLOT_PARAMS, COUNT * unit, SHAPE(IN, OUT, 1, 1), type);
        struct node *y = op_conv2d(g[0], op_conv2d(g[0], x, w, NULL, 1, 1), v, NULL, 1, 0);
        struct node *z = op_affine(
            g[1], graph_bound(g[1], "w", SLOT_PARAMS, 0, SHAPE(OUT, IN, 3, 3), type), 2, 0);
        graph_output(g[0], y);
        graph_output(g[1], z);
        struct plan *plan[4]; // constant, changing, reading, on the CPU
        for (int i = 0; i < 4; i++) {
            struct plan_params params = {
                .device = i == 3 ? cpu : gpu, .constant_params = i == 0 || i == 2, .plain = i == 3};
            params.slots[SLOT_PARAMS] = i == 3 ? host : block;
            plan[i] = plan_create(g[i == 2], &params, &err);
            assert_non_null(plan[i]);
        }
        int64_t count = shape_count(&y->shape);
        void *got = mem_zalloc(node_bytes(z)), *want = mem_zalloc(node_bytes(y));
        for (int i = 0; i < count && i < 7 * 6 * IN; i++)
            dtype_store(type, got, i, rng_normal(&rng));
        for (int i = 0; i < 4; i++)
            assert_true(i == 2 || plan_write(plan[i], x, got, &err));
        for (size_t o = 0; o < COUNT_OF(order); o++) {
            if (order[o] <= 1) { // the convolutions
                assert_true(plan_run(plan[order[o]], &err) &&
                            plan_read(plan[order[o]], y, got, &err) && plan_run(plan[3], &err) &&
                            plan_read(plan[3], y, want, &err));
                int packed = order[o] == 0 && !vk_of(gpu)->serial;
                assert_int_equal(((struct vk_memory *)block->memory)->packed_count, packed);
                for (int64_t i = 0; i < count; i++) {
                    double off = fabs(dtype_load(type, got, i) - dtype_load(type, want, i));
                    if (!(off < (type == DTYPE_F32 ? 1e-5 : type == DTYPE_F16 ? 1e-2 : 6e-2)))
                        fail_msg("%s: call %zu: place %d is off by %g", dtype_name(type), o, (int)i,
                                 off);
                }
            } else if (order[o] == 2) { // a plan that reads the weights
                assert_true(plan_run(plan[2], &err) && plan_read(plan[2], z, got, &err));
                for (int i = 0; i < COUNT; i++)
                    assert_true(dtype_load(type, got, i) == 2 * dtype_load(type, weights, i));
            } else if (order[o] == 3) { // the host
                assert_true(buffer_read(block, 0, back, size, &err));
                assert_memory_equal(back, weights, size);
            } else if (order[o] == 4) { // a copy
                assert_true(buffer_copy(other, 0, block, 0, size, &err) &&
                            buffer_read(other, 0, back, size, &err));
                assert_memory_equal(back, weights, size);
            } else { // the weights change
                for (int i = 0; i < COUNT; i++)
                    dtype_store(type, weights, i, 0.1 * rng_normal(&rng));
                assert_true(buffer_write(block, 0, weights, size, &err) &&
                            buffer_write(host, 0, weights, size, &err));
            }
        }
        for (int i = 0; i < 4; i++)
            plan_destroy(plan[i]);
        graph_destroy(g[0]);
        graph_destroy(g[1]);
        buffer_destroy(host);
        buffer_destroy(block);
        buffer_destroy(other);
        free(weights);
        free(back);
        free(got);
        free(want);
    }
}

// What matrix units compute, and what becomes of the weights that they read.
static int
products(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_every_size),
        cmocka_unit_test(products_with_blocks),
        cmocka_unit_test(convolutions_of_every_size),
        cmocka_unit_test(packed_weights_are_nobodys_business),
        cmocka_unit_test(layers_are_silent),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

// Arguments: one type to test instead of all; "products" for these alone.
int
main(int argc, char **argv)
{
    if (argc > 1) {
        dtypes[0] = dtype_from_name(argv[1]);
        dtype_count = 1;
    }
    if (!vulkan_is_there())
        return 77;
    if (argc > 2 && strcmp(argv[2], "products") == 0)
        return products();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_in_every_type),
        cmocka_unit_test(products_of_every_size),
        cmocka_unit_test(products_with_blocks),
        cmocka_unit_test(convolutions_of_every_size),
        cmocka_unit_test(attention_of_every_size),
        cmocka_unit_test(norms_and_rows_of_every_size),
        cmocka_unit_test(large_numbers),
        cmocka_unit_test(every_half_survives),
        cmocka_unit_test(packed_weights_are_nobodys_business),
        cmocka_unit_test(layers_are_silent),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
