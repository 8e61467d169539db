// SPDX-License-Identifier: MIT
// Rows of dy added to the rows of a zeroed table that ids name. The first place of an id adds all
// of its places, in order: no atomics, the same bits every time. own: count (places * width),
// width, rows, step + 1, places
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)
layout(set = 0, binding = 1) readonly buffer Ids { int ids[]; };
BINDING(2)
layout(set = 0, binding = 3) buffer Status { uint status[]; };

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint at = i / u(1), c = i % u(1);
    int id = ids[push.base[1] + at];
    if (id < 0 || uint(id) >= u(2)) {
        status[push.base[3]] = u(3);
        return;
    }
    for (uint k = 0; k < at; k++)
        if (ids[push.base[1] + k] == id)
            return;
    float sum = 0;
    for (uint k = at; k < u(4); k++)
        if (ids[push.base[1] + k] == id)
            sum += load2(k * u(1) + c);
    store0(uint(id) * u(1) + c, sum);
}
