// SPDX-License-Identifier: MIT
// Qwen3 (Yang et al. 2025), a decoder-only language model, used as a text encoder: token ids to the
// hidden states after some of its layers. RMS norms, grouped queries, RMS norm over the heads of q
// and k, rotate-half rotary positions, SwiGLU, no bias. Each token attends to those before it that
// are not padding.
#ifndef LIMN_ENGINE_NETS_QWEN3_H
#define LIMN_ENGINE_NETS_QWEN3_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

enum { QWEN3_TAPS_MAX = 8, QWEN3_TOKENS_MAX = 8192 }; // the attention mask is tokens x tokens

struct qwen3_config {
    int vocab_size, hidden_size, intermediate_size, num_layers, heads, kv_heads, head_dim;
    double eps, rope_theta;
    // Layers, counted from 1, whose results are given; rising. FLUX.2's: 9, 18, 27. Layers behind
    // the last, the head and, unless the last of all is among them, the final norm are neither
    // declared nor read.
    int taps[QWEN3_TAPS_MAX], tap_count;
};

// config.json in transformers' keys and defaults. `name` (the file) starts errors.
bool qwen3_config_read(struct qwen3_config *c, const struct jv *json, const char *name,
                       struct err *err);
struct jv *qwen3_config_json(const struct qwen3_config *c); // freed by the caller
int qwen3_width(const struct qwen3_config *c);              // of a row of the result

// ids (N,T) i32, mask (N,T) f32, 0 for padding, NULL: none -> (N,T,taps*hidden_size) f32, the taps
// side by side. Rows of padding are what the network makes of them. Products have nn->dtype, the
// residual stream is f32.
struct node *qwen3_build(struct nn *nn, const struct qwen3_config *c, struct node *ids,
                         struct node *mask);

#endif
