// SPDX-License-Identifier: MIT
// The KL autoencoder's row in the table of networks, and how its files are spelt.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/guess.h"
#include "engine/nets/net.h"
#include "engine/nets/vae_kl.h"

// --- Names -------------------------------------------------------------------------------------

// limn's prefixes and the original ones; the first match applies, and the rest of the name is kept.
static const struct {
    const char *ours, *original;
} inner[] = {
    {"mid_block.resnets.0.", "mid.block_1."},
    {"mid_block.resnets.1.", "mid.block_2."},
    {"mid_block.attentions.0.group_norm.", "mid.attn_1.norm."},
    {"mid_block.attentions.0.to_q.", "mid.attn_1.q."},
    {"mid_block.attentions.0.to_k.", "mid.attn_1.k."},
    {"mid_block.attentions.0.to_v.", "mid.attn_1.v."},
    {"mid_block.attentions.0.to_out.0.", "mid.attn_1.proj_out."},
    {"conv_norm_out.", "norm_out."},
};

// A level's block, "down_blocks.1.resnets.0.conv_shortcut.weight"; the original counts the
// decoder's levels from the picture inwards.
static bool
level_name(const struct vae_kl_config *c, const char *name, char *out, size_t size)
{
    int level, block, end = 0;
    bool up = sscanf(name, "up_blocks.%d.%n", &level, &end) == 1 && end;
    if (!up && (sscanf(name, "down_blocks.%d.%n", &level, &end) != 1 || !end))
        return false;
    const char *rest = name + end, *side = up ? "up" : "down";
    int to = up ? c->levels - 1 - level : level;
    if (sscanf(rest, "resnets.%d.%n", &block, &end) != 1) {
        const char *sampler = up ? "upsamplers.0." : "downsamplers.0.";
        size_t n = strlen(sampler);
        bool fits = strncmp(rest, sampler, n) == 0;
        snprintf(out, size, "%s.%d.%ssample.%s", side, to, side, rest + (fits ? n : 0));
        return fits;
    }
    static const char shortcut[] = "conv_shortcut.";
    bool skip = strncmp(rest + end, shortcut, sizeof shortcut - 1) == 0;
    snprintf(out, size, "%s.%d.block.%d.%s%s", side, to, block, skip ? "nin_shortcut." : "",
             rest + end + (skip ? sizeof shortcut - 1 : 0));
    return true;
}

static void
side_name(const struct vae_kl_config *c, const char *name, char *out, size_t size)
{
    if (level_name(c, name, out, size))
        return;
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        size_t n = strlen(inner[i].ours);
        if (strncmp(name, inner[i].ours, n) == 0) {
            snprintf(out, size, "%s%s", inner[i].original, name + n);
            return;
        }
    }
    snprintf(out, size, "%s", name);
}

// The place of a parameter in files with the original names.
static bool
place(const void *config, const char *name, int way, struct param_place *out)
{
    char rest[128];
    const char *side = strncmp(name, "encoder.", 8) == 0 || strncmp(name, "decoder.", 8) == 0
                           ? name + 8 : NULL;
    if (way > 0)
        return false;
    if (side) {
        side_name(config, side, rest, sizeof rest);
        snprintf(out->name, sizeof out->name, "%.8s%s", name, rest);
        return true;
    }
    const char *of = strncmp(name, "quant_conv", 10) == 0 ? "encoder."
                     : strncmp(name, "post_quant", 10) == 0 ? "decoder." : NULL;
    snprintf(out->name, sizeof out->name, "%s%s", of ? of : "", name);
    return of;
}

// --- Without a config --------------------------------------------------------------------------

// Channels of each level, the decoder's counted from the picture inwards as the encoder's are.
static struct jv *
guess_channels(const struct guess *file, bool decoder, int levels, int64_t *divisor)
{
    struct jv *list = jv_array();
    for (int i = 0; i < levels; i++) {
        char ours[64], original[64];
        snprintf(ours, sizeof ours, "%s_blocks.%d.resnets.0.conv1.weight",
                 decoder ? "decoder.up" : "encoder.down", decoder ? levels - 1 - i : i);
        snprintf(original, sizeof original, "%s.%d.block.0.conv1.weight",
                 decoder ? "decoder.up" : "encoder.down", i);
        int64_t channels = guess_dim(file, 0, ours, original);
        while (channels > 0 && channels % *divisor)
            --*divisor;
        jv_append(list, jv_from_integer(channels));
    }
    return list;
}

static const char *const anchors[] = {"encoder.conv_in.weight", NULL};

