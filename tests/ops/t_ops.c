// SPDX-License-Identifier: MIT
// Every row of the op table: has a case; its gradient agrees with central differences in float64;
// a fused op equals its expansion; the device's kernel equals the plain kernel within the row's
// tolerance in f32 and bf16.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/device/device.h"
#include "engine/ops/grad.h"
#include "tests/ops/cases.h"

static struct device *cpu;

struct run {
    struct graph *g;
    struct plan *p;
};

static struct plan *
plan_for(struct graph *g, bool plain)
{
    struct err err = {0};
    struct plan_params params = {.device = cpu, .plain = plain};
    struct plan *p = plan_create(g, &params, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

// Input k of the case, filled from its own stream.
static void
fill(struct plan *p, const struct node *n, bool positive, int k)
{
    struct err err = {0};
    int64_t count = shape_count(&n->shape);
    double *v = mem_alloc((size_t)count * sizeof *v);
    struct rng rng;
    rng_init(&rng, 7, (uint64_t)(RNG_STREAM_TEST + 16 * (k + 1)));
    void *data = mem_zalloc(dtype_bytes(n->dtype, count));
    for (int64_t i = 0; i < count; i++) {
        v[i] = n->dtype == DTYPE_I32 ? (double)rng_below(&rng, 7)
               : positive            ? 0.5 + 1.5 * rng_uniform(&rng)
                                     : rng_normal(&rng);
        dtype_store(n->dtype, data, i, v[i]);
    }
    assert_true(plan_write(p, n, data, &err));
    free(data);
    free(v);
}

static void
fill_all(struct plan *p, struct graph *g, bool positive)
{
    int k = 0;
    for (int id = 0; id < graph_count(g); id++)
        if (graph_node(g, id)->flags & NODE_INPUT)
            fill(p, graph_node(g, id), positive, k++);
}

static double *
read_doubles(struct plan *p, const struct node *n)
{
    struct err err = {0};
    int64_t count = shape_count(&n->shape);
    void *data = mem_alloc(dtype_bytes(n->dtype, count));
    if (!plan_run(p, &err) || !plan_read(p, n, data, &err))
        fail_msg("%s", err.text);
    double *v = mem_alloc((size_t)count * sizeof *v);
    for (int64_t i = 0; i < count; i++)
        v[i] = dtype_load(n->dtype, data, i);
    free(data);
    return v;
}

static void
every_op_has_a_case(void **state)
{
    (void)state;
    for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
        bool found = false;
        for (int i = 0; i < op_case_count; i++)
            found |= op_cases[i].op == (enum op)op;
        if (!found)
            fail_msg("op %s has no case in tests/ops/cases.c", op_rows[op].name);
    }
}

// d/dx of sum(w * y) by central differences, w random.
static void
check_gradient(const struct op_case *c)
{
    struct err err = {0};
    struct graph *g = graph_create();
    struct node *y = c->build(g, DTYPE_F64);
    struct node *w = graph_input(g, "weights", y->shape, DTYPE_F64);
    struct node *loss = op_sum(g, op_mul(g, y, w), (1u << y->shape.rank) - 1);
    struct node *inputs[OP_SRC_MAX + 1], *grads[OP_SRC_MAX + 1];
    int count = 0, last = graph_count(g);
    for (int id = 0; id < last; id++) {
        struct node *n = graph_node(g, id);
        if (n->flags & NODE_INPUT && n != w && n->dtype == DTYPE_F64)
            inputs[count++] = n;
    }
    graph_output(g, loss);
    if (!grad_add(g, loss, inputs, count, grads, &err))
        fail_msg("%s: %s", c->text, err.text);
    for (int i = 0; i < count; i++) {
        assert_int_equal(grads[i] == NULL, c->fixed >> i & 1);
        if (grads[i])
            graph_output(g, grads[i]);
    }
    struct plan *p = plan_for(g, true);
    fill_all(p, g, c->positive);
    for (int i = 0; i < count; i++) {
        if (!grads[i])
            continue;
        int64_t n = shape_count(&inputs[i]->shape);
        double *analytic = read_doubles(p, grads[i]), *x = mem_alloc((size_t)n * sizeof *x);
        assert_true(shape_equal(&grads[i]->shape, &inputs[i]->shape));
        assert_true(plan_read(p, inputs[i], x, &err));
        double worst = 0, largest = 1e-3;
        for (int64_t k = 0; k < n; k++) {
            double h = 1e-5, old = x[k], value[2];
            for (int side = 0; side < 2; side++) {
                x[k] = old + (side ? -h : h);
                assert_true(plan_write(p, inputs[i], x, &err));
                double *v = read_doubles(p, loss);
                value[side] = v[0];
                free(v);
            }
            x[k] = old;
            assert_true(plan_write(p, inputs[i], x, &err));
            worst = fmax(worst, fabs((value[0] - value[1]) / (2 * h) - analytic[k]));
            largest = fmax(largest, fabs(analytic[k]));
        }
        if (worst > 1e-6 * largest + 1e-8)
            fail_msg("%s: gradient of source %d off by %g of %g", c->text, i, worst, largest);
        free(analytic);
        free(x);
    }
    plan_destroy(p);
    graph_destroy(g);
}

static void
gradients_agree_with_finite_differences(void **state)
{
    (void)state;
    int checked = 0;
    for (int i = 0; i < op_case_count; i++)
        if (!op_cases[i].by_hand && op_rows[op_cases[i].op].grad) {
            check_gradient(&op_cases[i]);
            checked++;
        }
    assert_true(checked > 30);
}

// Largest |a-b| relative to the largest |b|.
static double
difference(const double *a, const double *b, int64_t n)
{
    double worst = 0, largest = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(a[i]))
            return INFINITY;
        worst = fmax(worst, fabs(a[i] - b[i]));
        largest = fmax(largest, fabs(b[i]));
    }
    return worst / largest;
}

