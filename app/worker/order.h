// SPDX-License-Identifier: MIT
// A command line that a client asks its worker to run: the message `command`, checked. Its words
// are texts, input files sent by content, and output files to be fetched when it is done.
#ifndef LIMN_APP_WORKER_ORDER_H
#define LIMN_APP_WORKER_ORDER_H

#include <stdbool.h>

#include "app/job/job.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"

struct order_word {
    char *text;  // before the file's name where there is a file: "tasks=", ""
    char *name;  // of the file, without folders; NULL: a text alone
    bool result; // the file is to be fetched, not sent
    char hash[JOB_HASH_TEXT]; // of a file that is sent
    uint8_t *data;            // its content; NULL: not here yet
    size_t size;
};

struct order {
    char id[JOB_ID_TEXT];
    struct order_word words[LIMIT_ORDER_WORDS]; // the first is the command's name
    int count, result_count;
    char *folder; // where it runs; NULL: where the worker was started
    char *environment[LIMIT_ORDER_ENVIRONMENT + 1]; // "NAME=VALUE", NULL at the end
    bool terminal[3]; // by descriptor: what is written there goes to a terminal
    bool detach;      // keeps running when its client goes
    bool resume;      // resumes a detached command that has ended, with its id and files
    char *where;      // what errors call this machine; NULL: nothing
    struct jv *about; // the client's own data for the list of jobs; may be NULL
};

// ERR_INPUT on anything that limn would not send: the message comes from another process, perhaps
// on another machine.
bool order_parse(struct order *o, const struct jv *head, struct err *err);
// The order that resumes the command of a record (records.h).
bool order_resume(struct order *o, const struct jv *record, const char *id, struct err *err);
// What a record stores of it, for order_resume().
struct jv *order_json(const struct order *o);
void order_finish(struct order *o); // zeroed is fine

// Names of environment variables that may be set for a command: those that change how it computes
// and, on the same machine, where it looks for things (order_places). NULL at the end.
extern const char *const order_variables[], *const order_places[];

#endif
