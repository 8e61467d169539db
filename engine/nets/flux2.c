// SPDX-License-Identifier: MIT
#include "engine/nets/flux2.h"

#include <math.h>

#include "engine/nets/config_reader.h"

enum { WIDEST = 1 << 20 };

static void
check_axes(struct config_reader *r, const struct flux2_config *c, int count)
{
    int sum = 0;
    bool even = count == FLUX2_AXES;
    for (int i = 0; i < count; i++) {
        sum += c->axes[i];
        even = even && c->axes[i] % 2 == 0;
    }
    if (!even || sum != c->head_dim)
        config_refuse(r, "axes_dims_rope", config_get(r, "axes_dims_rope"),
                      "four even numbers that add up to attention_head_dim are needed");
}

bool
flux2_config_read(struct flux2_config *c, const struct jv *json, const char *name, struct err *err)
{
    struct config_reader r = {json, name, err, true};
    int count = FLUX2_AXES;
    *c = (struct flux2_config){.axes = {32, 32, 32, 32}};
    if (config_int(&r, "patch_size", 1, 1, 1024) != 1)
        config_refuse(&r, "patch_size", config_get(&r, "patch_size"), "1 is known");
    c->in_channels = config_int(&r, "in_channels", 128, 1, WIDEST);
    c->out_channels = config_int(&r, "out_channels", c->in_channels, 1, WIDEST);
    c->num_layers = config_int(&r, "num_layers", 8, 0, 1024);
    c->num_single_layers = config_int(&r, "num_single_layers", 48, 0, 1024);
    c->head_dim = config_int(&r, "attention_head_dim", 128, 2, 512);
    c->heads = config_int(&r, "num_attention_heads", 48, 1, 1024);
    c->joint_dim = config_int(&r, "joint_attention_dim", 15360, 1, WIDEST);
    c->time_channels = config_int(&r, "timestep_guidance_channels", 256, 2, WIDEST);
    c->mlp_ratio = config_double(&r, "mlp_ratio", 3, 0.01, 64);
    c->rope_theta = config_int(&r, "rope_theta", 2000, 1, 1 << 30);
    c->eps = config_double(&r, "eps", 1e-6, 1e-12, 0.1);
    c->guidance = config_bool(&r, "guidance_embeds", true);
    if (config_get(&r, "axes_dims_rope"))
        count = config_list(&r, "axes_dims_rope", FLUX2_AXES, 512, c->axes);
    if (r.ok)
        check_axes(&r, c, count);
    static const char channels[] = "timestep_guidance_channels";
    if (c->time_channels % 2)
        config_refuse(&r, channels, config_get(&r, channels), "an even number is needed");
    return r.ok;
}

struct jv *
flux2_config_json(const struct flux2_config *c)
{
    struct jv *o = jv_object(), *axes = jv_array();
    for (int i = 0; i < FLUX2_AXES; i++)
        jv_append(axes, jv_from_integer(c->axes[i]));
    jv_set(o, "_class_name", jv_from_string("Flux2Transformer2DModel"));
    jv_set(o, "patch_size", jv_from_integer(1));
    jv_set(o, "in_channels", jv_from_integer(c->in_channels));
    jv_set(o, "out_channels", jv_from_integer(c->out_channels));
    jv_set(o, "num_layers", jv_from_integer(c->num_layers));
    jv_set(o, "num_single_layers", jv_from_integer(c->num_single_layers));
    jv_set(o, "attention_head_dim", jv_from_integer(c->head_dim));
    jv_set(o, "num_attention_heads", jv_from_integer(c->heads));
    jv_set(o, "joint_attention_dim", jv_from_integer(c->joint_dim));
    jv_set(o, "timestep_guidance_channels", jv_from_integer(c->time_channels));
    jv_set(o, "mlp_ratio", jv_from_number(c->mlp_ratio));
    jv_set(o, "axes_dims_rope", axes);
    jv_set(o, "rope_theta", jv_from_integer(c->rope_theta));
    jv_set(o, "eps", jv_from_number(c->eps));
    jv_set(o, "guidance_embeds", jv_from_bool(c->guidance));
    return o;
}

int
flux2_width(const struct flux2_config *c)
{
    return c->heads * c->head_dim;
}

int
flux2_mlp_width(const struct flux2_config *c)
{
    return (int)(flux2_width(c) * c->mlp_ratio);
}

static struct node *
product(struct nn *nn, struct node *x, int64_t out, enum dtype dtype, const char *name)
{
    struct linear l = {.out = out, .no_bias = true, .out_dtype = dtype};
    return nn_linear(nn, x, &l, "%s", name);
}

// The first and last layers and the modulations shared by all blocks: they are small, and rounding
// them costs the most quality, so that quantised files keep them wide as well.
static struct node *
kept_product(struct nn *nn, struct node *x, int64_t out, enum dtype dtype, const char *name)
{
    struct linear l = {.out = out, .no_bias = true, .out_dtype = dtype, .kept = true};
    return nn_linear(nn, x, &l, "%s", name);
}

// --- Time, guidance and modulation

