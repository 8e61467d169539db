// SPDX-License-Identifier: MIT
// Frames between a client and its worker: a JSON object followed by bytes. docs/worker.md lists the
// messages. Layout: "LMN1", u32 bytes of JSON, u64 bytes of payload (little-endian), JSON, payload.
// Neither side ever blocks on the other: reads take what has arrived, writes are queued.
#ifndef LIMN_APP_WORKER_WIRE_H
#define LIMN_APP_WORKER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/jv.h"
#include "engine/base/limits.h"

enum {
    WIRE_PROTOCOL = 2,            // raised when a message changes its meaning
};

// The first line a worker prints. Anything before it comes from a login shell.
#define WIRE_GREETING "limn-worker\n"

struct wire;

// Makes the descriptors non-blocking; they stay the caller's. in == out for a socket.
struct wire *wire_open(int in, int out);
void wire_close(struct wire *w); // NULL is fine

// The maximum payload, in bytes, of a message of that type; without such a function
// LIMIT_WIRE_PAYLOAD_BYTES. A message that announces more is WIRE_BROKEN.
typedef size_t wire_payload_limit(const char *type);
void wire_set_limit(struct wire *w, wire_payload_limit *limit);

// Everything before WIRE_GREETING is dropped, and kept for wire_noise().
void wire_expect_greeting(struct wire *w);
const char *wire_noise(const struct wire *w); // "" when there was none

struct wire_message {
    struct jv *head;
    const char *type; // head's "type", never NULL
    uint8_t *payload; // NULL when size is 0
    size_t size;
};
void wire_message_free(struct wire_message *m);

enum wire_state { WIRE_OK = 0, WIRE_IDLE, WIRE_END, WIRE_BROKEN };

// Reads once, without waiting, at most a message and a little more: take whole messages first.
// WIRE_IDLE: nothing to read. WIRE_END: the other side has gone; messages that came before can
// still be taken. WIRE_BROKEN: not this protocol (err says why).
enum wire_state wire_receive(struct wire *w, struct err *err);
// Takes the next whole message; false: none yet. A malformed one sets err.
bool wire_take(struct wire *w, struct wire_message *m, struct err *err);
bool wire_has_buffered(const struct wire *w); // something was read but not examined yet

// Queues a message; takes over `head`, copies the payload. Any thread. False: no memory for the
// payload; nothing was queued.
bool wire_send(struct wire *w, struct jv *head, const void *payload, size_t size);
void wire_send_raw(struct wire *w, const void *bytes, size_t size);
// Writes as much as possible without waiting. False: the other side has gone.
bool wire_flush(struct wire *w);
size_t wire_queued(struct wire *w); // bytes not written yet; any thread

struct jv *wire_head(const char *type); // {"type": type}

#endif
