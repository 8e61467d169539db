// SPDX-License-Identifier: MIT
// Pictures in rectangles of cells, beside a text screen that someone else draws.
//
// The text screen (curses) knows nothing of pictures. Each turn of its loop goes like this:
//
//     canvas_put(), canvas_remove(), canvas_cover() …      what is to be shown; sends nothing
//     n = canvas_damage(c, rects, MAX)                     cells that text must print again
//     wrefresh() that prints each of them, fflush()        text first
//     canvas_flush(c, milliseconds, &err)                  then pictures, changed ones only
//
// Printing cells again is how pictures are erased, and it also erases what other pictures have
// there; the canvas knows that and draws those again. A flush sends whole pieces (escape sequences
// that are complete), each with the cursor and its colours saved and restored, in synchronized
// output where the terminal has it; it stops when its time is up, when the terminal takes no more,
// or when enough is under way on a slow line. While canvas_pending() is true, poll fd for POLLOUT
// (or wait canvas_wait() milliseconds) and flush again; text may be printed between flushes at any
// time.
//
// The last row of the screen is never drawn in: a rectangle that reaches it is cut.
//
// On slow lines, live pictures (previews) give way: fewer frames, then coarser ones, so that no
// more than CANVAS_LIVE_SHARE of the time goes into them; still pictures are always drawn whole.
// Pictures are scaled and encoded on a thread of the canvas's own, so that a flush never takes
// longer than it takes to write. All functions are for one thread. Rows and columns count from 0.
// Slots are small numbers that the caller chooses, one per picture: 0 to CANVAS_SLOTS - 1.
#ifndef LIMN_RENDERER_CANVAS_H
#define LIMN_RENDERER_CANVAS_H

#include "renderer/image/image.h"
#include "renderer/term_query.h"

enum {
    CANVAS_SLOTS = 256,
    CANVAS_COVERS = 8,
    CANVAS_LIVE_SHARE = 20, // live pictures get at most 1/20 of the time: 5 %
};

enum canvas_kind {
    CANVAS_AUTO = 0, // kitty or sixel where the terminal has it, else cells, else none
    CANVAS_KITTY,
    CANVAS_SIXEL,
    CANVAS_CELLS,
    CANVAS_NONE, // accepts all, shows nothing
    CANVAS_KIND_COUNT
};

enum canvas_fit {
    CANVAS_CONTAIN = 0, // whole, in the middle of the rectangle
    CANVAS_COVER,       // fills the rectangle; the middle of the picture is seen
    CANVAS_TOP_LEFT,    // whole, at the rectangle's first cell
};

struct canvas_rect {
    int row, column, rows, columns; // cells
};

struct canvas_params {
    int fd;                       // the terminal; pieces are written to it, nothing is read
    const struct term_info *term; // copied
    enum canvas_kind kind;
    bool mono;           // no colour (cells only): NO_COLOR or a theme without
    bool ascii;          // no characters but ASCII (cells only); else the locale decides
    uint32_t background; // 0xRRGGBB behind transparent pictures and around whole ones
    // The caller reads the terminal's answers: whenever CANVAS_ANSWER comes in among the keys, it
    // calls canvas_answer(). (curses: define_key(CANVAS_ANSWER, some key code).) This is the only
    // way to measure a line whose buffers hide its slowness, such as ssh. Without it the duration
    // of write() is used.
    bool answers;
};

#define CANVAS_ANSWER "\033[0n"

struct canvas;

// ERR_UNSUPPORTED when a kind is asked for that this build lacks.
struct canvas *canvas_create(const struct canvas_params *params, struct err *err);
// Takes all pictures off the screen first (kitty; the others go with the text), without waiting.
// NULL is fine.
void canvas_destroy(struct canvas *canvas);

enum canvas_kind canvas_kind(const struct canvas *canvas); // the chosen one
const char *canvas_kind_name(enum canvas_kind kind);

struct canvas_place {
    struct canvas_rect rect;
    enum canvas_fit fit;
    bool live; // a frame of many
};

// From now on the slot shows `image` there; the picture is shared with image_ref() until it is
// replaced. The same image at the same place costs nothing.
void canvas_put(struct canvas *canvas, int slot, struct image *image,
                const struct canvas_place *place);
void canvas_remove(struct canvas *canvas, int slot);

// Where text lies over pictures (menus, questions): the whole list each time; count 0: nowhere. A
// picture touched by one is not drawn while it is (cells: the part outside still is).
void canvas_cover(struct canvas *canvas, const struct canvas_rect *rects, int count);

// Takes all pictures off the screen until hidden is false again, e.g. for $EDITOR.
void canvas_hide(struct canvas *canvas, bool hidden);

// The screen was cleared or redrawn (resize, ^L, resumed): nothing that was sent is on it any more.
// `columns`, `rows`: the new size in cells; 0 0: as before. `width`, `height`: the new size of the
// window in pixels, 0 when unknown.
void canvas_invalidate(struct canvas *canvas, int columns, int rows, int width, int height);

// Cells that must be printed again before the next flush, because a picture is to disappear from
// them. Each is reported once. Returns how many rectangles were filled; at most `max` (>= 1) of
// them, joined when there are more.
int canvas_damage(struct canvas *canvas, struct canvas_rect *rects, int max);

// The caller has printed text in these cells for its own reasons: pictures on them are sent again.
void canvas_printed(struct canvas *canvas, const struct canvas_rect *rect);

// Sends what has changed, for about `milliseconds` at most. ERR_IO when the terminal is gone.
bool canvas_flush(struct canvas *canvas, int milliseconds, struct err *err);
bool canvas_pending(const struct canvas *canvas); // something is left to send
int
canvas_wait(const struct canvas *canvas); // milliseconds until a flush can do something; -1: none

// What a terminal with pixels of that cell would show: the pictures are pasted into `screen`, an
// RGB8 picture of the whole screen, whatever kind the canvas is. Sends nothing.
void canvas_compose(const struct canvas *canvas, struct image *screen, int cell_width,
                    int cell_height);

void canvas_answer(struct canvas *canvas); // CANVAS_ANSWER has come in
int canvas_queries(const struct canvas *canvas); // not answered yet

#endif
