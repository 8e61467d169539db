// SPDX-License-Identifier: MIT
// Memory of FLUX.2: the autoencoder in strips gives what diffusers gives and takes less, a drawing
// takes what was planned, and says what would fit where there is too little.
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/room.h"
#include "engine/draw/linear_preview.h"
#include "engine/draw/pipeline.h"
#include "engine/nets/vae_kl.h"
#include "engine/nn/strips.h"

static const char *root; // tests/reference/golden/flux2
static struct device *device;
static struct model_folder *folder;

// --- Strips -------------------------------------------------------------------------------------

struct vae {
    struct params *params;
    struct buffer *block;
    struct vae_kl_config config;
};

static struct vae
loaded(enum dtype dtype)
{
    struct err err = {0};
    struct vae v = {.params = params_create(dtype)};
    v.config = *(const struct vae_kl_config *)parts_config(&folder->parts, "vae", &net_vae_kl);
    assert_true(model_folder_declare(folder, "vae", v.params, &err));
    params_layout(v.params);
    v.block = buffer_create_weights(device, params_bytes(v.params), "weights", &err);
    assert_true(model_folder_load(folder, "vae", v.params, v.block, NULL, &err));
    return v;
}

static void
left(struct vae *v)
{
    buffer_destroy(v->block);
    params_destroy(v->params);
}

// The golden's answer by this autoencoder in so many strips: relative error.
static double
error_of(struct vae *v, const char *name, int strips)
{
    struct err err = {0};
    char *path = mem_printf("%s/%s.safetensors", root, name);
    struct safetensors *file = safetensors_open(path, &err);
    free(path);
    bool decodes = strcmp(name, "vae_decoder") == 0;
    const struct tensor_view *in = safetensors_find(file, decodes ? "latents" : "sample");
    const struct tensor_view *want = safetensors_find(file, "output");
    struct nn nn = {.g = graph_create(), .params = v->params, .dtype = DTYPE_F32, .part = "vae/"};
    v->config.strips = strips;
    const struct shape *s = decodes ? &want->shape : &in->shape; // of the picture, channels first
    struct shape shape = decodes ? in->shape : SHAPE(1, s->dim[2], s->dim[3], 3);
    struct node *x = graph_input(nn.g, "x", shape, DTYPE_F32);
    struct node *y = decodes ? vae_kl_decode(&nn, &v->config, x, s->dim[2] / 16, s->dim[3] / 16)
                             : vae_kl_encode(&nn, &v->config, x);
    graph_output(nn.g, y);
    struct plan_params p = {.device = device, .slots[SLOT_PARAMS] = v->block,
                            .constant_params = true};
    struct plan *plan = plan_create(nn.g, &p, &err);
    if (!plan)
        fail_msg("%s", err.text);
    int64_t n = shape_count(&in->shape), m = shape_count(&want->shape);
    float *a = mem_alloc((size_t)n * sizeof *a), *b = mem_alloc((size_t)m * sizeof *b);
    int64_t pixels = s->dim[2] * s->dim[3];
    for (int64_t i = 0; i < n; i++)
        a[decodes ? i : i % pixels * 3 + i / pixels] = (float)dtype_load(in->dtype, in->data, i);
    assert_true(plan_write_f32(plan, x, a, &err) && plan_run(plan, &err) &&
                plan_read_f32(plan, y, b, &err));
    double apart = 0, size = 0;
    for (int64_t i = 0; i < m; i++) {
        double w = dtype_load(want->dtype, want->data, i);
        double d = b[decodes ? i % pixels * 3 + i / pixels : i] - w;
        apart += d * d;
        size += w * w;
    }
    free(a);
    free(b);
    plan_destroy(plan);
    nn_finish(&nn);
    graph_destroy(nn.g);
    safetensors_close(file);
    return sqrt(apart / size);
}

