// SPDX-License-Identifier: MIT
// Products through shared memory: a workgroup of 16 x 16 makes 64 x 64 results, 16 inner places at a
// time; an invocation makes 4 x 4. A_TURNED, B_TURNED: neighbours in memory are neighbours in m or n,
// not in k, so that reads are contiguous either way.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"
layout(constant_id = 12) const uint A_TURNED = 0;
layout(constant_id = 13) const uint B_TURNED = 0;
const uint SIDE = 64, DEEP = 16;
shared float tile_a[DEEP * (SIDE + 4)], tile_b[DEEP * (SIDE + 4)];

void main()
{
    uint id = gl_LocalInvocationID.y * 16 + gl_LocalInvocationID.x;
    uint m0 = gl_WorkGroupID.y * SIDE, n0 = gl_WorkGroupID.x * SIDE;
    // Four places this invocation fetches of each tile: one line, four k; or one k, four lines.
    uint line_a = A_TURNED != 0 ? id % 64 : id / 4, deep_a = A_TURNED != 0 ? id / 64 * 4 : id % 4 * 4;
    uint line_b = B_TURNED != 0 ? id % 64 : id / 4, deep_b = B_TURNED != 0 ? id / 64 * 4 : id % 4 * 4;
    float sum[16];
    [[unroll]] for (int i = 0; i < 16; i++)
        sum[i] = 0.0;
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint a, b, first, last, count = inner(t);
        bool there_a = a_first(m0 + line_a, t, a);
        bool there_b = b_first(n0 + line_b, t, b, first, last);
        for (uint k0 = 0; k0 < count; k0 += DEEP) {
            [[unroll]] for (uint i = 0; i < 4; i++) {
                uint ka = k0 + deep_a + i, kb = k0 + deep_b + i;
                tile_a[(deep_a + i) * (SIDE + 4) + line_a] =
                    there_a && ka < count ? load1(a + ka * a_step()) : 0.0;
                tile_b[(deep_b + i) * (SIDE + 4) + line_b] =
                    there_b && kb >= first && kb < last ? load2(b + kb * b_step()) : 0.0;
            }
            barrier();
            [[unroll]] for (uint k = 0; k < DEEP; k++) {
                float x[4], y[4];
                [[unroll]] for (uint i = 0; i < 4; i++) {
                    x[i] = tile_a[k * (SIDE + 4) + gl_LocalInvocationID.y * 4 + i];
                    y[i] = tile_b[k * (SIDE + 4) + gl_LocalInvocationID.x + 16 * i];
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
