// SPDX-License-Identifier: MIT
#include "app/worker/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { FRAME_HEAD = 16, READ_BYTES = 64 << 10, PAYLOAD_READ = 1 << 20 };

struct piece {
    struct piece *next;
    size_t size;
    uint8_t bytes[];
};

struct wire {
    int in, out;
    uint8_t *buffer; // received, not taken yet: buffer[start..end)
    size_t start, end, capacity;
    struct wire_message incoming; // its head has come, and `received` bytes of its payload
    size_t received;
    wire_payload_limit *payload_limit;
    bool drained;  // all that was read has been examined: more must come first
    bool greeting; // still waiting for it
    char *noise;
    size_t noise_size;
    pthread_mutex_t lock; // of the queue
    struct piece *first, *last;
    size_t written; // of the first piece
    size_t queued;
};

static void
set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

struct wire *
wire_open(int in, int out)
{
    struct wire *w = mem_zalloc(sizeof *w);
    w->in = in;
    w->out = out;
    w->noise = mem_zalloc(1);
    pthread_mutex_init(&w->lock, NULL);
    set_nonblocking(in);
    set_nonblocking(out);
    return w;
}

void
wire_close(struct wire *w)
{
    if (!w)
        return;
    while (w->first) {
        struct piece *next = w->first->next;
        free(w->first);
        w->first = next;
    }
    pthread_mutex_destroy(&w->lock);
    wire_message_free(&w->incoming);
    free(w->buffer);
    free(w->noise);
    free(w);
}

void
wire_set_limit(struct wire *w, wire_payload_limit *limit)
{
    w->payload_limit = limit;
}

void
wire_expect_greeting(struct wire *w)
{
    w->greeting = true;
}

const char *
wire_noise(const struct wire *w)
{
    return w->noise;
}

void
wire_message_free(struct wire_message *m)
{
    jv_free(m->head);
    free(m->payload);
    *m = (struct wire_message){0};
}

struct jv *
wire_head(const char *type)
{
    struct jv *head = jv_object();
    jv_set(head, "type", jv_from_string(type));
    return head;
}

// --- receiving

static void
reserve(struct wire *w, size_t size)
{
    if (w->start && w->start == w->end)
        w->start = w->end = 0;
    if (w->capacity - w->end >= size)
        return;
    if (w->start) {
        memmove(w->buffer, w->buffer + w->start, w->end - w->start);
        w->end -= w->start;
        w->start = 0;
    }
    if (w->capacity - w->end < size) {
        w->capacity = w->end + size;
        w->buffer = mem_realloc(w->buffer, w->capacity);
    }
}

static void
add_noise(struct wire *w, const uint8_t *bytes, size_t size)
{
    size = MIN(size, LIMIT_WIRE_NOISE_BYTES - w->noise_size);
    w->noise = mem_realloc(w->noise, w->noise_size + size + 1);
    memcpy(w->noise + w->noise_size, bytes, size);
    w->noise_size += size;
    w->noise[w->noise_size] = 0;
}

// Drops what lies before the greeting, which may begin in the middle of a line.
static bool
find_greeting(struct wire *w, struct err *err)
{
    static const char greeting[] = WIRE_GREETING;
    const size_t length = sizeof greeting - 1, size = w->end - w->start;
    const uint8_t *at =
        size >= length ? memmem(w->buffer + w->start, size, greeting, length) : NULL;
    if (at) {
        add_noise(w, w->buffer + w->start, (size_t)(at - (w->buffer + w->start)));
        w->start = (size_t)(at - w->buffer) + length;
        w->greeting = false;
    } else if (size >= LIMIT_WIRE_NOISE_BYTES + length) {
        return err_set(err, ERR_IO, "what answered is not a limn worker");
    }
    return true;
}

// Reads a large payload straight to its place, all else into `buffer`.
static ssize_t
read_some(struct wire *w)
{
    if (w->incoming.head && w->start == w->end && w->received < w->incoming.size) {
        size_t size = MIN(w->incoming.size - w->received, (size_t)PAYLOAD_READ);
        ssize_t n = read(w->in, w->incoming.payload + w->received, size);
        w->received += n > 0 ? (size_t)n : 0;
        return n;
    }
    reserve(w, READ_BYTES);
    ssize_t n = read(w->in, w->buffer + w->end, READ_BYTES);
    w->end += n > 0 ? (size_t)n : 0;
    return n;
}

enum wire_state
wire_receive(struct wire *w, struct err *err)
{
    ssize_t n;
    do
        n = read_some(w);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return WIRE_IDLE;
    if (n <= 0) {
        if (w->greeting && w->end > w->start) {
            add_noise(w, w->buffer + w->start, w->end - w->start);
            w->start = w->end;
        }
        return WIRE_END;
    }
    w->drained = false;
    return w->greeting && !find_greeting(w, err) ? WIRE_BROKEN : WIRE_OK;
}

