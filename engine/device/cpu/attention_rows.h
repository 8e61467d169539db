// SPDX-License-Identifier: MIT
// The part of attention between its two matrix products, for a tile of queries and keys: an online
// softmax (Milakov & Gimelshein 2018; Dao et al. 2022). Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_ATTENTION_ROWS_H
#define LIMN_ENGINE_DEVICE_CPU_ATTENTION_ROWS_H

#include <stdint.h>

#include "engine/tensor/shape.h"

// The rows of one head, one per query. A row's elements after its keys, up to `pitch`, are padding:
// scores there are ignored, weights (and ds) are set to 0.
struct attention_rows {
    float *scores;           // (rows,pitch): products; changed
    uint16_t *weights;       // (rows,pitch) bf16: exp(score - top), not yet divided by the total
    float *top, *total;      // (rows): the largest score so far, and the sum of weights; start at
                             // -infinity and 0. Only weigh() uses these two and `keep`
    float *keep;             // (rows), out: the factor that rescales the earlier sums
    const float *bias;       // of this tile's first row and key; NULL: none
    int64_t bias_pitch;      // elements from row to row; 0: one row for all
    int64_t keys, pitch;     // pitch: a multiple of 32
    float scale;
};

// The kernels of one instruction set.
struct attention_tile {
    // Writes the transpose of `from` (`rows` rows, one every `pitch` elements) to `to` (`columns`
    // rows, one every `to_pitch` elements). `columns` is even; 16 rows span less than 2^31
    // elements.
    void (*transpose)(uint16_t *to, int64_t to_pitch, const uint16_t *from, int64_t pitch,
                      int64_t rows, int64_t columns);
    void (*weigh)(const struct attention_rows *r, int64_t first, int64_t last);
    // Backward, over all keys at once: computes the weights p of `rows` rows (divided by their
    // total) and, from dp (rows,pitch), the product of the result's gradient and the values, ds =
    // scale p (dp - sum p dp), (rows,pitch).
    void (*weigh_back)(const struct attention_rows *r, const float *dp, uint16_t *ds, int64_t rows);
    // sum (rows,width) = sum * keep + more
    void (*add)(float *sum, const float *more, const float *keep, int64_t width, int64_t first,
                int64_t last);
    // to (a row every `pitch` elements, bf16) = sum / total
    void (*finish)(uint16_t *to, int64_t pitch, const float *sum, const float *total, int64_t width,
                   int64_t first, int64_t last);
};

// The bias (N|1,heads|1,T|1,S) of a query's row; *pitch: elements to the next row's.
const float *attention_bias(const struct shape *shape, const void *base, int64_t sample,
                            int64_t head, int64_t query, int64_t *pitch);

extern const struct attention_tile fast_attention_tile_bf16;

#endif
