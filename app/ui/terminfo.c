// SPDX-License-Identifier: MIT
// In a file of its own because <term.h> defines macros like `lines` and `columns`.
#include "app/ui/screen.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool
screen_terminal_known(const char *term)
{
    int found = 0;
    // curses reports a lack of memory like an unknown name, so ask twice.
    return setupterm(term, STDOUT_FILENO, &found) == OK ||
           setupterm(term, STDOUT_FILENO, &found) == OK;
}
