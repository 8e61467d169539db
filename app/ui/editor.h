// SPDX-License-Identifier: MIT
// Runs the user's editor ($VISUAL, $EDITOR, else vi) on a file, with the terminal to itself.
#ifndef LIMN_APP_UI_EDITOR_H
#define LIMN_APP_UI_EDITOR_H

#include <stdbool.h>

struct ui;

bool editor_run(struct ui *ui, const char *file); // false if the editor failed

#endif
