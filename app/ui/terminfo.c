// SPDX-License-Identifier: MIT
// Alone, because <term.h> makes macros of words like lines and columns.
#include "app/ui/screen.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool
screen_terminal_known(const char *term)
{
    int found = 0;
    // curses does not tell want of memory from a name that it does not know: it is asked twice.
    return setupterm(term, STDOUT_FILENO, &found) == OK ||
           setupterm(term, STDOUT_FILENO, &found) == OK;
}
