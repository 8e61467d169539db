// SPDX-License-Identifier: MIT
// y[i] = f(x[i]).  own: count, scale, shift
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint WHAT = 0; // unary_code() in ops_elementwise.c
layout(constant_id = 11) const uint WIDE = 1; // elements of an invocation: 1 or 4
BINDING(0)
BINDING(1)
QUADS(0)
QUADS(1)

float of(float x)
{
    switch (WHAT) {
    case 1: return x * f(1) + f(2);
    case 2: return exp(x);
    case 3: return log(x);
    case 4: return sqrt(x);
    case 5: return tanh_(x);
    case 6: return erf(x);
    case 7: return max(x, 0.0);
    case 8: return x > 0.0 ? 1.0 : 0.0;
    case 9: return silu(x);
    case 10: return gelu(x);
    case 11: return gelu_tanh(x);
    }
    return x;
}

void main()
{
    uint i = line() * WIDE;
    if (i >= u(0))
        return;
    if (WIDE == 1) {
        store0(i, of(load1(i)));
        return;
    }
    vec4 x = load_quad1(i);
    store_quad0(i, vec4(of(x.x), of(x.y), of(x.z), of(x.w)));
}
