// SPDX-License-Identifier: MIT
// A picture to start from and a mask of what of it stays, at the sizes a drawing needs them.
// Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_START_H
#define LIMN_ENGINE_DRAW_START_H

#include "engine/draw/pipeline.h"

struct start {
    float *picture; // (rows,columns,channels) in [-1,1]
    float *mask;    // (rows,columns) in [0,1]; NULL: none
    int channels;
};

// ERR_INPUT where picture and mask are of different shapes.
bool start_check(const struct pipeline_picture *picture, const struct pipeline_picture *mask,
                 struct err *err);

// Both at columns x rows; the mask may be NULL. channels: 3, or 4 with the picture's alpha. Freed
// with start_finish(), also after a failure.
bool start_make(struct start *s, const struct pipeline_picture *picture,
                const struct pipeline_picture *mask, int columns, int rows, int channels,
                struct err *err);
void start_finish(struct start *s); // zeroed is fine

// Puts back what the mask keeps: out (count,pixels,channels), to the bit where it is black.
void start_put_back(const struct start *s, int count, size_t pixels, uint8_t *out);

// Of `steps` steps, how many are left out at this strength in [0,1]: all at 0, none at 1, and never
// the last one above 0.
int start_skipped(int steps, double strength);

#endif
