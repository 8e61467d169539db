// SPDX-License-Identifier: MIT
// Random weights in blocks: any bytes, but for the scales, which are numbers of a usual size.
#ifndef LIMN_TESTS_OPS_BLOCKS_H
#define LIMN_TESTS_OPS_BLOCKS_H

#include <string.h>

#include "engine/base/rng.h"
#include "engine/tensor/packed.h"

static const struct {
    enum dtype type;
    int scales[2]; // where they lie in a block; -1: no second one
} block_types[] = {
    {DTYPE_Q8_0, {0, -1}},   {DTYPE_Q4_0, {0, -1}},   {DTYPE_Q4_K, {0, 2}},
    {DTYPE_Q5_K, {0, 2}},    {DTYPE_Q6_K, {208, -1}}, {DTYPE_Q4_1, {0, 2}},
    {DTYPE_Q5_0, {0, -1}},   {DTYPE_Q5_1, {0, 2}},    {DTYPE_Q2_K, {80, 82}},
    {DTYPE_Q3_K, {108, -1}}, {DTYPE_IQ4_NL, {0, -1}}, {DTYPE_IQ4_XS, {0, -1}},
};

static inline void
blocks_random(enum dtype t, void *data, int64_t count, uint64_t seed)
{
    const struct packed_type *p = packed_type_of(t);
    unsigned char *b = data;
    struct rng rng;
    size_t row = 0;
    while (block_types[row].type != t)
        row++;
    rng_init(&rng, seed, RNG_STREAM_TEST);
    for (int64_t k = 0; k < count / p->weights; k++, b += p->bytes) {
        for (int i = 0; i < p->bytes; i++)
            b[i] = (unsigned char)rng_below(&rng, 256);
        for (int i = 0; i < 2 && block_types[row].scales[i] >= 0; i++) {
            uint16_t scale = f16_from_f32((float)(0.001 + 0.01 * rng_uniform(&rng)));
            memcpy(b + block_types[row].scales[i], &scale, 2);
        }
    }
}

#endif
