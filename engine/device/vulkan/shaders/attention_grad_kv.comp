// SPDX-License-Identifier: MIT
// dk = scale sum_i ds_i q_i, dv = sum_i p_i dy_i.  own: 8, 9 first element of dk and dv in the
// result 1 q, 2 k, 3 v, 4 dy, 5 bias, 6 statistics.  Grid: keys, heads, samples
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
    bool real = j < u(2);
    uint at = key(n, h, real ? j : 0), count = u(1), first = query(n, h, 0);
    float k[D], v[D], dk[D], dv[D];
    EACH(d) {
        k[d] = load2(at + d);
        v[d] = load3(at + d);
        dk[d] = dv[d] = 0.0;
    }
    for (uint i0 = 0; i0 < count; i0 += STRETCH(count)) {
        BRING(i0, count, first, load1, load4)
        for (uint i = i0; i < min(i0 + STRETCH(count), count); i++) {
            float score = 0.0, dp = 0.0;
            PIECES(d0) {
                CHANNELS(a, q, d0, i, i0, first, load1)
                CHANNELS(b, dy, d0, i, i0, first, load4)
                WITHIN(d, d0) {
                    score += q[d - d0] * k[d];
                    dp += dy[d - d0] * v[d];
                }
            }
            score *= f(4);
            if (BIAS != 0)
                score += load5(bias_at(n, h, i) + (real ? j : 0));
            uint row_ = stats(n, h, i);
            float p = exp(score - load6(row_)), ds = p * (dp - load6(row_ + 1));
            PIECES(d0) {
                CHANNELS(a, q, d0, i, i0, first, load1)
                CHANNELS(b, dy, d0, i, i0, first, load4)
                WITHIN(d, d0) {
                    dk[d] += ds * q[d - d0];
                    dv[d] += p * dy[d - d0];
                }
            }
        }
    }
    if (real)
        EACH(d) {
            store0(u(8) + at + d, dk[d] * f(4));
            store0(u(9) + at + d, dv[d]);
        }
}
