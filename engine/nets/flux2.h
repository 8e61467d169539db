// SPDX-License-Identifier: MIT
// The transformer of FLUX.2 (Black Forest Labs 2025; Flux2Transformer2DModel of diffusers): maps
// tokens of a noisy picture and of clean references, together with text, to the velocity of the
// noisy ones.
//
// Double blocks keep a stream for text and one for tokens, with weights of their own, and attend
// over both; single blocks treat both as one and compute attention and the gated unit side by side.
// Shift, scale and gate come from the time (and, where the config has it, the guidance), once for
// all blocks of a kind. Positions are four numbers a token, rotary, interleaved. No bias anywhere.
#ifndef LIMN_ENGINE_NETS_FLUX2_H
#define LIMN_ENGINE_NETS_FLUX2_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

enum { FLUX2_AXES = 4 };

struct flux2_config {
    int in_channels, out_channels;      // of a token
    int num_layers, num_single_layers;  // double blocks, single blocks
    int heads, head_dim;
    int joint_dim;                      // of a row of text
    int time_channels;                  // sinusoids
    int axes[FLUX2_AXES];               // channels of a head that each position turns; sum head_dim
    int rope_theta;
    double mlp_ratio, eps;
    bool guidance;                      // takes the guidance as a number
};

// transformer/config.json in diffusers' keys and defaults. `name` (the file) starts errors.
bool flux2_config_read(struct flux2_config *c, const struct jv *json, const char *name,
                       struct err *err);
struct jv *flux2_config_json(const struct flux2_config *c); // freed by the caller
int flux2_width(const struct flux2_config *c);     // heads * head_dim
int flux2_mlp_width(const struct flux2_config *c); // of a gated unit

struct flux2_inputs {
    struct node *tokens;    // (N,T,in_channels) f32: the picture's first, then the references'
    struct node *text;      // (N,S,joint_dim) f32
    struct node *sigma;     // (N) f32, the share of noise in (0,1]
    struct node *guidance;  // (N) f32 where the config takes it, else NULL
    struct node *token_ids; // (T,4) i32: time (0; 10, 20, … of references), row, column, 0
    struct node *text_ids;  // (S,4) i32: 0, 0, 0, index
    int64_t outputs;        // tokens whose velocity is wanted, from the first on; 0: all
};

// (N,outputs,out_channels) f32: noise - picture. Products have nn->dtype, the residual streams are
// f32.
struct node *flux2_build(struct nn *nn, const struct flux2_config *c,
                         const struct flux2_inputs *in);

#endif
