// SPDX-License-Identifier: MIT
#include "engine/nets/vae_kl.h"

#include <math.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nets/config_reader.h"
#include "engine/nn/strips.h"

static const double NORM_EPS = 1e-6; // of group norms: fixed in the reference

static void
check_blocks(struct config_reader *r, const char *key, const char *only, int levels)
{
    const struct jv *v = config_get(r, key);
    bool fits = !v || (jv_is_array(v) && jv_size(v) == (size_t)levels);
    for (int i = 0; v && fits && i < levels; i++)
        fits = strcmp(jv_string(jv_at(v, (size_t)i), ""), only) == 0;
    if (!fits)
        config_refuse(r, key, v, "one such block for each of block_out_channels is known");
}

static void
check_groups(struct config_reader *r, const struct vae_kl_config *c)
{
    for (int i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups || c->decoder_channels[i] % c->groups)
            config_refuse(r, "norm_num_groups", config_get(r, "norm_num_groups"),
                          "it must divide the channels of each level");
}

static void
read_channels(struct config_reader *r, struct vae_kl_config *c)
{
    static const char key[] = "decoder_block_out_channels";
    c->levels = config_list(r, "block_out_channels", VAE_KL_LEVELS_MAX, 1 << 16, c->channels);
    memcpy(c->decoder_channels, c->channels, sizeof c->channels);
    if (config_get(r, key) &&
        config_list(r, key, VAE_KL_LEVELS_MAX, 1 << 16, c->decoder_channels) != c->levels)
        config_refuse(r, key, config_get(r, key), "as many as block_out_channels are needed");
}

bool
vae_kl_config_read(struct vae_kl_config *c, const struct jv *json, const char *name,
                   struct err *err)
{
    struct config_reader r = {json, name, err, true};
    *c = (struct vae_kl_config){0};
    read_channels(&r, c);
    config_expect(&r, "act_fn", "silu");
    check_blocks(&r, "down_block_types", "DownEncoderBlock2D", c->levels);
    check_blocks(&r, "up_block_types", "UpDecoderBlock2D", c->levels);
    if (config_int(&r, "in_channels", 3, 1, 64) != 3 ||
        config_int(&r, "out_channels", 3, 1, 64) != 3)
        config_refuse(&r, "in_channels", config_get(&r, "in_channels"), "pictures have 3 channels");
    int fold[2] = {VAE_KL_FOLD, VAE_KL_FOLD};
    if (config_get(&r, "patch_size"))
        config_list(&r, "patch_size", 2, 64, fold);
    if (fold[0] != VAE_KL_FOLD || fold[1] != VAE_KL_FOLD)
        config_refuse(&r, "patch_size", config_get(&r, "patch_size"), "[2,2] is known");
    c->layers = config_int(&r, "layers_per_block", 2, 1, 16);
    c->latent_channels = config_int(&r, "latent_channels", 32, 1, 1 << 12);
    c->groups = config_int(&r, "norm_num_groups", 32, 1, 1 << 12);
    c->quant = config_bool(&r, "use_quant_conv", true);
    c->post_quant = config_bool(&r, "use_post_quant_conv", true);
    c->mid_attention = config_bool(&r, "mid_block_add_attention", true);
    c->norm_eps = config_double(&r, "batch_norm_eps", 1e-4, 0, 1);
    check_groups(&r, c);
    return r.ok;
}

static struct jv *
list_of(const int *numbers, int count)
{
    struct jv *list = jv_array();
    for (int i = 0; i < count; i++)
        jv_append(list, jv_from_integer(numbers[i]));
    return list;
}

struct jv *
vae_kl_config_json(const struct vae_kl_config *c)
{
    struct jv *o = jv_object();
    jv_set(o, "_class_name", jv_from_string("AutoencoderKLFlux2"));
    jv_set(o, "block_out_channels", list_of(c->channels, c->levels));
    jv_set(o, "decoder_block_out_channels", list_of(c->decoder_channels, c->levels));
    jv_set(o, "layers_per_block", jv_from_integer(c->layers));
    jv_set(o, "latent_channels", jv_from_integer(c->latent_channels));
    jv_set(o, "norm_num_groups", jv_from_integer(c->groups));
    jv_set(o, "use_quant_conv", jv_from_bool(c->quant));
    jv_set(o, "use_post_quant_conv", jv_from_bool(c->post_quant));
    jv_set(o, "mid_block_add_attention", jv_from_bool(c->mid_attention));
    jv_set(o, "batch_norm_eps", jv_from_number(c->norm_eps));
    return o;
}

