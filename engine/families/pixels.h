// SPDX-License-Identifier: MIT
// What families that draw in pixels have in common: a T5 encoder, a U-Net, and perhaps a second
// U-Net that enlarges. Private to engine/families.
#ifndef LIMN_ENGINE_FAMILIES_PIXELS_H
#define LIMN_ENGINE_FAMILIES_PIXELS_H

#include "engine/families/family.h"

#define PIXELS_FAMILY                                                                              \
    .parts = pixels_parts, .denoiser = "unet", .text = "text_encoder",                             \
    .enlarger = "super_resolution", .check = pixels_check, .sizes = pixels_sizes,                  \
    .latent = pixels_latent, .channels = pixels_channels, .defaults = pixels_defaults,             \
    .vocabulary = pixels_vocabulary, .has = pixels_has, .training = &pixels_training,             \
    .part = {[STAGE_TEXT] = "text_encoder",                                                        \
             [STAGE_CONDITION] = "unet",                                                           \
             [STAGE_REFERENCES] = "unet",                                                          \
             [STAGE_FEATURES] = "unet"},                                                           \
    .feature_width = pixels_feature_width,                                                         \
    .build = {[STAGE_TEXT] = pixels_build_text,                                                    \
              [STAGE_CONDITION] = pixels_build_condition,                                          \
              [STAGE_REFERENCES] = pixels_build_references,                                        \
              [STAGE_STEP] = pixels_build_step,                                                    \
              [STAGE_DECODE] = pixels_build_decode,                                                \
              [STAGE_ENCODE] = pixels_build_encode,                                                \
              [STAGE_FEATURES] = pixels_build_features}

extern const struct family_part pixels_parts[];
extern const struct family_training pixels_training;

void pixels_sizes(const struct parts *parts, int *size, int *final_size);
bool pixels_check(const struct parts *parts, const char *folder, struct err *err);
struct latent pixels_latent(const struct parts *parts, const char *part, struct picture_size size);
int pixels_channels(const struct parts *parts);
struct family_defaults pixels_defaults(const struct jv *index);
int pixels_vocabulary(const struct parts *parts);
bool pixels_has(const struct parts *parts, enum stage_kind kind);
int pixels_feature_width(const struct parts *parts);

void pixels_build_text(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports);
void pixels_build_condition(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                           struct ports *ports);
void pixels_build_references(struct nn *nn, const struct parts *parts,
                             const struct stage_key *key, struct ports *ports);
void pixels_build_step(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                       struct ports *ports);
void pixels_build_decode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                         struct ports *ports);
void pixels_build_encode(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                         struct ports *ports);
void pixels_build_features(struct nn *nn, const struct parts *parts, const struct stage_key *key,
                           struct ports *ports);

#endif
