// SPDX-License-Identifier: MIT
#include "engine/draw/alpha.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

// Alpha near 0 and 255 is clamped to them to remove grain, and the range between is stretched.
static int
without_grain(int alpha)
{
    int range = 255 - 2 * ALPHA_GRAIN;
    int v = ((alpha - ALPHA_GRAIN) * 255 + range / 2) / range;
    return MIN(MAX(v, 0), 255);
}

// The least alpha with which the colours can be unmixed from white.
static int
needed_by(const uint8_t p[4])
{
    return 255 - MIN(p[0], MIN(p[1], p[2]));
}

void
alpha_clean(uint8_t *rgba, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = rgba + 4 * i;
        p[3] = (uint8_t)without_grain(p[3]);
        if (p[3] == 0 && needed_by(p) <= ALPHA_WHITE_GRAIN)
            memset(p, 255, 3);
    }
}

bool
alpha_draw_in(uint8_t *rgba, int width, int height, struct err *err)
{
    size_t n = (size_t)width * (size_t)height;
    uint8_t *was = mem_try_calloc(n, 1, "alpha", err);
    for (size_t i = 0; was && i < n; i++)
        was[i] = rgba[4 * i + 3];
    for (int y = 0; was && y < height; y++)
        for (int x = 0; x < width; x++) {
            uint8_t *least = &rgba[4 * ((size_t)y * (size_t)width + (size_t)x) + 3];
            for (int v = MAX(y - 1, 0); v <= MIN(y + 1, height - 1); v++)
                for (int u = MAX(x - 1, 0); u <= MIN(x + 1, width - 1); u++)
                    *least = MIN(*least, was[(size_t)v * (size_t)width + (size_t)u]);
        }
    free(was);
    return was != NULL;
}

void
alpha_take_off_white(uint8_t *rgba, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t *p = rgba + 4 * i;
        int alpha = MAX(p[3], needed_by(p));
        for (int c = 0; c < 3; c++) {
            int less = alpha ? ((255 - p[c]) * 255 + alpha / 2) / alpha : 0;
            p[c] = (uint8_t)(255 - MIN(less, 255));
        }
        p[3] = (uint8_t)alpha;
    }
}

void
alpha_part(const float *x, size_t n, float *colours, float *shape)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            colours[3 * i + c] = x[4 * i + c];
            shape[3 * i + c] = -x[4 * i + 3];
        }
}

void
alpha_join(const float *colours, const float *shape, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++) {
        const float *s = shape + 3 * i;
        memcpy(x + 4 * i, colours + 3 * i, 3 * sizeof *x);
        x[4 * i + 3] = -(s[0] + s[1] + s[2]) / 3;
    }
}

void
alpha_lay_on_white(const uint8_t *pixels, size_t n, int channels, uint8_t *rgb)
{
    if (channels == 3) {
        memmove(rgb, pixels, 3 * n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            int less = (255 - pixels[4 * i + c]) * pixels[4 * i + 3];
            rgb[3 * i + c] = (uint8_t)(255 - (less + 127) / 255);
        }
}
