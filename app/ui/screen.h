// SPDX-License-Identifier: MIT
// The UI's terminal and the canvas on it (screen.c).
#ifndef LIMN_APP_UI_SCREEN_H
#define LIMN_APP_UI_SCREEN_H

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "app/ui/ui.h"

// Not keys: sequences that the terminal sends on its own, by the numbers given to curses.
enum { ANSWER_KEY = KEY_MAX + 1, FOCUS_KEY, BLUR_KEY, PASTE_KEY, PASTED_KEY };

// Asks the terminal what it can do, and starts curses. ERR_INPUT: there is no terminal, or curses
// cannot use it; ERR_IO; ERR_MEMORY.
bool screen_start(struct ui *ui, const char *preview, struct err *err);
// Switches to the light theme if the terminal reported a light background and the user has set
// no theme; returns whether it did.
bool screen_match_background(struct ui *ui);
void screen_stop(struct ui *ui);
void screen_copy(const char *text); // to the clipboard, where the terminal allows it (OSC 52)
void screen_ring(void); // the bell
// Sends what has been drawn since to the terminal (difference.h).
void screen_update(bool scroll, bool cursor);
// Call it when the terminal's size has changed or its contents are lost.
void screen_resized(struct ui *ui);
bool screen_gone(void); // the terminal has hung up
void screen_suspend_if_requested(struct ui *ui); // ^Z: stops until the shell continues limn

// Creates the canvas, by what is known of the terminal now.
void screen_canvas(struct ui *ui, const char *preview);
// Lets the terminal report movements of the mouse with a button down, or only clicks.
void screen_track_mouse(bool on);
bool screen_mouse_drags(void); // the last report was a movement, not a click
void screen_set_mouse_drags(bool drags);
void screen_watch_focus(const struct ui *ui, bool on);

// Whether terminfo knows it; checked before the terminal is queried.
bool screen_terminal_known(const char *term);

#endif
