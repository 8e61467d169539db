// SPDX-License-Identifier: MIT
// Contact sheets: many small pictures in a grid, each with its label below. Any thread.
#ifndef LIMN_RENDERER_IMAGE_CONTACT_H
#define LIMN_RENDERER_IMAGE_CONTACT_H

#include "renderer/image/image.h"

struct contact_cell {
    struct image *image; // NULL: an empty tile
    const char *label;   // UTF-8; NULL: none. What does not fit is cut off with an ellipsis
};

// `columns` tiles a row, each `side` pixels (enlarged by whole numbers where the picture is
// small), dark letters on white. RGB8. ERR_INPUT over the limits of image.h.
struct image *contact_sheet(const struct contact_cell *cells, int count, int columns, int side,
                            struct err *err);

#endif
