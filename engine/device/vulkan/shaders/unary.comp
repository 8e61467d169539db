// SPDX-License-Identifier: MIT
// y[i] = f(x[i]).  own: count, scale, shift
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
#include "math.glsl"
layout(constant_id = 10) const uint WHAT = 0; // UNARY_…
layout(constant_id = 11) const uint WIDE = 1; // elements of an invocation: 1 or 4
BINDING(0)
BINDING(1)
QUADS(0)
QUADS(1)

float of(float x)
{
    switch (WHAT) {
    case UNARY_AFFINE: return x * f(1) + f(2);
    case UNARY_EXP: return exp(x);
    case UNARY_LOG: return log(x);
    case UNARY_SQRT: return sqrt(x);
    case UNARY_TANH: return tanh_(x);
    case UNARY_ERF: return erf(x);
    case UNARY_RELU: return max(x, 0.0);
    case UNARY_STEP: return x > 0.0 ? 1.0 : 0.0;
    case UNARY_SILU: return silu(x);
    case UNARY_GELU: return gelu(x);
    case UNARY_GELU_TANH: return gelu_tanh(x);
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
