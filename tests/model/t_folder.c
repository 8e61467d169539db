// SPDX-License-Identifier: MIT
// Model folders: configs that are wrong in one place, weights that are missing, surplus or
// misshapen, and a folder that is saved and read again.
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "small.h"

static const char *spiece;
static char folder[] = "/tmp/limn-folder-XXXXXX";

// The config with `key` replaced (or taken away, for NULL) must be refused, naming the key.
static void
refuse(const char *json, const char *key, const char *value)
{
    struct err err = {0};
    struct unet_config c;
    struct jv *v = jv_parse(json, strlen(json), "config.json", &err);
    struct jv *bad = jv_parse(value, strlen(value), "value", &err);
    assert_non_null(v);
    jv_set(v, key, jv_copy(jv_at(bad, 0)));
    if (unet_config_read(&c, v, "config.json", &err))
        fail_msg("%s: %s was accepted", key, value);
    assert_int_equal(err.code, ERR_INPUT);
    if (!strstr(err.text, key) || !strstr(err.text, "config.json"))
        fail_msg("%s: %s gave '%s'", key, value, err.text);
    jv_free(v);
    jv_free(bad);
}

static void
broken_configs_are_refused(void **state)
{
    static const char *const rows[][2] = {
        {"_class_name", "[\"UNet2DModel\"]"},
        {"sample_size", "[0]"},
        {"sample_size", "[18]"},
        {"sample_size", "[\"large\"]"},
        {"in_channels", "[-3]"},
        {"out_channels", "[3.5]"},
        {"block_out_channels", "[[]]"},
        {"block_out_channels", "[[8,16]]"},
        {"block_out_channels", "[[8,16,25]]"},
        {"block_out_channels", "[[8,16,24,32,40,48,56,64,72]]"},
        {"layers_per_block", "[0]"},
        {"layers_per_block", "[[1,1]]"},
        {"layers_per_block", "[17]"},
        {"attention_head_dim", "[7]"},
        {"down_block_types", "[[\"DownBlock2D\",\"SimpleCrossAttnDownBlock2D\","
                             "\"SimpleCrossAttnDownBlock2D\"]]"},
        {"up_block_types", "[[\"ResnetUpsampleBlock2D\",\"SimpleCrossAttnUpBlock2D\","
                           "\"SimpleCrossAttnUpBlock2D\"]]"},
        {"mid_block_type", "[\"UNetMidBlock2DCrossAttn\"]"},
        {"act_fn", "[\"mish\"]"},
        {"norm_num_groups", "[5]"},
        {"norm_eps", "[2]"},
        {"cross_attention_dim", "[40]"},
        {"cross_attention_norm", "[\"layer_norm\"]"},
        {"encoder_hid_dim_type", "[\"image_proj\"]"},
        {"resnet_time_scale_shift", "[\"ada_group\"]"},
        {"class_embed_type", "[\"projection\"]"},
        {"addition_embed_type", "[\"text_image\"]"},
        {"time_embedding_type", "[\"fourier\"]"},
        {"time_embedding_act_fn", "[\"tanh\"]"},
        {"resnet_skip_time_act", "[1]"},
        {"resnet_out_scale_factor", "[0]"},
        {"only_cross_attention", "[[true,false]]"},
        {"center_input_sample", "[true]"},
        {"class_embeddings_concat", "[true]"},
        {"dual_cross_attention", "[true]"},
        {"conv_in_kernel", "[5]"},
        {"context_levels", "[\"all\"]"},
        {"context_levels", "[[0]]"},
        {"context_levels", "[[3]]"},
        {"context_levels", "[[2,2]]"},
        {"context_attention_head_dim", "[7]"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        refuse(small_unet, rows[i][0], rows[i][1]);
    refuse(small_super, "context_levels", "[[1]]"); // not a base model
}

static void
t5_configs(void **state)
{
    static const char *const rows[][2] = {
        {"{\"feed_forward_proj\":\"relu\"}", "feed_forward_proj"},
        {"{}", "feed_forward_proj"},
        {"{\"feed_forward_proj\":\"gated-gelu\",\"model_type\":\"bert\"}", "model_type"},
        {"{\"feed_forward_proj\":\"gated-gelu\",\"d_model\":0}", "d_model"},
        {"{\"feed_forward_proj\":\"gated-gelu\",\"num_layers\":1000}", "num_layers"},
        {"{\"feed_forward_proj\":\"gated-gelu\",\"layer_norm_epsilon\":\"x\"}",
         "layer_norm_epsilon"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        struct t5_config c;
        struct jv *v = jv_parse(rows[i][0], strlen(rows[i][0]), "c", &err);
        assert_false(t5_config_read(&c, v, "config.json", &err));
        assert_non_null(strstr(err.text, rows[i][1]));
        jv_free(v);
    }
}

// Distances worked out by hand from the definition: 32 buckets, 16 a direction, 8 of them exact,
// then logarithmic to 128.
static void
t5_buckets(void **state)
{
    struct t5_config c = {.num_buckets = 32, .max_distance = 128};
    static const int rows[][2] = {{0, 0},    {-1, 1},   {-7, 7},   {-8, 8},    {-11, 8},
                                  {-12, 9},  {-16, 10}, {-32, 12}, {-64, 14},  {-127, 15},
                                  {-128, 15}, {-9999, 15}, {1, 17}, {7, 23},    {8, 24},
                                  {16, 26},  {128, 31}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(t5_bucket(&c, rows[i][0]), rows[i][1]);
}

static void
config_survives_json(void **state)
{
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        struct unet_config a, b;
        small_unet_config(&a, i ? small_super : small_unet);
        struct jv *v = unet_config_json(&a);
        assert_true(unet_config_read(&b, v, "again", &err));
        assert_memory_equal(&a, &b, sizeof a);
        jv_free(v);
    }
}

// FLUX.2's networks: what a row reads it writes, and what it cannot use is named.
static void
rows_write_what_they_read(void **state)
{
    static const char *const good[] = {
        "{\"model_type\":\"qwen3\",\"num_hidden_layers\":36,\"head_dim\":64,\"rope_theta\":5e6}",
        "{\"_class_name\":\"Flux2Transformer2DModel\",\"num_layers\":5,\"guidance_embeds\":false}",
        "{\"_class_name\":\"AutoencoderKLFlux2\",\"block_out_channels\":[32,64],"
        "\"decoder_block_out_channels\":[96,32]}",
    };
    static const struct {
        const char *json, *named;
    } bad[] = {
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":26}", "num_hidden_layers is 26"},
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":28,\"num_key_value_heads\":5}",
         "num_key_value_heads is 5"},
        {"{\"model_type\":\"qwen3\",\"num_hidden_layers\":28,\"rope_parameters\":{\"rope_type\":"
         "\"yarn\"}}",
         "rope_type is \"yarn\""},
        {"{\"_class_name\":\"Flux2Transformer2DModel\",\"axes_dims_rope\":[32,32,32,16]}",
         "axes_dims_rope is [32,32,32,16]"},
        {"{\"_class_name\":\"AutoencoderKLFlux2\",\"block_out_channels\":[48]}", "norm_num_groups"},
        {"{\"_class_name\":\"AutoencoderKLFlux2\"}", "block_out_channels"},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct err err = {0};
        struct jv *v = jv_parse(good[i], strlen(good[i]), "c", &err);
        const struct net *net = net_of(v, "c", &err);
        void *a = mem_zalloc(net->config_size), *b = mem_zalloc(net->config_size);
        assert_true(net->read(a, v, "c", &err));
        struct jv *again = net->write(a);
        assert_true(net->read(b, again, "c", &err));
        assert_memory_equal(a, b, net->config_size);
        jv_free(again), jv_free(v), free(a), free(b);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct jv *v = jv_parse(bad[i].json, strlen(bad[i].json), "c", &err);
        const struct net *net = net_of(v, "c", &err);
        void *c = mem_zalloc(net->config_size);
        assert_false(net->read(c, v, "c", &err));
        if (!strstr(err.text, bad[i].named))
            fail_msg("%s: %s", bad[i].json, err.text);
        jv_free(v), free(c);
    }
}

static bool
listed(char *const *list, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strncmp(list[i], name, strlen(name)) == 0)
            return true;
    return false;
}