static void
strips_give_what_diffusers_gives(void **state)
{
    (void)state;
    static const struct {
        const char *golden;
        int strips;
    } rows[] = {{"vae_decoder", 1}, {"vae_decoder", 2}, {"vae_decoder", 3}, {"vae_decoder", 8},
                {"vae_encoder", 1}, {"vae_encoder", 2}};
    struct vae v = loaded(DTYPE_F32);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        double error = error_of(&v, rows[i].golden, rows[i].strips);
        print_message("%s in %d strips: %.2e\n", rows[i].golden, rows[i].strips, error);
        assert_true(error < 1e-5);
    }
    left(&v);
}

// The same law on numbers that make it hard: strips that are alike in themselves and far from one
// another. y = (x - mean) / sqrt(var + eps) gamma + beta over a group's channels and all rows.
static void
norms_see_the_whole_picture(void **state)
{
    (void)state;
    enum { ROWS = 13, COLUMNS = 3, CHANNELS = 4, GROUPS = 2, N = ROWS * COLUMNS * CHANNELS };
    const double eps = 1e-6;
    struct err err = {0};
    float x[N], vector[2 * CHANNELS], y[N];
    for (int i = 0; i < N; i++)
        x[i] = (float)(sin(i) + (i / (COLUMNS * CHANNELS) < 5 ? 100 : -7)); // 5 rows far away
    for (int i = 0; i < 2 * CHANNELS; i++)
        vector[i] = 0.5f + 0.25f * (float)i;
    struct params *params = params_create(DTYPE_F32);
    for (int pass = 0; pass < 2; pass++) { // declares, then runs
        struct nn nn = {.g = graph_create(), .params = params, .dtype = DTYPE_F32};
        struct node *in = graph_input(nn.g, "x", SHAPE(1, ROWS, COLUMNS, CHANNELS), DTYPE_F32);
        struct strips s = strips_cut(&nn, in, 3, 1), out = {.count = s.count};
        struct group_norm norm = {.groups = GROUPS, .eps = eps};
        struct strips_norm n = strips_norm(&nn, &s, &norm, "norm");
        assert_int_equal(s.count, 3);
        for (int i = 0; i < s.count; i++)
            out.at[i] = op_group_norm(nn.g, s.at[i], n.gain[i], n.offset[i], GROUPS, eps,
                                      ACT_NONE);
        struct node *whole = strips_join(&nn, &out);
        graph_output(nn.g, whole);
        if (pass == 0) {
            params_layout(params);
        } else {
            struct buffer *block = buffer_create(device, params_bytes(params), "weights", &err);
            assert_true(buffer_write(block, params_find(params, "norm.weight")->offset, vector,
                                     CHANNELS * sizeof(float), &err) &&
                        buffer_write(block, params_find(params, "norm.bias")->offset,
                                     vector + CHANNELS, CHANNELS * sizeof(float), &err));
            struct plan_params p = {.device = device, .slots[SLOT_PARAMS] = block, .plain = true};
            struct plan *plan = plan_create(nn.g, &p, &err);
            assert_true(plan && plan_write_f32(plan, in, x, &err) && plan_run(plan, &err) &&
                        plan_read_f32(plan, whole, y, &err));
            plan_destroy(plan);
            buffer_destroy(block);
        }
        nn_finish(&nn);
        graph_destroy(nn.g);
    }
    params_destroy(params);
    for (int i = 0; i < N; i++) {
        int group = i % CHANNELS / (CHANNELS / GROUPS);
        double sum = 0, square = 0, count = 0;
        for (int k = 0; k < N; k++)
            if (k % CHANNELS / (CHANNELS / GROUPS) == group)
                sum += x[k], count++;
        for (int k = 0; k < N; k++)
            if (k % CHANNELS / (CHANNELS / GROUPS) == group)
                square += (x[k] - sum / count) * (x[k] - sum / count);
        double want = (x[i] - sum / count) / sqrt(square / count + eps) * vector[i % CHANNELS] +
                      vector[CHANNELS + i % CHANNELS];
        assert_true(fabs(y[i] - want) < 1e-4);
    }
}

