// SPDX-License-Identifier: MIT
// The trainer on a pack of three pictures: an interrupted run ends as an uninterrupted one, bit for
// bit; a batch is overfitted until the pictures can be told apart; words are taught without the
// U-Net; accumulation, bf16; what is wrong with recipes and checkpoints is said in a sentence.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/diffusion/schedule.h"
#include "engine/draw/alpha.h"
#include "engine/draw/pipeline.h"
#include "engine/tensor/safetensors.h"
#include "engine/train/batch.h"
#include "engine/train/feed.h"
#include "engine/train/pack.h"
#include "engine/train/trainer.h"
#include "tests/model/small.h"
#include "tests/vulkan/stay.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

enum { SIDE = 16, BYTES = SIDE * SIDE * 3, RECORDS = 3 };

static const char *spiece;
static char folder[] = "/tmp/limn-trainer-XXXXXX";
static struct device *device;
static uint8_t pictures[RECORDS][BYTES], alphas[RECORDS][SIDE * SIDE];
static const char *const captions[RECORDS] = {"red apple", "rocket", "snail"};

static void
must(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static char *
in_folder(const char *name)
{
    return file_join(folder, name);
}

// A red disc, a blue bar and a green frame, on white. The white within the frame is there, unlike
// that without.
static void
paint(void)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int at = 3 * (y * SIDE + x);
            bool inside[RECORDS] = {(x - 8) * (x - 8) + (y - 8) * (y - 8) < 30, x > 5 && x < 10,
                                    x < 3 || y < 3 || x > 12 || y > 12};
            static const uint8_t colour[RECORDS][3] = {{220, 30, 30}, {30, 30, 220}, {20, 160, 40}};
            for (int r = 0; r < RECORDS; r++)
                for (int c = 0; c < 3; c++)
                    pictures[r][at + c] = inside[r] ? colour[r][c] : 255;
            for (int r = 0; r < RECORDS; r++)
                alphas[r][at / 3] = inside[r] || r == 2 ? 255 : 0;
        }
}

// times: each pixel is that many a side. clear: with alpha.
static void
write_pack(const char *name, int times, bool clear)
{
    struct err err = {0};
    int side = SIDE * times;
    uint8_t *images = mem_alloc((size_t)RECORDS * BYTES * (size_t)(times * times));
    for (int r = 0; r < RECORDS; r++)
        for (int i = 0; i < side * side * 3; i++)
            images[r * side * side * 3 + i] =
                pictures[r][3 * (i / 3 / side / times * SIDE + i / 3 % side / times) + i % 3];
    uint8_t *alpha = mem_alloc((size_t)(RECORDS * side * side));
    for (int i = 0; i < RECORDS * side * side; i++)
        alpha[i] = alphas[i / side / side][i / side % side / times * SIDE + i % side / times];
    int64_t caption_ends[RECORDS], keyword_ends[RECORDS] = {0};
    int32_t subject[RECORDS] = {0, 1, 2}, style[RECORDS] = {0};
    uint8_t split[RECORDS] = {0};
    char text[64] = "";
    for (int r = 0; r < RECORDS; r++) {
        strcat(text, captions[r]);
        caption_ends[r] = (int64_t)strlen(text);
    }
    const struct tensor_view tensors[] = {
        {"text.caption.ends", DTYPE_I64, SHAPE(RECORDS), caption_ends, 0},
        {"text.keywords.ends", DTYPE_I64, SHAPE(RECORDS), keyword_ends, 0},
        {"subject", DTYPE_I32, SHAPE(RECORDS), subject, 0},
        {"style", DTYPE_I32, SHAPE(RECORDS), style, 0},
        {"split", DTYPE_U8, SHAPE(RECORDS), split, 0},
        {"text.caption", DTYPE_U8, SHAPE((int64_t)strlen(text)), text, 0},
        {"text.keywords", DTYPE_U8, SHAPE(1), "", 0},
        {"images", DTYPE_U8, SHAPE(RECORDS, side, side, 3), images, 0},
        {"role.edge", DTYPE_U8, SHAPE(RECORDS, side, side, 3), images, 0},
        {"alpha", DTYPE_U8, SHAPE(RECORDS, side, side), alpha, 0},
    };
    static const char *const metadata[] = {"format", "limn pack 1", "styles", "[\"flat\"]", NULL};
    char *path = in_folder(name);
    must(safetensors_write(path, tensors, COUNT_OF(tensors) - !clear, metadata, &err), &err);
    free(path);
    free(images);
    free(alpha);
}

