// SPDX-License-Identifier: MIT
// From a model's features of a picture to a short vector for comparison: each feature is
// standardised over many pictures (what all pictures have in common says nothing), and a projection
// with random signs keeps the angles between pictures in far fewer numbers (Johnson & Lindenstrauss
// 1984; signs: Achlioptas 2003).
//
//     x' = (x - mean) / deviation        look = S x', S (dimension,features) of +1 and -1
//
// S is the same everywhere: its signs come from the counter-based generator (engine/base/rng.h).
#ifndef LIMN_ENGINE_RETRIEVAL_LOOKS_H
#define LIMN_ENGINE_RETRIEVAL_LOOKS_H

#include <stdint.h>

#include "engine/base/err.h"

struct looks {
    int features, dimension;
    float *mean, *deviation; // (features)
    float *signs;            // (features,dimension)
    double *sum, *squares;   // while it learns
    int64_t learned;
};

// Fails with ERR_MEMORY. Call looks_close() in any case.
bool looks_open(struct looks *l, int features, int dimension, struct err *err);
void looks_close(struct looks *l); // zeroed is fine
// Estimates mean and deviation from pictures, x (count,features); looks_finish_statistics() ends
// that. A constant feature gets deviation 1. Known values are written into mean and deviation
// directly.
void looks_accumulate(struct looks *l, const float *x, int count);
void looks_finish_statistics(struct looks *l);
// x (features) -> out (dimension)
void looks_of(const struct looks *l, const float *x, float *out);

#endif
