// SPDX-License-Identifier: MIT
// Attention with f32 products, for any float type.
#include "engine/device/cpu/fast.h"

// Register tiles that fit into the instruction set's registers: MR*NZ sums, NZ vectors of B, one of
// A.
#if defined(__AVX512F__)
enum { KP = 1, VW = 16, MR = 8, NZ = 3 };
#elif defined(__AVX__)
enum { KP = 1, VW = 8, MR = 4, NZ = 3 };
#elif defined(__aarch64__)
enum { KP = 1, VW = 4, MR = 8, NZ = 3 };
#else
enum { KP = 1, VW = 4, MR = 4, NZ = 3 };
#endif

typedef float element;
typedef float word;
typedef float vec __attribute__((vector_size(4 * VW), may_alias));

INLINE vec
madd(vec sum, word a, vec b)
{
    return sum + a * b;
}

INLINE word
pair(element low, element high)
{
    (void)high;
    return low;
}

INLINE float
rounded(float x)
{
    return x;
}

INLINE const element *
elements(enum dtype t, const void *base, int64_t at, int64_t n, element *buffer)
{
    return fetch(t, base, at, n, buffer);
}

// Scores are used as operands as they are.
INLINE void
narrow_row(word *to, const float *from, int64_t n)
{
    (void)to, (void)from, (void)n;
}

INLINE void
narrow_pair(word *to, const float *from, int64_t n)
{
    (void)to, (void)from, (void)n;
}

#define ATTENTION_TAKES(v) is_fast((v).dtype)
#define ATTENTION_NAME "attention"
#include "engine/device/cpu/fast_attention.inc"
