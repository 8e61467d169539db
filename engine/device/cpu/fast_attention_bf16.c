// SPDX-License-Identifier: MIT
// Attention with bf16 products (AVX512-BF16), summed in f32. Probabilities and score gradients are
// rounded to bf16 as operands, so results differ from the f32 kernel's by up to a unit in the last
// place of bf16; that kernel takes rows with too few keys to average out the difference.
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

// Pairs of elements of two rows.
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

// Takes pairs of columns of sixteen rows at a time.
static void
tile_transpose(uint16_t *to, int64_t to_pitch, const uint16_t *from, int64_t pitch, int64_t rows,
               int64_t columns)
{
    const __m512i numbers = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i places = _mm512_mullo_epi32(numbers, _mm512_set1_epi32((int)pitch));
    for (int64_t j = 0; j < rows; j += 16) {
        __mmask16 some = rows - j < 16 ? (__mmask16)((1u << (rows - j)) - 1) : (__mmask16)0xFFFF;
        for (int64_t d = 0; d < columns; d += 2) {
            __m512i pairs = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), some, places,
                                                        from + j * pitch + d, 2);
            _mm512_mask_cvtepi32_storeu_epi16(to + d * to_pitch + j, some, pairs);
            _mm512_mask_cvtepi32_storeu_epi16(to + (d + 1) * to_pitch + j, some,
                                              _mm512_srli_epi32(pairs, 16));
        }
    }
}

// The largest of a row's scores, scaled and with the bias. If there is a bias, s becomes these
// scores.
static float
row_top(const struct attention_rows *r, float *s, const float *bias)
{
    float top = -__builtin_inff(), scale = r->scale;
    if (bias) {
#pragma omp simd reduction(max : top)
        for (int64_t j = 0; j < r->keys; j++) {
            s[j] = s[j] * scale + bias[j];
            top = s[j] > top ? s[j] : top;
        }
        return top;
    }
#pragma omp simd reduction(max : top)
    for (int64_t j = 0; j < r->keys; j++)
        top = s[j] > top ? s[j] : top;
    return top * scale; // scale > 0
}

// exp_softmax() of sixteen: an instruction applies 2^n, and x below -87 is not clamped but masked.
INLINE __m512
exp_softmax_16(__m512 x)
{
    __mmask16 kept = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.0f), _CMP_NLT_UQ);
    __m512 shift = _mm512_set1_ps(12582912.0f);
    __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(1.44269504f), shift), shift);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(2.12194440e-4f), r);
    __m512 p = _mm512_set1_ps(1.3836804e-3f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(8.3748458e-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.1668228e-2f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.6666420e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(4.9999992e-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.0f));
    return _mm512_maskz_scalef_ps(kept, p, n);
}

// exp(s scale - top); the product is rounded by itself.
INLINE __m512
weight_16(__m512 s, float scale, float top)
{
    __m512 x = _mm512_mul_ps(s, _mm512_set1_ps(scale));
    __asm__("" : "+v"(x)); // not one multiply-add
    return exp_softmax_16(_mm512_sub_ps(x, _mm512_set1_ps(top)));
}

// Writes a row's weights as operands, with zeros up to a multiple of 32, and returns the sum of the
// rounded weights. A pair in a word is widened by a shift and by a mask.
static float
row_weights(const float *s, uint16_t *to, int64_t n, float scale, float top)
{
    __m512 low = _mm512_setzero_ps(), high = low;
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000u);
    for (int64_t j = 0; j < n; j += 32) {
        __mmask32 some = n - j < 32 ? (__mmask32)((1u << (n - j)) - 1) : (__mmask32)~0u;
        __m512 a = weight_16(_mm512_maskz_loadu_ps((__mmask16)some, s + j), scale, top);
        __m512 b = weight_16(_mm512_maskz_loadu_ps((__mmask16)(some >> 16), s + j + 16), scale,
                             top);
        __m512i pairs = _mm512_maskz_mov_epi16(some, (__m512i)_mm512_cvtne2ps_pbh(b, a));
        _mm512_storeu_si512(to + j, pairs);
        low = _mm512_add_ps(low, _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)));
        high = _mm512_add_ps(high, _mm512_castsi512_ps(_mm512_and_si512(pairs, upper)));
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(low, high));
}

