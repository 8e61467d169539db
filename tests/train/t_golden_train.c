// SPDX-License-Identifier: MIT
// Ten training steps of a tiny U-Net against PyTorch (tests/reference/train.py): the first
// prediction, every gradient of the first step, ten losses and gradient norms, the final weights.
// The same gradients again with activation checkpointing.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/model/model_folder.h"
#include "engine/tensor/safetensors.h"
#include "engine/nets/unet.h"
#include "engine/train/network.h"

enum { STEPS = 10, N = 2, SIDE = 8, PIXELS = SIDE * SIDE * 3, TOKENS = 5, WIDTH = 12 };

static const char *golden_folder;

struct run {
    struct safetensors *golden;
    struct model_folder *folder;
    struct device *device;
    struct params *params;
    struct buffer *slots[SLOT_COUNT];
    struct graph *g, *update;
    struct nn nn;
    struct node *sample, *target, *timestep, *text, *prediction, *loss, *hyper, *norm;
    struct plan *plan, *update_plan;
};

static void
must(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static const struct tensor_view *
need(const struct run *r, const char *name)
{
    const struct tensor_view *v = safetensors_find(r->golden, name);
    if (!v)
        fail_msg("the golden has no tensor %s", name);
    return v;
}

// Pictures of step i from N,C,H,W to N,H,W,C.
static void
picture(const struct run *r, const char *name, int step, float *out)
{
    const struct tensor_view *v = need(r, name);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < SIDE * SIDE; p++)
                out[(n * SIDE * SIDE + p) * 3 + c] = (float)dtype_load(
                    v->dtype, v->data, ((int64_t)(step * N + n) * 3 + c) * SIDE * SIDE + p);
}

static double
scalar(const struct run *r, const char *name, int i)
{
    const struct tensor_view *v = need(r, name);
    return dtype_load(v->dtype, v->data, i);
}

static double
hyper(const struct run *r, const char *key)
{
    const char *text = safetensors_metadata(r->golden, key);
    assert_non_null(text);
    return strtod(text, NULL);
}

static void
build_update(struct run *r, struct err *err)
{
    struct shape all = SHAPE((int64_t)(params_bytes(r->params) / sizeof(float)));
    struct graph *g = r->update = graph_create();
    struct node *d = graph_bound(g, "gradients", SLOT_GRADS, 0, all, DTYPE_F32);
    r->hyper = graph_input(g, "hyper", SHAPE(8), DTYPE_F32);
    r->norm = op_sumsq(g, d);
    graph_output(g, r->norm);
    op_adamw(g, graph_bound(g, "p", SLOT_PARAMS, 0, all, DTYPE_F32), d,
             graph_bound(g, "m", SLOT_ADAM_M, 0, all, DTYPE_F32),
             graph_bound(g, "v", SLOT_ADAM_V, 0, all, DTYPE_F32), r->hyper, r->norm);
    struct plan_params pp = {.device = r->device};
    memcpy(pp.slots, r->slots, sizeof pp.slots);
    r->update_plan = plan_create(g, &pp, err);
    must(r->update_plan != NULL, err);
}

static void
open_run(struct run *r, bool checkpoint)
{
    struct err err = {0};
    *r = (struct run){0};
    char *file = file_join(golden_folder, "train10.safetensors");
    char *folder = file_join(golden_folder, "train10");
    r->golden = safetensors_open(file, &err);
    must(r->golden != NULL, &err);
    r->folder = model_folder_open(folder, &err);
    must(r->folder != NULL, &err);
    r->device = device_open("cpu", &err);
    r->params = params_create(DTYPE_F32);
    must(model_folder_declare(r->folder, "unet", r->params, &err), &err);
    params_layout(r->params);
    for (int s = SLOT_PARAMS; s <= SLOT_ADAM_V; s++)
        r->slots[s] = buffer_create(r->device, params_bytes(r->params), "test", &err);
    must(model_folder_load(r->folder, "unet", r->params, r->slots[SLOT_PARAMS], NULL, &err),
         &err);
    struct graph *g = r->g = graph_create();
    r->nn = (struct nn){.g = g, .params = r->params, .dtype = DTYPE_F32, .part = "unet/",
                        .checkpoint = checkpoint};
    r->sample = graph_input(g, "sample", SHAPE(N, SIDE, SIDE, 3), DTYPE_F32);
    r->target = graph_input(g, "target", SHAPE(N, SIDE, SIDE, 3), DTYPE_F32);
    r->timestep = graph_input(g, "timestep", SHAPE(N), DTYPE_F32);
    r->text = graph_input(g, "text", SHAPE(N, TOKENS, WIDTH), DTYPE_F32);
    struct unet_inputs in = {.sample = r->sample, .timestep = r->timestep, .text = r->text};
    r->prediction = unet_build(&r->nn, parts_config(&r->folder->parts, "unet", &net_unet), &in);
    nn_segment_end(&r->nn);
    struct node *error = op_sub(g, r->prediction, r->target);
    r->loss = op_mean(g, op_mul(g, error, error), 15);
    graph_output(g, r->prediction);
    graph_output(g, r->loss);
    must(network_add_gradients(g, &r->nn, r->loss, NULL, &err), &err);
    struct plan_params pp = {.device = r->device};
    memcpy(pp.slots, r->slots, sizeof pp.slots);
    r->plan = plan_create(g, &pp, &err);
    must(r->plan && nn_constants_write(&r->nn, r->plan, &err), &err);
    build_update(r, &err);
    free(file);
    free(folder);
}

