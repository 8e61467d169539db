// SPDX-License-Identifier: MIT
// FLUX.2 from instruction to picture, on the tiny random model of tests/reference/flux2.py: the
// shift around its jump, how references are made smaller, their order, what is refused.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "engine/draw/resize.h"
#include "engine/model/model_folder.h"

enum { SIDE = 64, PIXELS = 3 * SIDE * SIDE };

static const char *root; // tests/reference/golden/flux2
static struct device *device;
static struct pipeline *model;
static uint8_t red[70 * 90 * 3], blue[80 * 64 * 3];

static struct safetensors *
opened(const char *name)
{
    struct err err = {0};
    char *path = mem_printf("%s/%s", root, name);
    struct safetensors *file = safetensors_open(path, &err);
    if (!file)
        fail_msg("%s", err.text);
    free(path);
    return file;
}

static void
schedule_of_the_reference(void **state)
{
    (void)state;
    struct err err = {0};
    struct safetensors *file = opened("schedule.safetensors");
    struct model_folder *m = model_folder_open(root, &err);
    struct schedule *s = schedule_create(&m->scheduler.schedule, &err);
    assert_int_equal(safetensors_count(file), 32);
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct tensor_view *t = safetensors_at(file, i);
        int tokens, steps, count;
        assert_int_equal(sscanf(t->name, "sigma.%d.%d", &tokens, &steps), 2);
        double shift = m->family->shift(tokens, steps);
        struct sampler_point *p = scheduler_config_points(
            &m->scheduler, s, m->scheduler.sampler, SPACING_NONE, steps, shift, &count, &err);
        assert_int_equal(count, steps);
        for (int k = 0; k <= steps; k++)
            assert_true(fabs(p[k].sigma - dtype_load(t->dtype, t->data, k)) < 1e-6);
        free(p);
    }
    schedule_destroy(s);
    model_folder_close(m);
    safetensors_close(file);
}

static void
references_as_pillow_makes_them(void **state)
{
    (void)state;
    struct safetensors *file = opened("resize.safetensors");
    const struct tensor_view *picture = safetensors_find(file, "picture");
    const struct tensor_view *want = safetensors_find(file, "cut");
    int height = (int)picture->shape.dim[0], width = (int)picture->shape.dim[1], columns, rows;
    size_t n = (size_t)shape_count(&want->shape);
    uint8_t *rgb = mem_alloc((size_t)shape_count(&picture->shape));
    for (int64_t i = 0; i < shape_count(&picture->shape); i++)
        rgb[i] = (uint8_t)dtype_load(picture->dtype, picture->data, i);
    resize_within(width, height, 900, 16, &columns, &rows);
    assert_int_equal(rows, want->shape.dim[0]);
    assert_int_equal(columns, want->shape.dim[1]);
    float *cut = mem_alloc(n * sizeof *cut);
    assert_true(resize_cropped(rgb, width, height, 900, columns, rows, cut, NULL));
    for (size_t i = 0; i < n; i++) // it rounds after each direction, too: two steps of 255
        assert_true(fabs(cut[i] - dtype_load(want->dtype, want->data, (int64_t)i)) < 2.01 / 127.5);
    free(cut);
    free(rgb);
    safetensors_close(file);
}

// "[ref#A] on [ref#B]" with red for A and blue for B.
static struct instruction
two(int a, int b, char text[64], char own[2][24])
{
    snprintf(text, 64, "[ref#%d] on [ref#%d]", a, b);
    snprintf(own[0], 24, "[ref#%d] x", a);
    snprintf(own[1], 24, "[ref#%d] x", b);
    return (struct instruction){
        .text = text, .reference_count = 2,
        .references = {{a, own[0], 70, 90, red}, {b, own[1], 80, 64, blue}}};
}

