// SPDX-License-Identifier: MIT
// The parts of the worker: its loop (cmd_worker.c), messages (worker_messages.c), and files by
// content that jobs wait for (worker_blobs.c). Private to app/worker.
#ifndef LIMN_APP_WORKER_WORKER_PARTS_H
#define LIMN_APP_WORKER_WORKER_PARTS_H

#include <pthread.h>

#include "app/worker/children.h"
#include "app/worker/lanes.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"

enum { HOLD_BYTES = 1 << 20 }; // queued for the client: above this, children wait

// A picture file some job needs or needed, by its hash.
struct blob {
    char hash[JOB_HASH_TEXT];
    uint8_t *data;
    size_t size;
    uint64_t last_used; // time of last use, for evicting the oldest
};

// A job, a loader run or a command that waits for its files.
enum pending_kind { PENDING_JOB = 0, PENDING_LOAD, PENDING_ORDER };
struct pending {
    struct pending *next;
    enum pending_kind kind;
    struct job job; // of a loader run: one reference
    struct order order;
    bool previews;
    char id[64];
    int side;
};

struct worker {
    pthread_mutex_t lock; // of `wire`, which the lanes' threads send to
    struct wire *wire;    // NULL without a client
    int in, out;          // of it
    int wake;             // eventfd: a lane has posted a message
    struct lanes *lanes;
    struct children *children;
    struct blob blobs[LIMIT_WORKER_BLOBS];
    int blob_count;
    uint64_t clock;
    struct pending *pending;
    bool finish_jobs; // when the client goes
    bool quit;
    bool draining; // the client has gone; only waiting for children
    int listener;  // -1: none
    char *socket_path;
};

void worker_post(void *ctx, struct jv *head, const void *payload, size_t size);
void worker_send(struct worker *w, struct jv *head, const void *payload, size_t size);
void worker_refuse(struct worker *w, const char *job, enum err_code code, const char *text);
void worker_store_blob(struct worker *w, const char *hash, uint8_t *data, size_t size);
void worker_free_pending(struct pending *p);
void worker_refuse_load(struct worker *w, const char *id, const struct err *err);
void worker_start_ready(struct worker *w);
void worker_add_pending(struct worker *w, struct pending *p);
void worker_log_to_client(enum log_level level, const char *module, const char *text, void *data);
void worker_handle(struct worker *w, struct wire_message *m);

#endif
