// SPDX-License-Identifier: MIT
// The multi-modal context: nothing changes before it is trained, cached equals fused, the null
// token alone is a softmax over one key, references are a set, and gradients reach every weight.
// All of it for each of the variants below. And: folded pixels are those of an own computation.
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
#include "engine/ops/grad.h"
#include "small.h"

enum { SIDE = 16, TOKENS = 5, WIDTH = 24, PIXELS = SIDE * SIDE * 3 };

// What is added to the small model's config.
static const char *const variants[] = {
    "\"norm_eps\":1e-5",
    "\"style_levels\":[0,2]",
    "\"style_levels\":[0,1],\"pixel_unshuffle\":2,\"plain_upsampling\":true",
};
static const char *variant;

struct model {
    struct device *device;
    struct unet_config config;
    struct params *params;
    struct buffer *block;
    enum dtype dtype;
};

struct network {
    struct graph *g;
    struct nn nn;
    struct plan *plan;
    struct unet_inputs in;
    struct node *image, *ref_text, *out;
    struct unet_context context;
};

static float *
noise(size_t n, uint64_t seed)
{
    float *v = mem_alloc(n * sizeof *v);
    rng_fill_normal(seed, RNG_STREAM_TEST, 0, v, n);
    return v;
}

static void
ok_or_fail(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void
model_open(struct model *m, enum dtype dtype, bool fresh)
{
    struct err err = {0};
    *m = (struct model){.device = device_open("cpu", &err), .dtype = dtype};
    char *json = mem_printf("%.*s,%s}", (int)strlen(small_unet) - 1, small_unet, variant);
    small_unet_config(&m->config, json);
    free(json);
    m->params = params_create(dtype);
    ok_or_fail(unet_declare(m->params, "unet/", &m->config, &err), &err);
    params_layout(m->params);
    m->block = buffer_create(m->device, params_bytes(m->params), "weights", &err);
    small_randomise(m->params, m->block, 3, fresh);
}

static void
model_close(struct model *m)
{
    buffer_destroy(m->block);
    params_destroy(m->params);
    device_close(m->device);
}

static void
begin(struct network *w, const struct model *m, int batch)
{
    *w = (struct network){.g = graph_create()};
    w->nn = (struct nn){.g = w->g, .params = m->params, .dtype = m->dtype, .part = "unet/"};
    if (!batch)
        return;
    w->in.sample = graph_input(w->g, "sample", SHAPE(batch, SIDE, SIDE, 3), DTYPE_F32);
    w->in.timestep = graph_input(w->g, "timestep", SHAPE(batch), DTYPE_F32);
    w->in.text = graph_input(w->g, "text", SHAPE(batch, TOKENS, WIDTH), DTYPE_F32);
}

// The reference encoder in this graph.
static void
encode(struct network *w, const struct model *m, int batch, int references)
{
    struct unet_references r = {.batch = batch, .references = references};
    if (references) {
        r.image = w->image = graph_input(
            w->g, "image", SHAPE(batch * references, SIDE, SIDE, 3), DTYPE_F32);
        r.text = w->ref_text = graph_input(
            w->g, "ref_text", SHAPE(batch * references, TOKENS, WIDTH), DTYPE_F32);
    }
    unet_encode_references(&w->nn, &m->config, &r, &w->context);
    w->in.context = &w->context;
}

static void
plan(struct network *w, const struct model *m)
{
    struct err err = {0};
    struct plan_params p = {.device = m->device, .slots[SLOT_PARAMS] = m->block};
    w->plan = plan_create(w->g, &p, &err);
    ok_or_fail(w->plan && nn_constants_write(&w->nn, w->plan, &err), &err);
}

static void
end(struct network *w)
{
    plan_destroy(w->plan);
    nn_finish(&w->nn);
    graph_destroy(w->g);
}

static void
put(struct network *w, struct node *input, const float *v)
{
    struct err err = {0};
    ok_or_fail(plan_write_f32(w->plan, input, v, &err), &err);
}

// `order`: which of the references is put where, NULL: as they come.
static void
put_references(struct network *w, int count, const int *order)
{
    float *image = noise((size_t)count * PIXELS, 21),
          *text = noise((size_t)count * TOKENS * WIDTH, 22);
    float *a = mem_alloc((size_t)count * PIXELS * sizeof *a);
    float *b = mem_alloc((size_t)count * TOKENS * WIDTH * sizeof *b);
    for (int i = 0; i < count; i++) {
        int from = order ? order[i] : i;
        memcpy(a + i * PIXELS, image + from * PIXELS, PIXELS * sizeof *a);
        memcpy(b + i * TOKENS * WIDTH, text + from * TOKENS * WIDTH, TOKENS * WIDTH * sizeof *b);
    }
    put(w, w->image, a);
    put(w, w->ref_text, b);
    free(image);
    free(text);
    free(a);
    free(b);
}

// Runs; the answer, freed by the caller.
static float *
answer(struct network *w, int batch)
{
    struct err err = {0};
    size_t n = (size_t)batch * PIXELS;
    float *sample = noise(n, 11), *text = noise((size_t)batch * TOKENS * WIDTH, 12);
    float t[4] = {37, 842, 3, 500}, *out = mem_alloc(n * sizeof *out);
    put(w, w->in.sample, sample);
    put(w, w->in.timestep, t);
    put(w, w->in.text, text);
    ok_or_fail(plan_run(w->plan, &err) && plan_read_f32(w->plan, w->out, out, &err), &err);
    free(sample);
    free(text);
    return out;
}

// In one graph; references < 0: no context at all.
static float *
fused(const struct model *m, int batch, int references, const int *order)
{
    struct network w;
    begin(&w, m, batch);
    if (references >= 0)
        encode(&w, m, batch, references);
    w.out = unet_build(&w.nn, &m->config, &w.in);
    graph_output(w.g, w.out);
    plan(&w, m);
    if (references > 0)
        put_references(&w, references * batch, order);
    float *out = answer(&w, batch);
    end(&w);
    return out;
}

static double
difference(const float *a, const float *b, size_t n)
{
    double d = 0, s = 0;
    for (size_t i = 0; i < n; i++) {
        d += pow((double)a[i] - b[i], 2);
        s += pow((double)b[i], 2);
    }
    return sqrt(d / s);
}

static void
fresh_layers_change_nothing(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct model m;
        model_open(&m, k ? DTYPE_BF16 : DTYPE_F32, true);
        float *plain = fused(&m, 2, -1, NULL), *none = fused(&m, 2, 0, NULL);
        float *two = fused(&m, 2, 2, NULL);
        assert_memory_equal(plain, none, 2 * PIXELS * sizeof *plain);
        assert_memory_equal(plain, two, 2 * PIXELS * sizeof *plain);
        free(plain);
        free(none);
        free(two);
        model_close(&m);
    }
}

