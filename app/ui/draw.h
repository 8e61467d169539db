// SPDX-License-Identifier: MIT
// Drawing text into curses' window, clipped to the screen and made harmless, and pictures, which go
// to the canvas. y, x, rows and columns are cells of the screen.
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

bool draw_unicode(void); // the locale's characters are Unicode's: stars and lines can be said
// So are the font's: consoles' have lines and blocks, but no ellipsis and no dots of braille.
bool draw_has_font(void);
// For screen readers: no lines, no frames; the place of the chosen item is remembered.
void draw_plainly(bool plain);
bool draw_is_plain(void);
void draw_begin(void); // of a screen, or of what lies in front of one: what is chosen is there
bool draw_chosen_place(int *y, int *x); // while it is plain; false: nothing is chosen
// Where nothing is chosen, what is read is there: the first such place counts.
void draw_read_from(int y, int x);
// A list of so many columns and what belongs to it beside it, with a line between them; plain: one
// above the other, since a screen reader reads whole lines.
void draw_split(const struct area *a, int columns, struct area *list, struct area *rest);
void draw_text(int y, int x, int columns, enum role role, const char *text);
// The message line. A message's role has the line's background there, and only there.
void draw_message(int y, int x, int columns, enum role role, const char *text);
// In the middle of so many columns, as the pictures are whose caption it is; from the first one on
// for screen readers, and where it is too long.
void draw_caption(int y, int x, int columns, enum role role, const char *text);
__attribute__((format(printf, 5, 6))) void draw_format(int y, int x, int columns, enum role role,
                                                       const char *format, ...);
// As much of the path's end as fits, from the start of a name if possible; the home folder is ~.
void draw_short_path(const char *path, int columns, char *out, size_t size);
void draw_fill(const struct area *a, enum role role);
void draw_heading(const struct area *a, bool focus, const char *title); // the area's first line
void draw_rule(int y, int x, int columns);
void draw_upright(int y, int x, int rows);
void draw_box(const struct area *a, const char *title); // a frame; what is within stays
void draw_gauge(int y, int x, int columns, double part);
// Scrolls a list to its selection; returns the first line to show.
int draw_scroll(int count, int selected, int rows, int top);
// The size of a terminal cell in pixels, for the proportions of pictures.
void draw_cell(const struct ui *ui, int *width, int *height);
// Rows of a square picture of so many columns.
int draw_square_rows(const struct ui *ui, int columns);
// Reserves cells for pictures: they are printed in few bytes even while there is no picture.
void draw_reserve(const struct area *a);
// A picture in an area. live: one of many frames. The caller keeps the image.
void draw_picture(struct ui *ui, int slot, const struct area *a, struct image *image, bool live);
// A file's picture, at most 640 pixels a side, borrowed until the next call; NULL: not decoded yet.
struct image *draw_image(struct ui *ui, const char *file);
void draw_file(struct ui *ui, int slot, const struct area *a,
               const char *file); // decoded elsewhere (pictures.h): not at once
// Text with its [ref#k] markers, wrapped; the cursor at byte `cursor` when it is not SIZE_MAX.
void draw_instruction(struct ui *ui, const struct area *a, const char *text, size_t cursor);
void draw_wrapped(const struct area *a, enum role role, const char *text);
// A line that is being written, with the cursor in it: of a long one the part around the cursor.
void draw_field(const struct area *a, const struct field *f);

// Slots of the canvas, by their user.
enum {
    SLOT_BROWSER = 0,
    SLOT_BEFORE = 1,
    SLOT_AFTER = 2,
    SLOT_LIVE = 3,
    SLOT_SHEET = 4,
    SLOT_GRID = 16,
    SLOT_QUEUE = 192 // and a line of the screen
};

#endif
