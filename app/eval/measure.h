// SPDX-License-Identifier: MIT
// How close one picture is to another, and how certain the mean of some numbers is.
#ifndef LIMN_APP_EVAL_MEASURE_H
#define LIMN_APP_EVAL_MEASURE_H

#include <stddef.h>
#include <stdint.h>

// Pictures are side*side*3, sRGB on white.

// F1 of edges: pixels where the gradient of grey (sum of the two central differences' squares,
// root) is over 60 of 255; one counts as found with one of the other picture within a pixel of it,
// diagonally too. 0..1; 1 where neither has any.
double measure_edges(const uint8_t *a, const uint8_t *b, int side);
// Overlap of what is not ground (some channel below 235): what both have of what either has. 0..1;
// 1 where neither has any.
double measure_areas(const uint8_t *a, const uint8_t *b, int side);
// Mean squared difference of thumbnails of 8 x 8, in channels of 0..1: whether colours lie where
// they should. The side is a multiple of 8.
double measure_thumbnails(const uint8_t *a, const uint8_t *b, int side);

// Overlap of alpha, n bytes each: the sum of the lesser ones over that of the greater. 0..1; 1
// where neither has any.
double measure_alpha(const uint8_t *a, const uint8_t *b, size_t n);

// Mean of n values with its 95 % bootstrap interval (Efron & Tibshirani 1993, percentiles of 1,000
// resamples, drawn alike for the same seed). n = 0: all 0.
struct measured {
    int n;
    double mean, low, high;
};
struct measured measure_mean(const double *values, int n, uint64_t seed);

#endif
