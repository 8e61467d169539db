// SPDX-License-Identifier: MIT
// Doubling, halving, bilinear resize of pictures N,H,W,C.
// own: count, height and width of the result, channels, height and width of the source
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
layout(constant_id = 10) const uint WHAT = 0; // 0 upsample2, 1 downsample2, 2 resize, 3 on corners
BINDING(0)
BINDING(1)

float position(uint at, uint from, uint to)
{
    if (WHAT == 3)
        return to > 1 ? float(at) * float(from - 1) / float(to - 1) : 0.0;
    return max(0.0, (float(at) + 0.5) * float(from) / float(to) - 0.5);
}

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint c = i % u(3), x = i / u(3) % u(2), y = i / u(3) / u(2) % u(1), n = i / u(3) / u(2) / u(1);
    uint h = u(4), w = u(5);
#define AT(row, column) load1(((n * h + (row)) * w + (column)) * u(3) + c)
    if (WHAT == 0) {
        store0(i, AT(y / 2, x / 2));
    } else if (WHAT == 1) {
        store0(i, 0.25 * (AT(2 * y, 2 * x) + AT(2 * y, 2 * x + 1) + AT(2 * y + 1, 2 * x) +
                          AT(2 * y + 1, 2 * x + 1)));
    } else {
        float py = position(y, h, u(1)), px = position(x, w, u(2));
        uint y0 = uint(py), x0 = uint(px), y1 = min(y0 + 1, h - 1), x1 = min(x0 + 1, w - 1);
        float fy = py - float(y0), fx = px - float(x0);
        store0(i, (1 - fy) * ((1 - fx) * AT(y0, x0) + fx * AT(y0, x1)) +
                      fy * ((1 - fx) * AT(y1, x0) + fx * AT(y1, x1)));
    }
}
