// SPDX-License-Identifier: MIT
// Products of f16 or bf16 sources on matrix units (VK_KHR_cooperative_matrix), accumulated in f32:
// a workgroup of eight subgroups makes 128 x 128 results, 32 inner places at a time, each subgroup
// 64 x 32 of them as matrices of UNIT_M x UNIT_N, whose sizes are the device's. READ_A, READ_B as
// in gemm_tile.comp, eight places in a row.
//
//   -DBRAIN    bf16 instead of f16 (VK_KHR_shader_bfloat16)
//   -DEMULATE  the matrices are arrays spread over 32 invocations: the same addresses, tiles,
//              borders and stores, for devices without matrix units
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
#include "matrix.glsl"
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

// Tiles are filled in octets, eight neighbours of a tile. An invocation brings the same ones of
// every tile: where they come from is worked out once for all inner places of t, and the next
// tile's are fetched into registers while this one's are multiplied.
const uint EACH = SIDE * DEEP / 8;                 // octets of a tile
const uint MINE = (EACH + LANES - 1) / LANES;      // of them, an invocation's
uint at_a[MINE], at_b[MINE], first[MINE], last[MINE];
bool there_a[MINE], there_b[MINE];
uvec4 next_a[MINE], next_b[MINE];

uint octet(uint i) { return gl_LocalInvocationID.x + i * LANES; }
uint line_a(uint o) { return READ_A == 2 ? o % LINE * 8 : o / ROW; }
uint deep_a(uint o) { return READ_A == 2 ? o / LINE : o % ROW * 8; }
uint line_b(uint o) { return READ_B == 2 ? o % LINE * 8 : o / ROW; }
uint deep_b(uint o) { return READ_B == 2 ? o / LINE : o % ROW * 8; }

void find(uint t)
{
    [[unroll]] for (uint i = 0; i < MINE; i++) {
        uint o = octet(i);
        there_a[i] = a_first(gl_WorkGroupID.y * SIDE + line_a(o), t, at_a[i]);
        there_b[i] = b_first(gl_WorkGroupID.x * SIDE + line_b(o), t, at_b[i], first[i], last[i]);
    }
}

// Elements one by one, as bits: `inside` says of place k whether there is one.
#define EIGHT(v, source, at, step, k, inside)                                                      \
    [[unroll]] for (uint e_ = 0; e_ < 8; e_++)                                                     \
        if (inside(k + e_))                                                                        \
            v[e_ / 2] |= uint(source[(at) + (k + e_) * (step)]) << 16 * (e_ % 2);
#define INSIDE_A(k) (there_a[i] && (k) < count)
#define INSIDE_B(k) (there_b[i] && (k) >= first[i] && (k) < last[i])

void fetch(uint k0, uint count)
{
    [[unroll]] for (uint i = 0; i < MINE; i++) {
        uint o = octet(i), ka = k0 + deep_a(o), kb = k0 + deep_b(o);
        next_a[i] = next_b[i] = uvec4(0);
        if (READ_A == 0) {
            EIGHT(next_a[i], h1, push.base[1] + at_a[i], a_step(), ka, INSIDE_A)
        } else if (INSIDE_A(ka)) {
            next_a[i] = o1[(push.base[1] + at_a[i] + ka * a_step()) / 8];
        }
        if (READ_B == 0) {
            EIGHT(next_b[i], h2, push.base[2] + at_b[i], b_step(), kb, INSIDE_B)
        } else if (INSIDE_B(kb)) {
            next_b[i] = o2[(push.base[2] + at_b[i] + kb * b_step()) / 8];
        }
    }
}

void put_tiles()
{
    [[unroll]] for (uint i = 0; i < MINE; i++) {
        uint o = octet(i), a = in_a(line_a(o), deep_a(o)) / 4, b = in_b(line_b(o), deep_b(o)) / 4;
        if (EACH % LANES != 0 && o >= EACH)
            break;
        tile_a[a] = QUAD(next_a[i].xy);
        tile_a[a + 1] = QUAD(next_a[i].zw);
        tile_b[b] = QUAD(next_b[i].xy);
        tile_b[b + 1] = QUAD(next_b[i].zw);
    }
}

void main()
{
    uint m0 = gl_WorkGroupID.y * SIDE, n0 = gl_WorkGroupID.x * SIDE;
    uint sub_m = SUBGROUP / 4 * SUB_M, sub_n = SUBGROUP % 4 * SUB_N;
    total sum[ROWS_A * ROWS_B];
    UNROLL for (uint i = 0; i < ROWS_A * ROWS_B; i++)
        sum[i] = zeros();
    uvec2 range = outer();
    uint t = range.x, k0 = 0, count = 0;
    if (t < range.y) {
        count = inner(t);
        find(t);
        fetch(0, count);
    }
    while (t < range.y) {
        put_tiles();
        barrier();
        k0 += DEEP;
        if (k0 >= count) {
            k0 = 0;
            t++;
            if (t < range.y) {
                count = inner(t);
                find(t);
            }
        }
        if (t < range.y)
            fetch(k0, count);
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
    UNROLL for (uint i = 0; i < ROWS_A * ROWS_B; i++) {
        put(sum[i], SUBGROUP * UNIT);
        barrier();
        for (uint e = SUBGROUP_LANE; e < UNIT; e += SUBGROUP_SIZE)
            finish(m0 + sub_m + UNIT_M * (i / ROWS_B) + e / UNIT_N,
                   n0 + sub_n + UNIT_N * (i % ROWS_B) + e % UNIT_N, results[SUBGROUP * UNIT + e]);
        barrier();
    }
}
