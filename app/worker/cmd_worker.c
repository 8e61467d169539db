// SPDX-License-Identifier: MIT
// limn worker --stdio: computes for a limn that talks to it over standard input and output.
//
// One thread reads, answers and hands work to the lanes. When its limn goes away it either stops (a
// command of the command line) or finishes its jobs (a UI): then it listens on a socket, where the next
// `limn worker --stdio` finds it and becomes a mere relay.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/worker/lanes.h"
#include "app/worker/relay.h"
#include "app/worker/socket.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"

enum { BLOBS_MAX = 256, BLOB_BYTES_MAX = 512 << 20 };

// A picture file some job needs or needed, by its hash.
struct blob {
    char hash[JOB_HASH_TEXT];
    uint8_t *data;
    size_t size;
    uint64_t used; // when, for forgetting the oldest
};

// A job or a loader run that waits for its pictures.
struct pending {
    struct pending *next;
    struct job job; // of a loader run: one reference
    bool previews, load;
    char id[64];
    int side;
};

struct worker {
    pthread_mutex_t lock; // of `wire`, which the lanes' threads send to
    struct wire *wire;    // NULL while nobody is there
    int in, out;          // of it
    int wake;             // eventfd: a lane has something to say
    struct lanes *lanes;
    struct blob blobs[BLOBS_MAX];
    int blob_count;
    uint64_t clock;
    struct pending *pending;
    bool finish_jobs; // when the other side goes
    bool quit;
    int listener; // -1: none
    char *socket_path;
};

static void
post(void *ctx, struct jv *head, const void *payload, size_t size)
{
    struct worker *w = ctx;
    pthread_mutex_lock(&w->lock);
    if (w->wire && head)
        wire_send(w->wire, head, payload, size);
    else
        jv_free(head);
    pthread_mutex_unlock(&w->lock);
    uint64_t one = 1;
    if (write(w->wake, &one, sizeof one) < 0) {
        // The counter is full of wakes already.
    }
}

static void
say(struct worker *w, struct jv *head, const void *payload, size_t size)
{
    if (w->wire)
        wire_send(w->wire, head, payload, size);
    else
        jv_free(head);
}

static void
refuse(struct worker *w, const char *job, enum err_code code, const char *text)
{
    struct jv *head = wire_head("failed");
    jv_set(head, "job", jv_from_string(job));
    jv_set(head, "code", jv_from_string(code == ERR_INPUT ? "input" : "io"));
    jv_set(head, "text", jv_from_string(text));
    say(w, head, NULL, 0);
}

// --- pictures by content

static struct blob *
find_blob(struct worker *w, const char *hash)
{
    for (int i = 0; i < w->blob_count; i++)
        if (strcmp(w->blobs[i].hash, hash) == 0) {
            w->blobs[i].used = ++w->clock;
            return &w->blobs[i];
        }
    return NULL;
}

static void
forget_oldest(struct worker *w)
{
    int oldest = 0;
    for (int i = 1; i < w->blob_count; i++)
        if (w->blobs[i].used < w->blobs[oldest].used)
            oldest = i;
    free(w->blobs[oldest].data);
    w->blobs[oldest] = w->blobs[--w->blob_count];
}

static void
keep_blob(struct worker *w, const char *hash, uint8_t *data, size_t size)
{
    if (find_blob(w, hash)) {
        free(data);
        return;
    }
    size_t total = size;
    for (int i = 0; i < w->blob_count; i++)
        total += w->blobs[i].size;
    while (w->blob_count && (w->blob_count == BLOBS_MAX || total > BLOB_BYTES_MAX)) {
        size_t before = 0, after = 0;
        for (int i = 0; i < w->blob_count; i++)
            before += w->blobs[i].size;
        forget_oldest(w);
        for (int i = 0; i < w->blob_count; i++)
            after += w->blobs[i].size;
        total -= before - after;
    }
    struct blob *b = &w->blobs[w->blob_count++];
    *b = (struct blob){.data = data, .size = size, .used = ++w->clock};
    snprintf(b->hash, sizeof b->hash, "%s", hash);
}

// Gives the references the bytes that are here; true when none is missing.
static bool
fill(struct worker *w, struct job *j)
{
    bool whole = true;
    for (int i = 0; i < j->reference_count; i++) {
        struct job_reference *r = &j->references[i];
        const struct blob *b = r->data ? NULL : find_blob(w, r->hash);
        if (b) {
            r->data = mem_alloc(b->size ? b->size : 1);
            r->size = b->size;
            memcpy(r->data, b->data, b->size);
        }
        whole = whole && r->data;
    }
    return whole;
}

