// SPDX-License-Identifier: MIT
// dq = scale sum_j ds_j k_j.  1 q, 2 k, 3 v, 4 dy, 5 bias, 6 statistics.  Grid: queries, heads,
// samples
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
    bool real = i < u(1);
    uint at = query(n, h, real ? i : 0), bias = bias_at(n, h, real ? i : 0);
    uint row_ = stats(n, h, real ? i : 0), count = u(2), first = key(n, h, 0);
    float q[D], dy[D], sum[D], lse = load6(row_), mean = load6(row_ + 1);
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        dy[d] = load4(at + d);
        sum[d] = 0.0;
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
            float ds = exp(score - lse) * (dp - mean);
            PIECES(d0) {
                CHANNELS(a, k, d0, j, j0, first, load2)
                WITHIN(d, d0)
                    sum[d] += ds * k[d - d0];
            }
        }
    }
    if (real)
        EACH(d)
            store0(at + d, sum[d] * f(4));
}
