// SPDX-License-Identifier: MIT
#include "renderer/image/resize.h"

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/resample.h"

struct part {
    int left, top, width, height;
};

static struct image *
stretch(const struct image *image, struct part p, int width, int height, struct err *err)
{
    struct image *out = image_create(width, height, image->format, err);
    const struct resampling r = {image->pixels, image->stride, image_channels(image->format),
                                 image->format == IMAGE_RGBA8, p.left, p.top, p.width, p.height,
                                 width, height};
    if (out && !resample_bytes(&r, RESAMPLE_LANCZOS, out->pixels, err)) {
        image_unref(out);
        return NULL;
    }
    return out;
}

static struct image *
contain(const struct image *image, double scale, int width, int height, uint32_t background,
        struct err *err)
{
    struct part all = {0, 0, image->width, image->height};
    int w = MIN(MAX(1, (int)(image->width * scale + 0.5)), width);
    int h = MIN(MAX(1, (int)(image->height * scale + 0.5)), height);
    struct image *small = stretch(image, all, w, h, err);
    struct image *out = small ? image_create(width, height, small->format, err) : NULL;
    if (out && out->format != IMAGE_RGBA8) {
        int n = image_channels(out->format);
        for (int64_t i = 0; i < (int64_t)width * height; i++)
            for (int c = 0; c < n; c++)
                out->pixels[i * n + c] = (uint8_t)(background >> (n == 1 ? 0 : 8 * (2 - c)));
    }
    if (out)
        image_paste(out, small, (width - w) / 2, (height - h) / 2);
    image_unref(small);
    return out;
}

struct image *
image_resize(const struct image *image, int width, int height, enum image_fit fit,
             uint32_t background, struct err *err)
{
    struct part p = {0, 0, image->width, image->height};
    if (width < 1 || height < 1 || width > LIMIT_PICTURE_SIDE || height > LIMIT_PICTURE_SIDE ||
        (int64_t)width * height > LIMIT_PICTURE_PIXELS) {
        err_set(err, ERR_INPUT,
                "cannot resize to %d x %d pixels, the limit is %d a side and %d in all", width,
                height, LIMIT_PICTURE_SIDE, LIMIT_PICTURE_PIXELS);
        return NULL;
    }
    double sx = (double)width / image->width, sy = (double)height / image->height;
    if (fit == IMAGE_CONTAIN && sx != sy)
        return contain(image, MIN(sx, sy), width, height, background, err);
    if (fit == IMAGE_COVER) { // what is cut off need not be scaled
        p.width = MIN(image->width, MAX(1, (int)(width / MAX(sx, sy) + 0.5)));
        p.height = MIN(image->height, MAX(1, (int)(height / MAX(sx, sy) + 0.5)));
        p.left = (image->width - p.width) / 2;
        p.top = (image->height - p.height) / 2;
    }
    return stretch(image, p, width, height, err);
}
