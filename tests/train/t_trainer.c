// SPDX-License-Identifier: MIT
// The trainer: an interrupted run ends as an uninterrupted one, bit for bit; accumulation, bf16,
// batches that are filled ahead, Vulkan; wrong recipes and damaged checkpoints are errors that name
// what is wrong.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/diffusion/schedule.h"
#include "engine/train/batch.h"
#include "engine/train/feed.h"
#include "engine/train/pack.h"
#include "tests/vulkan/stay.h"
#include "training.h"

static char *
checkpoint_bytes(const struct recipe *r, size_t *size)
{
    struct err err = {0};
    char *path = file_join(r->output, "checkpoint.safetensors");
    char *bytes = file_read(path, (size_t)1 << 30, size, &err);
    must(bytes != NULL, &err);
    free(path);
    return bytes;
}

static void
a_stopped_run_goes_on_bit_for_bit(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe whole, parts;
    struct run o = {"whole", both, "bf16", 3, 2, 100, 1e-3};
    double losses[6];
    make_recipe(&whole, &o);
    o.output = "parts";
    make_recipe(&parts, &o);
    struct trainer *t = start(&whole, false);
    for (int i = 0; i < 6; i++)
        losses[i] = step(t);
    must(trainer_save(t, &err), &err);
    trainer_destroy(t);
    for (int half = 0; half < 2; half++) {
        t = start(&parts, half == 1);
        assert_int_equal(trainer_done(t), 3 * half);
        for (int i = 3 * half; i < 3 * half + 3; i++) {
            double loss = step(t);
            assert_true(loss == losses[i]);
        }
        must(trainer_save(t, &err), &err);
        trainer_destroy(t);
    }
    size_t a_size, b_size;
    char *a = checkpoint_bytes(&whole, &a_size), *b = checkpoint_bytes(&parts, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    free(a);
    free(b);
    recipe_finish(&whole);
    recipe_finish(&parts);
}

// The same six examples as one micro-batch or as two: one update.
static void
accumulation_is_one_large_batch(void **state)
{
    (void)state;
    struct err err = {0};
    double norms[2];
    for (int split = 0; split < 2; split++) {
        struct recipe r;
        struct run o = {split ? "two" : "one", text_only, "f32", split ? 6 : 12,
                            split ? 2 : 1, 10, 1e-3};
        make_recipe(&r, &o);
        struct trainer *t = start(&r, false);
        struct trainer_step s;
        must(trainer_step(t, &s, &err), &err);
        assert_int_equal(s.examples, 12);
        assert_true(isfinite(s.loss) && s.loss > 0);
        norms[split] = s.grad_norm;
        trainer_destroy(t);
        recipe_finish(&r);
    }
    // Timesteps are spread within a micro-batch, so the numbers differ a little, not by a factor.
    assert_true(fabs(norms[0] - norms[1]) < 0.5 * norms[0]);
}

static void
bf16_follows_f32(void **state)
{
    (void)state;
    double total[2] = {0};
    for (int k = 0; k < 2; k++) {
        struct recipe r;
        struct run o = {k ? "bf16" : "f32", both, k ? "bf16" : "f32", 6, 1, 100, 1e-3};
        make_recipe(&r, &o);
        struct trainer *t = start(&r, false);
        for (int i = 0; i < 12; i++)
            total[k] += step(t);
        trainer_destroy(t);
        recipe_finish(&r);
    }
    assert_true(fabs(total[0] - total[1]) < 0.05 * total[0]);
}

static struct batch *
take(struct feed *f, uint64_t index)
{
    struct err err = {0};
    struct batch *b = feed_take(f, index, index + 1, &err);
    must(b != NULL, &err);
    return b;
}

// Threads that fill ahead change no bit, whichever micro-batch is asked for after which.
static void
batches_are_the_same_however_they_are_filled(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    struct run o = {"feed", both, "f32", 7, 1, 10, 1e-3};
    make_recipe(&r, &o);
    struct tokenizer *tokenizer = tokenizer_open(spiece, &err);
    struct pack *pack = tokenizer ? pack_open(r.pack, &err) : NULL;
    struct tasks *tasks = pack ? tasks_create(pack, r.tasks, false, &err) : NULL;
    struct schedule *schedule = tasks ? schedule_create(&(struct schedule_params){0}, &err) : NULL;
    must(schedule != NULL, &err);
    struct objective objective = {schedule, PREDICTION_V, 0};
    struct feed_params p = {.recipe = &r, .tasks = tasks, .tokenizer = tokenizer,
                            .objective = &objective, .side = SIDE, .channels = 3, .words_side = 4};
    struct feed *plain = feed_create(&p, &err);
    p.threads = 5;
    struct feed *ahead = feed_create(&p, &err);
    must(plain && ahead, &err);
    static const uint64_t order[] = {0, 1, 2, 7, 8, 3, 2, 3};
    size_t pixels = (size_t)BYTES * 7 * sizeof(float);
    int references = 0;
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        const struct batch *a = take(plain, order[i]), *b = take(ahead, order[i]);
        int k = feed_references(plain, order[i]);
        references += k;
        assert_memory_equal(a->sample, b->sample, pixels);
        assert_memory_equal(a->target, b->target, pixels);
        assert_memory_equal(a->image, b->image, pixels * (size_t)k);
        assert_memory_equal(a->text, b->text, 7 * 12 * sizeof(int32_t));
        assert_memory_equal(a->timestep, b->timestep, 7 * sizeof(float));
        assert_memory_equal(a->thumbnail_mask, b->thumbnail_mask, 7 * sizeof(float));
        assert_memory_equal(a->task, b->task, 7 * sizeof(int));
    }
    assert_in_range(references, 1, COUNT_OF(order) - 1); // plans of both kinds were fed
    feed_destroy(plain);
    feed_destroy(ahead);
    schedule_destroy(schedule);
    tasks_destroy(tasks);
    pack_close(pack);
    tokenizer_close(tokenizer);
    recipe_finish(&r);
}