static void
ask_for_missing(struct worker *w, const struct job *j)
{
    for (int i = 0; i < j->reference_count; i++) {
        if (j->references[i].data)
            continue;
        struct jv *head = wire_head("want");
        jv_set(head, "hash", jv_from_string(j->references[i].hash));
        say(w, head, NULL, 0);
    }
}

static void
start(struct worker *w, struct pending *p)
{
    if (p->load) {
        lanes_load(w->lanes, p->id, &p->job.references[0], p->side);
        p->job.reference_count = 0;
        job_finish(&p->job);
    } else {
        struct jv *head = wire_head("queued");
        jv_set(head, "job", jv_from_string(p->job.id));
        jv_set(head, "ahead", jv_from_integer(lanes_unfinished(w->lanes)));
        say(w, head, NULL, 0);
        lanes_draw(w->lanes, &p->job, p->previews);
    }
    free(p);
}

static void
start_what_is_whole(struct worker *w)
{
    for (struct pending **at = &w->pending; *at;) {
        struct pending *p = *at;
        if (fill(w, &p->job)) {
            *at = p->next;
            start(w, p);
        } else {
            at = &p->next;
        }
    }
}

static void
add_pending(struct worker *w, struct pending *p)
{
    struct pending **end = &w->pending;
    while (*end)
        end = &(*end)->next;
    *end = p;
    if (!fill(w, &p->job))
        ask_for_missing(w, &p->job);
    start_what_is_whole(w);
}

// --- messages

static void
add_spooled(const char *job, int index, void *ctx)
{
    struct jv *o = jv_object();
    jv_set(o, "job", jv_from_string(job));
    jv_set(o, "index", jv_from_integer(index));
    jv_append(ctx, o);
}

static void
on_hello(struct worker *w, const struct wire_message *m)
{
    w->finish_jobs = strcmp(jv_string(jv_get(m->head, "hangup"), "stop"), "finish") == 0;
    struct jv *head = wire_head("hello"), *results = jv_array();
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    jv_set(head, "protocol", jv_from_integer(WIRE_PROTOCOL));
    jv_set(head, "version", jv_from_string(LIMN_VERSION));
    jv_set(head, "host", jv_from_string(host));
    jv_set(head, "pid", jv_from_integer(getpid()));
    jv_set(head, "jobs", lanes_jobs(w->lanes));
    spool_each(add_spooled, results);
    jv_set(head, "results", results);
    say(w, head, NULL, 0);
    if (jv_integer(jv_get(m->head, "protocol"), 0) != WIRE_PROTOCOL)
        w->quit = true; // the other side says why
}

static void
on_submit(struct worker *w, const struct wire_message *m)
{
    struct err err = {0};
    struct pending *p = mem_zalloc(sizeof *p);
    p->previews = jv_bool(jv_get(m->head, "previews"), false);
    const struct jv *job = jv_get(m->head, "job");
    bool ok = job_parse(&p->job, job, "the job", &err) && job_check(&p->job, &err);
    for (int i = 0; ok && i < p->job.reference_count; i++)
        if (!p->job.references[i].hash[0])
            ok = err_set(&err, ERR_INPUT, "reference %d has no picture",
                         p->job.references[i].marker);
    if (ok) {
        job_settle(&p->job);
        add_pending(w, p);
        return;
    }
    refuse(w, jv_string(jv_get(job, "id"), ""), err.code, err.text);
    job_finish(&p->job);
    free(p);
}

static void
on_load(struct worker *w, const struct wire_message *m)
{
    struct err err = {0};
    const char *id = jv_string(jv_get(m->head, "id"), "");
    struct pending *p = mem_zalloc(sizeof *p);
    struct jv *carrier = jv_object(), *list = jv_array();
    jv_set(carrier, "instruction", jv_from_string(""));
    jv_append(list, jv_copy(jv_get(m->head, "reference")));
    jv_set(carrier, "references", list);
    bool ok = job_parse(&p->job, carrier, "the reference", &err) &&
              (p->job.references[0].hash[0] || err_set(&err, ERR_INPUT, "there is no picture"));
    jv_free(carrier);
    if (ok) {
        p->load = true;
        p->side = (int)MIN(MAX(jv_integer(jv_get(m->head, "side"), 512), 16), 16384);
        snprintf(p->id, sizeof p->id, "%s", id);
        add_pending(w, p);
        return;
    }
    struct jv *head = wire_head("loaded");
    jv_set(head, "id", jv_from_string(id));
    jv_set(head, "code", jv_from_string("input"));
    jv_set(head, "text", jv_from_string(err.text));
    say(w, head, NULL, 0);
    job_finish(&p->job);
    free(p);
}

