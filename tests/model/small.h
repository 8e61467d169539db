// SPDX-License-Identifier: MIT
// Small models with random weights, for tests.
#ifndef LIMN_TESTS_MODEL_SMALL_H
#define LIMN_TESTS_MODEL_SMALL_H

#include "engine/model/model_folder.h"
#include "engine/nets/t5.h"
#include "engine/nets/unet.h"

extern const char *const small_unet;  // config.json with context at levels 1 and 2, 16x16
extern const char *const small_super; // second stage, 32x32

void small_unet_config(struct unet_config *c, const char *json);

// Every parameter random and of a size that keeps activations in range. The output projections of
// context layers are zeros where `fresh`.
void small_randomise(const struct params *p, struct buffer *block, uint64_t seed, bool fresh);

// A file of a folder, which is made.
void small_put(const char *folder, const char *name, const char *text);
// The weights of a folder whose configs are there, as `fill` makes them, and a tokenizer.
void small_save(const char *path, const char *spiece,
                void (*fill)(const struct params *p, struct buffer *block));

// A whole model folder under `path` (made). super: with a second stage. fresh: as above.
void small_folder(const char *path, const char *spiece, bool super, bool fresh);

#endif
