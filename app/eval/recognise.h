// SPDX-License-Identifier: MIT
// Two linear recognisers, made from the training part of a pack, to measure what a model draws:
// which of the pack's subjects a picture shows, and in which style. Features are fixed and
// solutions closed: the same pack gives the same recognisers.
//
//   subject   gradients by orientation (8 directions in 8 x 8 cells; Dalal & Triggs 2005), what
//             is not ground, and colour, coarsely; whitened by their scatter within subjects
//             (linear discriminant analysis), compared by angle with the mean of a subject's
//             pictures
//   style     colours, strength of gradients, saturation and local patterns (Ojala et al. 2002)
//             where there is no ground; ridge regression on the styles
//
// Their scores on true pictures are what a model could reach.
#ifndef LIMN_APP_EVAL_RECOGNISE_H
#define LIMN_APP_EVAL_RECOGNISE_H

#include "engine/train/pack.h"

struct recogniser;

// ERR_INPUT if the pack's training part has no styles or subjects, or the side of its pictures is
// not a multiple of 8.
struct recogniser *recogniser_make(const struct pack *pack, struct err *err);
void recogniser_free(struct recogniser *r); // NULL is fine

// The style a picture (side*side*3, of the pack's side) seems to be drawn in.
int recognise_style(const struct recogniser *r, const uint8_t *rgb);
// How many subjects of the pack a picture looks more like than the subject of `record`, whose own
// picture does not count; -1: it has no other picture.
int recognise_rank(const struct recogniser *r, const uint8_t *rgb, int record);

#endif
