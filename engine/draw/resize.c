// SPDX-License-Identifier: MIT
#include "engine/draw/resize.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"

static double
cubic(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

// Weights of the `length` source samples for each of `side` results: w (side,length).
static double *
weights(int length, int side)
{
    double *w = mem_zalloc((size_t)side * (size_t)length * sizeof *w);
    double scale = (double)length / side, stretch = MAX(scale, 1.0);
    for (int i = 0; i < side; i++) {
        double centre = (i + 0.5) * scale, sum = 0, *row = w + (size_t)i * (size_t)length;
        int first = MAX((int)floor(centre - 2 * stretch), 0);
        int last = MIN((int)ceil(centre + 2 * stretch), length);
        for (int k = first; k < last; k++)
            sum += row[k] = cubic((k + 0.5 - centre) / stretch);
        for (int k = first; k < last; k++)
            row[k] /= sum;
    }
    return w;
}

// Range of non-zero weights of a row.
static void
support(const double *row, int length, int *first, int *last)
{
    for (*first = 0; *first < length && row[*first] == 0; ++*first)
        ;
    for (*last = length; *last > *first && row[*last - 1] == 0; --*last)
        ;
}

void
resize_square(const uint8_t *rgb, int width, int height, int side, float *out)
{
    int length = MIN(width, height), left = (width - length) / 2, top = (height - length) / 2;
    double *w = weights(length, side);
    float *wide = mem_alloc((size_t)length * (size_t)side * 3 * sizeof *wide); // rows done
    for (int x = 0; x < side; x++) {
        const double *row = w + (size_t)x * (size_t)length;
        int first, last;
        support(row, length, &first, &last);
        for (int y = 0; y < length; y++)
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                size_t line = (size_t)(top + y) * (size_t)width + (size_t)left;
                for (int k = first; k < last; k++)
                    sum += row[k] * rgb[(line + (size_t)k) * 3 + (size_t)c];
                wide[((size_t)y * (size_t)side + (size_t)x) * 3 + (size_t)c] = (float)sum;
            }
    }
    for (int y = 0; y < side; y++) {
        const double *row = w + (size_t)y * (size_t)length;
        int first, last;
        support(row, length, &first, &last);
        for (int i = 0; i < side * 3; i++) {
            double sum = 0;
            for (int k = first; k < last; k++)
                sum += row[k] * wide[(size_t)k * (size_t)side * 3 + (size_t)i];
            sum = MIN(MAX(sum, 0), 255);
            out[(size_t)y * (size_t)side * 3 + (size_t)i] = (float)(sum / 127.5 - 1);
        }
    }
    free(w);
    free(wide);
}

void
resize_bilinear(const float *in, int from, int to, float *out)
{
    double scale = to > 1 ? (double)(from - 1) / (to - 1) : 0;
    for (int y = 0; y < to; y++)
        for (int x = 0; x < to; x++) {
            int y0 = (int)(y * scale), x0 = (int)(x * scale);
            int y1 = MIN(y0 + 1, from - 1), x1 = MIN(x0 + 1, from - 1);
            double fy = y * scale - y0, fx = x * scale - x0;
            for (int c = 0; c < 3; c++) {
                double a = in[(y0 * from + x0) * 3 + c] * (1 - fx) + in[(y0 * from + x1) * 3 + c] * fx;
                double b = in[(y1 * from + x0) * 3 + c] * (1 - fx) + in[(y1 * from + x1) * 3 + c] * fx;
                out[((size_t)y * (size_t)to + (size_t)x) * 3 + (size_t)c] =
                    (float)(a * (1 - fy) + b * fy);
            }
        }
}

void
resize_to_bytes(const float *in, size_t n, uint8_t *out)
{
    for (size_t i = 0; i < n; i++) {
        float v = (in[i] + 1) * 127.5f + 0.5f;
        out[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0;
    }
}
