// SPDX-License-Identifier: MIT
// The command line after the colon: lists all commands with their arguments and keys; Tab
// completes, typing filters, the arrows recall earlier ones.
#ifndef LIMN_APP_UI_PALETTE_H
#define LIMN_APP_UI_PALETTE_H

#include <stdbool.h>
#include <wchar.h>

struct ui;
struct palette;

struct palette *palette_open(struct ui *ui);
void palette_free(struct palette *p); // NULL is fine
// Called before the line gets the key; true: the palette used it, and the line may have changed.
bool palette_key(struct ui *ui, wint_t key, bool code);
void palette_changed(struct ui *ui); // call it when the line has changed
void palette_draw(struct ui *ui);
void palette_add_history(struct ui *ui, const char *line); // for the arrows, in later runs too

#endif
