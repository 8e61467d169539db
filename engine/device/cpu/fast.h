// SPDX-License-Identifier: MIT
// Helpers shared by the fast kernels. Private to fast_*.c.
//
// Every fast_*.c but fast.c is compiled once for each instruction set, named by FAST_ISA; the
// compiler vectorises. Kernels compute in f32 whatever the tensors hold: a tile of the sources is
// widened into a buffer on the stack that stays in the first-level cache, and the result is
// narrowed from there; f32 tensors are used in place. So one body serves f32, bf16 and f16.
#ifndef LIMN_ENGINE_DEVICE_CPU_FAST_H
#define LIMN_ENGINE_DEVICE_CPU_FAST_H

#include <string.h>
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#include "engine/base/mem.h"
#include "engine/device/cpu/cpu.h"
#include "engine/device/cpu/packed_rows.h"

#define FAST_JOIN(a, b)  a##_##b
#define FAST_JOIN2(a, b) FAST_JOIN(a, b)
#define FAST(name)       FAST_JOIN2(name, FAST_ISA) // name_v3
#define INLINE           static inline __attribute__((always_inline, unused))
#define SIMD             _Pragma("omp simd")

// The families of kernels for each instruction set.
#define FAST_FAMILIES(isa)                                                                         \
    void fast_add_elementwise_##isa(struct cpu_table *t);                                          \
    void fast_add_binary_##isa(struct cpu_table *t);                                               \
    void fast_add_reduce_##isa(struct cpu_table *t);                                               \
    void fast_add_group_norm_##isa(struct cpu_table *t);                                           \
    void fast_add_rows_##isa(struct cpu_table *t);                                                 \
    void fast_add_movement_##isa(struct cpu_table *t);                                             \
    void fast_add_picture_##isa(struct cpu_table *t);                                              \
    void fast_add_optimise_##isa(struct cpu_table *t);                                             \
    void fast_add_attention_##isa(struct cpu_table *t);                                            \
    void fast_add_transformer_##isa(struct cpu_table *t);                                          \
    void fast_add_packed_##isa(struct cpu_table *t);                                               \
    packed_rows_fn fast_unpack_##isa;
FAST_FAMILIES(baseline)
FAST_FAMILIES(v3)
FAST_FAMILIES(v4)
FAST_FAMILIES(bf16) // v4 with AVX512-BF16
void fast_add_attention_bf16_products(struct cpu_table *t);

// Elements per tile: a few buffers of this size fit in the first-level cache.
enum { TILE = 1024 };
// Bytes of a tensor below which another thread is not worth waking.
enum { FAST_GRAIN_BYTES = 1 << 16 };

INLINE bool
is_fast(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_BF16 || t == DTYPE_F16;
}

// Whether the node and all its sources are f32, bf16 or f16.
INLINE bool
all_fast(const struct node *n)
{
    bool fast = is_fast(n->dtype);
    for (int i = 0; i < n->source_count; i++)
        fast = fast && is_fast(n->source[i]->dtype);
    return fast;
}

INLINE float
float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

INLINE uint32_t
bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

// f16 to f32 without tables or branches, so that loops of it are vectorised. The exponent is
// rebased by a multiplication, which also handles subnormals.
INLINE float
widen_f16(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7FFFu) << 13;
    uint32_t finite = bits_of(float_of(magnitude) * 0x1p112f);
    uint32_t u = magnitude >= 0x0F800000u ? magnitude | 0x7F800000u : finite;
    return float_of(u | (uint32_t)(h & 0x8000u) << 16);
}

