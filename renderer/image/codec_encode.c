// SPDX-License-Identifier: MIT
// The codec's encoders, without libvips: limn's own process and the worker call them, where a
// failed allocation must be an error. Only this file uses libpng and libwebp.
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <webp/encode.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/png_text.h"

// Without texts; freed with free(). If malloc() fails, libpng fails with a message.
static void *
bare_png(const struct image *image, size_t *size, struct err *err)
{
    static const png_uint_32 formats[] = {[IMAGE_GRAY8] = PNG_FORMAT_GRAY,
                                          [IMAGE_RGB8] = PNG_FORMAT_RGB,
                                          [IMAGE_RGBA8] = PNG_FORMAT_RGBA};
    png_image p = {.version = PNG_IMAGE_VERSION,
                   .width = (png_uint_32)image->width,
                   .height = (png_uint_32)image->height,
                   .format = formats[image->format]};
    png_alloc_size_t n = PNG_IMAGE_PNG_SIZE_MAX(p);
    void *out = mem_try_calloc(n, 1, "a PNG", err);
    if (!out)
        return NULL;
    if (!png_image_write_to_memory(&p, out, &n, 0, image->pixels, (png_int_32)image->stride,
                                   NULL)) {
        err_set(err, ERR_MEMORY, "no PNG can be made (%s)", p.message);
        png_image_free(&p);
        free(out);
        return NULL;
    }
    *size = n;
    return out;
}

void *
codec_encode_png(const struct image *image, const char *const *texts, size_t *size, struct err *err)
{
    size_t n;
    void *bare = bare_png(image, &n, err);
    void *out = bare ? png_text_insert(bare, n, texts, size, err) : NULL;
    free(bare);
    return out;
}

// libwebp's simple interface writes only the picture (RFC 9649, 2.5 "simple file format"): in small
// files a quarter is what other encoders add.
void *
codec_encode_webp(const struct image *image, int quality, size_t *size, struct err *err)
{
    uint8_t *data = NULL;
    size_t n = image->format == IMAGE_RGB8
                   ? WebPEncodeRGB(image->pixels, image->width, image->height, (int)image->stride,
                                   (float)quality, &data)
                   : 0;
    void *copy = n ? mem_try_calloc(n, 1, "a WebP", err) : NULL;
    if (copy)
        memcpy(copy, data, *size = n);
    else if (!n)
        err_set(err, ERR_MEMORY, "no WebP of %d x %d pixels can be made", image->width,
                image->height);
    WebPFree(data);
    return copy;
}