static void
weights_are_compared_by_name(void **state)
{
    struct err err = {0};
    struct model_folder *m = model_folder_open(folder, &err);
    assert_non_null(m);
    struct params_report r = {0};
    size_t parameters;
    assert_true(model_folder_compare(m, "unet", &r, &parameters, &err));
    assert_true(params_report_is_empty(&r));
    assert_true(parameters > 10000);

    // A file that lacks two tensors, has one of another shape and one too many.
    struct safetensors *st = safetensors_open(m->parts.at[0].weights, &err);
    size_t n = safetensors_count(st), count = 0;
    struct tensor_view *views = mem_alloc((n + 1) * sizeof *views);
    for (size_t i = 0; i < n; i++) {
        struct tensor_view t = *safetensors_at(st, i);
        if (!strcmp(t.name, "conv_in.weight") || !strcmp(t.name, "mid_block.resnets.0.conv1.bias"))
            continue;
        if (!strcmp(t.name, "conv_out.weight"))
            t.shape = SHAPE(shape_count(&t.shape));
        views[count++] = t;
    }
    views[count] = views[0];
    views[count++].name = "stray.weight";
    char path[256];
    snprintf(path, sizeof path, "%s/broken.safetensors", folder);
    assert_true(safetensors_write(path, views, count, NULL, &err));
    free(m->parts.at[0].weights);
    m->parts.at[0].weights = mem_strdup(path);
    assert_true(model_folder_compare(m, "unet", &r, &parameters, &err));
    assert_int_equal(r.missing_count, 2);
    assert_int_equal(r.unexpected_count, 1);
    assert_int_equal(r.mismatched_count, 1);
    assert_true(listed(r.missing, 2, "unet/conv_in.weight"));
    assert_true(listed(r.missing, 2, "unet/mid_block.resnets.0.conv1.bias"));
    assert_true(listed(r.unexpected, 1, "unet/stray.weight"));
    assert_true(listed(r.mismatched, 1, "unet/conv_out.weight"));

    struct device *d = device_open("cpu", &err);
    struct params *p = params_create(DTYPE_F32);
    assert_true(model_folder_declare(m, "unet", p, &err));
    params_layout(p);
    struct buffer *block = buffer_create(d, params_bytes(p), "weights", &err);
    assert_false(model_folder_load(m, "unet", p, block, NULL, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "2 missing"));
    err_clear(&err);
    assert_true(model_folder_load_present(m, p, block, &err));
    buffer_destroy(block);
    params_destroy(p);
    device_close(d);
    params_report_finish(&r);
    safetensors_close(st);
    free(views);
    model_folder_close(m);
    unlink(path);
}

