// SPDX-License-Identifier: MIT
// Pairs of channels turned by their token's angles.  1: x, 2: cosines and sines (T, width)
// own: pairs, width of a head, heads, tokens, sign of the angle
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
layout(constant_id = 10) const uint INTERLEAVED = 0;
BINDING(0)
BINDING(1)
BINDING(2)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint half_ = u(1) / 2, head = i / half_, k = i % half_;
    uint table = head / u(2) % u(3) * u(1);
    float c = load2(table + k), s = load2(table + half_ + k) * f(4);
    uint a = head * u(1) + (INTERLEAVED != 0 ? 2 * k : k), b = a + (INTERLEAVED != 0 ? 1 : half_);
    float x0 = load1(a), x1 = load1(b);
    store0(a, x0 * c - x1 * s);
    store0(b, x1 * c + x0 * s);
}
