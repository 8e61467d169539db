// SPDX-License-Identifier: MIT
// A person's own editor ($VISUAL, $EDITOR, else vi) on a file, with the terminal for itself.
#ifndef LIMN_APP_UI_EDITOR_H
#define LIMN_APP_UI_EDITOR_H

#include <stdbool.h>

struct ui;

bool editor_run(struct ui *ui, const char *file); // false: it failed, or said so

#endif