static uint8_t *
drawn(const struct instruction *n, uint64_t seed, double strength,
      const struct pipeline_picture *start)
{
    struct err err = {0};
    struct pipeline_request r = {.instruction = n, .seed = seed, .width = SIDE, .height = SIDE,
                                 .scale = -1, .context_scale = -1, .start = start,
                                 .strength = strength};
    struct pipeline_result result;
    if (!pipeline_run(model, &r, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.steps, 4);
    assert_string_equal(result.guidance, "none");
    return result.pictures.pixels;
}

static bool
same(uint8_t *a, uint8_t *b)
{
    bool equal = memcmp(a, b, PIXELS) == 0;
    free(a);
    free(b);
    return equal;
}

static void
references_count_by_the_order_of_their_markers(void **state)
{
    (void)state;
    char text[64], other[64], own[2][24], other_own[2][24];
    struct instruction n = two(1, 2, text, own), far = two(4, 9, other, other_own);
    struct err err = {0};
    char *words = instruction_in_words(&far, "image", &err);
    assert_string_equal(words, "image 1 on image 2");
    free(words);
    assert_true(same(drawn(&n, 1, -1, NULL), drawn(&far, 1, -1, NULL)));
    assert_false(same(drawn(&n, 1, -1, NULL), drawn(&n, 2, -1, NULL)));
    // The same pictures given in the other order are the same references.
    struct instruction_reference first = far.references[0];
    far.references[0] = far.references[1];
    far.references[1] = first;
    assert_true(same(drawn(&n, 1, -1, NULL), drawn(&far, 1, -1, NULL)));
    // Exchanged they are not.
    struct instruction crossed = two(2, 1, other, other_own);
    crossed.text = text;
    assert_false(same(drawn(&n, 1, -1, NULL), drawn(&crossed, 1, -1, NULL)));
}

static void
starts_from_a_picture(void **state)
{
    (void)state;
    struct instruction n = {.text = "a fox"};
    struct pipeline_picture start = {70, 90, red};
    assert_false(same(drawn(&n, 1, 0.5, &start), drawn(&n, 1, -1, NULL)));
    assert_true(same(drawn(&n, 1, 1, &start), drawn(&n, 1, -1, NULL)));
}

struct seen {
    int calls, total;
    bool grey; // all of one colour: nothing was decoded
    int width, height;
};

static void
see(void *ctx, int step, int total, double seconds,
    const struct pipeline_pictures *now)
{
    struct seen *s = ctx;
    const uint8_t *rgb = now->pixels;
    (void)seconds;
    assert_int_equal(step, ++s->calls);
    s->total = total;
    s->width = now->width;
    s->height = now->height;
    assert_int_equal(now->channels, 3);
    s->grey = s->grey || memcmp(rgb, rgb + 3, (size_t)(3 * now->width * now->height - 3)) == 0;
}

static void
estimates_are_seen(void **state)
{
    (void)state;
    struct err err = {0};
    struct instruction n = {.text = "a fox"};
    // The second has sides that cannot be made smaller by 4.
    static const struct picture_size sizes[] = {{192, 192}, {80, 208}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct seen seen = {0};
        struct pipeline_request r = {.instruction = &n, .width = sizes[i].width,
                                     .height = sizes[i].height, .scale = -1, .context_scale = -1,
                                     .progress = see, .ctx = &seen};
        struct pipeline_result result;
        assert_true(pipeline_run(model, &r, &result, &err));
        assert_int_equal(seen.calls, 4);
        assert_int_equal(seen.total, 4);
        assert_false(seen.grey);
        assert_int_equal(seen.width, sizes[i].width);
        assert_int_equal(seen.height, sizes[i].height);
        free(result.pictures.pixels);
    }
}

// Asked for, or as what it starts from, or as the first reference by its marker after it was cut.
static void
sizes(void **state)
{
    (void)state;
    char text[64], own[2][24];
    struct instruction n = two(5, 2, text, own), words = {.text = "a fox"};
    struct pipeline_picture start = {70, 90, red};
    struct {
        struct pipeline_request r;
        int width, height;
    } rows[] = {
        {{.instruction = &words, .width = 112, .height = 64}, 112, 64},
        {{.instruction = &n, .width = 64, .height = 96}, 64, 96},
        {{.instruction = &n}, 80, 64},
        {{.instruction = &n, .start = &start, .strength = 0}, 64, 80},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        struct pipeline_result result;
        rows[i].r.steps = 1;
        if (!pipeline_run(model, &rows[i].r, &result, &err))
            fail_msg("%s", err.text);
        assert_int_equal(result.pictures.width, rows[i].width);
        assert_int_equal(result.pictures.height, rows[i].height);
        free(result.pictures.pixels);
    }
}

// One file for one request: what lies there is decoded, whatever else the request says; what is no
// such is drawn anew and replaced.
static void
latents_are_kept(void **state)
{
    (void)state;
    char path[] = "/tmp/limn-latents-XXXXXX.safetensors";
    int fd = mkstemps(path, 12);
    assert_true(fd >= 0);
    close(fd); // empty: no file of latents
    struct err err = {0};
    struct instruction n = {.text = "a fox"};
    struct pipeline_request r = {.instruction = &n, .width = SIDE, .height = SIDE, .seed = 1,
                                 .scale = -1, .context_scale = -1, .latents = path};
    struct pipeline_result first, again, other;
    assert_true(pipeline_run(model, &r, &first, &err));
    r.seed = 2;
    assert_true(pipeline_run(model, &r, &again, &err));
    assert_true(same(again.pictures.pixels, first.pictures.pixels));
    r.width = SIDE + 16; // of another size: they are not its own
    assert_true(pipeline_run(model, &r, &other, &err));
    free(other.pictures.pixels);
    r.width = SIDE;
    assert_true(pipeline_run(model, &r, &again, &err));
    uint8_t *one = drawn(&n, 1, -1, NULL), *two = drawn(&n, 2, -1, NULL);
    assert_false(memcmp(one, two, PIXELS) == 0);
    assert_true(same(again.pictures.pixels, two));
    free(one);
    unlink(path);
}

// The matrices of blocks and layers, and nothing else, come into blocks; what stands at the ends,
// the token rows and the autoencoder stay.
static void
what_comes_into_blocks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *has;
    } rows[] = {
        {"transformer/transformer_blocks.0.attn.to_q.weight", "q8_0"},
        {"transformer/transformer_blocks.0.ff_context.linear_in.weight", "q8_0"},
        {"transformer/single_transformer_blocks.0.attn.to_out.weight", "q8_0"},
        {"transformer/x_embedder.weight", "f32"},
        {"transformer/context_embedder.weight", "f32"},
        {"transformer/double_stream_modulation_img.linear.weight", "f32"},
        {"transformer/proj_out.weight", "f32"},
        {"transformer/transformer_blocks.0.attn.norm_q.weight", "f32"},
        {"text_encoder/model.embed_tokens.weight", "f32"},
        {"text_encoder/model.layers.0.self_attn.o_proj.weight", "q8_0"},
        {"text_encoder/model.layers.0.mlp.up_proj.weight", "f32"}, // rows of 24: no whole blocks
        {"vae/decoder.mid_block.attentions.0.to_q.weight", "f32"},
        {"vae/decoder.conv_in.weight", "f32"},
    };
    struct err err = {0};
    struct model_folder *m = model_folder_open(root, &err);
    struct params *p = params_create(DTYPE_F32);
    assert_true(model_folder_declare(m, NULL, p, &err));
    for (int i = 0; i < m->parts.count; i++)
        assert_true(model_folder_choose_blocks(m, m->parts.at[i].name, p, DTYPE_Q8_0, &err));
    params_layout(p);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct param *q = params_find(p, rows[i].name);
        if (!q)
            fail_msg("%s is no parameter", rows[i].name);
        assert_string_equal(dtype_name(q->dtype), rows[i].has);
        assert_int_equal(q->size, dtype_bytes(q->dtype, shape_count(&q->shape)));
    }
    params_destroy(p);
    model_folder_close(m);
}

