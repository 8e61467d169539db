// SPDX-License-Identifier: MIT
// Paints a mask over the picture that the drawing starts from: with a brush or rectangle in cells,
// with the mouse, or in the window beside the terminal. While it is open it gets the composer's
// keys. The result becomes the instruction's mask; u undoes that.
#ifndef LIMN_APP_UI_PAINTER_H
#define LIMN_APP_UI_PAINTER_H

#include <wchar.h>

#include "app/ui/draw.h"

struct arrival;
struct painter;

// Opens in front of the composer; without a picture to start from, says how to set one.
void painter_open(struct ui *ui);
void painter_free(struct painter *p); // NULL is fine
bool painter_is_open(const struct ui *ui);

void painter_draw(struct ui *ui, const struct area *a);
// False: not a key of the painter.
bool painter_key(struct ui *ui, wint_t key, bool code);
// y, x: cells of the screen; `turn`: of the wheel; `drags`: the button was down before.
void painter_mouse(struct ui *ui, int y, int x, int turn, bool drags);
// Takes what was painted in the window; `ended` closes the painter as Enter does.
void painter_set_mask(struct ui *ui, const struct image *white, bool ended);
// The instruction's mask, which had only been bytes, or why it cannot be decoded.
void painter_on_arrival(struct ui *ui, struct arrival *a);
const char *painter_hint(const struct ui *ui);

#endif
