// SPDX-License-Identifier: MIT
// The two kinds of picture that libvips calls untrusted and that are read nonetheless, SVG and BMP,
// in the sizes that limn asks for. librsvg, ImageMagick and libvips are not instrumented. Drawings
// that repeat parts of themselves can take any time, which the sandbox ends after a second of it:
// they are left out.
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "tests/fuzz/fuzz.h"

enum { SIDE = 64, BYTES = 8192 };

void
fuzz_begin(void)
{
    if (!codec_start(NULL))
        abort();
}

static bool
may_repeat(const uint8_t *data, size_t size)
{
    static const char *const words[] = {"use",  "pattern", "ENTITY", "filter",
                                        "mask", "marker",  "dash"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (memmem(data, size, words[i], strlen(words[i])))
            return true;
    return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    if (size < 2 || size > BYTES)
        return 0;
    bool vector = codec_is_vector(data + 1, size - 1);
    if (vector ? may_repeat(data, size) : memcmp(data + 1, "BM", MIN(size - 1, 2)) != 0)
        return 0;
    const struct codec_options want = {.vector_least = data[0] & 1 ? SIDE : 0, .vector_most = SIDE};
    struct image *image = codec_decode(data + 1, size - 1, "a picture", &want, &err);
    fuzz_said(image, &err);
    if (image && vector && MAX(image->width, image->height) > SIDE)
        abort();
    if (image)
        fuzz_use(image->pixels, image->stride * (size_t)image->height);
    image_unref(image);
    return 0;
}
