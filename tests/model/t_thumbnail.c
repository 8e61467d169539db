// SPDX-License-Identifier: MIT
// The thumbnail that is made from the text: nothing changes before it is trained, padding is not
// heard, gradients are those of difference quotients, and a pipeline gives the step the same one as
// a single graph has.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/draw/pipeline.h"
#include "engine/ops/grad.h"
#include "small.h"

enum { SIDE = 16, SMALL = 8, TOKENS = 5, WIDTH = 24, BATCH = 2, PIXELS = SIDE * SIDE * 3 };

static const char *spiece;

struct model {
    struct device *device;
    struct unet_config config;
    struct params *params;
    struct buffer *block;
};

// sample, timestep, text, mask -> thumbnail and answer.
struct network {
    struct graph *g;
    struct nn nn;
    struct plan *plan;
    struct unet_inputs in;
    struct node *mask, *out;
};

static void
must(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static float *
noise(size_t n, uint64_t seed)
{
    float *v = mem_alloc(n * sizeof *v);
    rng_fill_normal(seed, RNG_STREAM_TEST, 0, v, n);
    return v;
}

static void
zero(const struct model *m, const char *name)
{
    struct err err = {0};
    const struct param *p = params_find(m->params, name);
    assert_non_null(p);
    char *zeros = mem_zalloc(p->size);
    must(buffer_write(m->block, p->offset, zeros, p->size, &err), &err);
    free(zeros);
}

static char *
with_thumbnail(bool with_references)
{
    return mem_printf("%.*s,\"text_thumbnail_size\":%d%s}", (int)strlen(small_unet) - 1, small_unet,
                      SMALL, with_references ? ",\"text_thumbnail_with_references\":true" : "");
}

static void
model_open(struct model *m)
{
    struct err err = {0};
    char *json = with_thumbnail(false);
    *m = (struct model){.device = device_open("cpu", &err)};
    small_unet_config(&m->config, json);
    assert_int_equal(m->config.thumbnail_size, SMALL);
    m->params = params_create(DTYPE_F32);
    must(unet_declare(m->params, "unet/", &m->config, &err), &err);
    params_layout(m->params);
    m->block = buffer_create(m->device, params_bytes(m->params), "weights", &err);
    small_randomise(m->params, m->block, 3, false);
    free(json);
}

static void
model_close(struct model *m)
{
    buffer_destroy(m->block);
    params_destroy(m->params);
    device_close(m->device);
}

static void
begin(struct network *w, const struct model *m, int tokens, bool thumbnail)
{
    *w = (struct network){.g = graph_create()};
    w->nn = (struct nn){.g = w->g, .params = m->params, .dtype = DTYPE_F32, .part = "unet/"};
    w->in.sample = graph_input(w->g, "sample", SHAPE(BATCH, SIDE, SIDE, 3), DTYPE_F32);
    w->in.timestep = graph_input(w->g, "timestep", SHAPE(BATCH), DTYPE_F32);
    w->in.text = graph_input(w->g, "text", SHAPE(BATCH, tokens, WIDTH), DTYPE_F32);
    w->mask = graph_input(w->g, "mask", SHAPE(BATCH, tokens), DTYPE_F32);
    if (thumbnail)
        w->in.thumbnail = unet_thumbnail(&w->nn, &m->config, w->in.text, w->mask);
}

static void
run(struct network *w, const struct model *m, const float *text, const float *mask)
{
    struct err err = {0};
    float t[BATCH] = {37, 842}, *sample = noise(BATCH * PIXELS, 11);
    struct plan_params p = {.device = m->device, .slots[SLOT_PARAMS] = m->block};
    if (!w->plan)
        w->plan = plan_create(w->g, &p, &err);
    must(w->plan && nn_constants_write(&w->nn, w->plan, &err) &&
             plan_write(w->plan, w->in.sample, sample, &err) &&
             plan_write(w->plan, w->in.timestep, t, &err) &&
             plan_write(w->plan, w->in.text, text, &err) &&
             plan_write(w->plan, w->mask, mask, &err) && plan_run(w->plan, &err),
         &err);
    free(sample);
}

static void
end(struct network *w)
{
    plan_destroy(w->plan);
    nn_finish(&w->nn);
    graph_destroy(w->g);
}

// The U-Net's answer, freed by the caller.
static float *
answer(const struct model *m, bool thumbnail)
{
    struct err err = {0};
    struct network w;
    float *text = noise(BATCH * TOKENS * WIDTH, 12), *out = mem_alloc(BATCH * PIXELS * sizeof *out);
    float mask[BATCH * TOKENS] = {1, 1, 1, 1, 1, 1, 1, 1};
    begin(&w, m, TOKENS, thumbnail);
    w.out = unet_build(&w.nn, &m->config, &w.in);
    graph_output(w.g, w.out);
    run(&w, m, text, mask);
    must(plan_read(w.plan, w.out, out, &err), &err);
    end(&w);
    free(text);
    return out;
}

static void
it_changes_nothing_before_training(void **state)
{
    (void)state;
    struct model m;
    model_open(&m);
    float *plain = answer(&m, false), *trained = answer(&m, true);
    zero(&m, "unet/conv_thumbnail.weight");
    zero(&m, "unet/conv_thumbnail.bias");
    float *fresh = answer(&m, true);
    assert_memory_equal(plain, fresh, BATCH * PIXELS * sizeof *plain);
    assert_memory_not_equal(plain, trained, BATCH * PIXELS * sizeof *plain);
    free(plain);
    free(trained);
    free(fresh);
    model_close(&m);
}

// However long the padding is and whatever stands there, the thumbnail is that of the words.
static void
padding_is_not_heard(void **state)
{
    (void)state;
    enum { LONG = TOKENS + 4, OUT = BATCH * SMALL * SMALL * 3 };
    struct err err = {0};
    struct model m;
    model_open(&m);
    float *text = noise(BATCH * LONG * WIDTH, 12), first[BATCH * TOKENS * WIDTH], out[2][OUT];
    float all[BATCH * TOKENS], some[BATCH * LONG];
    for (int i = 0; i < BATCH; i++) {
        memcpy(first + i * TOKENS * WIDTH, text + i * LONG * WIDTH, TOKENS * WIDTH * sizeof *text);
        for (int k = 0; k < LONG; k++)
            some[i * LONG + k] = k < TOKENS;
        for (int k = 0; k < TOKENS; k++)
            all[i * TOKENS + k] = 1;
    }
    for (int k = 0; k < 2; k++) {
        struct network w;
        begin(&w, &m, k ? LONG : TOKENS, true);
        graph_output(w.g, w.in.thumbnail);
        // The other inputs have a use, so that they stay in the plan.
        graph_output(w.g, op_affine(w.g, w.in.sample, 2, 0));
        graph_output(w.g, op_affine(w.g, w.in.timestep, 2, 0));
        run(&w, &m, k ? text : first, k ? some : all);
        must(plan_read(w.plan, w.in.thumbnail, out[k], &err), &err);
        end(&w);
    }
    double size = 0;
    for (int i = 0; i < OUT; i++) {
        size = fmax(size, fabs(out[0][i]));
        if (fabs(out[0][i] - out[1][i]) > 1e-5)
            fail_msg("%d: %g, with padding %g", i, out[0][i], out[1][i]);
    }
    assert_true(size > 0.1);
    free(text);
    model_close(&m);
}

static double
loss_at(struct network *w, const struct model *m, struct node *loss, const float *text,
        const float *mask)
{
    struct err err = {0};
    float value;
    run(w, m, text, mask);
    must(plan_read(w->plan, loss, &value, &err), &err);
    return value;
}

// Along the gradient of each weight of the head, the loss grows as fast as the gradient says.
static void
gradients_are_difference_quotients(void **state)
{
    (void)state;
    static const char *const names[] = {
        "unet/text_thumbnail.query",       "unet/text_thumbnail.to_k.weight",
        "unet/text_thumbnail.to_v.weight", "unet/text_thumbnail.proj.weight",
        "unet/text_thumbnail.proj.bias",   "unet/conv_thumbnail.weight"};
    struct err err = {0};
    struct model m;
    model_open(&m);
    struct network w;
    begin(&w, &m, TOKENS, true);
    w.out = unet_build(&w.nn, &m.config, &w.in);
    struct node *loss = op_mean(w.g, op_mul(w.g, w.out, w.out), 15);
    struct node *of[COUNT_OF(names)], *dx[COUNT_OF(names)];
    graph_output(w.g, loss);
    for (size_t k = 0; k < COUNT_OF(names); k++) {
        of[k] = NULL;
        for (int i = 0; i < params_entries(m.params); i++)
            if (strcmp(params_at(m.params, i)->name, names[k]) == 0)
                of[k] = nn_bound(&w.nn, i);
        if (!of[k])
            fail_msg("no %s", names[k]);
    }
    must(grad_add(w.g, loss, of, COUNT_OF(names), dx, &err), &err);
    for (size_t k = 0; k < COUNT_OF(names); k++)
        graph_output(w.g, dx[k]);
    float *text = noise(BATCH * TOKENS * WIDTH, 12), mask[BATCH * TOKENS];
    for (int i = 0; i < BATCH * TOKENS; i++)
        mask[i] = i != TOKENS - 1; // one token of padding
    loss_at(&w, &m, loss, text, mask);
    float *gradient[COUNT_OF(names)];
    for (size_t k = 0; k < COUNT_OF(names); k++) {
        gradient[k] = mem_alloc(params_find(m.params, names[k])->size);
        must(plan_read(w.plan, dx[k], gradient[k], &err), &err);
    }
    for (size_t k = 0; k < COUNT_OF(names); k++) {
        const struct param *p = params_find(m.params, names[k]);
        size_t n = p->size / sizeof(float);
        float *kept = mem_alloc(p->size), *moved = mem_alloc(p->size);
        double square = 0, sides[2];
        for (size_t i = 0; i < n; i++)
            square += (double)gradient[k][i] * gradient[k][i];
        must(buffer_read(m.block, p->offset, kept, p->size, &err), &err);
        double step = 0.02 / sqrt(square); // of length 0.02
        for (int s = 0; s < 2; s++) {
            for (size_t i = 0; i < n; i++)
                moved[i] = kept[i] + (float)((s ? step : -step) * gradient[k][i]);
            must(buffer_write(m.block, p->offset, moved, p->size, &err), &err);
            sides[s] = loss_at(&w, &m, loss, text, mask);
        }
        must(buffer_write(m.block, p->offset, kept, p->size, &err), &err);
        double quotient = (sides[1] - sides[0]) / (2 * step);
        if (!(square > 0) || fabs(quotient - square) > 0.02 * square)
            fail_msg("%s: gradient squared %g, difference quotient %g", names[k], square, quotient);
        free(kept);
        free(moved);
        free(gradient[k]);
    }
    free(text);
    end(&w);
    model_close(&m);
}

static void
sizes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const int sizes[] = {3, 6, 32};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct err err = {0};
        struct unet_config c;
        char *json = mem_printf("%.*s,\"text_thumbnail_size\":%d}", (int)strlen(small_unet) - 1,
                                small_unet, sizes[i]);
        struct jv *v = jv_parse(json, strlen(json), "c.json", &err);
        must(v != NULL, &err);
        assert_false(unet_config_read(&c, v, "c.json", &err));
        assert_non_null(strstr(err.text, "c.json: text_thumbnail_size is"));
        jv_free(v);
        free(json);
    }
    struct unet_config c, again;
    struct err err = {0};
    char *json = with_thumbnail(false);
    small_unet_config(&c, json);
    struct jv *written = unet_config_json(&c);
    must(unet_config_read(&again, written, "c.json", &err), &err);
    assert_int_equal(again.thumbnail_size, SMALL);
    jv_free(written);
    free(json);
}

