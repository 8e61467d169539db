// SPDX-License-Identifier: MIT
// That a row is all there is to add: this program has one network and one family more than the
// engine's tables (nets.def, families.def), and is linked with an engine that was built without
// them. A folder of theirs is made, saved, opened, drawn with and named in errors like any other.
//
// The network is a table of colours, one for each token. As text encoder it looks them up; as
// denoiser it says that the clean picture is their mean everywhere. So every picture is known.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "small.h"

enum { SIDE = 8, STEPS = 3 };

static const char *spiece;
static const float colour[3] = {0.25f, -0.5f, 0.75f};
static const uint8_t bytes[3] = {159, 64, 223}; // (v + 1) 127.5, rounded

// --- the network: what a file NAME_net.c holds

struct dummy_config {
    int tokens;
};

static bool
accepts(const struct jv *json)
{
    return strcmp(jv_string(jv_get(json, "_class_name"), ""), "DummyModel") == 0;
}

static bool
read_config(void *config, const struct jv *json, const char *name, struct err *err)
{
    struct dummy_config *c = config;
    c->tokens = (int)jv_integer(jv_get(json, "tokens"), 0);
    return c->tokens > 0 || err_set(err, ERR_INPUT, "%s: tokens must be positive", name);
}

static struct jv *
write_config(const void *config)
{
    const struct dummy_config *c = config;
    struct jv *json = jv_object();
    jv_set(json, "_class_name", jv_from_string("DummyModel"));
    jv_set(json, "tokens", jv_from_integer(c->tokens));
    return json;
}

static struct node *
colours(struct nn *nn, const void *config, struct node *ids)
{
    const struct dummy_config *c = config;
    return nn_embedding(nn, ids, &(struct embedding){.rows = c->tokens, .width = 3}, "colours");
}

static struct node *
build(struct nn *nn, const void *config)
{
    return colours(nn, config, graph_input(nn->g, "ids", SHAPE(1, 1), DTYPE_I32));
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return net_declare(params, prefix, config, build, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct dummy_config *c = config;
    snprintf(out, size, "%d colours", c->tokens);
}

const struct net net_dummy = {
    .class_name = "DummyModel", .weights = "model", .accepts = accepts,
    .config_size = sizeof(struct dummy_config), .read = read_config, .write = write_config,
    .declare = declare, .describe = describe,
};

// --- the family: what a file NAME.c holds

static const char *const classes[] = {"DummyPipeline", NULL};
static const struct family_part parts_of[] = {{"painter", DTYPE_NONE}, {0}};

static const struct dummy_config *
config_of(const struct parts *parts)
{
    return parts_config(parts, "painter", &net_dummy);
}

static bool
check(const struct parts *parts, const char *folder, struct err *err)
{
    return config_of(parts) || err_set(err, ERR_INPUT, "%s cannot draw: it has no painter", folder);
}

static void
sizes(const struct parts *parts, int *size, int *final_size)
{
    (void)parts;
    *size = *final_size = SIDE;
}

static struct latent
latent(const struct parts *parts, const char *part, struct picture_size size)
{
    (void)parts, (void)part, (void)size;
    return (struct latent){SIDE, SIDE, 3, 3};
}

static struct family_defaults
defaults(const struct jv *index)
{
    (void)index;
    return (struct family_defaults){.steps = STEPS, .scale = 1};
}

static int
vocabulary(const struct parts *parts)
{
    return config_of(parts)->tokens;
}

static bool
has(const struct parts *parts, enum stage_kind kind)
{
    (void)parts;
    return kind == STAGE_TEXT || kind == STAGE_STEP || kind == STAGE_DECODE;
}

static void
build_text(struct nn *nn, const struct parts *parts, const struct stage_key *key,
           struct ports *ports)
{
    struct node *ids = port_input(ports, nn, "ids", SHAPE(1, key->tokens), DTYPE_I32);
    nn->part = parts_find(parts, "painter")->prefix;
    port_output(ports, nn, "text", colours(nn, config_of(parts), ids));
}

static void
build_step(struct nn *nn, const struct parts *parts, const struct stage_key *key,
           struct ports *ports)
{
    (void)parts;
    int64_t n = key->batch;
    struct shape picture = SHAPE(n, SIDE, SIDE, 3);
    struct node *sample = port_input(ports, nn, "sample", picture, DTYPE_F32);
    struct node *time = port_input(ports, nn, "timestep", SHAPE(n), DTYPE_F32);
    struct node *text = port_input(ports, nn, "text", SHAPE(n, key->tokens, 3), DTYPE_F32);
    struct node *mean = op_affine(nn->g, op_sum(nn->g, text, 1u << 1), 1.0 / key->tokens, 0);
    mean = op_broadcast(nn->g, op_reshape(nn->g, mean, SHAPE(n, 1, 1, 3)), picture);
    // Neither counts, but both are a step's.
    struct node *rest = op_affine(nn->g, sample, 0, 0);
    rest = op_add(nn->g, rest, op_reshape(nn->g, op_affine(nn->g, time, 0, 0), SHAPE(n, 1, 1, 1)));
    port_output(ports, nn, "prediction", op_add(nn->g, mean, rest));
}

static void
build_decode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
             struct ports *ports)
{
    (void)parts;
    struct node *sample =
        port_input(ports, nn, "sample", SHAPE(key->batch, SIDE, SIDE, 3), DTYPE_F32);
    port_output(ports, nn, "picture", op_affine(nn->g, sample, 1, 0));
}

