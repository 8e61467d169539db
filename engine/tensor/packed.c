// SPDX-License-Identifier: MIT
// The blocks of ggml (ggml-common.h says how they lie) and OCP's numbers of 8 bits. Sums are in the
// order of the reference's, so that results are the same to the bit.
#include "engine/tensor/packed.h"

#include <math.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/tensor/dtype.h"

// f16 at two bytes.
static float
half(const unsigned char *p)
{
    uint16_t h = (uint16_t)(p[0] | p[1] << 8);
    return (float)dtype_load(DTYPE_F16, &h, 0);
}

static void
unpack_q8_0(const unsigned char *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(int8_t)b[2 + i];
}

// Four bits of weight i of 32: low halves first, then high ones; perhaps a fifth bit of `high`.
static int
nibble(const unsigned char *q, const unsigned char *high, int i)
{
    int n = i < 16 ? q[i] & 15 : q[i - 16] >> 4;
    return high ? n | (high[i / 8] >> i % 8 & 1) << 4 : n;
}

static void
unpack_q4_0(const unsigned char *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(nibble(b + 2, NULL, i) - 8);
}

static void
unpack_q4_1(const unsigned char *b, float *out)
{
    float d = half(b), least = half(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)nibble(b + 4, NULL, i) + least;
}

static void
unpack_q5_0(const unsigned char *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)(nibble(b + 6, b + 2, i) - 16);
}

static void
unpack_q5_1(const unsigned char *b, float *out)
{
    float d = half(b), least = half(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)nibble(b + 8, b + 4, i) + least;
}

// Scale and minimum of part j of 8: six bits each, packed in twelve bytes.
static void
scale_and_least(const unsigned char *s, int j, int *scale, int *least)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *least = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *least = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

// Q4_K and, with a fifth bit, Q5_K: eight parts of 32 weights.
static void
unpack_k45(const unsigned char *b, const unsigned char *q, const unsigned char *high, float *out)
{
    float d = half(b), d_least = half(b + 2);
    for (int j = 0; j < 8; j++) {
        int scale, least;
        scale_and_least(b + 4, j, &scale, &least);
        float by = d * (float)scale, from = d_least * (float)least;
        for (int i = 0; i < 32; i++) {
            int byte = q[j / 2 * 32 + i], n = j % 2 ? byte >> 4 : byte & 15;
            if (high)
                n |= (high[i] >> j & 1) << 4;
            out[j * 32 + i] = by * (float)n - from;
        }
    }
}

static void
unpack_q4_k(const unsigned char *b, float *out)
{
    unpack_k45(b, b + 16, NULL, out);
}

static void
unpack_q5_k(const unsigned char *b, float *out)
{
    unpack_k45(b, b + 48, b + 16, out);
}

// Two halves of 128 weights, each four quarters of 32: low four bits, then two high ones.
static void
unpack_q6_k(const unsigned char *b, float *out)
{
    const unsigned char *low = b, *high = b + 128, *scales = b + 192;
    float d = half(b + 208);
    for (int i = 0; i < 256; i++) {
        int part = i / 128, quarter = i / 32 % 4, k = i % 32;
        int byte = low[part * 64 + quarter % 2 * 32 + k];
        int n = quarter < 2 ? byte & 15 : byte >> 4;
        n |= (high[part * 32 + k] >> 2 * quarter & 3) << 4;
        out[i] = d * (float)(int8_t)scales[i / 16] * (float)(n - 32);
    }
}

static int
q3_scale(const unsigned char *s, int j)
{
    int low = j < 8 ? s[j] & 15 : s[j - 8] >> 4;
    return (low | (s[8 + j % 4] >> 2 * (j / 4) & 3) << 4) - 32;
}

