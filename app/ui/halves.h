// SPDX-License-Identifier: MIT
// Lone halves of wide characters. When something covers one half, as the edge of a form may, curses
// leaves the other half, and everything after it in the row is read and sent one column off.
#ifndef LIMN_APP_UI_HALVES_H
#define LIMN_APP_UI_HALVES_H

void halves_repair(void); // call it once all is drawn: replaces them with blanks in stdscr

#endif
