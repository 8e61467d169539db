// SPDX-License-Identifier: MIT
// From a model's features of a picture to a short vector that can be compared: each feature becomes
// how far it lies from its mean over many pictures, in deviations (what all pictures have in common
// says nothing), and sums of these with random signs keep the angles between pictures in far fewer
// numbers (Johnson & Lindenstrauss 1984; signs: Achlioptas 2003).
//
//     x' = (x - mean) / deviation        look = S x', S (dimension,features) of +1 and -1
//
// S is the same everywhere: its signs are counted noise (engine/base/rng.h).
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

// ERR_MEMORY. looks_close() is due in any case.
bool looks_open(struct looks *l, int features, int dimension, struct err *err);
void looks_close(struct looks *l); // zeroed is fine
// Learns mean and deviation from pictures, x (count,features); looks_learned() ends that. A feature
// that is always the same gets deviation 1. Who has them already writes them into mean and
// deviation.
void looks_learn(struct looks *l, const float *x, int count);
void looks_learned(struct looks *l);
// x (features) -> out (dimension)
void looks_of(const struct looks *l, const float *x, float *out);

#endif