static void
close_run(struct run *r)
{
    plan_destroy(r->plan);
    plan_destroy(r->update_plan);
    nn_finish(&r->nn);
    graph_destroy(r->g);
    graph_destroy(r->update);
    for (int s = 0; s < SLOT_COUNT; s++)
        buffer_destroy(r->slots[s]);
    params_destroy(r->params);
    device_close(r->device);
    model_folder_close(r->folder);
    safetensors_close(r->golden);
}

static double
forward_backward(struct run *r, int step, float *prediction)
{
    struct err err = {0};
    float sample[N * PIXELS], target[N * PIXELS], timestep[N], text[N * TOKENS * WIDTH], loss;
    picture(r, "noisy", step, sample);
    picture(r, "target", step, target);
    for (int i = 0; i < N; i++)
        timestep[i] = (float)scalar(r, "timestep", step * N + i);
    for (int i = 0; i < N * TOKENS * WIDTH; i++)
        text[i] = (float)scalar(r, "encoder_hidden_states", step * N * TOKENS * WIDTH + i);
    must(buffer_zero(r->slots[SLOT_GRADS], &err) && plan_write(r->plan, r->sample, sample, &err) &&
             plan_write(r->plan, r->target, target, &err) &&
             plan_write(r->plan, r->timestep, timestep, &err) &&
             plan_write(r->plan, r->text, text, &err) && plan_run(r->plan, &err) &&
             plan_read(r->plan, r->loss, &loss, &err),
         &err);
    if (prediction)
        must(plan_read(r->plan, r->prediction, prediction, &err), &err);
    return loss;
}

// ||a - b|| / ||b|| of a parameter-shaped tensor of the golden and a slot.
static double
distance(struct run *r, const char *prefix, const struct param *p, enum slot slot)
{
    struct err err = {0};
    char name[512];
    snprintf(name, sizeof name, "%s%s", prefix, p->name + strlen("unet/"));
    const struct tensor_view *v = need(r, name);
    size_t count = p->size / sizeof(float);
    assert_true(shape_equal(&v->shape, &p->shape));
    float *ours = mem_alloc(p->size);
    must(buffer_read(r->slots[slot], p->offset, ours, p->size, &err), &err);
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double b = dtype_load(v->dtype, v->data, (int64_t)i);
        difference += (ours[i] - b) * (ours[i] - b);
        norm += b * b;
    }
    free(ours);
    return sqrt(difference) / (sqrt(norm) + 1e-12);
}

static void
check_gradients(struct run *r, double limit)
{
    // Tensors whose gradient is nothing but rounding (a bias before a norm) are measured against
    // the whole.
    double total = scalar(r, "gradient_norm", 0);
    for (int i = 0; i < params_entries(r->params); i++) {
        const struct param *p = params_at(r->params, i);
        char name[512];
        snprintf(name, sizeof name, "gradient.%s", p->name + strlen("unet/"));
        const struct tensor_view *v = need(r, name);
        double norm = 0;
        for (int64_t k = 0; k < shape_count(&v->shape); k++)
            norm += pow(dtype_load(v->dtype, v->data, k), 2);
        double worst = distance(r, "gradient.", p, SLOT_GRADS);
        if (worst > limit && worst * sqrt(norm) > 1e-6 * total)
            fail_msg("gradient of %s is off by %g", p->name, worst);
    }
}

static void
first_step_gradients_agree(void **state)
{
    (void)state;
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        struct run r;
        float *ours = mem_alloc(sizeof(float) * N * PIXELS), theirs[N * PIXELS];
        open_run(&r, checkpoint);
        forward_backward(&r, 0, ours);
        picture(&r, "prediction", 0, theirs);
        double difference = 0, norm = 0;
        for (int i = 0; i < N * PIXELS; i++) {
            difference += pow(ours[i] - theirs[i], 2);
            norm += pow(theirs[i], 2);
        }
        assert_true(sqrt(difference / norm) < 1e-4);
        check_gradients(&r, 1e-3);
        free(ours);
        close_run(&r);
    }
}

static void
ten_losses_agree(void **state)
{
    (void)state;
    struct err err = {0};
    struct run r;
    open_run(&r, false);
    for (int step = 0; step < STEPS; step++) {
        double loss = forward_backward(&r, step, NULL), want = scalar(&r, "loss", step);
        float h[8] = {(float)hyper(&r, "lr"), (float)hyper(&r, "beta1"), (float)hyper(&r, "beta2"),
                      (float)hyper(&r, "eps"), (float)hyper(&r, "weight_decay"),
                      (float)(1 - pow(hyper(&r, "beta1"), step + 1)),
                      (float)(1 - pow(hyper(&r, "beta2"), step + 1)), (float)hyper(&r, "clip")};
        float square;
        if (fabs(loss - want) > 1e-4 * want)
            fail_msg("loss of step %d is %.7f, PyTorch has %.7f", step, loss, want);
        must(plan_write(r.update_plan, r.hyper, h, &err) && plan_run(r.update_plan, &err) &&
                 plan_read(r.update_plan, r.norm, &square, &err),
             &err);
        double norm = scalar(&r, "gradient_norm", step);
        if (fabs(sqrt(square) - norm) > 1e-3 * norm)
            fail_msg("gradient norm of step %d is %.6f, PyTorch has %.6f", step, sqrt(square),
                     norm);
    }
    for (int i = 0; i < params_entries(r.params); i++) {
        double worst = distance(&r, "final.", params_at(r.params, i), SLOT_PARAMS);
        if (worst > 1e-3)
            fail_msg("%s ends off by %g", params_at(r.params, i)->name, worst);
    }
    close_run(&r);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    golden_folder = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_step_gradients_agree),
        cmocka_unit_test(ten_losses_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