static struct jv *
guess(const struct guess *file)
{
    enum { GROUPS = 32 };
    int64_t divisor = GROUPS, codes = guess_dim(file, 0, "encoder.conv_out.weight", NULL);
    int levels = guess_count(file, "encoder.down_blocks.%d.resnets.0.conv1.weight",
                             "encoder.down.%d.block.0.conv1.weight");
    if (codes < 2 || codes % 2 || levels < 1 || levels > VAE_KL_LEVELS_MAX)
        return NULL;
    struct jv *o = jv_object();
    jv_set(o, "_class_name", jv_from_string(net_vae_kl.class_name));
    jv_set(o, "block_out_channels", guess_channels(file, false, levels, &divisor));
    jv_set(o, "decoder_block_out_channels", guess_channels(file, true, levels, &divisor));
    guess_set(o, "layers_per_block",
              guess_count(file, "encoder.down_blocks.0.resnets.%d.conv1.weight",
                          "encoder.down.0.block.%d.conv1.weight"));
    guess_set(o, "latent_channels", codes / 2);
    guess_set(o, "norm_num_groups", divisor);
    jv_set(o, "use_quant_conv",
           jv_from_bool(guess_find(file, "quant_conv.weight", "encoder.quant_conv.weight")));
    jv_set(o, "use_post_quant_conv",
           jv_from_bool(guess_find(file, "post_quant_conv.weight",
                                   "decoder.post_quant_conv.weight")));
    jv_set(o, "mid_block_add_attention",
           jv_from_bool(guess_find(file, "encoder.mid_block.attentions.0.group_norm.weight",
                                   "encoder.mid.attn_1.norm.weight")));
    return o;
}

// --- The row -----------------------------------------------------------------------------------

static bool
accepts(const struct jv *json)
{
    return strcmp(jv_string(jv_get(json, "_class_name"), ""), net_vae_kl.class_name) == 0;
}

static bool
read(void *config, const struct jv *json, const char *name, struct err *err)
{
    return vae_kl_config_read(config, json, name, err);
}

static struct jv *
write(const void *config)
{
    return vae_kl_config_json(config);
}

static struct node *
build(struct nn *nn, const void *config)
{
    const struct vae_kl_config *c = config;
    int64_t side = vae_kl_factor(c);
    struct node *picture = graph_input(nn->g, "picture", SHAPE(1, side, side, 3), DTYPE_F32);
    return vae_kl_decode(nn, c, vae_kl_encode(nn, c, picture), 1, 1);
}

static bool
declare(struct params *params, const char *prefix, const void *config, struct err *err)
{
    return net_declare(params, prefix, config, build, err);
}

static void
describe(const void *config, char *out, size_t size)
{
    const struct vae_kl_config *c = config;
    snprintf(out, size, "KL autoencoder, %d latent channels, a token for %dx%d pixels",
             c->latent_channels, vae_kl_factor(c), vae_kl_factor(c));
}

static bool
is_ignored(const void *config, const char *tensor)
{
    (void)config;
    return strcmp(tensor, "bn.num_batches_tracked") == 0;
}

static struct node *
encoder_golden(struct nn *nn, const struct vae_kl_config *c, struct net_golden *golden,
               struct err *err)
{
    struct shape x;
    int factor = vae_kl_factor(c);
    bool fits = net_golden_shape(golden, "sample", 4, &x) && x.dim[1] == 3 &&
                x.dim[2] % factor == 0 && x.dim[3] % factor == 0;
    if (!fits) {
        err_set(err, ERR_INPUT, "sample (N,3,H,W) is needed, H and W multiples of %d", factor);
        return NULL;
    }
    struct shape s = SHAPE(x.dim[0], x.dim[2], x.dim[3], 3);
    return vae_kl_encode(nn, c, net_golden_input(golden, nn, "sample", s, DTYPE_F32));
}

// A side in pixels: from the metadata, or from the expected picture.
static int64_t
golden_side(const struct net_golden *golden, const char *key, int from_end)
{
    const struct shape *out = golden->shape(golden->ctx, "output");
    int64_t side = golden->number(golden->ctx, key);
    return side || !out || out->rank < 3 ? side : out->dim[out->rank - 1 - from_end];
}

static struct node *
decoder_golden(struct nn *nn, const struct vae_kl_config *c, struct net_golden *golden,
               struct err *err)
{
    struct shape x;
    int64_t height = golden_side(golden, "height", 1), width = golden_side(golden, "width", 0);
    int64_t factor = vae_kl_factor(c);
    bool fits = net_golden_shape(golden, "latents", 3, &x) && x.dim[2] == vae_kl_width(c) &&
                height > 0 && width > 0 && height < 1 << 20 && width < 1 << 20 &&
                height % factor == 0 && width % factor == 0;
    if (!fits || x.dim[1] != height / factor * (width / factor)) {
        err_set(err, ERR_INPUT, "latents (N,T,%d) and metadata height and width in pixels, "
                "multiples of %lld, are needed", vae_kl_width(c), (long long)factor);
        return NULL;
    }
    struct node *latents = net_golden_input(golden, nn, "latents", x, DTYPE_F32);
    return vae_kl_decode(nn, c, latents, height / factor, width / factor);
}

static struct node *
golden(struct nn *nn, const void *config, struct net_golden *golden, struct err *err)
{
    if (strcmp(golden->what, "encoder") == 0)
        return encoder_golden(nn, config, golden, err);
    if (strcmp(golden->what, "decoder") == 0)
        return decoder_golden(nn, config, golden, err);
    err_set(err, ERR_INPUT, "its metadata must name the part vae_encoder or vae_decoder");
    return NULL;
}

const struct net net_vae_kl = {
    .class_name = "AutoencoderKLFlux2",
    .weights = "diffusion_pytorch_model",
    .accepts = accepts,
    .config_size = sizeof(struct vae_kl_config),
    .read = read,
    .write = write,
    .declare = declare,
    .describe = describe,
    .place = place,
    .ignored = is_ignored,
    .anchors = anchors,
    .guess = guess,
    .golden = golden,
};
