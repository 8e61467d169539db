// SPDX-License-Identifier: MIT
// Products without shared memory: an invocation makes TALL x WIDE results straight from memory. For
// devices whose "shared" memory is memory like any other. There a load costs much more than a
// multiply-add, so blocks are as large as pays, and nothing branches around a load: what lies
// outside is read from the tensor's start and dropped.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "product.glsl"
const uint TALL = 8, WIDE = 8;

void main()
{
    uint m0 = (gl_WorkGroupID.y * ROWS + gl_LocalInvocationID.y) * TALL;
    uint n0 = gl_WorkGroupID.x * LANES * WIDE + lane();
    float sum[TALL * WIDE];
    [[unroll]] for (uint i = 0; i < TALL * WIDE; i++)
        sum[i] = 0.0;
    uvec2 range = outer();
    for (uint t = range.x; t < range.y; t++) {
        uint a[TALL], b[WIDE], first[WIDE], last[WIDE], none, all;
        bool there_a[TALL], there_b[WIDE], any = false;
        [[unroll]] for (uint i = 0; i < TALL; i++) {
            there_a[i] = a_first(m0 + i, t, a[i]);
            a[i] = there_a[i] ? a[i] : 0;
            any = any || there_a[i];
        }
        [[unroll]] for (uint i = 0; i < WIDE; i++) {
            there_b[i] = b_first(n0 + i * LANES, t, b[i], first[i], last[i]);
            b[i] = there_b[i] || KIND == 3 ? b[i] : 0;
        }
        if (!any)
            continue;
        uint count = inner(t);
        for (uint k = 0; k < count; k++) {
            float x[TALL], y[WIDE];
            [[unroll]] for (uint i = 0; i < TALL; i++) {
                float v = load1(a[i] + k * a_step());
                x[i] = there_a[i] ? v : 0.0;
            }
            [[unroll]] for (uint i = 0; i < WIDE; i++) {
                bool inside = there_b[i] && (KIND != 3 || (k >= first[i] && k < last[i]));
                float v = load2(KIND != 3 || inside ? b[i] + k * b_step() : 0);
                y[i] = inside ? v : 0.0;
            }
            [[unroll]] for (uint i = 0; i < TALL * WIDE; i++)
                sum[i] += x[i / WIDE] * y[i % WIDE];
        }
    }
    [[unroll]] for (uint i = 0; i < TALL * WIDE; i++)
        finish(m0 + i / WIDE, n0 + (i % WIDE) * LANES, sum[i]);
}
