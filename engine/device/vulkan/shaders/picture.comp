// SPDX-License-Identifier: MIT
// Doubling and halving of pictures N,H,W,C.
// own: count, height and width of the result, channels, height and width of the source
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
layout(constant_id = 10) const uint WHAT = 0; // PICTURE_…
BINDING(0)
BINDING(1)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint c = i % u(3), x = i / u(3) % u(2), y = i / u(3) / u(2) % u(1), n = i / u(3) / u(2) / u(1);
    uint h = u(4), w = u(5);
#define AT(row, column) load1(((n * h + (row)) * w + (column)) * u(3) + c)
    if (WHAT == PICTURE_UPSAMPLE) {
        store0(i, AT(y / 2, x / 2));
    } else {
        store0(i, 0.25 * (AT(2 * y, 2 * x) + AT(2 * y, 2 * x + 1) + AT(2 * y + 1, 2 * x) +
                          AT(2 * y + 1, 2 * x + 1)));
    }
}
