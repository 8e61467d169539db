// SPDX-License-Identifier: MIT
// Imagen as DeepFloyd IF made it: text alone, pixels, a cascade.
#include "engine/families/pixels.h"

static const char *const classes[] = {
    "IFPipeline", "IFImg2ImgPipeline", "IFInpaintingPipeline", "IFSuperResolutionPipeline", NULL,
};

const struct family family_imagen = {.name = "imagen", .classes = classes, PIXELS_FAMILY};
