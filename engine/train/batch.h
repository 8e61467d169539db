// SPDX-License-Identifier: MIT
// One micro-batch on the host: examples in the form the training graph reads.
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
    // Set by the caller, who keeps what they point to.
    const struct recipe *recipe;
    const struct tokenizer *tokenizer;
    const struct objective *objective;
    int side;       // of the pack's pictures, pixels
    int channels;   // of the target: 3, or 4 with alpha
    int words_side; // pixels, of the thumbnails of the stage `words`
    int low_side;   // pixels, of the input of the second pass
    // The graph's inputs, with room for the largest number of references.
    float *sample, *target, *weight, *timestep, *thumbnail_mask, *image, *noise, *low, *noise_level;
    int32_t *text, *reference_text;
    int *task;   // by example
    float *each; // by example: its unweighted loss, once the batch has run
};

bool batch_init(struct batch *b, struct err *err); // ERR_MEMORY; call batch_finish() even then
void batch_finish(struct batch *b);

// Writes example i of the batch, noised to training timestep `at`; `noise_at` selects the noise.
bool batch_fill(struct batch *b, const struct example *e, int i, int references, int at,
                uint64_t noise_at, struct err *err);

// Runs the batch through `p`, the plan of `n`, which adds to the gradients. *loss: see struct
// network, `loss`.
bool batch_run(struct batch *b, const struct network *n, struct plan *p, double *loss,
               struct err *err);

// Shrinks bytes (from,from,channels) to out (to,to,channels) in [-1,1] by the mean of each square
// of from/to x from/to pixels; `from` is a multiple of `to`.
void batch_shrink(const uint8_t *bytes, int from, int channels, float *out, int to);

#endif
