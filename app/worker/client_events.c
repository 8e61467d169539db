// SPDX-License-Identifier: MIT
// Messages from the worker. Unsolicited answers are ignored.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/worker/client_parts.h"
#include "app/worker/protocol.h"
#include "app/worker/wire.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static struct image *
frame_image(const struct wire_message *m, int width, int height, int count, int channels)
{
    enum image_format format = channels == 4 ? IMAGE_RGBA8 : IMAGE_RGB8;
    size_t line = (size_t)width * (size_t)image_channels(format), one = line * (size_t)height;
    if (width < 1 || width > 4096 || height < 1 || height > 4096 || count < 1 ||
        count > LIMIT_JOB_PICTURES || m->size != one * (size_t)count)
        return NULL;
    struct image *all = image_create(width * count, height, format, NULL);
    for (int i = 0; all && i < count; i++) {
        struct image part = {.width = width, .height = height, .format = format,
                             .references = 1, .stride = line,
                             .pixels = m->payload + (size_t)i * one};
        image_paste(all, &part, i * width, 0);
    }
    return all;
}

// --- what was asked for

static struct expected *
find_expected(struct client *c, enum expected_kind kind, const char *id, int index)
{
    for (int i = 0; i < c->expected_count; i++) {
        struct expected *a = &c->expected[i];
        if (a->kind == kind && strcmp(a->id, id) == 0 &&
            (kind != EXPECT_SPOOLED || a->index == index))
            return a;
    }
    return NULL;
}

static void
drop_expected(struct client *c, struct expected *a)
{
    memmove(a, a + 1, (size_t)(c->expected + --c->expected_count - a) * sizeof *a);
}

// The oldest question is forgotten when there are too many.
void
client_add_expected(struct client *c, enum expected_kind kind, const char *id, int index, int count)
{
    struct expected *known = find_expected(c, kind, id, index), one = {kind, "", index, count, 0};
    snprintf(one.id, sizeof one.id, "%s", id);
    if (known)
        drop_expected(c, known);
    else if (c->expected_count == EXPECTED_MAX)
        drop_expected(c, c->expected);
    ARRAY_PUSH(c->expected, c->expected_count, c->expected_capacity, one);
}

// Whether it is a picture of a job of ours, within its count and not seen before, or was fetched.
static bool
is_expected_result(struct client *c, const struct client_event *e)
{
    struct expected *a = find_expected(c, e->late ? EXPECT_SPOOLED : EXPECT_JOB, e->job, e->index);
    if (!a || (a->kind == EXPECT_JOB && (e->index >= a->count || (a->received >> e->index & 1))))
        return false;
    if (a->kind == EXPECT_SPOOLED)
        drop_expected(c, a);
    else
        a->received |= (uint64_t)1 << e->index;
    return true;
}

static bool
is_expected_id(struct client *c, const struct client_event *e)
{
    enum expected_kind kind = e->type == CLIENT_LOADED  ? EXPECT_LOAD
                              : e->type == CLIENT_PIECE ? EXPECT_PIECE
                                                        : EXPECT_COMMAND;
    return find_expected(c, kind, e->id, 0) != NULL;
}

