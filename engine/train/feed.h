// SPDX-License-Identifier: MIT
// Prepares micro-batches. Each follows from the recipe's seed and its number alone, so the next one
// can be drawn and noised on other threads while this one is being computed: a GPU consumes batches
// faster than one core fills them. On a device that computes on the CPU's cores, use no threads.
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
    int threads;          // that fill the next micro-batch, at most 16; 0: filled when asked for
};

// ERR_MEMORY: NULL.
struct feed *feed_create(const struct feed_params *p, struct err *err);
void feed_destroy(struct feed *f); // NULL is fine

// The number of references of each example of micro-batch `index`, 0 to EXAMPLE_REFERENCE_MAX.
int feed_references(const struct feed *f, uint64_t index);
// Micro-batch `index`, valid until the next call. `next` is the index that will be asked for then;
// threads start on it now. NULL: an example could not be drawn, or there is no memory. One thread
// at a time.
struct batch *feed_take(struct feed *f, uint64_t index, uint64_t next, struct err *err);

#endif
