// SPDX-License-Identifier: MIT
// The commands of the program. Each is a table (options.h) with a function that gets the command
// line as it was read and returns an exit code: 0 done, 1 failed, 2 bad usage or input, 130
// interrupted.
#ifndef LIMN_APP_CLI_COMMANDS_H
#define LIMN_APP_CLI_COMMANDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include "app/cli/options.h"
#include "engine/base/err.h"
#include "engine/base/jv.h"

// Their tables (commands.def).
#define COMMAND(name, programs) extern const struct command command_##name;
#include "app/cli/commands.def"
#undef COMMAND
extern const struct command command_data_clusters, command_data_examples; // below data
extern const struct command command_models_get, command_models_add, command_models_fit,
    command_models_merge;

int bench_ui(void); // limn bench ui

// Whether a worker runs the command of that name for its limn (app/cli/through.h), and all such
// names.
bool command_computes(const char *name);
struct jv *command_computing(void);
// Reads a command line without the program's name, and runs it in this process.
int command_run(int argc, char **argv);
// The program's own table: what is above all commands.
extern const struct command command_program;

// Whether what is written to a descriptor goes to a terminal, also where a worker and its limn lie
// between.
bool command_terminal(int fd);
void command_set_terminal(int fd);
// The name of this machine for people on another one, before errors; NULL: they are here.
extern const char *command_where;

// First of all: signals, threads, $LIMN_LOG.
void command_start(char **argv);

// From here on whatever this process prints goes through a filter (text.h): no string from outside
// (a file's name, an instruction in a picture, another machine's words) controls the terminal.
// Not for the UI, whose screen is curses' own.
void command_open_doors(void);
// Prints a line with strings from outside in it: formatted, made one harmless line (text_line()),
// and ended.
__attribute__((format(printf, 2, 3))) void command_say(FILE *out, const char *format, ...);
// Text from outside as part of one line (text_line()).
char *command_harmless(char *text);
// Prints "limn: sentence" on stderr, harmless, and returns the exit code of the error.
int command_failed(const struct err *err);

// What ends a process of this program that gets no memory for something small: a sentence, exit
// code 1. Async-signal-safe.
__attribute__((noreturn)) void command_end_without_memory(void);

// From here on the first interrupt ends the process (exit code 130): there is nothing to save.
void command_interrupt_ends(void);

// Last of all: whether all that was said on standard output got there. Returns the exit code, which
// is 1 for a command that did well but for that. What wrote to the descriptor itself reports its
// errno.
int command_end(int code);
void command_output_lost(int number);

// Set by SIGINT and SIGTERM.
extern atomic_int command_interrupted;

#endif
