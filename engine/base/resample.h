// SPDX-License-Identifier: MIT
// Resampling of pictures: separable filters whose support is widened when a picture shrinks, so
// that every pixel counts, as in Pillow. Any thread. A failed allocation is returned as an error.
#ifndef LIMN_ENGINE_BASE_RESAMPLE_H
#define LIMN_ENGINE_BASE_RESAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

enum resample_filter {
    RESAMPLE_CUBIC,   // Keys 1981, a = -1/2: support 2
    RESAMPLE_LANCZOS, // three lobes: support 3
};

// A part of a picture, and its new size; all sides >= 1.
struct resampling {
    const uint8_t *pixels; // of the whole picture, rows of `stride` bytes
    size_t stride;
    int channels; // 1 to 4
    bool alpha;   // the last one is alpha, not premultiplied: colours are mixed by their alpha
    int left, top, columns, rows;
    int to_columns, to_rows;
};

// out (to_rows,to_columns,channels), 0 to 255. ERR_MEMORY.
bool resample(const struct resampling *r, enum resample_filter filter, float *out,
              struct err *err);
// The same, rounded.
bool resample_bytes(const struct resampling *r, enum resample_filter filter, uint8_t *out,
                    struct err *err);

#endif