// bf16 on disk to f32 in memory and back to bf16 on disk: the same hash. And the hash sees a bit.
static void
folder_survives_saving(void **state)
{
    struct err err = {0};
    char path[2][300], hash[3][17];
    struct device *d = device_open("cpu", &err);
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/copy%d", folder, i);
        struct model_folder *m = model_folder_open(i ? path[0] : folder, &err);
        struct params *p = params_create(DTYPE_F32);
        assert_true(model_folder_declare(m, NULL, p, &err));
        params_layout(p);
        struct buffer *block = buffer_create(d, params_bytes(p), "weights", &err);
        assert_true(model_folder_load(m, NULL, p, block, NULL, &err));
        struct model_folder_save s = {
            .path = path[i], .params = p, .block = block, .dtype = DTYPE_BF16};
        assert_true(model_folder_save(m, &s, &err));
        buffer_destroy(block);
        params_destroy(p);
        model_folder_close(m);
        m = model_folder_open(path[i], &err);
        assert_non_null(m);
        assert_non_null(m->tokenizer);
        assert_int_equal(m->text_tokens, 24);
        assert_true(model_folder_hash(m, hash[i], &err));
        model_folder_close(m);
    }
    assert_string_equal(hash[0], hash[1]);

    // One bit of the last weight.
    char file[512];
    size_t size;
    snprintf(file, sizeof file, "%s/unet/diffusion_pytorch_model.safetensors", path[1]);
    char *data = file_read(file, 1 << 28, &size, &err);
    data[size - 1] ^= 1;
    assert_true(file_write(file, data, size, &err));
    struct model_folder *m = model_folder_open(path[1], &err);
    assert_true(model_folder_hash(m, hash[2], &err));
    assert_string_not_equal(hash[1], hash[2]);
    model_folder_close(m);
    free(data);
    device_close(d);
}