// Zeros after the last key, from the next multiple of 32 on.
INLINE void
clear_rest(uint16_t *row, int64_t keys, int64_t pitch)
{
    for (int64_t j = (keys + 31) / 32 * 32; j < pitch; j += 32)
        _mm512_storeu_si512(row + j, _mm512_setzero_si512());
}

static void
tile_weigh(const struct attention_rows *r, int64_t first, int64_t last)
{
    for (int64_t i = first; i < last; i++) {
        float *s = r->scores + i * r->pitch;
        uint16_t *weights = r->weights + i * r->pitch;
        const float *bias = r->bias ? r->bias + i * r->bias_pitch : NULL;
        float top = row_top(r, s, bias);
        top = r->top[i] > top ? r->top[i] : top;
        float sum = row_weights(s, weights, r->keys, bias ? 1 : r->scale, top);
        clear_rest(weights, r->keys, r->pitch);
        r->keep[i] = exp_softmax(r->top[i] - top);
        r->total[i] = r->total[i] * r->keep[i] + sum;
        r->top[i] = top;
    }
}

// Turns scores into exp(score - top). Returns their sum, and in *dot their dot product with dp.
static float
row_exponentials(float *s, const float *dp, int64_t n, float scale, float top, float *dot)
{
    __m512 sum = _mm512_setzero_ps(), product = sum;
    for (int64_t j = 0; j < n; j += 16) {
        __mmask16 some = n - j < 16 ? (__mmask16)((1u << (n - j)) - 1) : (__mmask16)0xFFFF;
        __m512 e = weight_16(_mm512_maskz_loadu_ps(some, s + j), scale, top);
        _mm512_mask_storeu_ps(s + j, some, e);
        sum = _mm512_mask_add_ps(sum, some, sum, e);
        product = _mm512_mask3_fmadd_ps(e, _mm512_maskz_loadu_ps(some, dp + j), product, some);
    }
    *dot = _mm512_reduce_add_ps(product);
    return _mm512_reduce_add_ps(sum);
}

// Sixteen weights and score gradients of a row, zeros where there are no keys. factors: 1/sum,
// dot/sum, scale.
INLINE void
row_gradients(const float *s, const float *dp, uint16_t *weights, uint16_t *ds, __mmask16 some,
              const float factors[3])
{
    __m512 p = _mm512_mul_ps(_mm512_maskz_loadu_ps(some, s), _mm512_set1_ps(factors[0]));
    __m512 d = _mm512_maskz_sub_ps(some, _mm512_maskz_loadu_ps(some, dp),
                                   _mm512_set1_ps(factors[1]));
    d = _mm512_mul_ps(_mm512_mul_ps(p, d), _mm512_set1_ps(factors[2]));
    _mm256_storeu_si256((__m256i *)weights, (__m256i)_mm512_cvtneps_pbh(p));
    _mm256_storeu_si256((__m256i *)ds, (__m256i)_mm512_cvtneps_pbh(d));
}

static void
tile_weigh_back(const struct attention_rows *r, const float *dp, uint16_t *ds, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        int64_t n = r->keys, at = i * r->pitch;
        float *s = r->scores + at, dot;
        const float *bias = r->bias ? r->bias + i * r->bias_pitch : NULL;
        float top = row_top(r, s, bias);
        float sum = row_exponentials(s, dp + at, n, bias ? 1 : r->scale, top, &dot);
        const float factors[] = {1 / sum, dot / sum, r->scale};
        for (int64_t j = 0; j < r->pitch; j += 16) {
            __mmask16 some = n - j >= 16 ? (__mmask16)0xFFFF
                             : n > j     ? (__mmask16)((1u << (n - j)) - 1)
                                         : (__mmask16)0;
            row_gradients(s + j, dp + at + j, r->weights + at + j, ds + at + j, some, factors);
        }
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

const struct attention_tile fast_attention_tile_bf16 = {tile_transpose, tile_weigh, tile_weigh_back,
                                                          tile_add, tile_finish};
