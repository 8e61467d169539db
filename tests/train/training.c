// SPDX-License-Identifier: MIT
#include "training.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"
#include "tests/model/small.h"

const char *spiece;
struct device *device;
uint8_t pictures[RECORDS][BYTES], alphas[RECORDS][SIDE * SIDE];
const char *const captions[RECORDS] = {"red apple", "rocket", "snail"};
static char folder[] = "/tmp/limn-training-XXXXXX";

const char both[] =
    "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
    "{\"name\":\"text\",\"ratio\":0.5,\"texts\":[\"{subject}\"]},"
    "{\"name\":\"edge\",\"ratio\":0.5,\"references\":[{\"slot\":\"edge\",\"picture\":\"role.edge\","
    "\"texts\":[\"edge map\"]}],\"texts\":[\"Draw {subject} along {edge}\"]}]}";
const char text_only[] =
    "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
    "{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}\"]}]}";

void
must(bool ok, const struct err *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

char *
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
void
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
void
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

int
runs_setup(void **state)
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

int
runs_teardown(void **state)
{
    (void)state;
    device_close(device);
    char *command = mem_printf("rm -rf '%s'", folder);
    int rc = system(command);
    free(command);
    return rc;
}

void
make_recipe(struct recipe *r, const struct run *o)
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

struct trainer *
start(const struct recipe *r, bool resume)
{
    struct err err = {0};
    struct trainer *t = trainer_create(r, device, resume, &err);
    must(t != NULL, &err);
    return t;
}

double
step(struct trainer *t)
{
    struct err err = {0};
    struct trainer_step s;
    must(trainer_step(t, &s, &err), &err);
    return s.loss;
}

char *
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

double
mean_difference_of(const uint8_t *a, const uint8_t *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += abs(a[i] - b[i]);
    return sum / n;
}

double
mean_difference(const uint8_t *a, const uint8_t *b)
{
    return mean_difference_of(a, b, BYTES);
}
