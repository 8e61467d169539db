// SPDX-License-Identifier: MIT
// Nothing but multiply-adds of matrices in registers, eight under way in each of a workgroup's
// eight subgroups: what the matrix units could do at most. own: rounds, a number that is small
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
layout(constant_id = 10) const uint UNIT_M = 16;
layout(constant_id = 11) const uint UNIT_N = 16;
layout(constant_id = 12) const uint UNIT_K = 16;
#include "matrix.glsl"
BINDING(0)
const uint UNIT = UNIT_M * UNIT_N;
shared float results[8 * UNIT];

void main()
{
    left a;
    right b;
    for (int k = 0; k < a.length(); k++) // no two alike, or a compiler multiplies once
        a[k] = HALF(f(1) * float(k + gl_SubgroupInvocationID));
    for (int k = 0; k < b.length(); k++)
        b[k] = HALF(f(1) * float(3 * k + gl_LocalInvocationID.x));
    total c[8];
    [[unroll]] for (int k = 0; k < 8; k++)
        c[k] = total(float(k));
    for (uint i = 0; i < u(0); i++) {
        [[unroll]] for (int k = 0; k < 8; k++)
            c[k] = coopMatMulAdd(a, b, c[k]);
    }
    [[unroll]] for (int k = 1; k < 8; k++)
        c[0] += c[k];
    coopMatStore(c[0], results, gl_SubgroupID * UNIT, UNIT_N, gl_CooperativeMatrixLayoutRowMajor);
    barrier();
    // Kept alive, never true.
    if (results[gl_LocalInvocationID.x % UNIT] == 12345.678)
        store0(0, 1.0);
}
