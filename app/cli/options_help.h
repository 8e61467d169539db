// SPDX-License-Identifier: MIT
// What --help says, made from the tables of options.h.
#ifndef LIMN_APP_CLI_OPTIONS_HELP_H
#define LIMN_APP_CLI_OPTIONS_HELP_H

#include "app/cli/options.h"

// Of the command that is meant, and of those below it. `away` as in command_line_read().
void options_help(const struct command_line *line, bool away, FILE *out);

// What it does, in sentences: about, or its summary as one; freed with free().
char *command_about(const struct command *command);
// A phrase with its range, its names and what it is by itself behind it; freed with free().
char *option_phrase(const struct option *o);
// "TEMPLATE|PICTURE.png", "[KEY=VALUE ...]": the words of a command; freed with free().
char *command_words(const struct command *command);

#endif
