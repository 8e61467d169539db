// SPDX-License-Identifier: MIT
// Attention with a running softmax: scores are never stored. An invocation has one query; SHARE
// keys and values at a time go through shared memory where that is faster (0: straight from memory).
// 1 q, 2 k, 3 v, 4 bias.  Grid: queries, heads, samples
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "attention.glsl"
layout(constant_id = 13) const uint SHARE = 0;
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
shared float keys[SHARE > 0 ? SHARE * D : 1], values[SHARE > 0 ? SHARE * D : 1];

void main()
{
    uint i = gl_WorkGroupID.x * LANES + lane(), h = gl_WorkGroupID.y, n = gl_WorkGroupID.z;
    bool real = i < u(1);
    uint at = query(n, h, real ? i : 0), bias = bias_at(n, h, real ? i : 0), count = u(2);
    float q[D], sum[D], top = -INFINITY, total = 0.0;
    EACH(d) {
        q[d] = load1(at + d) * f(4);
        sum[d] = 0.0;
    }
    uint piece = SHARE > 0 ? SHARE : count;
    for (uint j0 = 0; j0 < count; j0 += piece) {
        uint stop = min(j0 + piece, count);
        if (SHARE > 0) {
            barrier();
            for (uint e = lane(); e < (stop - j0) * D; e += LANES) {
                uint from = key(n, h, j0 + e / D) + e % D;
                keys[e] = load2(from);
                values[e] = load3(from);
            }
            barrier();
        }
        for (uint j = j0; j < stop; j++) {
            uint from = SHARE > 0 ? (j - j0) * D : key(n, h, j);
            float score = 0.0;
            EACH(d)
                score += q[d] * (SHARE > 0 ? keys[from + d] : load2(from + d));
            if (BIAS != 0)
                score += load4(bias + j);
            float higher = max(top, score), keep = exp(top - higher), p = exp(score - higher);
            total = total * keep + p;
            EACH(d)
                sum[d] = sum[d] * keep + p * (SHARE > 0 ? values[from + d] : load3(from + d));
            top = higher;
        }
    }
    if (real)
        EACH(d)
            store0(at + d, sum[d] / total);
}