// value (N) -> (N,width) f32
static struct node *
embed_number(struct nn *nn, const struct flux2_config *c, struct node *value, const char *name)
{
    char layer[NN_NAME_MAX];
    struct node *x = op_affine(nn->g, value, 1000, 0);
    x = op_timestep_embed(nn->g, x, c->time_channels, 10000, 0, true);
    x = kept_product(nn, x, flux2_width(c), DTYPE_F32, nn_name(layer, "%s.linear_1", name));
    x = op_silu(nn->g, x);
    return kept_product(nn, x, flux2_width(c), DTYPE_F32, nn_name(layer, "%s.linear_2", name));
}

// silu of the embedding, (N,width) f32: the input of all modulation layers.
static struct node *
conditioning(struct nn *nn, const struct flux2_config *c, const struct flux2_inputs *in)
{
    struct node *x =
        embed_number(nn, c, in->sigma, "time_guidance_embed.timestep_embedder");
    if (c->guidance)
        x = op_add(nn->g, x, embed_number(nn, c, in->guidance,
                                          "time_guidance_embed.guidance_embedder"));
    return op_silu(nn->g, x);
}

struct modulation {
    struct node *shift, *scale, *gate; // (N,width) f32; scale includes its 1, gate is (N,1,width)
};

// Part `i` of a row of shifts, scales and gates.
static struct modulation
modulation(struct nn *nn, struct node *all, int i, int64_t width)
{
    struct modulation m;
    int64_t n = all->shape.dim[0];
    m.shift = op_slice(nn->g, all, 1, 3 * i * width, width);
    m.scale = op_affine(nn->g, op_slice(nn->g, all, 1, (3 * i + 1) * width, width), 1, 1);
    m.gate = op_reshape(nn->g, op_slice(nn->g, all, 1, (3 * i + 2) * width, width),
                        SHAPE(n, 1, width));
    return m;
}

static struct node *
modulated(struct nn *nn, const struct flux2_config *c, struct node *x, const struct modulation *m)
{
    return op_norm_affine(nn->g, x, m->scale, m->shift, c->eps, false, nn->dtype);
}

static struct node *
add_gated(struct nn *nn, struct node *x, const struct modulation *m, struct node *y)
{
    return op_add(nn->g, x, op_mul(nn->g, y, m->gate));
}

// --- Blocks

struct heads {
    struct node *q, *k, *v; // (N,T,width)
};

// The names of a stream's products.
struct stream {
    const char *q, *k, *v, *norm_q, *norm_k, *out, *feed_forward;
};
static const struct stream tokens_stream = {"attn.to_q", "attn.to_k", "attn.to_v", "attn.norm_q",
                                            "attn.norm_k", "attn.to_out.0", "ff"};
static const struct stream text_stream = {
    "attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj", "attn.norm_added_q",
    "attn.norm_added_k", "attn.to_add_out", "ff_context"};

static struct heads
heads_of(struct nn *nn, const struct flux2_config *c, struct node *x, const struct stream *s,
         const char *block)
{
    char name[NN_NAME_MAX];
    int width = flux2_width(c);
    struct heads h;
    h.q = product(nn, x, width, DTYPE_NONE, nn_name(name, "%s.%s", block, s->q));
    h.k = product(nn, x, width, DTYPE_NONE, nn_name(name, "%s.%s", block, s->k));
    h.v = product(nn, x, width, DTYPE_NONE, nn_name(name, "%s.%s", block, s->v));
    h.q = nn_head_norm(nn, h.q, c->heads, c->eps, "%s.%s", block, s->norm_q);
    h.k = nn_head_norm(nn, h.k, c->heads, c->eps, "%s.%s", block, s->norm_k);
    return h;
}

static struct node *
attend(struct nn *nn, const struct flux2_config *c, const struct heads *h, struct node *table)
{
    struct node *q = op_rope(nn->g, h->q, table, c->heads, true);
    struct node *k = op_rope(nn->g, h->k, table, c->heads, true);
    return op_attention(nn->g, q, k, h->v, NULL, c->heads, 1 / sqrt(c->head_dim));
}

static struct node *
join_streams(struct nn *nn, struct node *text, struct node *tokens)
{
    return op_concat(nn->g, (struct node *[]){text, tokens}, 2, 1);
}

// The rest of a stream's block after attention: projection, then the gated unit.
static struct node *
finish_stream(struct nn *nn, const struct flux2_config *c, struct node *x, struct node *attended,
              struct node *mod, const struct stream *s, const char *block)
{
    char name[NN_NAME_MAX];
    int width = flux2_width(c);
    struct modulation first = modulation(nn, mod, 0, width), second = modulation(nn, mod, 1, width);
    struct node *y = product(nn, attended, width, DTYPE_F32, nn_name(name, "%s.%s", block, s->out));
    x = add_gated(nn, x, &first, y);
    y = product(nn, modulated(nn, c, x, &second), 2 * flux2_mlp_width(c), DTYPE_NONE,
                nn_name(name, "%s.%s.linear_in", block, s->feed_forward));
    y = product(nn, op_swiglu(nn->g, y), width, DTYPE_F32,
                nn_name(name, "%s.%s.linear_out", block, s->feed_forward));
    return add_gated(nn, x, &second, y);
}

