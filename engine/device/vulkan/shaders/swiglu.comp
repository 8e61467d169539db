// SPDX-License-Identifier: MIT
// y = silu(first half of the row) * second half.  own: count, width of the result
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint WIDE = 1; // elements of an invocation: 1 or 4
BINDING(0)
BINDING(1)
QUADS(0)
QUADS(1)

void main()
{
    uint i = line() * WIDE;
    if (i >= u(0))
        return;
    uint gate = i + i / u(1) * u(1), up = gate + u(1);
    if (WIDE == 1) {
        store0(i, silu(load1(gate)) * load1(up));
        return;
    }
    vec4 x = load_quad1(gate), y = load_quad1(up);
    store_quad0(i, vec4(silu(x.x), silu(x.y), silu(x.z), silu(x.w)) * y);
}
