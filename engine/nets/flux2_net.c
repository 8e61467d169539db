// SPDX-License-Identifier: MIT
// The FLUX.2 transformer's row in the table of networks, and how its files are spelt.
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/flux2.h"
#include "engine/nets/guess.h"
#include "engine/nets/net.h"

// --- Names -------------------------------------------------------------------------------------

// A parameter in the original names, after the number of its block. Fused ones have the rows of q,
// k and v, or of those and a gated unit.
enum fused { ALONE, OF_QKV, OF_QKV_MLP };

struct spelling {
    const char *ours, *original;
    enum fused fused;
    int piece; // widths before it
    bool swap_halves;
};

static const struct spelling outside[] = {
    {"x_embedder.weight", "img_in.weight"},
    {"context_embedder.weight", "txt_in.weight"},
    {"time_guidance_embed.timestep_embedder.linear_1.weight", "time_in.in_layer.weight"},
    {"time_guidance_embed.timestep_embedder.linear_2.weight", "time_in.out_layer.weight"},
    {"time_guidance_embed.guidance_embedder.linear_1.weight", "guidance_in.in_layer.weight"},
    {"time_guidance_embed.guidance_embedder.linear_2.weight", "guidance_in.out_layer.weight"},
    {"double_stream_modulation_img.linear.weight", "double_stream_modulation_img.lin.weight"},
    {"double_stream_modulation_txt.linear.weight", "double_stream_modulation_txt.lin.weight"},
    {"single_stream_modulation.linear.weight", "single_stream_modulation.lin.weight"},
    {"norm_out.linear.weight", "final_layer.adaLN_modulation.1.weight", .swap_halves = true},
    {"proj_out.weight", "final_layer.linear.weight"},
};

static const struct spelling in_double[] = {
    {"attn.to_q.weight", "img_attn.qkv.weight", OF_QKV, 0},
    {"attn.to_k.weight", "img_attn.qkv.weight", OF_QKV, 1},
    {"attn.to_v.weight", "img_attn.qkv.weight", OF_QKV, 2},
    {"attn.add_q_proj.weight", "txt_attn.qkv.weight", OF_QKV, 0},
    {"attn.add_k_proj.weight", "txt_attn.qkv.weight", OF_QKV, 1},
    {"attn.add_v_proj.weight", "txt_attn.qkv.weight", OF_QKV, 2},
    {"attn.norm_q.weight", "img_attn.norm.query_norm.scale"},
    {"attn.norm_k.weight", "img_attn.norm.key_norm.scale"},
    {"attn.norm_added_q.weight", "txt_attn.norm.query_norm.scale"},
    {"attn.norm_added_k.weight", "txt_attn.norm.key_norm.scale"},
    {"attn.to_out.0.weight", "img_attn.proj.weight"},
    {"attn.to_add_out.weight", "txt_attn.proj.weight"},
    {"ff.linear_in.weight", "img_mlp.0.weight"},
    {"ff.linear_out.weight", "img_mlp.2.weight"},
    {"ff_context.linear_in.weight", "txt_mlp.0.weight"},
    {"ff_context.linear_out.weight", "txt_mlp.2.weight"},
};

static const struct spelling in_single[] = {
    {"attn.to_q.weight", "linear1.weight", OF_QKV_MLP, 0},
    {"attn.to_k.weight", "linear1.weight", OF_QKV_MLP, 1},
    {"attn.to_v.weight", "linear1.weight", OF_QKV_MLP, 2},
    {"attn.to_mlp.weight", "linear1.weight", OF_QKV_MLP, 3},
    {"attn.to_out.weight", "linear2.weight"},
    {"attn.norm_q.weight", "norm.query_norm.scale"},
    {"attn.norm_k.weight", "norm.key_norm.scale"},
};

static const struct table {
    const char *ours, *original; // before the block's number
    const struct spelling *rows;
    int count;
} tables[] = {
    {"transformer_blocks.", "double_blocks.", in_double, COUNT_OF(in_double)},
    {"single_transformer_blocks.", "single_blocks.", in_single, COUNT_OF(in_single)},
    {"", "", outside, COUNT_OF(outside)},
};