// Rounds to nearest even. For subnormal results the addition rounds: the last place of 0.5 + |f| is
// exactly that of an f16 subnormal.
INLINE uint16_t
narrow_f16(float f)
{
    uint32_t u = bits_of(f), magnitude = u & 0x7FFFFFFFu;
    uint32_t normal = (magnitude - 0x38000000u + 0xFFFu + (magnitude >> 13 & 1u)) >> 13;
    uint32_t small = bits_of(float_of(magnitude) + 0.5f) - 0x3F000000u;
    uint32_t large = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
    uint32_t h = magnitude < 0x38800000u ? small : normal;
    h = magnitude >= 0x47800000u ? large : h;
    return (uint16_t)(h | (u >> 16 & 0x8000u));
}

INLINE void
widen_bf16_row(float *restrict to, const uint16_t *restrict from, int64_t n)
{
    SIMD for (int64_t i = 0; i < n; i++)
        to[i] = bf16_to_f32(from[i]);
}

INLINE void
narrow_bf16_row(uint16_t *restrict to, const float *restrict from, int64_t n)
{
    int64_t done = 0;
#ifdef __AVX512BF16__ // the instruction rounds alike, but flushes subnormals to zero
    for (; done + 32 <= n; done += 32)
        _mm512_storeu_si512(to + done,
                            (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + done + 16),
                                                         _mm512_loadu_ps(from + done)));
#endif
    SIMD for (int64_t i = done; i < n; i++)
        to[i] = bf16_from_f32(from[i]);
}

// Elements [at, at+n) of a tensor as f32: in place, or widened into `buffer`.
static inline __attribute__((unused)) const float *
fetch(enum dtype t, const void *base, int64_t at, int64_t n, float *restrict buffer)
{
    if (t == DTYPE_F32)
        return (const float *)base + at;
    const uint16_t *from = (const uint16_t *)base + at;
    if (t == DTYPE_BF16) {
        widen_bf16_row(buffer, from, n);
    } else {
        SIMD for (int64_t i = 0; i < n; i++)
            buffer[i] = widen_f16(from[i]);
    }
    return buffer;
}

// Where to write elements [at, …) of a result before commit().
INLINE float *
target(enum dtype t, void *base, int64_t at, float *buffer)
{
    return t == DTYPE_F32 ? (float *)base + at : buffer;
}

// Narrows `from`, which target() gave, into the result; it may be any f32 row.
static inline __attribute__((unused)) void
commit(enum dtype t, void *base, int64_t at, int64_t n, const float *from)
{
    if (t == DTYPE_F32) {
        if (from != (float *)base + at)
            memcpy((float *)base + at, from, (size_t)n * sizeof *from);
        return;
    }
    uint16_t *to = (uint16_t *)base + at;
    if (t == DTYPE_BF16) {
        narrow_bf16_row(to, from, n);
    } else {
        SIMD for (int64_t i = 0; i < n; i++)
            to[i] = narrow_f16(from[i]);
    }
}

// Writes `times` copies of a row of n, side by side.
INLINE void
repeat_row(float *restrict wide, const float *restrict row, int64_t n, int64_t times)
{
    for (int64_t r = 0; r < times; r++)
        for (int64_t i = 0; i < n; i++)
            wide[r * n + i] = row[i];
}

// For work that needs memory of its own in each worker: prepare() calls reserve() with the bytes
// per worker; in the run, worker w of the workers() uses worker_memory(w).
INLINE size_t
aligned_bytes(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

INLINE bool
reserve(struct cpu_step *s, size_t bytes)
{
    s->scratch_size = (size_t)cpu_threads() * aligned_bytes(bytes);
    return true;
}

INLINE int
workers(const struct cpu_step *s, size_t bytes)
{
    return (int)(s->scratch_size / aligned_bytes(bytes));
}

INLINE void *
worker_memory(const struct cpu_step *s, size_t bytes, int64_t worker)
{
    return (char *)s->scratch + (size_t)worker * aligned_bytes(bytes);
}

// The least number of rows of `bytes` each that one thread should get.
INLINE int64_t
grain_of(int64_t bytes)
{
    return MAX(1, FAST_GRAIN_BYTES / MAX(bytes, 1));
}

#endif
