// SPDX-License-Identifier: MIT
// The stages of families that draw in pixels. Besides the ports that all families have:
//     text (1,T,D) f32           from the text encoder to the steps
//     mask (1,T) f32             of its padding, to a U-Net that makes a
//     thumbnail (1,S,S,3) f32    of the text, from there to the steps
//     context.… and its style    from the references to the steps
#include "engine/families/pixels.h"
#include "engine/nets/t5.h"
#include "engine/nets/unet.h"

static const struct unet_config *
unet_of(const struct parts *parts, const char *part)
{
    return parts_config(parts, part, &net_unet);
}

static const char *
prefix_of(const struct parts *parts, const char *part)
{
    return parts_find(parts, part)->prefix;
}

void
pixels_build_text(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                  struct ports *ports)
{
    nn->part = prefix_of(parts, "text_encoder");
    struct node *ids = port_input(ports, nn, "ids", SHAPE(1, key->tokens), DTYPE_I32);
    struct node *mask = t5_padding_mask(nn, ids);
    struct node *text = t5_build(nn, parts_config(parts, "text_encoder", &net_t5), ids, mask);
    port_output(ports, nn, "text", text);
    if (unet_of(parts, "unet")->thumbnail_size)
        port_output(ports, nn, "mask", mask);
}

void
pixels_build_condition(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports)
{
    const struct unet_config *c = unet_of(parts, "unet");
    int64_t tokens = key->tokens;
    struct node *mask = port_input(ports, nn, "mask", SHAPE(1, tokens), DTYPE_F32);
    struct node *text = port_input(ports, nn, "text", SHAPE(1, tokens, unet_config_text_width(c)),
                                   DTYPE_F32);
    nn->part = prefix_of(parts, "unet");
    port_output(ports, nn, "thumbnail", unet_thumbnail(nn, c, text, mask));
}

static struct unet_references
reference_inputs(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                 struct ports *ports)
{
    const struct unet_config *c = unet_of(parts, "unet");
    int64_t side = c->sample_size, r = key->references;
    struct unet_references in = {.batch = 1, .references = (int)r};
    nn->part = prefix_of(parts, "unet");
    in.image = port_input(ports, nn, "image", SHAPE(r, side, side, 3), DTYPE_F32);
    in.text = port_input(ports, nn, "reference.text",
                         SHAPE(r, key->tokens, unet_config_text_width(c)), DTYPE_F32);
    return in;
}

void
pixels_build_features(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports)
{
    const struct unet_config *c = unet_of(parts, "unet");
    struct unet_references in = reference_inputs(nn, parts, key, ports);
    port_output(ports, nn, "features", unet_pooled_context(nn, c, &in));
}

void
pixels_build_references(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                        struct ports *ports)
{
    const struct unet_config *c = unet_of(parts, "unet");
    struct unet_context context;
    struct unet_references in = reference_inputs(nn, parts, key, ports);
    if (key->weighted)
        in.log_weight = port_input(ports, nn, "log_weight", SHAPE(1, key->references), DTYPE_F32);
    unet_encode_references(nn, c, &in, &context);
    unet_context_outputs(nn, c, &context);
    for (int i = 0; i < context.count; i++) {
        port_adopt_output(ports, context.k[i]);
        port_adopt_output(ports, context.v[i]);
    }
    if (context.style)
        port_adopt_output(ports, context.style);
    if (context.log_weight)
        port_adopt_output(ports, context.log_weight);
}

static void
context_inputs(struct nn *nn, const struct unet_config *c, const struct stage_key *key,
               struct ports *ports, struct unet_context *context)
{
    if (key->references == 0) {
        // Without references the null token's values are a few small products: not worth a plan.
        unet_encode_references(nn, c, &(struct unet_references){.batch = 1}, context);
        return;
    }
    unet_context_inputs(nn, c, key->references, key->weighted, context);
    for (int i = 0; i < context->count; i++) {
        port_adopt_input(ports, context->k[i]);
        port_adopt_input(ports, context->v[i]);
    }
    if (context->style)
        port_adopt_input(ports, context->style);
    if (context->log_weight)
        port_adopt_input(ports, context->log_weight);
}

void
pixels_build_step(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                  struct ports *ports)
{
    const struct unet_config *c = unet_of(parts, key->part);
    struct latent l = pixels_latent(parts, key->part, key->size);
    int64_t n = key->batch, side = c->thumbnail_size;
    const struct shape picture = SHAPE(n, l.height, l.width, l.channels);
    struct unet_inputs in = {0};
    struct unet_context context = {0};
    nn->part = prefix_of(parts, key->part);
    in.sample = port_input(ports, nn, "sample", picture, DTYPE_F32);
    in.timestep = port_input(ports, nn, "timestep", SHAPE(n), DTYPE_F32);
    if (unet_config_uses_text(c))
        in.text = port_input(ports, nn, "text",
                             SHAPE(n, key->tokens, unet_config_text_width(c)), DTYPE_F32);
    if (c->class_timestep) {
        struct node *low = port_input(ports, nn, "low", picture, DTYPE_F32);
        in.sample = op_concat(nn->g, (struct node *[]){in.sample, low}, 2, 3);
        in.class_labels = port_input(ports, nn, "noise_level", SHAPE(n), DTYPE_F32);
    }
    // Beside references the thumbnail may be that of the empty text: see unet_thumbnail().
    bool empty = key->references && !c->thumbnail_with_references;
    if (c->thumbnail_size)
        in.thumbnail = port_input(ports, nn, empty ? "empty.thumbnail" : "thumbnail",
                                  SHAPE(n, side, side, 3), DTYPE_F32);
    if (unet_config_has_context(c)) {
        context_inputs(nn, c, key, ports, &context);
        in.context = &context;
    }
    port_output(ports, nn, "prediction", unet_build(nn, c, &in));
}

// Pixels are the picture already.
static void
pass_on(struct nn *nn, const struct parts *parts, const struct stage_key *key, struct ports *ports,
        const char *from, const char *to)
{
    struct latent l = pixels_latent(parts, key->part, key->size);
    struct node *x = port_input(ports, nn, from, SHAPE(key->batch, l.height, l.width, l.channels),
                                DTYPE_F32);
    port_output(ports, nn, to, op_affine(nn->g, x, 1, 0));
}

void
pixels_build_encode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                    struct ports *ports)
{
    pass_on(nn, parts, key, ports, "picture", "sample");
}

void
pixels_build_decode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                    struct ports *ports)
{
    pass_on(nn, parts, key, ports, "sample", "picture");
}
