// SPDX-License-Identifier: MIT
// The commands of the program. Each gets its own arguments with its name in argv[0] and returns an
// exit code: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.
#ifndef LIMN_APP_CLI_COMMANDS_H
#define LIMN_APP_CLI_COMMANDS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/base/err.h"
#include "engine/base/jv.h"

int cmd_generate(int argc, char **argv);
int cmd_instruct(int argc, char **argv);
int cmd_templates(int argc, char **argv);
int cmd_load(int argc, char **argv);
int cmd_loaders(int argc, char **argv);
int cmd_models(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_train(int argc, char **argv);
int bench_ui(void); // limn bench ui
int cmd_bench(int argc, char **argv);
int cmd_devices(int argc, char **argv);
int cmd_worker(int argc, char **argv);
int cmd_library(int argc, char **argv);
int cmd_jobs(int argc, char **argv);

// Whether a worker runs the command of that name for its limn (app/cli/through.h), and all such names.
bool command_computes(const char *name);
struct jv *command_computing(void);
int command_run(int argc, char **argv); // in this process

// Whether what is written to a descriptor goes to a terminal, also where a worker and its limn lie
// between.
bool command_terminal(int fd);
void command_set_terminal(int fd);
// The name of this machine for people on another one, before errors; NULL: they are here.
extern const char *command_where;

// First of all: signals, threads, $LIMN_LOG.
void command_start(char **argv);

// Text from outside (names of files, instructions in pictures, another machine's words) for a terminal: what
// would control it becomes '?'. Written into `text` itself.
char *command_harmless(char *text);
// Prints "limn: sentence" on stderr, harmless, and returns the exit code of the error.
int command_failed(const struct err *err);

// Set by SIGINT and SIGTERM.
extern atomic_int command_interrupted;

#endif
