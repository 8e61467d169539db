// SPDX-License-Identifier: MIT
// y[i] = table[ids[i]].  own: count, width, rows, step + 1 (what the status word says when an id is
// outside). Such a row becomes zeros.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)
BINDING(1)
layout(set = 0, binding = 2) readonly buffer Ids { int ids[]; };
layout(set = 0, binding = 3) buffer Status { uint status[]; };

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    int id = ids[push.base[2] + i / u(1)];
    bool inside = id >= 0 && uint(id) < u(2);
    if (!inside)
        status[push.base[3]] = u(3);
    store0(i, inside ? load1(uint(id) * u(1) + i % u(1)) : 0.0);
}
