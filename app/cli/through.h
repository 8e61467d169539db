// SPDX-License-Identifier: MIT
// Commands of the command line that compute: not in the process that was called, but in a child of
// a worker, here or on another machine (--host), so that a driver or a model that crashes is a
// sentence, and so that one command line does for both. What the child writes is written here, byte
// for byte; Ctrl-C is passed on; its exit code becomes this one's.
#ifndef LIMN_APP_CLI_THROUGH_H
#define LIMN_APP_CLI_THROUGH_H

#include "app/cli/options.h"
#include "app/worker/client.h"

// What a command is sent with. Where it runs on this machine its words go as they are; for another
// machine small files that only this one has are sent by content, and what it makes for people is
// fetched.
struct errand {
    const char *host; // NULL: this machine
    struct jv *words;
    struct jv *about; // for the list of jobs (docs/worker.md), of one that is detached
    struct errand_file {
        char *path; // as named here
        bool result;
        void *data; // of one that is sent
        size_t size;
        char hash[JOB_HASH_TEXT];
    } files[32];
    int file_count, result_count;
};

void errand_begin(struct errand *e, const char *host);
void errand_finish(struct errand *e);
void errand_word(struct errand *e, const char *text);
// A file named here behind `before` ("tasks=", ""): its content goes along. ERR_INPUT names it.
bool errand_send(struct errand *e, const char *before, const char *path, struct err *err);
// A file that the command makes and that comes here.
bool errand_fetch(struct errand *e, const char *before, const char *path, struct err *err);
// The message `command`, under that id; what it needs is kept in the client.
void errand_start(const struct errand *e, struct client *c, const char *id, bool detach);

// What was given on a command line: an option with its value, whose file goes along or comes back
// where its table says so and it runs on another machine; or a word. --host and --detach are left
// out.
bool errand_given(struct errand *e, const struct given *given, struct err *err);

// Fills an errand from a command line; checks what can be checked here. Commands that name files of
// their own kind have a function for it.
bool errand_from(struct errand *e, const struct command_line *line, struct err *err);
// limn train's (train_errand.c).
bool train_errand(struct errand *e, const struct command_line *line, struct err *err);

// Runs a command for its answer: what it says on standard output, in *said, freed with free().
// Words as on a command line, NULL at the end. ERR_… with its own sentence where it fails.
bool through_ask(const char *host, const char *const *words, char **said, struct err *err);

// Runs a command so; returns its exit code.
int through(const struct command_line *line);
// Shows what a detached command said and says until it ends, and returns its exit code; an
// interrupt ends only the looking (0).
int through_follow(struct client *c, const char *host, const char *id, struct err *err);

#endif
