// SPDX-License-Identifier: MIT
// Shapes. All tensors are dense and row-major: the last dimension runs fastest. Pictures are
// N,H,W,C. Letters used everywhere: N batch, H W height and width, C channels, T tokens,
// D width of a head, R references.
#ifndef LIMN_ENGINE_TENSOR_SHAPE_H
#define LIMN_ENGINE_TENSOR_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHAPE_RANK_MAX = 5 };

struct shape {
    int rank;                    // 0: a scalar, one element
    int64_t dim[SHAPE_RANK_MAX]; // each >= 1 in a graph
};

#define SHAPE(...)                                                                                 \
    ((struct shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),             \
                    .dim = {__VA_ARGS__}})
#define SHAPE_SCALAR ((struct shape){0})

int64_t shape_count(const struct shape *s); // elements; shapes in a graph never overflow
bool shape_equal(const struct shape *a, const struct shape *b);
int64_t shape_last(const struct shape *s);    // last dimension, 1 for a scalar
int64_t shape_leading(const struct shape *s); // product of all but the last

// NumPy broadcasting: aligned at the last dimension, sizes equal or 1. False when impossible.
bool shape_broadcast(const struct shape *a, const struct shape *b, struct shape *out);

// "[2,64,64,3]"; returns buf.
enum { SHAPE_TEXT_MAX = 128 };
const char *shape_text(const struct shape *s, char buf[SHAPE_TEXT_MAX]);

#endif