static uint64_t
read_le(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

// Takes the head of the next message, once it is here.
static bool
parse_head(struct wire *w, struct err *err)
{
    size_t size = w->end - w->start;
    if (w->greeting || size < FRAME_HEAD)
        return false;
    const uint8_t *p = w->buffer + w->start;
    uint64_t head = read_le(p + 4, 4), payload = read_le(p + 8, 8);
    if (memcmp(p, "LMN1", 4) != 0 || head > LIMIT_WIRE_HEAD_BYTES ||
        payload > LIMIT_WIRE_PAYLOAD_BYTES)
        return err_set(err, ERR_IO, "what arrived is not limn's protocol");
    if (size < FRAME_HEAD + head)
        return false;
    struct wire_message *m = &w->incoming;
    m->head = jv_parse_within((const char *)p + FRAME_HEAD, head, LIMIT_WIRE_VALUES, "message",
                              err);
    w->start += FRAME_HEAD + head;
    if (!m->head)
        return false;
    m->type = jv_string(jv_get(m->head, "type"), "");
    if (w->payload_limit && payload > w->payload_limit(m->type))
        return err_set(err, ERR_IO, "a message '%.20s' came with %llu bytes; at most %zu are "
                                    "allowed",
                       m->type, (unsigned long long)payload, w->payload_limit(m->type));
    m->payload = payload ? mem_try_calloc(payload, 1, "a message", err) : NULL;
    if (payload && !m->payload)
        return false;
    m->size = payload;
    w->received = 0;
    return true;
}

bool
wire_take(struct wire *w, struct wire_message *m, struct err *err)
{
    *m = (struct wire_message){0};
    w->drained = true;
    if (!w->incoming.head && !parse_head(w, err))
        return false;
    size_t n = MIN(w->end - w->start, w->incoming.size - w->received);
    if (n)
        memcpy(w->incoming.payload + w->received, w->buffer + w->start, n);
    w->start += n;
    w->received += n;
    if (w->received < w->incoming.size)
        return false;
    *m = w->incoming;
    w->incoming = (struct wire_message){0};
    w->drained = w->start == w->end;
    return true;
}

bool
wire_has_buffered(const struct wire *w)
{
    return !w->drained && w->end > w->start;
}

// --- sending

// Without memory: ends the process if there is no payload, otherwise returns NULL.
static struct piece *
new_piece(size_t head, size_t payload)
{
    size_t size = sizeof(struct piece) + head + payload;
    struct piece *p = payload ? malloc(size) : mem_alloc(size);
    if (p) {
        p->next = NULL;
        p->size = head + payload;
    }
    return p;
}

static void
append(struct wire *w, struct piece *p)
{
    pthread_mutex_lock(&w->lock);
    if (w->last)
        w->last->next = p;
    else
        w->first = p;
    w->last = p;
    w->queued += p->size;
    pthread_mutex_unlock(&w->lock);
}

static void
write_le(uint8_t *p, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++, v >>= 8)
        p[i] = (uint8_t)v;
}

bool
wire_send(struct wire *w, struct jv *head, const void *payload, size_t size)
{
    char *text = jv_text(head, 0);
    size_t length = strlen(text);
    struct piece *p = new_piece(FRAME_HEAD + length, size);
    if (p) {
        memcpy(p->bytes, "LMN1", 4);
        write_le(p->bytes + 4, length, 4);
        write_le(p->bytes + 8, size, 8);
        memcpy(p->bytes + FRAME_HEAD, text, length);
        if (size)
            memcpy(p->bytes + FRAME_HEAD + length, payload, size);
        append(w, p);
    }
    free(text);
    jv_free(head);
    return p != NULL;
}

void
wire_send_raw(struct wire *w, const void *bytes, size_t size)
{
    struct piece *p = new_piece(size, 0);
    memcpy(p->bytes, bytes, size);
    append(w, p);
}

bool
wire_flush(struct wire *w)
{
    for (;;) {
        pthread_mutex_lock(&w->lock);
        struct piece *p = w->first;
        pthread_mutex_unlock(&w->lock);
        if (!p)
            return true;
        ssize_t n = write(w->out, p->bytes + w->written, p->size - w->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        w->written += (size_t)n;
        pthread_mutex_lock(&w->lock);
        w->queued -= (size_t)n;
        if (w->written == p->size) {
            w->first = p->next;
            if (!w->first)
                w->last = NULL;
            w->written = 0;
            free(p);
        }
        pthread_mutex_unlock(&w->lock);
    }
}

size_t
wire_queued(struct wire *w)
{
    pthread_mutex_lock(&w->lock);
    size_t n = w->queued;
    pthread_mutex_unlock(&w->lock);
    return n;
}
