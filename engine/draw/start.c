// SPDX-License-Identifier: MIT
#include "engine/draw/start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/draw/resize.h"

bool
start_check(const struct pipeline_picture *picture, const struct pipeline_picture *mask,
            struct err *err)
{
    // The same aspect ratio, up to rounding to whole pixels.
    double a = picture->width, b = picture->height;
    if (!mask || fabs(mask->width * b - mask->height * a) <= MAX(a, b) + mask->width + mask->height)
        return true;
    return err_set(err, ERR_INPUT,
                   "the mask has %d x %d pixels, the picture to start from %d x %d: "
                   "they must have one shape",
                   mask->width, mask->height, picture->width, picture->height);
}

// Luma by Rec. 709: (n,3) in [-1,1] -> (n) in [0,1].
static void
brightness(const float *rgb, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *v = rgb + 3 * i;
        float y = 0.2126f * v[0] + 0.7152f * v[1] + 0.0722f * v[2];
        out[i] = MIN(MAX((y + 1) / 2, 0), 1);
    }
}

// Alpha as three equal channels, for resampling.
static uint8_t *
as_grey(const uint8_t *alpha, size_t n, struct err *err)
{
    uint8_t *out = mem_try_calloc(n, 3, "the picture's alpha", err);
    for (size_t i = 0; out && i < 3 * n; i++)
        out[i] = alpha[i / 3];
    return out;
}

// Interleaves alpha with the colours of s->picture, which has 3 channels but room for 4.
static bool
add_alpha(struct start *s, const struct pipeline_picture *picture, int columns, int rows,
          struct err *err)
{
    size_t n = (size_t)columns * (size_t)rows;
    size_t whole = (size_t)picture->width * (size_t)picture->height;
    float *alpha = mem_try_calloc(3 * n, sizeof *alpha, "the picture's alpha", err);
    uint8_t *grey = alpha && picture->alpha ? as_grey(picture->alpha, whole, err) : NULL;
    bool ok = alpha && (grey || !picture->alpha) &&
              (!grey || resize_part(grey, picture->width, picture->height, columns, rows, alpha,
                                    err));
    for (size_t i = n; ok && i-- > 0;) {
        memmove(s->picture + 4 * i, s->picture + 3 * i, 3 * sizeof(float));
        s->picture[4 * i + 3] = grey ? alpha[3 * i] : 1;
    }
    free(grey);
    free(alpha);
    return ok;
}

bool
start_make(struct start *s, const struct pipeline_picture *picture,
           const struct pipeline_picture *mask, int columns, int rows, int channels,
           struct err *err)
{
    size_t n = (size_t)columns * (size_t)rows;
    *s = (struct start){.channels = channels};
    s->picture = mem_try_calloc((size_t)channels * n, sizeof(float), "the picture", err);
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
                       err) &&
           (channels == 3 || add_alpha(s, picture, columns, rows, err));
}

void
start_finish(struct start *s)
{
    free(s->picture);
    free(s->mask);
    *s = (struct start){0};
}

void
start_restore(const struct start *s, int count, size_t pixels, uint8_t *out)
{
    size_t channels = (size_t)s->channels;
    for (size_t i = 0; s->mask && i < (size_t)count * pixels; i++) {
        float anew = s->mask[i % pixels];
        for (size_t c = 0; c < channels; c++) {
            float drawn = (float)out[channels * i + c] / 127.5f - 1;
            float v = anew * drawn + (1 - anew) * s->picture[channels * (i % pixels) + c];
            resize_to_bytes(&v, 1, &out[channels * i + c]);
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
