// SPDX-License-Identifier: MIT
// The screen as a picture, as a graphical terminal shows it: curses' cells in fixed-width letters
// and the theme's colours, and the canvas's pictures in their places.
#ifndef LIMN_APP_UI_PHOTOGRAPH_H
#define LIMN_APP_UI_PHOTOGRAPH_H

#include "renderer/image/image.h"

struct ui;

// RGB8, cells of the terminal's size in pixels. Its cursor is not in it.
struct image *photograph_screen(const struct ui *ui, struct err *err);

#endif
