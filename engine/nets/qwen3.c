// SPDX-License-Identifier: MIT
#include "engine/nets/qwen3.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/nets/config_reader.h"

static double
read_theta(struct config_reader *r)
{
    const struct jv *rope = config_get(r, "rope_parameters");
    if (!rope)
        return config_double(r, "rope_theta", 10000, 1, 1e12);
    struct config_reader inner = {rope, r->name, r->err, true};
    config_expect(&inner, "rope_type", "default");
    double theta = config_double(&inner, "rope_theta", 10000, 1, 1e12);
    r->ok = r->ok && inner.ok;
    return theta;
}

bool
qwen3_config_read(struct qwen3_config *c, const struct jv *json, const char *name, struct err *err)
{
    enum { WIDEST = 1 << 20 };
    struct config_reader r = {json, name, err, true};
    *c = (struct qwen3_config){.taps = {9, 18, 27}, .tap_count = 3};
    config_expect(&r, "model_type", "qwen3");
    config_expect(&r, "hidden_act", "silu");
    c->vocab_size = config_int(&r, "vocab_size", 151936, 1, 1 << 24);
    c->hidden_size = config_int(&r, "hidden_size", 4096, 1, WIDEST);
    c->intermediate_size = config_int(&r, "intermediate_size", 22016, 1, WIDEST);
    c->num_layers = config_int(&r, "num_hidden_layers", 32, c->taps[c->tap_count - 1], 1024);
    c->heads = config_int(&r, "num_attention_heads", 32, 1, 1024);
    c->kv_heads = config_int(&r, "num_key_value_heads", 32, 1, 1024);
    c->head_dim = config_int(&r, "head_dim", 128, 2, 512);
    c->eps = config_double(&r, "rms_norm_eps", 1e-6, 1e-12, 0.1);
    c->rope_theta = read_theta(&r);
    if (c->heads % c->kv_heads)
        config_refuse(&r, "num_key_value_heads", config_get(&r, "num_key_value_heads"),
                      "it must divide num_attention_heads");
    if (c->head_dim % 2)
        config_refuse(&r, "head_dim", config_get(&r, "head_dim"), "it must be even");
    if (config_bool(&r, "attention_bias", false))
        config_refuse(&r, "attention_bias", config_get(&r, "attention_bias"), "no bias is known");
    if (config_bool(&r, "use_sliding_window", false))
        config_refuse(&r, "use_sliding_window", config_get(&r, "use_sliding_window"),
                      "every token must see all before it");
    if (config_get(&r, "rope_scaling"))
        config_refuse(&r, "rope_scaling", config_get(&r, "rope_scaling"), "none is known");
    return r.ok;
}

struct jv *
qwen3_config_json(const struct qwen3_config *c)
{
    struct jv *o = jv_object(), *list = jv_array();
    jv_append(list, jv_from_string("Qwen3ForCausalLM"));
    jv_set(o, "architectures", list);
    jv_set(o, "model_type", jv_from_string("qwen3"));
    jv_set(o, "vocab_size", jv_from_integer(c->vocab_size));
    jv_set(o, "hidden_size", jv_from_integer(c->hidden_size));
    jv_set(o, "intermediate_size", jv_from_integer(c->intermediate_size));
    jv_set(o, "num_hidden_layers", jv_from_integer(c->num_layers));
    jv_set(o, "num_attention_heads", jv_from_integer(c->heads));
    jv_set(o, "num_key_value_heads", jv_from_integer(c->kv_heads));
    jv_set(o, "head_dim", jv_from_integer(c->head_dim));
    jv_set(o, "rms_norm_eps", jv_from_number(c->eps));
    jv_set(o, "rope_theta", jv_from_number(c->rope_theta));
    return o;
}

int
qwen3_width(const struct qwen3_config *c)
{
    return c->tap_count * c->hidden_size;
}

// (N|1,1,T,T) f32: 0 where a query sees a key, else low enough to make its weight 0.
static struct node *
visibility(struct nn *nn, struct node *mask, int64_t tokens)
{
    struct graph *g = nn->g;
    char name[NN_NAME_MAX];
    struct node *causal;
    int32_t *seen = nn_constant_i32(nn, nn_name(name, "qwen3.causal.%d", (int)tokens),
                                    SHAPE(1, 1, tokens, tokens), &causal);
    for (int64_t q = 0; seen && q < tokens; q++)
        for (int64_t k = 0; k <= q; k++)
            seen[q * tokens + k] = 1;
    causal = op_affine(g, op_cast(g, causal, DTYPE_F32), 1e9, -1e9);
    if (!mask)
        return causal;
    mask = op_reshape(g, mask, SHAPE(mask->shape.dim[0], 1, 1, tokens));
    return op_add(g, op_affine(g, mask, 1e9, -1e9), causal);
}

