// SPDX-License-Identifier: MIT
// The screen as a picture, as a graphical terminal would show it: curses' cells in a fixed-width
// font and the theme's colours, with the canvas's pictures in their places.
#ifndef LIMN_APP_UI_SCREENSHOT_H
#define LIMN_APP_UI_SCREENSHOT_H

#include "renderer/image/image.h"

struct ui;

// RGB8, in cells of the terminal's own pixel size, without the cursor. The caller frees it. NULL:
// error.
struct image *screenshot_take(const struct ui *ui, struct err *err);

#endif
