// SPDX-License-Identifier: MIT
// The part of attention between its products, for a tile of queries and keys: a running softmax
// (Milakov & Gimelshein 2018; Dao et al. 2022). Private to engine/device/cpu.
#ifndef LIMN_ENGINE_DEVICE_CPU_ATTENTION_ROWS_H
#define LIMN_ENGINE_DEVICE_CPU_ATTENTION_ROWS_H

#include <stdint.h>

#include "engine/tensor/shape.h"

// The rows of one head, one per query. What lies after a row's keys, up to `pitch`, is nothing but
// room: scores there mean nothing, weights and their like become 0.
struct attention_rows {
    float *scores;           // (rows,pitch): products; changed
    uint16_t *weights;       // (rows,pitch) bf16: exp(score - top), not yet divided by the total
    float *top, *total;      // (rows): the largest score so far, the sum of weights; at first
                             // -infinity and 0. weigh() alone has these three
    float *keep;             // (rows): what earlier sums are multiplied with from now on
    const float *bias;       // of this tile's first row and key; NULL: none
    int64_t bias_pitch;      // elements from row to row, 0: one for all
    int64_t keys, pitch;     // pitch: a multiple of 32
    float scale;
};

// The kernels of one instruction set.
struct attention_tile {
    // to (columns, a row every `to_pitch` elements) = the transposed of `rows` rows, one every
    // `pitch` elements, which lie within 2^31 of each other sixteen by sixteen; an even number of
    // columns.
    void (*transpose)(uint16_t *to, int64_t to_pitch, const uint16_t *from, int64_t pitch,
                      int64_t rows, int64_t columns);
    void (*weigh)(const struct attention_rows *r, int64_t first, int64_t last);
    // Backward, of all keys at once: weights (divided by their total) of `rows` rows, and of dp
    // (rows,pitch), what the result's gradient times the values is, ds = scale p (dp - sum p dp),
    // (rows,pitch).
    void (*weigh_back)(const struct attention_rows *r, const float *dp, uint16_t *ds, int64_t rows);
    // sum (rows,width) = sum * keep + more
    void (*add)(float *sum, const float *more, const float *keep, int64_t width, int64_t first,
                int64_t last);
    // to (a row every `pitch` elements, bf16) = sum / total
    void (*finish)(uint16_t *to, int64_t pitch, const float *sum, const float *total, int64_t width,
                   int64_t first, int64_t last);
};

// Where the bias (N|1,heads|1,T|1,S) of a query's row begins, and the elements to the next row's.
const float *attention_bias(const struct shape *shape, const void *base, int64_t sample,
                            int64_t head, int64_t query, int64_t *pitch);

extern const struct attention_tile fast_attention_tile_bf16;

#endif
