// SPDX-License-Identifier: MIT
// Products of f16 or bf16 sources on matrix units (VK_KHR_cooperative_matrix), accumulated in f32: a
// workgroup of eight subgroups makes 128 x 128 results, 32 inner places at a time, each subgroup 64 x 32
// of them as matrices of UNIT_M x UNIT_N, whose sizes are the device's. READ_A, READ_B as in
// gemm_tile.comp, eight places in a row.
//
//   -DBRAIN    bf16 instead of f16 (VK_KHR_shader_bfloat16)
//   -DEMULATE  the matrices are arrays spread over 32 invocations: the same addresses, tiles, borders and
//              stores, for devices without matrix units
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"
layout(constant_id = 12) const uint READ_A = 0;
layout(constant_id = 13) const uint READ_B = 0;
layout(constant_id = 14) const uint UNIT_M = 16;
layout(constant_id = 15) const uint UNIT_N = 16;
layout(constant_id = 16) const uint UNIT_K = 16;
layout(set = 0, binding = 1) readonly buffer Octets1 { uvec4 o1[]; };
layout(set = 0, binding = 2) readonly buffer Octets2 { uvec4 o2[]; };

#ifdef EMULATE
#define HALF4 vec4
#define QUAD(bits) vec4(from_f16((bits).x & 0xffffu), from_f16((bits).x >> 16),                    \
                        from_f16((bits).y & 0xffffu), from_f16((bits).y >> 16))
#define UNROLL [[dont_unroll]] // compilers for CPUs would take minutes
#define SUBGROUP (gl_LocalInvocationID.x / 32)
#define SUBGROUP_LANE (gl_LocalInvocationID.x % 32)
#define SUBGROUP_SIZE 32
const uint DEEP = 16; // floats: twice the memory
#else
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_cooperative_matrix : require
#ifdef BRAIN
#extension GL_EXT_bfloat16 : require
#define HALF bfloat16_t
#define HALF4 bf16vec4
#define QUAD(bits) bf16vec4(uintBitsToFloat(uvec4((bits).x << 16, (bits).x & 0xffff0000u,          \
                                                  (bits).y << 16, (bits).y & 0xffff0000u)))
#else
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#define HALF float16_t
#define HALF4 f16vec4
#define QUAD(bits) f16vec4(unpackFloat2x16((bits).x), unpackFloat2x16((bits).y))
#endif
#define UNROLL [[unroll]]
#define SUBGROUP gl_SubgroupID
#define SUBGROUP_LANE gl_SubgroupInvocationID
#define SUBGROUP_SIZE gl_SubgroupSize
const uint DEEP = 32;
#endif

const uint SIDE = 128, GAP = 8, ROW = DEEP / 8, LINE = SIDE / 8; // octets
// A tile lies line by line, or place by place where lines are neighbours in memory.
const uint PITCH_A = READ_A == 2 ? SIDE + GAP : DEEP + GAP;
const uint PITCH_B = READ_B == 2 ? SIDE + GAP : DEEP + GAP;
const uint TILE = SIDE * (DEEP + GAP); // larger than DEEP * (SIDE + GAP)
const uint SUB_M = 64, SUB_N = 32;     // results of a subgroup
const uint ROWS_A = SUB_M / UNIT_M, ROWS_B = SUB_N / UNIT_N, UNIT = UNIT_M * UNIT_N;

shared HALF4 tile_a[TILE / 4], tile_b[TILE / 4];
shared float results[8 * UNIT]; // one matrix of each subgroup on its way out

