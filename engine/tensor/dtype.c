// SPDX-License-Identifier: MIT
#include "engine/tensor/dtype.h"

#include <math.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/tensor/packed.h"

static const struct {
    const char *name, *upper;
    size_t size;
} types[DTYPE_COUNT] = {
    [DTYPE_NONE] = {"none", "NONE", 0}, [DTYPE_F64] = {"f64", "F64", 8},
    [DTYPE_F32] = {"f32", "F32", 4},    [DTYPE_F16] = {"f16", "F16", 2},
    [DTYPE_BF16] = {"bf16", "BF16", 2}, [DTYPE_I64] = {"i64", "I64", 8},
    [DTYPE_I32] = {"i32", "I32", 4},    [DTYPE_U8] = {"u8", "U8", 1},
    [DTYPE_Q4_0] = {"q4_0", "", 0},     [DTYPE_Q4_1] = {"q4_1", "", 0},
    [DTYPE_Q5_0] = {"q5_0", "", 0},     [DTYPE_Q5_1] = {"q5_1", "", 0},
    [DTYPE_Q8_0] = {"q8_0", "", 0},     [DTYPE_Q2_K] = {"q2_k", "", 0},
    [DTYPE_Q3_K] = {"q3_k", "", 0},     [DTYPE_Q4_K] = {"q4_k", "", 0},
    [DTYPE_Q5_K] = {"q5_k", "", 0},     [DTYPE_Q6_K] = {"q6_k", "", 0},
    [DTYPE_IQ4_NL] = {"iq4_nl", "", 0}, [DTYPE_IQ4_XS] = {"iq4_xs", "", 0},
};

size_t
dtype_size(enum dtype t)
{
    return types[t].size;
}

int
dtype_is_packed(enum dtype t)
{
    return t >= DTYPE_Q4_0 && t < DTYPE_COUNT;
}

int
dtype_block(enum dtype t)
{
    return dtype_is_packed(t) ? packed_type_of(t)->weights : 1;
}

size_t
dtype_bytes(enum dtype t, int64_t n)
{
    if (!dtype_is_packed(t))
        return (size_t)n * dtype_size(t);
    const struct packed_type *p = packed_type_of(t);
    require(n % p->weights == 0);
    return (size_t)(n / p->weights) * (size_t)p->bytes;
}

const char *
dtype_name(enum dtype t)
{
    return types[t].name;
}

const char *
dtype_compute(int i)
{
    static const enum dtype computing[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    return i < (int)(sizeof computing / sizeof *computing) ? dtype_name(computing[i]) : NULL;
}

static const enum dtype quantised[] = {DTYPE_Q8_0, DTYPE_Q4_0};

const char *
dtype_quantised(int i)
{
    return i < (int)COUNT_OF(quantised) ? dtype_name(quantised[i]) : NULL;
}

enum dtype
dtype_from_quantised(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(quantised); i++)
        if (name && strcmp(name, dtype_name(quantised[i])) == 0)
            return quantised[i];
    return DTYPE_NONE;
}

enum dtype
dtype_from_name(const char *name)
{
    for (int t = DTYPE_F64; t <= DTYPE_U8; t++)
        if (strcmp(name, types[t].name) == 0 || strcmp(name, types[t].upper) == 0)
            return (enum dtype)t;
    return DTYPE_NONE;
}

int
dtype_is_float(enum dtype t)
{
    return t == DTYPE_F64 || t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

float
f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u,
             mantissa = h & 0x3FFu;
    uint32_t u;
    if (exponent == 31) {
        u = sign | 0x7F800000u | mantissa << 13;
    } else if (exponent) {
        u = sign | (exponent + 112) << 23 | mantissa << 13;
    } else {
        float f = (float)mantissa * 0x1p-24f;
        memcpy(&u, &f, 4);
        u |= sign;
    }
    float f;
    memcpy(&f, &u, 4);
    return f;
}

uint16_t
f16_from_f32(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000u);
    float magnitude = fabsf(f);
    if (isnan(f))
        return sign | 0x7E00u;
    if (magnitude >= 65520.0f)
        return sign | 0x7C00u;
    if (magnitude < 0x1p-14f) // subnormal: a multiple of 2^-24
        return sign | (uint16_t)rintf(magnitude * 0x1p24f);
    memcpy(&u, &magnitude, 4);
    u += 0xFFFu + ((u >> 13) & 1u);
    return sign | (uint16_t)((u >> 13) - (112u << 10));
}

