// SPDX-License-Identifier: MIT
// Qwen3's row in the table of networks.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// What comes behind the last layer that is read.
static bool
unread(const void *config, const char *tensor)
{
    const struct qwen3_config *c = config;
    static const char layers[] = "model.layers.";
    if (strncmp(tensor, layers, sizeof layers - 1) == 0)
        return atoi(tensor + sizeof layers - 1) >= c->taps[c->tap_count - 1];
    return strcmp(tensor, "model.norm.weight") == 0 || strcmp(tensor, "lm_head.weight") == 0;
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    const struct shape *ids = golden->shape(golden->ctx, "input_ids");
    const struct shape *mask = golden->shape(golden->ctx, "attention_mask");
    if (!ids || ids->rank != 2 || (mask && !shape_equal(mask, ids))) {
        err_set(err, ERR_INPUT, "input_ids (N,T) and an attention_mask like it or none are needed");
        return NULL;
    }
    struct node *seen =
        mask ? net_golden_input(golden, nn, "attention_mask", *ids, DTYPE_F32) : NULL;
    struct node *read = net_golden_input(golden, nn, "input_ids", *ids, DTYPE_I32);
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
    .unread = unread,
    .masked = true,
    .golden = golden,
};