struct state {
    struct node *text, *tokens;             // (N,S,width), (N,T,width) f32
    struct node *text_mod, *tokens_mod, *single_mod;
    struct node *table;                     // of rotary positions, text first
};

static void
double_block(struct nn *nn, const struct flux2_config *c, struct state *s, const char *block)
{
    int64_t width = flux2_width(c), text = s->text->shape.dim[1], tokens = s->tokens->shape.dim[1];
    struct modulation m = modulation(nn, s->tokens_mod, 0, width);
    struct modulation mt = modulation(nn, s->text_mod, 0, width);
    struct heads h = heads_of(nn, c, modulated(nn, c, s->tokens, &m), &tokens_stream, block);
    struct heads ht = heads_of(nn, c, modulated(nn, c, s->text, &mt), &text_stream, block);
    h = (struct heads){join_streams(nn, ht.q, h.q), join_streams(nn, ht.k, h.k),
                       join_streams(nn, ht.v, h.v)};
    struct node *o = attend(nn, c, &h, s->table);
    struct node *of_text = op_slice(nn->g, o, 1, 0, text);
    struct node *of_tokens = op_slice(nn->g, o, 1, text, tokens);
    s->tokens = finish_stream(nn, c, s->tokens, of_tokens, s->tokens_mod, &tokens_stream, block);
    s->text = finish_stream(nn, c, s->text, of_text, s->text_mod, &text_stream, block);
}

static struct node *
single_block(struct nn *nn, const struct flux2_config *c, struct node *x, const struct state *s,
             const char *block)
{
    char name[NN_NAME_MAX];
    struct modulation m = modulation(nn, s->single_mod, 0, flux2_width(c));
    struct node *y = modulated(nn, c, x, &m);
    struct heads h = heads_of(nn, c, y, &tokens_stream, block);
    struct node *unit = product(nn, y, 2 * flux2_mlp_width(c), DTYPE_NONE,
                                nn_name(name, "%s.attn.to_mlp", block));
    struct node *sides[] = {attend(nn, c, &h, s->table), op_swiglu(nn->g, unit)};
    y = product(nn, op_concat(nn->g, sides, 2, 2), flux2_width(c), DTYPE_F32,
                nn_name(name, "%s.attn.to_out", block));
    return add_gated(nn, x, &m, y);
}

// --- The network

static struct state
begin(struct nn *nn, const struct flux2_config *c, const struct flux2_inputs *in,
      struct node *conditions)
{
    int width = flux2_width(c);
    struct state s;
    struct node *ids[] = {in->text_ids, in->token_ids};
    s.table = nn_rope_table(nn, op_concat(nn->g, ids, 2, 0), c->axes, FLUX2_AXES, c->rope_theta);
    s.tokens_mod = kept_product(nn, conditions, 6 * width, DTYPE_F32,
                                "double_stream_modulation_img.linear");
    s.text_mod = kept_product(nn, conditions, 6 * width, DTYPE_F32,
                              "double_stream_modulation_txt.linear");
    s.single_mod = kept_product(nn, conditions, 3 * width, DTYPE_F32,
                                "single_stream_modulation.linear");
    s.tokens = kept_product(nn, in->tokens, width, DTYPE_F32, "x_embedder");
    s.text = kept_product(nn, in->text, width, DTYPE_F32, "context_embedder");
    return s;
}

// The scale comes before the shift here.
static struct node *
finish(struct nn *nn, const struct flux2_config *c, struct node *x, struct node *conditions)
{
    int64_t width = flux2_width(c);
    struct node *mod = kept_product(nn, conditions, 2 * width, DTYPE_F32, "norm_out.linear");
    struct modulation m = {.scale = op_affine(nn->g, op_slice(nn->g, mod, 1, 0, width), 1, 1),
                           .shift = op_slice(nn->g, mod, 1, width, width)};
    return kept_product(nn, modulated(nn, c, x, &m), c->out_channels, DTYPE_F32, "proj_out");
}

struct node *
flux2_build(struct nn *nn, const struct flux2_config *c, const struct flux2_inputs *in)
{
    char name[NN_NAME_MAX];
    int64_t text = in->text->shape.dim[1], outputs = in->outputs;
    nn_segment(nn);
    struct node *conditions = conditioning(nn, c, in);
    struct state s = begin(nn, c, in, conditions);
    for (int i = 0; i < c->num_layers; i++) {
        nn_segment(nn);
        double_block(nn, c, &s, nn_name(name, "transformer_blocks.%d", i));
    }
    struct node *x = join_streams(nn, s.text, s.tokens);
    for (int i = 0; i < c->num_single_layers; i++) {
        nn_segment(nn);
        x = single_block(nn, c, x, &s, nn_name(name, "single_transformer_blocks.%d", i));
    }
    nn_segment_end(nn);
    x = op_slice(nn->g, x, 1, text, outputs ? outputs : in->tokens->shape.dim[1]);
    return finish(nn, c, x, conditions);
}
