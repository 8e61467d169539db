// SPDX-License-Identifier: MIT
// A file that changes a model's weights (LoRA), against a small transformer of FLUX.2's kind: what
// fits is added to numbers of every parameter that it names.
#include <stdlib.h>

#include "engine/base/log.h"
#include "engine/model/lora.h"
#include "tests/fuzz/fuzz.h"

static struct parts parts;
static struct params *params;

void
fuzz_begin(void)
{
    struct err err = {0};
    const char *config = LIMN_SOURCE "/tests/reference/golden/flux2/transformer/config.json";
    struct jv *json = jv_read(config, &err);
    params = params_create(DTYPE_F32);
    if (!json || !parts_add(&parts, "transformer", json, config, &err) ||
        !parts.at[0].net->declare(params, parts.at[0].prefix, parts.at[0].config, &err))
        abort();
    jv_free(json);
    log_set_sink(NULL, NULL, LOG_NOTICE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct lora_file file = {fuzz_file("a.safetensors", data, size), 1};
    struct lora *l = lora_open(&file, 1, &parts.at[0], params, &err);
    fuzz_said(l, &err);
    if (!l)
        return 0;
    const struct params_change *c = lora_change(l);
    for (int i = 0; i < params_entries(params); i++) {
        const struct param *p = params_at(params, i);
        const void *found = c->find(c->ctx, p->name);
        int64_t count = shape_count(&p->shape);
        float *values = calloc((size_t)count + 1, sizeof *values);
        if (found)
            c->add(c->ctx, found, 0, count, values);
        fuzz_use(values, (size_t)count * sizeof *values);
        free(values);
    }
    lora_close(l);
    return 0;
}
