// SPDX-License-Identifier: MIT
// Elements from place to place: broadcast, permute, concat, slice, pad.
//
// own: count, sizes of the four innermost axes walked, five strides and the offset of the result,
// five strides and the offset of the source (both wrap: offsets may be negative), then the axis
// that is padded (5: none), its first place inside and the number of places inside.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)
BINDING(1)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint rest = i, to = u(10), from = u(16);
    bool inside = true;
    [[unroll]] for (int k = 0; k < 5; k++) {
        uint at = rest;
        if (k < 4) {
            at = rest % u(1 + k);
            rest /= u(1 + k);
        }
        to += at * u(5 + k);
        from += at * u(11 + k);
        if (u(17) == uint(k))
            inside = at >= u(18) && at - u(18) < u(19);
    }
    store0(to, inside ? load1(from) : 0.0);
}
