// SPDX-License-Identifier: MIT
// Sends the changes of the screen in as few bytes as possible: a move of the selection must not
// cost more than a slow line carries at once (docs/performance.md). curses' own doupdate() sends
// both colours again whenever one of them changes, resets all attributes to end bold, and scrolls
// rows that it finds elsewhere on the screen, pictures included. So curses paints whole screens, at
// the start and after the screen was lost, and all changes in between are sent from here.
//
// There must be no lone half of a wide character (halves.h).
//
// It needs an ECMA-48 terminal, by its terminfo entry; on any other it calls doupdate(). Call it on
// the thread that uses curses.
#ifndef LIMN_APP_UI_DIFFERENCE_H
#define LIMN_APP_UI_DIFFERENCE_H

#include <stdbool.h>
#include <stdio.h>

// Call it after newterm(): finds out what this terminal can do.
void difference_begin(void);
// Writes to `out`, without flushing, what wnoutrefresh() has left to be shown. scroll: rows may be
// moved by scrolling, because no picture is on the screen. cursor: the cursor is visible, so leave
// it in its place.
void difference_send(FILE *out, bool scroll, bool cursor);

#endif
