// SPDX-License-Identifier: MIT
// What children.c and children_start.c share. Private to app/worker.
#ifndef LIMN_APP_WORKER_CHILDREN_PARTS_H
#define LIMN_APP_WORKER_CHILDREN_PARTS_H

#include <sys/types.h>

#include "app/worker/children.h"
#include "engine/base/limits.h"

enum { READ_BYTES = 64 << 10, PIECE_MAX = 1 << 20, FOLLOW_MS = 200 };

struct child {
    struct child *next;
    char id[JOB_ID_TEXT];
    char *command; // its name: "train"
    pid_t pid;
    int streams[2]; // its standard output and error; -1: closed, or it is detached
    bool detached, interrupted, gone;
    int status; // once it has gone
    char *results[LIMIT_ORDER_RESULTS];
    int result_count;
};

// A detached command whose output the client follows.
struct follower {
    struct follower *next;
    char id[JOB_ID_TEXT];
    int64_t at;
};

struct children {
    children_send *send;
    void *ctx;
    struct child *first;
    struct follower *followers;
};

void children_free_child(struct child *k);
struct jv *children_head(const char *type, const char *id);

#endif
