// SPDX-License-Identifier: MIT
// The T5 encoder's row in the table of networks.
#include <stdio.h>
#include <string.h>

#include "engine/nets/net.h"
#include "engine/nets/t5.h"

// By model_type, which t5_config_read() then checks, or by keys that only T5 has.
static bool
accepts(const struct jv *json)
{
    return strncmp(jv_string(jv_get(json, "model_type"), ""), "t5", 2) == 0 ||
           jv_get(json, "feed_forward_proj") || jv_get(json, "d_kv");
}

static bool
read(void *config, const struct jv *json, const char *name, struct err *err)
{
    return t5_config_read(config, json, name, err);
}

static struct jv *
write(const void *config)
{
    return t5_config_json(config);
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return t5_declare(params, prefix, config, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct t5_config *c = config;
    snprintf(out, size, "T5 v1.1 encoder, %d layers of width %d, %d tokens known", c->num_layers,
             c->d_model, c->vocab_size);
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    struct shape ids;
    const struct shape *mask = golden->shape(golden->ctx, "attention_mask");
    if (!net_golden_shape(golden, "input_ids", 2, &ids) ||
        (mask && shape_count(mask) != shape_count(&ids))) {
        err_set(err, ERR_INPUT, "input_ids (N,T) and an attention_mask like it or none are needed");
        return NULL;
    }
    struct node *seen =
        mask ? net_golden_input(golden, nn, "attention_mask", ids, DTYPE_F32) : NULL;
    return t5_build(nn, config, net_golden_input(golden, nn, "input_ids", ids, DTYPE_I32), seen);
}

const struct net net_t5 = {
    .class_name = "T5EncoderModel",
    .weights = "model",
    .accepts = accepts,
    .config_size = sizeof(struct t5_config),
    .read = read,
    .write = write,
    .declare = declare,
    .describe = describe,
    .golden = golden,
};