// Bytes that the published autoencoder's plan has.
static size_t
arena(int side, int strips, bool decodes)
{
    static const char json[] = "{\"_class_name\": \"AutoencoderKLFlux2\", "
                               "\"block_out_channels\": [128, 256, 512, 512]}";
    struct err err = {0};
    struct jv *o = jv_parse(json, strlen(json), "config", &err);
    struct vae_kl_config c;
    assert_true(vae_kl_config_read(&c, o, "config", &err));
    jv_free(o);
    c.strips = strips;
    struct params *params = params_create(DTYPE_BF16);
    struct nn nn = {.g = graph_create(), .params = params, .dtype = DTYPE_BF16};
    int64_t tokens = (int64_t)(side / 16) * (side / 16);
    struct shape picture = SHAPE(1, side, side, 3);
    struct node *x = decodes ? graph_input(nn.g, "x", SHAPE(1, tokens, vae_kl_width(&c)), DTYPE_F32)
                             : graph_input(nn.g, "x", picture, DTYPE_F32);
    graph_output(nn.g, decodes ? vae_kl_decode(&nn, &c, x, side / 16, side / 16)
                               : vae_kl_encode(&nn, &c, x));
    assert_int_equal(graph_error(nn.g)->code, ERR_NONE);
    params_layout(params);
    size_t size = plan_arena(nn.g, device, NULL);
    nn_finish(&nn);
    graph_destroy(nn.g);
    params_destroy(params);
    return size;
}

static void
strips_take_less(void **state)
{
    (void)state;
    static const int sides[] = {1024, 2048};
    for (size_t i = 0; i < 4; i++) {
        int side = sides[i / 2];
        size_t whole = arena(side, 1, i % 2), strips = arena(side, 0, i % 2);
        print_message("%s at %d: %.2f GB, in strips %.2f GB\n", i % 2 ? "decoding" : "encoding",
                      side, (double)whole / 1e9, (double)strips / 1e9);
        assert_true((double)strips < (i % 2 ? 0.75 : 0.85) * (double)whole);
    }
}

// --- What is planned ----------------------------------------------------------------------------

