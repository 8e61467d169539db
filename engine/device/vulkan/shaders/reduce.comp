// SPDX-License-Identifier: MIT
// Sum, maximum or sum of squares. One row of lanes makes one result: result i starts at source
// element start(i) and walks what is reduced.
//
// own: results; then for kept and for reduced axes, each: sizes of the two innermost, three
// strides; then the number reduced, and pieces: the reduced range is cut into that many (result
// i piece p goes to i * pieces + p).
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
#include "lanes.glsl"
layout(constant_id = 10) const uint WHAT = 0; // REDUCE_…
BINDING(0)
BINDING(1)

uint place(uint i, int at)
{
    uint x = i % u(at) * u(at + 2);
    i /= u(at);
    x += i % u(at + 1) * u(at + 3);
    return x + i / u(at + 1) * u(at + 4);
}

void main()
{
    uint r = row(), pieces = u(12), n = u(11);
    bool real = r < u(0) * pieces;
    uint result = r / pieces, piece = r % pieces;
    uint each = (n + pieces - 1) / pieces, first = piece * each, last = min(first + each, n);
    uint start = real ? place(result, 1) : 0;
    float total = WHAT == REDUCE_MAX ? -INFINITY : 0.0, low = 0.0;
    if (real)
        for (uint k = first + lane(); k < last; k += LANES) {
            float x = load1(start + place(k, 6));
            if (WHAT == REDUCE_MAX) {
                total = max(total, x);
            } else { // Kahan: a lane may add thousands
                precise float y = (WHAT == REDUCE_SUMSQ ? x * x : x) - low;
                precise float t = total + y;
                precise float lost = (t - total) - y;
                low = lost;
                total = t;
            }
        }
    total = WHAT == REDUCE_MAX ? lanes_max(total) : lanes_sum(total);
    if (real && lane() == 0)
        store0(r, total);
}
