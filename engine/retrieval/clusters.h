// SPDX-License-Identifier: MIT
// Clusters of pictures that are similar but not the same (Instruct-Imagen, sections 3.2 and A.3.1):
// the nearest neighbours of a picture, without near-duplicates, cut to a size; smaller clusters are
// dropped. One picture of a cluster can be drawn with the others as its context.
#ifndef LIMN_ENGINE_RETRIEVAL_CLUSTERS_H
#define LIMN_ENGINE_RETRIEVAL_CLUSTERS_H

#include "engine/retrieval/neighbours.h"

struct clusters_params {
    int nearest; // of each picture, itself among them; 0: 10, the paper's
    int keep;    // of these, the nearest first; clusters of fewer are dropped. 0: 5, the paper's
    double duplicate;      // nearer than this is the same picture; >= 0
    const int64_t *source; // origin of each picture as a number; pictures with equal numbers >= 0
                           // are duplicates; NULL: not known
};

struct clusters {
    int64_t
        *rows; // (count,keep): the picture that a cluster is of, then its neighbours by distance
    int64_t count;
    int keep;
};

// Clusters are in the order of the pictures; a picture may be in many. Zeroed on failure. One
// thread.
bool clusters_make(struct device *d, const struct vectors *v, const struct clusters_params *p,
                   struct clusters *out, struct err *err);
void clusters_finish(struct clusters *c); // zeroed is fine

#endif
