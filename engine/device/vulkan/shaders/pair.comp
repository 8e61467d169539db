// SPDX-License-Identifier: MIT
// y[i] = dy[i] f'(x[i]).  own: count
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
#include "math.glsl"
layout(constant_id = 10) const uint WHAT = 0; // PAIR_…
layout(constant_id = 11) const uint WIDE = 1; // elements of an invocation: 1 or 4
BINDING(0)
BINDING(1)
BINDING(2)
QUADS(0)
QUADS(1)
QUADS(2)

float slope(float x)
{
    return WHAT == PAIR_SILU   ? silu_slope(x)
           : WHAT == PAIR_GELU ? gelu_slope(x)
                               : gelu_tanh_slope(x);
}

void main()
{
    uint i = line() * WIDE;
    if (i >= u(0))
        return;
    if (WIDE == 1) {
        store0(i, slope(load1(i)) * load2(i));
        return;
    }
    vec4 x = load_quad1(i);
    store_quad0(i, vec4(slope(x.x), slope(x.y), slope(x.z), slope(x.w)) * load_quad2(i));
}
