// SPDX-License-Identifier: MIT
#include "engine/nets/unet_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/config_reader.h"

// A number for all levels, or a list with one per level.
static void
per_level(struct config_reader *r, const char *key, int fallback, int levels,
          int out[UNET_LEVEL_MAX])
{
    const struct jv *v = config_get(r, key);
    if (v && jv_is_array(v) && jv_size(v) != (size_t)levels) {
        config_refuse(r, key, v, "one entry a level is needed");
        return;
    }
    for (int i = 0; i < levels; i++) {
        const struct jv *e = v && jv_is_array(v) ? jv_at(v, (size_t)i) : v;
        int64_t n = jv_integer(e, fallback);
        if ((e && !jv_is_integer(e)) || n < 1 || n > 65536) {
            config_refuse(r, key, v, "whole numbers from 1 to 65536 are needed");
            return;
        }
        out[i] = (int)n;
    }
}

static enum activation
activation(struct config_reader *r, const char *key, int none)
{
    static const char *const words[] = {"silu", "swish", "gelu", NULL};
    static const enum activation acts[] = {ACT_SILU, ACT_SILU, ACT_GELU, ACT_NONE};
    return acts[config_choice(r, key, words, none)];
}

static void
read_blocks(struct config_reader *r, struct unet_config *c)
{
    static const char *const keys[] = {"down_block_types", "up_block_types"};
    static const char *const plain[] = {"ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D"};
    static const char *const with[] = {"SimpleCrossAttnDownBlock2D", "SimpleCrossAttnUpBlock2D"};
    for (int k = 0; k < 2; k++) {
        const struct jv *v = config_get(r, keys[k]);
        if (!jv_is_array(v) || jv_size(v) != (size_t)c->levels) {
            config_refuse(r, keys[k], v, "one block type for each of block_out_channels is needed");
            return;
        }
        for (int i = 0; i < c->levels; i++) {
            const char *type = jv_string(jv_at(v, (size_t)i), "");
            int level = k ? c->levels - 1 - i : i;
            bool attention = strcmp(type, with[k]) == 0;
            if (!attention && strcmp(type, plain[k]) != 0) {
                char wanted[128];
                snprintf(wanted, sizeof wanted, "known: %s, %s", plain[k], with[k]);
                config_refuse(r, keys[k], jv_at(v, (size_t)i), wanted);
                return;
            }
            if (k && attention != c->attention[level]) {
                config_refuse(r, keys[k], v, "it must mirror down_block_types");
                return;
            }
            c->attention[level] = attention;
        }
    }
}

static void
read_levels(struct config_reader *r, struct unet_config *c)
{
    const struct jv *v = config_get(r, "block_out_channels");
    if (!jv_is_array(v) || jv_size(v) < 1 || jv_size(v) > UNET_LEVEL_MAX) {
        config_refuse(r, "block_out_channels", v, "a list of 1 to 8 numbers is needed");
        return;
    }
    c->levels = (int)jv_size(v);
    per_level(r, "block_out_channels", 0, c->levels, c->block_out_channels);
    per_level(r, "layers_per_block", 2, c->levels, c->layers_per_block);
    per_level(r, "attention_head_dim", 8, c->levels, c->attention_head_dim);
    if (r->ok)
        read_blocks(r, c);
}

static void
read_context(struct config_reader *r, struct unet_config *c)
{
    const struct jv *v = config_get(r, "context_levels");
    c->context_head_dim = config_int(r, "context_attention_head_dim", 0, 0, 4096);
    if (v && !jv_is_array(v))
        config_refuse(r, "context_levels", v, "a list of levels is needed");
    for (size_t i = 0; r->ok && i < jv_size(v); i++) {
        int64_t level = jv_integer(jv_at(v, i), -1);
        if (!jv_is_integer(jv_at(v, i)) || level < 0 || level >= c->levels ||
            !c->attention[level] || c->context[level]) {
            config_refuse(r, "context_levels", v,
                   "each entry must be another level whose blocks have attention");
            return;
        }
        c->context[level] = true;
    }
}

