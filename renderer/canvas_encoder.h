// SPDX-License-Identifier: MIT
// What each kind of canvas provides: how a scaled picture becomes pieces of output. Private to
// canvas*.c.
#ifndef LIMN_RENDERER_CANVAS_ENCODER_H
#define LIMN_RENDERER_CANVAS_ENCODER_H

#include "renderer/canvas.h"

// Output, and the ends of its pieces: each piece can be sent alone, with text between two of them.
struct canvas_bytes {
    char *data;
    size_t size, capacity;
    size_t *ends; // of pieces, ascending
    int piece_count, piece_capacity;
};

void canvas_bytes_add(struct canvas_bytes *b, const void *data, size_t size);
__attribute__((format(printf, 2, 3))) void canvas_bytes_printf(struct canvas_bytes *b,
                                                               const char *format, ...);
void canvas_bytes_end_piece(struct canvas_bytes *b);
void canvas_bytes_free(struct canvas_bytes *b);

struct canvas_drawing {
    const struct image *image; // RGB8, exactly as large as it is shown
    struct canvas_rect rect;   // cells it covers, its first pixel in the first cell's corner
    const struct term_info *term;
    // > 0: rect.row counts from the top of this many rows above the cursor, wherever that is.
    int up;
    int slot, coarseness;
    bool mono, ascii, whole; // whole: one piece
    uint32_t background;
};

// Saves the cursor and goes to the first cell of the picture's row `row`; "\0338" goes back.
void canvas_bytes_move_to(struct canvas_bytes *b, const struct canvas_drawing *d, int row);

struct canvas_encoder {
    enum canvas_kind kind;
    // Pixels of a picture for a cell: the terminal's, or what a symbol can show.
    void (*cell_size)(const struct term_info *term, int *width, int *height);
    bool (*encode)(const struct canvas_drawing *d, struct canvas_bytes *out, struct err *err);
    // Erases a picture by itself; NULL: text printed over it erases it.
    void (*erase)(int slot, struct canvas_bytes *out);
    // Ends a picture after some of its pieces; NULL: each piece is whole in itself.
    void (*abandon)(struct canvas_bytes *out);
};

extern const struct canvas_encoder canvas_encoder_sixel, canvas_encoder_kitty, canvas_encoder_cells;

#endif
