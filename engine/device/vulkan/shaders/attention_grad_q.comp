// SPDX-License-Identifier: MIT
// dq = scale sum_j ds_j k_j.  1 q, 2 k, 3 v, 4 dy, 5 bias, 6 statistics.  Grid: queries, heads, samples
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
BINDING(6)

void main()
{
    uint i = gl_WorkGroupID.x * LANES + lane(), h = gl_WorkGroupID.y, n = gl_WorkGroupID.z;
    if (i >= u(1))
        return;
    uint at = query(n, h, i), bias = bias_at(n, h, i);
    float q[D], dy[D], sum[D], lse = load6(stats(n, h, i)), mean = load6(stats(n, h, i) + 1);
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        dy[d] = load4(at + d);
        sum[d] = 0.0;
    }
    for (uint j = 0; j < u(2); j++) {
        uint from = key(n, h, j);
        float score = BIAS != 0 ? load5(bias + j) : 0.0, dp = 0.0;
        EACH(d) {
            score += q[d] * load2(from + d);
            dp += dy[d] * load3(from + d);
        }
        float ds = exp(score - lse) * (dp - mean);
        EACH(d)
            sum[d] += ds * load2(from + d);
    }
    EACH(d)
        store0(at + d, sum[d] * f(4));
}
