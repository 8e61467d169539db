// SPDX-License-Identifier: MIT
// The graph of the stage `words`: sentences to thumbnails, without noise and without the U-Net.
//
//     text (N,T) -> text encoder -> unet_thumbnail() (N,S,S,3) -> mean squared error
//
// An example costs a hundredth of one of the U-Net's, so the text encoder hears every name hundreds
// of times before the first picture is denoised.
#ifndef LIMN_ENGINE_TRAIN_WORDS_H
#define LIMN_ENGINE_TRAIN_WORDS_H

#include "engine/train/network.h"

// Fills a struct network of which only text, target and weight are inputs: target (N,S,S,3) f32
// in [-1,1] is the picture at text_thumbnail_size S; prediction has its shape. The rest of the
// inputs are NULL. ERR_INPUT for a U-Net without text_thumbnail_size. On failure network_finish()
// is still due.
bool words_build(struct network *n, const struct network_params *p, struct err *err);

// The mean of each block of from/to pixels: rgb from*from*3 in 0..255 to out to*to*3 in [-1,1];
// from is a multiple of to.
void words_thumbnail(const uint8_t *rgb, int from, float *out, int to);

#endif