static bool
test_and_clear(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

// Whether somebody here waits for it.
static bool
is_expected(struct client *c, const struct client_event *e)
{
    struct expected *job = find_expected(c, EXPECT_JOB, e->job, 0);
    switch (e->type) {
    case CLIENT_HELLO: return !c->ready;
    case CLIENT_DESCRIBED: return test_and_clear(&c->describe_pending);
    case CLIENT_COMMANDS: return test_and_clear(&c->commands_pending);
    case CLIENT_QUEUED:
    case CLIENT_STARTED:
    case CLIENT_PROGRESS: return job != NULL;
    case CLIENT_DONE:
    case CLIENT_FAILED:
        if (job)
            drop_expected(c, job);
        return job != NULL;
    case CLIENT_RESULT: return is_expected_result(c, e);
    case CLIENT_LOADED:
    case CLIENT_RUNNING:
    case CLIENT_OUTPUT:
    case CLIENT_FILE:
    case CLIENT_ENDED:
    case CLIENT_PIECE: return is_expected_id(c, e);
    case CLIENT_LOADERS:
    case CLIENT_LOG:
    case CLIENT_CHANGED:
    case CLIENT_LOST: break;
    }
    return true;
}

// --- files for the worker

// Sends each file once for every time that it was given, while there is room in the queue.
static void
send_wanted(struct client *c)
{
    for (int i = 0; i < LIMIT_CLIENT_BLOBS && wire_queued(c->wire) < QUEUE_BYTES; i++) {
        struct client_blob *blob = &c->blobs[i];
        if (!blob->data || !blob->wanted || blob->sent)
            continue;
        struct jv *head = wire_head("blob");
        jv_set(head, "hash", jv_from_string(blob->hash));
        blob->sent = wire_send(c->wire, head, blob->data, blob->size) ||
                     err_set(&c->lost, ERR_MEMORY, "not enough memory to send a file of %zu bytes",
                             blob->size);
        if (!blob->sent)
            return;
    }
}

static void
mark_wanted(struct client *c, const char *hash)
{
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        if (c->blobs[i].data && strcmp(c->blobs[i].hash, hash) == 0)
            c->blobs[i].wanted = true;
    send_wanted(c);
    wire_flush(c->wire);
}

// --- messages to events

static void
set_err(struct err *err, const struct jv *head)
{
    static const struct {
        const char *name;
        enum err_code code;
    } codes[] = {
        {"input", ERR_INPUT},   {"memory", ERR_MEMORY},           {"io", ERR_IO},
        {"device", ERR_DEVICE}, {"unsupported", ERR_UNSUPPORTED}, {"cancelled", ERR_CANCELLED}};
    const char *name = jv_string(jv_get(head, "code"), NULL);
    if (!name)
        return;
    enum err_code code = ERR_DEVICE;
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (strcmp(codes[i].name, name) == 0)
            code = codes[i].code;
    err_set(err, code, "%s", jv_string(jv_get(head, "text"), "failed"));
}

static const struct {
    const char *name;
    enum client_event_type type;
} types[] = {
    {"hello", CLIENT_HELLO},       {"loaders", CLIENT_LOADERS}, {"described", CLIENT_DESCRIBED},
    {"queued", CLIENT_QUEUED},     {"started", CLIENT_STARTED}, {"progress", CLIENT_PROGRESS},
    {"result", CLIENT_RESULT},     {"done", CLIENT_DONE},       {"failed", CLIENT_FAILED},
    {"loaded", CLIENT_LOADED},     {"log", CLIENT_LOG},         {"running", CLIENT_RUNNING},
    {"output", CLIENT_OUTPUT},     {"file", CLIENT_FILE},       {"ended", CLIENT_ENDED},
    {"commands", CLIENT_COMMANDS}, {"changed", CLIENT_CHANGED}, {"piece", CLIENT_PIECE},
};

static void
on_hello(struct client *c, const struct jv *head)
{
    int64_t protocol = jv_integer(jv_get(head, "protocol"), 0);
    c->ready = protocol == WIRE_PROTOCOL;
    if (!c->ready)
        err_set(&c->lost, ERR_UNSUPPORTED,
                "%s runs limn %s, which speaks protocol %lld; this is limn %s with protocol %d: "
                "install the same version on both sides", c->host ? c->host : "the worker",
                jv_string(jv_get(head, "version"), "?"), (long long)protocol, LIMN_VERSION,
                WIRE_PROTOCOL);
}

// A line of the log, unless there were too many: those left out are counted in the next.
static bool
log_event(struct client *c, const char *level, const char *text, struct client_event *e)
{
    double now = clock_seconds();
    c->log_tokens =
        MIN(c->log_tokens + (now - c->log_tokens_at) * LIMIT_HOST_LOGS_A_SECOND, (double)LOG_BURST);
    c->log_tokens_at = now;
    if (c->log_tokens < 1) {
        c->logs_dropped++;
        return false;
    }
    char *more = c->logs_dropped ? mem_printf(" (%d lines before it were left out)",
                                              c->logs_dropped) : NULL;
    char *whole = mem_printf("%s%s", text, more ? more : "");
    c->log_tokens--;
    c->logs_dropped = 0;
    jv_free(e->data);
    *e = (struct client_event){.type = CLIENT_LOG, .data = wire_head("log")};
    jv_set(e->data, "level", jv_from_string(level));
    jv_set(e->data, "text", jv_from_string(whole));
    free(whole);
    free(more);
    return true;
}

// What was wrong with a message, as a line of the log; too many of them end the connection.
static bool
log_refused(struct client *c, const struct err *why, bool refused, struct client_event *e)
{
    c->refused += refused;
    if (c->refused > LIMIT_HOST_REFUSED)
        err_set(&c->lost, ERR_IO, "%s, and %d messages were refused before it", why->text,
                LIMIT_HOST_REFUSED);
    return log_event(c, "warning", why->text, e);
}

static void
set_frame(struct client *c, const struct wire_message *m, struct client_event *e)
{
    e->image = frame_image(m, (int)jv_integer(jv_get(m->head, "width"), 0),
                           (int)jv_integer(jv_get(m->head, "height"), 0),
                           (int)jv_integer(jv_get(m->head, "count"), 0),
                           (int)jv_integer(jv_get(m->head, "channels"), 3));
    if (wire_queued(c->wire) > QUEUE_BYTES)
        return; // it does not read what it is sent
    struct jv *seen = wire_head("seen");
    jv_set(seen, "job", jv_from_string(e->job));
    wire_send(c->wire, seen, NULL, 0);
}

// The fields that events have as members.
static void
fill_event(const struct wire_message *m, struct client_event *e)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (strcmp(types[i].name, m->type) == 0)
            e->type = types[i].type;
    snprintf(e->job, sizeof e->job, "%s", jv_string(jv_get(m->head, "job"), ""));
    snprintf(e->id, sizeof e->id, "%s", jv_string(jv_get(m->head, "id"), ""));
    e->step = (int)jv_integer(jv_get(m->head, "step"), 0);
    e->total = (int)jv_integer(jv_get(m->head, "total"), 0);
    e->index = (int)jv_integer(jv_get(m->head, "index"), 0);
    e->seconds = jv_number(jv_get(m->head, "seconds"), 0);
    e->late = jv_bool(jv_get(m->head, "late"), false);
    set_err(&e->err, m->head);
}

