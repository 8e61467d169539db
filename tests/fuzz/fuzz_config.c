// SPDX-License-Identifier: MIT
// Configurations of a model folder. The first byte says whose: U-Net, T5, scheduler, or of whatever
// network accepts it. What a configuration declares is counted and not allocated.
#include <stdlib.h>

#include "engine/model/scheduler_config.h"
#include "engine/nets/net.h"
#include "engine/nets/t5.h"
#include "engine/nets/unet.h"
#include "engine/nets/unet_config.h"
#include "engine/nn/params.h"
#include "tests/fuzz/fuzz.h"

static void
read_unet(const struct jv *json, struct err *err)
{
    static struct unet_config c;
    if (!unet_config_read(&c, json, "config.json", err))
        return;
    jv_free(unet_config_json(&c));
    struct params *p = params_create(DTYPE_F32);
    unet_declare(p, "unet/", &c, err);
    params_destroy(p);
}

static void
read_t5(const struct jv *json, struct err *err)
{
    struct t5_config c;
    if (!t5_config_read(&c, json, "config.json", err))
        return;
    jv_free(t5_config_json(&c));
    struct params *p = params_create(DTYPE_F32);
    t5_declare(p, "text_encoder/", &c, err);
    params_destroy(p);
}

static void
read_scheduler(const struct jv *json, struct err *err)
{
    struct scheduler_config c;
    scheduler_config_read(json, "scheduler_config.json", &c, err);
}

static void
read_any(const struct jv *json, struct err *err)
{
    struct parts parts = {0};
    char words[200];
    if (parts_add(&parts, "part", json, "config.json", err)) {
        const struct part *p = &parts.at[0];
        struct params *params = params_create(DTYPE_F32);
        jv_free(p->net->write(p->config));
        p->net->describe(p->config, words, sizeof words);
        fuzz_use_text(words);
        p->net->declare(params, p->prefix, p->config, err);
        params_destroy(params);
    }
    parts_finish(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const readers[])(const struct jv *json, struct err *err) = {
        read_unet, read_t5, read_scheduler, read_any};
    struct err err = {0};
    if (!size)
        return 0;
    struct jv *json = jv_parse((const char *)data + 1, size - 1, "config.json", &err);
    if (json)
        readers[data[0] % 4](json, &err);
    fuzz_said("", &err);
    jv_free(json);
    return 0;
}
