// SPDX-License-Identifier: MIT
// Products through shared memory: a workgroup of 16 x 16 makes 64 x 64 results, 16 inner places at
// a time; an invocation makes 4 x 4. READ_A, READ_B say how a source lies in memory: 0 anyhow, 1
// four inner places in a row, 2 four lines (m or n) in a row.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"
#define PACKED h2
#include "packed.glsl"
layout(constant_id = 12) const uint READ_A = 0;
layout(constant_id = 13) const uint READ_B = 0;
QUADS(1)
QUADS(2)
const uint SIDE = 64, DEEP = 16, PITCH = SIDE + 4;
shared float tile_a[DEEP * PITCH], tile_b[DEEP * PITCH];

float load_b(uint i) { return TYPE2 >= Q4_0 ? packed_weight(TYPE2, push.base[2], i) : load2(i); }

void main()
{
    uint id = gl_LocalInvocationID.y * 16 + gl_LocalInvocationID.x;
    uint m0 = gl_WorkGroupID.y * SIDE, n0 = gl_WorkGroupID.x * SIDE;
    // Four places this invocation fetches of each tile.
    uint line_a = READ_A == 2 ? id % 16 * 4 : id / 4, deep_a = READ_A == 2 ? id / 16 : id % 4 * 4;
    uint line_b = READ_B == 2 ? id % 16 * 4 : id / 4, deep_b = READ_B == 2 ? id / 16 : id % 4 * 4;
    float sum[16];
    [[unroll]] for (int i = 0; i < 16; i++)
        sum[i] = 0.0;
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint a, b, first, last, count = inner(t);
        bool there_a = a_first(m0 + line_a, t, a);
        bool there_b = b_first(n0 + line_b, t, b, first, last);
        for (uint k0 = 0; k0 < count; k0 += DEEP) {
            uint ka = k0 + deep_a, kb = k0 + deep_b;
            vec4 v = vec4(0);
            if (READ_A != 0 && there_a && ka < count)
                v = load_quad1(a + ka * a_step());
            if (READ_A == 0 && there_a)
                [[unroll]] for (uint i = 0; i < 4; i++)
                    v[i] = ka + i < count ? load1(a + (ka + i) * a_step()) : 0.0;
            [[unroll]] for (uint i = 0; i < 4; i++)
                tile_a[READ_A == 2 ? deep_a * PITCH + line_a + i : (deep_a + i) * PITCH + line_a] =
                    v[i];
            v = vec4(0);
            if (READ_B != 0 && there_b && kb >= first && kb < last)
                v = load_quad2(b + kb * b_step());
            if (READ_B == 0 && there_b)
                [[unroll]] for (uint i = 0; i < 4; i++)
                    v[i] = kb + i >= first && kb + i < last ? load_b(b + (kb + i) * b_step()) : 0.0;
            [[unroll]] for (uint i = 0; i < 4; i++)
                tile_b[READ_B == 2 ? deep_b * PITCH + line_b + i : (deep_b + i) * PITCH + line_b] =
                    v[i];
            barrier();
            [[unroll]] for (uint k = 0; k < DEEP; k++) {
                float x[4], y[4];
                [[unroll]] for (uint i = 0; i < 4; i++) {
                    x[i] = tile_a[k * PITCH + gl_LocalInvocationID.y * 4 + i];
                    y[i] = tile_b[k * PITCH + gl_LocalInvocationID.x + 16 * i];
                }
                [[unroll]] for (int i = 0; i < 16; i++)
                    sum[i] += x[i / 4] * y[i % 4];
            }
            barrier();
        }
    }
    [[unroll]] for (int i = 0; i < 16; i++)
        finish(m0 + gl_LocalInvocationID.y * 4 + i / 4, n0 + gl_LocalInvocationID.x + 16 * (i % 4),
               sum[i]);
}
