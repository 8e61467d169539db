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
    if (i >= u(1))
        return;
    uint at = query(n, h, i), bias = bias_at(n, h, i);
    float q[D], dy[D], top = -INFINITY, total = 0.0, dot_ = 0.0;
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        dy[d] = load4(at + d);
    }
    for (uint j = 0; j < u(2); j++) {
        uint from = key(n, h, j);
        float score = BIAS != 0 ? load5(bias + j) : 0.0, dp = 0.0;
        EACH(d) {
            score += q[d] * load2(from + d);
            dp += dy[d] * load3(from + d);
        }
        float higher = max(top, score), keep = exp(top - higher), p = exp(score - higher);
        total = total * keep + p;
        dot_ = dot_ * keep + p * dp;
        top = higher;
    }
    store0(stats(n, h, i), top + log(total));
    store0(stats(n, h, i) + 1, dot_ / total);
}
