// SPDX-License-Identifier: MIT
// Weights in fewer bits than a number of their own would take: blocks of some weights that share a
// scale, as GGUF files hold them (llama.cpp, stable-diffusion.cpp), and numbers of 8 bits.
#ifndef LIMN_ENGINE_TENSOR_PACKED_H
#define LIMN_ENGINE_TENSOR_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "engine/tensor/dtype.h"

struct packed_type {
    const char *name;   // "Q8_0", "F8_E4M3"
    uint32_t number;    // in GGUF; PACKED_NO_NUMBER: not there
    enum dtype dtype;   // that keeps them as they are; DTYPE_NONE: none, they are made wider
    int weights, bytes; // of a block
    // One block to `weights` numbers. Blocks are little-endian and lie at any address.
    void (*unpack)(const unsigned char *block, float *out);
    void (*pack)(const float *in, unsigned char *block); // NULL: nothing is brought into this type
};

enum { PACKED_WEIGHTS_MAX = 256 }; // of a block

#define PACKED_NO_NUMBER UINT32_MAX

const struct packed_type *packed_type_named(const char *name);     // NULL: none
const struct packed_type *packed_type_numbered(uint32_t number);   // NULL: none

const struct packed_type *packed_type_of(enum dtype t);            // of a type in blocks

// `count` weights from weight `first` on, both multiples of a block's.
void packed_unpack(const struct packed_type *t, const void *data, int64_t first, int64_t count,
                   float *out);
// One weight: unpacks its block.
float packed_load(const struct packed_type *t, const void *data, int64_t i);
// The way back, rounded as the reference's quantize_row_*_ref() do. t has pack().
void packed_pack(const struct packed_type *t, const float *in, int64_t count, void *out);

#endif
