// SPDX-License-Identifier: MIT
// Clusters for retrieval-augmented training (Instruct-Imagen, section 3.2): groups of a pack's
// training pictures that look alike to a model, added to a copy of the pack (engine/train/pack.h).
#ifndef LIMN_APP_INDEX_CLUSTER_MAKE_H
#define LIMN_APP_INDEX_CLUSTER_MAKE_H

#include <stdatomic.h>
#include <stddef.h>

#include "engine/base/err.h"

struct cluster_make {
    const char *pack, *out;     // files; not the same one
    const char *model, *device; // a folder; as for device_open()
    int nearest, keep;          // as in engine/retrieval/clusters.h; keep <= LIMIT_CLUSTER_PICTURES
    double duplicate;           // distance under which two pictures are the same one
    void (*progress)(void *ctx, const char *what, size_t done, size_t total); // may be NULL
    void *ctx;
    const atomic_int *cancel; // not 0: stop with ERR_CANCELLED; may be NULL
};

struct cluster_make_report {
    size_t pictures, clusters; // training pictures; clusters of `keep` each
    size_t clustered;          // pictures that are in one or more
    double same_subject, same_style; // shares of neighbours with the first picture's subject, style
};

// The new pack appears whole or not at all.
bool cluster_make(const struct cluster_make *m, struct cluster_make_report *report,
                  struct err *err);

#endif
