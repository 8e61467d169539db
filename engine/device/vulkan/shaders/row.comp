// SPDX-License-Identifier: MIT
// Rows of the last axis: softmax, layer norm, RMS norm, and their gradients.
// own: rows, width, eps.  1: x (softmax_grad: y), 2: dy
// With a gain (norm_affine): 3 the gain, 4 the offset; own 3, 4: rows that share theirs.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
#include "lanes.glsl"
layout(constant_id = 10) const uint WHAT = 0; // ROW_…
layout(constant_id = 11) const uint GAIN = 0; // 1: gain, 2: gain and offset
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)

void main()
{
    uint r = row(), n = u(1);
    bool real = r < u(0);
    uint first = real ? r * n : 0, stop = real ? n : 0;
    float a = 0.0, b = 0.0, c = 0.0;
    if (WHAT == ROW_SOFTMAX) {
        a = -INFINITY;
        for (uint i = lane(); i < stop; i += LANES)
            a = max(a, load1(first + i));
        a = lanes_max(a);
        for (uint i = lane(); i < stop; i += LANES)
            b += exp(load1(first + i) - a);
        b = lanes_sum(b);
        for (uint i = lane(); i < stop; i += LANES)
            store0(first + i, exp(load1(first + i) - a) / b);
        return;
    }
    if (WHAT == ROW_SOFTMAX_GRAD) {
        for (uint i = lane(); i < stop; i += LANES)
            a += load1(first + i) * load2(first + i);
        a = lanes_sum(a);
        for (uint i = lane(); i < stop; i += LANES)
            store0(first + i, load1(first + i) * (load2(first + i) - a));
        return;
    }
    // Layer norm takes the mean away; RMS norm does not.
    float mean = 0.0;
    if (WHAT == ROW_LAYER_NORM || WHAT == ROW_LAYER_NORM_GRAD) {
        for (uint i = lane(); i < stop; i += LANES)
            mean += load1(first + i);
        mean = lanes_sum(mean) / float(n);
    }
    for (uint i = lane(); i < stop; i += LANES) {
        float d = load1(first + i) - mean;
        a += d * d;
    }
    float scale = 1.0 / sqrt(lanes_sum(a) / float(n) + f(2));
    if (GAIN != 0) {
        for (uint i = lane(); i < stop; i += LANES) {
            float y = (load1(first + i) - mean) * scale * load3(r / u(3) * n + i);
            store0(first + i, GAIN == 2 ? y + load4(r / u(4) * n + i) : y);
        }
        return;
    }
    if (WHAT == ROW_LAYER_NORM || WHAT == ROW_RMS_NORM) {
        for (uint i = lane(); i < stop; i += LANES)
            store0(first + i, (load1(first + i) - mean) * scale);
        return;
    }
    for (uint i = lane(); i < stop; i += LANES) {
        float dy = load2(first + i);
        b += dy;
        c += dy * (load1(first + i) - mean);
    }
    b = WHAT == ROW_LAYER_NORM_GRAD ? lanes_sum(b) / float(n) : 0.0;
    c = lanes_sum(c) * scale / float(n);
    for (uint i = lane(); i < stop; i += LANES) {
        float xhat = (load1(first + i) - mean) * scale;
        store0(first + i, scale * (load2(first + i) - b - xhat * c));
    }
}