static void
read_own(struct config_reader *r, struct unet_config *c)
{
    const struct jv *v = config_get(r, "style_levels");
    c->thumbnail_size = config_int(r, "text_thumbnail_size", 0, 0, 256);
    c->thumbnail_with_references = config_bool(r, "text_thumbnail_with_references", false);
    c->fold = config_int(r, "pixel_unshuffle", 1, 1, 8);
    c->plain_upsampling = config_bool(r, "plain_upsampling", false);
    if (v && !jv_is_array(v))
        config_refuse(r, "style_levels", v, "a list of levels is needed");
    for (size_t i = 0; r->ok && i < jv_size(v); i++) {
        int64_t level = jv_integer(jv_at(v, i), -1);
        if (!jv_is_integer(jv_at(v, i)) || level < 0 || level >= c->levels || c->style[level])
            config_refuse(r, "style_levels", v, "each entry must be another level");
        else
            c->style[level] = true;
    }
}

// Options of diffusers that would change the results and that no model of the Imagen family uses.
static void
refuse_unsupported(struct config_reader *r)
{
    static const struct {
        const char *key, *harmless;
    } rows[] = {
        {"center_input_sample", "false"},
        {"time_embedding_type", "\"positional\""},
        {"timestep_post_act", "null"},
        {"time_cond_proj_dim", "null"},
        {"conv_in_kernel", "3"},
        {"conv_out_kernel", "3"},
        {"class_embeddings_concat", "false"},
        {"num_class_embeds", "null"},
        {"num_attention_heads", "null"},
        {"upcast_attention", "false"},
        {"attention_type", "\"default\""},
        {"dual_cross_attention", "false"},
        {"addition_time_embed_dim", "null"},
        {"projection_class_embeddings_input_dim", "null"},
    };
    for (size_t i = 0; r->ok && i < COUNT_OF(rows); i++) {
        const struct jv *v = config_get(r, rows[i].key);
        char *text = v ? jv_text(v, 0) : NULL;
        if (v && strcmp(text, rows[i].harmless) != 0) {
            char wanted[64];
            snprintf(wanted, sizeof wanted, "only %s is known", rows[i].harmless);
            config_refuse(r, rows[i].key, v, wanted);
        }
        free(text);
    }
}

// RGB, or RGB and alpha.
static bool
is_pixel_space(const struct unet_config *c)
{
    return c->in_channels == 3 || c->in_channels == 4;
}

static void
check_own(struct config_reader *r, const struct unet_config *c)
{
    int enlarged = c->thumbnail_size, side = c->sample_size / c->fold;
    while (enlarged && enlarged < side)
        enlarged *= 2;
    if (enlarged && (enlarged != side || c->class_timestep || !is_pixel_space(c)))
        config_refuse(r, "text_thumbnail_size", config_get(r, "text_thumbnail_size"),
               "it must double up to sample_size / pixel_unshuffle, in a base model of 3 or 4 "
               "input channels");
    else if (c->thumbnail_with_references && !c->thumbnail_size)
        config_refuse(r, "text_thumbnail_with_references",
                      config_get(r, "text_thumbnail_with_references"),
                      "it needs text_thumbnail_size");
    else if (unet_config_has_style(c) && !unet_config_has_context(c))
        config_refuse(r, "style_levels", config_get(r, "style_levels"), "they need context_levels");
}