static void
unpack_q3_k(const unsigned char *b, float *out)
{
    const unsigned char *mask = b, *q = b + 32;
    float d = half(b + 108);
    for (int i = 0; i < 256; i++) {
        int part = i / 128, quarter = i / 32 % 4, k = i % 32;
        int n = q[part * 32 + k] >> 2 * quarter & 3;
        n -= mask[k] >> (part * 4 + quarter) & 1 ? 0 : 4;
        out[i] = d * (float)q3_scale(b + 96, i / 16) * (float)n;
    }
}

static void
unpack_q2_k(const unsigned char *b, float *out)
{
    const unsigned char *scales = b, *q = b + 16;
    float d = half(b + 80), d_least = half(b + 82);
    for (int i = 0; i < 256; i++) {
        int n = q[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3, s = scales[i / 16];
        out[i] = d * (float)(s & 15) * (float)n - d_least * (float)(s >> 4);
    }
}

// Four bits that name one of sixteen numbers, closer to each other near 0.
static const int8_t uneven[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

static void
unpack_iq4_nl(const unsigned char *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)uneven[nibble(b + 2, NULL, i)];
}

// Eight parts of 32 weights, with a scale of six bits each: four in `low`, two in `high`.
static void
unpack_iq4_xs(const unsigned char *b, float *out)
{
    const unsigned char *low = b + 4, *q = b + 8;
    unsigned high = (unsigned)(b[2] | b[3] << 8);
    float d = half(b);
    for (int j = 0; j < 8; j++) {
        int scale = (low[j / 2] >> 4 * (j % 2) & 15) | (int)(high >> 2 * j & 3) << 4;
        float by = d * (float)(scale - 32);
        for (int i = 0; i < 32; i++)
            out[j * 32 + i] = by * (float)uneven[nibble(q + 16 * j, NULL, i)];
    }
}

static float
from_e4m3(unsigned char b)
{
    int e = b >> 3 & 15, m = b & 7;
    float v = e == 15 && m == 7 ? NAN : e ? ldexpf((float)(8 + m), e - 10) : ldexpf((float)m, -9);
    return b & 0x80 ? -v : v;
}

static void
unpack_e4m3(const unsigned char *b, float *out)
{
    *out = from_e4m3(*b);
}

// The upper byte of an f16.
static void
unpack_e5m2(const unsigned char *b, float *out)
{
    *out = half((const unsigned char[]){0, *b});
}

static const struct packed_type types[] = {
    {"Q4_0", 2, 32, 18, unpack_q4_0},
    {"Q4_1", 3, 32, 20, unpack_q4_1},
    {"Q5_0", 6, 32, 22, unpack_q5_0},
    {"Q5_1", 7, 32, 24, unpack_q5_1},
    {"Q8_0", 8, 32, 34, unpack_q8_0},
    {"Q2_K", 10, 256, 84, unpack_q2_k},
    {"Q3_K", 11, 256, 110, unpack_q3_k},
    {"Q4_K", 12, 256, 144, unpack_q4_k},
    {"Q5_K", 13, 256, 176, unpack_q5_k},
    {"Q6_K", 14, 256, 210, unpack_q6_k},
    {"IQ4_NL", 20, 32, 18, unpack_iq4_nl},
    {"IQ4_XS", 23, 256, 136, unpack_iq4_xs},
    {"F8_E4M3", PACKED_NO_NUMBER, 1, 1, unpack_e4m3},
    {"F8_E5M2", PACKED_NO_NUMBER, 1, 1, unpack_e5m2},
};

const struct packed_type *
packed_type_named(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

const struct packed_type *
packed_type_numbered(uint32_t number)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].number == number && number != PACKED_NO_NUMBER)
            return &types[i];
    return NULL;
}

void
packed_unpack(const struct packed_type *t, const void *data, int64_t first, int64_t count,
              float *out)
{
    require(first % t->weights == 0 && count % t->weights == 0);
    const unsigned char *block = (const unsigned char *)data + first / t->weights * t->bytes;
    for (int64_t i = 0; i < count; i += t->weights, block += t->bytes)
        t->unpack(block, out + i);
}
