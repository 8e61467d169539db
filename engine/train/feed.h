// SPDX-License-Identifier: MIT
// Micro-batches in their order. Everything about one follows from the recipe's seed and its number,
// so the next can be drawn and noised on threads of their own while this one is being computed: a
// GPU is faster than one core fills batches. A device that computes on the cores itself gets none.
#ifndef LIMN_ENGINE_TRAIN_FEED_H
#define LIMN_ENGINE_TRAIN_FEED_H

#include "engine/train/batch.h"

struct feed;

struct feed_params {
    const struct recipe *recipe; // all kept by the caller for as long as the feed lives
    const struct tasks *tasks;
    const struct tokenizer *tokenizer;
    const struct objective *objective;
    int side, channels, words_side, low_side; // struct batch
    int threads;          // that fill the next micro-batch; 0: none, each is filled when asked for
};

// ERR_MEMORY: NULL.
struct feed *feed_create(const struct feed_params *p, struct err *err);
void feed_destroy(struct feed *f); // NULL is fine

// How many references each example of micro-batch `index` has, 0 to EXAMPLE_REFERENCE_MAX.
int feed_references(const struct feed *f, uint64_t index);
// Micro-batch `index`; valid until the next call, which will ask for `next`. NULL: an example
// cannot be drawn.
struct batch *feed_take(struct feed *f, uint64_t index, uint64_t next, struct err *err);

#endif
