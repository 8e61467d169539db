// SPDX-License-Identifier: MIT
#include "both.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/device/plan.h"
#include "engine/ops/op.h"
#include "tests/ops/blocks.h"
#include "tests/vulkan/stay.h"

struct device *cpu, *gpu;

static void
fill_inputs(struct plan *p, struct graph *g, bool positive)
{
    struct err err = {0};
    int k = 0;
    for (int id = 0; id < graph_count(g); id++) {
        const struct node *n = graph_node(g, id);
        if (!(n->flags & NODE_INPUT))
            continue;
        struct rng rng;
        rng_init(&rng, 7, (uint64_t)(RNG_STREAM_TEST + 16 * (++k)));
        void *data = mem_zalloc(node_bytes(n));
        if (dtype_is_packed(n->dtype))
            blocks_random(n->dtype, data, shape_count(&n->shape), 7);
        for (int64_t i = 0; !dtype_is_packed(n->dtype) && i < shape_count(&n->shape); i++)
            dtype_store(n->dtype, data, i,
                        n->dtype == DTYPE_I32 ? (double)rng_below(&rng, 7)
                        : positive            ? 0.5 + 1.5 * rng_uniform(&rng)
                                              : rng_normal(&rng));
        assert_true(plan_write(p, n, data, &err));
        free(data);
    }
}

// Fills what no input and no output owns, and says after a run whether it is untouched.
static char *
mark(struct plan *p)
{
    struct err err = {0};
    size_t size = buffer_size(p->slots[SLOT_ARENA]);
    char *pattern = mem_alloc(size);
    memset(pattern, 0xA5, size);
    assert_true(buffer_write(p->slots[SLOT_ARENA], 0, pattern, size, &err));
    return pattern;
}

static bool
untouched(struct plan *p, struct graph *g, char *pattern)
{
    struct err err = {0};
    size_t size = buffer_size(p->slots[SLOT_ARENA]);
    assert_true(buffer_read(p->slots[SLOT_ARENA], 0, pattern, size, &err));
    for (int id = 0; id < graph_count(g); id++)
        if (p->places[id].slot == SLOT_ARENA)
            memset(pattern + p->places[id].offset, 0xA5, node_bytes(graph_node(g, id)));
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)pattern[i] != 0xA5)
            return false;
    return true;
}

static double *
run(struct device *d, bool plain, struct graph *g, struct node *y, bool positive)
{
    struct err err = {0};
    struct plan_params params = {.device = d, .plain = plain};
    struct plan *p = plan_create(g, &params, &err);
    if (!p)
        fail_msg("%s: %s", op_rows[y->op].name, err.text);
    char *pattern = mark(p);
    fill_inputs(p, g, positive);
    int64_t count = shape_count(&y->shape);
    void *data = mem_alloc(node_bytes(y));
    if (!plan_run(p, &err) || !plan_read(p, y, data, &err))
        fail_msg("%s: %s", op_rows[y->op].name, err.text);
    if (!untouched(p, g, pattern))
        fail_msg("%s writes beside its result", op_rows[y->op].name);
    double *v = mem_alloc((size_t)count * sizeof *v);
    for (int64_t i = 0; i < count; i++)
        v[i] = dtype_load(y->dtype, data, i);
    free(data);
    free(pattern);
    plan_destroy(p);
    return v;
}

static double
unit_of(enum dtype t)
{
    return t == DTYPE_BF16 ? 1.0 / 128 : t == DTYPE_F16 ? 1.0 / 1024 : 0;
}

void
check(struct graph *g, struct node *y, bool positive)
{
    if (graph_error(g)->code != ERR_NONE)
        fail_msg("%s", graph_error(g)->text);
    graph_output(g, y);
    double *want = run(cpu, true, g, y, positive), *got = run(gpu, false, g, y, positive);
    double worst = 0, largest = 1e-30;
    for (int64_t i = 0; i < shape_count(&y->shape); i++) {
        largest = fmax(largest, fabs(want[i]));
        double off = fabs(got[i] - want[i]);
        if (!(off <= worst))
            worst = off;
    }
    // Two results that round differently are one unit in the last place apart.
    double unit = unit_of(y->dtype);
    if (y->op == OP_matmul && dtype_is_packed(y->source[1]->dtype)) // weights are rounded as well
        unit = fmax(unit, unit_of(y->source[0]->dtype));
    // Of a row of one the gradient of a norm is what two equal terms leave: as exact as they are.
    bool cancels = (y->op == OP_rms_norm_grad || y->op == OP_layer_norm_grad) &&
                   shape_last(&y->shape) == 1;
    double allowed = (op_rows[y->op].tolerance + unit) * fmax(largest, cancels ? 1 : 0);
    if (!(worst <= allowed)) {
        char *text = graph_text(g);
        fail_msg("off by %g of %g, allowed %g:\n%s", worst, largest, allowed, text);
    }
    free(want);
    free(got);
}

void
layers_are_silent(void **state)
{
    (void)state;
    if (layer_messages)
        fail_msg("%d messages of the validation layers, first: %s", layer_messages, layer_message);
}

int
open_devices(void **state)
{
    (void)state;
    struct err err = {0};
    cpu = device_open("cpu", NULL);
    gpu = device_open("vulkan", &err);
    if (!gpu)
        fprintf(stderr, "%s\n", err.text);
    return cpu && gpu ? 0 : -1;
}

int
close_devices(void **state)
{
    (void)state;
    device_close(cpu);
    device_close(gpu);
    cpu = gpu = NULL;
    return 0;
}

bool
vulkan_is_there(void)
{
    struct err err = {0};
    stay_loaded();
    struct device *d = device_open("vulkan", &err);
    if (!d) {
        printf("skipped: %s\n", err.text);
        return false;
    }
    device_close(d);
    watch_layers();
    return true;
}
