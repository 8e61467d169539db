// SPDX-License-Identifier: MIT
// Plans of the Vulkan device: steps that change their operand, ids that name no row, weights that
// are streamed from the host, memory in parts. Skipped without a driver.
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

static void
bad_ids_are_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    struct graph *g = graph_create();
    struct node *table = graph_input(g, "table", SHAPE(7, 5), DTYPE_F32);
    struct node *ids = graph_input(g, "ids", SHAPE(3), DTYPE_I32);
    struct node *y = op_gather(g, table, ids);
    graph_output(g, y);
    struct plan *p = plan_create(g, &(struct plan_params){.device = gpu}, &err);
    assert_non_null(p);
    assert_true(plan_write(p, ids, (int32_t[]){0, 7, 1}, &err));
    assert_false(plan_run(p, &err));
    assert_int_equal(err.code, ERR_INPUT);
    err_clear(&err);
    assert_true(plan_write(p, ids, (int32_t[]){0, 6, 1}, &err) && plan_run(p, &err));
    plan_destroy(p);
    graph_destroy(g);
}

static void
in_place_steps(void **state)
{
    (void)state;
    enum { N = 1003 };
    float result[2][5][N];
    for (int k = 0; k < 2; k++) {
        struct err err = {0};
        struct device *d = k ? gpu : cpu;
        struct plan_params params = {.device = d, .plain = !k};
        for (int s = SLOT_PARAMS; s <= SLOT_EMA; s++)
            params.slots[s] = buffer_create(d, N * 4, "test", &err);
        struct graph *g = graph_create();
        struct node *p = graph_bound(g, "p", SLOT_PARAMS, 0, SHAPE(N), DTYPE_F32);
        struct node *dp = graph_bound(g, "g", SLOT_GRADS, 0, SHAPE(N), DTYPE_F32);
        struct node *m = graph_bound(g, "m", SLOT_ADAM_M, 0, SHAPE(N), DTYPE_F32);
        struct node *v = graph_bound(g, "v", SLOT_ADAM_V, 0, SHAPE(N), DTYPE_F32);
        struct node *e = graph_bound(g, "e", SLOT_EMA, 0, SHAPE(N), DTYPE_F32);
        struct node *x = graph_input(g, "x", SHAPE(N), DTYPE_F32);
        struct node *hyper = graph_input(g, "hyper", SHAPE(8), DTYPE_F32);
        struct node *decay = graph_input(g, "decay", SHAPE_SCALAR, DTYPE_F32);
        struct node *sum = op_accumulate(g, dp, x);
        op_ema(g, e, op_adamw(g, p, sum, m, v, hyper, op_sumsq(g, sum)), decay);
        struct plan *plan = plan_create(g, &params, &err);
        assert_non_null(plan);
        float data[N], keep = 0.9f, h[8] = {0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.1f, 0.01f, 1};
        rng_fill_normal(3, RNG_STREAM_TEST, 0, data, N);
        assert_true(buffer_write(params.slots[SLOT_PARAMS], 0, data, sizeof data, &err));
        for (int i = 0; i < 3; i++) {
            rng_fill_normal(4, RNG_STREAM_TEST, (uint64_t)(9999 * i), data, N);
            assert_true(plan_write(plan, x, data, &err) && plan_write(plan, hyper, h, &err) &&
                        plan_write(plan, decay, &keep, &err) && plan_run(plan, &err));
        }
        for (int s = SLOT_PARAMS; s <= SLOT_EMA; s++)
            assert_true(buffer_read(params.slots[s], 0, result[k][s - SLOT_PARAMS], N * 4, &err));
        plan_destroy(plan);
        graph_destroy(g);
        for (int s = SLOT_PARAMS; s <= SLOT_EMA; s++)
            buffer_destroy(params.slots[s]);
    }
    for (int s = 0; s < 5; s++)
        for (int i = 0; i < N; i++)
            if (fabsf(result[0][s][i] - result[1][s][i]) > 2e-6f * fmaxf(1, fabsf(result[0][s][i])))
                fail_msg("slot %d, element %d: %g instead of %g", s, i, result[1][s][i],
                         result[0][s][i]);
}

