// SPDX-License-Identifier: MIT
// What the messages of docs/worker.md may contain: one table for both directions, and the check
// between the wire and the program. A checked head has the fields of the table and no others, each
// of the right type and in range, and no text that can control a terminal.
#ifndef LIMN_APP_WORKER_PROTOCOL_H
#define LIMN_APP_WORKER_PROTOCOL_H

#include "app/worker/wire.h"

enum protocol_side { PROTOCOL_FROM_LIMN = 0, PROTOCOL_FROM_WORKER };

enum protocol_kind {
    PROTOCOL_END = 0,
    PROTOCOL_LINE,    // text without line breaks, `high` bytes at most
    PROTOCOL_ID,      // of a job (job_is_id())
    PROTOCOL_HASH,    // SHA-256 in hexadecimal
    PROTOCOL_INTEGER, // low..high
    PROTOCOL_NUMBER,  // low..high
    PROTOCOL_BOOL,
    PROTOCOL_LINES,  // `high` lines at most
    PROTOCOL_TABLE,  // names with a line each, `high` at most
    PROTOCOL_OBJECT, // of the fields `inside`
    PROTOCOL_LIST,   // at most `high` such objects; refused and surplus ones are dropped
    PROTOCOL_WHOLE,  // passed on unchecked: its reader checks it
};

struct protocol_field {
    const char *name;
    enum protocol_kind kind;
    bool needed;
    double low, high;
    const struct protocol_field *inside; // PROTOCOL_END at the end
};

// What follows a head.
enum protocol_payload { PAYLOAD_NONE = 0, PAYLOAD_BYTES, PAYLOAD_PNG, PAYLOAD_PIXELS };

struct protocol_message {
    enum protocol_side from;
    const char *type;
    const struct protocol_field *fields;
    enum protocol_payload payload;
    size_t max_payload; // bytes of payload at most
    bool ends;          // refusing it ends the connection, because the other side waits for it
};
extern const struct protocol_message protocol_messages[]; // type NULL at the end

enum protocol_verdict {
    PROTOCOL_TAKEN = 0,
    PROTOCOL_UNKNOWN, // from a later version: ignore it
    PROTOCOL_REFUSED, // err says why; the connection continues
    PROTOCOL_BROKEN,  // err says why; close the connection
};

// Replaces the head by a checked copy. err is also set if the message was taken but something in a
// list was left out.
enum protocol_verdict protocol_check(enum protocol_side from, struct wire_message *m,
                                     struct err *err);
// For wire_set_limit().
size_t protocol_payload_limit_of_limn(const char *type);
size_t protocol_payload_limit_of_worker(const char *type);

// What a field must be: "a whole number in 0..9".
void protocol_rule(const struct protocol_field *f, char *out, size_t size);

// Checks signature and chunks, to the last byte; their contents are left to the decoder.
bool protocol_is_png(const void *data, size_t size);

#endif
