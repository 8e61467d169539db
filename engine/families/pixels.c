// SPDX-License-Identifier: MIT
#include "engine/families/pixels.h"

#include "engine/nets/t5.h"
#include "engine/nets/unet.h"

const struct family_part pixels_parts[] = {
    {.name = "unet"}, {.name = "super_resolution"}, {.name = "text_encoder"}, {0},
};

static bool
check_enlarger(const struct unet_config *s, const struct unet_config *base, const char *folder,
               struct err *err)
{
    bool fits = s->in_channels == 2 * base->in_channels || s->in_channels == 2 * 3;
    if (fits && s->class_timestep &&
        s->sample_size > base->sample_size)
        return true;
    return err_set(err, ERR_INPUT, "%s/super_resolution must take %d channels and a noise level "
                   "and be larger than the base", folder, 2 * base->in_channels);
}

// `channels`: of the picture. With learned variance a U-Net gives each of them twice.
static bool
check_channels(const struct unet_config *c, int channels, const char *folder, struct err *err)
{
    if (c->out_channels == channels || c->out_channels == 2 * channels)
        return true;
    return err_set(err, ERR_INPUT, "%s: a U-Net gives %d channels, not %d or %d", folder,
                   c->out_channels, channels, 2 * channels);
}

bool
pixels_check(const struct parts *parts, const char *folder, struct err *err)
{
    const struct unet_config *c = parts_config(parts, "unet", &net_unet);
    const struct unet_config *s = parts_config(parts, "super_resolution", &net_unet);
    const struct t5_config *t = parts_config(parts, "text_encoder", &net_t5);
    if (!c || !t)
        return err_set(err, ERR_INPUT, "%s cannot draw: it has no %s", folder,
                       c ? "text_encoder" : "unet");
    int channels = c->in_channels;
    if ((channels != 3 && channels != 4) || c->class_timestep)
        return err_set(err, ERR_INPUT,
                       "%s/unet is not a base model: it takes %d channels, not the 3 of a picture "
                       "or the 4 of one with alpha", folder, channels);
    if (unet_config_text_width(c) != t->d_model ||
        (s && unet_config_uses_text(s) && unet_config_text_width(s) != t->d_model))
        return err_set(err, ERR_INPUT, "%s: the text encoder gives %d numbers a token, not what "
                       "the U-Net takes", folder, t->d_model);
    return (!s || check_enlarger(s, c, folder, err)) &&
           check_channels(c, channels, folder, err) &&
           (!s || check_channels(s, s->in_channels / 2, folder, err));
}

void
pixels_sizes(const struct parts *parts, int *size, int *final_size)
{
    const struct unet_config *c = parts_config(parts, "unet", &net_unet);
    const struct unet_config *s = parts_config(parts, "super_resolution", &net_unet);
    *size = c ? c->sample_size : 0;
    *final_size = c && s ? s->sample_size : *size;
}

struct latent
pixels_latent(const struct parts *parts, const char *part, struct picture_size size)
{
    (void)size;
    const struct unet_config *c = parts_config(parts, part, &net_unet);
    int channels = c->class_timestep ? c->in_channels / 2 : c->in_channels; // beside `low`
    return (struct latent){c->sample_size, c->sample_size, channels, c->out_channels};
}

int
pixels_channels(const struct parts *parts)
{
    return pixels_latent(parts, "unet", (struct picture_size){0}).channels;
}

struct family_defaults
pixels_defaults(const struct jv *index)
{
    (void)index;
    return (struct family_defaults){.steps = 50, .scale = 7, .super_steps = 30, .super_scale = 4,
                                    .super_noise_level = 250};
}

int
pixels_vocabulary(const struct parts *parts)
{
    const struct t5_config *t = parts_config(parts, "text_encoder", &net_t5);
    return t->vocab_size;
}

bool
pixels_has(const struct parts *parts, enum stage_kind kind)
{
    const struct unet_config *c = parts_config(parts, "unet", &net_unet);
    switch ((int)kind) {
    case STAGE_CONDITION:
        return c->thumbnail_size > 0;
    case STAGE_REFERENCES:
    case STAGE_FEATURES:
        return unet_config_has_context(c);
    default:
        return true;
    }
}

int
pixels_feature_width(const struct parts *parts)
{
    return unet_pooled_width(parts_config(parts, "unet", &net_unet));
}
