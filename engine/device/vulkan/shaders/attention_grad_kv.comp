// SPDX-License-Identifier: MIT
// dk = scale sum_i ds_i q_i, dv = sum_i p_i dy_i.  own: 8, 9 first element of dk and dv in the result
// 1 q, 2 k, 3 v, 4 dy, 5 bias, 6 statistics.  Grid: keys, heads, samples
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
    uint j = gl_WorkGroupID.x * LANES + lane(), h = gl_WorkGroupID.y, n = gl_WorkGroupID.z;
    if (j >= u(2))
        return;
    uint at = key(n, h, j);
    float k[D], v[D], dk[D], dv[D];
    EACH(d) {
        k[d] = load2(at + d);
        v[d] = load3(at + d);
        dk[d] = dv[d] = 0.0;
    }
    for (uint i = 0; i < u(1); i++) {
        uint from = query(n, h, i), row_ = stats(n, h, i);
        float score = 0.0, dp = 0.0;
        EACH(d) {
            score += load1(from + d) * k[d];
            dp += load4(from + d) * v[d];
        }
        score *= f(4);
        if (BIAS != 0)
            score += load5(bias_at(n, h, i) + j);
        float p = exp(score - load6(row_)), ds = p * (dp - load6(row_ + 1));
        EACH(d) {
            dk[d] += ds * load1(from + d);
            dv[d] += p * load4(from + d);
        }
    }
    EACH(d) {
        store0(u(8) + at + d, dk[d] * f(4));
        store0(u(9) + at + d, dv[d]);
    }
}
