// SPDX-License-Identifier: MIT
// y = act(norm(x) a + b), and its gradient.
// own: count, positions, channels, groups, pieces, eps, row of gain and offset (channels or 0)
// forward: 1 x, 2 a, 3 b, 4 partial statistics.  gradient: 1 x, 2 a, 3 b, 4 dy, 5 sums
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
layout(constant_id = 10) const uint ACT = 0;
layout(constant_id = 11) const uint GRADIENT = 0;
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)
#define STATS(i) load4(i)
#include "group.glsl"

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint channels = u(2), c = i % channels, n = i / channels / u(1), wide = channels / u(3);
    uint at = n * u(6) + c, group = c / wide;
    float gain = load2(at), offset = load3(at);
    if (GRADIENT == 0) {
        vec2 s = group_statistics(n, group, u(3), u(4), f(5));
        store0(i, activate(ACT, (load1(i) - s.x) * s.y * gain + offset));
        return;
    }
    uint sums = n * 4 * channels;
    float g1 = 0.0, g2 = 0.0, count = float(u(1)) * float(wide);
    for (uint k = group * wide; k < (group + 1) * wide; k++) {
        float a = load2(n * u(6) + k);
        g1 += a * load5(sums + k);
        g2 += a * load5(sums + channels + k);
    }
    float mean = load5(sums + 2 * channels + c), rstd = load5(sums + 3 * channels + c);
    float xhat = (load1(i) - mean) * rstd;
    float slope = activate_slope(ACT, xhat * gain + offset);
    store0(i, rstd * (gain * load4(i) * slope - g1 / count - xhat * g2 / count));
}