static void
check_sizes(struct config_reader *r, const struct unet_config *c)
{
    for (int i = 0; r->ok && i < c->levels; i++) {
        int width = c->block_out_channels[i];
        if (width % c->norm_num_groups)
            config_refuse(r, "block_out_channels", config_get(r, "block_out_channels"),
                   "each must be a multiple of norm_num_groups");
        else if ((c->attention[i] || i == c->levels - 1) && width % c->attention_head_dim[i])
            config_refuse(r, "attention_head_dim", config_get(r, "attention_head_dim"),
                   "it must divide the channels of its level");
        else if (c->context[i] && c->context_head_dim && width % c->context_head_dim)
            config_refuse(r, "context_attention_head_dim",
                          config_get(r, "context_attention_head_dim"),
                          "it must divide the channels of its level");
    }
    for (int i = 0; r->ok && i < c->levels; i++)
        if (c->layers_per_block[i] > UNET_LAYER_MAX)
            config_refuse(r, "layers_per_block", config_get(r, "layers_per_block"),
                          "at most 16 are possible");
    if (r->ok && unet_config_has_context(c) && (c->class_timestep || !is_pixel_space(c)))
        config_refuse(r, "context_levels", config_get(r, "context_levels"),
               "context needs a base model: 3 or 4 input channels, no class embedding");
    if (r->ok && c->mid_plain && c->context[c->levels - 1])
        config_refuse(r, "mid_block_type", config_get(r, "mid_block_type"),
                      "context at the last level needs UNetMidBlock2DSimpleCrossAttn");
    if (r->ok)
        check_own(r, c);
    if (r->ok && c->sample_size % (c->fold << (c->levels - 1)))
        config_refuse(r, "sample_size", config_get(r, "sample_size"),
                      "it must halve at every level");
    if (r->ok && c->block_out_channels[0] % 2)
        config_refuse(r, "block_out_channels", config_get(r, "block_out_channels"),
                      "the first must be even");
    if (r->ok && c->cross_attention_norm && c->cross_attention_dim % 32)
        config_refuse(r, "cross_attention_dim", config_get(r, "cross_attention_dim"),
               "cross_attention_norm needs a multiple of 32");
    int pooled = c->encoder_hid_dim ? c->encoder_hid_dim : c->cross_attention_dim;
    if (r->ok && c->pooled_text && pooled % c->pooled_heads)
        config_refuse(r, "addition_embed_type_num_heads",
                      config_get(r, "addition_embed_type_num_heads"),
                      "it must divide the width of the text");
}

static void
read_embeddings(struct config_reader *r, struct unet_config *c)
{
    static const char *const added[] = {"text", NULL}, *const classes[] = {"timestep", NULL};
    static const char *const shifts[] = {"scale_shift", "default", NULL};
    c->flip_sin_to_cos = config_bool(r, "flip_sin_to_cos", true);
    c->freq_shift = config_double(r, "freq_shift", 0, -1, 1);
    c->time_embedding_dim =
        config_int(r, "time_embedding_dim", 4 * c->block_out_channels[0], 1, 1 << 20);
    c->time_act = activation(r, "time_embedding_act_fn", 3);
    c->class_timestep = config_choice(r, "class_embed_type", classes, 1) == 0;
    c->pooled_text = config_choice(r, "addition_embed_type", added, 1) == 0;
    c->pooled_heads = config_int(r, "addition_embed_type_num_heads", 64, 1, 65536);
    c->skip_time_act = config_bool(r, "resnet_skip_time_act", false);
    c->scale_shift = config_choice(r, "resnet_time_scale_shift", shifts, 1) == 0;
}

static void
read_text(struct config_reader *r, struct unet_config *c)
{
    static const char *const projections[] = {"text_proj", NULL}, *const norms[] = {"group_norm",
                                                                                    NULL};
    c->cross_attention_dim = config_int(r, "cross_attention_dim", 1280, 1, 1 << 20);
    c->encoder_hid_dim = config_int(r, "encoder_hid_dim", 0, 0, 1 << 20);
    // diffusers defaults to text_proj if only the width is given.
    if (c->encoder_hid_dim)
        config_choice(r, "encoder_hid_dim_type", projections, 0);
    else if (config_get(r, "encoder_hid_dim_type"))
        config_refuse(r, "encoder_hid_dim", NULL, "encoder_hid_dim_type needs it");
    c->cross_attention_norm = config_choice(r, "cross_attention_norm", norms, 1) == 0;
    c->only_cross_attention = config_bool(r, "only_cross_attention", false);
    c->mid_only_cross_attention =
        config_bool(r, "mid_block_only_cross_attention", c->only_cross_attention);
}

