// SPDX-License-Identifier: MIT
// Recognises TIFF files that libvips decodes wrongly, from their first directory.
#ifndef LIMN_RENDERER_IMAGE_TIFF_H
#define LIMN_RENDERER_IMAGE_TIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

// True for anything but a TIFF. ERR_INPUT for a TIFF whose colours would come out wrong: YCbCr not
// compressed as JPEG. A broken directory is left to the decoder.
bool tiff_is_readable(const void *data, size_t size, const char *name, struct err *err);

#endif
