// SPDX-License-Identifier: MIT
// FLUX.2 klein (Black Forest Labs 2026): a transformer over the tokens of a KL autoencoder. Text
// comes from a language model, references are tokens of the same autoencoder beside those that are
// drawn. Besides the ports that all families have:
//     text (1,T,W) f32            from the text encoder to the steps
//     tokens (1,n,C) f32          of a reference; reference.K.tokens of the steps
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/families/family.h"
#include "engine/nets/flux2.h"
#include "engine/nets/qwen3.h"
#include "engine/nets/vae_kl.h"

static const char *const classes[] = {"Flux2KleinPipeline", "Flux2KleinInpaintPipeline", NULL};
static const struct family_part parts_of[] = {
    {"transformer", DTYPE_NONE, &net_flux2},
    {"text_encoder", DTYPE_NONE, &net_qwen3},
    {"vae", DTYPE_NONE, &net_vae_kl},
    {0}};

static const struct flux2_config *
transformer_of(const struct parts *parts)
{
    return parts_config(parts, "transformer", &net_flux2);
}

static const struct qwen3_config *
text_encoder_of(const struct parts *parts)
{
    return parts_config(parts, "text_encoder", &net_qwen3);
}

static const struct vae_kl_config *
vae_of(const struct parts *parts)
{
    return parts_config(parts, "vae", &net_vae_kl);
}

// --- What the parts say -------------------------------------------------------------------------

static bool
check(const struct parts *parts, const char *folder, struct err *err)
{
    const struct flux2_config *t = transformer_of(parts);
    const struct qwen3_config *q = text_encoder_of(parts);
    const struct vae_kl_config *v = vae_of(parts);
    if (!t || !q || !v)
        return err_set(err, ERR_INPUT, "%s cannot draw: it has no %s", folder,
                       !t ? "transformer" : !q ? "text_encoder" : "vae");
    if (t->joint_dim != qwen3_width(q))
        return err_set(err, ERR_INPUT, "%s: the transformer takes %d numbers a token of text, the "
                       "text encoder gives %d: they are of models of different sizes", folder,
                       t->joint_dim, qwen3_width(q));
    if (t->in_channels != vae_kl_width(v) || t->out_channels != vae_kl_width(v))
        return err_set(err, ERR_INPUT, "%s: the transformer draws tokens of %d numbers, the "
                       "autoencoder's have %d: it is another model's", folder, t->in_channels,
                       vae_kl_width(v));
    if (t->guidance)
        return err_set(err, ERR_UNSUPPORTED, "%s: the transformer takes guidance as a number, as "
                       "FLUX.2 dev does, not klein", folder);
    return true;
}

// The one that it likes best.
static void
sizes(const struct parts *parts, int *size, int *final_size)
{
    *size = *final_size = transformer_of(parts) ? 1024 : 0;
}

// Where the denoiser is alone, that of the autoencoder it was made for.
static int
grain(const struct parts *parts)
{
    const struct vae_kl_config *v = vae_of(parts);
    return v ? vae_kl_factor(v) : 16;
}

static struct latent
latent(const struct parts *parts, const char *part, struct picture_size size)
{
    (void)part;
    const struct flux2_config *t = transformer_of(parts);
    int factor = grain(parts), width = t ? t->in_channels : vae_kl_width(vae_of(parts));
    return (struct latent){size.height / factor, size.width / factor, width, width};
}

static int
vocabulary(const struct parts *parts)
{
    return text_encoder_of(parts)->vocab_size;
}

static bool
has(const struct parts *parts, enum stage_kind kind)
{
    (void)parts;
    return kind != STAGE_CONDITION;
}

// exp(mu) of the pipeline: mu is linear in the tokens, for 200 steps and for 10; between them in
// the steps. Large pictures have that of 200 steps whatever they are drawn with.
static double
shift(int64_t tokens, int steps)
{
    double n = (double)tokens;
    double of_200 = 0.00016927 * n + 0.45666666, of_10 = 8.73809524e-05 * n + 1.89833333;
    double slope = (of_200 - of_10) / 190;
    return exp(tokens > 4300 ? of_200 : slope * steps + of_200 - 200 * slope);
}

static struct family_defaults
defaults(const struct jv *index)
{
    bool distilled = jv_bool(jv_get(index, "is_distilled"), false);
    return (struct family_defaults){.steps = distilled ? 4 : 50, .scale = distilled ? 1 : 4,
                                    .no_guidance = distilled};
}

// As much as the latent's sides allow, and no more than 4.
static int
preview(const struct latent *l)
{
    enum { TIMES = 4, FEW = 8 };
    int times = TIMES;
    while (times > 1 && (l->height % times || l->width % times || l->height < FEW * times / 2 ||
                         l->width < FEW * times / 2))
        times /= 2;
    return times;
}

// --- Stages -------------------------------------------------------------------------------------

static void
bind(struct nn *nn, const struct parts *parts, const char *part)
{
    nn->part = parts_find(parts, part)->prefix;
}

static void
build_text(struct nn *nn, const struct parts *parts, const struct stage_key *key,
           struct ports *ports)
{
    bind(nn, parts, "text_encoder");
    struct node *ids = port_input(ports, nn, "ids", SHAPE(1, key->tokens), DTYPE_I32);
    struct node *mask = port_input(ports, nn, "mask", SHAPE(1, key->tokens), DTYPE_F32);
    port_output(ports, nn, "text", qwen3_build(nn, text_encoder_of(parts), ids, mask));
}

