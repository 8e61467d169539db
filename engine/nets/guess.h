// SPDX-License-Identifier: MIT
// The kind of network in a file of weights, from the names and shapes of its tensors, for files
// without a config.json.
#ifndef LIMN_ENGINE_NETS_GUESS_H
#define LIMN_ENGINE_NETS_GUESS_H

#include "engine/base/jv.h"
#include "engine/nn/params.h"

// A file, and the prefix of all names of the network in it.
struct guess {
    const struct safetensors *file;
    char prefix[PARAMS_PREFIX_MAX];
};

// The tensor with the first of these names that exists; NULL: neither does. b may be NULL.
const struct tensor_view *guess_find(const struct guess *from, const char *a, const char *b);
// One of its dimensions; 0: no such tensor or dimension.
int64_t guess_dim(const struct guess *from, int dim, const char *a, const char *b);
// How many blocks, numbered from 0, have a tensor of these names, which contain one %d each.
int guess_count(const struct guess *from, const char *a, const char *b);
// Sets a whole number, if it fits in an int.
void guess_set(struct jv *config, const char *key, int64_t value);

#endif