static void
on_blob(struct worker *w, struct wire_message *m)
{
    char hash[JOB_HASH_TEXT];
    job_hash(m->payload, m->size, hash);
    if (m->size && strcmp(hash, jv_string(jv_get(m->head, "hash"), "")) == 0) {
        keep_blob(w, hash, m->payload, m->size);
        m->payload = NULL;
        start_what_is_whole(w);
    }
}

static void
on_fetch(struct worker *w, const struct wire_message *m)
{
    const char *job = jv_string(jv_get(m->head, "job"), "");
    int index = (int)jv_integer(jv_get(m->head, "index"), 0);
    struct err err = {0};
    size_t size = 0;
    void *png = job_is_id(job) ? spool_get(job, index, &size, &err) : NULL;
    if (png) {
        struct jv *head = wire_head("result");
        jv_set(head, "job", jv_from_string(job));
        jv_set(head, "index", jv_from_integer(index));
        jv_set(head, "late", jv_from_bool(true));
        say(w, head, png, size);
    }
    free(png);
}

static void
on_stored(struct worker *w, const struct wire_message *m)
{
    (void)w;
    const char *job = jv_string(jv_get(m->head, "job"), "");
    if (job_is_id(job))
        spool_drop(job, (int)jv_integer(jv_get(m->head, "index"), 0));
}

static void
on_cancel(struct worker *w, const struct wire_message *m)
{
    const char *job = jv_string(jv_get(m->head, "job"), "");
    for (struct pending **at = &w->pending; *at; at = &(*at)->next)
        if (!(*at)->load && strcmp((*at)->job.id, job) == 0) {
            struct pending *p = *at;
            *at = p->next;
            job_finish(&p->job);
            free(p);
            struct jv *head = wire_head("failed");
            jv_set(head, "job", jv_from_string(job));
            jv_set(head, "code", jv_from_string("cancelled"));
            jv_set(head, "text", jv_from_string("stopped"));
            say(w, head, NULL, 0);
            return;
        }
    lanes_cancel(w->lanes, job);
}

static void
on_seen(struct worker *w, const struct wire_message *m)
{
    lanes_seen(w->lanes, jv_string(jv_get(m->head, "job"), ""));
}

static void
on_describe(struct worker *w, const struct wire_message *m)
{
    (void)m;
    lanes_describe(w->lanes);
}

static void
on_quit(struct worker *w, const struct wire_message *m)
{
    (void)m;
    w->quit = true;
}

static const struct {
    const char *type;
    void (*handle)(struct worker *w, const struct wire_message *m);
} handlers[] = {
    {"hello", on_hello},   {"submit", on_submit}, {"load", on_load}, {"fetch", on_fetch},
    {"stored", on_stored}, {"cancel", on_cancel}, {"seen", on_seen}, {"describe", on_describe},
    {"quit", on_quit},
};

static void
handle(struct worker *w, struct wire_message *m)
{
    if (strcmp(m->type, "blob") == 0) {
        on_blob(w, m);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(handlers); i++)
        if (strcmp(m->type, handlers[i].type) == 0)
            handlers[i].handle(w, m);
    // Messages of a later version that this one does not know are left alone.
}

// --- the loop

static void
disconnect(struct worker *w)
{
    pthread_mutex_lock(&w->lock);
    wire_close(w->wire);
    w->wire = NULL;
    pthread_mutex_unlock(&w->lock);
    close(w->in);
    if (w->out != w->in)
        close(w->out);
    w->in = w->out = -1;
}

static void
connect_to(struct worker *w, int in, int out)
{
    pthread_mutex_lock(&w->lock);
    w->wire = wire_open(in, out);
    pthread_mutex_unlock(&w->lock);
    w->in = in;
    w->out = out;
}

// Its limn has gone. With jobs to finish it waits for the next one, otherwise it ends.
static void
on_hangup(struct worker *w)
{
    disconnect(w);
    if (!w->finish_jobs)
        w->quit = true;
    else if (w->listener < 0 && lanes_unfinished(w->lanes))
        w->listener = socket_listen(&w->socket_path, NULL);
}

static void
receive(struct worker *w)
{
    struct err err = {0};
    enum wire_state state = wire_receive(w->wire, &err);
    struct wire_message m;
    while (state != WIRE_BROKEN && !w->quit && wire_take(w->wire, &m, &err)) {
        handle(w, &m);
        wire_message_free(&m);
    }
    if (state != WIRE_OK || err.code != ERR_NONE)
        on_hangup(w);
}

