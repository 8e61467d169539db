// SPDX-License-Identifier: MIT
// limn worker --stdio: computes for a limn that talks to it over standard input and output.
//
// One thread reads, answers and hands work to the lanes. When its limn goes away it either stops (a
// command of the command line) or finishes its jobs (a UI): then it listens on a socket, where the next
// `limn worker --stdio` finds it and becomes a mere relay.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/worker/children.h"
#include "app/worker/lanes.h"
#include "app/worker/protocol.h"
#include "app/worker/records.h"
#include "app/worker/relay.h"
#include "app/worker/socket.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "sandbox/sandbox.h"

enum { HOLD_BYTES = 1 << 20 };

// A picture file some job needs or needed, by its hash.
struct blob {
    char hash[JOB_HASH_TEXT];
    uint8_t *data;
    size_t size;
    uint64_t used; // when, for forgetting the oldest
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
    struct wire *wire;    // NULL while nobody is there
    int in, out;          // of it
    int wake;             // eventfd: a lane has something to say
    struct lanes *lanes;
    struct children *children;
    struct blob blobs[LIMIT_WORKER_BLOBS];
    int blob_count;
    uint64_t clock;
    struct pending *pending;
    bool finish_jobs; // when the other side goes
    bool quit;
    bool leaving; // its limn has gone; only children are waited for
    int listener; // -1: none
    char *socket_path;
};

// A picture that is not sent would be waited for; it lies in the spool, and the next worker has it.
static void
send_or_end(struct worker *w, struct jv *head, const void *payload, size_t size)
{
    if (!wire_send(w->wire, head, payload, size))
        mem_failed();
}

