// SPDX-License-Identifier: MIT
// Resizing in limn's own process: without a library, so that a failed allocation is returned as an
// error. (Pictures just decoded are reduced in the sandbox: codec_reduce().)
#ifndef LIMN_RENDERER_IMAGE_RESIZE_H
#define LIMN_RENDERER_IMAGE_RESIZE_H

#include "renderer/image/image.h"

enum image_fit {
    IMAGE_STRETCH = 0, // exactly width x height
    IMAGE_COVER,       // fills it, the middle is kept
    IMAGE_CONTAIN,     // fits inside, padded with `background` (or transparent for RGBA)
};
// High-quality reduction and enlargement (Lanczos, three lobes; colours mixed by their alpha) in
// the same format. ERR_INPUT over the limits of image.h, ERR_MEMORY. Any thread.
struct image *image_resize(const struct image *image, int width, int height, enum image_fit fit,
                           uint32_t background, struct err *err);

#endif
