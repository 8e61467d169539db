// SPDX-License-Identifier: MIT
// y = a op b with broadcasting.  own: count, sizes of the four innermost axes of the result (the
// fifth is what is left), then five strides of a and five of b, innermost first; 0: broadcast.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
layout(constant_id = 10) const uint WHAT = 0; // BINARY_…
layout(constant_id = 11) const uint PLAIN = 0; // both sources are like the result
layout(constant_id = 12) const uint WIDE = 1;  // elements of an invocation: 1, or 4 where PLAIN
BINDING(0)
BINDING(1)
BINDING(2)
QUADS(0)
QUADS(1)
QUADS(2)

vec4 of(vec4 a, vec4 b)
{
    return WHAT == BINARY_ADD   ? a + b
           : WHAT == BINARY_SUB ? a - b
           : WHAT == BINARY_MUL ? a * b
                                : a / b;
}

void main()
{
    uint i = line() * WIDE;
    if (i >= u(0))
        return;
    if (WIDE == 4) {
        store_quad0(i, of(load_quad1(i), load_quad2(i)));
        return;
    }
    uint ia = i, ib = i;
    if (PLAIN == 0) {
        uint rest = i;
        ia = ib = 0;
        [[unroll]] for (int k = 0; k < 4; k++) {
            uint at = rest % u(1 + k);
            rest /= u(1 + k);
            ia += at * u(5 + k);
            ib += at * u(10 + k);
        }
        ia += rest * u(9);
        ib += rest * u(14);
    }
    store0(i, of(vec4(load1(ia)), vec4(load2(ib))).x);
}
