// SPDX-License-Identifier: MIT
#include "app/index/pack_looks.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/retrieval/neighbours.h"

enum { BATCH = 64, FIT_MAX = 2048 };

// The features of n pictures, every `step`-th from `first` on.
static bool
features_of(const struct pack_looks *p, size_t first, size_t step, size_t n, float *out,
            struct err *err)
{
    size_t side = (size_t)pack_size(p->pack), bytes = 3 * side * side;
    uint8_t *rgb = mem_try_calloc(n, bytes, "pictures", err);
    for (size_t i = 0; rgb && i < n; i++)
        memcpy(rgb + i * bytes, pack_image(p->pack, p->records[first + i * step]), bytes);
    bool ok = rgb && pipeline_features(p->pipeline, rgb, (int)n, (int)side, out, err);
    free(rgb);
    return ok;
}

static bool
fit_statistics(const struct pack_looks *p, struct looks *looks, float *features, struct err *err)
{
    size_t step = (p->count + FIT_MAX - 1) / FIT_MAX, all = (p->count + step - 1) / step;
    bool ok = true;
    for (size_t done = 0; ok && done < all; done += BATCH) {
        size_t n = MIN(all - done, (size_t)BATCH);
        ok = features_of(p, done * step, step, n, features, err);
        if (ok)
            looks_accumulate(looks, features, (int)n);
        ok = ok && p->progress(p->ctx, "pictures learned from", done + n, all, err);
    }
    looks_finish_statistics(looks);
    return ok;
}

static bool
project_all(const struct pack_looks *p, const struct looks *looks, float *features,
            int8_t *vectors, struct err *err)
{
    size_t width = (size_t)looks->features;
    float vector[PACK_LOOKS_DIMENSION];
    bool ok = true;
    for (size_t first = 0; ok && first < p->count; first += BATCH) {
        size_t n = MIN(p->count - first, (size_t)BATCH);
        ok = features_of(p, first, 1, n, features, err);
        for (size_t i = 0; ok && i < n; i++) {
            looks_of(looks, features + i * width, vector);
            vectors_pack(vector, PACK_LOOKS_DIMENSION,
                         vectors + (first + i) * PACK_LOOKS_DIMENSION);
        }
        ok = ok && p->progress(p->ctx, "pictures looked at", first + n, p->count, err);
    }
    return ok && pack_check(p->pack, err);
}

int8_t *
pack_looks_make(const struct pack_looks *p, struct looks *looks, struct err *err)
{
    struct pipeline_info info;
    pipeline_info(p->pipeline, &info);
    float *features = mem_try_calloc((size_t)BATCH * (size_t)info.feature_width, sizeof *features,
                                     "features", err);
    int8_t *vectors = mem_try_calloc(p->count, PACK_LOOKS_DIMENSION, "vectors", err);
    bool ok = looks_open(looks, info.feature_width, PACK_LOOKS_DIMENSION, err) && features &&
              vectors && fit_statistics(p, looks, features, err) &&
              project_all(p, looks, features, vectors, err);
    free(features);
    if (ok)
        return vectors;
    free(vectors);
    return NULL;
}
