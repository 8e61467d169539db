// SPDX-License-Identifier: MIT
// Drawing of text into curses' window, clipped to the screen and with control characters removed,
// and of pictures, through the canvas. y, x, rows and columns are in cells of the screen. The UI's
// thread.
#ifndef LIMN_APP_UI_DRAW_H
#define LIMN_APP_UI_DRAW_H

#include <stdbool.h>
#include <stddef.h>

#include "app/ui/theme.h"
#include "renderer/canvas.h"

struct field;
struct ui;

struct area {
    int y, x, rows, columns;
};

bool draw_contains(const struct area *a, int y, int x); // the cell lies in the area
bool draw_unicode(void); // the locale encodes Unicode, so stars and lines can be used
// The font has them too: consoles' fonts have lines and blocks, but no ellipsis and no braille.
bool draw_has_font(void);
// For screen readers: no lines or frames; remembers the place of the selected item.
void draw_set_plain(bool plain);
bool draw_is_plain(void);
void draw_begin(void); // starts a screen, or a popup: forgets the selected item's place
bool draw_chosen_place(int *y, int *x); // in plain mode; false: nothing is selected
// Where to read from if nothing is selected; the first call for a screen counts.
void draw_read_from(int y, int x);
// Splits an area into a list of `columns` columns and the rest beside it, with a line between them;
// in plain mode one above the other, because screen readers read whole lines.
void draw_split(const struct area *a, int columns, struct area *list, struct area *rest);
void draw_text(int y, int x, int columns, enum role role, const char *text);
// Text of the message line: the role's colour on that line's background.
void draw_message(int y, int x, int columns, enum role role, const char *text);
int draw_width(const char *text); // the columns it takes, also where the font lacks the ellipsis
void draw_popup_key(int y, int x, int columns, const char *text); // ROLE_KEY in a popup
// Centres a caption in so many columns, as its picture is; left-aligned in plain mode or if it is
// too long.
void draw_caption(int y, int x, int columns, enum role role, const char *text);
__attribute__((format(printf, 5, 6))) void draw_format(int y, int x, int columns, enum role role,
                                                       const char *format, ...);
// As much of the path's end as fits, starting with a whole name if possible; ~ is the home folder.
void draw_short_path(const char *path, int columns, char *out, size_t size);
void draw_fill(const struct area *a, enum role role);
void draw_heading(const struct area *a, bool focus, const char *title); // the area's first line
void draw_rule(int y, int x, int columns);
void draw_vertical(int y, int x, int rows);
void draw_box(const struct area *a, const char *title); // a frame; leaves its inside as it is
void draw_gauge(int y, int x, int columns, double part); // part: 0 to 1
// Scrolls a list to its selection; returns the first line to show.
int draw_scroll(int count, int selected, int rows, int top);
// The size of a terminal cell in pixels, for the proportions of pictures.
void draw_cell(const struct ui *ui, int *width, int *height);
bool draw_uses_symbols(const struct ui *ui); // pictures are characters
// The rows that a square picture of so many columns takes.
int draw_square_rows(const struct ui *ui, int columns);
// The part of an area that a picture of this shape covers once it is fitted into it, all columns of
// it, and centred with `below` more rows of text under it.
struct area draw_fitted(const struct ui *ui, const struct area *a, int width, int height,
                        int below);
// Reserves cells for pictures, so that they cost few bytes even while there is no picture.
void draw_reserve(const struct area *a);
// A picture, fitted into an area. live: a frame of a sequence. The caller keeps the image.
void draw_picture(struct ui *ui, int slot, const struct area *a, struct image *image, bool live);
// A file's picture, at most 640 pixels a side, borrowed until the next call. NULL: not decoded yet,
// or it cannot be: then *failed (failed may be NULL) is the reason.
struct image *draw_image(struct ui *ui, const char *file, const char **failed);
void draw_file(struct ui *ui, int slot, const struct area *a,
               const char *file); // decoded on another thread (pictures.h), so not shown at once
// Text with its [ref#k] markers, wrapped; the cursor is at byte `cursor`, SIZE_MAX: none.
void draw_instruction(struct ui *ui, const struct area *a, const char *text, size_t cursor);
void draw_wrapped(const struct area *a, enum role role, const char *text);
// A line being edited, with its cursor; of a long line the part around the cursor.
void draw_field(const struct area *a, const struct field *f);

// The canvas's slots for pictures, by user.
enum {
    SLOT_BROWSER = 0,
    SLOT_BEFORE = 1,
    SLOT_AFTER = 2,
    SLOT_LIVE = 3,
    SLOT_SHEET = 4,
    SLOT_GRID = 16,
    SLOT_QUEUE = 192 // plus a line of the screen
};

#endif
