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

static void
store_half(unsigned char *p, float f)
{
    uint16_t h = f16_from_f32(f);
    p[0] = (unsigned char)h;
    p[1] = (unsigned char)(h >> 8);
}

// Without end or no number: a stranger's weights are brought into blocks, too.
static float
clamp(float v, float low, float high)
{
    return v >= high ? high : v >= low ? v : low;
}

static void
pack_q8_0(const float *in, unsigned char *b)
{
    float most = 0;
    for (int i = 0; i < 32; i++)
        most = MAX(most, fabsf(in[i]));
    float d = most / 127, by = d > 0 ? 1 / d : 0;
    store_half(b, d);
    for (int i = 0; i < 32; i++)
        b[2 + i] = (unsigned char)(int8_t)roundf(clamp(in[i] * by, -127, 127));
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

// The largest weight becomes -8, so that the side which has one number more is its.
static void
pack_q4_0(const float *in, unsigned char *b)
{
    float most = 0;
    for (int i = 0; i < 32; i++)
        most = fabsf(in[i]) > fabsf(most) ? in[i] : most;
    float d = most / -8, by = d != 0 ? 1 / d : 0;
    store_half(b, d);
    for (int i = 0; i < 16; i++) {
        int low = (int)clamp(in[i] * by + 8.5f, 0, 15);
        int high = (int)clamp(in[i + 16] * by + 8.5f, 0, 15);
        b[2 + i] = (unsigned char)(low | high << 4);
    }
}

static void
unpack_q4_1(const unsigned char *b, float *out)
{
    float d = half(b), min = half(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)nibble(b + 4, NULL, i) + min;
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
    float d = half(b), min = half(b + 2);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)nibble(b + 8, b + 4, i) + min;
}

// Scale and minimum of part j of 8: six bits each, packed in twelve bytes.
static void
scale_and_min(const unsigned char *s, int j, int *scale, int *min)
{
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *min = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

// Q4_K and, with a fifth bit, Q5_K: eight parts of 32 weights.
static void
unpack_k45(const unsigned char *b, const unsigned char *q, const unsigned char *high, float *out)
{
    float d = half(b), dmin = half(b + 2);
    for (int j = 0; j < 8; j++) {
        int scale, min;
        scale_and_min(b + 4, j, &scale, &min);
        float by = d * (float)scale, from = dmin * (float)min;
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
    float d = half(b + 80), dmin = half(b + 82);
    for (int i = 0; i < 256; i++) {
        int n = q[i / 128 * 32 + i % 32] >> 2 * (i / 32 % 4) & 3, s = scales[i / 16];
        out[i] = d * (float)(s & 15) * (float)n - dmin * (float)(s >> 4);
    }
}

// Four bits that name one of sixteen numbers, closer to each other near 0.
static const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

static void
unpack_iq4_nl(const unsigned char *b, float *out)
{
    float d = half(b);
    for (int i = 0; i < 32; i++)
        out[i] = d * (float)iq4_values[nibble(b + 2, NULL, i)];
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
            out[j * 32 + i] = by * (float)iq4_values[nibble(q + 16 * j, NULL, i)];
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
    {"Q4_0", 2, DTYPE_Q4_0, 32, 18, unpack_q4_0, pack_q4_0},
    {"Q4_1", 3, DTYPE_Q4_1, 32, 20, unpack_q4_1, NULL},
    {"Q5_0", 6, DTYPE_Q5_0, 32, 22, unpack_q5_0, NULL},
    {"Q5_1", 7, DTYPE_Q5_1, 32, 24, unpack_q5_1, NULL},
    {"Q8_0", 8, DTYPE_Q8_0, 32, 34, unpack_q8_0, pack_q8_0},
    {"Q2_K", 10, DTYPE_Q2_K, 256, 84, unpack_q2_k, NULL},
    {"Q3_K", 11, DTYPE_Q3_K, 256, 110, unpack_q3_k, NULL},
    {"Q4_K", 12, DTYPE_Q4_K, 256, 144, unpack_q4_k, NULL},
    {"Q5_K", 13, DTYPE_Q5_K, 256, 176, unpack_q5_k, NULL},
    {"Q6_K", 14, DTYPE_Q6_K, 256, 210, unpack_q6_k, NULL},
    {"IQ4_NL", 20, DTYPE_IQ4_NL, 32, 18, unpack_iq4_nl, NULL},
    {"IQ4_XS", 23, DTYPE_IQ4_XS, 256, 136, unpack_iq4_xs, NULL},
    {"F8_E4M3", PACKED_NO_NUMBER, DTYPE_NONE, 1, 1, unpack_e4m3, NULL},
    {"F8_E5M2", PACKED_NO_NUMBER, DTYPE_NONE, 1, 1, unpack_e5m2, NULL},
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

const struct packed_type *
packed_type_of(enum dtype t)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].dtype == t && t != DTYPE_NONE)
            return &types[i];
    unreachable_here();
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

float
packed_load(const struct packed_type *t, const void *data, int64_t i)
{
    float block[PACKED_WEIGHTS_MAX];
    t->unpack((const unsigned char *)data + i / t->weights * t->bytes, block);
    return block[i % t->weights];
}

void
packed_pack(const struct packed_type *t, const float *in, int64_t count, void *out)
{
    require(t->pack && count % t->weights == 0);
    for (int64_t i = 0; i < count / t->weights; i++)
        t->pack(in + i * t->weights, (unsigned char *)out + i * t->bytes);
}
