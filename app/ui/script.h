// SPDX-License-Identifier: MIT
// The UI's second door: `limn --script FILE` plays keys, waits for what is on the screen (never for
// seconds), and saves screens as text and as pictures. docs/ui.md has the words. Without a terminal
// on both standard input and output the screen is one that nobody sees, of the size that the script
// asks for.
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

bool script_unseen(const struct script *s); // its screen is nobody's; false for NULL
// The size that its first `size` asks for.
void script_size(const struct script *s, int *columns, int *rows);

// With the screen as it is now: continues until something must be drawn or waited for. False: what
// it waited for did not come, or what it says cannot be done. At its end an unseen screen ends
// limn; in a terminal the person goes on.
bool script_turn(struct script *s, struct ui *ui, struct err *err);
// Seconds until it waits no longer; < 0: it does not wait.
double script_wait(const struct script *s);

#endif