static void
fused_ops_equal_their_expansion(void **state)
{
    (void)state;
    int checked = 0;
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->by_hand || !op_rows[c->op].expand)
            continue;
        struct graph *g = graph_create();
        struct node *y = c->build(g, DTYPE_F64), *e = op_rows[c->op].expand(g, y);
        graph_output(g, y);
        graph_output(g, e);
        struct plan *p = plan_for(g, true);
        fill_all(p, g, c->positive);
        double *a = read_doubles(p, y), *b = read_doubles(p, e);
        double worst = difference(a, b, shape_count(&y->shape));
        if (worst > 1e-12)
            fail_msg("%s differs from its expansion by %g", c->text, worst);
        free(a);
        free(b);
        plan_destroy(p);
        graph_destroy(g);
        checked++;
    }
    assert_true(checked >= 12);
}

static void
device_agrees_with_plain(enum dtype dtype, double unit)
{
    for (int i = 0; i < op_case_count; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->by_hand)
            continue;
        double *result[2];
        int64_t n = 0;
        for (int plain = 0; plain < 2; plain++) {
            struct graph *g = graph_create();
            struct node *y = c->build(g, dtype);
            graph_output(g, y);
            n = shape_count(&y->shape);
            struct plan *p = plan_for(g, plain);
            fill_all(p, g, c->positive);
            result[plain] = read_doubles(p, y);
            plan_destroy(p);
            graph_destroy(g);
        }
        double worst = difference(result[0], result[1], n);
        if (worst > op_rows[c->op].tolerance + unit)
            fail_msg("%s %s: fast kernel off by %g", c->text, dtype_name(dtype), worst);
        free(result[0]);
        free(result[1]);
    }
}

static void
fast_kernels_agree_in_f32(void **state)
{
    (void)state;
    device_agrees_with_plain(DTYPE_F32, 0);
}

static void
fast_kernels_agree_in_bf16(void **state)
{
    (void)state;
    device_agrees_with_plain(DTYPE_BF16, 1.0 / 128); // one unit in the last place of 8 bits
}

