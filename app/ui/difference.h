// SPDX-License-Identifier: MIT
// What has changed on the screen, in as few bytes as it takes: a move must not cost more than a
// slow line carries at once (docs/performance.md). curses' own doupdate() says the colours of
// letters and ground anew wherever one of them changes, resets all to end bold, and scrolls what it
// finds elsewhere on the screen, pictures included. So curses paints screens whole, at the start
// and whenever they were lost, and all that changes in between is sent from here.
//
// No half of a wide character may stand alone (halves.h).
//
// It needs a terminal of ECMA-48's kind, as terminfo describes it; on any other doupdate() sends
// all. For the thread of curses.
#ifndef LIMN_APP_UI_DIFFERENCE_H
#define LIMN_APP_UI_DIFFERENCE_H

#include <stdbool.h>
#include <stdio.h>

// Call it after newterm(): what this terminal can.
void difference_begin(void);
// What wnoutrefresh() has left to be shown goes to the terminal; `out` is not flushed. scroll: rows
// that are found further up or down may be moved there, since no picture is on the screen. cursor:
// it is to be seen, and has to be in its place.
void difference_send(FILE *out, bool scroll, bool cursor);

#endif