static void
turn(struct worker *w)
{
    struct pollfd fds[4] = {{.fd = w->wake, .events = POLLIN}};
    int in = -1, out = -1, accepting = -1, count = 1;
    if (w->wire) {
        fds[in = count++] = (struct pollfd){.fd = w->in, .events = POLLIN};
        if (wire_queued(w->wire))
            fds[out = count++] = (struct pollfd){.fd = w->out, .events = POLLOUT};
    } else if (w->listener >= 0) {
        fds[accepting = count++] = (struct pollfd){.fd = w->listener, .events = POLLIN};
    }
    if (poll(fds, (nfds_t)count, -1) < 0)
        return; // a signal; the loop looks at what it meant
    uint64_t wakes;
    if (fds[0].revents && read(w->wake, &wakes, sizeof wakes) < 0)
        return;
    if (in >= 0 && fds[in].revents)
        receive(w);
    if (out >= 0 && w->wire && fds[out].revents && !wire_flush(w->wire))
        on_hangup(w);
    if (accepting >= 0 && fds[accepting].revents) {
        int fd = socket_accept(w->listener);
        if (fd >= 0)
            connect_to(w, fd, fd);
    }
}

static void
log_to_client(enum log_level level, const char *module, const char *text, void *data)
{
    struct jv *head = wire_head("log");
    jv_set(head, "level", jv_from_string(level <= LOG_ERROR  ? "error"
                                         : level == LOG_WARN ? "warning"
                                                             : "info"));
    jv_set(head, "module", jv_from_string(module));
    jv_set(head, "text", jv_from_string(text));
    post(data, head, NULL, 0);
}

// A last message ("quit" refused, a failed job) still goes out, for a moment.
static void
drain(struct worker *w)
{
    for (int i = 0; w->wire && wire_queued(w->wire) && i < 20; i++) {
        struct pollfd fd = {.fd = w->out, .events = POLLOUT};
        if (poll(&fd, 1, 100) < 0 || !wire_flush(w->wire))
            return;
    }
}

static int
serve(void)
{
    struct worker *w = mem_zalloc(sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    w->listener = -1;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    // Standard output is the wire's alone; what a library prints goes to standard error.
    int in = dup(STDIN_FILENO), out = dup(STDOUT_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    connect_to(w, in, out);
    wire_send_raw(w->wire, WIRE_GREETING, strlen(WIRE_GREETING));
    log_set_sink(log_to_client, w, LOG_WARN);
    w->lanes = lanes_open(post, w);
    while (!w->quit && !atomic_load(&command_interrupted)) {
        if (!w->wire && !lanes_unfinished(w->lanes))
            break;
        turn(w);
    }
    drain(w);
    lanes_close(w->lanes);
    log_set_sink(NULL, NULL, LOG_NONE);
    if (w->wire)
        disconnect(w);
    if (w->listener >= 0)
        close(w->listener);
    socket_remove(w->socket_path);
    while (w->pending) {
        struct pending *next = w->pending->next;
        job_finish(&w->pending->job);
        free(w->pending);
        w->pending = next;
    }
    for (int i = 0; i < w->blob_count; i++)
        free(w->blobs[i].data);
    close(w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return 0;
}

int
cmd_worker(int argc, char **argv)
{
    bool stdio = false, alone = false, help = false;
    for (int i = 1; i < argc; i++) {
        stdio = stdio || strcmp(argv[i], "--stdio") == 0;
        alone = alone || strcmp(argv[i], "--alone") == 0;
        help = help || strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    }
    if (help || !stdio) {
        fputs("usage: limn worker --stdio [--alone]\n\n"
              "Computes for a limn that talks to it over standard input and output "
              "(docs/worker.md);\n"
              "limn starts it by itself, here or through ssh (--host).\n\n"
              "  --alone   never join a worker that still finishes jobs\n",
              help ? stdout : stderr);
        return help ? 0 : 2;
    }
    if (isatty(STDIN_FILENO)) {
        fputs("limn: a worker talks to limn, not to people: start limn instead\n", stderr);
        return 2;
    }
    // A terminal that goes away is its limn's affair: the end of standard input says enough.
    signal(SIGHUP, SIG_IGN);
    int other = alone ? -1 : socket_find();
    return other >= 0 ? relay(STDIN_FILENO, STDOUT_FILENO, other) : serve();
}
