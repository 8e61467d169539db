// SPDX-License-Identifier: MIT
// Files on the screen, wherever they are chosen: the list of the composer, and that of a form's
// field. A list with folders to walk through, a filter, an order, bookmarks.
#ifndef LIMN_APP_UI_FILES_H
#define LIMN_APP_UI_FILES_H

#include "app/ui/browser.h"
#include "app/ui/draw.h"
#include "app/ui/keys.h"

// Moves, walks, filters, sorts, goes to places. `rows`: lines that are seen. False: the request is
// something else. An error is the caller's to say; the chosen line may lie past the ends until
// browser_clamp().
bool files_request(struct ui *ui, struct browser *b, int rows, enum request request,
                   struct err *err);
// To a folder as it is typed (~ is the home), in the list that keys act on.
void files_go(struct ui *ui, const char *folder);
// The list and the chosen picture, below it or, where the area is wide, beside it; returns where
// the lines are, for the mouse.
struct area files_draw(struct ui *ui, struct browser *b, bool focus, const struct area *a);

#endif
