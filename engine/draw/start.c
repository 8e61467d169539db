// SPDX-License-Identifier: MIT
#include "engine/draw/start.h"

#include <math.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/draw/resize.h"

bool
start_check(const struct pipeline_picture *picture, const struct pipeline_picture *mask,
            struct err *err)
{
    // The same shape as far as whole pixels can say it.
    double a = picture->width, b = picture->height;
    if (!mask || fabs(mask->width * b - mask->height * a) <= MAX(a, b) + mask->width + mask->height)
        return true;
    return err_set(err, ERR_INPUT,
                   "the mask has %d x %d pixels, the picture to start from %d x %d: "
                   "they must have one shape",
                   mask->width, mask->height, picture->width, picture->height);
}

// Brightness by Rec. 709 of (n,3) in [-1,1] -> (n) in [0,1].
static void
brightness(const float *rgb, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *v = rgb + 3 * i;
        float y = 0.2126f * v[0] + 0.7152f * v[1] + 0.0722f * v[2];
        out[i] = MIN(MAX((y + 1) / 2, 0), 1);
    }
}

bool
start_make(struct start *s, const struct pipeline_picture *picture,
           const struct pipeline_picture *mask, int columns, int rows, struct err *err)
{
    size_t n = (size_t)columns * (size_t)rows;
    *s = (struct start){.picture = mem_try_calloc(3 * n, sizeof(float), "the picture", err)};
    if (!s->picture)
        return false;
    if (mask) {
        s->mask = mem_try_calloc(n, sizeof(float), "the mask", err);
        if (!s->mask)
            return false;
        if (!resize_part(mask->rgb, mask->width, mask->height, columns, rows, s->picture, err))
            return false;
        brightness(s->picture, n, s->mask);
    }
    return resize_part(picture->rgb, picture->width, picture->height, columns, rows, s->picture,
                       err);
}

void
start_finish(struct start *s)
{
    free(s->picture);
    free(s->mask);
    *s = (struct start){0};
}

void
start_put_back(const struct start *s, int count, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; s->mask && i < (size_t)count * pixels; i++) {
        float anew = s->mask[i % pixels];
        for (size_t c = 0; c < 3; c++) {
            float drawn = (float)rgb[3 * i + c] / 127.5f - 1;
            float v = anew * drawn + (1 - anew) * s->picture[3 * (i % pixels) + c];
            resize_to_bytes(&v, 1, &rgb[3 * i + c]);
        }
    }
}

int
start_skipped(int steps, double strength)
{
    if (strength <= 0)
        return steps;
    return steps - MIN(MAX((int)lround(steps * strength), 1), steps);
}
