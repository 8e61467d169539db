// SPDX-License-Identifier: MIT
// Weights in blocks to numbers of a product's type, eight an invocation. own: 0 how many eights.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)
BINDING(1)
#define PACKED h1
#include "packed.glsl"

void main()
{
    if (line() >= u(0))
        return;
    [[unroll]] for (uint e = 0; e < 8; e++)
        store0(line() * 8 + e, packed_weight(TYPE1, push.base[1], line() * 8 + e));
}