static void
trained_layers_read_references(void **state)
{
    struct model m;
    model_open(&m, DTYPE_F32, false);
    float *none = fused(&m, 1, 0, NULL), *two = fused(&m, 1, 2, NULL);
    float *turned = fused(&m, 1, 2, (int[]){1, 0});
    assert_true(difference(two, none, PIXELS) > 1e-2);
    assert_true(difference(turned, two, PIXELS) < 1e-5); // a set, told apart by text alone
    free(none);
    free(two);
    free(turned);
    model_close(&m);
}

// Keys and values from a plan of their own, for one picture and for two at once.
static void
cached_equals_fused(void **state)
{
    struct err err = {0};
    struct model m;
    model_open(&m, DTYPE_F32, false);
    struct network r;
    begin(&r, &m, 0);
    encode(&r, &m, 1, 2);
    unet_context_outputs(&r.nn, &m.config, &r.context);
    plan(&r, &m);
    put_references(&r, 2, NULL);
    ok_or_fail(plan_run(r.plan, &err), &err);
    float *want = fused(&m, 1, 2, NULL);
    for (int batch = 1; batch <= 2; batch++) {
        struct network w;
        begin(&w, &m, batch);
        unet_context_inputs(&w.nn, &m.config, 2, false, &w.context);
        w.in.context = &w.context;
        w.out = unet_build(&w.nn, &m.config, &w.in);
        graph_output(w.g, w.out);
        plan(&w, &m);
        assert_int_equal(w.context.count, r.context.count);
        for (int i = 0; i < w.context.count; i++)
            ok_or_fail(plan_copy(w.plan, w.context.k[i], r.plan, r.context.k[i], &err) &&
                           plan_copy(w.plan, w.context.v[i], r.plan, r.context.v[i], &err),
                       &err);
        assert_true(!w.context.style == !r.context.style);
        if (w.context.style)
            ok_or_fail(plan_copy(w.plan, w.context.style, r.plan, r.context.style, &err), &err);
        float *got = answer(&w, batch);
        // The first picture of two has the noise and text that the only picture of one has.
        assert_true(difference(got, want, PIXELS) < 1e-5);
        free(got);
        end(&w);
    }
    // Two pictures with two references each: the first two are the first picture's.
    float *both = fused(&m, 2, 2, NULL);
    assert_true(difference(both, want, PIXELS) < 1e-5);
    free(both);
    free(want);
    end(&r);
    model_close(&m);
}

