// SPDX-License-Identifier: MIT
// The stages of training: which weights each trains, words without the U-Net, a second pass from
// crops, a LoRA that leaves the base as it was; models and packs that a stage cannot use.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "engine/tensor/safetensors.h"
#include "training.h"

// A weight as it is in the checkpoint of the run. Freed by the caller.
static float *
weight(const struct recipe *r, const char *name, size_t *size)
{
    struct err err = {0};
    char *path = file_join(r->output, "checkpoint.safetensors");
    struct safetensors *file = safetensors_open(path, &err);
    must(file != NULL, &err);
    const struct tensor_view *v = safetensors_find(file, name);
    if (!v)
        fail_msg("no %s", name);
    *size = (size_t)shape_count(&v->shape) * sizeof(float);
    float *copy = mem_alloc(*size);
    memcpy(copy, v->data, *size);
    safetensors_close(file);
    free(path);
    return copy;
}

// Which weights a stage trains: words what knows words, pictures all, with freeze_text the rest.
static void
each_stage_trains_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool words, pictures, frozen; // changes in these
    } rows[] = {
        {"weights/text_encoder/shared.weight", true, true, false},
        {"weights/unet/text_thumbnail.proj.bias", true, true, false},
        {"weights/unet/conv_out.bias", false, true, true},
        {"weights/unet/conv_thumbnail.weight", false, true, true},
    };
    static const char *const outputs[] = {"words-own", "pictures-own", "frozen-own"};
    struct err err = {0};
    for (int k = 0; k < 3; k++) {
        struct recipe r;
        struct run o = {outputs[k], both, "f32", 6, 1, 100, 1e-3, "thumbnail",
                            k == 0 ? "words" : "pictures"};
        make_recipe(&r, &o);
        r.freeze_text = k == 2;
        struct trainer *t = start(&r, false);
        float *before[COUNT_OF(rows)];
        size_t size;
        must(trainer_save(t, &err), &err);
        for (size_t i = 0; i < COUNT_OF(rows); i++)
            before[i] = weight(&r, rows[i].name, &size);
        for (int i = 0; i < 12; i++)
            step(t);
        must(trainer_save(t, &err), &err);
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            float *after = weight(&r, rows[i].name, &size);
            bool changed = memcmp(before[i], after, size) != 0;
            bool wanted = k == 0 ? rows[i].words : k == 1 ? rows[i].pictures : rows[i].frozen;
            if (changed != wanted)
                fail_msg("%s: %s: changed %d", outputs[k], rows[i].name, changed);
            free(after);
            free(before[i]);
        }
        trainer_destroy(t);
        recipe_finish(&r);
    }
}

// Trains words through an interruption; the last loss as a part of the first.
static double
train_words(int steps)
{
    struct err err = {0};
    struct recipe r;
    struct run o = {"words", both, "f32", 6, 1, steps, 3e-3, "thumbnail", "words"};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    double first = step(t), last = 0;
    for (int i = 1; i < steps / 2; i++)
        step(t);
    must(trainer_save(t, &err), &err);
    trainer_destroy(t);
    t = start(&r, true);
    for (int i = steps / 2; i < steps; i++)
        last = step(t);
    double validation;
    must(trainer_validate(t, 4, &validation, &err), &err);
    print_message("loss %.3f -> %.5f\n", first, last);
    assert_true(isnan(validation)); // this pack holds nothing out
    trainer_destroy(t);
    recipe_finish(&r);
    return last / first;
}

// Three names, three pictures: the thumbnails are learned to a hundredth of what they differ by.
static void
words_are_learned_without_noise(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); // the next test runs the same code in twenty steps
    assert_true(train_words(300) < 0.01);
}

static void
words_go_on_after_a_stop(void **state)
{
    (void)state;
    assert_true(train_words(20) < 1);
}

static void
words_without_a_thumbnail_are_a_sentence(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    struct run o = {"no-words", both, "f32", 6, 1, 300, 3e-3, NULL, "words"};
    make_recipe(&r, &o);
    assert_null(trainer_create(&r, device, false, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "the stage 'words' needs text_thumbnail_size"));
    recipe_finish(&r);
}

