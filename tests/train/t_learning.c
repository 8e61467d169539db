// SPDX-License-Identifier: MIT
// What takes hundreds of steps to learn: a batch is overfitted until its pictures can be told
// apart, with and without alpha. Under sanitizers t_trainer.c runs the same code in a few steps.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/draw/alpha.h"
#include "engine/draw/pipeline.h"
#include "training.h"

// What a model draws of a caption alone; its pixels are freed with free().
static struct pipeline_result
drawn(struct pipeline *p, int k)
{
    struct err err = {0};
    struct instruction n = {.text = mem_strdup(captions[k])};
    struct pipeline_request request = {.instruction = &n, .seed = 3, .steps = 30,
                                       .sampler = "ddim", .scale = 1, .context_scale = -1};
    struct pipeline_result result;
    must(pipeline_run(p, &request, &result, &err), &err);
    instruction_finish(&n);
    return result;
}

static void
a_batch_is_overfitted_to_its_pictures(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    enum { STEPS = 1200 };
    struct run o = {"overfit", text_only, "f32", 12, 1, STEPS, 3e-3};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    double first = step(t), last = 0;
    for (int i = 1; i < STEPS; i++) {
        double loss = step(t);
        if (i >= STEPS - 10)
            last += loss / 10;
    }
    char *model = in_folder("overfit-model");
    must(trainer_export(t, model, &err), &err);
    trainer_destroy(t);
    print_message("loss %.3f -> %.4f\n", first, last);
    assert_true(last < first / 10);
    struct pipeline *p = pipeline_open(model, device, DTYPE_F32, &err);
    must(p != NULL, &err);
    for (int k = 0; k < RECORDS; k++) {
        struct pipeline_result result = drawn(p, k);
        double own = mean_difference(result.pictures.pixels, pictures[k]);
        print_message("%s: off by %.1f of 255\n", captions[k], own);
        assert_true(own < 20);
        for (int i = 0; i < RECORDS; i++)
            assert_true(i == k || mean_difference(result.pictures.pixels, pictures[i]) > 2 * own);
        free(result.pictures.pixels);
    }
    pipeline_close(p);
    free(model);
    recipe_finish(&r);
}

// A model of four channels: what it draws has the alpha of its pictures, and on white their
// colours.
static void
transparent_pictures_are_learned(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    enum { STEPS = 600 };
    struct run o = {"clear-run", text_only, "f32",         12,   1,
                        STEPS,       3e-3,      "clear-model", NULL, "clear"};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    for (int i = 0; i < STEPS; i++)
        step(t);
    char *model = in_folder("clear-learned");
    must(trainer_export(t, model, &err), &err);
    trainer_destroy(t);
    struct pipeline *p = pipeline_open(model, device, DTYPE_F32, &err);
    must(p != NULL, &err);
    for (int k = 0; k < RECORDS; k++) {
        struct pipeline_result result = drawn(p, k);
        assert_int_equal(result.pictures.channels, 4);
        uint8_t rgb[BYTES], alpha[SIDE * SIDE];
        for (int i = 0; i < SIDE * SIDE; i++)
            alpha[i] = result.pictures.pixels[4 * i + 3];
        alpha_lay_on_white(result.pictures.pixels, SIDE * SIDE, 4, rgb);
        double colours = mean_difference(rgb, pictures[k]);
        double own = mean_difference_of(alpha, alphas[k], SIDE * SIDE);
        print_message("%s: colours off by %.1f of 255, alpha by %.1f\n", captions[k], colours, own);
        assert_true(colours < 25 && own < 25);
        free(result.pictures.pixels);
    }
    pipeline_close(p);
    free(model);
    recipe_finish(&r);
}

// Argument: a tokenizer's model.
int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    spiece = argv[1];
    if (SANITIZED) {
        printf("skipped: learning is measured without sanitizers\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_is_overfitted_to_its_pictures),
        cmocka_unit_test(transparent_pictures_are_learned),
    };
    return cmocka_run_group_tests(tests, runs_setup, runs_teardown);
}