// Text alone, and the picture itself as a reference: plans without and with references run.
static const char both[] =
    "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
    "{\"name\":\"text\",\"ratio\":0.5,\"texts\":[\"{subject}\"]},"
    "{\"name\":\"edge\",\"ratio\":0.5,\"references\":[{\"slot\":\"edge\",\"picture\":\"role.edge\","
    "\"texts\":[\"edge map\"]}],\"texts\":[\"Draw {subject} along {edge}\"]}]}";
static const char text_only[] =
    "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
    "{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}\"]}]}";

struct options {
    const char *output, *tasks, *dtype;
    int micro_batch, accumulate, steps;
    double lr;
    const char *model, *stage, *pack; // NULL: "model", "pictures", "pack"
};

static void
make_recipe(struct recipe *r, const struct options *o)
{
    struct err err = {0};
    char *model = in_folder(o->model ? o->model : "model"),
         *pack = in_folder(o->pack ? o->pack : "pack"), *output = in_folder(o->output);
    char *text = mem_printf(
        "{\"model\":\"%s\",\"pack\":\"%s\",\"output\":\"%s\",\"tasks\":%s,\"micro_batch\":%d,"
        "\"accumulate\":%d,\"steps\":%d,\"lr\":%g,\"warmup\":0,\"ema\":0.95,\"dtype\":\"%s\","
        "\"text_tokens\":12,\"reference_tokens\":8,\"crop\":16,\"seed\":5,\"checkpoint_"
        "activations\":false,\"stage\":\"%s\"}",
        model, pack, output, o->tasks, o->micro_batch, o->accumulate, o->steps, o->lr, o->dtype,
        o->stage ? o->stage : "pictures");
    struct jv *json = jv_parse(text, strlen(text), "recipe", &err);
    must(json && recipe_read(r, json, "recipe", &err) && file_make_folders(r->output, &err), &err);
    jv_free(json);
    free(text);
    free(model);
    free(pack);
    free(output);
}

static struct trainer *
start(const struct recipe *r, bool resume)
{
    struct err err = {0};
    struct trainer *t = trainer_create(r, device, resume, &err);
    must(t != NULL, &err);
    return t;
}

static double
step(struct trainer *t)
{
    struct err err = {0};
    struct trainer_step s;
    must(trainer_step(t, &s, &err), &err);
    return s.loss;
}

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
    struct options o = {"whole", both, "bf16", 3, 2, 100, 1e-3};
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

