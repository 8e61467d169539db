// SPDX-License-Identifier: MIT
// The part of the codec that needs no libvips: PNG files, and the text inside them.
#include <stdlib.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "renderer/image/codec.h"
#include "renderer/image/png_text.h"

bool
codec_write_png(const struct image *image, const char *path, const char *const *texts,
                struct err *err)
{
    size_t size;
    void *data = codec_encode_png(image, texts, &size, err);
    bool ok = data && file_write(path, data, size, err);
    free(data);
    return ok;
}

char *
codec_png_text_in(const void *data, size_t size, const char *name, const char *keyword,
                  struct err *err)
{
    return png_text_find(data, size, name, keyword, LIMIT_PNG_TEXT_BYTES, err);
}

char *
codec_png_text(const char *path, const char *keyword, struct err *err)
{
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    if (!data)
        return NULL;
    char *text = codec_png_text_in(data, size, path, keyword, err);
    free(data);
    return text;
}
