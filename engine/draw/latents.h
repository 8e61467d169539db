// SPDX-License-Identifier: MIT
// Latents on disk between the last step and the autoencoder, so that a failure there (memory, as a
// rule) costs no step. Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_LATENTS_H
#define LIMN_ENGINE_DRAW_LATENTS_H

#include "engine/families/family.h"

// Those of `count` pictures, (count,h,w,C) f32, freed with free(); NULL: the file is not there, is
// no such, or has others.
float *latents_read(const char *path, int count, const struct latent *l);
// A file that cannot be written is a warning in the log: what is drawn does not need it.
void latents_write(const char *path, int count, const struct latent *l, const float *x);

#endif
