// SPDX-License-Identifier: MIT
// `limn --script FILE` drives the UI: it presses keys, waits for text on the screen (never for a
// fixed time), and saves screens as text and as pictures. docs/ui.md lists the commands. Unless
// standard input and output are both terminals, the screen is unseen: in memory, of the size that
// the script sets.
#ifndef LIMN_APP_UI_SCRIPT_H
#define LIMN_APP_UI_SCRIPT_H

#include <stdbool.h>

#include "engine/base/err.h"

struct script;
struct ui;

enum { SCRIPT_COLUMNS = 100, SCRIPT_ROWS = 30, SCRIPT_LIMIT_S = 60 };

// Reads and checks all of it. "-": standard input. NULL: ERR_INPUT, "FILE:LINE: …".
struct script *script_open(const char *file, struct err *err);
void script_close(struct script *s); // NULL is fine; prints the screen that it failed on

bool script_is_headless(const struct script *s); // its screen is in memory only; false for NULL
// The size set by its first `size` command.
void script_size(const struct script *s, int *columns, int *rows);

// Runs commands until the screen must be redrawn, or one has to wait. False: a wait timed out, or a
// command failed. At the end of the script limn exits if the screen is unseen; in a terminal
// the user takes over.
bool script_turn(struct script *s, struct ui *ui, struct err *err);
// Seconds until its wait fails; < 0: it is not waiting.
double script_wait(const struct script *s);

#endif