static struct batch *
take(struct feed *f, uint64_t index)
{
    struct err err = {0};
    struct batch *b = feed_take(f, index, &err);
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
    struct options o = {"feed", both, "f32", 7, 1, 10, 1e-3};
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
        assert_memory_equal(a->heard, b->heard, 7 * sizeof(float));
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

static double
mean_difference_of(const uint8_t *a, const uint8_t *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += abs(a[i] - b[i]);
    return sum / n;
}

static double
mean_difference(const uint8_t *a, const uint8_t *b)
{
    return mean_difference_of(a, b, BYTES);
}

static void
a_batch_is_overfitted_to_its_pictures(void **state)
{
    (void)state;
    struct err err = {0};
    struct recipe r;
    enum { STEPS = 1200 };
    struct options o = {"overfit", text_only, "f32", 12, 1, STEPS, 3e-3};
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
        struct instruction n = {.text = mem_strdup(captions[k])};
        struct pipeline_request request = {.instruction = &n, .seed = 3, .steps = 30,
                                           .sampler = "ddim", .scale = 1, .context_scale = -1};
        struct pipeline_result result;
        must(pipeline_run(p, &request, &result, &err), &err);
        double own = mean_difference(result.pictures.pixels, pictures[k]);
        print_message("%s: off by %.1f of 255\n", captions[k], own);
        assert_true(own < 20);
        for (int i = 0; i < RECORDS; i++)
            assert_true(i == k || mean_difference(result.pictures.pixels, pictures[i]) > 2 * own);
        free(result.pictures.pixels);
        instruction_finish(&n);
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
    struct options o = {"clear-run", text_only, "f32",         12,   1,
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
        struct instruction n = {.text = mem_strdup(captions[k])};
        struct pipeline_request request = {.instruction = &n, .seed = 3, .steps = 30,
                                           .sampler = "ddim", .scale = 1, .context_scale = -1};
        struct pipeline_result result;
        must(pipeline_run(p, &request, &result, &err), &err);
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
        instruction_finish(&n);
    }
    pipeline_close(p);
    free(model);
    recipe_finish(&r);
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
        struct options o = {split ? "two" : "one", text_only, "f32", split ? 6 : 12,
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
        struct options o = {k ? "bf16" : "f32", both, k ? "bf16" : "f32", 6, 1, 100, 1e-3};
        make_recipe(&r, &o);
        struct trainer *t = start(&r, false);
        for (int i = 0; i < 12; i++)
            total[k] += step(t);
        trainer_destroy(t);
        recipe_finish(&r);
    }
    assert_true(fabs(total[0] - total[1]) < 0.05 * total[0]);
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
    check_recipe("{\"lr\":-1}", "r.yaml: lr is -1, it must lie in 0..10");
    check_recipe("{\"micro_batch\":1.5}", "r.yaml: micro_batch must be a whole number");
    check_recipe("{\"dtype\":\"f8\"}", "r.yaml: dtype is 'f8', it must be auto, f32 or bf16");
    check_recipe("{\"schedule\":\"steps\"}",
                 "r.yaml: schedule is 'steps', it must be constant, cosine or linear");
    check_recipe("{\"stage\":\"sounds\"}",
                 "r.yaml: stage is 'sounds', it must be pictures, words, enlarger or lora");
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
    struct options o = {"broken", text_only, "f32", 2, 1, 10, 1e-3};
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
    struct options o = {"wild", text_only, "f32", 2, 1, 100, 10};
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

// A folder like "model" whose U-Net has a thumbnail of 8 pixels a side, and more keys.
static void
make_thumbnail_model(const char *name, const char *more)
{
    struct err err = {0};
    char *path = in_folder(name), *config = file_join(path, "unet/config.json");
    char *weights = file_join(path, "unet/diffusion_pytorch_model.safetensors");
    char *encoder = file_join(path, "text_encoder/model.safetensors");
    char *json = mem_printf("%.*s,\"text_thumbnail_size\":8%s}", (int)strlen(small_unet) - 1,
                            small_unet, more);
    small_folder(path, spiece, false, true);
    must(file_write(config, json, strlen(json), &err), &err);
    unlink(weights);
    unlink(encoder);
    char *const owned[] = {path, config, weights, encoder, json};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

// A folder like "model" whose U-Net draws alpha, and has no weights yet.
static void
make_clear_model(const char *name)
{
    struct err err = {0};
    char *path = in_folder(name), *config = file_join(path, "unet/config.json");
    char *weights = file_join(path, "unet/diffusion_pytorch_model.safetensors");
    char *json = mem_strdup(small_unet);
    for (char *at = json; (at = strstr(at, "_channels\":3"));)
        at[strlen("_channels\":")] = '4';
    if (!file_exists(path))
        small_folder(path, spiece, false, true);
    must(file_write(config, json, strlen(json), &err), &err);
    unlink(weights);
    char *const owned[] = {path, config, weights, json};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

// A whole model with a second pass of 32 pixels that has no weights yet.
static void
make_enlarger(const char *name, const char *keys)
{
    struct err err = {0};
    char *path = in_folder(name), *config = file_join(path, "super_resolution/config.json");
    char *weights = file_join(path, "super_resolution/diffusion_pytorch_model.safetensors");
    char *json = mem_printf(
        "{%s\"layers_per_block\":1,\"attention_head_dim\":8,\"norm_num_groups\":4,"
        "\"in_channels\":6,\"out_channels\":3,\"block_out_channels\":[16,24],\"pixel_unshuffle\":2,"
        "\"resnet_time_scale_shift\":\"scale_shift\",\"class_embed_type\":\"timestep\","
        "\"down_block_types\":[\"ResnetDownsampleBlock2D\",\"ResnetDownsampleBlock2D\"],"
        "\"up_block_types\":[\"ResnetUpsampleBlock2D\",\"ResnetUpsampleBlock2D\"]}", keys);
    small_folder(path, spiece, true, false);
    must(file_write(config, json, strlen(json), &err), &err);
    unlink(weights);
    char *const owned[] = {path, config, weights, json};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

static int
setup(void **state)
{
    (void)state;
    struct err err = {0};
    if (!mkdtemp(folder))
        return -1;
    char *model = in_folder("model");
    small_folder(model, spiece, false, true);
    // Training starts from the configs alone.
    char *weights = file_join(model, "unet/diffusion_pytorch_model.safetensors");
    unlink(weights);
    free(weights);
    free(model);
    make_thumbnail_model("thumbnail", "");
    make_thumbnail_model("heard", ",\"text_thumbnail_with_references\":true");
    paint();
    write_pack("pack", 1, false);
    write_pack("large", 2, false);
    write_pack("clear", 1, true);
    write_pack("clear-large", 2, true);
    make_clear_model("clear-model");
    char *whole = in_folder("whole");
    small_folder(whole, spiece, false, true);
    free(whole);
    make_enlarger("enlarger", "\"mid_block_type\":\"UNetMidBlock2D\",\"sample_size\":32,");
    make_enlarger("hears", "\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\","
                           "\"encoder_hid_dim\":24,\"cross_attention_dim\":32,"
                           "\"sample_size\":32,");
    device = device_open("cpu", &err);
    return device ? 0 : -1;
}

static int
teardown(void **state)
{
    (void)state;
    device_close(device);
    char *command = mem_printf("rm -rf '%s'", folder);
    int rc = system(command);
    free(command);
    return rc;
}

static char *
exported(struct trainer *t, const char *name, const char *file, size_t *size)
{
    struct err err = {0};
    char *to = in_folder(name), *path = file_join(to, file);
    must(trainer_export(t, to, &err), &err);
    char *bytes = file_read(path, (size_t)1 << 30, size, &err);
    must(bytes != NULL, &err);
    free(to);
    free(path);
    return bytes;
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
        struct options o = {"own-rate", both, "f32", 2, 1, 10, 1e-2};
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
        struct options o = {outputs[k], both, "f32", 6, 1, 100, 1e-3, "thumbnail",
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
    struct options o = {"words", both, "f32", 6, 1, steps, 3e-3, "thumbnail", "words"};
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
    struct options o = {"no-words", both, "f32", 6, 1, 300, 3e-3, NULL, "words"};
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
    struct options o = {"enlarged", both, "f32", 6, 1, STEPS, 5e-3, "enlarger", "enlarger",
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
    struct options o = {"apart", text_only, "f32", 2, 1, 1, 1e-3, "clear-apart", NULL, "clear"};
    make_recipe(&r, &o);
    struct trainer *t = start(&r, false);
    char *half = in_folder("apart-half"), *whole = in_folder("apart-whole");
    must(trainer_export(t, half, &err), &err);
    trainer_destroy(t);
    recipe_finish(&r);
    struct options second = {"apart-second", both, "f32", 6, 1, 1, 1e-3, "apart-half",
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
        struct options o = {"no-second", both, "f32", 6, 1, 300, 3e-3, rows[i].model, "enlarger",
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
    struct options o = {"no-alpha", text_only, "f32", 2, 1, 2, 3e-3, "clear-model"};
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
    struct options o = {"lora", text_only, "f32", 6, 1, STEPS, 1e-2, "whole", "lora"};
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
        struct options o = {k ? "on-vulkan" : "on-cpu", both, "f32", 2, 1, STEPS, 2e-3};
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
        struct options o = {models[k], edges, "f32", 3, 1, 100, 1e-2, models[k], NULL};
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

// What is learned in hundreds of steps. For sanitizers the other tests run the same code in a few.
static int
learning(void)
{
    if (SANITIZED) {
        printf("skipped: learning is measured without sanitizers\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_are_the_same_however_they_are_filled),
        cmocka_unit_test(a_batch_is_overfitted_to_its_pictures),
        cmocka_unit_test(transparent_pictures_are_learned),
        cmocka_unit_test(words_are_learned_without_noise),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

// Arguments: a tokenizer's model, and "learning" for the tests that take long.
int
main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    spiece = argv[1];
    if (argc > 2)
        return learning();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_run_goes_on_bit_for_bit),
        cmocka_unit_test(accumulation_is_one_large_batch),
        cmocka_unit_test(bf16_follows_f32),
        cmocka_unit_test(wrong_recipes_are_a_sentence),
        cmocka_unit_test(broken_checkpoints_are_a_sentence),
        cmocka_unit_test(a_loss_that_is_not_finite_is_reported),
        cmocka_unit_test(the_text_encoder_has_its_own_rate),
        cmocka_unit_test(thumbnails_are_means_of_blocks),
        cmocka_unit_test(each_stage_trains_its_own),
        cmocka_unit_test(words_go_on_after_a_stop),
        cmocka_unit_test(words_without_a_thumbnail_are_a_sentence),
        cmocka_unit_test(a_second_pass_is_learned_from_crops),
        cmocka_unit_test(alpha_is_enlarged_by_a_pass_without_it),
        cmocka_unit_test(second_passes_that_cannot_learn_are_a_sentence),
        cmocka_unit_test(a_lora_is_learned),
        cmocka_unit_test(alpha_needs_a_pack_with_it),
        cmocka_unit_test(dropped_thumbnails_are_of_nothing),
        cmocka_unit_test(timesteps_follow_their_density),
        cmocka_unit_test(vulkan_trains_like_the_cpu),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
