// SPDX-License-Identifier: MIT
// The T5 v1.1 text encoder: token ids to one vector a token. RMS norms before each layer, no bias
// anywhere, q not scaled, one table of relative position biases shared by all layers, gated GELU.
#ifndef LIMN_ENGINE_NETS_T5_H
#define LIMN_ENGINE_NETS_T5_H

#include "engine/base/jv.h"
#include "engine/nn/nn.h"

enum { T5_END = 1 }; // id of the end of a sentence; padding is 0

struct t5_config {
    int vocab_size, d_model, d_kv, d_ff, num_layers, num_heads;
    int num_buckets, max_distance; // of relative positions
    double eps;
};

// text_encoder/config.json in transformers' keys and defaults; other kinds of T5 are refused by key
// and value. `name` (the file) starts errors.
bool t5_config_read(struct t5_config *c, const struct jv *json, const char *name, struct err *err);
struct jv *t5_config_json(const struct t5_config *c); // freed by the caller

// Adds every parameter to a table that is not laid out yet, under `part` ("text_encoder/").
bool t5_declare(struct params *params, const char *part, const struct t5_config *c,
                struct err *err);

// ids (N,T) i32 -> (N,T,d_model) f32. Products have nn->dtype, everything between them is f32: T5's
// residual stream grows large and its scores are not scaled, so narrow types lose too much. mask
// (N,T) f32: no token attends to one with 0, all attend to one with 1; NULL: no mask.
struct node *t5_build(struct nn *nn, const struct t5_config *c, struct node *ids,
                      struct node *mask);

// The mask that hides padding, whose id is 0: what the pipelines of diffusers give the encoder.
struct node *t5_padding_mask(struct nn *nn, struct node *ids);

// Bucket of a key that lies `distance` tokens after its query (negative: before).
int t5_bucket(const struct t5_config *c, int distance);

#endif
