// SPDX-License-Identifier: MIT
// What --help says, made from the tables of options.h.
#ifndef LIMN_APP_CLI_OPTIONS_HELP_H
#define LIMN_APP_CLI_OPTIONS_HELP_H

#include "app/cli/options.h"

// The help of the line's command and of those below it. `away` as in command_line_read().
void options_help(const struct command_line *line, bool away, FILE *out);

// What it does, in sentences: its `about`, or its summary made a sentence. Freed with free().
char *command_about(const struct command *command);
// Its description, with range, choices and default. Freed with free().
char *option_phrase(const struct option *o);
// The arguments of a command: "TEMPLATE|PICTURE.png", "[KEY=VALUE ...]". Freed with free().
char *command_words(const struct command *command);

#endif