// Turns a checked message into an event; false: it makes none.
static bool
event_of(struct client *c, struct wire_message *m, struct client_event *e)
{
    if (strcmp(m->type, "want") == 0) {
        mark_wanted(c, jv_string(jv_get(m->head, "hash"), ""));
        return false;
    }
    fill_event(m, e);
    if (!is_expected(c, e))
        return false;
    if (e->type == CLIENT_LOG)
        return log_event(c, jv_string(jv_get(m->head, "level"), ""),
                         jv_string(jv_get(m->head, "text"), ""), e);
    if (e->type == CLIENT_HELLO)
        on_hello(c, m->head);
    if (e->type == CLIENT_COMMANDS && test_and_clear(&c->commands_repeat))
        client_commands(c);
    if (e->type == CLIENT_PROGRESS && m->size) {
        set_frame(c, m, e);
    } else {
        e->png = m->payload;
        e->png_size = m->size;
        m->payload = NULL;
    }
    e->data = m->head;
    m->head = NULL;
    return c->lost.code == ERR_NONE;
}

static bool
handle_message(struct client *c, struct wire_message *m, struct client_event *e)
{
    struct err why = {0};
    enum protocol_verdict verdict = protocol_check(PROTOCOL_FROM_WORKER, m, &why);
    if (verdict == PROTOCOL_BROKEN || (verdict == PROTOCOL_REFUSED && !c->ready)) {
        err_set(&c->lost, ERR_IO, "what arrived is not limn's protocol: %s", why.text);
        return false;
    }
    if (verdict == PROTOCOL_REFUSED)
        return log_refused(c, &why, true, e);
    if (verdict == PROTOCOL_UNKNOWN)
        return false;
    bool is_event = event_of(c, m, e);
    struct client_event line = {0};
    // What was left out of a list is only logged if there is no other event to return.
    if (!is_event && why.code != ERR_NONE && log_refused(c, &why, false, &line)) {
        client_event_free(e);
        *e = line;
        return true;
    }
    return is_event;
}

static bool
turn_has_time(const struct client *c)
{
    return c->turn_events < LIMIT_HOST_EVENTS_A_TURN &&
           clock_seconds() - c->turn_began < TURN_SECONDS;
}

static bool
lost_event(struct client *c, struct client_event *e)
{
    c->ended = c->lost_reported = true;
    e->type = CLIENT_LOST;
    int status = client_reap(c, LOST_MS);
    if (c->lost.code == ERR_UNSUPPORTED) // another version: that says more than how it ended
        err_set(&e->err, c->lost.code, "%s", c->lost.text);
    else
        client_describe_end(c, status, &e->err);
    return true;
}

bool
client_next(struct client *c, struct client_event *e)
{
    struct wire_message m;
    *e = (struct client_event){0};
    if (!c->wire || c->ended)
        return false;
    client_read_errors(c);
    send_wanted(c);
    bool send_failed = !wire_flush(c->wire); // but it may have said something before
    while (turn_has_time(c)) {
        c->turn_events++;
        if (c->lost.code == ERR_NONE && wire_take(c->wire, &m, &c->lost)) {
            bool is_event = handle_message(c, &m, e);
            wire_message_free(&m);
            if (is_event)
                return true;
            client_event_free(e);
        } else if (c->gone || c->lost.code != ERR_NONE) {
            return lost_event(c, e);
        } else {
            enum wire_state state = wire_receive(c->wire, &c->lost);
            c->gone =
                state == WIRE_END || state == WIRE_BROKEN || (state == WIRE_IDLE && send_failed);
            if (state == WIRE_IDLE && !send_failed)
                return false;
        }
    }
    return false;
}

void
client_event_free(struct client_event *e)
{
    image_unref(e->image);
    free(e->png);
    jv_free(e->data);
    *e = (struct client_event){0};
}