double
dtype_load(enum dtype t, const void *base, int64_t i)
{
    if (dtype_is_packed(t))
        return packed_load(packed_type_of(t), base, i);
    union {
        double f64;
        float f32;
        uint16_t bits16;
        int64_t i64;
        int32_t i32;
        uint8_t u8;
    } v;
    size_t size = dtype_size(t);
    memcpy(&v, (const char *)base + (size_t)i * size, size);
    switch ((int)t) {
    case DTYPE_F64:
        return v.f64;
    case DTYPE_F32:
        return v.f32;
    case DTYPE_F16:
        return f16_to_f32(v.bits16);
    case DTYPE_BF16:
        return bf16_to_f32(v.bits16);
    case DTYPE_I64:
        return (double)v.i64;
    case DTYPE_I32:
        return v.i32;
    case DTYPE_U8:
        return v.u8;
    default:
        break;
    }
    unreachable_here();
}

static double
clamp_integer(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v == v ? trunc(v) : 0;
}

void
dtype_store(enum dtype t, void *base, int64_t i, double value)
{
    switch ((int)t) {
    case DTYPE_F64:
        ((double *)base)[i] = value;
        return;
    case DTYPE_F32:
        ((float *)base)[i] = (float)value;
        return;
    case DTYPE_F16:
        ((uint16_t *)base)[i] = f16_from_f32((float)value);
        return;
    case DTYPE_BF16:
        ((uint16_t *)base)[i] = bf16_from_f32((float)value);
        return;
    case DTYPE_I64:
        ((int64_t *)base)[i] = (int64_t)clamp_integer(value, -0x1p62, 0x1p62);
        return;
    case DTYPE_I32:
        ((int32_t *)base)[i] = (int32_t)clamp_integer(value, INT32_MIN, INT32_MAX);
        return;
    case DTYPE_U8:
        ((uint8_t *)base)[i] = (uint8_t)clamp_integer(value, 0, 255);
        return;
    default: // a block is not stored a number at a time
        break;
    }
    unreachable_here();
}

// As f16_to_f32(), without a branch, so that a compiler can take several at once: the power of two
// moves the exponent, and makes subnormal numbers normal.
static void
widen_f16(float *dst, const uint16_t *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t h = src[i], bits = (h & 0x7FFFu) << 13, u;
        float f;
        memcpy(&f, &bits, 4);
        f *= 0x1p112f;
        memcpy(&u, &f, 4);
        u |= (h & 0x8000u) << 16 | ((h & 0x7C00u) == 0x7C00u ? 0x7F800000u : 0);
        memcpy(&dst[i], &u, 4);
    }
}

static void
f16_to_bf16(uint16_t *dst, const uint16_t *src, int64_t n)
{
    enum { SOME = 256 };
    float wide[SOME];
    for (int64_t at = 0; at < n; at += SOME) {
        int64_t count = MIN(n - at, SOME);
        widen_f16(wide, src + at, count);
        for (int64_t i = 0; i < count; i++)
            dst[at + i] = bf16_from_f32(wide[i]);
    }
}

void
dtype_convert(enum dtype to, void *dst, enum dtype from, const void *src, int64_t n)
{
    if (to == from) {
        memmove(dst, src, dtype_bytes(to, n));
    } else if (to == DTYPE_F32 && dtype_is_packed(from)) {
        packed_unpack(packed_type_of(from), src, 0, n, dst);
    } else if (dtype_is_packed(to)) {
        require(from == DTYPE_F32);
        packed_pack(packed_type_of(to), src, n, dst);
    } else if (to == DTYPE_F32 && from == DTYPE_BF16) {
        for (int64_t i = 0; i < n; i++)
            ((float *)dst)[i] = bf16_to_f32(((const uint16_t *)src)[i]);
    } else if (to == DTYPE_F32 && from == DTYPE_F16) {
        widen_f16(dst, src, n);
    } else if (to == DTYPE_BF16 && from == DTYPE_F16) {
        f16_to_bf16(dst, src, n);
    } else if (to == DTYPE_BF16 && from == DTYPE_F32) {
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)dst)[i] = bf16_from_f32(((const float *)src)[i]);
    } else {
        for (int64_t i = 0; i < n; i++)
            dtype_store(to, dst, i, dtype_load(from, src, i));
    }
}
