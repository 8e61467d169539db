// SPDX-License-Identifier: MIT
// A picture to start from, and a mask of what is kept of it, at the sizes that drawing needs.
// Private to engine/draw.
#ifndef LIMN_ENGINE_DRAW_START_H
#define LIMN_ENGINE_DRAW_START_H

#include "engine/draw/pipeline.h"

struct start {
    float *picture; // (rows,columns,channels) in [-1,1]
    float *mask;    // (rows,columns) in [0,1]; NULL: none
    int channels;
};

// ERR_INPUT if picture and mask have different shapes.
bool start_check(const struct pipeline_picture *picture, const struct pipeline_picture *mask,
                 struct err *err);

// Scales both to columns x rows; the mask may be NULL. channels: 3, or 4 with the picture's alpha.
// Freed with start_finish(), also after a failure.
bool start_make(struct start *s, const struct pipeline_picture *picture,
                const struct pipeline_picture *mask, int columns, int rows, int channels,
                struct err *err);
void start_finish(struct start *s); // zeroed is fine

// Restores what the mask keeps in out (count,pixels,channels): exactly, where the mask is black.
void start_restore(const struct start *s, int count, size_t pixels, uint8_t *out);

// How many of `steps` steps are skipped at this strength in [0,1]: all at 0, none at 1, and above 0
// never the last one.
int start_skipped(int steps, double strength);

#endif