int
vae_kl_factor(const struct vae_kl_config *c)
{
    return VAE_KL_FOLD << (c->levels - 1);
}

int
vae_kl_width(const struct vae_kl_config *c)
{
    return VAE_KL_FOLD * VAE_KL_FOLD * c->latent_channels;
}

// --- Blocks that encoder and decoder share

static struct strips_norm
norm(struct nn *nn, const struct vae_kl_config *c, const struct strips *x, enum activation act,
     const char *name)
{
    struct group_norm n = {.groups = c->groups, .eps = NORM_EPS, .act = act};
    return strips_norm(nn, x, &n, name);
}

static struct node *
conv(struct nn *nn, struct node *x, int out, int kernel, const char *name)
{
    return nn_conv(nn, x, &(struct conv){.out = out, .kernel = kernel}, "%s", name);
}

static struct strips
conv_strips(struct nn *nn, const struct strips *x, int out, const char *name)
{
    return strips_conv(nn, x, &(struct strips_conv){.conv = {.out = out, .kernel = 3}}, name);
}

// Norm, silu, convolution.
static struct strips
last_conv(struct nn *nn, const struct vae_kl_config *c, const struct strips *x, int out,
          const char *side)
{
    char name[NN_NAME_MAX];
    struct strips_norm n = norm(nn, c, x, ACT_SILU, nn_name(name, "%s.conv_norm_out", side));
    struct strips_conv last = {.conv = {.out = out, .kernel = 3}, .norm = &n};
    return strips_conv(nn, x, &last, nn_name(name, "%s.conv_out", side));
}

static struct strips
residual_block(struct nn *nn, const struct vae_kl_config *c, const struct strips *x, int out,
               const char *block)
{
    char name[NN_NAME_MAX], beside[NN_NAME_MAX];
    struct strips kept = *x;
    struct strips_norm n = norm(nn, c, x, ACT_SILU, nn_name(name, "%s.norm1", block));
    struct strips_conv first = {.conv = {.out = out, .kernel = 3}, .norm = &n};
    if (shape_last(&x->at[0]->shape) != out) {
        first.beside = nn_name(beside, "%s.conv_shortcut", block);
        first.beside_out = &kept;
    }
    struct strips h = strips_conv(nn, x, &first, nn_name(name, "%s.conv1", block));
    n = norm(nn, c, &h, ACT_SILU, nn_name(name, "%s.norm2", block));
    struct strips_conv second = {.conv = first.conv, .norm = &n, .add = &kept};
    return strips_conv(nn, &h, &second, nn_name(name, "%s.conv2", block));
}

// Attention with one head of all channels, over a slice of the queries at a time, to limit the
// memory for scores.
static struct node *
attend(struct nn *nn, struct node *q, struct node *k, struct node *v)
{
    enum { LEAST = 64, MOST = 1024, SCORES = 16 << 20, WIDEST = 256 };
    int64_t tokens = q->shape.dim[1], width = q->shape.dim[2];
    const int64_t stretch = MAX(LEAST, MIN(MOST, SCORES / tokens));
    double scale = 1 / sqrt((double)width);
    struct node *all = NULL;
    if (width <= WIDEST)
        return op_attention(nn->g, q, k, v, NULL, 1, scale);
    for (int64_t at = 0; at < tokens; at += stretch) {
        int64_t count = MIN(tokens - at, stretch);
        struct node *some = op_slice(nn->g, q, 1, at, count);
        struct node *s = op_matmul(nn->g, some, false, k, true, NULL, DTYPE_F32);
        s = op_cast(nn->g, op_softmax(nn->g, op_affine(nn->g, s, scale, 0)), nn->dtype);
        s = op_matmul(nn->g, s, false, v, false, NULL, DTYPE_NONE);
        all = all ? op_concat(nn->g, (struct node *[]){all, s}, 2, 1) : s;
    }
    return all;
}

