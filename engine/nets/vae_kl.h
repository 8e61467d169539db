// SPDX-License-Identifier: MIT
// The KL autoencoder of latent diffusion (Rombach et al. 2022) as FLUX.2 has it (AutoencoderKLFlux2
// of diffusers): pictures to latents of an eighth of their sides, these folded 2x2 and normalised
// by fixed statistics to tokens, and back.
#ifndef LIMN_ENGINE_NETS_VAE_KL_H
#define LIMN_ENGINE_NETS_VAE_KL_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

enum { VAE_KL_LEVELS_MAX = 8, VAE_KL_FOLD = 2 };

struct vae_kl_config {
    int levels;                       // halvings + 1
    int channels[VAE_KL_LEVELS_MAX];  // of the encoder, from the picture inwards
    int decoder_channels[VAE_KL_LEVELS_MAX];
    int layers;                       // residual blocks a level; the decoder has one more
    int latent_channels, groups;
    bool quant, post_quant;           // 1x1 convolutions on both sides of the latent
    bool mid_attention;
    double norm_eps;                  // of the statistics
    int strips; // in which large maps are computed (engine/nn/strips.h); 0: as their size asks for
};

// vae/config.json in diffusers' keys and defaults. `name` (the file) starts errors.
bool vae_kl_config_read(struct vae_kl_config *c, const struct jv *json, const char *name,
                        struct err *err);
struct jv *vae_kl_config_json(const struct vae_kl_config *c); // freed by the caller
int vae_kl_factor(const struct vae_kl_config *c); // pixels that a token has in each direction
int vae_kl_width(const struct vae_kl_config *c);  // of a token

// picture (N,H,W,3) f32 in [-1,1], sides multiples of the factor -> (N,T,width) f32 tokens, row by
// row: the mean of the posterior, folded (channel c*4 + dy*2 + dx) and normalised.
struct node *vae_kl_encode(struct nn *nn, const struct vae_kl_config *c, struct node *picture);
// Both directions compute the levels next to the picture in strips if it has more than 512 x 512
// pixels; the result equals that of whole maps within rounding. tokens (N,rows*columns,width) f32
// -> (N,H,W,3) f32 in about [-1,1].
struct node *vae_kl_decode(struct nn *nn, const struct vae_kl_config *c, struct node *tokens,
                           int64_t rows, int64_t columns);

#endif
