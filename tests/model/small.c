// SPDX-License-Identifier: MIT
#include "small.h"

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

#define COMMON                                                                                     \
    "\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\",\"layers_per_block\":1,"                 \
    "\"attention_head_dim\":8,\"norm_num_groups\":4,\"act_fn\":\"silu\","                          \
    "\"cross_attention_dim\":32,\"cross_attention_norm\":\"group_norm\",\"encoder_hid_dim\":24,"   \
    "\"resnet_time_scale_shift\":\"scale_shift\","

const char *const small_unet =
    "{" COMMON "\"sample_size\":16,\"in_channels\":3,\"out_channels\":3,"
    "\"block_out_channels\":[8,16,24],"
    "\"down_block_types\":[\"ResnetDownsampleBlock2D\",\"SimpleCrossAttnDownBlock2D\","
    "\"SimpleCrossAttnDownBlock2D\"],"
    "\"up_block_types\":[\"SimpleCrossAttnUpBlock2D\",\"SimpleCrossAttnUpBlock2D\","
    "\"ResnetUpsampleBlock2D\"],\"context_levels\":[1,2]}";

const char *const small_super =
    "{" COMMON "\"sample_size\":32,\"in_channels\":6,\"out_channels\":6,"
    "\"block_out_channels\":[8,16],\"class_embed_type\":\"timestep\","
    "\"down_block_types\":[\"ResnetDownsampleBlock2D\",\"SimpleCrossAttnDownBlock2D\"],"
    "\"up_block_types\":[\"SimpleCrossAttnUpBlock2D\",\"ResnetUpsampleBlock2D\"]}";

static const char small_text[] =
    "{\"vocab_size\":8192,\"d_model\":24,\"d_kv\":8,\"d_ff\":32,\"num_layers\":2,\"num_heads\":3,"
    "\"feed_forward_proj\":\"gated-gelu\"}";
static const char small_scheduler[] =
    "{\"_class_name\":\"DDPMScheduler\",\"beta_schedule\":\"squaredcos_cap_v2\","
    "\"prediction_type\":\"v_prediction\",\"timestep_spacing\":\"trailing\",\"clip_sample\":true}";
static const char small_super_scheduler[] =
    "{\"_class_name\":\"DDPMScheduler\",\"beta_schedule\":\"squaredcos_cap_v2\","
    "\"prediction_type\":\"epsilon\",\"variance_type\":\"learned_range\","
    "\"timestep_spacing\":\"trailing\",\"clip_sample\":true}";
static const char small_index[] =
    "{\"_class_name\":\"LimnPipeline\",\"text_tokens\":24,\"reference_tokens\":8,"
    "\"limn\":{\"steps\":4,\"super_steps\":2,\"sampler\":\"dpm++\",\"scale\":3}}";

void
small_unet_config(struct unet_config *c, const char *json)
{
    struct err err = {0};
    struct jv *v = jv_parse(json, strlen(json), "config.json", &err);
    if (!v || !unet_config_read(c, v, "config.json", &err))
        fail_msg("%s", err.text);
    jv_free(v);
}

void
small_randomise(const struct params *p, struct buffer *block, uint64_t seed, bool fresh)
{
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        int64_t n = shape_count(&q->shape);
        float *v = mem_alloc((size_t)n * sizeof *v);
        void *stored = mem_alloc(q->size);
        rng_fill_normal(seed + (uint64_t)i, RNG_STREAM_TEST, 0, v, (size_t)n);
        double spread = q->kind == PARAM_VECTOR ? 0.1 : sqrt((double)q->shape.dim[0] / (double)n);
        bool zero =
            fresh && ((strstr(q->name, "context_attentions") && strstr(q->name, "to_out")) ||
                      strstr(q->name, "style_embedding.proj"));
        for (int64_t k = 0; k < n; k++)
            v[k] = zero ? 0 : (float)(v[k] * spread) + (q->init.rule == INIT_ONES ? 1 : 0);
        dtype_convert(q->dtype, stored, DTYPE_F32, v, n);
        assert_true(buffer_write(block, q->offset, stored, q->size, NULL));
        free(v);
        free(stored);
    }
}

void
small_put(const char *folder, const char *name, const char *text)
{
    struct err err = {0};
    char *path = file_join(folder, name);
    char *parent = mem_strndup(path, (size_t)(strrchr(path, '/') - path));
    if (!file_make_folders(parent, &err) || !file_write(path, text, strlen(text), &err))
        fail_msg("%s", err.text);
    free(path);
    free(parent);
}

void
small_save(const char *path, const char *spiece,
           void (*fill)(const struct params *p, struct buffer *block))
{
    struct err err = {0};
    size_t size;
    char *pieces = file_read(spiece, 1 << 24, &size, &err), *to = file_join(path, "tokenizer");
    char *file = file_join(to, "spiece.model");
    if (!pieces || !file_make_folders(to, &err) || !file_write(file, pieces, size, &err))
        fail_msg("%s", err.text);
    free(pieces);
    free(to);
    free(file);

    struct device *d = device_open("cpu", &err);
    struct model_folder *m = model_folder_open(path, &err);
    struct params *p = params_create(DTYPE_F32);
    if (!d || !m || !model_folder_declare(m, NULL, p, &err))
        fail_msg("%s", err.text);
    params_layout(p);
    struct buffer *block = buffer_create(d, params_bytes(p), "weights", &err);
    fill(p, block);
    struct model_folder_save s = {.path = path, .params = p, .block = block, .dtype = DTYPE_F32};
    if (!model_folder_save(m, &s, &err))
        fail_msg("%s", err.text);
    buffer_destroy(block);
    params_destroy(p);
    model_folder_close(m);
    device_close(d);
}

static void
fill_trained(const struct params *p, struct buffer *block)
{
    small_randomise(p, block, 7, false);
}

static void
fill_fresh(const struct params *p, struct buffer *block)
{
    small_randomise(p, block, 7, true);
}

void
small_folder(const char *path, const char *spiece, bool super, bool fresh)
{
    small_put(path, "model_index.json", small_index);
    small_put(path, "unet/config.json", small_unet);
    small_put(path, "text_encoder/config.json", small_text);
    small_put(path, "scheduler/scheduler_config.json", small_scheduler);
    if (super) {
        small_put(path, "super_resolution/config.json", small_super);
        small_put(path, "super_resolution/scheduler_config.json", small_super_scheduler);
    }
    small_save(path, spiece, fresh ? fill_fresh : fill_trained);
}
