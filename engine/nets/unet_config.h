// SPDX-License-Identifier: MIT
// config.json of a U-Net, in diffusers' keys with diffusers' defaults, plus the keys of limn's
// multi-modal context. Only values that limn implements are accepted: any other is an error that
// names key and value, so a model is computed correctly or not at all.
//
// Keys of limn's own, all absent in a plain text-to-image model:
//     "context_levels": [2, 3]        levels (0 is the picture's own resolution) whose attention
//                                     blocks, and the mid block if the last level is among them,
//                                     get a context attention
//     "context_attention_head_dim": n width of its heads; absent: attention_head_dim
//     "text_thumbnail_size": n        pixels a side of a small picture predicted from the text
//                                     and given to the first layer; absent: none
//     "text_thumbnail_with_references": true   also with references; absent: they get
//                                     that of the empty text instead
//     "style_levels": [0, 1]          levels of the references' pass whose statistics are added to
//                                     the time embedding (unet_style.c); absent: none
//     "pixel_unshuffle": n            n x n pixels become one position with n*n times the
//                                     channels: level 0 has sample_size / n positions a side;
//                                     absent: 1
//     "plain_upsampling": true        the up half upsamples by repeating pixels, without a residual
//                                     block for it; absent: with one, as in diffusers
#ifndef LIMN_ENGINE_NETS_UNET_CONFIG_H
#define LIMN_ENGINE_NETS_UNET_CONFIG_H

#include "engine/base/jv.h"
#include "engine/ops/graph.h"

enum { UNET_LEVEL_MAX = 8, UNET_LAYER_MAX = 16 };

struct unet_config {
    int sample_size; // pixels a side
    int in_channels, out_channels;
    int levels;
    int block_out_channels[UNET_LEVEL_MAX];
    int layers_per_block[UNET_LEVEL_MAX];
    bool attention[UNET_LEVEL_MAX]; // down and up block have text attention
    int attention_head_dim[UNET_LEVEL_MAX];
    int norm_num_groups;
    double norm_eps;
    enum activation act;
    int cross_attention_dim; // width of the projected text
    int encoder_hid_dim;     // width of the text encoder's output; 0: no projection
    bool cross_attention_norm; // group norm on the projected text
    bool only_cross_attention; // no self-attention beside the text
    bool mid_only_cross_attention;
    bool mid_plain; // UNetMidBlock2D: one residual block in the middle, no attention
    double out_scale, mid_scale; // sums of residual blocks are divided by this
    bool skip_time_act;          // the blocks do not activate the embedding again
    bool scale_shift;            // the embedding scales and shifts; else it is added
    enum activation time_act;    // applied to the finished embedding; ACT_NONE: none
    int time_embedding_dim;
    bool flip_sin_to_cos;
    double freq_shift;
    bool class_timestep;      // class_labels are a noise level, embedded as the timestep is
    bool pooled_text;         // addition_embed_type "text"
    int pooled_heads;
    bool context[UNET_LEVEL_MAX]; // context_levels
    int context_head_dim;         // 0: attention_head_dim of the level
    int thumbnail_size;           // text_thumbnail_size; 0: none
    bool thumbnail_with_references;
    bool style[UNET_LEVEL_MAX]; // style_levels
    int fold;                   // pixel_unshuffle
    bool plain_upsampling;
};

// `name` (the file) starts errors. ERR_INPUT.
bool unet_config_read(struct unet_config *c, const struct jv *json, const char *name,
                      struct err *err);

// The same as JSON, complete; freed by the caller. Reading it gives the same config.
struct jv *unet_config_json(const struct unet_config *c);

int unet_config_text_width(const struct unet_config *c); // numbers per token
// Whether any layer reads the text; a super-resolution model may depend on the picture alone.
bool unet_config_uses_text(const struct unet_config *c);
bool unet_config_has_context(const struct unet_config *c);
bool unet_config_has_style(const struct unet_config *c);
// Positions a side at a level: sample_size / fold / 2^level.
int unet_config_side(const struct unet_config *c, int level);

#endif
