// SPDX-License-Identifier: MIT
// Halves of wide characters. Where something lies over one half, as the edge of a form may, curses
// leaves the other one, and what follows in its row is read and sent a column off.
#ifndef LIMN_APP_UI_HALVES_H
#define LIMN_APP_UI_HALVES_H

void halves_mend(void); // makes them blanks, in curses' screen, once all is drawn

#endif
