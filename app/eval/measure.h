// SPDX-License-Identifier: MIT
// How similar two pictures are, and how certain a mean is.
#ifndef LIMN_APP_EVAL_MEASURE_H
#define LIMN_APP_EVAL_MEASURE_H

#include <stddef.h>
#include <stdint.h>

// Pictures are RGB bytes (side,side,3), sRGB on white.

// F1 score of edges: pixels where the gradient of grey (root of the sum of squares of the two
// central differences) is over 60 of 255. An edge pixel counts as found if the other picture has
// one within a pixel of it, also diagonally. 0..1; 1 if neither picture has edges.
double measure_edges(const uint8_t *a, const uint8_t *b, int side);
// Overlap of the drawn areas (pixels with a channel below 235): intersection over union, 0..1; 1 if
// both are empty.
double measure_areas(const uint8_t *a, const uint8_t *b, int side);
// Mean squared difference of 8 x 8 thumbnails, channels in 0..1: whether colours are where they
// should be. The side is a multiple of 8.
double measure_thumbnails(const uint8_t *a, const uint8_t *b, int side);

// Overlap of alpha, n bytes each: the sum of the minima over the sum of the maxima, 0..1; 1 if both
// are all 0.
double measure_alpha(const uint8_t *a, const uint8_t *b, size_t n);

// Mean of n values with its 95 % bootstrap interval (Efron & Tibshirani 1993: percentiles of 1,000
// resamples, the same for the same seed). n = 0: all 0.
struct measured {
    int n;
    double mean, low, high;
};
struct measured measure_mean(const double *values, int n, uint64_t seed);

#endif
