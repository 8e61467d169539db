// SPDX-License-Identifier: MIT
// What kind of network a file of weights holds, told by the names and shapes of its tensors, for
// files that come without a config.json. A name may stand behind one of a few prefixes.
#ifndef LIMN_ENGINE_NETS_GUESS_H
#define LIMN_ENGINE_NETS_GUESS_H

#include "engine/base/jv.h"
#include "engine/tensor/safetensors.h"

// The tensor under the first of these names that is there; NULL: none is. b may be NULL.
const struct tensor_view *guess_find(const struct safetensors *file, const char *a, const char *b);
// A dimension of it, 0: it is not there, or has no such dimension.
int64_t guess_dim(const struct safetensors *file, int dim, const char *a, const char *b);
// Of blocks numbered from 0 on, how many have a tensor of these names, which hold one %d each.
int guess_count(const struct safetensors *file, const char *a, const char *b);
// Sets a whole number, where it is one that an int holds.
void guess_set(struct jv *config, const char *key, int64_t value);

#endif
