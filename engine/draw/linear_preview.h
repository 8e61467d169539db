// SPDX-License-Identifier: MIT
// Previews without a decoder: a linear map turns each token of a latent into a few pixels. It is
// fitted, by least squares, to the output of the model's own decoder. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_LINEAR_PREVIEW_H
#define LIMN_ENGINE_DRAW_LINEAR_PREVIEW_H

#include "engine/model/model_folder.h"

// Pixels a side that one token becomes; each is the mean of what the decoder draws there.
enum {
    LINEAR_PREVIEW_SIDE = 2,
    LINEAR_PREVIEW_OUT = 3 * LINEAR_PREVIEW_SIDE * LINEAR_PREVIEW_SIDE // colours of all of them
};

struct linear_preview {
    int channels;  // C, of a token
    float *weight; // (OUT,C): rows by y, x and colour
    float *bias;   // (OUT)
};

void linear_preview_free(struct linear_preview *p); // NULL is fine
// x (tokens,C) -> out (tokens,OUT), in about [-1,1].
void linear_preview_apply(const struct linear_preview *p, const float *x, size_t tokens,
                          float *out);

// A model's map, from where linear_preview_store() puts it; NULL: there is none for these weights
// (`hash` of model_folder_hash()) and this many channels.
struct linear_preview *linear_preview_find(const struct model_folder *m, const char *hash,
                                           int channels);
// preview.safetensors in the model's folder, or, if that folder cannot be written to,
// $XDG_DATA_HOME/limn/previews/HASH.safetensors. Returns the path, freed with free(). NULL: ERR_IO.
char *linear_preview_store(const struct linear_preview *p, const struct model_folder *m,
                           const char *hash, struct err *err);

// Least squares by the normal equations, in double: sums over all tokens that were added.
struct linear_fit;
struct linear_fit *linear_fit_create(int channels);
// x (tokens,C), wanted (tokens,OUT).
void linear_fit_add(struct linear_fit *f, const float *x, const float *wanted, size_t tokens);
// The map, and the share of the variance of `wanted` that it explains, in [0,1]. Directions in
// which no token lies get weight 0. NULL: ERR_INPUT, no tokens were added.
struct linear_preview *linear_fit_solve(const struct linear_fit *f, double *explained,
                                        struct err *err);
void linear_fit_free(struct linear_fit *f); // NULL is fine

#endif
