// SPDX-License-Identifier: MIT
// y = a op b with broadcasting.  own: count, sizes of the four innermost axes of the result (the
// fifth is what is left), then five strides of a and five of b, innermost first; 0: broadcast.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
layout(constant_id = 10) const uint WHAT = 0; // 0 add, 1 sub, 2 mul, 3 div
layout(constant_id = 11) const uint PLAIN = 0; // both sources are like the result
BINDING(0)
BINDING(1)
BINDING(2)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
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
    float a = load1(ia), b = load2(ib), y = 0;
    switch (WHAT) {
    case 0: y = a + b; break;
    case 1: y = a - b; break;
    case 2: y = a * b; break;
    case 3: y = a / b; break;
    }
    store0(i, y);
}
