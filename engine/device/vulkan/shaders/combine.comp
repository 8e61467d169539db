// SPDX-License-Identifier: MIT
// Splits of a product added, in order, with the bias.  own: count, M*N, splits, N
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
layout(constant_id = 10) const uint BIAS = 0;
BINDING(0)
BINDING(1)
BINDING(2)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint z = i / u(1), r = i % u(1);
    float sum = BIAS != 0 ? load2(r % u(3)) : 0.0;
    for (uint s = 0; s < u(2); s++)
        sum += load1((z * u(2) + s) * u(1) + r);
    store0(i, sum);
}
