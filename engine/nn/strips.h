// SPDX-License-Identifier: MIT
// Pictures in strips: feature maps as bands of whole rows, each a tensor of its own, so that the
// planner frees a band as soon as it is no longer needed. Results are those of whole maps:
// convolutions see the rows beyond a strip's edges, and group norms have the statistics of the
// whole picture.
//
// For a norm each strip gives mean m and standard deviation s (with eps) of its groups. With w its
// share of the rows, and the law of total variance,
//     M = sum w m,  T^2 = sum w (s^2 + (m - M)^2),
// and because op_group_norm itself takes off m and divides by s, gain and offset of a strip are
//     gamma s / T  and  gamma (m - M) / T + beta.
#ifndef LIMN_ENGINE_NN_STRIPS_H
#define LIMN_ENGINE_NN_STRIPS_H

#include "engine/nn/nn.h"

enum { STRIPS_MAX = 16 };

struct strips {
    struct node *at[STRIPS_MAX]; // (N,h,W,C), h may differ
    int count;                   // 1: the whole map; then every function here adds what nn.h would
};

// x (N,H,W,C) cut into at most `count` strips, their heights multiples of `unit`, which divides H.
struct strips strips_cut(struct nn *nn, struct node *x, int count, int64_t unit);
struct node *strips_join(struct nn *nn, const struct strips *s);

// The gain and offset that a norm applies to each strip, computed from the whole map before its
// first strip changes.
struct strips_norm {
    struct node *gain[STRIPS_MAX], *offset[STRIPS_MAX];
    struct group_norm norm; // without scale_shift
};
struct strips_norm strips_norm(struct nn *nn, const struct strips *x, const struct group_norm *n,
                               const char *name);

// A convolution of odd kernel and stride 1 over strips. What it reads is x after `norm`, or
// enlarged, or x itself; a strip of that is made when it is needed and gone two strips later.
struct strips_conv {
    struct conv conv;
    const struct strips_norm *norm; // NULL: none
    bool enlarged;                  // op_upsample2 first
    const struct strips *add;       // added to the result; NULL: nothing
    // Each strip of x through a 1x1 convolution of as many channels, beside: so that x can go.
    const char *beside;
    struct strips *beside_out;
};
struct strips strips_conv(struct nn *nn, const struct strips *x, const struct strips_conv *c,
                          const char *name);
// nn_conv() with stride 2 and pad_end; heights are even.
struct strips strips_halve(struct nn *nn, const struct strips *x, int out, const char *name);

#endif