// A chain of layers whose weights stay with the host gives the same bits, from a ring much smaller
// than all of them.
static void
weights_are_streamed(void **state)
{
    (void)state;
    enum { LAYERS = 12, C = 64, BLOCK = C * C * 9 * 4 };
    // At once; streamed; in four parts; in parts and packed; in parts and streamed.
    static const struct { bool offload, constant; int part; } ways[] = {
        {false, false, 0}, {true, false, 0}, {false, false, 3}, {false, true, 3}, {true, true, 3}};
    float result[COUNT_OF(ways)][2 * 5 * 5 * C];
    size_t scratch[COUNT_OF(ways)];
    for (size_t way = 0; way < COUNT_OF(ways); way++) {
        struct err err = {0};
        device_set_offload(gpu, ways[way].offload);
        vk_of(gpu)->part = (size_t)ways[way].part * BLOCK;
        struct plan_params params = {.device = gpu, .constant_params = ways[way].constant};
        params.slots[SLOT_PARAMS] = buffer_create_weights(gpu, LAYERS * BLOCK, "weights", &err);
        float *w = mem_alloc(LAYERS * BLOCK);
        rng_fill_normal(9, RNG_STREAM_TEST, 0, w, LAYERS * BLOCK / 4);
        for (int i = 0; i < LAYERS * BLOCK / 4; i++)
            w[i] *= 0.04f;
        assert_true(buffer_write(params.slots[SLOT_PARAMS], 0, w, LAYERS * BLOCK, &err));
        struct graph *g = graph_create();
        struct node *x = graph_input(g, "x", SHAPE(2, 5, 5, C), DTYPE_F32), *y = x;
        for (int i = 0; i < LAYERS; i++)
            y = op_conv2d(g, y, graph_bound(g, "w", SLOT_PARAMS, (size_t)i * BLOCK,
                                            SHAPE(C, C, 3, 3), DTYPE_F32), NULL, 1, 1);
        graph_output(g, y);
        struct plan *p = plan_create(g, &params, &err);
        assert_non_null(p);
        assert_true(plan_write(p, x, w, &err) && plan_run(p, &err) && plan_run(p, &err) &&
                    plan_read(p, y, result[way], &err));
        struct plan_stats stats;
        plan_stats(p, &stats);
        scratch[way] = stats.scratch;
        int parts = 0;
        for (struct vk_memory *m = params.slots[SLOT_PARAMS]->memory; m; m = m->next)
            parts++;
        assert_int_equal(parts, ways[way].part ? 4 : 1);
        // All of it is what was written, whatever became of it on the device.
        float *back = mem_alloc(LAYERS * BLOCK);
        assert_true(buffer_read(params.slots[SLOT_PARAMS], 0, back, LAYERS * BLOCK, &err));
        assert_memory_equal(back, w, LAYERS * BLOCK);
        free(back);
        plan_destroy(p);
        graph_destroy(g);
        buffer_destroy(params.slots[SLOT_PARAMS]);
        free(w);
    }
    device_set_offload(gpu, false);
    vk_of(gpu)->part = 0;
    for (size_t way = 1; way < COUNT_OF(ways); way++)
        assert_memory_equal(result[0], result[way], sizeof result[0]);
    assert_true(fabsf(result[0][7]) > 1e-9f);
    assert_true(scratch[1] > scratch[0] && scratch[1] - scratch[0] < LAYERS * BLOCK / 2);
}

// A tensor in two parts cannot be bound.
static void
no_tensor_lies_in_two_parts(void **state)
{
    (void)state;
    struct err err = {0};
    vk_of(gpu)->part = 4096;
    struct plan_params params = {.device = gpu};
    params.slots[SLOT_PARAMS] = buffer_create_weights(gpu, 10000, "weights", &err);
    vk_of(gpu)->part = 0;
    assert_non_null(params.slots[SLOT_PARAMS]);
    struct graph *g = graph_create();
    graph_output(g,
                 op_affine(g, graph_bound(g, "w", SLOT_PARAMS, 4032, SHAPE(32), DTYPE_F32), 2, 0));
    assert_null(plan_create(g, &params, &err));
    assert_int_equal(err.code, ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "in two allocations"));
    graph_destroy(g);
    buffer_destroy(params.slots[SLOT_PARAMS]);
}

int
main(void)
{
    if (!vulkan_is_there())
        return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_ids_are_an_error),
        cmocka_unit_test(in_place_steps),
        cmocka_unit_test(weights_are_streamed),
        cmocka_unit_test(no_tensor_lies_in_two_parts),
        cmocka_unit_test(layers_are_silent),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}
