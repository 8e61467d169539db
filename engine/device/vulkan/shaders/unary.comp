// SPDX-License-Identifier: MIT
// y[i] = f(x[i]).  own: count, scale, shift
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint WHAT = 0; // enum vk_unary in ops_simple.c
BINDING(0)
BINDING(1)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    float x = load1(i), y = x;
    switch (WHAT) {
    case 1: y = x * f(1) + f(2); break;
    case 2: y = exp(x); break;
    case 3: y = log(x); break;
    case 4: y = sqrt(x); break;
    case 5: y = tanh_(x); break;
    case 6: y = erf(x); break;
    case 7: y = max(x, 0.0); break;
    case 8: y = x > 0.0 ? 1.0 : 0.0; break;
    case 9: y = silu(x); break;
    case 10: y = gelu(x); break;
    case 11: y = gelu_tanh(x); break;
    }
    store0(i, y);
}
