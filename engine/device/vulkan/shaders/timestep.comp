// SPDX-License-Identifier: MIT
// Sinusoids of timesteps.  own: count (N * half), half, cosine first.
// 2: frequencies in turns, made on the host, each as three floats of 12 bits and the rest: an angle
// is thousands of radians, and one float would keep only four digits behind its whole turns.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "head.glsl"
BINDING(0)
BINDING(1)
BINDING(2)

// x - round(x); x is exact.
float turn(float x) { return x - roundEven(x); }

// Sine and cosine of x turns, x in [-1,1]: drivers promise only 2^-11 for theirs.
vec2 wave(float x)
{
    float quarter = roundEven(4.0 * x), r = (x - 0.25 * quarter) * 6.28318530717958647693;
    float s = r * r;
    float sine = r * (1.0 + s * (-0.16666666667 + s * (0.0083333333 + s * (-0.00019841270 +
                 s * 0.0000027557))));
    float cosine = 1.0 + s * (-0.5 + s * (0.041666666667 + s * (-0.0013888888889 +
                   s * 0.000024801587)));
    int q = int(quarter) & 3;
    vec2 w = (q & 1) == 0 ? vec2(sine, cosine) : vec2(cosine, -sine);
    return q >= 2 ? -w : w;
}

void main()
{
    uint i = line();
    if (i >= u(0))
        return;
    uint width = u(1), n = i / width, k = i % width;
    float t = load1(n), high = uintBitsToFloat(floatBitsToUint(t) & 0xfffff000u), low = t - high;
    float a = load2(3 * k), b = load2(3 * k + 1), c = load2(3 * k + 2);
    // Products of 12 by 12 bits are exact.
    precise float x = turn(high * a) + (turn(low * a) + turn(high * b)) + (low * b + t * c);
    vec2 w = wave(turn(x));
    store0(n * 2 * width + k, u(2) != 0 ? w.y : w.x);
    store0(n * 2 * width + width + k, u(2) != 0 ? w.x : w.y);
}
