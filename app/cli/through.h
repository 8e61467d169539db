// SPDX-License-Identifier: MIT
// Commands that compute run not in the calling process but in a child of a worker, here or on
// another machine (--host): a driver that crashes is then only an error message, and the command
// line is the same for both. The child's output is written here byte for byte, Ctrl-C is passed on,
// and its exit code becomes this process's.
#ifndef LIMN_APP_CLI_THROUGH_H
#define LIMN_APP_CLI_THROUGH_H

#include "app/cli/options.h"
#include "app/worker/client.h"

// A command on its way to a worker. On this machine its words go as they are; to another machine
// the contents of small input files go with it, and the files it makes are fetched.
struct command_request {
    const char *host; // NULL: this machine
    struct jv *words;
    struct jv *about; // if detached: for the list of jobs (docs/worker.md)
    struct command_request_file {
        char *path; // as named here
        bool result;
        void *data; // if it is sent
        size_t size;
        char hash[JOB_HASH_TEXT];
    } files[32];
    int file_count, result_count;
};

void command_request_begin(struct command_request *e, const char *host);
void command_request_finish(struct command_request *e);
void command_request_word(struct command_request *e, const char *text);
// The argument `before` ("tasks=", "") and the name of a file here, whose content is sent along.
// ERR_INPUT names it.
bool command_request_send_file(struct command_request *e, const char *before, const char *path,
                               struct err *err);
// Sends the message `command` under that id. The client copies what it needs, so the request may be
// finished.
void command_request_start(const struct command_request *e, struct client *c, const char *id,
                           bool detach);

// Adds an option with its value, or an argument, as given on a command line. Where the command runs
// on another machine, files are sent or fetched as the option's table says. --host and --detach are
// left out.
bool command_request_given(struct command_request *e, const struct given *given, struct err *err);

// Fills a command_request from a command line and checks what can be checked here. Commands whose
// words name files in their own syntax have a function of their own.
bool command_request_from(struct command_request *e, const struct command_line *line,
                          struct err *err);
// limn train's (train_request.c).
bool train_request(struct command_request *e, const struct command_line *line, struct err *err);

// Runs a command for its standard output: *output, freed with free(). Words as on a command line,
// NULL at the end. If it fails, err has its message.
bool through_capture(const char *host, const char *const *words, char **output, struct err *err);

// Runs a command through a worker; returns its exit code.
int through_run(const struct command_line *line);
// Shows the output of a detached command, from its beginning until it ends; returns its exit code.
// An interrupt detaches again and returns 0.
int through_follow(struct client *c, const char *host, const char *id, struct err *err);

#endif