// Mean difference of two pictures, 0 to 255.
static double
apart(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;
    for (int i = 0; i < PIXELS; i++)
        sum += abs(a[i] - b[i]);
    return sum / PIXELS;
}

// A whole drawing with 8 bits a weight is that of the wide weights but for what rounding does, with
// 4 bits it is less so, and each takes less memory than the one before.
static void
draws_with_weights_in_blocks(void **state)
{
    (void)state;
    static const enum dtype blocks[] = {DTYPE_NONE, DTYPE_Q8_0, DTYPE_Q4_0};
    struct err err = {0};
    char text[64], own[2][24];
    struct instruction n = two(1, 2, text, own);
    struct pipeline_request r = {.instruction = &n, .seed = 3, .width = SIDE, .height = SIDE,
                                 .scale = -1, .context_scale = -1};
    struct pipeline_result results[3];
    for (size_t i = 0; i < COUNT_OF(blocks); i++) {
        struct pipeline_storage storage = {.dtype = DTYPE_F32, .blocks = blocks[i]};
        struct pipeline *p = pipeline_open_as(root, device, &storage, &err);
        if (!p || !pipeline_run(p, &r, &results[i], &err))
            fail_msg("%s", err.text);
        pipeline_close(p);
    }
    double eight = apart(results[0].pictures.pixels, results[1].pictures.pixels);
    double four = apart(results[0].pictures.pixels, results[2].pictures.pixels);
    printf("mean difference: %.3f with 8 bits, %.3f with 4; peak %zu, %zu, %zu\n", eight, four,
           results[0].peak_bytes, results[1].peak_bytes, results[2].peak_bytes);
    assert_true(eight > 0 && eight < 1 && four > 2 * eight && four < 16);
    assert_true(results[1].peak_bytes < results[0].peak_bytes);
    assert_true(results[2].peak_bytes < results[1].peak_bytes);
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        free(results[i].pictures.pixels);
}

