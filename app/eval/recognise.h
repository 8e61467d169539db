// SPDX-License-Identifier: MIT
// Two linear classifiers, fitted to the training split of a pack, to measure what a model draws:
// which of the pack's subjects a picture shows, and in which style. Features are fixed and
// solutions closed-form, so the same pack always gives the same classifiers.
//
//   subject   gradients by orientation (8 directions in 8 x 8 cells; Dalal & Triggs 2005), what
//             is not ground, and colour, coarsely; whitened by their scatter within subjects
//             (linear discriminant analysis), compared by angle with the mean of a subject's
//             pictures
//   style     colours, strength of gradients, saturation and local patterns (Ojala et al. 2002)
//             where there is no ground; ridge regression on the styles
//
// Their scores on true pictures are the most a model can be expected to reach.
#ifndef LIMN_APP_EVAL_RECOGNISE_H
#define LIMN_APP_EVAL_RECOGNISE_H

#include "engine/train/pack.h"

struct recogniser;

// NULL: ERR_INPUT if the pack's training split has no styles or subjects, or the side of its
// pictures is not a multiple of 8.
struct recogniser *recogniser_make(const struct pack *pack, struct err *err);
void recogniser_free(struct recogniser *r); // NULL is fine

// The style a picture (side*side*3, of the pack's side) seems to be drawn in.
int recognise_style(const struct recogniser *r, const uint8_t *rgb);
// The rank of the subject of `record`: how many subjects of the pack the picture resembles more,
// leaving out that record's own picture; -1: the subject has no other picture.
int recognise_rank(const struct recogniser *r, const uint8_t *rgb, int record);

#endif
