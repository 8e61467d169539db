// SPDX-License-Identifier: MIT
// What the pictures of a pack look like to a model, as vectors that can be compared: the features
// of each (engine/draw/pipeline.h), projected (engine/retrieval/looks.h). Mean and deviation of the
// features are estimated from up to 2,048 of the pictures, spread evenly.
#ifndef LIMN_APP_INDEX_PACK_LOOKS_H
#define LIMN_APP_INDEX_PACK_LOOKS_H

#include "engine/draw/pipeline.h"
#include "engine/retrieval/looks.h"
#include "engine/train/pack.h"

enum { PACK_LOOKS_DIMENSION = 256 };

struct pack_looks {
    const struct pack *pack;
    struct pipeline *pipeline; // of a model that takes references
    const int *records;        // of the pack, `count` of them, >= 1
    size_t count;
    // Called repeatedly; false: stop with the error it has set. Must not be NULL.
    bool (*progress)(void *ctx, const char *what, size_t done, size_t total, struct err *err);
    void *ctx;
};

// (count,PACK_LOOKS_DIMENSION), as in vectors_pack(), freed with free(); NULL on failure. Opens
// `looks`: call looks_close() in any case.
int8_t *pack_looks_make(const struct pack_looks *p, struct looks *looks, struct err *err);

#endif
