// SPDX-License-Identifier: MIT
// Keeping the estimate of the clean picture in range: static and dynamic thresholding.
#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/diffusion/sampler.h"

static void
swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

// Moves the k-th smallest to v[k], none larger before it, none smaller after it (Hoare's
// quickselect). The pivot is the median of three, so that sorted values (flat areas, gradients) do
// not make it slow.
static void
select_kth(float *v, size_t n, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v[middle] < v[low])
            swap(&v[middle], &v[low]);
        if (v[high] < v[low])
            swap(&v[high], &v[low]);
        if (v[high] < v[middle])
            swap(&v[high], &v[middle]);
        float pivot = v[middle];
        size_t i = low, j = high;
        for (;;) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i >= j)
                break;
            swap(&v[i++], &v[j--]);
        }
        // v[low..j] <= pivot <= v[j+1..high]; if the scans met on the pivot, j is its place.
        if (k <= j)
            high = j;
        else
            low = j + 1;
    }
}

double
sampler_quantile(float *values, size_t n, double q)
{
    require(n > 0 && q >= 0 && q <= 1);
    double position = q * (double)(n - 1);
    size_t k = (size_t)position;
    select_kth(values, n, k);
    double low = values[k], fraction = position - (double)k;
    if (fraction == 0 || k + 1 == n)
        return low;
    double high = values[k + 1];
    for (size_t i = k + 2; i < n; i++)
        high = fmin(high, values[i]);
    return low + fraction * (high - low);
}

static void
clamp_and_scale(float *x, size_t n, double s, double divisor)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(fmin(fmax(x[i], -s), s) / divisor);
}

static void
dynamic_threshold(double q, double max, float *x0, size_t n, size_t elements, float *magnitude)
{
    for (size_t picture = 0; picture < n; picture++) {
        float *x = x0 + picture * elements;
        for (size_t i = 0; i < elements; i++)
            magnitude[i] = fabsf(x[i]);
        double s = sampler_quantile(magnitude, elements, q);
        if (max != 0)
            s = fmin(s, max);
        s = fmax(s, 1);
        clamp_and_scale(x, elements, s, s);
    }
}

void
sampler_threshold(enum threshold kind, double quantile, double max, float *x0, size_t n,
                  size_t elements, float *scratch)
{
    switch (kind) {
    case THRESHOLD_NONE:
        return;
    case THRESHOLD_CLIP:
        clamp_and_scale(x0, n * elements, max == 0 ? 1 : max, 1);
        return;
    case THRESHOLD_DYNAMIC:
        dynamic_threshold(quantile, max, x0, n, elements, scratch);
        return;
    case THRESHOLD_COUNT:
        break;
    }
    unreachable_here();
}
