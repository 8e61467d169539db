// SPDX-License-Identifier: MIT
// The graphs that training differentiates, of families that draw in pixels.
#include "engine/families/pixels.h"
#include "engine/nets/t5.h"
#include "engine/nets/unet.h"

static const struct unet_config *
unet_of(const struct parts *parts)
{
    return parts_config(parts, "unet", &net_unet);
}

static void
enter(struct nn *nn, const struct parts *parts, const char *part)
{
    nn->part = parts_find(parts, part)->prefix;
}

// Token ids (N,T) -> (N,T,width). thumbnail: if not NULL and the U-Net has one, it is set.
static struct node *
encode(struct nn *nn, const struct parts *parts, struct node *ids, struct node **thumbnail)
{
    enter(nn, parts, "text_encoder");
    struct node *mask = t5_padding_mask(nn, ids);
    struct node *out = t5_build(nn, parts_config(parts, "text_encoder", &net_t5), ids, mask);
    enter(nn, parts, "unet");
    if (thumbnail && unet_of(parts)->thumbnail_size)
        *thumbnail = unet_thumbnail(nn, unet_of(parts), out, mask);
    return out;
}

// What the empty text foretells, for each of the batch. Padding is hidden, so one token of it will
// do.
static struct node *
thumbnail_of_nothing(struct nn *nn, const struct parts *parts, const struct training_key *key)
{
    struct node *ids, *thumbnail;
    int32_t *empty = nn_constant_i32(nn, "empty text", SHAPE(1, 2), &ids);
    if (empty) {
        empty[0] = key->end;
        empty[1] = key->pad;
    }
    encode(nn, parts, ids, &thumbnail);
    int64_t side = unet_of(parts)->thumbnail_size;
    return op_broadcast(nn->g, thumbnail, SHAPE(key->batch, side, side, 3));
}

// The instruction and the thumbnail that stands beside it; *thumbnail NULL: the U-Net has none.
static struct node *
encode_instruction(struct nn *nn, const struct parts *parts, const struct training_key *key,
                   struct ports *ports, struct node **thumbnail)
{
    const struct unet_config *c = unet_of(parts);
    struct node *ids =
        port_input(ports, nn, "text", SHAPE(key->batch, key->text_tokens), DTYPE_I32);
    bool own = !key->references || c->thumbnail_with_references;
    *thumbnail = NULL;
    struct node *text = encode(nn, parts, ids, own ? thumbnail : NULL);
    if (!c->thumbnail_size || (own && !c->thumbnail_with_references))
        return text;
    struct node *nothing = thumbnail_of_nothing(nn, parts, key);
    if (own) {
        struct node *mask = port_input(ports, nn, "heard", SHAPE(key->batch, 1, 1, 1), DTYPE_F32);
        struct node *more = op_mul(nn->g, op_sub(nn->g, *thumbnail, nothing), mask);
        nothing = op_add(nn->g, nothing, more);
    }
    *thumbnail = nothing;
    return text;
}

static struct unet_references
encode_references(struct nn *nn, const struct parts *parts, const struct training_key *key,
                  struct ports *ports)
{
    int64_t side = unet_of(parts)->sample_size, all = (int64_t)key->batch * key->references;
    struct unet_references r = {.batch = key->batch, .references = key->references};
    if (!key->references)
        return r;
    r.image = port_input(ports, nn, "image", SHAPE(all, side, side, 3), DTYPE_F32);
    struct node *ids = port_input(ports, nn, "reference.text", SHAPE(all, key->reference_tokens),
                                  DTYPE_I32);
    r.text = encode(nn, parts, ids, NULL);
    return r;
}

static struct node *
build_pictures(struct nn *nn, const struct parts *parts, const struct training_key *key,
               struct ports *ports)
{
    const struct unet_config *c = unet_of(parts);
    struct latent l = pixels_latent(parts, "unet", (struct picture_size){0});
    struct unet_inputs in = {0};
    struct unet_context context = {0};
    in.sample = port_input(ports, nn, "sample", SHAPE(key->batch, l.height, l.width, l.channels),
                           DTYPE_F32);
    in.timestep = port_input(ports, nn, "timestep", SHAPE(key->batch), DTYPE_F32);
    in.text = encode_instruction(nn, parts, key, ports, &in.thumbnail);
    struct unet_references r = encode_references(nn, parts, key, ports);
    if (unet_config_has_context(c)) {
        unet_encode_references(nn, c, &r, &context);
        in.context = &context;
    }
    return unet_build(nn, c, &in);
}

static int
words_size(const struct parts *parts)
{
    return unet_of(parts)->thumbnail_size;
}

static struct node *
build_from_words(struct nn *nn, const struct parts *parts, const struct training_key *key,
                 struct ports *ports)
{
    struct node *thumbnail = NULL;
    encode(nn, parts, port_input(ports, nn, "text", SHAPE(key->batch, key->text_tokens), DTYPE_I32),
           &thumbnail);
    return thumbnail;
}

// A second pass that goes by the picture alone is the same for a part of it as for the whole.
static int
enlarged_size(const struct parts *parts)
{
    const struct unet_config *c = parts_config(parts, "super_resolution", &net_unet);
    return c && !unet_config_uses_text(c) ? c->sample_size : 0;
}

static struct node *
build_enlarged(struct nn *nn, const struct parts *parts, const struct training_key *key,
               struct ports *ports)
{
    const struct unet_config *c = parts_config(parts, "super_resolution", &net_unet);
    int channels = pixels_latent(parts, "super_resolution", (struct picture_size){0}).channels;
    const struct shape picture = SHAPE(key->batch, key->side, key->side, channels);
    struct unet_inputs in = {0};
    enter(nn, parts, "super_resolution");
    in.sample = port_input(ports, nn, "sample", picture, DTYPE_F32);
    in.timestep = port_input(ports, nn, "timestep", SHAPE(key->batch), DTYPE_F32);
    struct node *low = port_input(ports, nn, "low", picture, DTYPE_F32);
    in.sample = op_concat(nn->g, (struct node *[]){in.sample, low}, 2, 3);
    in.class_labels = port_input(ports, nn, "noise_level", SHAPE(key->batch), DTYPE_F32);
    return unet_build(nn, c, &in);
}

static const char *const words[] = {"text_encoder/", "unet/text_thumbnail.", NULL};

const struct family_training pixels_training = {
    .words = words,
    .pictures = build_pictures,
    .words_size = words_size,
    .words_need = "text_thumbnail_size in unet/config.json",
    .from_words = build_from_words,
    .enlarged_size = enlarged_size,
    .enlarged_need = "a super_resolution/config.json without text: mid_block_type UNetMidBlock2D, "
                     "blocks without attention, no addition_embed_type",
    .enlarged = build_enlarged,
};