bool
unet_config_read(struct unet_config *c, const struct jv *json, const char *name, struct err *err)
{
    static const char *const mids[] = {"UNetMidBlock2DSimpleCrossAttn", "UNetMidBlock2D", NULL};
    static const char *const classes[] = {"UNet2DConditionModel", NULL};
    struct config_reader r = {json, name, err, jv_is_object(json)};
    *c = (struct unet_config){0};
    if (!r.ok)
        return err_set(err, ERR_INPUT, "%s: not a JSON object", name);
    config_choice(&r, "_class_name", classes, 0);
    read_levels(&r, c);
    if (!r.ok)
        return false;
    c->mid_plain = config_choice(&r, "mid_block_type", mids, -1) == 1;
    c->sample_size = config_int(&r, "sample_size", 0, 1, 8192);
    c->in_channels = config_int(&r, "in_channels", 4, 1, 4096);
    c->out_channels = config_int(&r, "out_channels", 4, 1, 4096);
    c->norm_num_groups = config_int(&r, "norm_num_groups", 32, 1, 65536);
    c->norm_eps = config_double(&r, "norm_eps", 1e-5, 0, 1);
    c->act = activation(&r, "act_fn", 0);
    c->out_scale = config_double(&r, "resnet_out_scale_factor", 1, 1e-3, 1e3);
    c->mid_scale = config_double(&r, "mid_block_scale_factor", 1, 1e-3, 1e3);
    read_text(&r, c);
    read_embeddings(&r, c);
    read_context(&r, c);
    read_own(&r, c);
    refuse_unsupported(&r);
    check_sizes(&r, c);
    return r.ok;
}

int
unet_config_text_width(const struct unet_config *c)
{
    return c->encoder_hid_dim ? c->encoder_hid_dim : c->cross_attention_dim;
}

bool
unet_config_uses_text(const struct unet_config *c)
{
    bool attention = !c->mid_plain;
    for (int i = 0; i < c->levels; i++)
        attention = attention || c->attention[i];
    return attention || c->pooled_text || c->thumbnail_size;
}

bool
unet_config_has_context(const struct unet_config *c)
{
    for (int i = 0; i < c->levels; i++)
        if (c->context[i])
            return true;
    return false;
}

bool
unet_config_has_style(const struct unet_config *c)
{
    for (int i = 0; i < c->levels; i++)
        if (c->style[i])
            return true;
    return false;
}

int
unet_config_side(const struct unet_config *c, int level)
{
    return c->sample_size / c->fold >> level;
}

static struct jv *
int_array(const int *values, int count)
{
    struct jv *a = jv_array();
    for (int i = 0; i < count; i++)
        jv_append(a, jv_from_integer(values[i]));
    return a;
}

static struct jv *
act_json(enum activation act)
{
    return act == ACT_NONE ? jv_null_value() : jv_from_string(act == ACT_SILU ? "silu" : "gelu");
}

static void
write_blocks(const struct unet_config *c, struct jv *o)
{
    struct jv *down = jv_array(), *up = jv_array(), *context = jv_array();
    for (int i = 0; i < c->levels; i++) {
        jv_append(down, jv_from_string(c->attention[i] ? "SimpleCrossAttnDownBlock2D"
                                                       : "ResnetDownsampleBlock2D"));
        jv_append(up, jv_from_string(c->attention[c->levels - 1 - i] ? "SimpleCrossAttnUpBlock2D"
                                                                     : "ResnetUpsampleBlock2D"));
        if (c->context[i])
            jv_append(context, jv_from_integer(i));
    }
    jv_set(o, "down_block_types", down);
    jv_set(o, "up_block_types", up);
    jv_set(o, "mid_block_type", jv_from_string(c->mid_plain ? "UNetMidBlock2D"
                                                            : "UNetMidBlock2DSimpleCrossAttn"));
    if (unet_config_has_context(c)) {
        jv_set(o, "context_levels", context);
        if (c->context_head_dim)
            jv_set(o, "context_attention_head_dim", jv_from_integer(c->context_head_dim));
    } else {
        jv_free(context);
    }
}

