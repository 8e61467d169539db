// SPDX-License-Identifier: MIT
// Unpacks quantised weights: the types that are common in files in loops that are vectorised, the
// others by their definitions in engine/tensor/packed.c.
#include "engine/device/cpu/fast.h"
#include "engine/device/cpu/packed_rows.h"
#include "engine/tensor/packed.h"

typedef void block_fn(const uint8_t *restrict b, float *restrict out);

INLINE float
half_at(const uint8_t *b)
{
    return widen_f16((uint16_t)(b[0] | b[1] << 8));
}

static void
q8_0(const uint8_t *restrict b, float *restrict out)
{
    float d = half_at(b);
    const int8_t *q = (const int8_t *)b + 2;
    SIMD for (int i = 0; i < 32; i++)
        out[i] = d * (float)q[i];
}

static void
q4_0(const uint8_t *restrict b, float *restrict out)
{
    float d = half_at(b);
    const uint8_t *q = b + 2;
    SIMD for (int i = 0; i < 16; i++) {
        out[i] = d * (float)((q[i] & 15) - 8);
        out[i + 16] = d * (float)((q[i] >> 4) - 8);
    }
}

// Scale and minimum of part j of 8, as in engine/tensor/packed.c.
INLINE void
scale_and_min(const uint8_t *s, int j, float *scale, float *min)
{
    *scale = (float)(j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4);
    *min = (float)(j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4);
}

// high: the fifth bits of the weights; NULL: none.
INLINE void
k45(const uint8_t *restrict b, const uint8_t *restrict q, const uint8_t *restrict high,
    float *restrict out)
{
    float d = half_at(b), dmin = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
        float scale, min;
        scale_and_min(b + 4, j, &scale, &min);
        float by = d * scale, from = dmin * min;
        const uint8_t *at = q + j / 2 * 32;
        int shift = 4 * (j % 2);
        SIMD for (int i = 0; i < 32; i++) {
            int n = at[i] >> shift & 15;
            n |= high ? (high[i] >> j & 1) << 4 : 0;
            out[32 * j + i] = by * (float)n - from;
        }
    }
}

static void
q4_k(const uint8_t *restrict b, float *restrict out)
{
    k45(b, b + 16, NULL, out);
}

static void
q5_k(const uint8_t *restrict b, float *restrict out)
{
    k45(b, b + 48, b + 16, out);
}

static void
q6_k(const uint8_t *restrict b, float *restrict out)
{
    const int8_t *scales = (const int8_t *)b + 192;
    float d = half_at(b + 208);
    for (int k = 0; k < 16; k++) { // sixteen weights share a scale
        int part = k / 8, quarter = k / 2 % 4, first = k % 2 * 16;
        const uint8_t *low = b + part * 64 + quarter % 2 * 32 + first;
        const uint8_t *high = b + 128 + part * 32 + first;
        int shift = quarter < 2 ? 0 : 4, pair = 2 * quarter;
        float by = d * (float)scales[k];
        SIMD for (int i = 0; i < 16; i++) {
            int n = (low[i] >> shift & 15) | (high[i] >> pair & 3) << 4;
            out[16 * k + i] = by * (float)(n - 32);
        }
    }
}

static block_fn *
block_of(enum dtype t)
{
    switch ((int)t) {
    case DTYPE_Q8_0:
        return q8_0;
    case DTYPE_Q4_0:
        return q4_0;
    case DTYPE_Q4_K:
        return q4_k;
    case DTYPE_Q5_K:
        return q5_k;
    case DTYPE_Q6_K:
        return q6_k;
    default:
        return packed_type_of(t)->unpack;
    }
}

void
FAST(fast_unpack)(enum dtype to, void *dst, enum dtype from, const void *blocks, int64_t count)
{
    const struct packed_type *p = packed_type_of(from);
    block_fn *one = block_of(from);
    const uint8_t *b = blocks;
    float buffer[TILE];
    for (int64_t at = 0; at < count; at += TILE) {
        int64_t n = MIN(count - at, TILE);
        float *out = target(to, dst, at, buffer);
        for (int64_t i = 0; i < n; i += p->weights, b += p->bytes)
            one(b, out + i);
        commit(to, dst, at, n, out);
    }
}

void
FAST(fast_add_packed)(struct cpu_table *t)
{
    onednn_add_packed(t, FAST(fast_unpack));
}
