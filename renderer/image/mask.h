// SPDX-License-Identifier: MIT
// A mask being painted over a picture: white is redrawn, black is kept. One thread. Places are
// pixels of the mask, from its upper left corner, and may lie outside.
#ifndef LIMN_RENDERER_IMAGE_MASK_H
#define LIMN_RENDERER_IMAGE_MASK_H

#include "renderer/image/image.h"

enum { MASK_SIDE = 512, MASK_UNDO_MAX = 64 };

struct mask {
    struct image *white; // GRAY8, 255: redrawn, 0: kept
    struct image *undo[MASK_UNDO_MAX]; // the oldest first
    int undo_count;
};

// All black, of the picture's shape, its longer side MASK_SIDE pixels at most. NULL: no memory.
struct mask *mask_new(const struct image *picture, struct err *err);
void mask_free(struct mask *m); // NULL is fine

// Remembers the mask as it is, for mask_undo().
void mask_push_undo(struct mask *m);
bool mask_undo(struct mask *m); // false: there is nothing before it

// Each pixel whose middle lies inside becomes white, or black again.
void mask_disc(struct mask *m, double x, double y, double radius, bool white);
// Moves a disc from one place to another.
void mask_stroke(struct mask *m, const double from[2], const double to[2], double radius,
                 bool white);
void mask_rectangle(struct mask *m, const double from[2], const double to[2], bool white);
void mask_fill(struct mask *m, bool white);
void mask_invert(struct mask *m);
// Replaces it by another mask, of any size and format: bright is white. False: no memory.
bool mask_replace(struct mask *m, const struct image *image, struct err *err);

double mask_coverage(const struct mask *m); // of white, 0 to 1
// The picture, RGBA8, with stripes over the white part, which are opaque. NULL: no memory.
struct image *mask_overlay(const struct mask *m, const struct image *picture, struct err *err);
// As a PNG file's bytes, freed with free().
void *mask_png(const struct mask *m, size_t *size, struct err *err);

#endif
