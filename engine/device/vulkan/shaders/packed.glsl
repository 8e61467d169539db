// SPDX-License-Identifier: MIT
// Weights in blocks that share a scale, as engine/tensor/packed.c defines them, one at a time.
// PACKED says which halves they are in (h1, h2); `first` is a tensor's first half word, i a weight
// of it. What a block's weights have in common is the same expression for each, which compilers
// work out once.

// enum dtype of engine/tensor/dtype.h
const uint Q4_0 = 8, Q4_1 = 9, Q5_0 = 10, Q5_1 = 11, Q8_0 = 12, Q2_K = 13, Q3_K = 14, Q4_K = 15,
           Q5_K = 16, Q6_K = 17, IQ4_NL = 18, IQ4_XS = 19;

uint half_word(uint at) { return uint(PACKED[at]); }
float half_at(uint at) { return from_f16(half_word(at)); }
// Byte i of what starts at a half word.
uint byte_at(uint at, uint i) { return half_word(at + i / 2) >> 8 * (i % 2) & 255u; }
float signed_at(uint at, uint i) { return float(bitfieldExtract(int(byte_at(at, i)), 0, 8)); }
// Four bits of weight i of 32: low halves first.
uint nibble(uint at, uint i) { return byte_at(at, i % 16) >> 4 * (i / 16) & 15u; }
uint fifth(uint at, uint i) { return half_word(at + i / 16) >> i % 16 & 1u; }

// Sixteen numbers of 8 bits, four in a word.
float uneven(uint n)
{
    const uint table[4] = uint[4](0xBFAD9881u, 0xF6EADDCFu, 0x26190D01u, 0x71594535u);
    return float(bitfieldExtract(int(table[n / 4]), int(8 * (n % 4)), 8));
}

// Blocks of 32.
float small_weight(uint form, uint at, uint i)
{
    float d = half_at(at);
    if (form == Q8_0)
        return d * signed_at(at + 1, i);
    if (form == Q4_0)
        return d * (float(nibble(at + 1, i)) - 8.0);
    if (form == IQ4_NL)
        return d * uneven(nibble(at + 1, i));
    if (form == Q4_1)
        return d * float(nibble(at + 2, i)) + half_at(at + 1);
    if (form == Q5_0)
        return d * (float(nibble(at + 3, i) | fifth(at + 1, i) << 4) - 16.0);
    return d * float(nibble(at + 4, i) | fifth(at + 2, i) << 4) + half_at(at + 1); // Q5_1
}

// Q4_K and Q5_K: scale and minimum of part j of 8 in twelve bytes.
vec2 scale_and_least(uint at, uint j)
{
    if (j < 4)
        return vec2(byte_at(at, j) & 63u, byte_at(at, j + 4) & 63u);
    uint low = byte_at(at, j + 4);
    return vec2((low & 15u) | byte_at(at, j - 4) >> 6 << 4, low >> 4 | byte_at(at, j) >> 6 << 4);
}

float k45_weight(uint form, uint at, uint i)
{
    uint j = i / 32, k = i % 32, q = form == Q5_K ? at + 24 : at + 8;
    uint n = byte_at(q, j / 2 * 32 + k) >> 4 * (j % 2) & 15u;
    if (form == Q5_K)
        n |= (byte_at(at + 8, k) >> j & 1u) << 4;
    vec2 s = scale_and_least(at + 2, j);
    return half_at(at) * s.x * float(n) - half_at(at + 1) * s.y;
}

float q6_weight(uint at, uint i)
{
    uint part = i / 128, quarter = i / 32 % 4, k = i % 32;
    uint n = byte_at(at, part * 64 + quarter % 2 * 32 + k) >> 4 * (quarter / 2) & 15u;
    n |= (byte_at(at + 64, part * 32 + k) >> 2 * quarter & 3u) << 4;
    return half_at(at + 104) * signed_at(at + 96, i / 16) * (float(n) - 32.0);
}

float q3_weight(uint at, uint i)
{
    uint part = i / 128, quarter = i / 32 % 4, k = i % 32, j = i / 16;
    int n = int(byte_at(at + 16, part * 32 + k) >> 2 * quarter & 3u);
    n -= (byte_at(at, k) >> part * 4 + quarter & 1u) != 0 ? 0 : 4;
    uint low = byte_at(at + 48, j % 8) >> 4 * (j / 8) & 15u;
    uint scale = low | (byte_at(at + 52, j % 4) >> 2 * (j / 4) & 3u) << 4;
    return half_at(at + 54) * (float(scale) - 32.0) * float(n);
}

float q2_weight(uint at, uint i)
{
    uint n = byte_at(at + 8, i / 128 * 32 + i % 32) >> 2 * (i / 32 % 4) & 3u;
    uint s = byte_at(at, i / 16);
    return half_at(at + 40) * float(s & 15u) * float(n) - half_at(at + 41) * float(s >> 4);
}

float iq4_xs_weight(uint at, uint i)
{
    uint j = i / 32;
    uint scale = byte_at(at + 2, j / 2) >> 4 * (j % 2) & 15u |
                 (half_word(at + 1) >> 2 * j & 3u) << 4;
    return half_at(at) * (float(scale) - 32.0) * uneven(nibble(at + 4 + 8 * j, i % 32));
}

// Half words of a block.
uint block_size(uint form)
{
    return form == Q8_0                      ? 17u
           : form == Q4_0 || form == IQ4_NL ? 9u
           : form == Q4_1                    ? 10u
           : form == Q5_0                    ? 11u
           : form == Q5_1                    ? 12u
           : form == Q2_K                    ? 42u
           : form == Q3_K                    ? 55u
           : form == Q4_K                    ? 72u
           : form == Q5_K                    ? 88u
           : form == Q6_K                    ? 105u
                                             : 68u; // IQ4_XS
}

float packed_weight(uint form, uint first, uint i)
{
    bool small = form <= Q8_0 || form == IQ4_NL;
    uint size = small ? 32 : 256, at = first + i / size * block_size(form);
    i %= size;
    if (small)
        return small_weight(form, at, i);
    if (form == Q4_K || form == Q5_K)
        return k45_weight(form, at, i);
    if (form == Q6_K)
        return q6_weight(at, i);
    if (form == Q3_K)
        return q3_weight(at, i);
    return form == Q2_K ? q2_weight(at, i) : iq4_xs_weight(at, i);
}
