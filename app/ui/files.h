// SPDX-License-Identifier: MIT
// File lists on the screen, for the composer and for form fields: folders, filter, sort order and
// bookmarks.
#ifndef LIMN_APP_UI_FILES_H
#define LIMN_APP_UI_FILES_H

#include "app/ui/browser.h"
#include "app/ui/draw.h"
#include "app/ui/keys.h"

// Handles requests that move, open folders, filter, sort or go to bookmarks. `rows`: visible lines.
// False: another request. The caller reports errors; the selection may be out of range until
// browser_clamp().
bool files_request(struct ui *ui, struct browser *b, int rows, enum request request,
                   struct err *err);
// Opens a folder as typed (~ is the home folder) in the list that has the keys.
void files_go(struct ui *ui, const char *folder);
// Draws the list and the selected picture, below it or, in a wide area, beside it; returns the area
// of the lines, for the mouse.
struct area files_draw(struct ui *ui, struct browser *b, bool focus, const struct area *a);

#endif
