// SPDX-License-Identifier: MIT
// What the families that draw in pixels have in common: a T5 encoder, a U-Net, and perhaps a second
// U-Net that enlarges. Private to engine/families.
#ifndef LIMN_ENGINE_FAMILIES_PIXELS_H
#define LIMN_ENGINE_FAMILIES_PIXELS_H

#include "engine/families/family.h"

#define PIXELS_PARTS                                                                               \
    .parts = pixels_parts, .denoiser = "unet", .text = "text_encoder",                             \
    .enlarger = "super_resolution", .check = pixels_check,                  \
    .sizes = pixels_sizes

extern const char *const pixels_parts[];

void pixels_sizes(const struct parts *parts, int *size, int *final_size);
bool pixels_check(const struct parts *parts, const char *folder, struct err *err);

#endif
