// SPDX-License-Identifier: MIT
// Attention with bf16 products (AVX512-BF16), summed in f32. Probabilities and score gradients are
// rounded to bf16 as operands, so results differ from the f32 kernel's by up to a unit in the last
// place of bf16; rows too short to average that out are left to it.
#include "engine/device/cpu/attention_rows.h"
#include "engine/device/cpu/fast.h"

enum { KP = 2, VW = 16, MR = 8, NZ = 3 };

typedef uint16_t element;
typedef uint32_t word __attribute__((may_alias));
typedef float vec __attribute__((vector_size(4 * VW), may_alias));

INLINE vec
madd(vec sum, word a, vec b)
{
    return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
}

INLINE word
pair(element low, element high)
{
    return (uint32_t)low | (uint32_t)high << 16;
}

// What is summed is what is multiplied.
INLINE float
rounded(float x)
{
    uint32_t u = bits_of(x);
    return float_of((u + 0x7FFFu + (u >> 16 & 1u)) & 0xFFFF0000u);
}

INLINE const element *
elements(enum dtype t, const void *base, int64_t at, int64_t n, element *buffer)
{
    (void)t, (void)n, (void)buffer;
    return (const element *)base + at;
}

INLINE void
narrow_row(word *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i += 32)
        if (i + 32 <= n)
            _mm512_storeu_si512(to + i / 2, (__m512i)_mm512_cvtne2ps_pbh(
                                                _mm512_loadu_ps(from + i + 16),
                                                _mm512_loadu_ps(from + i)));
        else
            _mm256_storeu_si256((__m256i *)(to + i / 2),
                                (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
}

// Two rows, element by element.
INLINE void
narrow_pair(word *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i += 16) {
        __m512i low = _mm512_cvtepu16_epi32(
            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + i)));
        __m512i high = _mm512_cvtepu16_epi32(
            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(from + n + i)));
        _mm512_storeu_si512(to + i, _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
}

#define ATTENTION_TAKES(v)                                                                         \
    ((v).dtype == DTYPE_BF16 && (v).width % 2 == 0 && (v).width >= 16 && (v).s >= 16)
#define ATTENTION_NAME "attention_bf16"
#include "engine/device/cpu/fast_attention.inc"

// --- Tiles between products of the library: attention_rows.h

static float
scaled_top(const struct attention_rows *r, float *s, const float *bias)
{
    float top = -__builtin_inff(), scale = r->scale;
    if (bias) {
#pragma omp simd reduction(max : top)
        for (int64_t j = 0; j < r->keys; j++) {
            s[j] = s[j] * scale + bias[j];
            top = s[j] > top ? s[j] : top;
        }
    } else {
#pragma omp simd reduction(max : top)
        for (int64_t j = 0; j < r->keys; j++) {
            s[j] *= scale;
            top = s[j] > top ? s[j] : top;
        }
    }
    return top;
}

static void
tile_weigh(const struct attention_rows *r, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *s = r->scores + i * r->keys, sum = 0;
        float top = scaled_top(r, s, r->bias ? r->bias + i * r->bias_pitch : NULL);
        top = r->top[i] > top ? r->top[i] : top;
#pragma omp simd reduction(+ : sum)
        for (int64_t j = 0; j < r->keys; j++) {
            s[j] = rounded(exp_softmax(s[j] - top));
            sum += s[j];
        }
        narrow_bf16_row(r->weights + i * r->keys, s, r->keys);
        r->keep[i] = exp_softmax(r->top[i] - top);
        r->total[i] = r->total[i] * r->keep[i] + sum;
        r->top[i] = top;
    }
}

static void
tile_add(float *sum, const float *more, const float *keep, int64_t width, int64_t first,
         int64_t last)
{
    for (int64_t i = first; i < last; i++)
        SIMD for (int64_t k = i * width; k < (i + 1) * width; k++)
            sum[k] = sum[k] * keep[i] + more[k];
}

static void
tile_finish(uint16_t *to, int64_t pitch, const float *sum, const float *total, int64_t width,
            int64_t first, int64_t last)
{
    float row[WIDTH_MAX];
    for (int64_t i = first; i < last; i++) {
        float scale = 1.0f / total[i];
        SIMD for (int64_t k = 0; k < width; k++)
            row[k] = sum[i * width + k] * scale;
        narrow_bf16_row(to + i * pitch, row, width);
    }
}

const struct attention_tile fast_attention_tile_bf16 = {tile_weigh, tile_add, tile_finish};