static void
post(void *ctx, struct jv *head, const void *payload, size_t size)
{
    struct worker *w = ctx;
    pthread_mutex_lock(&w->lock);
    if (w->wire && head)
        send_or_end(w, head, payload, size);
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
        send_or_end(w, head, payload, size);
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
    while (w->blob_count && (w->blob_count == LIMIT_WORKER_BLOBS ||
                             total > LIMIT_WORKER_BLOB_BYTES)) {
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

static void
free_pending(struct pending *p)
{
    job_finish(&p->job);
    order_finish(&p->order);
    free(p);
}

// The i-th file that is needed: its hash, and where its bytes go; false: there are no more.
static bool
need(struct pending *p, int i, const char **hash, uint8_t ***data, size_t **size)
{
    bool order = p->kind == PENDING_ORDER;
    if (i >= (order ? p->order.count : p->job.reference_count))
        return false;
    *hash = order ? p->order.words[i].hash : p->job.references[i].hash;
    *data = order ? &p->order.words[i].data : &p->job.references[i].data;
    *size = order ? &p->order.words[i].size : &p->job.references[i].size;
    return true;
}

// Gives it the bytes that are here; true when none is missing. ERR_MEMORY: they cannot be given.
static bool
fill(struct worker *w, struct pending *p, struct err *err)
{
    const char *hash;
    uint8_t **data;
    size_t *size;
    bool whole = true;
    for (int i = 0; need(p, i, &hash, &data, &size); i++) {
        const struct blob *b = *data || !*hash ? NULL : find_blob(w, hash);
        if (b) {
            *data = mem_try_calloc(b->size, 1, "a file", err);
            *size = *data ? b->size : 0;
            if (*data)
                memcpy(*data, b->data, b->size);
        }
        whole = whole && (*data || !*hash);
    }
    return whole;
}

static void
ask_for_missing(struct worker *w, struct pending *p)
{
    const char *hash;
    uint8_t **data;
    size_t *size;
    for (int i = 0; need(p, i, &hash, &data, &size); i++) {
        if (*data || !*hash)
            continue;
        struct jv *head = wire_head("want");
        jv_set(head, "hash", jv_from_string(hash));
        say(w, head, NULL, 0);
    }
}

static void
start(struct worker *w, struct pending *p)
{
    if (p->kind == PENDING_LOAD) {
        lanes_load(w->lanes, p->id, &p->job.references[0], p->side);
        p->job.reference_count = 0;
    } else if (p->kind == PENDING_ORDER) {
        children_start(w->children, &p->order);
    } else {
        struct jv *head = wire_head("queued");
        jv_set(head, "job", jv_from_string(p->job.id));
        jv_set(head, "ahead", jv_from_integer(lanes_unfinished(w->lanes)));
        say(w, head, NULL, 0);
        lanes_draw(w->lanes, &p->job, p->previews);
    }
    free_pending(p);
}

static void
refuse_load(struct worker *w, const char *id, const struct err *err)
{
    struct jv *head = wire_head("loaded");
    jv_set(head, "id", jv_from_string(id));
    jv_set(head, "code", jv_from_string(err->code == ERR_INPUT ? "input" : "io"));
    jv_set(head, "text", jv_from_string(err->text));
    say(w, head, NULL, 0);
}

static void
refuse_order(struct worker *w, const char *id, const struct err *err)
{
    struct jv *head = wire_head("ended");
    jv_set(head, "id", jv_from_string(id));
    jv_set(head, "code", jv_from_integer(err_exit_code(err)));
    jv_set(head, "text", jv_from_string(err->text));
    say(w, head, NULL, 0);
}

static void
give_up(struct worker *w, struct pending *p, const struct err *err)
{
    if (p->kind == PENDING_LOAD)
        refuse_load(w, p->id, err);
    else if (p->kind == PENDING_ORDER)
        refuse_order(w, p->order.id, err);
    else
        refuse(w, p->job.id, err->code, err->text);
    free_pending(p);
}

static void
start_what_is_whole(struct worker *w)
{
    for (struct pending **at = &w->pending; *at;) {
        struct pending *p = *at;
        struct err err = {0};
        bool whole = fill(w, p, &err);
        if (whole || err.code != ERR_NONE) {
            *at = p->next;
            if (whole)
                start(w, p);
            else
                give_up(w, p, &err);
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
    struct err err = {0};
    if (!fill(w, p, &err) && err.code == ERR_NONE)
        ask_for_missing(w, p);
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
    jv_set(head, "commands", command_computing());
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
    bool ok = job_parse(&p->job, job, "the job", &err) && job_check_whole(&p->job, &err);
    for (int i = 0; ok && i < p->job.reference_count; i++) {
        char name[60];
        job_reference_name(&p->job.references[i], name, sizeof name);
        if (!p->job.references[i].hash[0])
            ok = err_set(&err, ERR_INPUT, "%s has no picture", name);
    }
    if (ok) {
        job_settle(&p->job);
        add_pending(w, p);
        return;
    }
    refuse(w, jv_string(jv_get(job, "id"), ""), err.code, err.text);
    free_pending(p);
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
        p->kind = PENDING_LOAD;
        p->side = (int)MIN(MAX(jv_integer(jv_get(m->head, "side"), 512), 16), 16384);
        snprintf(p->id, sizeof p->id, "%s", id);
        add_pending(w, p);
        return;
    }
    refuse_load(w, id, &err);
    free_pending(p);
}

static void
on_command(struct worker *w, const struct wire_message *m)
{
    struct err err = {0};
    struct pending *p = mem_zalloc(sizeof *p);
    p->kind = PENDING_ORDER;
    if (order_parse(&p->order, m->head, &err)) {
        add_pending(w, p);
        return;
    }
    refuse_order(w, jv_string(jv_get(m->head, "id"), ""), &err);
    free_pending(p);
}

static void
on_interrupt(struct worker *w, const struct wire_message *m)
{
    children_interrupt(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_pause(struct worker *w, const struct wire_message *m)
{
    children_pause(w->children, jv_string(jv_get(m->head, "id"), ""),
                   jv_bool(jv_get(m->head, "on"), false));
}

static void
on_commands(struct worker *w, const struct wire_message *m)
{
    (void)m;
    struct jv *head = wire_head("commands");
    jv_set(head, "jobs", records_list());
    say(w, head, NULL, 0);
}

static void
on_follow(struct worker *w, const struct wire_message *m)
{
    children_follow(w->children, jv_string(jv_get(m->head, "id"), ""),
                    jv_integer(jv_get(m->head, "from"), 0));
}

static void
on_again(struct worker *w, const struct wire_message *m)
{
    children_again(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_remove(struct worker *w, const struct wire_message *m)
{
    children_remove(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_read(struct worker *w, const struct wire_message *m)
{
    children_read(w->children, m->head);
}

static void
on_blob(struct worker *w, struct wire_message *m)
{
    char hash[JOB_HASH_TEXT];
    job_hash(m->payload, m->size, hash);
    if (strcmp(hash, jv_string(jv_get(m->head, "hash"), "")) == 0) {
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
        if ((*at)->kind == PENDING_JOB && strcmp((*at)->job.id, job) == 0) {
            struct pending *p = *at;
            *at = p->next;
            free_pending(p);
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
    {"hello", on_hello}, {"submit", on_submit}, {"load", on_load}, {"fetch", on_fetch},
    {"stored", on_stored}, {"cancel", on_cancel}, {"seen", on_seen}, {"describe", on_describe},
    {"command", on_command}, {"interrupt", on_interrupt}, {"pause", on_pause},
    {"commands", on_commands}, {"follow", on_follow}, {"again", on_again}, {"remove", on_remove},
    {"read", on_read}, {"quit", on_quit},
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

static void
log_to_client(enum log_level level, const char *module, const char *text, void *data)
{
    struct jv *head = wire_head("log");
    jv_set(head, "level", jv_from_string(level <= LOG_ERROR    ? "error"
                                         : level == LOG_NOTICE ? "notice"
                                         : level == LOG_WARN   ? "warning"
                                                               : "info"));
    char *cut = mem_strndup(text, strnlen(text, LIMIT_HOST_LINE_BYTES / 4)); // U+FFFD is longer
    jv_set(head, "module", jv_from_string(module));
    jv_set(head, "text", jv_from_string(cut));
    free(cut);
    post(data, head, NULL, 0);
}

// A message that is refused is a line of the log, and nothing else happens.
static void
take(struct worker *w, struct wire_message *m)
{
    struct err err = {0};
    enum protocol_verdict verdict = protocol_check(PROTOCOL_FROM_LIMN, m, &err);
    if (verdict == PROTOCOL_TAKEN)
        handle(w, m);
    else if (verdict != PROTOCOL_UNKNOWN)
        log_to_client(LOG_WARN, "worker", err.text, w);
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
    wire_limit(w->wire, protocol_room_of_limn);
    pthread_mutex_unlock(&w->lock);
    w->in = in;
    w->out = out;
}

static int
unfinished(const struct worker *w)
{
    return lanes_unfinished(w->lanes) + children_unfinished(w->children);
}

// Its limn has gone. With jobs to finish it waits for the next one, otherwise it ends, when what it
// had begun for the one that has gone has ended.
static void
on_hangup(struct worker *w)
{
    disconnect(w);
    children_hangup(w->children);
    if (!w->finish_jobs)
        w->leaving = true;
    else if (w->listener < 0 && unfinished(w))
        w->listener = socket_listen(&w->socket_path, NULL);
}

// The next limn is there; others start a worker of their own.
static void
on_accept(struct worker *w)
{
    int fd = socket_accept(w->listener);
    if (fd < 0)
        return;
    close(w->listener);
    w->listener = -1;
    socket_remove(w->socket_path);
    w->socket_path = NULL;
    connect_to(w, fd, fd);
}

static void
receive(struct worker *w)
{
    struct err err = {0};
    enum wire_state state = wire_receive(w->wire, &err);
    struct wire_message m;
    while (state != WIRE_BROKEN && !w->quit && wire_take(w->wire, &m, &err)) {
        take(w, &m);
        wire_message_free(&m);
    }
    if (state > WIRE_IDLE || err.code != ERR_NONE)
        on_hangup(w);
}

static void
turn(struct worker *w)
{
    struct pollfd fds[4 + CHILDREN_FDS] = {{.fd = w->wake, .events = POLLIN}};
    int in = -1, out = -1, accepting = -1, count = 1;
    bool hold = w->wire && wire_queued(w->wire) > HOLD_BYTES;
    if (w->wire) {
        fds[in = count++] = (struct pollfd){.fd = w->in, .events = POLLIN};
        if (wire_queued(w->wire))
            fds[out = count++] = (struct pollfd){.fd = w->out, .events = POLLOUT};
    } else if (w->listener >= 0) {
        fds[accepting = count++] = (struct pollfd){.fd = w->listener, .events = POLLIN};
    }
    count += children_fds(w->children, fds + count, hold);
    if (poll(fds, (nfds_t)count, children_wait(w->children)) < 0)
        return; // a signal; the loop looks at what it meant
    uint64_t wakes;
    if (fds[0].revents && read(w->wake, &wakes, sizeof wakes) < 0)
        return;
    if (in >= 0 && fds[in].revents)
        receive(w);
    if (out >= 0 && w->wire && fds[out].revents && !wire_flush(w->wire))
        on_hangup(w);
    if (accepting >= 0 && fds[accepting].revents)
        on_accept(w);
    children_turn(w->children, hold);
}

static int child_wake = -1;

// A child has ended: poll() is to return, now or when it is next called.
static void
on_child(int number)
{
    (void)number;
    int kept = errno;
    uint64_t one = 1;
    if (write(child_wake, &one, sizeof one) < 0) {
        // The counter is full of wakes already.
    }
    errno = kept;
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
    struct err err = {0};
    if (!look_start(&err)) // before there are threads
        return command_failed(&err);
    struct worker *w = mem_zalloc(sizeof *w);
    pthread_mutex_init(&w->lock, NULL);
    w->listener = -1;
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    // Standard output is the wire's alone; what a library prints goes to standard error.
    int in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (w->wake < 0 || in < 0 || out < 0) {
        err_errno(&err, ERR_IO, "no descriptors for a worker");
        return command_failed(&err);
    }
    dup2(STDERR_FILENO, STDOUT_FILENO);
    connect_to(w, in, out);
    wire_send_raw(w->wire, WIRE_GREETING, strlen(WIRE_GREETING));
    log_set_sink(log_to_client, w, LOG_INFO);
    if (sandbox_lacks())
        log_line(LOG_INFO, "sandbox", "%s", sandbox_lacks());
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    child_wake = w->wake;
    sigaction(SIGCHLD, &child, NULL);
    w->children = children_open(post, w);
    w->lanes = lanes_open(post, w, &err);
    while (w->lanes && !w->quit && !atomic_load(&command_interrupted)) {
        if (!w->wire && !(w->leaving ? children_unfinished(w->children) : unfinished(w)))
            break;
        turn(w);
    }
    drain(w);
    lanes_close(w->lanes);
    children_close(w->children);
    signal(SIGCHLD, SIG_DFL);
    log_set_sink(NULL, NULL, LOG_NONE);
    if (w->wire)
        disconnect(w);
    if (w->listener >= 0)
        close(w->listener);
    socket_remove(w->socket_path);
    while (w->pending) {
        struct pending *next = w->pending->next;
        free_pending(w->pending);
        w->pending = next;
    }
    for (int i = 0; i < w->blob_count; i++)
        free(w->blobs[i].data);
    close(w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return err.code == ERR_NONE ? 0 : command_failed(&err);
}

// The worker of a command has gone: to be obeyed as an interrupt, but only once.
static void
on_worker_gone(int number)
{
    int none = 0;
    (void)number;
    atomic_compare_exchange_strong(&command_interrupted, &none, 1);
}

struct worker_options {
    bool stdio, alone, run;
    struct value_list terminals; // descriptors of the child that lead to one
    const char *where, *record;
    int worker;
};

// --run: what children.c starts, as a child of the worker with that process id, or of none for one that
// is recorded.
static int
run_child_command(const struct command_line *line, const struct worker_options *o)
{
    struct sigaction gone = {.sa_handler = on_worker_gone};
    sigaction(SIGHUP, &gone, NULL);
    const char *record = o->record && job_is_id(o->record) ? o->record : NULL;
    for (int i = 0; i < o->terminals.count; i++)
        command_set_terminal(atoi(o->terminals.items[i]));
    command_where = o->where;
    if (o->worker && getppid() != o->worker)
        on_worker_gone(SIGHUP); // before it could be heard
    if (!line->word_count || !command_computes(line->words[0])) {
        fprintf(stderr, "limn: a worker does not run '%.40s'\n", line->word_count ? line->words[0] : "");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); // whoever reads it wants to see it come
    int code = command_run(line->word_count, (char **)(uintptr_t)line->words);
    fflush(NULL);
    if (record)
        record_end(record, line->words[0], code << 8); // as waitpid() has it
    return code;
}

static int
run_worker(const struct command_line *line)
{
    const struct worker_options *o = line->values;
    if (o->run)
        return run_child_command(line, o);
    if (!o->stdio || line->word_count) {
        fputs("limn: a worker is started by limn, with --stdio (see: limn worker --help)\n", stderr);
        return 2;
    }
    if (isatty(STDIN_FILENO)) {
        fputs("limn: a worker talks to limn, not to people: start limn instead\n", stderr);
        return 2;
    }
    // A terminal that goes away is its limn's affair: the end of standard input says enough.
    signal(SIGHUP, SIG_IGN);
    int other = o->alone ? -1 : socket_find();
    return other >= 0 ? relay(STDIN_FILENO, STDOUT_FILENO, other) : serve();
}

static const struct option options[] = {
    {OPTION_SWITCH("stdio", struct worker_options, stdio, "talk over standard input and output")},
    {OPTION_SWITCH("alone", struct worker_options, alone,
                   "never join a worker that is still finishing jobs")},
    {OPTION_SWITCH("run", struct worker_options, run,
                   "run COMMAND in this very process, as a worker's child does")},
    {OPTION_LIST("terminal", "FD", struct worker_options, terminals, NULL)},
    {OPTION_TEXT("where", "NAME", struct worker_options, where, NULL)},
    {OPTION_TEXT("record", "ID", struct worker_options, record, NULL)},
    {OPTION_WHOLE("worker", "PID", 1, 1 << 30, struct worker_options, worker, NULL)},
    {0},
};

static const struct argument words[] = {
    {"COMMAND", "with --run: a command that computes, and its command line", COMPLETE_COMMAND,
     .optional = true, .many = true},
    {0},
};

const struct command command_worker = {
    .name = "worker",
    .summary = "compute for another limn, over standard input and output",
    .about = "Computes for a limn that talks to it over standard input and output "
             "(docs/worker.md); limn starts it when it needs one, here or through ssh (--host).",
    .options = options,
    .arguments = words,
    .size = sizeof(struct worker_options),
    .run = run_worker,
    .first_word_ends = true,
};
