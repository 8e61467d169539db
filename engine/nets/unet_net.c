// SPDX-License-Identifier: MIT
// The U-Net's row in the table of networks.
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/net.h"
#include "engine/nets/unet.h"

static bool
accepts(const struct jv *json)
{
    const char *class_name = jv_string(jv_get(json, "_class_name"), NULL);
    if (class_name)
        return strcmp(class_name, net_unet.class_name) == 0;
    return jv_get(json, "down_block_types") || jv_get(json, "block_out_channels");
}

static bool
read(void *config, const struct jv *json, const char *name, struct err *err)
{
    return unet_config_read(config, json, name, err);
}

static struct jv *
write(const void *config)
{
    return unet_config_json(config);
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return unet_declare(params, prefix, config, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct unet_config *c = config;
    snprintf(out, size, "U-Net, %dx%d pixels, %d levels of up to %d channels, %s", c->sample_size,
             c->sample_size, c->levels, c->block_out_channels[c->levels - 1],
             unet_config_has_context(c) ? "with multi-modal context"
             : c->class_timestep        ? "super-resolution"
                                        : "text only");
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    const struct unet_config *c = config;
    const struct shape *sample = golden->shape(golden->ctx, "sample");
    bool uses_text = unet_config_uses_text(c);
    const struct shape *text = golden->shape(golden->ctx, "encoder_hidden_states");
    int step = MAX(c->fold, 1) << (c->levels - 1);
    bool fits =
        !uses_text || (text && text->rank == 3 && sample && text->dim[0] == sample->dim[0] &&
                       text->dim[2] == unet_config_text_width(c));
    if (!sample || !fits || sample->rank != 4 || sample->dim[1] != c->in_channels ||
        sample->dim[2] % step || sample->dim[3] % step) {
        err_set(err, ERR_INPUT, "sample (N,%d,H,W) and encoder_hidden_states (N,T,%d) are needed",
                c->in_channels, unet_config_text_width(c));
        return NULL;
    }
    const int64_t *s = sample->dim;
    struct unet_inputs in = {
        .sample = net_golden_input(golden, nn, "sample", SHAPE(s[0], s[2], s[3], s[1]), DTYPE_F32),
        .timestep = net_golden_input(golden, nn, "timestep", SHAPE(s[0]), DTYPE_F32),
    };
    if (uses_text)
        in.text = net_golden_input(golden, nn, "encoder_hidden_states", *text, DTYPE_F32);
    if (c->class_timestep)
        in.class_labels = net_golden_input(golden, nn, "class_labels", SHAPE(s[0]), DTYPE_F32);
    return unet_build(nn, c, &in);
}

const struct net net_unet = {
    .class_name = "UNet2DConditionModel",
    .weights = "diffusion_pytorch_model",
    .accepts = accepts,
    .config_size = sizeof(struct unet_config),
    .read = read,
    .write = write,
    .declare = declare,
    .describe = describe,
    .golden = golden,
};
