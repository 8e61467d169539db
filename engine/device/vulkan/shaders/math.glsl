// SPDX-License-Identifier: MIT
// Functions GLSL lacks or promises too little for.

// Error below 2e-7 (Abramowitz and Stegun 7.1.26 is 1.5e-7; near 0, where it would cancel, the
// series).
float erf(float x)
{
    float a = abs(x);
    if (a < 0.5) {
        float s = x * x;
        return x * (1.1283791671 + s * (-0.3761263890 + s * (0.1128379167 + s * (-0.0268661706 +
               s * (0.0052239776 - s * 0.0008548327)))));
    }
    float t = 1.0 / (1.0 + 0.3275911 * a);
    float p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 +
              t * 1.061405429))));
    return sign(x) * (1.0 - p * exp(-a * a));
}

float sigmoid(float x) { return 1.0 / (1.0 + exp(-x)); }

float tanh_(float x)
{
    float a = abs(x);
    if (a < 0.125) {
        float s = x * x;
        return x * (1.0 + s * (-0.3333333333 + s * (0.1333333333 - s * 0.0539682540)));
    }
    float e = exp(-2.0 * a);
    return sign(x) * (1.0 - e) / (1.0 + e);
}

const float ROOT_HALF = 0.70710678118654752440, ROOT_TWO_OVER_PI = 0.79788456080286535588;

float gelu(float x) { return 0.5 * x * (1.0 + erf(x * ROOT_HALF)); }
float gelu_slope(float x)
{
    return 0.5 * (1.0 + erf(x * ROOT_HALF)) + x * exp(-0.5 * x * x) * 0.39894228040143267794;
}
float silu(float x) { return x * sigmoid(x); }
float silu_slope(float x) { float s = sigmoid(x); return s * (1.0 + x * (1.0 - s)); }
float gelu_tanh(float x)
{
    return 0.5 * x * (1.0 + tanh_(ROOT_TWO_OVER_PI * (x + 0.044715 * x * x * x)));
}
float gelu_tanh_slope(float x)
{
    float t = tanh_(ROOT_TWO_OVER_PI * (x + 0.044715 * x * x * x));
    return 0.5 * (1.0 + t) +
           0.5 * x * (1.0 - t * t) * ROOT_TWO_OVER_PI * (1.0 + 3.0 * 0.044715 * x * x);
}

// enum activation of engine/ops/graph.h
float activate(uint act, float z) { return act == 1 ? silu(z) : act == 2 ? gelu(z) : z; }
float activate_slope(uint act, float z)
{
    return act == 1 ? silu_slope(z) : act == 2 ? gelu_slope(z) : 1.0;
}
