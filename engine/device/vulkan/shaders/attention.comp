// SPDX-License-Identifier: MIT
// Attention with a running softmax: scores are never stored.
// 1 q, 2 k, 3 v, 4 bias.  Grid: queries, heads, samples
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "attention.glsl"
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)

void main()
{
    uint i = gl_WorkGroupID.x * LANES + lane(), h = gl_WorkGroupID.y, n = gl_WorkGroupID.z;
    bool real = i < u(1);
    uint at = query(n, h, real ? i : 0), bias = bias_at(n, h, real ? i : 0);
    uint count = u(2), first = key(n, h, 0);
    float q[D], sum[D], top = -INFINITY, total = 0.0;
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        sum[d] = 0.0;
    }
    for (uint j0 = 0; j0 < count; j0 += STRETCH(count)) {
        BRING(j0, count, first, load2, load3)
        for (uint j = j0; j < min(j0 + STRETCH(count), count); j++) {
            float score = BIAS != 0 ? load4(bias + j) : 0.0;
            PIECES(d0) {
                CHANNELS(a, k, d0, j, j0, first, load2)
                WITHIN(d, d0)
                    score += q[d] * k[d - d0];
            }
            float higher = max(top, score), keep = exp(top - higher), p = exp(score - higher);
            total = total * keep + p;
            PIECES(d0) {
                CHANNELS(b, v, d0, j, j0, first, load3)
                WITHIN(d, d0)
                    sum[d] = sum[d] * keep + p * v[d - d0];
            }
            top = higher;
        }
    }
    if (real)
        EACH(d)
            store0(at + d, sum[d] / total);
}
