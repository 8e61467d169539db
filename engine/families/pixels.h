// SPDX-License-Identifier: MIT
// What the families that draw in pixels have in common: a T5 encoder, a U-Net, and perhaps a second
// U-Net that enlarges. Private to engine/families.
#ifndef LIMN_ENGINE_FAMILIES_PIXELS_H
#define LIMN_ENGINE_FAMILIES_PIXELS_H

#include "engine/families/family.h"

#define PIXELS_FAMILY                                                                              \
    .parts = pixels_parts, .denoiser = "unet", .text = "text_encoder",                             \
    .enlarger = "super_resolution", .check = pixels_check, .sizes = pixels_sizes,                  \
    .latent = pixels_latent, .vocabulary = pixels_vocabulary, .references = pixels_references,     \
    .build = {[STAGE_TEXT] = pixels_build_text,                                                    \
              [STAGE_REFERENCES] = pixels_build_references,                                        \
              [STAGE_STEP] = pixels_build_step,                                                    \
              [STAGE_DECODE] = pixels_build_decode}

extern const char *const pixels_parts[];

void pixels_sizes(const struct parts *parts, int *size, int *final_size);
bool pixels_check(const struct parts *parts, const char *folder, struct err *err);
struct latent pixels_latent(const struct parts *parts, const char *part);
int pixels_vocabulary(const struct parts *parts);
bool pixels_references(const struct parts *parts);

void pixels_build_text(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports);
void pixels_build_references(struct nn *nn, const struct parts *parts,
                             const struct stage_key *key, struct ports *ports);
void pixels_build_step(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports);
void pixels_build_decode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                         struct ports *ports);

#endif
