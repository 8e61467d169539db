// SPDX-License-Identifier: MIT
// The manual page, docs/commands.md and the completions of shells, made from the tables of
// options.h. The build runs limn to make them (app/meson.build, docs/meson.build).
#ifndef LIMN_APP_CLI_OPTIONS_DOCS_H
#define LIMN_APP_CLI_OPTIONS_DOCS_H

#include "app/cli/options.h"

// The text of the page with the lines .\" SYNOPSIS and .\" COMMANDS replaced by text made from the
// tables.
bool docs_man(const struct command *program, const char *page, FILE *out, struct err *err);
// All commands and options, in Markdown.
void docs_markdown(const struct command *program, FILE *out);

// "bash", "zsh", "fish"; NULL after the last.
const char *docs_shell(int i);
void docs_completions(const struct command *program, const char *shell, FILE *out);

#endif