static void
fast_kernels_agree_in_f16(void **state)
{
    (void)state;
    device_agrees_with_plain(DTYPE_F16, 1.0 / 1024);
}

// Checkpointing changes where values live, not what they are.
static void
checkpointing_keeps_the_gradient_and_saves_memory(void **state)
{
    (void)state;
    struct err err = {0};
    float *result[2];
    size_t arena[2];
    for (int with = 0; with < 2; with++) {
        struct graph *g = graph_create();
        struct node *x = graph_input(g, "0", SHAPE(64, 64), DTYPE_F32), *h = x;
        struct node *w = graph_input(g, "1", SHAPE(64, 64), DTYPE_F32);
        for (int layer = 0; layer < 12; layer++) {
            graph_segment(g, with ? 1 + layer / 3 : 0);
            h = op_tanh(g, op_affine(g, op_matmul(g, h, false, w, true, NULL, DTYPE_NONE), 0.2, 0));
            h = op_silu(g, op_add(g, h, x));
            if (layer % 3 == 2)
                h->flags |= NODE_KEEP;
        }
        graph_segment(g, 0);
        struct node *loss = op_sum(g, op_mul(g, h, h), 3), *dw;
        assert_true(grad_add(g, loss, &w, 1, &dw, &err));
        graph_output(g, dw);
        struct plan *p = plan_for(g, false);
        fill_all(p, g, false);
        result[with] = mem_alloc(64 * 64 * sizeof(float));
        assert_true(plan_run(p, &err) && plan_read(p, dw, result[with], &err));
        struct plan_stats stats;
        plan_stats(p, &stats);
        arena[with] = stats.arena;
        assert_true(stats.arena <= 1.3 * (double)stats.lower_bound);
        plan_destroy(p);
        graph_destroy(g);
    }
    assert_memory_equal(result[0], result[1], 64 * 64 * sizeof(float));
    assert_true(arena[1] < 0.8 * (double)arena[0]);
    free(result[0]);
    free(result[1]);
}

static void
wrong_shapes_are_a_sentence(void **state)
{
    (void)state;
    struct err err = {0};
    struct graph *g = graph_create();
    struct node *a = graph_input(g, "a", SHAPE(2, 3), DTYPE_F32);
    struct node *b = graph_input(g, "b", SHAPE(4, 5), DTYPE_F32);
    graph_output(g, op_matmul(g, a, false, b, false, NULL, DTYPE_NONE));
    struct plan *p = plan_create(g, &(struct plan_params){.device = cpu}, &err);
    assert_null(p);
    assert_string_equal(err.text, "matmul(f32 [2,3], f32 [4,5]): inner dimensions 3 and 4 differ");
    graph_destroy(g);
    g = graph_create();
    graph_input(g, "huge", SHAPE(1 << 30, 1 << 30), DTYPE_F32);
    err_clear(&err);
    assert_null(plan_create(g, &(struct plan_params){.device = cpu}, &err));
    assert_int_equal(err.code, ERR_INPUT);
    graph_destroy(g);
}

