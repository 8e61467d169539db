// SPDX-License-Identifier: MIT
#include "engine/nets/t5.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/net.h"

static bool
read_int(const struct jv *json, const char *key, int fallback, int *out, const char *name,
         struct err *err)
{
    const struct jv *v = jv_get(json, key);
    int64_t n = jv_integer(v, fallback);
    if ((v && !jv_is_integer(v)) || n < 1 || n > 1 << 24)
        return err_set(err, ERR_INPUT, "%s: %s must be a whole number from 1 to %d", name, key,
                       1 << 24);
    *out = (int)n;
    return true;
}

static bool
check_string(const struct jv *json, const char *key, const char *only, bool needed,
             const char *name, struct err *err)
{
    const struct jv *v = jv_get(json, key);
    if (jv_is_null(v) && !needed)
        return true;
    const char *has = jv_string(v, "not there");
    if (strcmp(has, only) == 0)
        return true;
    return err_set(err, ERR_INPUT, "%s: %s is %.80s, only \"%s\" is known", name, key, has, only);
}

bool
t5_config_read(struct t5_config *c, const struct jv *json, const char *name, struct err *err)
{
    *c = (struct t5_config){0};
    if (!jv_is_object(json))
        return err_set(err, ERR_INPUT, "%s: not a JSON object", name);
    if (!check_string(json, "model_type", "t5", false, name, err) ||
        !check_string(json, "feed_forward_proj", "gated-gelu", true, name, err) ||
        !read_int(json, "vocab_size", 32128, &c->vocab_size, name, err) ||
        !read_int(json, "d_model", 512, &c->d_model, name, err) ||
        !read_int(json, "d_kv", 64, &c->d_kv, name, err) ||
        !read_int(json, "d_ff", 2048, &c->d_ff, name, err) ||
        !read_int(json, "num_layers", 6, &c->num_layers, name, err) ||
        !read_int(json, "num_heads", 8, &c->num_heads, name, err) ||
        !read_int(json, "relative_attention_num_buckets", 32, &c->num_buckets, name, err) ||
        !read_int(json, "relative_attention_max_distance", 128, &c->max_distance, name, err))
        return false;
    if (c->num_buckets % 4 || c->max_distance <= c->num_buckets / 4)
        return err_set(err, ERR_INPUT,
                       "%s: relative_attention_num_buckets must be a multiple of 4 below 4 times "
                       "relative_attention_max_distance",
                       name);
    if (c->num_layers > 256)
        return err_set(err, ERR_INPUT, "%s: num_layers is %d, at most 256 are possible", name,
                       c->num_layers);
    if (jv_integer(jv_get(json, "pad_token_id"), 0) != 0)
        return err_set(err, ERR_INPUT, "%s: pad_token_id must be 0", name);
    const struct jv *eps = jv_get(json, "layer_norm_epsilon");
    c->eps = jv_number(eps, 1e-6);
    if ((eps && !jv_is_number(eps)) || !(c->eps > 0 && c->eps < 1))
        return err_set(err, ERR_INPUT, "%s: layer_norm_epsilon must lie between 0 and 1", name);
    return true;
}

struct jv *
t5_config_json(const struct t5_config *c)
{
    struct jv *o = jv_object(), *list = jv_array();
    jv_append(list, jv_from_string("T5EncoderModel"));
    jv_set(o, "architectures", list);
    jv_set(o, "model_type", jv_from_string("t5"));
    jv_set(o, "feed_forward_proj", jv_from_string("gated-gelu"));
    jv_set(o, "vocab_size", jv_from_integer(c->vocab_size));
    jv_set(o, "d_model", jv_from_integer(c->d_model));
    jv_set(o, "d_kv", jv_from_integer(c->d_kv));
    jv_set(o, "d_ff", jv_from_integer(c->d_ff));
    jv_set(o, "num_layers", jv_from_integer(c->num_layers));
    jv_set(o, "num_heads", jv_from_integer(c->num_heads));
    jv_set(o, "relative_attention_num_buckets", jv_from_integer(c->num_buckets));
    jv_set(o, "relative_attention_max_distance", jv_from_integer(c->max_distance));
    jv_set(o, "layer_norm_epsilon", jv_from_number(c->eps));
    jv_set(o, "pad_token_id", jv_from_integer(0));
    jv_set(o, "eos_token_id", jv_from_integer(T5_END));
    jv_set(o, "is_encoder_decoder", jv_from_bool(false));
    jv_set(o, "tie_word_embeddings", jv_from_bool(false));
    return o;
}

// Half of the buckets are for each direction; the first half of those is exact, the rest is on a
// logarithmic scale up to max_distance. Computed in float, as in the reference, so that the
// boundaries agree.
int
t5_bucket(const struct t5_config *c, int distance)
{
    int half = c->num_buckets / 2, exact = half / 2;
    int base = distance > 0 ? half : 0, n = abs(distance);
    if (n < exact)
        return base + n;
    float scale = logf((float)n / (float)exact) /
                  (float)log((double)c->max_distance / (double)exact);
    int far = exact + (int)(scale * (float)(half - exact));
    return base + MIN(far, half - 1);
}

