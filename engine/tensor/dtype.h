// SPDX-License-Identifier: MIT
// Element types and their conversions.
#ifndef LIMN_ENGINE_TENSOR_DTYPE_H
#define LIMN_ENGINE_TENSOR_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum dtype {
    DTYPE_NONE = 0,
    DTYPE_F64, // tests: finite differences
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_U8,
    // Quantised weights: blocks that share a scale, as in GGUF files (engine/tensor/packed.h). They
    // are for storage only: op_matmul() accepts them on its right, and nothing computes in them.
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q8_0,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_COUNT
};

size_t dtype_size(enum dtype t);  // bytes of one element, 0 for DTYPE_NONE and quantised types
int dtype_block(enum dtype t);    // elements per block; 1 for types that are not quantised
// Bytes of n consecutive elements; n is a multiple of dtype_block().
size_t dtype_bytes(enum dtype t, int64_t n);
const char *dtype_name(enum dtype t);   // "f32"
enum dtype
dtype_from_name(const char *name); // "f32", or safetensors' "F32"; DTYPE_NONE: none of these
// A type that dtype_quantised() names; DTYPE_NONE: unknown, or NULL.
enum dtype dtype_from_quantised(const char *name);
int dtype_is_float(enum dtype t);  // of single numbers, not of blocks
int dtype_is_packed(enum dtype t); // quantised
const char *dtype_compute(int i);  // the names of types that models compute in; NULL ends the list
const char *dtype_quantised(int i); // the names of types that weights can be quantised to: "q8_0"…

static inline float
bf16_to_f32(uint16_t h)
{
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

// Round to nearest even; NaN stays NaN.
static inline uint16_t
bf16_from_f32(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    uint32_t rounded = (u + 0x7FFFu + ((u >> 16) & 1u)) >> 16;
    uint32_t nan = (u >> 16) | 0x40u;
    return (uint16_t)((u & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

float f16_to_f32(uint16_t h);
uint16_t f16_from_f32(float f); // round to nearest even, overflow to infinity

// One element as double, of a base that need not be aligned; integers exactly up to 2^53.
double dtype_load(enum dtype t, const void *base, int64_t i);
void dtype_store(enum dtype t, void *base, int64_t i, double value); // integers: truncated, clamped

// Converts n elements; src and dst must not overlap unless they are equal and so are the sizes. For
// quantised types n is a multiple of dtype_block(); only f32 can be quantised, and only to the
// types of dtype_quantised().
void dtype_convert(enum dtype to, void *dst, enum dtype from, const void *src, int64_t n);

#endif
