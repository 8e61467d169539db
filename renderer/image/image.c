// SPDX-License-Identifier: MIT
#include "renderer/image/image.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

int
image_channels(enum image_format format)
{
    switch (format) {
    case IMAGE_GRAY8:
        return 1;
    case IMAGE_RGB8:
        return 3;
    case IMAGE_RGBA8:
        return 4;
    case IMAGE_NONE:
    case IMAGE_FORMAT_COUNT:
        break;
    }
    unreachable_here();
}

struct image *
image_create(int width, int height, enum image_format format, struct err *err)
{
    if (width < 1 || height < 1 || width > LIMIT_PICTURE_SIDE || height > LIMIT_PICTURE_SIDE ||
        (int64_t)width * height > LIMIT_PICTURE_PIXELS) {
        err_set(err, ERR_INPUT,
                "a picture of %d x %d pixels is over the limit of %d a side and %d in all", width,
                height, LIMIT_PICTURE_SIDE, LIMIT_PICTURE_PIXELS);
        return NULL;
    }
    size_t stride = (size_t)width * (size_t)image_channels(format);
    uint8_t *pixels = mem_try_calloc((size_t)height, stride, "picture", err);
    if (!pixels)
        return NULL;
    struct image *image = mem_zalloc(sizeof *image);
    *image = (struct image){.width = width, .height = height, .format = format, .stride = stride,
                            .pixels = pixels, .references = 1};
    return image;
}

struct image *
image_ref(struct image *image)
{
    __atomic_add_fetch(&image->references, 1, __ATOMIC_RELAXED);
    return image;
}

void
image_unref(struct image *image)
{
    if (!image || __atomic_sub_fetch(&image->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free(image->pixels);
    free(image);
}

// One pixel as RGBA.
static void
load_pixel(const uint8_t *p, enum image_format format, uint8_t rgba[4])
{
    int n = image_channels(format);
    rgba[0] = p[0];
    rgba[1] = n > 1 ? p[1] : p[0];
    rgba[2] = n > 1 ? p[2] : p[0];
    rgba[3] = n > 3 ? p[3] : 255;
}

static void
store_pixel(uint8_t *p, enum image_format format, const uint8_t rgba[4], const uint8_t back[3])
{
    uint8_t flat[3];
    for (int c = 0; c < 3; c++)
        flat[c] = (uint8_t)((rgba[c] * rgba[3] + back[c] * (255 - rgba[3]) + 127) / 255);
    if (format == IMAGE_RGBA8)
        memcpy(p, rgba, 4);
    else if (format == IMAGE_RGB8)
        memcpy(p, flat, 3);
    else
        p[0] = (uint8_t)((2126 * flat[0] + 7152 * flat[1] + 722 * flat[2] + 5000) / 10000);
}

struct image *
image_convert(const struct image *image, enum image_format format, uint32_t background,
              struct err *err)
{
    struct image *out = image_create(image->width, image->height, format, err);
    const uint8_t back[3] = {(uint8_t)(background >> 16), (uint8_t)(background >> 8),
                             (uint8_t)background};
    int from = image_channels(image->format), to = image_channels(format);
    for (int y = 0; out && y < out->height; y++)
        for (int x = 0; x < out->width; x++) {
            uint8_t rgba[4];
            load_pixel(image_row(image, y) + x * from, image->format, rgba);
            store_pixel(image_row(out, y) + x * to, format, rgba, back);
        }
    return out;
}

struct image *
image_shown(const struct image *image, int side, struct err *err)
{
    static const uint8_t white[3] = {255, 255, 255}, grey[3] = {232, 232, 232};
    struct image *out = image_create(image->width, image->height, IMAGE_RGB8, err);
    int from = image_channels(image->format);
    for (int y = 0; out && y < out->height; y++)
        for (int x = 0; x < out->width; x++) {
            uint8_t rgba[4];
            bool dark = side > 0 && (x / side + y / side) % 2;
            load_pixel(image_row(image, y) + x * from, image->format, rgba);
            store_pixel(image_row(out, y) + x * 3, IMAGE_RGB8, rgba, dark ? grey : white);
        }
    return out;
}

struct image *
image_alpha(const struct image *image, struct err *err)
{
    struct image *out = image_create(image->width, image->height, IMAGE_GRAY8, err);
    for (int y = 0; out && y < out->height; y++)
        for (int x = 0; x < out->width; x++)
            image_row(out, y)[x] =
                image->format == IMAGE_RGBA8 ? image_row(image, y)[4 * x + 3] : 255;
    return out;
}

struct image *
image_crop(const struct image *image, int x, int y, int width, int height, struct err *err)
{
    require(x >= 0 && y >= 0 && width <= image->width - x && height <= image->height - y);
    struct image *out = image_create(width, height, image->format, err);
    size_t n = (size_t)image_channels(image->format);
    for (int row = 0; out && row < height; row++)
        memcpy(image_row(out, row), image_row(image, y + row) + (size_t)x * n, (size_t)width * n);
    return out;
}

void
image_paste(struct image *into, const struct image *from, int x, int y)
{
    require(into->format == from->format);
    size_t n = (size_t)image_channels(into->format);
    int left = MAX(0, -x), right = MIN(from->width, into->width - x);
    for (int row = MAX(0, -y); row < from->height && y + row < into->height && right > left; row++)
        memcpy(image_row(into, y + row) + (size_t)(x + left) * n,
               image_row(from, row) + (size_t)left * n, (size_t)(right - left) * n);
}