static struct node *
attention_block(struct nn *nn, const struct vae_kl_config *c, struct node *x, const char *block)
{
    const struct shape s = x->shape;
    struct linear l = {.out = s.dim[3], .kept = true};
    struct group_norm n = {.groups = c->groups, .eps = NORM_EPS};
    struct node *h = nn_group_norm(nn, x, &n, "%s.group_norm", block);
    h = op_reshape(nn->g, h, SHAPE(s.dim[0], s.dim[1] * s.dim[2], s.dim[3]));
    struct node *q = nn_linear(nn, h, &l, "%s.to_q", block);
    struct node *k = nn_linear(nn, h, &l, "%s.to_k", block);
    struct node *v = nn_linear(nn, h, &l, "%s.to_v", block);
    h = nn_linear(nn, attend(nn, q, k, v), &l, "%s.to_out.0", block);
    return op_add(nn->g, x, op_reshape(nn->g, h, s));
}

// Never in strips: every token attends to all others.
static struct strips
mid_block(struct nn *nn, const struct vae_kl_config *c, struct node *x, const char *side)
{
    char name[NN_NAME_MAX];
    int width = (int)shape_last(&x->shape);
    struct strips s = {{x}, 1};
    s = residual_block(nn, c, &s, width, nn_name(name, "%s.mid_block.resnets.0", side));
    if (c->mid_attention)
        s.at[0] = attention_block(nn, c, s.at[0],
                                  nn_name(name, "%s.mid_block.attentions.0", side));
    return residual_block(nn, c, &s, width, nn_name(name, "%s.mid_block.resnets.1", side));
}

// --- The fold and the statistics

// Mean and deviation of each channel of the tokens, (width) f32.
static void
statistics(struct nn *nn, const struct vae_kl_config *c, struct node **mean, struct node **spread)
{
    int64_t width = vae_kl_width(c);
    *mean = nn_param(nn, "bn.running_mean", SHAPE(width), PARAM_VECTOR, (struct param_init){0});
    struct node *var = nn_param(nn, "bn.running_var", SHAPE(width), PARAM_VECTOR,
                                (struct param_init){INIT_ONES, 0});
    *spread = op_sqrt(nn->g, op_affine(nn->g, var, 1, c->norm_eps));
}

// (N,H,W,C) -> (N,H/2*W/2,4C)
static struct node *
fold(struct nn *nn, struct node *z)
{
    const int64_t n = z->shape.dim[0], h = z->shape.dim[1] / VAE_KL_FOLD;
    const int64_t w = z->shape.dim[2] / VAE_KL_FOLD, c = z->shape.dim[3];
    z = op_reshape(nn->g, z, SHAPE(n * h, VAE_KL_FOLD, w, VAE_KL_FOLD, c));
    z = op_permute(nn->g, z, (int[]){0, 2, 4, 1, 3});
    return op_reshape(nn->g, z, SHAPE(n, h * w, VAE_KL_FOLD * VAE_KL_FOLD * c));
}

static struct node *
unfold(struct nn *nn, struct node *tokens, int64_t rows, int64_t columns)
{
    const int64_t n = tokens->shape.dim[0], c = tokens->shape.dim[2] / (VAE_KL_FOLD * VAE_KL_FOLD);
    struct node *z = op_reshape(nn->g, tokens,
                                SHAPE(n * rows, columns, c, VAE_KL_FOLD, VAE_KL_FOLD));
    z = op_permute(nn->g, z, (int[]){0, 3, 1, 4, 2});
    return op_reshape(nn->g, z, SHAPE(n, rows * VAE_KL_FOLD, columns * VAE_KL_FOLD, c));
}

// --- The network

// The two levels at the picture's end run in strips, because they take nearly all of the memory.
enum { LEVELS_IN_STRIPS = 2 };

