// SPDX-License-Identifier: MIT
// Products of f16 sources on matrix units (VK_KHR_cooperative_matrix), accumulated in f32: a workgroup
// of eight subgroups makes 128 x 128 results, DEEP inner places at a time, each subgroup 64 x 32 of them.
// READ_A, READ_B as in gemm_tile.comp, eight places in a row.
//
// With EMULATE the matrices are arrays spread over 32 invocations: the same addresses, tiles, borders
// and stores run on devices without matrix units, so that tests cover all but the four calls below.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"
layout(constant_id = 12) const uint READ_A = 0;
layout(constant_id = 13) const uint READ_B = 0;
layout(set = 0, binding = 1) readonly buffer Octets1 { uvec4 o1[]; };
layout(set = 0, binding = 2) readonly buffer Octets2 { uvec4 o2[]; };

#ifdef EMULATE
const uint DEEP = 16; // floats: twice the memory
#else
const uint DEEP = 32;
#endif
const uint SIDE = 128, GAP = 8, ROW = DEEP / 8, LINE = SIDE / 8; // octets
// A tile lies line by line, or place by place where lines are neighbours in memory.
const uint PITCH_A = READ_A == 2 ? SIDE + GAP : DEEP + GAP;
const uint PITCH_B = READ_B == 2 ? SIDE + GAP : DEEP + GAP;
const uint TILE = SIDE * (DEEP + GAP); // larger than DEEP * (SIDE + GAP)

#ifdef EMULATE
#define HALF float
#define UNROLL [[dont_unroll]] // compilers for CPUs would take minutes
#define SUBGROUP (gl_LocalInvocationID.x / 32)
#define SUBGROUP_LANE (gl_LocalInvocationID.x % 32)
#define SUBGROUP_SIZE 32
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#define HALF float16_t
#define UNROLL [[unroll]]
#define SUBGROUP gl_SubgroupID
#define SUBGROUP_LANE gl_SubgroupInvocationID
#define SUBGROUP_SIZE gl_SubgroupSize
#endif

shared HALF tile_a[TILE], tile_b[TILE];
shared float results[8 * 256]; // 16 x 16 of each subgroup on their way out

#ifdef EMULATE
struct left { uint at; };
struct right { uint at; };
struct total { float v[8]; };
left load_left(uint at) { return left(at); }
right load_right(uint at) { return right(at); }
total zeros() { return total(float[8](0, 0, 0, 0, 0, 0, 0, 0)); }
total add_product(left a, right b, total c)
{
    UNROLL for (uint e = 0; e < 8; e++) {
        uint i = (e * 32 + SUBGROUP_LANE) / 16, j = (e * 32 + SUBGROUP_LANE) % 16;
        [[unroll]] for (uint k = 0; k < 16; k++)
            c.v[e] += tile_a[a.at + (READ_A == 2 ? k * PITCH_A + i : i * PITCH_A + k)] *
                      tile_b[b.at + (READ_B == 2 ? k * PITCH_B + j : j * PITCH_B + k)];
    }
    return c;
}
void put(total c, uint at)
{
    UNROLL for (uint e = 0; e < 8; e++)
        results[at + e * 32 + SUBGROUP_LANE] = c.v[e];
}
#else
#define left coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseA>
#define right coopmat<float16_t, gl_ScopeSubgroup, 16, 16, gl_MatrixUseB>
#define total coopmat<float, gl_ScopeSubgroup, 16, 16, gl_MatrixUseAccumulator>
left load_left(uint at)
{
    left a;
    if (READ_A == 2)
        coopMatLoad(a, tile_a, at, PITCH_A, gl_CooperativeMatrixLayoutColumnMajor);
    else
        coopMatLoad(a, tile_a, at, PITCH_A, gl_CooperativeMatrixLayoutRowMajor);
    return a;
}
right load_right(uint at)
{
    right b;
    if (READ_B == 2)
        coopMatLoad(b, tile_b, at, PITCH_B, gl_CooperativeMatrixLayoutRowMajor);
    else
        coopMatLoad(b, tile_b, at, PITCH_B, gl_CooperativeMatrixLayoutColumnMajor);
    return b;
}
total zeros() { return total(0.0); }
total add_product(left a, right b, total c) { return coopMatMulAdd(a, b, c); }
void put(total c, uint at)
{
    coopMatStore(c, results, at, 16, gl_CooperativeMatrixLayoutRowMajor);
}
#endif

