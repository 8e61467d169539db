// SPDX-License-Identifier: MIT
// d bias = ds, summed where the bias is broadcast.
// own: 8..10 sizes of the bias by n, head and query, 11 its elements
// 0 d bias, 1 q, 2 k, 3 v, 4 dy, 5 bias, 6 statistics
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#define ALONE // each element walks its own way
#include "attention.glsl"
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)
BINDING(6)

void main()
{
    uint e = line();
    if (e >= u(11))
        return;
    uint j = e % u(2), bi = e / u(2) % u(10), bh = e / u(2) / u(10) % u(9),
         bn = e / u(2) / u(10) / u(9);
    float sum = 0.0, bias = load5(e);
    // Where the bias has size 1 it serves all of them.
    uint n1 = u(8) > 1 ? bn + 1 : u(0), h1 = u(9) > 1 ? bh + 1 : u(3),
         i1 = u(10) > 1 ? bi + 1 : u(1);
    for (uint n = bn; n < n1; n++)
        for (uint h = bh; h < h1; h++)
            for (uint i = bi; i < i1; i++) {
                uint iq = query(n, h, i), ik = key(n, h, j);
                float score = 0.0, dp = 0.0;
                EACH(d) {
                    score += load1(iq + d) * load2(ik + d);
                    dp += load4(iq + d) * load3(ik + d);
                }
                float p = exp(score * f(4) + bias - load6(stats(n, h, i)));
                sum += p * (dp - load6(stats(n, h, i) + 1));
            }
    store0(e, sum);
}
