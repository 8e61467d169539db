// SPDX-License-Identifier: MIT
// The terminal that the UI is on, and the canvas on it (screen.c).
#ifndef LIMN_APP_UI_SCREEN_H
#define LIMN_APP_UI_SCREEN_H

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "app/ui/ui.h"

// Keys that are none: sequences that the terminal sends by itself, as curses gives them to us.
enum { ANSWER_KEY = KEY_MAX + 1, FOCUS_KEY, BLUR_KEY, PASTE_KEY, PASTED_KEY };

// Asks the terminal what it can do and takes it. ERR_INPUT: none that a screen can be made on.
bool screen_start(struct ui *ui, const char *preview, struct err *err);
void screen_stop(struct ui *ui);
void screen_copy(const char *text); // to the clipboard, where the terminal allows it (OSC 52)
void screen_ring(void); // its bell
void screen_flush(void); // what was printed goes to the terminal
// Its window has another size, or what was on it is gone.
void screen_changed(struct ui *ui);
bool screen_gone(void); // it hung up
void screen_pause_if_asked(struct ui *ui); // ^Z: until the shell lets us continue

// The canvas anew, after the terminal has said more of itself.
void screen_canvas(struct ui *ui, const char *preview);
// The mouse is followed while its button is down, or only its clicks are said.
void screen_track_mouse(bool on);
bool screen_mouse_drags(void); // what was said last is such a way, not a click
void screen_mouse_said(bool drags);
void screen_watch_focus(const struct ui *ui, bool on);

// After newterm(): a terminal that scrolls or moves lines takes pictures along, which the canvas
// would not know, so curses is made to believe that it can do neither.
void screen_forbid_scrolling(void);
// Whether there is a description of it, before it is asked anything.
bool screen_terminal_known(const char *term);

#endif