static struct node *
rope_table(struct nn *nn, const struct qwen3_config *c, int64_t tokens)
{
    char name[NN_NAME_MAX];
    struct node *at;
    int32_t *place = nn_constant_i32(nn, nn_name(name, "qwen3.places.%d", (int)tokens),
                                     SHAPE(tokens, 1), &at);
    for (int64_t i = 0; place && i < tokens; i++)
        place[i] = (int32_t)i;
    return nn_rope_table(nn, at, &c->head_dim, 1, c->rope_theta);
}

static struct linear
product(int out, enum dtype dtype)
{
    return (struct linear){.out = out, .no_bias = true, .out_dtype = dtype};
}

static struct node *
attention(struct nn *nn, const struct qwen3_config *c, struct node *x, struct node *table,
          struct node *bias, const char *name)
{
    struct linear wide = product(c->heads * c->head_dim, DTYPE_NONE);
    struct linear narrow = product(c->kv_heads * c->head_dim, DTYPE_NONE);
    struct linear out = product(c->hidden_size, DTYPE_F32);
    int times = c->heads / c->kv_heads;
    struct node *h = nn_rms_norm_as(nn, x, c->eps, nn->dtype, "%s.input_layernorm", name);
    struct node *q = nn_linear(nn, h, &wide, "%s.self_attn.q_proj", name);
    struct node *k = nn_linear(nn, h, &narrow, "%s.self_attn.k_proj", name);
    struct node *v = nn_linear(nn, h, &narrow, "%s.self_attn.v_proj", name);
    q = nn_head_norm(nn, q, c->heads, c->eps, "%s.self_attn.q_norm", name);
    k = nn_head_norm(nn, k, c->kv_heads, c->eps, "%s.self_attn.k_norm", name);
    q = op_rope(nn->g, q, table, c->heads, false);
    k = op_rope(nn->g, k, table, c->kv_heads, false);
    k = nn_repeat_heads(nn, k, c->kv_heads, times);
    v = nn_repeat_heads(nn, v, c->kv_heads, times);
    h = op_attention(nn->g, q, k, v, bias, c->heads, 1 / sqrt(c->head_dim));
    return op_add(nn->g, x, nn_linear(nn, h, &out, "%s.self_attn.o_proj", name));
}

static struct node *
feed_forward(struct nn *nn, const struct qwen3_config *c, struct node *x, const char *name)
{
    struct linear in = product(c->intermediate_size, DTYPE_NONE);
    struct linear out = product(c->hidden_size, DTYPE_F32);
    struct node *h = nn_rms_norm_as(nn, x, c->eps, nn->dtype, "%s.post_attention_layernorm", name);
    struct node *gate = op_silu(nn->g, nn_linear(nn, h, &in, "%s.mlp.gate_proj", name));
    h = op_mul(nn->g, gate, nn_linear(nn, h, &in, "%s.mlp.up_proj", name));
    return op_add(nn->g, x, nn_linear(nn, h, &out, "%s.mlp.down_proj", name));
}

// The token table, in the type of the products and not in f32: it is the largest tensor of those
// that are never quantised.
static struct node *
embed(struct nn *nn, const struct qwen3_config *c, struct node *ids)
{
    struct node *rows = nn_param(nn, "model.embed_tokens.weight",
                                 SHAPE(c->vocab_size, c->hidden_size), PARAM_KEPT,
                                 (struct param_init){INIT_NORMAL, 1});
    return op_cast(nn->g, op_gather(nn->g, rows, ids), DTYPE_F32);
}

// The last layer's output is returned after the final norm, as in transformers.
static struct node *
tapped(struct nn *nn, const struct qwen3_config *c, struct node *x, int layer)
{
    return layer == c->num_layers ? nn_rms_norm_as(nn, x, c->eps, DTYPE_F32, "model.norm") : x;
}

struct node *
qwen3_build(struct nn *nn, const struct qwen3_config *c, struct node *ids, struct node *mask)
{
    char name[NN_NAME_MAX];
    int64_t tokens = ids->shape.dim[1];
    struct node *bias = visibility(nn, mask, tokens), *table = rope_table(nn, c, tokens);
    struct node *x = embed(nn, c, ids), *taps = NULL;
    for (int i = 0, tap = 0; tap < c->tap_count; i++) {
        nn_segment(nn);
        x = attention(nn, c, x, table, bias, nn_name(name, "model.layers.%d", i));
        x = feed_forward(nn, c, x, name);
        if (i + 1 != c->taps[tap])
            continue;
        struct node *given = tapped(nn, c, x, i + 1);
        taps = tap ? op_concat(nn->g, (struct node *[]){taps, given}, 2, 2) : given;
        tap++;
    }
    nn_segment_end(nn);
    return taps;
}
