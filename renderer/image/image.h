// SPDX-License-Identifier: MIT
// Pictures in host memory, as loaders, previews and the program exchange them.
//
// 8 bits per channel, sRGB, rows from top to bottom. Reference-counted: whoever creates a picture
// may write to it until it is first shared with image_ref(); from then on it is read-only.
#ifndef LIMN_RENDERER_IMAGE_IMAGE_H
#define LIMN_RENDERER_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum image_format {
    IMAGE_NONE = 0,
    IMAGE_GRAY8,
    IMAGE_RGB8,
    IMAGE_RGBA8, // alpha not premultiplied
    IMAGE_FORMAT_COUNT
};

// No picture may be larger than LIMIT_PICTURE_SIDE and LIMIT_PICTURE_PIXELS (engine/base/limits.h).

struct image {
    int width, height; // pixels, >= 1
    enum image_format format;
    size_t stride; // bytes from row to row
    uint8_t *pixels;
    int references; // atomic
};

int image_channels(enum image_format format);

// Zeroed pixels (transparent black). ERR_INPUT over the limits.
struct image *image_create(int width, int height, enum image_format format, struct err *err);
struct image *image_ref(struct image *image); // the same picture, shared
void image_unref(struct image *image);        // NULL is fine; frees it with the last reference

// Copies in another format: alpha is composed on `background` (0xRRGGBB), grey becomes three equal
// channels, colours become Rec. 709 luma.
struct image *image_convert(const struct image *image, enum image_format format,
                            uint32_t background, struct err *err);

enum { IMAGE_SQUARE = 8 }; // a usual `side` of image_shown()

// For display: RGB8, with a checkerboard of white and light grey squares of `side` pixels where it
// is transparent; 0: white alone.
struct image *image_shown(const struct image *image, int side, struct err *err);

// The alpha channel as GRAY8; 255 everywhere for a picture without one.
struct image *image_alpha(const struct image *image, struct err *err);

// A copy of a part, which must lie inside.
struct image *image_crop(const struct image *image, int x, int y, int width, int height,
                         struct err *err);

// Copies `from` into `into` at (x,y), clipped; formats must be equal.
void image_paste(struct image *into, const struct image *from, int x, int y);

static inline uint8_t *
image_row(const struct image *image, int y)
{
    return image->pixels + (size_t)y * image->stride;
}

#endif
