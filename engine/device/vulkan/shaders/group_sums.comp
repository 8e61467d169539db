// SPDX-License-Identifier: MIT
// The sums of group norm's backward pass, by sample and channel (engine/ops/norm.c).
// own: rows (samples * channels), positions, channels, groups, row of gain and offset
// 1 x, 2 a, 3 b, 4 mean and 1/deviation of each group, 5 dy
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "math.glsl"
#include "lanes.glsl"
layout(constant_id = 10) const uint ACT = 0;
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)

void main()
{
    uint r = row(), channels = u(2);
    bool real = r < u(0);
    uint n = real ? r / channels : 0, c = r % channels;
    uint group = n * u(3) + c / (channels / u(3));
    vec2 s = vec2(load4(2 * group), load4(2 * group + 1));
    float gain = load2(n * u(4) + c), offset = load3(n * u(4) + c), s1 = 0.0, s2 = 0.0;
    if (real)
        for (uint p = lane(); p < u(1); p += LANES) {
            uint at = (n * u(1) + p) * channels + c;
            float xhat = (load1(at) - s.x) * s.y;
            float dz = load5(at) * activate_slope(ACT, xhat * gain + offset);
            s1 += dz;
            s2 += dz * xhat;
        }
    s1 = lanes_sum(s1);
    s2 = lanes_sum(s2);
    if (real && lane() == 0) {
        uint at = n * 4 * channels + c;
        store0(at, s1);
        store0(at + channels, s2);
        store0(at + 2 * channels, s.x);
        store0(at + 3 * channels, s.y);
    }
}
