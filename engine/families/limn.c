// SPDX-License-Identifier: MIT
// Instruct-Imagen: Imagen whose U-Net attends to pictures that the text refers to (docs/model.md).
#include "engine/families/pixels.h"

static const char *const classes[] = {"LimnPipeline", NULL};

const struct family family_limn = {
    .name = "limn", .classes = classes, .enlarged_by_centres = true, PIXELS_FAMILY};
