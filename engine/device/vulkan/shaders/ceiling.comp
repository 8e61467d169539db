// SPDX-License-Identifier: MIT
// Nothing but multiply-adds in registers: what the device could do at most. own: rounds
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)

void main()
{
    vec4 a = vec4(float(line())), b = vec4(0.999), c[8];
    [[unroll]] for (int k = 0; k < 8; k++)
        c[k] = vec4(float(k));
    for (uint i = 0; i < u(0); i++) {
        [[unroll]] for (int k = 0; k < 8; k++)
            c[k] = fma(c[k], b, a);
    }
    vec4 sum = vec4(0);
    [[unroll]] for (int k = 0; k < 8; k++)
        sum += c[k];
    // Kept alive, never true.
    if (sum.x + sum.y + sum.z + sum.w == 12345.678)
        store0(0, sum.x);
}
