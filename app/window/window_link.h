// SPDX-License-Identifier: MIT
// The program's side of the window beside the terminal: starts limn-window and sends it frames.
// Sending never blocks: a slow window gets fewer frames. One thread.
#ifndef LIMN_APP_WINDOW_WINDOW_LINK_H
#define LIMN_APP_WINDOW_WINDOW_LINK_H

#include "renderer/image/image.h"

struct window_link;

// ERR_UNSUPPORTED: there is no display, or limn was built without SDL. ERR_IO.
struct window_link *window_link_open(struct err *err);
// Closes the window, and waits up to about a second for its process. NULL is fine.
void window_link_close(struct window_link *l);
// Waits until the user closes the window. NULL is fine.
void window_link_detach(struct window_link *l);
void window_link_frame(struct window_link *l, const struct image *image, int step, int total);
// Starts painting a mask (GRAY8) over the picture; call it again when the caller has changed the
// mask. Both NULL: ends painting.
void window_link_paint(struct window_link *l, const struct image *picture,
                       const struct image *white);
// The mask as painted there since the last call, GRAY8, freed with image_unref(); NULL: unchanged.
// *ended: Enter was pressed.
struct image *window_link_painted(struct window_link *l, bool *ended);
int window_link_fd(const struct window_link *l); // poll for reading, then window_link_turn()
// False: the window has gone; `err` has its message, if it left one.
bool window_link_turn(struct window_link *l, struct err *err);
// A file that was dropped on it, freed with free(); NULL: none.
char *window_link_dropped(struct window_link *l);

#endif
