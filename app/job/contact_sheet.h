// SPDX-License-Identifier: MIT
// Contact sheets: many small pictures in a grid, each with an optional label below. The letters are
// drawn in a child of the sandbox (loaders/look.h). Any thread.
#ifndef LIMN_APP_JOB_CONTACT_SHEET_H
#define LIMN_APP_JOB_CONTACT_SHEET_H

#include "renderer/image/image.h"

struct contact_cell {
    struct image *image; // NULL: an empty tile
    const char *label;   // UTF-8; NULL: none. An ellipsis in the middle if it is too long
};

// Headings above the columns and to the left of the rows, one for each; NULL: none.
struct contact_heads {
    const char *const *columns, *const *rows;
};

// `columns` tiles per row, each `side` pixels (small pictures are enlarged by whole numbers), dark
// letters on white; `heads` may be NULL. RGB8. ERR_INPUT over the limits of image.h, or when the
// letters cannot be drawn.
struct image *contact_sheet(const struct contact_cell *cells, int count, int columns, int side,
                            const struct contact_heads *heads, struct err *err);

#endif
