// SPDX-License-Identifier: MIT
// What is behind the colon: everything that can be asked for, by name, with what it takes and its
// keys; completed with Tab, filtered as one types, and what was asked before with the arrows.
#ifndef LIMN_APP_UI_PALETTE_H
#define LIMN_APP_UI_PALETTE_H

#include <stdbool.h>
#include <wchar.h>

struct ui;
struct palette;

struct palette *palette_open(struct ui *ui);
void palette_free(struct palette *p); // NULL is fine
// Before the line has the key; true: it was for the palette, and the line may be another.
bool palette_key(struct ui *ui, wint_t key, bool code);
void palette_changed(struct ui *ui); // the line is another
void palette_draw(struct ui *ui);
void palette_remember(struct ui *ui, const char *line); // for the arrows, also of later limns

#endif
