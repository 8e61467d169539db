// SPDX-License-Identifier: MIT
// This side of the window beside the terminal: starts limn-window and sends it frames. Nothing
// waits: a window that is slow gets fewer frames. One thread.
#ifndef LIMN_APP_WINDOW_WINDOW_LINK_H
#define LIMN_APP_WINDOW_WINDOW_LINK_H

#include "renderer/image/image.h"

struct window_link;

// ERR_UNSUPPORTED when this limn was built without SDL.
struct window_link *window_link_open(struct err *err);
void window_link_close(struct window_link *l); // closes the window; NULL is fine
void window_link_detach(struct window_link *l); // lets it stay until it is closed by hand
void window_link_frame(struct window_link *l, const struct image *image, int step, int total);
// A mask (GRAY8) is painted over the picture from now on; NULL NULL: no longer. Also when it was
// changed here.
void window_link_paint(struct window_link *l, const struct image *picture,
                       const struct image *white);
// What was painted there since, GRAY8, freed with image_unref(); NULL: nothing. *ended: Enter was
// pressed.
struct image *window_link_painted(struct window_link *l, bool *ended);
int window_link_fd(const struct window_link *l); // poll for reading, then window_link_turn()
// False: it is gone; `err` has what it said, when it said something.
bool window_link_turn(struct window_link *l, struct err *err);
char *window_link_dropped(struct window_link *l); // a file, freed with free(); NULL: none

#endif