static void
write_own(const struct unet_config *c, struct jv *o)
{
    struct jv *style = jv_array();
    for (int i = 0; i < c->levels; i++)
        if (c->style[i])
            jv_append(style, jv_from_integer(i));
    if (unet_config_has_style(c))
        jv_set(o, "style_levels", style);
    else
        jv_free(style);
    if (c->thumbnail_size)
        jv_set(o, "text_thumbnail_size", jv_from_integer(c->thumbnail_size));
    if (c->thumbnail_with_references)
        jv_set(o, "text_thumbnail_with_references", jv_from_bool(true));
    if (c->fold > 1)
        jv_set(o, "pixel_unshuffle", jv_from_integer(c->fold));
    if (c->plain_upsampling)
        jv_set(o, "plain_upsampling", jv_from_bool(true));
}

struct jv *
unet_config_json(const struct unet_config *c)
{
    struct jv *o = jv_object();
    jv_set(o, "_class_name", jv_from_string("UNet2DConditionModel"));
    jv_set(o, "sample_size", jv_from_integer(c->sample_size));
    jv_set(o, "in_channels", jv_from_integer(c->in_channels));
    jv_set(o, "out_channels", jv_from_integer(c->out_channels));
    jv_set(o, "block_out_channels", int_array(c->block_out_channels, c->levels));
    jv_set(o, "layers_per_block", int_array(c->layers_per_block, c->levels));
    write_blocks(c, o);
    write_own(c, o);
    jv_set(o, "attention_head_dim", int_array(c->attention_head_dim, c->levels));
    jv_set(o, "norm_num_groups", jv_from_integer(c->norm_num_groups));
    jv_set(o, "norm_eps", jv_from_number(c->norm_eps));
    jv_set(o, "act_fn", act_json(c->act));
    jv_set(o, "cross_attention_dim", jv_from_integer(c->cross_attention_dim));
    if (c->encoder_hid_dim) {
        jv_set(o, "encoder_hid_dim", jv_from_integer(c->encoder_hid_dim));
        jv_set(o, "encoder_hid_dim_type", jv_from_string("text_proj"));
    }
    jv_set(o, "cross_attention_norm",
           c->cross_attention_norm ? jv_from_string("group_norm") : jv_null_value());
    jv_set(o, "only_cross_attention", jv_from_bool(c->only_cross_attention));
    jv_set(o, "mid_block_only_cross_attention", jv_from_bool(c->mid_only_cross_attention));
    jv_set(o, "resnet_out_scale_factor", jv_from_number(c->out_scale));
    jv_set(o, "mid_block_scale_factor", jv_from_number(c->mid_scale));
    jv_set(o, "resnet_skip_time_act", jv_from_bool(c->skip_time_act));
    jv_set(o, "resnet_time_scale_shift",
           jv_from_string(c->scale_shift ? "scale_shift" : "default"));
    jv_set(o, "time_embedding_type", jv_from_string("positional"));
    jv_set(o, "time_embedding_dim", jv_from_integer(c->time_embedding_dim));
    jv_set(o, "time_embedding_act_fn", act_json(c->time_act));
    jv_set(o, "flip_sin_to_cos", jv_from_bool(c->flip_sin_to_cos));
    jv_set(o, "freq_shift", jv_from_number(c->freq_shift));
    jv_set(o, "class_embed_type",
           c->class_timestep ? jv_from_string("timestep") : jv_null_value());
    jv_set(o, "addition_embed_type",
           c->pooled_text ? jv_from_string("text") : jv_null_value());
    jv_set(o, "addition_embed_type_num_heads", jv_from_integer(c->pooled_heads));
    return o;
}
