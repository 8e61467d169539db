// SPDX-License-Identifier: MIT
// FLUX.2: a transformer over tokens of a KL autoencoder; text by a decoder of text, references as
// tokens of the same autoencoder.
#include "engine/base/mem.h"
#include "engine/families/family.h"
#include "engine/nets/flux2.h"
#include "engine/nets/qwen3.h"
#include "engine/nets/vae_kl.h"

static const char *const classes[] = {"Flux2KleinPipeline", NULL};
static const struct family_part parts_of[] = {{"transformer", 0}, {"text_encoder", 0}, {"vae", 0}, {0}};

static bool
check_fit(const struct flux2_config *t, const struct qwen3_config *q, const struct vae_kl_config *v,
          const char *folder, struct err *err)
{
    if (t->joint_dim != qwen3_width(q))
        return err_set(err, ERR_INPUT, "%s: the transformer takes %d numbers a token of text, the "
                       "text encoder gives %d: they are of models of different sizes", folder,
                       t->joint_dim, qwen3_width(q));
    if (t->in_channels != vae_kl_width(v) || t->out_channels != vae_kl_width(v))
        return err_set(err, ERR_INPUT, "%s: the transformer draws tokens of %d numbers, the "
                       "autoencoder's have %d: it is another model's", folder, t->in_channels,
                       vae_kl_width(v));
    return true;
}

static bool
check(const struct parts *parts, const char *folder, struct err *err)
{
    const struct flux2_config *t = parts_config(parts, "transformer", &net_flux2);
    const struct qwen3_config *q = parts_config(parts, "text_encoder", &net_qwen3);
    const struct vae_kl_config *v = parts_config(parts, "vae", &net_vae_kl);
    if (!t || !q || !v)
        return err_set(err, ERR_INPUT, "%s cannot draw: it has no %s", folder,
                       !t ? "transformer" : !q ? "text_encoder" : "vae");
    return check_fit(t, q, v, folder, err) &&
           err_set(err, ERR_UNSUPPORTED, "%s: limn reads models of FLUX.2, but does not draw with "
                   "them yet", folder);
}

// Any; the one it likes best.
static void
sizes(const struct parts *parts, int *size, int *final_size)
{
    *size = *final_size = parts_config(parts, "transformer", &net_flux2) ? 1024 : 0;
}

static int
vocabulary(const struct parts *parts)
{
    const struct qwen3_config *q = parts_config(parts, "text_encoder", &net_qwen3);
    return q->vocab_size;
}

static bool
has(const struct parts *parts, enum stage_kind kind)
{
    (void)parts;
    return kind != STAGE_CONDITION;
}

const struct family family_flux2 = {
    .name = "flux2",
    .classes = classes,
    .parts = parts_of,
    .denoiser = "transformer",
    .text = "text_encoder",
    .check = check,
    .sizes = sizes,
    .vocabulary = vocabulary,
    .has = has,
};