// A model of one part with `size` bytes of weights, all of them zeros that no disk holds.
static void
make_large(const char *path, size_t size)
{
    struct err err = {0};
    char *config = file_join(folder, "unet/config.json"), *part = file_join(path, "unet");
    char *to = file_join(part, "config.json"), *weights;
    size_t bytes;
    char *json = file_read(config, 1 << 20, &bytes, &err);
    assert_true(json && file_make_folders(part, &err) && file_write(to, json, bytes, &err));
    weights = file_join(part, "diffusion_pytorch_model.safetensors");
    char *header = mem_printf("{\"big\":{\"dtype\":\"U8\",\"shape\":[%zu],"
                              "\"data_offsets\":[0,%zu]}}", size, size);
    uint64_t length = strlen(header);
    char *all = mem_alloc(8 + length);
    memcpy(all, &length, 8);
    memcpy(all + 8, header, length);
    assert_true(file_write(weights, all, 8 + length, &err));
    assert_int_equal(truncate(weights, (off_t)(8 + length + size)), 0);
    char *const owned[] = {config, part, to, weights, json, header, all};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

static void
hash_of(const char *path, char out[17])
{
    struct err err = {0};
    struct model_folder *m = model_folder_open(path, &err);
    if (!m || !model_folder_hash(m, out, &err))
        fail_msg("%s", err.text);
    model_folder_close(m);
}

// The only file in a folder; NULL: there is none. Freed with free().
static char *
only_file(const char *path)
{
    DIR *d = opendir(path);
    char *found = NULL;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            assert_null(found);
            found = file_join(path, e->d_name);
        }
    if (d)
        closedir(d);
    return found;
}

// Of a large model it is worked out once, and again when a byte of it is another, whatever its
// file's times have been made to look like.
static void
the_hash_of_a_large_model_is_kept(void **state)
{
    enum { LARGE = 65 << 20 };
    char *path = file_join(folder, "large"), *cache = file_join(folder, "cache");
    char *kept = file_join(cache, "limn/hashes"), hash[4][17], text[64];
    struct err err = {0};
    struct stat before;
    setenv("XDG_CACHE_HOME", cache, 1);
    make_large(path, LARGE);
    hash_of(path, hash[0]);
    assert_null(only_file(kept)); // its file is too young to be told from one that is changed now
    sleep(3);
    hash_of(path, hash[1]);
    assert_string_equal(hash[0], hash[1]);
    char *one = only_file(kept);
    assert_non_null(one);
    char *data = file_read(one, 64, NULL, &err);
    assert_non_null(strstr(data, hash[0]));
    // What is kept is what is said, or it would have been read again.
    snprintf(text, sizeof text, "%.17s%s\n", data, "0123456789abcdef");
    assert_true(file_write(one, text, strlen(text), &err));
    hash_of(path, hash[2]);
    assert_string_equal(hash[2], "0123456789abcdef");
    snprintf(text, sizeof text, "%.17s%s\n", data, "0123456789abcdeg");
    assert_true(file_write(one, text, strlen(text), &err));
    hash_of(path, hash[2]);
    assert_string_equal(hash[2], hash[0]);

    char *weights = file_join(path, "unet/diffusion_pytorch_model.safetensors");
    FILE *f = fopen(weights, "r+");
    assert_true(f && fstat(fileno(f), &before) == 0);
    assert_true(fseek(f, -1, SEEK_END) == 0 && fputc(1, f) == 1 && fclose(f) == 0);
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, weights, times, 0), 0);
    hash_of(path, hash[3]);
    assert_string_not_equal(hash[3], hash[0]);
    unsetenv("XDG_CACHE_HOME");
    char *const owned[] = {path, cache, kept, one, data, weights};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        free(owned[i]);
}

static void
start_depends_on_seed_and_name(void **state)
{
    struct err err = {0};
    struct device *d = device_open("cpu", &err);
    float v[2][3];
    for (int i = 0; i < 2; i++) {
        struct params *p = params_create(DTYPE_F32);
        struct param_init init = {INIT_NORMAL, 0.5};
        if (i)
            params_declare(p, "unet/other", SHAPE(100), PARAM_VECTOR, init);
        params_declare(p, "unet/some", SHAPE(3), PARAM_VECTOR, init);
        params_layout(p);
        struct buffer *b = buffer_create(d, params_bytes(p), "weights", &err);
        assert_true(params_initialise(p, 5, b, &err));
        const struct param *q = params_find(p, "unet/some");
        assert_int_equal(q->offset % 64, 0);
        assert_true(buffer_read(b, q->offset, v[i], q->size, &err));
        buffer_destroy(b);
        params_destroy(p);
    }
    assert_memory_equal(v[0], v[1], sizeof v[0]);
    device_close(d);
}

