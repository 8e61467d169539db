// SPDX-License-Identifier: MIT
// Variations of a picture: spherical interpolation between the noises of two seeds. Linear
// interpolation would pass through vectors shorter than any noise the model has seen.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/diffusion/sampler.h"

static double
dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * b[i];
    return sum;
}

void
sampler_turn(float *x, const float *y, size_t n, double amount)
{
    if (amount >= 1) {
        memcpy(x, y, n * sizeof *x);
        return;
    }
    double length_x = sqrt(dot(x, x, n)), length_y = sqrt(dot(y, y, n));
    double cosine = dot(x, y, n) / (length_x * length_y), angle = acos(fmin(fmax(cosine, -1), 1));
    // Collinear vectors define no single great circle; then linear interpolation serves.
    bool line = !(sin(angle) > 1e-6);
    double a = line ? 1 - amount : sin((1 - amount) * angle) / sin(angle);
    double b = line ? amount : sin(amount * angle) / sin(angle);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(a * x[i] + b * y[i]);
}

bool
sampler_vary(float *x, size_t n, const struct noise_shape *shape, uint64_t seed, double amount,
             struct err *err)
{
    size_t elements = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    if (amount <= 0)
        return true;
    float *other = mem_try_calloc(elements, sizeof *other, "noise", err);
    if (!other || !sampler_noise_at(other, 1, shape, &seed, err)) {
        free(other);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        sampler_turn(x + i * elements, other, elements, amount);
    free(other);
    return true;
}