// Crops of 16 of pictures of 32 pixels that are 16 pixels doubled. The base stays as it was; what
// comes out draws both sizes.
static void
a_second_pass_is_learned_from_crops(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    enum { STEPS = 400 };
    struct run o = {"enlarged", both, "f32", 6, 1, STEPS, 5e-3, "enlarger", "enlarger",
                        "large"};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    double first = step(t), last = 0;
    for (int i = 1; i < STEPS; i++) {
        double loss = step(t);
        last += i >= STEPS - 10 ? loss / 10 : 0;
    }
    print_message("loss %.3f -> %.4f\n", first, last);
    assert_true(last < first / 3);
    static const char base[] = "unet/diffusion_pytorch_model.safetensors";
    size_t before, after;
    char *path = file_join(r.model, base), *was = file_read(path, 1 << 26, &before, &err);
    char *is = exported(t, "enlarged-model", base, &after), *model = in_folder("enlarged-model");
    assert_int_equal(before, after);
    assert_memory_equal(was, is, before);
    trainer_destroy(t);
    // The scheduler that came with it is one for twice as many channels.
    assert_null(pipeline_open(model, device, DTYPE_F32, &err));
    assert_non_null(strstr(err.text, "for which super_resolution must give 6 channels, not 3"));
    err_clear(&err);
    char *scheduler = file_join(model, "super_resolution/scheduler_config.json");
    unlink(scheduler);
    free(scheduler);
    struct pipeline *p = pipeline_open(model, device, DTYPE_F32, &err);
    must(p != NULL, &err);
    for (int side = 16; side <= 32; side += 16) {
        struct instruction n = {.text = mem_strdup("rocket")};
        struct pipeline_request request = {.instruction = &n, .seed = 3, .width = side,
                                           .height = side, .context_scale = -1};
        struct pipeline_result result;
        must(pipeline_run(p, &request, &result, &err), &err);
        assert_int_equal(result.pictures.width, side);
        free(result.pictures.pixels);
        instruction_finish(&n);
    }
    pipeline_close(p);
    free(path);
    free(was);
    free(is);
    free(model);
    recipe_finish(&r);
}

// A base that draws alpha, and a second pass of opaque pictures: both are enlarged apart.
static void
alpha_is_enlarged_by_a_pass_without_it(void **state)
{
    (void)state;
    struct err err = {0};
    char *model = in_folder("clear-apart");
    make_enlarger("clear-apart", "\"mid_block_type\":\"UNetMidBlock2D\",\"sample_size\":32,");
    make_clear_model("clear-apart");
    struct recipe r; // weights for both
    struct run o = {"apart", text_only, "f32", 2, 1, 1, 1e-3, "clear-apart", NULL, "clear"};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    char *half = in_folder("apart-half"), *whole = in_folder("apart-whole");
    must(trainer_export(t, half, &err), &err);
    trainer_destroy(t);
    recipe_finish(&r);
    struct run second = {"apart-second", both, "f32", 6, 1, 1, 1e-3, "apart-half",
                             "enlarger", "large"};
    make_recipe(&r, &second);
    t = start(&r, false);
    must(trainer_export(t, whole, &err), &err);
    trainer_destroy(t);
    char *scheduler = file_join(whole, "super_resolution/scheduler_config.json");
    unlink(scheduler);
    struct pipeline *p = pipeline_open(whole, device, DTYPE_F32, &err);
    must(p != NULL, &err);
    struct instruction n = {.text = mem_strdup("rocket")};
    struct pipeline_request request = {.instruction = &n, .seed = 3, .count = 2,
                                       .context_scale = -1};
    struct pipeline_result result;
    must(pipeline_run(p, &request, &result, &err), &err);
    const struct pipeline_pictures *got = &result.pictures;
    assert_true(got->count == 2 && got->width == 32 && got->height == 32 && got->channels == 4);
    free(result.pictures.pixels);
    instruction_finish(&n);
    pipeline_close(p);
    recipe_finish(&r);
    char *const owned[] = {model, half, whole, scheduler};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

static void
second_passes_that_cannot_learn_are_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *model, *pack, *sentence;
    } rows[] = {
        {"hears", "large",
         "the stage 'enlarger' needs a super_resolution/config.json without text"},
        {"model", "large", "has no second pass for the stage 'enlarger' to train"},
        {"enlarger", "pack", "holds pictures of 16 pixels, the model draws 32"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        struct recipe r;
        struct run o = {"no-second", both, "f32", 6, 1, 300, 3e-3, rows[i].model, "enlarger",
                            rows[i].pack};
        make_recipe(&r, &o);
        assert_null(trainer_create(&r, device, false, &err));
        if (err.code != ERR_INPUT || !strstr(err.text, rows[i].sentence))
            fail_msg("'%s' does not say '%s'", err.text, rows[i].sentence);
        recipe_finish(&r);
    }
}

static void
alpha_needs_a_pack_with_it(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    struct run o = {"no-alpha", text_only, "f32", 2, 1, 2, 3e-3, "clear-model"};
    make_recipe(&r, &o);
    assert_null(trainer_create(&r, device, false, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "pack has no alpha, which the model draws"));
    recipe_finish(&r);
}

static uint8_t *
drawn_with(const char *model, const char *lora, double weight)
{
    struct err err = {0};
    struct lora_file file = {lora, weight};
    struct pipeline_storage storage = {DTYPE_F32, DTYPE_NONE, &file, lora != NULL};
    struct pipeline *p = pipeline_open_as(model, device, &storage, &err);
    must(p != NULL, &err);
    struct instruction n = {.text = mem_strdup("rocket")};
    struct pipeline_request request = {
        .instruction = &n, .seed = 3, .steps = 4, .scale = 1, .context_scale = -1};
    struct pipeline_result result;
    must(pipeline_run(p, &request, &result, &err), &err);
    instruction_finish(&n);
    pipeline_close(p);
    return result.pictures.pixels;
}

static const struct tensor_view *
tensor(const struct safetensors *file, const char *format, const char *name)
{
    char *full = mem_printf(format, name);
    const struct tensor_view *t = safetensors_find(file, full);
    if (!t)
        fail_msg("no %s", full);
    free(full);
    return t;
}