// Three steps of AdamW against the published update written out here.
static void
optimiser_steps(void **state)
{
    (void)state;
    struct err err = {0};
    enum { N = 37 };
    struct buffer *slots[SLOT_COUNT] = {0};
    for (int s = SLOT_PARAMS; s <= SLOT_EMA; s++)
        slots[s] = buffer_create(cpu, N * 4, "test", &err);
    struct graph *g = graph_create();
    struct node *p = graph_bound(g, "p", SLOT_PARAMS, 0, SHAPE(N), DTYPE_F32);
    struct node *d = graph_bound(g, "g", SLOT_GRADS, 0, SHAPE(N), DTYPE_F32);
    struct node *m = graph_bound(g, "m", SLOT_ADAM_M, 0, SHAPE(N), DTYPE_F32);
    struct node *v = graph_bound(g, "v", SLOT_ADAM_V, 0, SHAPE(N), DTYPE_F32);
    struct node *e = graph_bound(g, "e", SLOT_EMA, 0, SHAPE(N), DTYPE_F32);
    struct node *x = graph_input(g, "x", SHAPE(N), DTYPE_F32);
    struct node *hyper = graph_input(g, "hyper", SHAPE(8), DTYPE_F32);
    struct node *decay = graph_input(g, "decay", SHAPE_SCALAR, DTYPE_F32);
    struct node *sum = op_accumulate(g, d, x);
    struct node *stepped = op_adamw(g, p, sum, m, v, hyper, op_sumsq(g, sum));
    op_ema(g, e, stepped, decay);
    struct plan_params params = {.device = cpu};
    memcpy(params.slots, slots, sizeof slots);
    struct plan *plan = plan_create(g, &params, &err);
    assert_non_null(plan);
    float w[N], start[N], grad[N], half = 0.5f;
    double pw[N], pm[N] = {0}, pv[N] = {0}, pe[N] = {0}, pg[N] = {0};
    rng_fill_normal(3, RNG_STREAM_TEST, 0, start, N);
    for (int i = 0; i < N; i++)
        pw[i] = start[i];
    assert_true(buffer_write(slots[SLOT_PARAMS], 0, start, sizeof start, &err));
    for (int t = 1; t <= 3; t++) {
        rng_fill_normal(4, RNG_STREAM_TEST, (uint64_t)(100 * t), grad, N);
        float h[8] = {0.01f, 0.9f, 0.99f, 1e-8f, 0.1f, (float)(1 - pow(0.9, t)),
                      (float)(1 - pow(0.99, t)), 1.0f};
        assert_true(plan_write(plan, x, grad, &err) && plan_write(plan, hyper, h, &err));
        assert_true(plan_write(plan, decay, &half, &err) && plan_run(plan, &err));
        double norm = 0;
        for (int i = 0; i < N; i++) {
            pg[i] += grad[i]; // accumulates over the three steps
            norm += pg[i] * pg[i];
        }
        double scale = fmin(1, 1 / (sqrt(norm) + 1e-6));
        for (int i = 0; i < N; i++) {
            double gi = pg[i] * scale;
            pm[i] = 0.9 * pm[i] + 0.1 * gi;
            pv[i] = 0.99 * pv[i] + 0.01 * gi * gi;
            pw[i] -= 0.01 * 0.1 * pw[i];
            pw[i] -= 0.01 * (pm[i] / (1 - pow(0.9, t))) /
                     (sqrt(pv[i] / (1 - pow(0.99, t))) + 1e-8);
            pe[i] += 0.5 * (pw[i] - pe[i]);
        }
    }
    assert_true(buffer_read(slots[SLOT_PARAMS], 0, w, sizeof w, &err));
    for (int i = 0; i < N; i++)
        assert_true(fabs(w[i] - pw[i]) < 1e-5);
    assert_true(buffer_read(slots[SLOT_EMA], 0, w, sizeof w, &err));
    for (int i = 0; i < N; i++)
        assert_true(fabs(w[i] - pe[i]) < 1e-5);
    plan_destroy(plan);
    graph_destroy(g);
    for (int s = 0; s < SLOT_COUNT; s++)
        buffer_destroy(slots[s]);
}

static int
setup(void **state)
{
    (void)state;
    cpu = device_open("cpu", NULL);
    return cpu ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    device_close(cpu);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_op_has_a_case),
        cmocka_unit_test(gradients_agree_with_finite_differences),
        cmocka_unit_test(fused_ops_equal_their_expansion),
        cmocka_unit_test(fast_kernels_agree_in_f32),
        cmocka_unit_test(fast_kernels_agree_in_bf16),
        cmocka_unit_test(fast_kernels_agree_in_f16),
        cmocka_unit_test(checkpointing_keeps_the_gradient_and_saves_memory),
        cmocka_unit_test(wrong_shapes_are_a_sentence),
        cmocka_unit_test(optimiser_steps),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
