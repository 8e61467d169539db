// SPDX-License-Identifier: MIT
// One micro-batch on the host: examples as the training graph reads them.
#ifndef LIMN_ENGINE_TRAIN_BATCH_H
#define LIMN_ENGINE_TRAIN_BATCH_H

#include "engine/text/tokenizer.h"
#include "engine/train/network.h"
#include "engine/train/objective.h"
#include "engine/train/recipe.h"
#include "engine/train/tasks.h"

enum { BATCH_CHANNELS_MAX = 4 };
enum { REFERENCE_COUNTS = EXAMPLE_REFERENCE_MAX + 1 }; // 0..3 references in one example

struct batch {
    // What it is made with; kept by the caller.
    const struct recipe *recipe;
    const struct tokenizer *tokenizer;
    const struct objective *objective;
    int side;       // of the pack's pictures, pixels
    int channels;   // of what is drawn: RGB, and alpha
    int words_side; // of what is learned from words alone
    int low_side;   // of what the second pass enlarges
    // In the order of the graph's inputs, for the most references that there may be.
    float *sample, *target, *weight, *timestep, *heard, *image, *noise, *low, *noise_level;
    int32_t *text, *reference_text;
    int *task;   // by example
    float *each; // by example: its loss, once the batch has run
};

bool batch_init(struct batch *b, struct err *err); // ERR_MEMORY; batch_finish() is due in any case
void batch_finish(struct batch *b);

// Example i of the batch, noised to the training step `at` with noise number `noise_at`.
bool batch_fill(struct batch *b, const struct example *e, int i, int references, int at,
                uint64_t noise_at, struct err *err);

// All of it through the plan of `n`, which adds to the gradients. *loss: the batch's.
bool batch_run(struct batch *b, const struct network *n, struct plan *p, double *loss,
               struct err *err);

// The mean of each block of from/to pixels: bytes (from,from,channels) to out (to,to,channels) in
// [-1,1]; from is a multiple of to.
void batch_shrink(const uint8_t *bytes, int from, int channels, float *out, int to);

#endif
