// SPDX-License-Identifier: MIT
#include "engine/draw/resize.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/base/resample.h"

bool
resize_part(const uint8_t *rgb, int width, int height, int columns, int rows, float *out,
            struct err *err)
{
    // Crops the side that is too long for the aspect ratio.
    int64_t across = (int64_t)width * rows, along = (int64_t)height * columns;
    int w = across > along ? MAX((int)(along / rows), 1) : width;
    int h = along > across ? MAX((int)(across / columns), 1) : height;
    struct resampling r = {rgb, 3 * (size_t)width, 3, false, (width - w) / 2, (height - h) / 2,
                           w, h, columns, rows};
    if (!resample(&r, RESAMPLE_CUBIC, out, err))
        return false;
    for (size_t i = 0; i < 3 * (size_t)columns * (size_t)rows; i++)
        out[i] = (float)(out[i] / 127.5 - 1);
    return true;
}

bool
resize_square(const uint8_t *rgb, int width, int height, int side, float *out, struct err *err)
{
    return resize_part(rgb, width, height, side, side, out, err);
}

void
resize_within(int width, int height, int64_t pixels, int grain, int *columns, int *rows)
{
    double scale = sqrt((double)pixels / ((double)width * height));
    *columns = MAX((scale < 1 ? (int)(width * scale) : width) / grain, 1) * grain;
    *rows = MAX((scale < 1 ? (int)(height * scale) : height) / grain, 1) * grain;
}

bool
resize_cropped(const uint8_t *rgb, int width, int height, int64_t pixels, int columns, int rows,
               float *out, struct err *err)
{
    int scaled_columns, scaled_rows;
    resize_within(width, height, pixels, 1, &scaled_columns, &scaled_rows);
    scaled_columns = MAX(scaled_columns, columns);
    scaled_rows = MAX(scaled_rows, rows);
    struct resampling r = {rgb, 3 * (size_t)width, 3, false, 0, 0, width, height,
                           scaled_columns, scaled_rows};
    float *all = mem_try_calloc((size_t)scaled_columns * (size_t)scaled_rows, 3 * sizeof *all,
                                "a picture", err);
    bool ok = all && resample(&r, RESAMPLE_LANCZOS, all, err);
    size_t left = (size_t)(scaled_columns - columns) / 2, top = (size_t)(scaled_rows - rows) / 2;
    for (size_t y = 0; ok && y < (size_t)rows; y++)
        for (size_t i = 0; i < 3 * (size_t)columns; i++) {
            float v = all[3 * ((top + y) * (size_t)scaled_columns + left) + i];
            out[3 * y * (size_t)columns + i] = (float)(floor(v + 0.5) / 127.5 - 1);
        }
    free(all);
    return ok;
}

void
resize_bilinear(const float *in, int from, int to, int channels, float *out)
{
    double scale = to > 1 ? (double)(from - 1) / (to - 1) : 0;
    for (int y = 0; y < to; y++)
        for (int x = 0; x < to; x++) {
            int y0 = (int)(y * scale), x0 = (int)(x * scale);
            int y1 = MIN(y0 + 1, from - 1), x1 = MIN(x0 + 1, from - 1);
            double fy = y * scale - y0, fx = x * scale - x0;
            const float *a0 = in + (y0 * from + x0) * channels,
                        *a1 = in + (y0 * from + x1) * channels;
            const float *b0 = in + (y1 * from + x0) * channels,
                        *b1 = in + (y1 * from + x1) * channels;
            float *v = out + ((size_t)y * (size_t)to + (size_t)x) * (size_t)channels;
            for (int c = 0; c < channels; c++) {
                double a = a0[c] * (1 - fx) + a1[c] * fx, b = b0[c] * (1 - fx) + b1[c] * fx;
                v[c] = (float)(a * (1 - fy) + b * fy);
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

void
resize_repeat(const uint8_t *in, int rows, int columns, int times, uint8_t *out)
{
    size_t t = (size_t)times, to = (size_t)columns * t;
    for (size_t y = 0; y < (size_t)rows * t; y++)
        for (size_t x = 0; x < to; x++)
            for (size_t c = 0; c < 3; c++)
                out[(y * to + x) * 3 + c] = in[(y / t * (size_t)columns + x / t) * 3 + c];
}
