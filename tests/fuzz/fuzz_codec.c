// SPDX-License-Identifier: MIT
// A picture of any format, decoded and made smaller. libvips and what it uses are not instrumented.
#include <stdlib.h>

#include "renderer/image/codec.h"
#include "renderer/image/resize.h"
#include "tests/fuzz/fuzz.h"

void
fuzz_begin(void)
{
    codec_start(NULL);
}

static void
use(const struct image *image)
{
    struct image *small = image_resize(image, 64, 64, IMAGE_COVER, 0xFFFFFF, NULL);
    struct image *flat = image_convert(image, IMAGE_RGB8, 0xFFFFFF, NULL);
    if (small)
        fuzz_use(small->pixels, small->stride * 64);
    image_unref(small);
    image_unref(flat);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct image *image = codec_decode(data, size, "a picture", NULL, &err);
    fuzz_said(image, &err);
    if (image)
        use(image);
    image_unref(image);
    err_clear(&err);
    bool ok = codec_check_in(data, size, "a picture", &err);
    fuzz_said(ok ? "" : NULL, &err);
    return 0;
}