static void
build_references(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                 struct ports *ports)
{
    bind(nn, parts, "vae");
    struct shape picture = SHAPE(1, key->size.height, key->size.width, 3);
    struct node *image = port_input(ports, nn, "image", picture, DTYPE_F32);
    port_output(ports, nn, "tokens", vae_kl_encode(nn, vae_of(parts), image));
}

// Rows (time, row, column, 0) of a grid; returns behind the last.
static int32_t *
put_positions(int32_t *at, int time, int rows, int columns)
{
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < columns; x++, at += FLUX2_AXES) {
            at[0] = time;
            at[1] = y;
            at[2] = x;
            at[3] = 0;
        }
    return at;
}

static int64_t
tokens_of(struct picture_size size, int factor)
{
    return (int64_t)(size.height / factor) * (size.width / factor);
}

// Of the picture's tokens and the references', whose times are 10, 20, …
static struct node *
token_positions(struct nn *nn, const struct stage_key *key, int factor, int64_t count)
{
    struct node *ids;
    int32_t *at = nn_constant_i32(nn, "flux2.places", SHAPE(count, FLUX2_AXES), &ids);
    if (at)
        at = put_positions(at, 0, key->size.height / factor, key->size.width / factor);
    for (int k = 0; at && k < key->references; k++)
        at = put_positions(at, 10 * (k + 1), key->reference[k].height / factor,
                           key->reference[k].width / factor);
    return ids;
}

static struct node *
text_positions(struct nn *nn, int tokens)
{
    struct node *ids;
    int32_t *places = nn_constant_i32(nn, "flux2.text", SHAPE(tokens, FLUX2_AXES), &ids);
    for (int i = 0; places && i < tokens; i++)
        places[i * FLUX2_AXES + 3] = i;
    return ids;
}

static void
build_step(struct nn *nn, const struct parts *parts, const struct stage_key *key,
           struct ports *ports)
{
    bind(nn, parts, "transformer");
    const struct flux2_config *c = transformer_of(parts);
    struct latent l = latent(parts, key->part, key->size);
    int factor = grain(parts);
    int64_t n = key->batch, count = tokens_of(key->size, factor), width = l.channels;
    struct flux2_inputs in = {.outputs = count};
    struct node *sample = port_input(ports, nn, "sample", SHAPE(n, l.height, l.width, width),
                                     DTYPE_F32);
    struct node *time = port_input(ports, nn, "timestep", SHAPE(n), DTYPE_F32);
    in.sigma = op_affine(nn->g, time, 1e-3, 0);
    in.text = port_input(ports, nn, "text", SHAPE(n, key->tokens, c->joint_dim), DTYPE_F32);
    in.tokens = op_reshape(nn->g, sample, SHAPE(n, count, width));
    for (int k = 0; k < key->references; k++) {
        char name[64];
        int64_t more = tokens_of(key->reference[k], factor);
        snprintf(name, sizeof name, "reference.%d.tokens", k);
        struct node *r = port_input(ports, nn, name, SHAPE(n, more, width), DTYPE_F32);
        in.tokens = op_concat(nn->g, (struct node *[]){in.tokens, r}, 2, 1);
        count += more;
    }
    in.token_ids = token_positions(nn, key, factor, count);
    in.text_ids = text_positions(nn, key->tokens);
    struct node *v = flux2_build(nn, c, &in);
    port_output(ports, nn, "prediction", op_reshape(nn->g, v, sample->shape));
}

static void
build_decode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
             struct ports *ports)
{
    bind(nn, parts, "vae");
    struct latent l = latent(parts, key->part, key->size);
    int64_t n = key->batch, width = l.channels;
    struct node *sample = port_input(ports, nn, "sample", SHAPE(n, l.height, l.width, width),
                                     DTYPE_F32);
    sample = op_reshape(nn->g, sample, SHAPE(n, (int64_t)l.height * l.width, width));
    port_output(ports, nn, "picture",
                vae_kl_decode(nn, vae_of(parts), sample, l.height, l.width));
}

static void
build_encode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
             struct ports *ports)
{
    bind(nn, parts, "vae");
    struct latent l = latent(parts, key->part, key->size);
    struct shape picture = SHAPE(key->batch, key->size.height, key->size.width, 3);
    struct node *x = vae_kl_encode(nn, vae_of(parts),
                                   port_input(ports, nn, "picture", picture, DTYPE_F32));
    port_output(ports, nn, "sample",
                op_reshape(nn->g, x, SHAPE(key->batch, l.height, l.width, l.channels)));
}

const struct family family_flux2 = {
    .name = "flux2",
    .classes = classes,
    .parts = parts_of,
    .denoiser = "transformer",
    .text = "text_encoder",
    .scheduler = "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", "
                 "\"num_train_timesteps\": 1000, \"use_dynamic_shifting\": true, "
                 "\"time_shift_type\": \"exponential\"}",
    .check = check,
    .sizes = sizes,
    .grain = grain,
    .latent = latent,
    .vocabulary = vocabulary,
    .has = has,
    .before = "<|im_start|>user\n",
    .after = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    .marker_word = "image",
    .text_tokens = 512,
    .references = 10,
    .guided_with_references = true,
    .shift = shift,
    .defaults = defaults,
    .preview = preview,
    .part = {[STAGE_TEXT] = "text_encoder",
             [STAGE_REFERENCES] = "vae",
             [STAGE_DECODE] = "vae",
             [STAGE_ENCODE] = "vae"},
    .build = {[STAGE_TEXT] = build_text,
              [STAGE_REFERENCES] = build_references,
              [STAGE_STEP] = build_step,
              [STAGE_DECODE] = build_decode,
              [STAGE_ENCODE] = build_encode},
};