// With no reference the layer is its null value; attention over two equal null tokens must say so
// too.
static void
null_token_is_a_softmax_over_one(void **state)
{
    struct err err = {0};
    struct model m;
    model_open(&m, DTYPE_F32, false);
    struct network r, w;
    begin(&r, &m, 0);
    encode(&r, &m, 1, 0);
    unet_context_outputs(&r.nn, &m.config, &r.context);
    plan(&r, &m);
    ok_or_fail(plan_run(r.plan, &err), &err);
    begin(&w, &m, 1);
    w.context = r.context;
    for (int i = 0; i < r.context.count; i++) {
        char name[32];
        struct shape s = SHAPE(1, 2, r.context.k[i]->shape.dim[2]);
        snprintf(name, sizeof name, "k%d", i);
        w.context.k[i] = graph_input(w.g, name, s, DTYPE_F32);
        snprintf(name, sizeof name, "v%d", i);
        w.context.v[i] = graph_input(w.g, name, s, DTYPE_F32);
    }
    w.in.context = &w.context;
    w.out = unet_build(&w.nn, &m.config, &w.in);
    graph_output(w.g, w.out);
    plan(&w, &m);
    for (int i = 0; i < 2 * r.context.count; i++) {
        int k = i / 2;
        struct node *from = i % 2 ? r.context.v[k] : r.context.k[k];
        size_t n = (size_t)from->shape.dim[2];
        float *v = mem_alloc(2 * n * sizeof *v);
        ok_or_fail(plan_read_f32(r.plan, from, v, &err), &err);
        memcpy(v + n, v, n * sizeof *v);
        put(&w, i % 2 ? w.context.v[k] : w.context.k[k], v);
        free(v);
    }
    float *got = answer(&w, 1), *want = fused(&m, 1, 0, NULL);
    assert_true(difference(got, want, PIXELS) < 1e-5);
    free(got);
    free(want);
    end(&w);
    end(&r);
    model_close(&m);
}

// Loss = mean square of the answer; its gradient along a random direction in the space of all
// weights against the difference quotient. With and without segments of checkpointing.
static void
gradient(bool checkpoint)
{
    struct err err = {0};
    struct model m;
    model_open(&m, DTYPE_F32, false);
    struct network w;
    begin(&w, &m, 1);
    w.nn.checkpoint = checkpoint;
    encode(&w, &m, 1, 2);
    w.out = unet_build(&w.nn, &m.config, &w.in);
    struct node *loss = op_mean(w.g, op_mul(w.g, w.out, w.out), 15);
    graph_output(w.g, w.out);
    graph_output(w.g, loss);
    int count = params_entries(m.params);
    struct node **of = mem_zalloc((size_t)count * sizeof *of);
    struct node **dx = mem_zalloc((size_t)count * sizeof *dx);
    for (int i = 0; i < count; i++) {
        of[i] = nn_bound(&w.nn, i);
        assert_non_null(of[i]);
    }
    ok_or_fail(grad_add(w.g, loss, of, count, dx, &err), &err);
    for (int i = 0; i < count; i++) {
        if (!dx[i])
            fail_msg("no gradient for %s", params_at(m.params, i)->name);
        graph_output(w.g, dx[i]);
    }
    plan(&w, &m);
    put_references(&w, 2, NULL);
    free(answer(&w, 1));

    double slope = 0;
    float value[2], *direction[1024];
    assert_true(count <= 1024);
    for (int i = 0; i < count; i++) {
        size_t n = (size_t)shape_count(&params_at(m.params, i)->shape);
        float *g = mem_alloc(n * sizeof *g);
        direction[i] = noise(n, 500 + (uint64_t)i);
        double fan = sqrt((double)n / (double)params_at(m.params, i)->shape.dim[0]);
        ok_or_fail(plan_read_f32(w.plan, dx[i], g, &err), &err);
        for (size_t k = 0; k < n; k++) {
            direction[i][k] /= (float)fan;
            slope += (double)g[k] * direction[i][k];
        }
        free(g);
    }
    const double step = 1e-3;
    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < count; i++) {
            const struct param *q = params_at(m.params, i);
            size_t n = (size_t)shape_count(&q->shape);
            float *v = mem_alloc(q->size);
            ok_or_fail(buffer_read(m.block, q->offset, v, q->size, &err), &err);
            for (size_t k = 0; k < n; k++)
                v[k] += (float)((s ? 2 : -1) * step * direction[i][k]);
            ok_or_fail(buffer_write(m.block, q->offset, v, q->size, &err), &err);
            free(v);
        }
        free(answer(&w, 1));
        ok_or_fail(plan_read_f32(w.plan, loss, &value[s], &err), &err);
    }
    double measured = ((double)value[1] - value[0]) / (2 * step);
    // value[1] lies at +1 step: -1 + 2.
    print_message("slope %g, measured %g\n", slope, measured);
    assert_true(fabs(slope - measured) < 2e-2 * fabs(measured));
    for (int i = 0; i < count; i++)
        free(direction[i]);
    free(of);
    free(dx);
    end(&w);
    model_close(&m);
}

