// SPDX-License-Identifier: MIT
// y[i] = dy[i] f'(x[i]).  own: count
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint WHAT = 0; // 0 silu, 1 gelu, 2 gelu_tanh
BINDING(0)
BINDING(1)
BINDING(2)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    float x = load1(i);
    float slope = WHAT == 0 ? silu_slope(x) : WHAT == 1 ? gelu_slope(x) : gelu_tanh_slope(x);
    store0(i, slope * load2(i));
}
