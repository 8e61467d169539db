// SPDX-License-Identifier: MIT
// exp, log, tanh, erf and the activations in straight-line f32 arithmetic, so that loops over them
// are vectorised. NaN gives NaN. The largest errors, measured over the whole range by t_fast, are
// below 2 units in the last place for exp and log, and below 4 for tanh and erf.
#ifndef LIMN_ENGINE_DEVICE_CPU_FAST_MATH_H
#define LIMN_ENGINE_DEVICE_CPU_FAST_MATH_H

#include "engine/device/cpu/fast.h"

// exp(x) = 2^n exp(r), |r| <= ln 2 / 2. Adding 1.5*2^23 rounds to the nearest integer and leaves it
// in the low bits. The polynomial is a minimax fit (relative error 2e-9).
INLINE float
exp_reduced(float x, float *shifted)
{
    float t = x * 1.44269504f + 12582912.0f;
    float n = t - 12582912.0f;
    float r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    *shifted = t;
    float p = 1.3836804e-3f;
    p = p * r + 8.3748458e-3f;
    p = p * r + 4.1668228e-2f;
    p = p * r + 1.6666420e-1f;
    p = p * r + 4.9999992e-1f;
    p = p * r + 1.0f;
    return p * r + 1.0f;
}

// exp where the ends of the range do not matter: gives exp(-87) below -87, and infinity from 88.4.
INLINE float
exp_near(float x)
{
    float t;
    x = x < -87.0f ? -87.0f : x;
    x = x > 89.0f ? 89.0f : x;
    float p = exp_reduced(x, &t);
    return p * float_of((bits_of(t) << 23) + 0x3F800000u);
}

// For x <= 0 as in softmax: exactly 0 below -87.
INLINE float
exp_softmax(float x)
{
    float y = exp_near(x);
    return x < -87.0f ? 0.0f : y;
}

// The whole range: subnormals, 0, infinity. 2^n is applied in two halves.
INLINE float
exp_full(float x)
{
    float t;
    x = x < -105.0f ? -105.0f : x;
    x = x > 89.5f ? 89.5f : x;
    float p = exp_reduced(x, &t);
    int32_t n = (int32_t)(bits_of(t) - 0x4B400000u), half = n >> 1;
    float a = float_of((uint32_t)(half + 127) << 23),
          b = float_of((uint32_t)(n - half + 127) << 23);
    return p * a * b;
}

// log(x) = n ln 2 + 2 atanh((m-1)/(m+1)), m in [sqrt(1/2), sqrt 2): the series of atanh.
INLINE float
log_full(float x)
{
    float scaled = x < 1.17549435e-38f ? x * 8388608.0f : x;
    float extra = x < 1.17549435e-38f ? -23.0f : 0.0f;
    uint32_t u = bits_of(scaled) - 0x3F3504F3u; // bits of sqrt(1/2)
    float n = (float)((int32_t)u >> 23) + extra;
    float m = float_of((u & 0x007FFFFFu) + 0x3F3504F3u);
    float f = m - 1.0f, s = f / (m + 1.0f), z = s * s;
    float p = 2.0f / 9.0f;
    p = p * z + 2.0f / 7.0f;
    p = p * z + 2.0f / 5.0f;
    p = p * z + 2.0f / 3.0f;
    // log(1+f) = f - f*s + s*(rest of the series): f itself is exact
    float tail = s * (p * z) - f * s;
    float y = f + (n * -2.12194440e-4f + tail) + n * 0.693359375f;
    y = x > 3.402823466e38f ? x : y;
    y = x == 0.0f ? -__builtin_inff() : y;
    return x >= 0.0f ? y : __builtin_nanf("");
}

INLINE float
tanh_full(float x)
{
    float m = x < 0 ? -x : x, z = x * x;
    float p = -1382.0f / 155925.0f; // Taylor, for |x| < 0.35
    p = p * z + 62.0f / 2835.0f;
    p = p * z - 17.0f / 315.0f;
    p = p * z + 2.0f / 15.0f;
    p = p * z - 1.0f / 3.0f;
    float near = x + x * (z * p);
    float far = 1.0f - 2.0f / (exp_near(2.0f * m) + 1.0f);
    return m < 0.35f ? near : x < 0 ? -far : far;
}

