// SPDX-License-Identifier: MIT
// Steps that change memory in place: accumulate, AdamW, averaged weights.
// own: count.  accumulate: 0 into, 1 x.  ema: 0 e, 1 p, 2 decay.
// adamw: 0 p, 1 gradient, 2 m, 3 v, 4 the eight numbers, 5 sum of squares
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
#include "shared.h"
layout(constant_id = 10) const uint WHAT = 0; // OPTIMISE_…
BINDING(0)
BINDING(1)
BINDING(2)
BINDING(3)
BINDING(4)
BINDING(5)

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    if (WHAT == OPTIMISE_ACCUMULATE) {
        store0(i, load0(i) + load1(i));
        return;
    }
    if (WHAT == OPTIMISE_EMA) {
        float e = load0(i);
        store0(i, e + (1.0 - load2(0)) * (load1(i) - e));
        return;
    }
    float lr = load4(AT_RATE), beta1 = load4(AT_BETA1), beta2 = load4(AT_BETA2);
    float eps = load4(AT_EPS), decay = load4(AT_DECAY);
    float clip = load4(AT_CLIP), norm = sqrt(load5(0)) + 1e-6;
    float g = load1(i) * (clip > 0.0 && clip < norm ? clip / norm : 1.0);
    float m = beta1 * load2(i) + (1.0 - beta1) * g;
    float v = beta2 * load3(i) + (1.0 - beta2) * g * g;
    float p = load0(i);
    store2(i, m);
    store3(i, v);
    p -= lr * decay * p;
    p -= lr * (m / load4(AT_UNBIAS1)) / (sqrt(v / load4(AT_UNBIAS2)) + eps);
    store0(i, p);
}
