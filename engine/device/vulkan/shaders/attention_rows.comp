// SPDX-License-Identifier: MIT
// Backward, first step: for each query the logarithm of its softmax's sum, and sum_j p_j dp_j.
// 0 statistics, 1 q, 2 k, 3 v, 4 dy, 5 bias.  Grid: queries, heads, samples
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "attention.glsl"
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)

void main()
{
    uint i = gl_WorkGroupID.x * LANES + lane(), h = gl_WorkGroupID.y, n = gl_WorkGroupID.z;
    bool real = i < u(1);
    uint at = query(n, h, real ? i : 0), bias = bias_at(n, h, real ? i : 0);
    uint count = u(2), first = key(n, h, 0);
    float q[D], dy[D], top = -INFINITY, total = 0.0, dot_ = 0.0;
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        dy[d] = load4(at + d);
    }
    for (uint j0 = 0; j0 < count; j0 += STRETCH(count)) {
        BRING(j0, count, first, load2, load3)
        for (uint j = j0; j < min(j0 + STRETCH(count), count); j++) {
            float score = BIAS != 0 ? load5(bias + j) : 0.0, dp = 0.0;
            PIECES(d0) {
                CHANNELS(a, k, d0, j, j0, first, load2)
                CHANNELS(b, v, d0, j, j0, first, load3)
                WITHIN(d, d0) {
                    score += q[d] * k[d - d0];
                    dp += dy[d] * v[d - d0];
                }
            }
            float higher = max(top, score), keep = exp(top - higher), p = exp(score - higher);
            total = total * keep + p;
            dot_ = dot_ * keep + p * dp;
            top = higher;
        }
    }
    if (real) {
        store0(stats(n, h, i), top + log(total));
        store0(stats(n, h, i) + 1, dot_ / total);
    }
}