static void
gradients_are_slopes(void **state)
{
    gradient(false);
    gradient(true);
}

// A model that folds 2 x 2 pixels is the one with the same weights that gets 12 channels, folded
// here by hand.
static void
folding_is_a_permutation(void **state)
{
    static const char *const keys[] = {
        "\"context_levels\":[],\"pixel_unshuffle\":2",
        "\"context_levels\":[],\"sample_size\":8,\"in_channels\":12,\"out_channels\":12"};
    struct err err = {0};
    float *picture = noise(PIXELS, 31), *folded = mem_alloc(PIXELS * sizeof *folded);
    float *text = noise(TOKENS * WIDTH, 32), *out[2], t = 400;
    int where[PIXELS]; // of each number of the picture in the folded one
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                where[(y * SIDE + x) * 3 + c] =
                    ((y / 2) * (SIDE / 2) + x / 2) * 12 + (y % 2) * 6 + (x % 2) * 3 + c;
    for (int i = 0; i < PIXELS; i++)
        folded[where[i]] = picture[i];
    for (int k = 0; k < 2; k++) {
        int side = k ? SIDE / 2 : SIDE, channels = k ? 12 : 3;
        struct model m = {.device = device_open("cpu", &err),
                          .params = params_create(DTYPE_F32), .dtype = DTYPE_F32};
        struct jv *json = jv_parse(small_unet, strlen(small_unet), "small", &err);
        char *more = mem_printf("{%s}", keys[k]);
        struct jv *added = jv_parse(more, strlen(more), "added", &err);
        for (size_t i = 0; i < jv_size(added); i++)
            jv_set(json, jv_key_at(added, i), jv_copy(jv_value_at(added, i)));
        ok_or_fail(unet_config_read(&m.config, json, "c.json", &err), &err);
        ok_or_fail(unet_declare(m.params, "unet/", &m.config, &err), &err);
        params_layout(m.params);
        m.block = buffer_create(m.device, params_bytes(m.params), "weights", &err);
        small_randomise(m.params, m.block, 3, false);
        struct network w;
        begin(&w, &m, 0);
        w.in.sample = graph_input(w.g, "sample", SHAPE(1, side, side, channels), DTYPE_F32);
        w.in.timestep = graph_input(w.g, "timestep", SHAPE(1), DTYPE_F32);
        w.in.text = graph_input(w.g, "text", SHAPE(1, TOKENS, WIDTH), DTYPE_F32);
        w.out = unet_build(&w.nn, &m.config, &w.in);
        graph_output(w.g, w.out);
        plan(&w, &m);
        put(&w, w.in.sample, k ? folded : picture);
        put(&w, w.in.timestep, &t);
        put(&w, w.in.text, text);
        out[k] = mem_alloc(PIXELS * sizeof **out);
        ok_or_fail(plan_run(w.plan, &err) && plan_read_f32(w.plan, w.out, out[k], &err), &err);
        end(&w);
        model_close(&m);
        jv_free(json);
        jv_free(added);
        free(more);
    }
    for (int i = 0; i < PIXELS; i++)
        folded[i] = out[1][where[i]];
    assert_true(difference(out[0], folded, PIXELS) < 1e-6);
    free(picture);
    free(folded);
    free(text);
    free(out[0]);
    free(out[1]);
}

int
main(void)
{
    static const struct CMUnitTest once[] = {cmocka_unit_test(folding_is_a_permutation)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_layers_change_nothing),
        cmocka_unit_test(trained_layers_read_references),
        cmocka_unit_test(cached_equals_fused),
        cmocka_unit_test(null_token_is_a_softmax_over_one),
        cmocka_unit_test(gradients_are_slopes),
    };
    int failed = cmocka_run_group_tests(once, NULL, NULL);
    for (size_t i = 0; i < COUNT_OF(variants); i++) {
        variant = variants[i];
        failed += cmocka_run_group_tests_name(variant, tests, NULL, NULL);
    }
    return failed;
}
