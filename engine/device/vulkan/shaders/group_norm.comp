// SPDX-License-Identifier: MIT
// y = act(norm(x) a + b), and its gradient. own: count, positions, channels, groups, row of gain
// and offset (channels or 0) forward: 1 x, 2 a, 3 b, 4 mean and 1/deviation of each group. 
// gradient: 1 x, 2 a, 3 b, 4 dy, 5 sums
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint ACT = 0;
layout(constant_id = 11) const uint GRADIENT = 0;
layout(constant_id = 12) const uint WIDE = 1; // elements of an invocation: 1, or 4 of one group
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)
QUADS(0)
QUADS(1)
QUADS(2)
QUADS(3)
QUADS(4)
QUADS(5)

// Four where WIDE, else one of them counts.
vec4 get1(uint i) { return WIDE == 4 ? load_quad1(i) : vec4(load1(i)); }
vec4 get2(uint i) { return WIDE == 4 ? load_quad2(i) : vec4(load2(i)); }
vec4 get3(uint i) { return WIDE == 4 ? load_quad3(i) : vec4(load3(i)); }
vec4 get4(uint i) { return WIDE == 4 ? load_quad4(i) : vec4(load4(i)); }
vec4 get5(uint i) { return WIDE == 4 ? load_quad5(i) : vec4(load5(i)); }

void put(uint i, vec4 v)
{
    if (WIDE == 4)
        store_quad0(i, v);
    else
        store0(i, v.x);
}

void main()
{
    uint i = line() * WIDE;
    if (i >= u(0))
        return;
    uint channels = u(2), c = i % channels, n = i / channels / u(1), wide = channels / u(3);
    uint at = n * u(4) + c, group = c / wide;
    vec4 gain = get2(at), offset = get3(at), x = get1(i), y;
    if (GRADIENT == 0) {
        uint s = (n * u(3) + group) * 2;
        x = (x - load4(s)) * load4(s + 1) * gain + offset;
        [[unroll]] for (uint k = 0; k < WIDE; k++)
            y[k] = activate(ACT, x[k]);
        put(i, y);
        return;
    }
    uint sums = n * 4 * channels;
    float g1 = 0.0, g2 = 0.0, count = float(u(1)) * float(wide);
    for (uint k = group * wide; k < (group + 1) * wide; k++) {
        float a = load2(n * u(4) + k);
        g1 += a * load5(sums + k);
        g2 += a * load5(sums + channels + k);
    }
    vec4 rstd = get5(sums + 3 * channels + c),
         xhat = (x - get5(sums + 2 * channels + c)) * rstd, slope;
    x = xhat * gain + offset;
    [[unroll]] for (uint k = 0; k < WIDE; k++)
        slope[k] = activate_slope(ACT, x[k]);
    put(i, rstd * (gain * get4(i) * slope - g1 / count - xhat * (g2 / count)));
}