// Place of (line, inner place) in a tile.
uint in_a(uint line, uint k) { return READ_A == 2 ? k * PITCH_A + line : line * PITCH_A + k; }
uint in_b(uint line, uint k) { return READ_B == 2 ? k * PITCH_B + line : line * PITCH_B + k; }

// Eight halves of a register to neighbours in a tile.
#define PUT(tile, at, v)                                                                           \
    [[unroll]] for (uint i = 0; i < 4; i++) {                                                      \
        tile[(at) + 2 * i] = HALF(from_f16(v[i] & 0xffffu));                                       \
        tile[(at) + 2 * i + 1] = HALF(from_f16(v[i] >> 16));                                       \
    }

void main()
{
    const uint EACH = SIDE * DEEP / 8; // octets of a tile
    uint id = gl_LocalInvocationID.x, m0 = gl_WorkGroupID.y * SIDE, n0 = gl_WorkGroupID.x * SIDE;
    uint sub_m = SUBGROUP / 4 * 64, sub_n = SUBGROUP % 4 * 32;
    total sum[8];
    UNROLL for (uint i = 0; i < 8; i++)
        sum[i] = zeros();
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint count = inner(t);
        for (uint k0 = 0; k0 < count; k0 += DEEP) {
            for (uint o = id; o < EACH; o += LANES) {
                uint line = READ_A == 2 ? o % LINE * 8 : o / ROW, k = READ_A == 2 ? o / LINE : o % ROW * 8;
                uint at, into = in_a(line, k);
                bool there = a_first(m0 + line, t, at);
                if (READ_A != 0) {
                    uvec4 v = uvec4(0);
                    if (there && k0 + k < count)
                        v = o1[(push.base[1] + at + (k0 + k) * a_step()) / 8];
                    PUT(tile_a, into, v)
                } else {
                    [[unroll]] for (uint i = 0; i < 8; i++)
                        tile_a[into + i] = HALF(
                            there && k0 + k + i < count ? load1(at + (k0 + k + i) * a_step()) : 0.0);
                }
            }
            for (uint o = id; o < EACH; o += LANES) {
                uint line = READ_B == 2 ? o % LINE * 8 : o / ROW, k = READ_B == 2 ? o / LINE : o % ROW * 8;
                uint at, first, last, into = in_b(line, k);
                bool there = b_first(n0 + line, t, at, first, last);
                if (READ_B != 0) {
                    uvec4 v = uvec4(0);
                    if (there && k0 + k >= first && k0 + k < last)
                        v = o2[(push.base[2] + at + (k0 + k) * b_step()) / 8];
                    PUT(tile_b, into, v)
                } else {
                    [[unroll]] for (uint i = 0; i < 8; i++) {
                        bool inside = there && k0 + k + i >= first && k0 + k + i < last;
                        tile_b[into + i] = HALF(inside ? load2(at + (k0 + k + i) * b_step()) : 0.0);
                    }
                }
            }
            barrier();
            UNROLL for (uint k = 0; k < DEEP; k += 16) {
                left a[4];
                right b[2];
                UNROLL for (uint i = 0; i < 4; i++)
                    a[i] = load_left(in_a(sub_m + 16 * i, k));
                UNROLL for (uint j = 0; j < 2; j++)
                    b[j] = load_right(in_b(sub_n + 16 * j, k));
                UNROLL for (uint i = 0; i < 8; i++)
                    sum[i] = add_product(a[i / 2], b[i % 2], sum[i]);
            }
            barrier();
        }
    }
    UNROLL for (uint i = 0; i < 8; i++) {
        put(sum[i], SUBGROUP * 256);
        barrier();
        for (uint e = SUBGROUP_LANE; e < 256; e += SUBGROUP_SIZE)
            finish(m0 + sub_m + 16 * (i / 2) + e / 16, n0 + sub_n + 16 * (i % 2) + e % 16,
                   results[SUBGROUP * 256 + e]);
        barrier();
    }
}
