// SPDX-License-Identifier: MIT
// Quantised weights: blocks of weights that share a scale, as in GGUF files (llama.cpp,
// stable-diffusion.cpp), and 8-bit floats.
#ifndef LIMN_ENGINE_TENSOR_PACKED_H
#define LIMN_ENGINE_TENSOR_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "engine/tensor/dtype.h"

struct packed_type {
    const char *name;   // "Q8_0", "F8_E4M3"
    uint32_t number;    // in GGUF; PACKED_NO_NUMBER: GGUF does not have it
    enum dtype dtype;   // in which they stay packed; DTYPE_NONE: none, they are widened
    int weights, bytes; // of a block
    // One block to `weights` numbers. Blocks are little-endian and need no alignment.
    void (*unpack)(const unsigned char *block, float *out);
    void (*pack)(const float *in, unsigned char *block); // NULL: limn cannot quantise to this type
};

enum { PACKED_WEIGHTS_MAX = 256 }; // of a block

#define PACKED_NO_NUMBER UINT32_MAX

const struct packed_type *packed_type_named(const char *name);     // NULL: none
const struct packed_type *packed_type_numbered(uint32_t number);   // NULL: none

const struct packed_type *packed_type_of(enum dtype t);            // of a quantised type

// `count` weights from weight `first` on, both multiples of a block's.
void packed_unpack(const struct packed_type *t, const void *data, int64_t first, int64_t count,
                   float *out);
// One weight: unpacks its block.
float packed_load(const struct packed_type *t, const void *data, int64_t i);
// The inverse, rounded like GGUF's reference, quantize_row_*_ref(). t has pack().
void packed_pack(const struct packed_type *t, const float *in, int64_t count, void *out);

#endif