// exp(z*z) erfc(z) for z >= 0: a minimax polynomial in 1/(1 + z/2) fitted on [0,8] (relative error
// 2.4e-8). Beyond, erfc itself is below 1e-28.
INLINE float
erfcx_positive(float z)
{
    float t = 1.0f / (1.0f + 0.5f * z);
    float p = -0.050216028672907385f;
    p = p * t + 0.2383007995347876f;
    p = p * t - 0.3829516626487473f;
    p = p * t + 0.1455614972687575f;
    p = p * t + 0.07781206535659731f;
    p = p * t + 0.14989443639559835f;
    p = p * t + 0.260176659622652f;
    p = p * t + 0.27897599815795127f;
    p = p * t + 0.28246403697929495f;
    return p * t - 1.7825496055004344e-05f;
}

INLINE float
erf_full(float x)
{
    float m = x < 0 ? -x : x, z = x * x;
    float p = 1.0f / 9360.0f; // Taylor, for |x| < 0.5
    p = p * z - 1.0f / 1320.0f;
    p = p * z + 1.0f / 216.0f;
    p = p * z - 1.0f / 42.0f;
    p = p * z + 1.0f / 10.0f;
    p = p * z - 1.0f / 3.0f;
    p = p * z + 1.0f;
    float near = 1.12837917f * x * p;
    float far = 1.0f - exp_near(-z) * erfcx_positive(m);
    far = m > 4.0f ? 1.0f : far;
    return m < 0.5f ? near : x < 0 ? -far : far;
}

// exp(-x) for the sigmoids, up to exp(88) and down to exp(-87): 2^n 2^f with n + f = -x/ln 2, a
// minimax polynomial for 2^f (relative error 7.5e-8), n added to the exponent. Its error grows with
// |x|, where a sigmoid no longer depends on it.
INLINE float
exp_minus(float x)
{
    x = x > 87.0f ? 87.0f : x;
    x = x < -88.0f ? -88.0f : x;
    float t = x * -1.44269504f + 12582912.0f;
    float f = x * -1.44269504f - (t - 12582912.0f);
    float p = 1.3276379e-3f;
    p = p * f + 9.6755636e-3f;
    p = p * f + 5.5507137e-2f;
    p = p * f + 2.4022119e-1f;
    p = p * f + 6.9314697e-1f;
    p = p * f + 1.0f;
    return float_of(bits_of(p) + (bits_of(t) << 23));
}

INLINE float
sigmoid(float x)
{
    return 1.0f / (1.0f + exp_minus(x));
}

INLINE float
silu_value(float x)
{
    return x * sigmoid(x);
}

// s and s (1-s), s = 1/(1+exp(-x)), without the cancellation of 1-s.
INLINE float
sigmoid_slope(float x, float *slope)
{
    float e = exp_minus(x), s = 1.0f / (1.0f + e);
    *slope = e * s * s;
    return s;
}

INLINE float
silu_slope(float x)
{
    float slope, s = sigmoid_slope(x, &slope);
    return s + x * slope;
}

// The standard normal distribution function; *bell = exp(-x*x/2).
INLINE float
normal_cdf(float x, float *bell)
{
    float m = x < 0 ? -x : x;
    float e = exp_near(-0.5f * x * x);
    float tail = 0.5f * e * erfcx_positive(m * 0.70710678f);
    tail = m > 11.0f ? 0.0f : tail;
    *bell = e;
    return x < 0 ? tail : 1.0f - tail;
}

INLINE float
gelu_value(float x)
{
    float bell;
    return x * normal_cdf(x, &bell);
}

INLINE float
gelu_slope(float x)
{
    float bell, cdf = normal_cdf(x, &bell);
    bell = x * x > 170.0f ? 0.0f : bell;
    return cdf + x * bell * 0.39894228f;
}

// x/2 (1 + tanh u) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
INLINE float
gelu_tanh_value(float x)
{
    return x * sigmoid(1.59576912f * (x + 0.044715f * x * x * x));
}

INLINE float
gelu_tanh_slope(float x)
{
    float slope, s = sigmoid_slope(1.59576912f * (x + 0.044715f * x * x * x), &slope);
    float du = 1.59576912f * (1.0f + 0.134145f * x * x); // of 2u
    return s + x * slope * du;
}

#endif