static void
what_it_cannot_is_said(void **state)
{
    (void)state;
    char text[64], own[2][24];
    struct instruction n = two(1, 2, text, own), small = n;
    small.references[0].width = 40;
    struct pipeline_weight weight = {1, 0.5, 0, 1};
    struct {
        struct pipeline_request r;
        const char *said;
    } rows[] = {
        {{.instruction = &n, .width = 200, .height = 200}, "multiples of 16, not 200 x 200"},
        {{.instruction = &n, .width = 64, .height = 72}, "multiples of 16, not 64 x 72"},
        {{.instruction = &n, .width = 2064, .height = 64}, "64 to 2048 pixels"},
        {{.instruction = &n, .width = 64}, "not 64 x 0"},
        {{.instruction = &n, .width = 32, .height = 32}, "64 to 2048 pixels"},
        {{.instruction = &small}, "[ref#1] has 40x90 pixels"},
        {{.instruction = &n, .weights = &weight, .weight_count = 1}, "cannot weigh"},
        {{.instruction = &n, .negative = &n, .scale = 3},
         "cannot steer away from pictures"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        struct pipeline_result result;
        assert_false(pipeline_run(model, &rows[i].r, &result, &err));
        if (!strstr(err.text, rows[i].said))
            fail_msg("%s", err.text);
    }
}

static int
setup(void **state)
{
    (void)state;
    struct err err = {0};
    for (size_t i = 0; i < sizeof red; i++)
        red[i] = i % 3 ? (uint8_t)(i / 90) : 200;
    for (size_t i = 0; i < sizeof blue; i++)
        blue[i] = i % 3 == 2 ? 220 : (uint8_t)(i / 80);
    device = device_open("cpu", &err);
    model = device ? pipeline_open(root, device, DTYPE_F32, &err) : NULL;
    if (!model)
        fprintf(stderr, "%s\n", err.text);
    return model ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    pipeline_close(model);
    device_close(device);
    return 0;
}

int
main(int argc, char **argv)
{
    root = argc > 1 ? argv[1] : "tests/reference/golden/flux2";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_of_the_reference),
        cmocka_unit_test(references_as_pillow_makes_them),
        cmocka_unit_test(references_count_by_the_order_of_their_markers),
        cmocka_unit_test(starts_from_a_picture),
        cmocka_unit_test(estimates_are_seen),
        cmocka_unit_test(sizes),
        cmocka_unit_test(latents_are_kept),
        cmocka_unit_test(what_comes_into_blocks),
        cmocka_unit_test(draws_with_weights_in_blocks),
        cmocka_unit_test(what_it_cannot_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
