// SPDX-License-Identifier: MIT
// Exact nearest neighbours among unit vectors: every vector is compared, by products of blocks on a
// device. Products in f32 only choose candidates, with a margin for rounding; their distances are
// recomputed in double, so the result is that of the definition
//
//     distance(q, v) = 1 - q·v / (|q| |v|)
//
// in double, however the device rounds. Ties go to the vector that comes first.
#ifndef LIMN_ENGINE_RETRIEVAL_NEIGHBOURS_H
#define LIMN_ENGINE_RETRIEVAL_NEIGHBOURS_H

#include "engine/device/device.h"

// Vectors as they are kept: signed bytes, each row standing for itself divided by its length, so
// that a row needs no scale of its own. A row of zeros is at distance 1 from everything.
struct vectors {
    const int8_t *rows; // (count,dimension)
    int64_t count;
    int dimension;
};

// Quantises a vector to a row: its largest component becomes 127. A vector that is not finite
// becomes zeros.
void vectors_pack(const float *vector, int dimension, int8_t *row);

struct neighbour {
    int64_t row;     // -1: there are fewer
    double distance; // 0: the same direction; 2: the opposite one
};

// The k nearest of each query, nearest first: out (count,k). queries (count,dimension), finite, of
// any length. Memory: a block and k candidates a query beside the vectors. One thread.
bool neighbours_find(struct device *d, const struct vectors *v, const float *queries, int count,
                     int k, struct neighbour *out, struct err *err);

// Every vector that lies no further than `radius` from one of the rows, in the order of `rows`,
// those of one in the order of the vectors; each is its own neighbour.
typedef void neighbours_each(void *ctx, int64_t of, const struct neighbour *n);
bool neighbours_within(struct device *d, const struct vectors *v, const int64_t *rows,
                       int64_t count, double radius, neighbours_each *each, void *ctx,
                       struct err *err);

#endif