// Finds a name's table and its row; `number` gets "3." for a block.
static const struct spelling *
find_spelling(const char *name, const struct table **table, char number[16])
{
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        const struct table *t = *table = &tables[i];
        size_t n = strlen(t->ours), digits = strspn(name + n * (strncmp(name, t->ours, n) == 0),
                                                    "0123456789");
        if (strncmp(name, t->ours, n) != 0 || digits > 8)
            continue;
        const char *rest = name + n + (n ? digits + 1 : 0);
        snprintf(number, 16, "%.*s", n ? (int)digits + 1 : 0, name + n);
        for (int k = 0; k < t->count; k++)
            if (strcmp(rest, t->rows[k].ours) == 0)
                return &t->rows[k];
    }
    return NULL;
}

// The place of a parameter in files with the original names, and in diffusers' fused ones. In
// single blocks diffusers, too, has one fused projection.
static bool
place(const void *config, const char *name, int way, struct param_place *out)
{
    const struct flux2_config *c = config;
    const struct table *t;
    char number[16];
    const struct spelling *s = find_spelling(name, &t, number);
    if (!s)
        return false;
    int64_t width = flux2_width(c), unit = s->fused == OF_QKV_MLP ? 2 * flux2_mlp_width(c) : 0;
    out->first = s->piece * width;
    out->rows = s->fused == ALONE ? 0 : 3 * width + unit;
    bool own = s->fused == OF_QKV_MLP;
    if (own && way == 0) {
        snprintf(out->name, sizeof out->name, "%s%sattn.to_qkv_mlp_proj.weight", t->ours, number);
        return true;
    }
    out->swap_halves = s->swap_halves;
    snprintf(out->name, sizeof out->name, "%s%s%s", t->original, number, s->original);
    return way == own;
}

// --- Without a config --------------------------------------------------------------------------

// Modulation shared by all blocks distinguishes it from FLUX.1.
static const char *const anchors[] = {"double_stream_modulation_img.lin.weight",
                                      "double_stream_modulation_img.linear.weight", NULL};

static struct jv *
guess(const struct guess *file)
{
    int64_t width = guess_dim(file, 0, "img_in.weight", "x_embedder.weight");
    int64_t head = guess_dim(file, 0, "double_blocks.0.img_attn.norm.query_norm.scale",
                             "transformer_blocks.0.attn.norm_q.weight");
    int64_t unit = guess_dim(file, 1, "double_blocks.0.img_mlp.2.weight",
                             "transformer_blocks.0.ff.linear_out.weight");
    bool shared = guess_find(file, anchors[0], anchors[1]);
    if (!shared || width <= 0 || head < 8 || head % 8 || width % head || unit <= 0)
        return NULL;
    struct jv *o = jv_object(), *axes = jv_array();
    jv_set(o, "_class_name", jv_from_string(net_flux2.class_name));
    guess_set(o, "in_channels", guess_dim(file, 1, "img_in.weight", "x_embedder.weight"));
    guess_set(o, "joint_attention_dim",
              guess_dim(file, 1, "txt_in.weight", "context_embedder.weight"));
    guess_set(o, "num_attention_heads", width / head);
    guess_set(o, "attention_head_dim", head);
    jv_set(o, "num_layers", jv_from_integer(guess_count(
        file, "double_blocks.%d.img_attn.norm.query_norm.scale",
        "transformer_blocks.%d.attn.norm_q.weight")));
    jv_set(o, "num_single_layers", jv_from_integer(guess_count(
        file, "single_blocks.%d.norm.query_norm.scale",
        "single_transformer_blocks.%d.attn.norm_q.weight")));
    guess_set(o, "timestep_guidance_channels",
              guess_dim(file, 1, "time_in.in_layer.weight",
                        "time_guidance_embed.timestep_embedder.linear_1.weight"));
    jv_set(o, "mlp_ratio", jv_from_number((double)unit / (double)width));
    jv_set(o, "guidance_embeds", jv_from_bool(guess_find(
        file, "guidance_in.in_layer.weight",
        "time_guidance_embed.guidance_embedder.linear_1.weight")));
    for (int i = 0; i < FLUX2_AXES; i++)
        jv_append(axes, jv_from_integer(head / FLUX2_AXES));
    jv_set(o, "axes_dims_rope", axes);
    jv_set(o, "rope_theta", jv_from_integer(2000));
    return o;
}

// --- The row -----------------------------------------------------------------------------------