// (1,heads,T,T) f32: what attention adds to its scores.
static struct node *
position_bias(struct nn *nn, const struct t5_config *c, int64_t tokens)
{
    struct graph *g = nn->g;
    char name[NN_NAME_MAX];
    struct node *ids;
    int32_t *bucket = nn_constant_i32(nn, nn_name(name, "t5.buckets.%d", (int)tokens),
                                      SHAPE(tokens, tokens), &ids);
    for (int64_t q = 0; bucket && q < tokens; q++)
        for (int64_t k = 0; k < tokens; k++)
            bucket[q * tokens + k] = t5_bucket(c, (int)(k - q));
    struct embedding e = {c->num_buckets, c->num_heads, 1 / sqrt((double)c->d_model)};
    struct node *bias =
        nn_embedding(nn, ids, &e, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias");
    bias = op_permute(g, bias, (int[]){2, 0, 1});
    return op_reshape(g, bias, SHAPE(1, c->num_heads, tokens, tokens));
}

struct node *
t5_padding_mask(struct nn *nn, struct node *ids)
{
    return op_step(nn->g, op_cast(nn->g, ids, DTYPE_F32));
}

static struct node *
attention(struct nn *nn, const struct t5_config *c, struct node *x, struct node *bias,
          const char *name)
{
    // q and k are f32, because the scores are not scaled down and magnify their rounding.
    int64_t inner = (int64_t)c->num_heads * c->d_kv;
    double std = 1 / sqrt((double)c->d_model);
    struct linear wide = {.out = inner, .no_bias = true, .std = std, .wide = true};
    struct linear l = {.out = inner, .no_bias = true, .std = std, .out_dtype = DTYPE_F32};
    struct node *h = nn_rms_norm(nn, x, c->eps, "%s.layer_norm", name);
    struct node *k = nn_linear(nn, h, &wide, "%s.SelfAttention.k", name);
    wide.std /= sqrt((double)c->d_kv); // in place of a scale on the scores
    struct node *q = nn_linear(nn, h, &wide, "%s.SelfAttention.q", name);
    struct node *v = nn_linear(nn, h, &l, "%s.SelfAttention.v", name);
    h = op_attention(nn->g, q, k, v, bias, c->num_heads, 1);
    struct linear out = {.out = c->d_model, .no_bias = true, .std = 1 / sqrt((double)inner),
                         .out_dtype = DTYPE_F32};
    return op_add(nn->g, x, nn_linear(nn, h, &out, "%s.SelfAttention.o", name));
}

static struct node *
feed_forward(struct nn *nn, const struct t5_config *c, struct node *x, const char *name)
{
    struct node *h = nn_rms_norm(nn, x, c->eps, "%s.layer_norm", name);
    h = op_cast(nn->g, h, nn->dtype);
    struct linear in = {.out = c->d_ff, .no_bias = true, .std = 1 / sqrt((double)c->d_model),
                        .out_dtype = DTYPE_F32};
    struct linear out = {.out = c->d_model, .no_bias = true, .std = 1 / sqrt((double)c->d_ff),
                         .out_dtype = DTYPE_F32};
    struct node *gate = op_gelu_tanh(nn->g, nn_linear(nn, h, &in, "%s.DenseReluDense.wi_0", name));
    h = op_mul(nn->g, gate, nn_linear(nn, h, &in, "%s.DenseReluDense.wi_1", name));
    return op_add(nn->g, x, nn_linear(nn, h, &out, "%s.DenseReluDense.wo", name));
}

struct node *
t5_build(struct nn *nn, const struct t5_config *c, struct node *ids, struct node *mask)
{
    char name[NN_NAME_MAX];
    nn_segment(nn);
    struct node *x = nn_embedding(nn, ids, &(struct embedding){c->vocab_size, c->d_model, 1},
                                  "shared");
    struct node *bias = position_bias(nn, c, ids->shape.dim[1]);
    if (mask) {
        mask = op_reshape(nn->g, mask, SHAPE(ids->shape.dim[0], 1, 1, ids->shape.dim[1]));
        bias = op_add(nn->g, bias, op_affine(nn->g, mask, 1e9, -1e9));
    }
    for (int i = 0; i < c->num_layers; i++) {
        nn_segment(nn);
        x = attention(nn, c, x, bias, nn_name(name, "encoder.block.%d.layer.0", i));
        x = feed_forward(nn, c, x, nn_name(name, "encoder.block.%d.layer.1", i));
    }
    x = nn_rms_norm(nn, x, c->eps, "encoder.final_layer_norm");
    nn_segment_end(nn);
    return x;
}

static struct node *
build_any(struct nn *nn, const void *config)
{
    return t5_build(nn, config, graph_input(nn->g, "ids", SHAPE(1, 2), DTYPE_I32), NULL);
}

bool
t5_declare(struct params *params, const char *part, const struct t5_config *c, struct err *err)
{
    return net_declare(params, part, c, build_any, err);
}
