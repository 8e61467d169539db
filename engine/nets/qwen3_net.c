// SPDX-License-Identifier: MIT
// Qwen3's row in the table of networks.
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/guess.h"
#include "engine/nets/net.h"
#include "engine/nets/qwen3.h"

static bool
accepts(const struct jv *json)
{
    return strcmp(jv_string(jv_get(json, "model_type"), ""), "qwen3") == 0;
}

static bool
read(void *config, const struct jv *json, const char *name, struct err *err)
{
    return qwen3_config_read(config, json, name, err);
}

static struct jv *
write(const void *config)
{
    return qwen3_config_json(config);
}

static struct node *
build(struct nn *nn, const void *config)
{
    return qwen3_build(nn, config, graph_input(nn->g, "ids", SHAPE(1, 2), DTYPE_I32), NULL);
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return net_declare(params, prefix, config, build, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct qwen3_config *c = config;
    snprintf(out, size, "Qwen3, %d of %d layers of width %d, %d tokens known",
             c->taps[c->tap_count - 1], c->num_layers, c->hidden_size, c->vocab_size);
}

// A parameter in transformers' names and in those of GGUF files.
struct spelling {
    const char *ours, *gguf;
};

static const struct spelling outside[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
};

// After the number of a layer.
static const struct spelling in_layer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
};

// The prefix that names lack in a model saved without its head.
static const char HEAD[] = "model.";

static bool
place(const void *config, const char *name, int way, struct param_place *out)
{
    (void)config;
    int layer, end = 0;
    const size_t head = sizeof HEAD - 1;
    if (way == 1 && strncmp(name, HEAD, head) == 0) {
        snprintf(out->name, sizeof out->name, "%s", name + head);
        return true;
    }
    if (way > 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(outside); i++)
        if (strcmp(name, outside[i].ours) == 0) {
            snprintf(out->name, sizeof out->name, "%s", outside[i].gguf);
            return true;
        }
    if (sscanf(name, "model.layers.%d.%n", &layer, &end) != 1 || !end)
        return false;
    for (size_t i = 0; i < COUNT_OF(in_layer); i++)
        if (strcmp(name + end, in_layer[i].ours) == 0) {
            snprintf(out->name, sizeof out->name, "blk.%d.%s", layer, in_layer[i].gguf);
            return true;
        }
    return false;
}

// What follows the last layer that is read.
static bool
is_ignored(const void *config, const char *tensor)
{
    static const char *const rest[] = {"norm.weight", "lm_head.weight", "output_norm.weight",
                                       "output.weight", "logit_scale"};
    const struct qwen3_config *c = config;
    const size_t head = sizeof HEAD - 1;
    int layer;
    tensor += strncmp(tensor, HEAD, head) == 0 ? head : 0;
    if (sscanf(tensor, "layers.%d.", &layer) == 1 || sscanf(tensor, "blk.%d.", &layer) == 1)
        return layer >= c->taps[c->tap_count - 1];
    for (size_t i = 0; i < COUNT_OF(rest); i++)
        if (strcmp(tensor, rest[i]) == 0)
            return true;
    return false;
}

static const char *const anchors[] = {"model.layers.0.self_attn.q_norm.weight",
                                      "layers.0.self_attn.q_norm.weight",
                                      "blk.0.attn_q_norm.weight", NULL};

// `name` with its head, or without one, whichever the file has.
static int64_t
dim(const struct guess *from, int d, const char *name, const char *gguf)
{
    int64_t n = guess_dim(from, d, name, gguf);
    return n ? n : guess_dim(from, d, name + sizeof HEAD - 1, NULL);
}

static struct jv *
guess(const struct guess *from)
{
    int64_t head = dim(from, 0, "model.layers.0.self_attn.q_norm.weight",
                       "blk.0.attn_q_norm.weight");
    int64_t rows = dim(from, 0, "model.layers.0.self_attn.q_proj.weight", "blk.0.attn_q.weight");
    int64_t kv = dim(from, 0, "model.layers.0.self_attn.k_proj.weight", "blk.0.attn_k.weight");
    if (head <= 0 || rows <= 0 || kv <= 0 || rows % head || kv % head)
        return NULL;
    struct jv *o = jv_object();
    jv_set(o, "model_type", jv_from_string("qwen3"));
    guess_set(o, "vocab_size", dim(from, 0, "model.embed_tokens.weight", "token_embd.weight"));
    guess_set(o, "hidden_size", dim(from, 1, "model.embed_tokens.weight", "token_embd.weight"));
    guess_set(o, "intermediate_size",
              dim(from, 0, "model.layers.0.mlp.gate_proj.weight", "blk.0.ffn_gate.weight"));
    // Published models have more layers than are read; a file may end with those.
    enum { READ = 27 };
    static const char norm[] = "model.layers.%d.input_layernorm.weight";
    int layers = guess_count(from, norm, "blk.%d.attn_norm.weight");
    if (!layers)
        layers = guess_count(from, norm + sizeof HEAD - 1, norm);
    guess_set(o, "num_hidden_layers", layers == READ ? READ + 1 : layers);
    guess_set(o, "num_attention_heads", rows / head);
    guess_set(o, "num_key_value_heads", kv / head);
    guess_set(o, "head_dim", head);
    jv_set(o, "rope_theta", jv_from_integer(1000000));
    return o;
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    struct shape ids;
    const struct shape *mask = golden->shape(golden->ctx, "attention_mask");
    bool fits = net_golden_shape(golden, "input_ids", 2, &ids) && ids.dim[1] <= QWEN3_TOKENS_MAX;
    if (!fits || (mask && shape_count(mask) != shape_count(&ids))) {
        err_set(err, ERR_INPUT, "input_ids (N,T) of at most %d tokens and an attention_mask like "
                "it or none are needed", QWEN3_TOKENS_MAX);
        return NULL;
    }
    struct node *seen =
        mask ? net_golden_input(golden, nn, "attention_mask", ids, DTYPE_F32) : NULL;
    struct node *read = net_golden_input(golden, nn, "input_ids", ids, DTYPE_I32);
    return qwen3_build(nn, config, read, seen);
}

const struct net net_qwen3 = {
    .class_name = "Qwen3ForCausalLM",
    .weights = "model",
    .accepts = accepts,
    .config_size = sizeof(struct qwen3_config),
    .read = read,
    .write = write,
    .declare = declare,
    .describe = describe,
    .place = place,
    .ignored = is_ignored,
    .anchors = anchors,
    .guess = guess,
    .masked = true,
    .golden = golden,
};
