// SPDX-License-Identifier: MIT
// What every shader starts with: constants, the eight bindings, typed loads and stores.
//
// Tensors are f32, f16, bf16 or i32 in memory and floats in registers; the type of each binding is
// a specialization constant, so the branches below are gone when the driver compiles. Conversions
// round to nearest even, in integers, so that every driver gives the same bits.
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_control_flow_attributes : enable

layout(local_size_x_id = 0, local_size_y_id = 1) in;

// enum dtype of engine/tensor/dtype.h
const uint F32 = 2, F16 = 3, BF16 = 4, I32 = 6;

layout(constant_id = 0) const uint LANES = 1; // workgroup in x
layout(constant_id = 1) const uint ROWS = 1;  // workgroup in y
layout(constant_id = 2) const uint TYPE0 = 2;
layout(constant_id = 3) const uint TYPE1 = 2;
layout(constant_id = 4) const uint TYPE2 = 2;
layout(constant_id = 5) const uint TYPE3 = 2;
layout(constant_id = 6) const uint TYPE4 = 2;
layout(constant_id = 7) const uint TYPE5 = 2;
layout(constant_id = 8) const uint TYPE6 = 2;
layout(constant_id = 9) const uint TYPE7 = 2;
// An op's own constants start at 10.

layout(push_constant) uniform Push {
    uint base[8]; // first element of each binding
    uint own[24];
} push;

uint u(int i) { return push.own[i]; }
float f(int i) { return uintBitsToFloat(push.own[i]); }

float from_bf16(uint h) { return uintBitsToFloat(h << 16); }

uint to_bf16(float x)
{
    uint b = floatBitsToUint(x);
    if ((b & 0x7fffffffu) > 0x7f800000u)
        return (b >> 16) | 0x40u;
    return (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
}

float from_f16(uint h)
{
    uint sign = (h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 0u)
        return uintBitsToFloat(sign | floatBitsToUint(float(m) * 5.9604644775390625e-8));
    if (e == 31u)
        return uintBitsToFloat(sign | 0x7f800000u | (m << 13));
    return uintBitsToFloat(sign | ((e + 112u) << 23) | (m << 13));
}

uint to_f16(float x)
{
    uint b = floatBitsToUint(x), sign = (b >> 16) & 0x8000u;
    b &= 0x7fffffffu;
    if (b > 0x7f800000u)
        return sign | 0x7e00u;
    if (b >= 0x477ff000u) // rounds to 65536 or more
        return sign | 0x7c00u;
    if (b < 0x38800000u) { // subnormal: counted in units of 2^-24, ties to even
        float scaled = uintBitsToFloat(b) * 16777216.0;
        return sign | uint(roundEven(scaled));
    }
    return sign | ((b - 0x38000000u + 0xfffu + ((b >> 13) & 1u)) >> 13);
}

#define BINDING(k)                                                                                 \
    layout(set = 0, binding = k) buffer Words##k { uint w##k[]; };                                 \
    layout(set = 0, binding = k) buffer Halves##k { uint16_t h##k[]; };                            \
    float load##k(uint i)                                                                          \
    {                                                                                              \
        i += push.base[k];                                                                         \
        if (TYPE##k == F32)                                                                        \
            return uintBitsToFloat(w##k[i]);                                                       \
        if (TYPE##k == BF16)                                                                       \
            return from_bf16(uint(h##k[i]));                                                       \
        if (TYPE##k == F16)                                                                        \
            return from_f16(uint(h##k[i]));                                                        \
        return float(int(w##k[i]));                                                                \
    }                                                                                              \
    void store##k(uint i, float v)                                                                 \
    {                                                                                              \
        i += push.base[k];                                                                         \
        if (TYPE##k == F32)                                                                        \
            w##k[i] = floatBitsToUint(v);                                                          \
        else if (TYPE##k == BF16)                                                                  \
            h##k[i] = uint16_t(to_bf16(v));                                                        \
        else if (TYPE##k == F16)                                                                   \
            h##k[i] = uint16_t(to_f16(v));                                                         \
        else                                                                                       \
            w##k[i] = uint(int(v));                                                                \
    }

// The same four at a time where a binding's first element and i are multiples of four (vk_quads).
#define QUADS(k)                                                                                   \
    layout(set = 0, binding = k) buffer Quads##k { uvec4 q##k[]; };                                \
    layout(set = 0, binding = k) buffer Pairs##k { uvec2 p##k[]; };                                \
    vec4 load_quad##k(uint i)                                                                      \
    {                                                                                              \
        i = (i + push.base[k]) / 4;                                                                \
        if (TYPE##k == F32)                                                                        \
            return uintBitsToFloat(q##k[i]);                                                       \
        uvec2 h = p##k[i];                                                                         \
        if (TYPE##k == BF16)                                                                       \
            return uintBitsToFloat(uvec4(h.x << 16, h.x & 0xffff0000u, h.y << 16,                  \
                                         h.y & 0xffff0000u));                                      \
        return vec4(from_f16(h.x & 0xffffu), from_f16(h.x >> 16), from_f16(h.y & 0xffffu),         \
                    from_f16(h.y >> 16));                                                          \
    }                                                                                              \
    void store_quad##k(uint i, vec4 v)                                                             \
    {                                                                                              \
        i = (i + push.base[k]) / 4;                                                                \
        if (TYPE##k == F32)                                                                        \
            q##k[i] = floatBitsToUint(v);                                                          \
        else if (TYPE##k == BF16)                                                                  \
            p##k[i] = uvec2(to_bf16(v.x) | to_bf16(v.y) << 16, to_bf16(v.z) | to_bf16(v.w) << 16); \
        else                                                                                       \
            p##k[i] = uvec2(to_f16(v.x) | to_f16(v.y) << 16, to_f16(v.z) | to_f16(v.w) << 16);     \
    }

// Number of this workgroup: groups go on in y where x is full.
uint group() { return gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
// Number of this invocation in a line (vk_line).
uint line() { return group() * LANES + gl_LocalInvocationID.x; }
// Row of this invocation and its lane in it (vk_rows).
uint row() { return group() * ROWS + gl_LocalInvocationID.y; }
uint lane() { return gl_LocalInvocationID.x; }

#define INFINITY uintBitsToFloat(0x7f800000u)