static void
no_model_here(void **state)
{
    struct err err = {0};
    assert_null(model_folder_open("/nonexistent/model", &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static int
make(void **state)
{
    if (!mkdtemp(folder))
        return 1;
    small_folder(folder, spiece, true, false);
    return 0;
}

static int
clean(void **state)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

// Devices that cannot allocate a block at once hold it in parts.
static void
no_parameter_crosses_a_segment(void **state)
{
    (void)state;
    struct params *p = params_create(DTYPE_F16);
    const int64_t mib[] = {300, 300, 300, 300, 1, 1024, 700, 1500, 300, 800};
    const struct param_init zero = {0};
    for (size_t i = 0; i < COUNT_OF(mib); i++) {
        char name[16];
        snprintf(name, sizeof name, "w%zu", i);
        params_declare(p, name, SHAPE(mib[i], 1 << 19), PARAM_MATRIX, zero);
    }
    params_layout(p);
    size_t end = 0;
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        assert_true(q->offset >= end && q->offset - end < BUFFER_SEGMENT);
        end = q->offset + q->size;
        if (q->size <= BUFFER_SEGMENT)
            assert_int_equal(q->offset / BUFFER_SEGMENT, (end - 1) / BUFFER_SEGMENT);
    }
    assert_true(params_bytes(p) >= end);
    params_destroy(p);
}

static const struct family *
family_named(const char *class_name, struct err *err)
{
    struct jv *index = jv_object();
    if (class_name)
        jv_set(index, "_class_name", jv_from_string(class_name));
    const struct family *f = family_of(index, "model_index.json", err);
    jv_free(index);
    return f;
}

// A model_index.json that names a family nobody draws is refused by its name; so is a network.
static void
families_and_networks_are_found_by_class(void **state)
{
    struct err err = {0};
    assert_ptr_equal(family_named(NULL, &err), &family_limn);
    assert_ptr_equal(family_named("LimnPipeline", &err), &family_limn);
    assert_ptr_equal(family_named("IFPipeline", &err), &family_imagen);
    assert_null(family_named("StableDiffusionXLPipeline", &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "model_index.json: "));
    assert_non_null(strstr(err.text, "StableDiffusionXLPipeline"));

    static const struct {
        const char *json;
        const struct net *net;
        const char *named; // in the error
    } rows[] = {
        {"{\"_class_name\":\"UNet2DConditionModel\"}", &net_unet, NULL},
        {"{\"block_out_channels\":[8]}", &net_unet, NULL},
        {"{\"model_type\":\"t5\"}", &net_t5, NULL},
        {"{\"architectures\":[\"T5EncoderModel\"],\"d_kv\":8}", &net_t5, NULL},
        {"{\"_class_name\":\"SD3Transformer2DModel\"}", NULL, "SD3Transformer2DModel"},
        {"{\"model_type\":\"qwen3\",\"architectures\":[\"Qwen3ForCausalLM\"]}", &net_qwen3, NULL},
        {"{\"_class_name\":\"Flux2Transformer2DModel\"}", &net_flux2, NULL},
        {"{\"_class_name\":\"AutoencoderKLFlux2\"}", &net_vae_kl, NULL},
        {"{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"]}", NULL,
         "LlamaForCausalLM"},
        {"{}", NULL, "no known class"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err_clear(&err);
        struct jv *v = jv_parse(rows[i].json, strlen(rows[i].json), "c", &err);
        assert_ptr_equal(net_of(v, "config.json", &err), rows[i].net);
        if (rows[i].named)
            assert_non_null(strstr(err.text, rows[i].named));
        jv_free(v);
    }
}

int
main(int argc, char **argv)
{
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_parameter_crosses_a_segment),
        cmocka_unit_test(families_and_networks_are_found_by_class),
        cmocka_unit_test(broken_configs_are_refused),
        cmocka_unit_test(t5_configs),
        cmocka_unit_test(t5_buckets),
        cmocka_unit_test(config_survives_json),
        cmocka_unit_test(rows_write_what_they_read),
        cmocka_unit_test(weights_are_compared_by_name),
        cmocka_unit_test(folder_survives_saving),
        cmocka_unit_test(the_hash_of_a_large_model_is_kept),
        cmocka_unit_test(start_depends_on_seed_and_name),
        cmocka_unit_test(no_model_here),
    };
    return argc > 1 ? cmocka_run_group_tests(tests, make, clean) : 2;
}