#ifdef EMULATE
struct left { uint at; };
struct right { uint at; };
struct total { float v[8]; };
left load_left(uint at) { return left(at); }
right load_right(uint at) { return right(at); }
total zeros() { return total(float[8](0, 0, 0, 0, 0, 0, 0, 0)); }
float element_a(uint at) { return tile_a[at / 4][at % 4]; }
float element_b(uint at) { return tile_b[at / 4][at % 4]; }
total add_product(left a, right b, total c)
{
    UNROLL for (uint e = 0; e < 8; e++) {
        uint i = (e * 32 + SUBGROUP_LANE) / 16, j = (e * 32 + SUBGROUP_LANE) % 16;
        [[unroll]] for (uint k = 0; k < 16; k++)
            c.v[e] += element_a(a.at + (READ_A == 2 ? k * PITCH_A + i : i * PITCH_A + k)) *
                      element_b(b.at + (READ_B == 2 ? k * PITCH_B + j : j * PITCH_B + k));
    }
    return c;
}
void put(total c, uint at)
{
    UNROLL for (uint e = 0; e < 8; e++)
        results[at + e * 32 + SUBGROUP_LANE] = c.v[e];
}
#else
#define left coopmat<HALF, gl_ScopeSubgroup, UNIT_M, UNIT_K, gl_MatrixUseA>
#define right coopmat<HALF, gl_ScopeSubgroup, UNIT_K, UNIT_N, gl_MatrixUseB>
#define total coopmat<float, gl_ScopeSubgroup, UNIT_M, UNIT_N, gl_MatrixUseAccumulator>
left load_left(uint at)
{
    left a;
    if (READ_A == 2)
        coopMatLoad(a, tile_a, at / 4, PITCH_A / 4, gl_CooperativeMatrixLayoutColumnMajor);
    else
        coopMatLoad(a, tile_a, at / 4, PITCH_A / 4, gl_CooperativeMatrixLayoutRowMajor);
    return a;
}
right load_right(uint at)
{
    right b;
    if (READ_B == 2)
        coopMatLoad(b, tile_b, at / 4, PITCH_B / 4, gl_CooperativeMatrixLayoutRowMajor);
    else
        coopMatLoad(b, tile_b, at / 4, PITCH_B / 4, gl_CooperativeMatrixLayoutColumnMajor);
    return b;
}
total zeros() { return total(0.0); }
total add_product(left a, right b, total c) { return coopMatMulAdd(a, b, c); }
void put(total c, uint at)
{
    coopMatStore(c, results, at, UNIT_N, gl_CooperativeMatrixLayoutRowMajor);
}
#endif

// Place of (line, inner place) in a tile.
uint in_a(uint line, uint k) { return READ_A == 2 ? k * PITCH_A + line : line * PITCH_A + k; }
uint in_b(uint line, uint k) { return READ_B == 2 ? k * PITCH_B + line : line * PITCH_B + k; }

// Eight elements that lie together in memory, or one by one, to neighbours in a tile.
#define PUT(tile, at, octet)                                                                       \
    tile[(at) / 4] = QUAD(octet.xy);                                                               \
    tile[(at) / 4 + 1] = QUAD(octet.zw);
#define PUT_EACH(tile, at, v)                                                                      \
    tile[(at) / 4] = HALF4(vec4(v[0], v[1], v[2], v[3]));                                          \
    tile[(at) / 4 + 1] = HALF4(vec4(v[4], v[5], v[6], v[7]));

void main()
{
    const uint EACH = SIDE * DEEP / 8; // octets of a tile
    uint id = gl_LocalInvocationID.x, m0 = gl_WorkGroupID.y * SIDE, n0 = gl_WorkGroupID.x * SIDE;
    uint sub_m = SUBGROUP / 4 * SUB_M, sub_n = SUBGROUP % 4 * SUB_N;
    total sum[ROWS_A * ROWS_B];
    UNROLL for (uint i = 0; i < ROWS_A * ROWS_B; i++)
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
                    float v[8];
                    [[unroll]] for (uint i = 0; i < 8; i++)
                        v[i] = there && k0 + k + i < count ? load1(at + (k0 + k + i) * a_step()) : 0.0;
                    PUT_EACH(tile_a, into, v)
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
                    float v[8];
                    [[unroll]] for (uint i = 0; i < 8; i++) {
                        bool inside = there && k0 + k + i >= first && k0 + k + i < last;
                        v[i] = inside ? load2(at + (k0 + k + i) * b_step()) : 0.0;
                    }
                    PUT_EACH(tile_b, into, v)
                }
            }
            barrier();
            UNROLL for (uint k = 0; k < DEEP; k += UNIT_K) {
                left a[ROWS_A];
                right b[ROWS_B];
                UNROLL for (uint i = 0; i < ROWS_A; i++)
                    a[i] = load_left(in_a(sub_m + UNIT_M * i, k));
                UNROLL for (uint j = 0; j < ROWS_B; j++)
                    b[j] = load_right(in_b(sub_n + UNIT_N * j, k));
                UNROLL for (uint i = 0; i < ROWS_A * ROWS_B; i++)
                    sum[i] = add_product(a[i / ROWS_B], b[i % ROWS_B], sum[i]);
            }
            barrier();
        }
    }
    UNROLL for (uint i = 0; i < ROWS_A * ROWS_B; i++) {
        put(sum[i], SUBGROUP * UNIT);
        barrier();
        for (uint e = SUBGROUP_LANE; e < UNIT; e += SUBGROUP_SIZE)
            finish(m0 + sub_m + UNIT_M * (i / ROWS_B) + e / UNIT_N,
                   n0 + sub_n + UNIT_N * (i % ROWS_B) + e % UNIT_N, results[SUBGROUP * UNIT + e]);
        barrier();
    }
}
