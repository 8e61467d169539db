// SPDX-License-Identifier: MIT
// Saves latents to disk between the last step and the autoencoder, so that a failure there (usually
// for lack of memory) does not lose the steps. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_LATENTS_H
#define LIMN_ENGINE_DRAW_LATENTS_H

#include "engine/families/family.h"

// The latents of `count` pictures, (count,h,w,C) f32, freed with free(); NULL: the file does not
// exist, is of another kind, or has other shapes.
float *latents_read(const char *path, int count, const struct latent *l);
// A file that cannot be written is only a warning in the log: drawing does not need it.
void latents_write(const char *path, int count, const struct latent *l, const float *x);

#endif