static bool
accepts(const struct jv *json)
{
    return strcmp(jv_string(jv_get(json, "_class_name"), ""), net_flux2.class_name) == 0;
}

static bool
read(void *config, const struct jv *json, const char *name, struct err *err)
{
    return flux2_config_read(config, json, name, err);
}

static struct jv *
write(const void *config)
{
    return flux2_config_json(config);
}

static struct node *
build(struct nn *nn, const void *config)
{
    const struct flux2_config *c = config;
    struct flux2_inputs in = {
        .tokens = graph_input(nn->g, "tokens", SHAPE(1, 1, c->in_channels), DTYPE_F32),
        .text = graph_input(nn->g, "text", SHAPE(1, 1, c->joint_dim), DTYPE_F32),
        .sigma = graph_input(nn->g, "sigma", SHAPE(1), DTYPE_F32),
        .guidance = graph_input(nn->g, "guidance", SHAPE(1), DTYPE_F32),
        .token_ids = graph_input(nn->g, "token_ids", SHAPE(1, FLUX2_AXES), DTYPE_I32),
        .text_ids = graph_input(nn->g, "text_ids", SHAPE(1, FLUX2_AXES), DTYPE_I32)};
    return flux2_build(nn, c, &in);
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return net_declare(params, prefix, config, build, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct flux2_config *c = config;
    snprintf(out, size, "FLUX.2 transformer, %d double and %d single blocks of width %d%s",
             c->num_layers, c->num_single_layers, flux2_width(c),
             c->guidance ? ", with guidance" : "");
}

// (T,4), or (N,T,4) for N samples, of which the reference takes the first.
static bool
fits_ids(const struct shape *ids, int64_t tokens, int64_t n)
{
    int64_t each = tokens * FLUX2_AXES, count = ids ? shape_count(ids) : 0;
    return ids && ids->rank >= 2 && ids->dim[ids->rank - 1] == FLUX2_AXES &&
           ids->dim[ids->rank - 2] == tokens && (count == each || count == n * each);
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    const struct flux2_config *c = config;
    struct shape x, text;
    bool fits = net_golden_shape(golden, "hidden_states", 3, &x) &&
                net_golden_shape(golden, "encoder_hidden_states", 3, &text);
    const struct shape *ids = golden->shape(golden->ctx, "img_ids");
    const struct shape *text_ids = golden->shape(golden->ctx, "txt_ids");
    fits = fits && x.dim[0] == text.dim[0] && x.dim[2] == c->in_channels &&
           text.dim[2] == c->joint_dim && fits_ids(ids, x.dim[1], x.dim[0]) &&
           fits_ids(text_ids, text.dim[1], x.dim[0]);
    if (!fits || (c->guidance && !golden->shape(golden->ctx, "guidance"))) {
        err_set(err, ERR_INPUT, "hidden_states (N,T,%d), encoder_hidden_states (N,S,%d), timestep, "
                "img_ids (1,T,4)%s txt_ids (1,S,4) are needed", c->in_channels, c->joint_dim,
                c->guidance ? ", guidance and" : " and");
        return NULL;
    }
    const int64_t n = x.dim[0];
    struct flux2_inputs in = {
        .tokens = net_golden_input(golden, nn, "hidden_states", x, DTYPE_F32),
        .text = net_golden_input(golden, nn, "encoder_hidden_states", text, DTYPE_F32),
        .sigma = net_golden_input(golden, nn, "timestep", SHAPE(n), DTYPE_F32),
        .token_ids = net_golden_input(golden, nn, "img_ids", SHAPE(x.dim[1], 4), DTYPE_I32),
        .text_ids = net_golden_input(golden, nn, "txt_ids", SHAPE(text.dim[1], 4), DTYPE_I32)};
    if (c->guidance)
        in.guidance = net_golden_input(golden, nn, "guidance", SHAPE(n), DTYPE_F32);
    return flux2_build(nn, c, &in);
}

const struct net net_flux2 = {
    .class_name = "Flux2Transformer2DModel",
    .weights = "diffusion_pytorch_model",
    .accepts = accepts,
    .config_size = sizeof(struct flux2_config),
    .read = read,
    .write = write,
    .declare = declare,
    .describe = describe,
    .place = place,
    .anchors = anchors,
    .guess = guess,
    .golden = golden,
};