static int
strips_of(const struct vae_kl_config *c, int64_t pixels)
{
    enum { WHOLE = 512 * 512, STRIP = 1024 * 128 };
    if (c->strips)
        return c->strips;
    return pixels <= WHOLE ? 1 : (int)MIN(STRIPS_MAX, (pixels + STRIP - 1) / STRIP);
}

static struct node *
encoder(struct nn *nn, const struct vae_kl_config *c, struct node *x)
{
    char name[NN_NAME_MAX];
    int count = strips_of(c, x->shape.dim[1] * x->shape.dim[2]);
    struct strips s = strips_cut(nn, x, count, vae_kl_factor(c));
    s = conv_strips(nn, &s, c->channels[0], "encoder.conv_in");
    for (int i = 0; i < c->levels; i++) {
        for (int k = 0; k < c->layers; k++)
            s = residual_block(nn, c, &s, c->channels[i],
                               nn_name(name, "encoder.down_blocks.%d.resnets.%d", i, k));
        if (i < c->levels - 1)
            s = strips_halve(nn, &s, c->channels[i],
                             nn_name(name, "encoder.down_blocks.%d.downsamplers.0.conv", i));
        if (i == LEVELS_IN_STRIPS - 1 || i == c->levels - 1)
            s = (struct strips){{strips_join(nn, &s)}, 1};
    }
    s = mid_block(nn, c, s.at[0], "encoder");
    s = last_conv(nn, c, &s, 2 * c->latent_channels, "encoder");
    return c->quant ? conv(nn, s.at[0], 2 * c->latent_channels, 1, "quant_conv") : s.at[0];
}

struct node *
vae_kl_encode(struct nn *nn, const struct vae_kl_config *c, struct node *picture)
{
    struct node *mean, *spread;
    statistics(nn, c, &mean, &spread);
    struct node *z = encoder(nn, c, op_cast(nn->g, picture, nn->dtype));
    z = op_cast(nn->g, op_slice(nn->g, z, 3, 0, c->latent_channels), DTYPE_F32);
    return op_div(nn->g, op_sub(nn->g, fold(nn, z), mean), spread);
}

// (N,h,w,C) -> strips of the picture.
static struct strips
decoder(struct nn *nn, const struct vae_kl_config *c, struct node *x)
{
    char name[NN_NAME_MAX];
    int last = c->levels - 1;
    int count = strips_of(c, (x->shape.dim[1] << last) * (x->shape.dim[2] << last));
    x = c->post_quant ? conv(nn, x, c->latent_channels, 1, "post_quant_conv") : x;
    x = conv(nn, x, c->decoder_channels[last], 3, "decoder.conv_in");
    struct strips s = mid_block(nn, c, x, "decoder");
    for (int i = 0; i <= last; i++) {
        int width = c->decoder_channels[last - i];
        struct strips_conv up = {.conv = {.out = width, .kernel = 3}, .enlarged = true};
        for (int k = 0; k < c->layers + 1; k++)
            s = residual_block(nn, c, &s, width,
                               nn_name(name, "decoder.up_blocks.%d.resnets.%d", i, k));
        if (i == MAX(last - LEVELS_IN_STRIPS, 0))
            s = strips_cut(nn, s.at[0], count, 1);
        if (i < last)
            s = strips_conv(nn, &s, &up, nn_name(name, "decoder.up_blocks.%d.upsamplers.0.conv",
                                                 i));
    }
    return last_conv(nn, c, &s, 3, "decoder");
}

struct node *
vae_kl_decode(struct nn *nn, const struct vae_kl_config *c, struct node *tokens, int64_t rows,
              int64_t columns)
{
    struct node *mean, *spread;
    statistics(nn, c, &mean, &spread);
    struct node *z = op_add(nn->g, op_mul(nn->g, tokens, spread), mean);
    z = op_cast(nn->g, unfold(nn, z, rows, columns), nn->dtype);
    struct strips s = decoder(nn, c, z);
    for (int i = 0; i < s.count; i++)
        s.at[i] = op_cast(nn->g, s.at[i], DTYPE_F32);
    return strips_join(nn, &s);
}
