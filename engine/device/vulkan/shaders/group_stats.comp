// SPDX-License-Identifier: MIT
// Group norm, first step (STEP 0): partial statistics. A row of lanes takes one piece of the
// positions of one group of one sample and writes its count, mean and sum of squared distances from
// it. own: rows (samples * groups * pieces), positions, channels, groups, pieces
//
// Second step: the pieces of each group, put together (Chan et al. 1979), to mean and 1 /
// deviation. own: samples * groups, -, -, -, pieces, eps
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "lanes.glsl"
layout(constant_id = 10) const uint STEP = 0;
BINDING(0)
BINDING(1)

void finish()
{
    uint r = line();
    if (r >= u(0))
        return;
    float count = 0.0, mean = 0.0, square = 0.0;
    for (uint p = 0; p < u(4); p++) {
        uint at = (r * u(4) + p) * 3;
        float more = load1(at), apart = load1(at + 1) - mean, both = count + more;
        if (more == 0.0)
            continue;
        mean += apart * more / both;
        square += load1(at + 2) + apart * apart * count * more / both;
        count = both;
    }
    store0(r * 2, mean);
    store0(r * 2 + 1, 1.0 / sqrt(square / count + f(5)));
}

void main()
{
    if (STEP == 1) {
        finish();
        return;
    }
    uint r = row();
    bool real = r < u(0);
    uint pieces = u(4), piece = r % pieces, group = r / pieces % u(3), n = r / pieces / u(3);
    uint wide = u(2) / u(3);
    uint each = (u(1) + pieces - 1) / pieces, first = min(piece * each, u(1));
    uint last = real ? min(first + each, u(1)) : first;
    uint count = (last - first) * wide, start = (n * u(1) + first) * u(2) + group * wide;
    float sum = 0.0, square = 0.0;
    for (uint k = lane(); k < count; k += LANES)
        sum += load1(start + k / wide * u(2) + k % wide);
    float mean = lanes_sum(sum) / float(max(count, 1));
    for (uint k = lane(); k < count; k += LANES) {
        float d = load1(start + k / wide * u(2) + k % wide) - mean;
        square += d * d;
    }
    square = lanes_sum(square);
    if (real && lane() == 0) {
        store0(r * 3, float(count));
        store0(r * 3 + 1, mean);
        store0(r * 3 + 2, square);
    }
}