// The pictures of one sentence, drawn by a pipeline, with a reference where there is a picture of
// one. Freed by the caller.
static uint8_t *
drawn(struct pipeline *p, const char *sentence, const uint8_t *reference, int count)
{
    struct err err = {0};
    struct instruction n = {.text = mem_strdup(sentence)};
    if (reference)
        must(instruction_add(&n, 1, "[ref#1] edge map", SIDE, SIDE, reference, &err), &err);
    struct pipeline_request r = {.instruction = &n, .seed = 3, .count = count, .steps = 3,
                                 .sampler = "ddim", .scale = 1, .context_scale = -1};
    struct pipeline_result result;
    must(pipeline_run(p, &r, &result, &err), &err);
    instruction_finish(&n);
    return result.pictures.pixels;
}

// A pipeline keeps the thumbnail beside the text: other words, another picture, also when words
// reach the U-Net in no other way; and each picture of a batch is the one drawn alone. With a
// reference the thumbnail is that of nothing, and the words have no way left, unless the config
// says otherwise.
static void
draws_with_it(bool with_references)
{
    struct err err = {0};
    char folder[] = "/tmp/limn-thumbnail-XXXXXX";
    assert_non_null(mkdtemp(folder));
    small_folder(folder, spiece, false, false);
    // Once more with a thumbnail, and without attention to the text.
    char *config = file_join(folder, "unet/config.json"), *json = with_thumbnail(with_references);
    must(file_write(config, json, strlen(json), &err), &err);
    struct device *d = device_open("cpu", &err);
    struct model_folder *f = model_folder_open(folder, &err);
    must(f != NULL, &err);
    struct model m = {.device = d, .params = params_create(DTYPE_F32)};
    must(model_folder_declare(f, NULL, m.params, &err), &err);
    params_layout(m.params);
    m.block = buffer_create(d, params_bytes(m.params), "weights", &err);
    small_randomise(m.params, m.block, 7, false);
    zero(&m, "unet/encoder_hid_proj.weight");
    struct model_folder_save s = {.path = folder, .params = m.params, .block = m.block,
                                  .dtype = DTYPE_F32};
    must(model_folder_save(f, &s, &err), &err);
    struct pipeline *p = pipeline_open(folder, d, DTYPE_F32, &err);
    must(p != NULL, &err);
    uint8_t *apple = drawn(p, "red apple", NULL, 2), *rocket = drawn(p, "rocket", NULL, 1);
    uint8_t *again = drawn(p, "red apple", NULL, 1), *nothing = drawn(p, "", NULL, 1);
    uint8_t *along = drawn(p, "red apple", apple, 1), *other = drawn(p, "rocket", apple, 1);
    assert_memory_equal(apple, again, PIXELS);
    assert_memory_not_equal(apple, rocket, PIXELS);
    assert_int_equal(memcmp(along, other, PIXELS) != 0, with_references);
    assert_memory_not_equal(along, nothing, PIXELS);
    uint8_t *const owned[] = {apple, rocket, again, nothing, along, other};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
    pipeline_close(p);
    model_folder_close(f);
    model_close(&m);
    free(config);
    free(json);
    char *command = mem_printf("rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(command);
}

// With the context attentions silent a reference has one way left, its style: other pictures,
// other results.
static void
a_pipeline_hands_on_the_style(void **state)
{
    (void)state;
    struct err err = {0};
    char folder[] = "/tmp/limn-style-XXXXXX";
    assert_non_null(mkdtemp(folder));
    small_folder(folder, spiece, false, false);
    char *config = file_join(folder, "unet/config.json");
    char *json =
        mem_printf("%.*s,\"style_levels\":[0,1]}", (int)strlen(small_unet) - 1, small_unet);
    must(file_write(config, json, strlen(json), &err), &err);
    struct device *d = device_open("cpu", &err);
    struct model_folder *f = model_folder_open(folder, &err);
    must(f != NULL, &err);
    struct model m = {.device = d, .params = params_create(DTYPE_F32)};
    must(model_folder_declare(f, NULL, m.params, &err), &err);
    params_layout(m.params);
    m.block = buffer_create(d, params_bytes(m.params), "weights", &err);
    small_randomise(m.params, m.block, 7, false);
    for (int i = 0; i < params_entries(m.params); i++) {
        const char *name = params_at(m.params, i)->name;
        if (strstr(name, "context_attentions") && strstr(name, "to_out"))
            zero(&m, name);
    }
    struct model_folder_save s = {.path = folder, .params = m.params, .block = m.block,
                                  .dtype = DTYPE_F32};
    must(model_folder_save(f, &s, &err), &err);
    struct pipeline *p = pipeline_open(folder, d, DTYPE_F32, &err);
    must(p != NULL, &err);
    uint8_t *looks = mem_alloc(2 * PIXELS);
    for (int i = 0; i < PIXELS; i++) {
        looks[i] = (uint8_t)(i % 3 ? 240 : 20);
        looks[PIXELS + i] = (uint8_t)(i / 6 % 2 ? 250 : 5);
    }
    uint8_t *one = drawn(p, "rocket", looks, 1), *two = drawn(p, "rocket", looks + PIXELS, 1);
    uint8_t *again = drawn(p, "rocket", looks, 1);
    assert_memory_equal(one, again, PIXELS);
    assert_memory_not_equal(one, two, PIXELS);
    void *const owned[] = {one, two, again, looks, config, json};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
    pipeline_close(p);
    model_folder_close(f);
    model_close(&m);
    char *command = mem_printf("rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
    free(command);
}

static void
a_pipeline_draws_with_it(void **state)
{
    (void)state;
    draws_with_it(false);
    draws_with_it(true);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_changes_nothing_before_training),
        cmocka_unit_test(padding_is_not_heard),
        cmocka_unit_test(gradients_are_difference_quotients),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(a_pipeline_draws_with_it),
        cmocka_unit_test(a_pipeline_hands_on_the_style),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
