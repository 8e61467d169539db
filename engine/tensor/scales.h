// SPDX-License-Identifier: MIT
// 8-bit weights usually come with a separate tensor of scales to multiply them by: one for all, one
// for each row, or one for each block of rows and columns (128 x 128 in the files of language
// models).
#ifndef LIMN_ENGINE_TENSOR_SCALES_H
#define LIMN_ENGINE_TENSOR_SCALES_H

#include "engine/tensor/safetensors.h"

struct scales {
    const struct tensor_view *of; // the weights
    const struct tensor_view *by; // NULL: they have none
    int64_t rows, columns;        // weights that share a number; 0: they do not fit
};

// Those of NAME.weight in 8 bits: NAME.weight_scale, NAME.scale_weight or NAME.weight_scale_inv.
struct scales scales_find(const struct safetensors *file, const struct tensor_view *weights);
// Whether the weights can be used as they are or with these; false: scales_misfit() says why.
bool scales_fit(const struct scales *s);
// "whose scale a.weight_scale is U8 [2,3], …"; freed with free().
char *scales_misfit(const struct scales *s);
// values: `count` of the weights from element `at` on. scales_fit().
void scales_apply(const struct scales *s, int64_t at, int64_t count, float *values);
// Whether a tensor of this name holds scales of 8-bit weights rather than weights.
bool scales_is_scale(const char *name);

#endif