static struct pipeline *
opened(size_t memory)
{
    struct err err = {0};
    struct pipeline_storage storage = {.dtype = DTYPE_F32, .memory = memory};
    struct pipeline *p = pipeline_open_as(root, device, &storage, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static void
what_is_planned_is_taken(void **state)
{
    (void)state;
    static uint8_t grey[96 * 64 * 3];
    struct instruction n = {.text = "[ref#1] on ice", .reference_count = 1,
                            .references = {{1, "[ref#1] x", 96, 64, grey}}};
    struct pipeline_request r = {.instruction = &n, .width = 192, .height = 128, .scale = -1,
                                 .context_scale = -1};
    struct err err = {0};
    struct pipeline_need need;
    struct pipeline_result all, some;
    struct pipeline *p = opened(0);
    assert_true(pipeline_need(p, &r, &need, &err));
    assert_true(need.least > 0 && need.least < need.most && need.planned == need.most);
    assert_true(pipeline_run(p, &r, &all, &err));
    print_message("planned %zu to %zu beside %zu, taken %zu\n", need.least - need.own,
                  need.most - need.own, need.own, all.peak_bytes);
    assert_true((double)all.peak_bytes <= 1.05 * (double)(need.planned - need.own));
    assert_true((double)all.peak_bytes >= 0.5 * (double)(need.planned - need.own));
    pipeline_close(p);

    // With as little as it needs parts and plans follow each other, and the picture is the same.
    size_t least = need.least - need.own;
    p = opened(least);
    assert_true(pipeline_need(p, &r, &need, &err));
    assert_in_range(need.planned - need.own, least, least + 1000);
    if (!pipeline_run(p, &r, &some, &err))
        fail_msg("%s", err.text);
    print_message("with %zu: taken %zu\n", least, some.peak_bytes);
    assert_true((double)some.peak_bytes <= 1.05 * (double)least);
    assert_memory_equal(all.pictures.pixels, some.pictures.pixels, 192 * 128 * 3);
    free(some.pictures.pixels);
    pipeline_close(p);
    free(all.pictures.pixels);
}

static void
too_little_is_said_with_what_would_fit(void **state)
{
    (void)state;
    struct instruction n = {.text = "a fox"};
    struct pipeline_request r = {.instruction = &n, .width = 512, .height = 256, .scale = -1,
                                 .context_scale = -1};
    struct err err = {0};
    struct pipeline_need small, large;
    struct pipeline_result result;
    struct pipeline *p = opened(0);
    assert_true(pipeline_need(p, &r, &large, &err));
    r.width = 256;
    r.height = 128;
    assert_true(pipeline_need(p, &r, &small, &err));
    pipeline_close(p);
    r.width = 512;
    r.height = 256;
    small.least -= small.own;
    p = opened(small.least + (large.least - large.own - small.least) / 20);
    assert_false(pipeline_run(p, &r, &result, &err));
    print_message("%s\n", err.text);
    assert_int_equal(err.code, ERR_MEMORY);
    assert_non_null(strstr(err.text, "for 512 x 256 pixels"));
    assert_non_null(strstr(err.text, "--size 256x128"));
    pipeline_close(p);
    err = (struct err){0};
    p = opened(1000);
    assert_false(pipeline_run(p, &r, &result, &err));
    assert_non_null(strstr(err.text, "no smaller size and no --quantise would fit"));
    pipeline_close(p);
}

// --- Previews without the decoder ---------------------------------------------------------------

// A decoder that is linear is found again.
static void
a_linear_decoder_is_found(void **state)
{
    (void)state;
    enum { C = 7, TOKENS = 40 };
    float x[TOKENS * C], wanted[TOKENS * LINEAR_PREVIEW_OUT], got[TOKENS * LINEAR_PREVIEW_OUT];
    struct err err = {0};
    double explained = 0;
    for (int i = 0; i < TOKENS * C; i++)
        x[i] = (float)sin(1.7 * i * i);
    for (int t = 0; t < TOKENS; t++)
        for (int o = 0; o < LINEAR_PREVIEW_OUT; o++) {
            double sum = 0.1 * o - 0.3;
            for (int c = 0; c < C; c++)
                sum += cos(o * C + c) * x[t * C + c];
            wanted[t * LINEAR_PREVIEW_OUT + o] = (float)sum;
        }
    struct linear_fit *f = linear_fit_create(C);
    assert_null(linear_fit_solve(f, &explained, &err));
    linear_fit_add(f, x, wanted, TOKENS / 2);
    linear_fit_add(f, x + TOKENS / 2 * C, wanted + TOKENS / 2 * LINEAR_PREVIEW_OUT, TOKENS / 2);
    struct linear_preview *p = linear_fit_solve(f, &explained, &err);
    assert_true(explained > 1 - 1e-6);
    for (int o = 0; o < LINEAR_PREVIEW_OUT; o++) {
        assert_true(fabs(p->bias[o] - (0.1 * o - 0.3)) < 1e-5);
        for (int c = 0; c < C; c++)
            assert_true(fabs(p->weight[o * C + c] - cos(o * C + c)) < 1e-5);
    }
    linear_preview_apply(p, x, TOKENS, got);
    for (int i = 0; i < TOKENS * LINEAR_PREVIEW_OUT; i++)
        assert_true(fabs(got[i] - wanted[i]) < 1e-5);
    linear_preview_free(p);
    linear_fit_free(f);
}

// --- At klein's own size -------------------------------------------------------------------------
static void
put(const char *root_of_it, const char *path, const char *text)
{
    char *whole = mem_printf("%s/%s", root_of_it, path);
    for (char *slash = strchr(whole + strlen(root_of_it) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(whole, 0700);
        *slash = '/';
    }
    FILE *f = fopen(whole, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    free(whole);
}

static int
take_away(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s, (void)kind, (void)where;
    return remove(path);
}

// A part's config, and a file that names its weights in bf16 and holds none: it is one hole.
static void
put_part(const char *at, const char *name, const char *stem, const char *config)
{
    struct err err = {0};
    struct parts parts = {0};
    struct jv *json = jv_parse(config, strlen(config), name, &err);
    char *path = mem_printf("%s/config.json", name);
    put(at, path, config);
    free(path);
    assert_true(parts_add(&parts, name, json, name, &err));
    struct params *params = params_create(DTYPE_BF16);
    const struct part *part = &parts.at[0];
    assert_true(part->net->declare(params, part->prefix, part->config, &err));
    struct jv *header = jv_object();
    int64_t end = 0;
    for (int i = 0; i < params_entries(params); i++) {
        const struct param *q = params_at(params, i);
        struct jv *one = jv_object(), *shape = jv_array(), *offsets = jv_array();
        for (int k = 0; k < q->shape.rank; k++)
            jv_append(shape, jv_from_integer(q->shape.dim[k]));
        jv_append(offsets, jv_from_integer(end));
        end += 2 * shape_count(&q->shape);
        jv_append(offsets, jv_from_integer(end));
        jv_set(one, "dtype", jv_from_string("BF16"));
        jv_set(one, "shape", shape);
        jv_set(one, "data_offsets", offsets);
        jv_set(header, q->name + strlen(part->prefix), one);
    }
    char *text = jv_text(header, 0), *file = mem_printf("%s/%s/%s.safetensors", at, name, stem);
    uint64_t size = strlen(text);
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(&size, sizeof size, 1, f), 1);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(truncate(file, (off_t)(sizeof size + size) + end), 0);
    free(file);
    free(text);
    jv_free(header);
    jv_free(json);
    params_destroy(params);
    parts_finish(&parts);
}

// FLUX.2 klein 4B.
static void
put_klein(const char *at)
{
    put(at, "model_index.json",
        "{\"_class_name\": \"Flux2KleinPipeline\", \"is_distilled\": true}");
    put_part(at, "transformer", "diffusion_pytorch_model",
             "{\"_class_name\": \"Flux2Transformer2DModel\", \"in_channels\": 128,"
             "\"num_layers\": 5, \"num_single_layers\": 20, \"attention_head_dim\": 128,"
             "\"num_attention_heads\": 24, \"joint_attention_dim\": 7680,"
             "\"guidance_embeds\": false}");
    put_part(at, "text_encoder", "model",
             "{\"model_type\": \"qwen3\", \"vocab_size\": 151936, \"hidden_size\": 2560,"
             "\"intermediate_size\": 9728, \"num_hidden_layers\": 36,"
             "\"num_attention_heads\": 32, \"num_key_value_heads\": 8, \"head_dim\": 128,"
             "\"rope_theta\": 1000000}");
    put_part(at, "vae", "diffusion_pytorch_model",
             "{\"_class_name\": \"AutoencoderKLFlux2\","
             "\"block_out_channels\": [128, 256, 512, 512]}");
}

// A card has its gigabytes less one, which the screen and the driver take.
static void
klein_fits_small_cards(void **state)
{
    (void)state;
    static const struct row {
        enum dtype blocks;
        int card; // GB; 0: more than 8
        int side, references;
    } rows[] = {{DTYPE_NONE, 0, 512, 0},  {DTYPE_Q8_0, 8, 512, 1},  {DTYPE_Q8_0, 8, 1024, 0},
                {DTYPE_Q8_0, 8, 1024, 3}, {DTYPE_Q8_0, 8, 2048, 0}, {DTYPE_Q4_0, 6, 512, 1},
                {DTYPE_Q4_0, 6, 1024, 3}, {DTYPE_Q4_0, 6, 2048, 0}};
    char made[] = "/tmp/limn-klein-XXXXXX";
    struct err err = {0};
    assert_non_null(mkdtemp(made));
    put_klein(made);
    struct device *card = device_open("null", &err);
    assert_non_null(card);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct pipeline_need need;
        if (!pipeline_need_of(made, card, r->blocks, r->side, r->side, r->references, &need,
                              &err))
            fail_msg("%s", err.text);
        print_message("%s, %d x %d, %d references: %.2f GB, %.2f where all stays\n",
                      r->blocks ? dtype_name(r->blocks) : "bf16", r->side, r->side, r->references,
                      (double)need.least / 1e9, (double)need.most / 1e9);
        assert_true(r->card ? need.least <= (size_t)(r->card - 1) * 1000000000
                            : need.least > 8000000000);
        assert_true(need.least > 2000000000 && need.least < need.most);
    }
    device_close(card);
    nftw(made, take_away, 8, FTW_DEPTH | FTW_PHYS);
}

// --- What is free --------------------------------------------------------------------------------

// A machine of 16 GiB of which 12 are free; in version 2 of control groups a service of 9 GiB that
// uses 3, of which 1 and 0.5 are of files, below a slice of 8 that uses 5 and holds none.
static void
limits_of_control_groups_count(void **state)
{
    static const uint64_t gib = 1 << 30;
    char tree[] = "/tmp/limn-room-XXXXXX";
    assert_non_null(mkdtemp(tree));
    put(tree, "proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n");
    assert_true(cpu_room_of(tree) == 12 * gib);
    put(tree, "proc/self/cgroup", "0::/own.slice/own.service\n");
    assert_true(cpu_room_of(tree) == 12 * gib);
    put(tree, "sys/fs/cgroup/own.slice/own.service/memory.max", "9663676416\n");
    put(tree, "sys/fs/cgroup/own.slice/own.service/memory.current", "3221225472\n");
    put(tree, "sys/fs/cgroup/own.slice/own.service/memory.stat",
        "anon 1\ninactive_file 1073741824\nactive_file 536870912\n");
    assert_true(cpu_room_of(tree) == 15 * gib / 2);
    put(tree, "sys/fs/cgroup/own.slice/memory.max", "max\n");
    put(tree, "sys/fs/cgroup/own.slice/memory.current", "5368709120\n");
    assert_true(cpu_room_of(tree) == 15 * gib / 2);
    put(tree, "sys/fs/cgroup/own.slice/memory.high", "8589934592\n");
    assert_true(cpu_room_of(tree) == 3 * gib);
    put(tree, "sys/fs/cgroup/memory.max", "5368709120\n"); // a container's, whose path is outside
    put(tree, "sys/fs/cgroup/memory.current", "3221225472\n");
    put(tree, "proc/self/cgroup", "0::/elsewhere\n");
    assert_true(cpu_room_of(tree) == 2 * gib);
    put(tree, "proc/self/cgroup", "12:cpu,cpuacct:/a\n4:memory:/docker/1\n");
    put(tree, "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "4294967296\n");
    put(tree, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "3221225472\n");
    put(tree, "sys/fs/cgroup/memory/docker/1/memory.stat",
        "inactive_file 9\ntotal_inactive_file 536870912\ntotal_active_file 536870912\n");
    assert_true(cpu_room_of(tree) == 2 * gib);
    put(tree, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "8589934592\n");
    assert_true(cpu_room_of(tree) == 0);
    nftw(tree, take_away, 8, FTW_DEPTH | FTW_PHYS);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    root = argc > 1 ? argv[1] : "tests/reference/golden/flux2";
    device = device_open("cpu", &err);
    folder = device ? model_folder_open(root, &err) : NULL;
    if (!folder)
        return fprintf(stderr, "%s\n", err.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_give_what_diffusers_gives),
        cmocka_unit_test(norms_see_the_whole_picture),
        cmocka_unit_test(strips_take_less),
        cmocka_unit_test(what_is_planned_is_taken),
        cmocka_unit_test(too_little_is_said_with_what_would_fit),
        cmocka_unit_test(klein_fits_small_cards),
        cmocka_unit_test(limits_of_control_groups_count),
        cmocka_unit_test(a_linear_decoder_is_found),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    model_folder_close(folder);
    device_close(device);
    return failed;
}
