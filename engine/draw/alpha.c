// SPDX-License-Identifier: MIT
#include "engine/draw/alpha.h"

#include <string.h>

#include "engine/base/mem.h"

// Grain at both ends is taken away, what lies between stretched over it.
static int
without_grain(int alpha)
{
    int range = 255 - 2 * ALPHA_GRAIN;
    int v = ((alpha - ALPHA_GRAIN) * 255 + range / 2) / range;
    return MIN(MAX(v, 0), 255);
}

// Alpha that the colours cannot do without.
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
        if (p[3] == 0 && needed_by(p) <= ALPHA_GRAIN)
            memset(p, 255, 3);
    }
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
