// SPDX-License-Identifier: MIT
// The commands of the program. Each is a table (options.h) with a function that takes the parsed
// command line and returns an exit code: 0 success, 1 failure, 2 bad usage or input, 130
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

// Whether the command of that name is run by a worker (app/cli/through.h), and the list of all such
// names.
bool command_computes(const char *name);
struct jv *command_computing(void);
// Reads a command line without the program's name, and runs it in this process.
int command_run(int argc, char **argv);
// The program's own table, above all commands.
extern const struct command command_program;

// Whether what is written to a descriptor ends up on a terminal, even by way of a worker and its
// client.
bool command_terminal(int fd);
void command_set_terminal(int fd);
// The name of this machine, put before errors for people on another one; NULL: they are here.
extern const char *command_where;

// Called first: sets up signals, $LIMN_LOG and the thread settings that child processes inherit.
// argv: the whole command line, kept.
void command_start(char **argv);
// Called before this process computes, while nothing is open yet: the threading settings must be in
// the environment before main(), so a process that lacks them executes itself again, once. Most
// commands only start other processes that compute and skip this: it doubles their start-up time.
void command_will_compute(void);

// From here on everything this process prints goes through a filter (text.h): no string from
// outside (a file's name, an instruction in a picture, another machine's words) controls the
// terminal. Not for the UI, whose screen is curses' own.
void command_filter_output(void);
// Prints a line that contains text from outside: formatted, then made harmless (text_line()).
__attribute__((format(printf, 2, 3))) void command_say(FILE *out, const char *format, ...);
// Makes text from outside part of one line (text_line()).
char *command_sanitise(char *text);
// Prints "limn: " and the error, made harmless, on stderr; returns the error's exit code.
int command_failed(const struct err *err);

// Called when a small allocation fails: prints a message and exits with code 1. Async-signal-safe.
__attribute__((noreturn)) void command_end_without_memory(void);

// From here on the first interrupt ends the process with exit code 130: nothing needs saving.
void command_interrupt_ends(void);

// Called last: checks that all of standard output was written. Returns the exit code, or 1 if a
// command that succeeded lost its output. Code that writes to the descriptor directly reports a
// failure with command_output_lost().
int command_end(int code);
void command_output_lost(int number);

// Set by SIGINT and SIGTERM.
extern atomic_int command_interrupted;

#endif
