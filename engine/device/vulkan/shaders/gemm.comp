// SPDX-License-Identifier: MIT
// Products without shared memory: an invocation makes 4 x 4 results straight from memory. For
// devices whose "shared" memory is memory like any other.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"

void main()
{
    uint m0 = (gl_WorkGroupID.y * ROWS + gl_LocalInvocationID.y) * 4;
    uint n0 = gl_WorkGroupID.x * LANES * 4 + lane();
    float sum[16];
    [[unroll]] for (int i = 0; i < 16; i++)
        sum[i] = 0.0;
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint a[4], b[4], first[4], last[4];
        bool there_a[4], there_b[4];
        [[unroll]] for (int i = 0; i < 4; i++) {
            there_a[i] = a_first(m0 + i, t, a[i]);
            there_b[i] = b_first(n0 + i * LANES, t, b[i], first[i], last[i]);
        }
        if (!(there_a[0] || there_a[1] || there_a[2] || there_a[3]))
            continue;
        uint count = inner(t);
        for (uint k = 0; k < count; k++) {
            float x[4], y[4];
            [[unroll]] for (int i = 0; i < 4; i++) {
                x[i] = there_a[i] ? load1(a[i] + k * a_step()) : 0.0;
                bool inside = there_b[i] && (KIND != 3 || (k >= first[i] && k < last[i]));
                y[i] = inside ? load2(b[i] + k * b_step()) : 0.0;
            }
            [[unroll]] for (int i = 0; i < 16; i++)
                sum[i] += x[i / 4] * y[i % 4];
        }
    }
    [[unroll]] for (int i = 0; i < 16; i++)
        finish(m0 + i / 4, n0 + (i % 4) * LANES, sum[i]);
}