const struct family family_dummy = {
    .name = "dummy", .classes = classes, .parts = parts_of, .denoiser = "painter",
    .text = "painter", .check = check, .sizes = sizes, .latent = latent, .defaults = defaults,
    .vocabulary = vocabulary, .has = has, .part = {[STAGE_TEXT] = "painter"},
    .build = {[STAGE_TEXT] = build_text, [STAGE_STEP] = build_step, [STAGE_DECODE] = build_decode},
};

// --- what holds for every family holds for this one

static char folder[] = "/tmp/limn-family-XXXXXX";

static void
a_family_and_its_network_are_found_by_their_classes(void **state)
{
    (void)state;
    struct err err = {0};
    struct jv *index = jv_object();
    jv_set(index, "_class_name", jv_from_string("DummyPipeline"));
    assert_ptr_equal(family_of(index, "x", &err), &family_dummy);
    jv_set(index, "_class_name", jv_from_string("NoPipeline"));
    assert_null(family_of(index, "x", &err));
    assert_non_null(strstr(err.text, "DummyPipeline"));
    assert_non_null(strstr(err.text, "LimnPipeline"));
    err_clear(&err);
    assert_null(net_of(index, "x", &err));
    assert_non_null(strstr(err.text, "DummyModel"));
    jv_free(index);
    assert_ptr_equal(family_of(NULL, "x", &err), &family_limn); // the first row stays the first
}

static void
save_colour(const struct params *p, struct buffer *block)
{
    const struct param *q = params_at(p, 0);
    float *rows = mem_alloc(q->size);
    assert_int_equal(params_entries(p), 1);
    assert_int_equal(q->dtype, DTYPE_F32);
    for (size_t i = 0; i < q->size / sizeof *rows; i++)
        rows[i] = colour[i % 3];
    assert_true(buffer_write(block, q->offset, rows, q->size, NULL));
    free(rows);
}

static void
look(void *ctx, int step, int total, double seconds, const struct pipeline_pictures *now)
{
    (void)seconds;
    int *count = ctx;
    assert_int_equal(step, ++*count);
    assert_int_equal(total, STEPS);
    assert_true(now->width == SIDE && now->height == SIDE && now->count == 2);
    assert_memory_equal(now->pixels, bytes, 3); // an estimate is a picture already
}

static void
it_draws(void **state)
{
    (void)state;
    struct err err = {0};
    struct device *device = device_open("cpu", &err);
    struct pipeline *p = pipeline_open(folder, device, DTYPE_F32, &err);
    if (!p)
        fail_msg("%s", err.text);
    struct instruction n = {.text = "a fox"};
    int looks = 0;
    struct pipeline_request r = {.instruction = &n, .seed = 1, .count = 2, .scale = -1,
                                 .context_scale = -1, .progress = look, .ctx = &looks};
    struct pipeline_result result;
    if (!pipeline_run(p, &r, &result, &err))
        fail_msg("%s", err.text);
    const struct pipeline_pictures *got = &result.pictures;
    assert_true(got->width == SIDE && got->height == SIDE && got->count == 2);
    assert_int_equal(got->channels, 3);
    assert_true(result.steps == STEPS && result.scale == 1 && looks == STEPS);
    for (size_t i = 0; i < 2 * 3 * SIDE * SIDE; i++)
        assert_int_equal(result.pictures.pixels[i], bytes[i % 3]);
    free(result.pictures.pixels);
    pipeline_close(p);
    device_close(device);
}

static int
setup(void **state)
{
    (void)state;
    static const char index[] = "{\"_class_name\":\"DummyPipeline\"}";
    static const char config[] = "{\"_class_name\":\"DummyModel\",\"tokens\":8192}";
    static const char scheduler[] = "{\"_class_name\":\"DDIMScheduler\",\"clip_sample\":false,"
                                    "\"prediction_type\":\"sample\"}";
    if (!mkdtemp(folder))
        return -1;
    small_put(folder, "model_index.json", index);
    small_put(folder, "painter/config.json", config);
    small_put(folder, "scheduler/scheduler_config.json", scheduler);
    small_save(folder, spiece, save_colour);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int
main(int argc, char **argv)
{
    (void)argc;
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_and_its_network_are_found_by_their_classes),
        cmocka_unit_test(it_draws),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
