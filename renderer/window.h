// SPDX-License-Identifier: MIT
// An SDL2 window that shows pictures while they are denoised: zoom with the wheel or + and -, move
// with the mouse, 0 fits the picture again; the slider below, or left and right, goes through the
// steps; files can be dropped on it. One thread, the one that opened it.
#ifndef LIMN_RENDERER_WINDOW_H
#define LIMN_RENDERER_WINDOW_H

#include "renderer/image/image.h"

enum { WINDOW_FRAMES_MAX = 1000 };

struct window;

// ERR_UNSUPPORTED with SDL's message when there is no display.
struct window *window_open(const char *title, struct err *err);
void window_close(struct window *w); // NULL is fine

// The next step of a picture, or, when `step` is not above the last one's, the first of another.
// The image is shared with image_ref(). The window moves on to it only if it was showing the
// newest.
void window_frame(struct window *w, struct image *image, int step, int total);

// Handles events and redraws what has changed, for at most `milliseconds`. False: the window was
// closed.
bool window_turn(struct window *w, int milliseconds);
char *
window_dropped(struct window *w); // a file that was dropped on it, freed with free(); NULL: none

// Lets the user paint a mask (GRAY8, white is redrawn) over `picture`: the left button paints, the
// right one erases, the middle one moves the picture; [ and ] change the brush, i inverts, u
// undoes, Enter ends. `white` replaces a mask that is being painted. NULL NULL: shows the frames
// again.
void window_paint(struct window *w, struct image *picture, const struct image *white);
// The mask, if a stroke has ended since the last call; else NULL. Borrowed until the next turn.
// *ended: Enter was pressed.
const struct image *window_painted(struct window *w, bool *ended);

#endif