// W' = W + B A, in float64, to the rounding of bf16.
static void
is_sum(const struct safetensors *sum, const struct safetensors *base,
       const struct safetensors *lora, const char *name)
{
    const struct tensor_view *w = tensor(sum, "%s.weight", name),
                             *was = tensor(base, "%s.weight", name),
                             *a = tensor(lora, "unet.%s.lora_A.weight", name),
                             *b = tensor(lora, "unet.%s.lora_B.weight", name);
    int64_t rows = w->shape.dim[0], columns = shape_count(&w->shape) / rows, rank = a->shape.dim[0];
    double most = 0;
    for (int64_t i = 0; i < rows * columns; i++) {
        double want = dtype_load(was->dtype, was->data, i), change = 0;
        for (int64_t k = 0; k < rank; k++)
            change += dtype_load(DTYPE_F32, b->data, i / columns * rank + k) *
                      dtype_load(DTYPE_F32, a->data, k * columns + i % columns);
        want += change;
        most = fmax(most, fabs(change));
        assert_true(fabs(dtype_load(w->dtype, w->data, i) - want) <= fabs(want) / 256 + 1e-6);
    }
    assert_true(most > 1e-3); // something was learned
}

// The base stays; the file laid on it draws what the merged model draws; the file has the shapes
// that diffusers gives it.
static void
a_lora_is_learned(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    enum { STEPS = 60 };
    struct run o = {"lora", text_only, "f32", 6, 1, STEPS, 1e-2, "whole", "lora"};
    make_recipe(&r, &o);
    r.lora_rank = 4;
    struct trainer *t = start(&r, false);
    double first = step(t), last = 0;
    for (int i = 1; i < STEPS; i++) {
        double loss = step(t);
        last += i >= STEPS - 10 ? loss / 10 : 0;
    }
    print_message("loss %.3f -> %.4f\n", first, last);
    assert_true(last < 0.8 * first);
    char *merged = in_folder("lora-merged"), *file = in_folder("lora.safetensors");
    must(trainer_export(t, merged, &err) && trainer_export_adapters(t, file, &err), &err);
    trainer_destroy(t);

    struct safetensors *lora = safetensors_open(file, &err);
    must(lora != NULL, &err);
    const struct tensor_view *a = safetensors_find(
                                 lora, "unet.down_blocks.0.resnets.0.conv1.lora_A.weight"),
                             *b = safetensors_find(
                                 lora, "unet.down_blocks.0.resnets.0.conv1.lora_B.weight");
    assert_true(a && b && a->shape.rank == 4 && a->shape.dim[0] == 4 && a->shape.dim[2] == 3);
    assert_true(b->shape.rank == 4 && b->shape.dim[0] == 8 && b->shape.dim[1] == 4 &&
                b->shape.dim[3] == 1);
    static const char unet[] = "unet/diffusion_pytorch_model.safetensors";
    char *weights = file_join(merged, unet), *before = file_join(r.model, unet);
    struct safetensors *whole = safetensors_open(weights, &err),
                       *base_file = safetensors_open(before, &err);
    must(whole && base_file, &err);
    for (size_t i = 0; i < safetensors_count(whole); i++)
        assert_null(strstr(safetensors_at(whole, i)->name, "lora"));
    static const char *const names[] = {"down_blocks.0.resnets.0.conv1",
                                        "down_blocks.1.attentions.0.to_q"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        is_sum(whole, base_file, lora, names[i]);
    safetensors_close(lora);
    safetensors_close(whole);
    safetensors_close(base_file);
    free(before);

    uint8_t *base = drawn_with(r.model, NULL, 0), *none = drawn_with(r.model, file, 0);
    uint8_t *with = drawn_with(r.model, file, 1), *one = drawn_with(merged, NULL, 0);
    assert_memory_equal(base, none, BYTES);
    print_message("the LoRA changes the picture by %.1f, merged it differs by %.2f\n",
                  mean_difference(with, base), mean_difference(with, one));
    assert_true(mean_difference(with, base) >
                4 * mean_difference(with, one)); // that is rounded to bf16
    uint8_t *const drawn[] = {base, none, with, one};
    for (size_t i = 0; i < COUNT_OF(drawn); i++)
        free(drawn[i]);
    free(weights);
    free(merged);
    free(file);
    recipe_finish(&r);
}

// Argument: a tokenizer's model.
int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_stage_trains_its_own),
        cmocka_unit_test(words_are_learned_without_noise),
        cmocka_unit_test(words_go_on_after_a_stop),
        cmocka_unit_test(words_without_a_thumbnail_are_a_sentence),
        cmocka_unit_test(a_second_pass_is_learned_from_crops),
        cmocka_unit_test(alpha_is_enlarged_by_a_pass_without_it),
        cmocka_unit_test(second_passes_that_cannot_learn_are_a_sentence),
        cmocka_unit_test(alpha_needs_a_pack_with_it),
        cmocka_unit_test(a_lora_is_learned),
    };
    return cmocka_run_group_tests(tests, runs_setup, runs_teardown);
}
