// SPDX-License-Identifier: MIT
// The parts of the client: the worker's process (client.c), messages from it (client_events.c),
// requests to it (client_requests.c). Private to app/worker.
#ifndef LIMN_APP_WORKER_CLIENT_PARTS_H
#define LIMN_APP_WORKER_CLIENT_PARTS_H

#include <sys/types.h>

#include "app/worker/client.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"

enum {
    STDERR_TAIL = 4096,
    CLOSE_MS = 2000,       // how long to wait at exit for the worker to end
    LOST_MS = 500,         // the same for a lost worker, while the UI waits
    EXPECTED_MAX = 8192,   // outstanding requests
    QUEUE_BYTES = 1 << 20, // queued for the worker; above this, blobs and `seen` wait
    LOG_BURST = 200,
};
#define TURN_SECONDS 0.02

// A file the worker may ask for.
struct client_blob {
    char hash[JOB_HASH_TEXT];
    uint8_t *data;
    size_t size;
    bool wanted, sent; // since it was offered last
    uint64_t sequence; // order in which it was offered, larger is later; 0: empty slot
};

// What this client waits for.
enum expected_kind { EXPECT_JOB, EXPECT_SPOOLED, EXPECT_LOAD, EXPECT_COMMAND, EXPECT_PIECE };
struct expected {
    enum expected_kind kind;
    char id[64];
    int index, count;  // of results
    uint64_t received; // bits of those that came
};

struct client {
    char *host, *program;
    bool alone, quiet_ssh;
    pid_t pid;           // 0: none
    int in, out, errors; // its standard output, input, error; -1: closed
    struct wire *wire;
    bool ready, ended, gone; // gone: nothing more arrives, but unread messages may remain
    struct expected *expected;
    int expected_count, expected_capacity;
    bool commands_pending, commands_repeat, describe_pending;
    double turn_began; // seconds
    int turn_events;
    double log_tokens, log_tokens_at; // log lines allowed now (token bucket), and as of when
    int logs_dropped, refused;
    char stderr_tail[STDERR_TAIL]; // the last of its standard error
    size_t stderr_size;
    struct client_blob blobs[LIMIT_CLIENT_BLOBS];
    uint64_t last_sequence;
    struct err lost; // what was wrong with what it sent
    bool lost_reported;
};

void client_read_errors(struct client *c);
void client_describe_end(struct client *c, int status, struct err *err);
int client_reap(struct client *c, int ms);
void client_add_expected(struct client *c, enum expected_kind kind, const char *id, int index,
                         int count);

#endif
