// SPDX-License-Identifier: MIT
#include "renderer/image/mask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/resize.h"

// Stripes of two colours, 0xRRGGBB: one of them stands out on any picture.
#define STRIPE_DARK  0xC8107A
#define STRIPE_LIGHT 0x60FFE0
enum { STRIPE = 6 }; // pixels across, slanting

struct mask *
mask_new(const struct image *picture, struct err *err)
{
    int longer = MAX(picture->width, picture->height);
    double scale = longer > MASK_SIDE ? (double)MASK_SIDE / longer : 1;
    struct image *white =
        image_create(MAX(1, (int)(picture->width * scale + 0.5)),
                     MAX(1, (int)(picture->height * scale + 0.5)), IMAGE_GRAY8, err);
    if (!white)
        return NULL;
    struct mask *m = mem_zalloc(sizeof *m);
    m->white = white;
    return m;
}

void
mask_free(struct mask *m)
{
    if (!m)
        return;
    while (m->undo_count)
        image_unref(m->undo[--m->undo_count]);
    image_unref(m->white);
    free(m);
}

void
mask_push_undo(struct mask *m)
{
    struct image *copy = image_crop(m->white, 0, 0, m->white->width, m->white->height, NULL);
    if (!copy)
        return;
    if (m->undo_count == MASK_UNDO_MAX) {
        image_unref(m->undo[0]);
        memmove(m->undo, m->undo + 1, (size_t)--m->undo_count * sizeof *m->undo);
    }
    m->undo[m->undo_count++] = copy;
}

bool
mask_undo(struct mask *m)
{
    if (!m->undo_count)
        return false;
    image_unref(m->white);
    m->white = m->undo[--m->undo_count];
    return true;
}

// The first pixel whose middle is not before `from`.
static int
pixel_from(double from, int size)
{
    return (int)MIN(MAX(ceil(from - 0.5), 0), size);
}

static void
put_row(struct mask *m, int y, double from, double to, bool white)
{
    int first = pixel_from(from, m->white->width), end = pixel_from(to, m->white->width);
    if (end > first)
        memset(image_row(m->white, y) + first, white ? 255 : 0, (size_t)(end - first));
}

void
mask_disc(struct mask *m, double x, double y, double radius, bool white)
{
    int end = pixel_from(y + radius, m->white->height);
    for (int row = pixel_from(y - radius, m->white->height); row < end; row++) {
        double up = row + 0.5 - y, half = sqrt(MAX(radius * radius - up * up, 0));
        put_row(m, row, x - half, x + half, white);
    }
}

void
mask_stroke(struct mask *m, const double from[2], const double to[2], double radius, bool white)
{
    double length = hypot(to[0] - from[0], to[1] - from[1]);
    int steps = (int)(length / MAX(radius / 2, 0.5)) + 1;
    for (int i = 0; i <= steps; i++) {
        double part = (double)i / steps;
        mask_disc(m, from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1]),
                  radius, white);
    }
}

void
mask_rectangle(struct mask *m, const double from[2], const double to[2], bool white)
{
    int end = pixel_from(MAX(from[1], to[1]), m->white->height);
    for (int y = pixel_from(MIN(from[1], to[1]), m->white->height); y < end; y++)
        put_row(m, y, MIN(from[0], to[0]), MAX(from[0], to[0]), white);
}

void
mask_fill(struct mask *m, bool white)
{
    memset(m->white->pixels, white ? 255 : 0, m->white->stride * (size_t)m->white->height);
}

void
mask_invert(struct mask *m)
{
    for (size_t i = 0; i < m->white->stride * (size_t)m->white->height; i++)
        m->white->pixels[i] ^= 255;
}

bool
mask_replace(struct mask *m, const struct image *image, struct err *err)
{
    struct image *grey = image_convert(image, IMAGE_GRAY8, 0, err);
    struct image *sized = grey ? image_resize(grey, m->white->width, m->white->height,
                                              IMAGE_STRETCH, 0, err)
                               : NULL;
    image_unref(grey);
    if (!sized)
        return false;
    for (size_t i = 0; i < sized->stride * (size_t)sized->height; i++)
        m->white->pixels[i] = sized->pixels[i] >= 128 ? 255 : 0;
    image_unref(sized);
    return true;
}

double
mask_coverage(const struct mask *m)
{
    size_t n = m->white->stride * (size_t)m->white->height, white = 0;
    for (size_t i = 0; i < n; i++)
        white += m->white->pixels[i] == 255;
    return (double)white / (double)n;
}

// Half the pixel, on white, and half the stripe.
static void
blend_stripe(uint8_t *p, uint32_t stripe)
{
    for (int c = 0; c < 3; c++) {
        int on_white = 255 - (255 - p[c]) * p[3] / 255;
        p[c] = (uint8_t)((on_white + (int)(stripe >> 8 * (2 - c) & 255)) / 2);
    }
    p[3] = 255;
}

struct image *
mask_overlay(const struct mask *m, const struct image *picture, struct err *err)
{
    struct image *out = image_convert(picture, IMAGE_RGBA8, 0, err);
    for (int y = 0; out && y < out->height; y++) {
        const uint8_t *white =
            image_row(m->white, (int)((int64_t)y * m->white->height / out->height));
        uint8_t *p = image_row(out, y);
        for (int x = 0; x < out->width; x++, p += 4)
            if (white[(int64_t)x * m->white->width / out->width])
                blend_stripe(p, (x + y) / STRIPE % 2 ? STRIPE_DARK : STRIPE_LIGHT);
    }
    return out;
}

void *
mask_png(const struct mask *m, size_t *size, struct err *err)
{
    return codec_encode_png(m->white, NULL, size, err);
}
