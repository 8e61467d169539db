// SPDX-License-Identifier: MIT
// The terminal that the UI is on, and the canvas on it (screen.c).
#ifndef LIMN_APP_UI_SCREEN_H
#define LIMN_APP_UI_SCREEN_H

#define NCURSES_WIDECHAR 1
#include <curses.h>

#include "app/ui/ui.h"

// Not keys: sequences that the terminal sends by itself, as curses reports them.
enum { ANSWER_KEY = KEY_MAX + 1, FOCUS_KEY, BLUR_KEY, PASTE_KEY, PASTED_KEY };

// Asks the terminal what it can do, and starts curses. ERR_INPUT: no screen can be made on it.
bool screen_start(struct ui *ui, const char *preview, struct err *err);
// Takes the theme for light grounds where the terminal has said that its ground is, and nobody has
// chosen a theme. Whether it did.
bool screen_suit_ground(struct ui *ui);
void screen_stop(struct ui *ui);
void screen_copy(const char *text); // to the clipboard, where the terminal allows it (OSC 52)
void screen_ring(void); // its bell
// What has been drawn since goes to the terminal (difference.h).
void screen_update(bool scroll, bool cursor);
// Call it when the window has another size or its contents are gone.
void screen_changed(struct ui *ui);
bool screen_gone(void); // it hung up
void screen_pause_if_asked(struct ui *ui); // ^Z: until the shell lets us continue

// Makes the canvas again, after the terminal has told more about itself.
void screen_canvas(struct ui *ui, const char *preview);
// Whether the terminal reports movements of the mouse with a button down, or clicks alone.
void screen_track_mouse(bool on);
bool screen_mouse_drags(void); // what was said last is such a way, not a click
void screen_mouse_said(bool drags);
void screen_watch_focus(const struct ui *ui, bool on);

// Whether terminfo knows it; asked before the terminal is queried.
bool screen_terminal_known(const char *term);

#endif