static void
check_recipe(const char *text, const char *sentence)
{
    struct err err = {0};
    struct recipe r;
    struct jv *json = jv_parse(text, strlen(text), "r.yaml", &err);
    assert_non_null(json);
    assert_false(recipe_read(&r, json, "r.yaml", &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.text, sentence);
    jv_free(json);
}

static void
wrong_recipes_are_a_sentence(void **state)
{
    (void)state;
    check_recipe("{\"lrate\":1}", "r.yaml: unknown key 'lrate'");
    check_recipe("{\"lr\":-1}", "r.yaml: lr is -1, but must be in 0..10");
    check_recipe("{\"micro_batch\":1.5}", "r.yaml: micro_batch must be a whole number");
    check_recipe("{\"dtype\":\"f8\"}", "r.yaml: dtype is 'f8', but must be auto, f32 or bf16");
    check_recipe("{\"schedule\":\"steps\"}",
                 "r.yaml: schedule is 'steps', but must be constant, cosine or linear");
    check_recipe("{\"stage\":\"sounds\"}",
                 "r.yaml: stage is 'sounds', but must be pictures, words, enlarger or lora");
    check_recipe("{\"model\":\"m\",\"pack\":\"p\",\"output\":\"o\",\"tasks\":{},"
                 "\"stage\":\"words\",\"freeze_text\":true}",
                 "r.yaml: the stage 'words' with freeze_text trains nothing");
    check_recipe("{\"model\":\"m\",\"output\":\"o\",\"tasks\":{}}",
                 "r.yaml: the key 'pack' is missing");
    check_recipe("[1]", "r.yaml: a recipe is a list of KEY: VALUE");
}

static void
refused(const struct recipe *r, enum err_code code)
{
    struct err err = {0};
    struct trainer *t = trainer_create(r, device, true, &err);
    assert_null(t);
    assert_int_equal(err.code, code);
    assert_true(strstr(err.text, "checkpoint") != NULL);
}

static void
broken_checkpoints_are_a_sentence(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    struct run o = {"broken", text_only, "f32", 2, 1, 10, 1e-3};
    make_recipe(&r, &o);
    refused(&r, ERR_INPUT); // there is none
    struct trainer *t = start(&r, false);
    step(t);
    must(trainer_save(t, &err), &err);
    trainer_destroy(t);
    size_t size;
    char *bytes = checkpoint_bytes(&r, &size),
         *path = file_join(r.output, "checkpoint.safetensors");
    must(file_write(path, bytes, size / 2, &err), &err);
    refused(&r, ERR_INPUT);
    must(file_write(path, "not a checkpoint", 16, &err), &err);
    refused(&r, ERR_INPUT);
    // One weight under another name: a checkpoint of another model.
    char *name = memmem(bytes, size, "weights/unet/conv_in.bias", 25);
    assert_non_null(name);
    name[8] = 'X';
    must(file_write(path, bytes, size, &err), &err);
    refused(&r, ERR_INPUT);
    free(bytes);
    free(path);
    recipe_finish(&r);
}

static void
a_loss_that_is_not_finite_is_reported(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    struct run o = {"wild", text_only, "f32", 2, 1, 100, 10};
    make_recipe(&r, &o);
    r.clip = 0;
    r.lr = 1e30; // beyond what a recipe may say
    struct trainer *t = start(&r, false);
    struct trainer_step s;
    bool ok = true;
    for (int i = 0; ok && i < 100; i++)
        ok = trainer_step(t, &s, &err);
    assert_false(ok);
    assert_non_null(strstr(err.text, "the loss is not finite at step"));
    trainer_destroy(t);
    recipe_finish(&r);
}

// text_lr 0: the text encoder stays as it was, bit for bit, and the U-Net does not.
static void
the_text_encoder_has_its_own_rate(void **state)
{
    (void)state;
    static const char *const files[] = {"text_encoder/model.safetensors",
                                        "unet/diffusion_pytorch_model.safetensors"};
    for (int rate = 0; rate < 2; rate++) {
        struct recipe r;
        struct run o = {"own-rate", both, "f32", 2, 1, 10, 1e-2};
        make_recipe(&r, &o);
        r.text_lr = rate;
        struct trainer *t = start(&r, false);
        for (int k = 0; k < 2; k++) {
            size_t before, after;
            char *a = exported(t, "as-it-was", files[k], &before);
            for (int i = 0; i < 4; i++)
                step(t);
            char *b = exported(t, "as-it-is", files[k], &after);
            assert_int_equal(before, after);
            // Behind the head, which says at which step it was written.
            uint64_t head;
            memcpy(&head, a, 8);
            bool same = memcmp(a + 8 + head, b + 8 + head, before - 8 - head) == 0;
            if (same != (k == 0 && rate == 0))
                fail_msg("%s, rate %d: same %d", files[k], rate, same);
            free(a);
            free(b);
        }
        trainer_destroy(t);
        recipe_finish(&r);
    }
}

static void
thumbnails_are_means_of_blocks(void **state)
{
    (void)state;
    uint8_t rgb[4 * 4 * 3] = {0};
    float out[2 * 2 * 3];
    rgb[3 * (0 * 4 + 2) + 1] = 255; // one green pixel in the block at the top right
    for (int i = 0; i < 4; i++)     // all of the block at the bottom left is red
        rgb[3 * ((2 + i / 2) * 4 + i % 2)] = 255;
    batch_shrink(rgb, 4, 3, out, 2);
    for (int i = 0; i < 12; i++) {
        float want = i == 3 + 1 ? -0.5f : i == 6 ? 1 : -1;
        assert_true(fabsf(out[i] - want) < 1e-6f);
    }
}

// Beside references a model hears the thumbnail of nothing; one that may hear the sentence's is the
// same when all of them are dropped, and another when none is.
static void
dropped_thumbnails_are_of_nothing(void **state)
{
    (void)state;
    enum { STEPS = 4 };
    static const char edges[] =
        "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
        "{\"name\":\"edge\",\"ratio\":1,\"references\":[{\"slot\":\"edge\",\"picture\":\"role."
        "edge\","
        "\"texts\":[\"edge map\"]}],\"texts\":[\"Draw {subject} along {edge}\"]}]}";
    static const char *const models[] = {"thumbnail", "heard", "heard"};
    double loss[3][STEPS];
    for (int k = 0; k < 3; k++) {
        struct recipe r;
        struct run o = {models[k], edges, "f32", 3, 1, 100, 1e-2, models[k], NULL};
        make_recipe(&r, &o);
        r.thumbnail_drop = k == 1;
        struct trainer *t = start(&r, false);
        for (int i = 0; i < STEPS; i++)
            loss[k][i] = step(t);
        trainer_destroy(t);
        recipe_finish(&r);
    }
    for (int i = 0; i < STEPS; i++)
        assert_true(loss[1][i] == loss[0][i]);
    assert_true(loss[2][STEPS - 1] != loss[0][STEPS - 1]);
}

// The shares of timesteps: uniform is the share itself; of the logit-normal density half of all lie
// below the mean's place, and what the normal law has below one deviation, .841345, below that.
static void
timesteps_follow_their_density(void **state)
{
    (void)state;
    struct recipe r = {.timestep_density = TIMESTEPS_UNIFORM};
    assert_true(recipe_timestep(&r, 0.25) == 0.25);
    r.timestep_bias = 1;
    assert_true(fabs(recipe_timestep(&r, 0.25) - 0.5) < 1e-12);
    r = (struct recipe){.timestep_density = TIMESTEPS_LOGIT_NORMAL, .timestep_mean = 0.3,
                        .timestep_deviation = 1.2};
    assert_true(fabs(recipe_timestep(&r, 0.5) - 1 / (1 + exp(-0.3))) < 1e-9);
    assert_true(fabs(recipe_timestep(&r, 0.8413447460685429) - 1 / (1 + exp(-1.5))) < 1e-9);
    assert_true(fabs(recipe_timestep(&r, 0.15865525393145707) - 1 / (1 + exp(0.9))) < 1e-9);
    assert_true(recipe_timestep(&r, 0) >= 0 && recipe_timestep(&r, 1 - 1e-16) < 1);
}

// The same steps on the CPU and, where there is a Vulkan driver, on it: the loss curves agree.
static void
vulkan_trains_like_the_cpu(void **state)
{
    (void)state;
    enum { STEPS = SANITIZED ? 10 : 50 };
    struct err err = {0};
    stay_loaded();
    watch_layers();
    struct device *vulkan = device_open("vulkan", &err), *cpu = device;
    if (!vulkan)
        skip();
    double losses[2][STEPS], sum[2] = {0};
    for (int k = 0; k < 2; k++) {
        struct recipe r;
        struct run o = {k ? "on-vulkan" : "on-cpu", both, "f32", 2, 1, STEPS, 2e-3};
        make_recipe(&r, &o);
        device = k ? vulkan : cpu;
        struct trainer *t = start(&r, false);
        for (int i = 0; i < STEPS; i++)
            sum[k] += losses[k][i] = step(t);
        trainer_destroy(t);
        recipe_finish(&r);
    }
    device = cpu;
    device_close(vulkan);
    if (layer_messages)
        fail_msg("the validation layers say: %s", layer_message);
    assert_true(fabs(sum[1] / sum[0] - 1) < 0.01);
    for (int i = 0; i < STEPS; i++)
        if (fabs(losses[1][i] / losses[0][i] - 1) > 0.01)
            fail_msg("step %d: loss %g instead of %g", i + 1, losses[1][i], losses[0][i]);
    assert_true(SANITIZED || losses[0][STEPS - 1] < losses[0][0]);
}

// Argument: a tokenizer's model.
int
main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_run_goes_on_bit_for_bit),
        cmocka_unit_test(accumulation_is_one_large_batch),
        cmocka_unit_test(bf16_follows_f32),
        cmocka_unit_test(batches_are_the_same_however_they_are_filled),
        cmocka_unit_test(wrong_recipes_are_a_sentence),
        cmocka_unit_test(broken_checkpoints_are_a_sentence),
        cmocka_unit_test(a_loss_that_is_not_finite_is_reported),
        cmocka_unit_test(the_text_encoder_has_its_own_rate),
        cmocka_unit_test(thumbnails_are_means_of_blocks),
        cmocka_unit_test(dropped_thumbnails_are_of_nothing),
        cmocka_unit_test(timesteps_follow_their_density),
        cmocka_unit_test(vulkan_trains_like_the_cpu),
    };
    return cmocka_run_group_tests(tests, runs_setup, runs_teardown);
}
