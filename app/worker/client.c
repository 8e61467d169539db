// SPDX-License-Identifier: MIT
#include "app/worker/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/base/text.h"
#include "app/worker/protocol.h"
#include "app/worker/wire.h"
#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum {
    STDERR_KEPT = 4096,
    GOODBYE_MS = 2000,
    ASKED_MAX = 8192,      // questions that are remembered
    ROOM_BYTES = 1 << 20,  // of the queue to the worker: then blobs and `seen` wait
    LOGS_AT_ONCE = 200,
};
#define TURN_SECONDS 0.02

// A file the worker may ask for.
struct kept {
    char hash[JOB_HASH_TEXT];
    uint8_t *data;
    size_t size;
    bool wanted, sent; // since it was given last
};

// What this limn waits for.
enum asked_kind { ASKED_JOB, ASKED_SPOOLED, ASKED_LOAD, ASKED_COMMAND, ASKED_PIECE };
struct asked {
    enum asked_kind kind;
    char id[64];
    int index, count; // of results
    uint64_t got;     // those that came
};

struct client {
    char *host, *program;
    bool alone, quiet_ssh;
    pid_t pid; // 0: none
    int in, out, errors; // its standard output, input, error; -1: closed
    struct wire *wire;
    bool ready, ended, gone; // gone: nothing more comes, but what came may wait
    struct asked *asked;
    int asked_count, asked_capacity;
    bool commands_asked, commands_again, describe_asked;
    double turn_began; // seconds
    int turn_events;
    double logs, logs_at; // how many may come now, and when that was
    int logs_left_out, refused;
    char said[STDERR_KEPT]; // the end of what it said on standard error
    size_t said_size;
    struct kept blobs[LIMIT_CLIENT_BLOBS]; // a ring
    int next_blob;
    struct err lost;      // what was wrong with what it sent
    bool lost_reported;
};

// --- starting

static char **
split_words(const char *text, int *count)
{
    char **words = NULL, *copy = mem_strdup(text), *rest = NULL;
    int n = 0, capacity = 0;
    for (char *w = strtok_r(copy, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        ARRAY_PUSH(words, n, capacity, mem_strdup(w));
    free(copy);
    *count = n;
    return words;
}

// The command line, NULL at its end.
static char **
command_of(const struct client *c)
{
    char **argv = NULL;
    int count = 0, capacity = 0;
    if (c->host) {
        const char *ssh = getenv("LIMN_SSH"), *remote = getenv("LIMN_REMOTE");
        int words = 0;
        char **list = split_words(ssh && *ssh ? ssh : "ssh", &words);
        for (int i = 0; i < words; i++)
            ARRAY_PUSH(argv, count, capacity, list[i]);
        free(list);
        // No terminal; notice a dead line; pictures compress badly, so no -C.
        static const char *const options[] = {"-T", "-o", "ServerAliveInterval=15"};
        for (size_t i = 0; i < COUNT_OF(options); i++)
            ARRAY_PUSH(argv, count, capacity, mem_strdup(options[i]));
        if (c->quiet_ssh) {
            ARRAY_PUSH(argv, count, capacity, mem_strdup("-o"));
            ARRAY_PUSH(argv, count, capacity, mem_strdup("BatchMode=yes"));
        }
        ARRAY_PUSH(argv, count, capacity, mem_strdup("--"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup(c->host));
        ARRAY_PUSH(argv, count, capacity, mem_printf("%s worker --stdio%s",
                                                     remote && *remote ? remote : "limn",
                                                     c->alone ? " --alone" : ""));
    } else {
        ARRAY_PUSH(argv, count, capacity, mem_strdup(c->program ? c->program : "/proc/self/exe"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup("worker"));
        ARRAY_PUSH(argv, count, capacity, mem_strdup("--stdio"));
        if (c->alone)
            ARRAY_PUSH(argv, count, capacity, mem_strdup("--alone"));
    }
    ARRAY_PUSH(argv, count, capacity, NULL);
    return argv;
}

static void
run_child(char **argv, int in, int out, int errors, bool keep_terminal)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    // Out of the terminal's reach: Ctrl-C and a closed window are this side's affair. But an ssh
    // that may ask for a password needs the terminal.
    if (!keep_terminal)
        setsid();
    else
        signal(SIGINT, SIG_IGN); // Ctrl-C is obeyed at the other end, through this ssh
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static bool
start(struct client *c, struct err *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, errors[2] = {-1, -1};
    char **argv = command_of(c);
    bool ok = pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
              pipe2(errors, O_CLOEXEC) == 0;
    if (!ok)
        err_errno(err, ERR_IO, "no pipe to a worker");
    c->pid = ok ? fork() : -1;
    if (ok && c->pid < 0)
        ok = err_errno(err, ERR_IO, "no process for a worker");
    if (ok && c->pid == 0)
        run_child(argv, in[0], out[1], errors[1], c->host && !c->quiet_ssh);
    int ends[6] = {in[0], out[1], errors[1], in[1], out[0], errors[0]};
    for (int i = 0; i < (ok ? 3 : 6); i++)
        if (ends[i] >= 0)
            close(ends[i]);
    for (char **a = argv; *a; a++)
        free(*a);
    free(argv);
    if (!ok) {
        c->pid = 0;
        return false;
    }
    c->out = in[1];
    c->in = out[0];
    c->errors = errors[0];
    fcntl(c->errors, F_SETFL, fcntl(c->errors, F_GETFL) | O_NONBLOCK);
    c->wire = wire_open(c->in, c->out);
    wire_expect_greeting(c->wire);
    wire_limit(c->wire, protocol_room_of_worker);
    c->ready = c->ended = c->gone = c->lost_reported = false;
    c->asked_count = c->refused = 0;
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        c->blobs[i].wanted = c->blobs[i].sent = false;
    c->commands_asked = c->commands_again = c->describe_asked = false;
    c->said_size = 0;
    c->said[0] = 0;
    c->lost = (struct err){0};
    struct jv *hello = wire_head("hello");
    jv_set(hello, "protocol", jv_from_integer(WIRE_PROTOCOL));
    jv_set(hello, "version", jv_from_string(LIMN_VERSION));
    jv_set(hello, "hangup", jv_from_string(c->alone ? "stop" : "finish"));
    wire_send(c->wire, hello, NULL, 0);
    wire_flush(c->wire);
    return true;
}

struct client *
client_open(const struct client_params *params, struct err *err)
{
    struct client *c = mem_zalloc(sizeof *c);
    c->host = params->host ? mem_strdup(params->host) : NULL;
    c->program = params->program ? mem_strdup(params->program) : NULL;
    c->alone = params->alone;
    c->quiet_ssh = params->quiet_ssh;
    c->in = c->out = c->errors = -1;
    if (c->host && c->host[0] == '-')
        err_set(err, ERR_INPUT, "--host is '%.60s', it must be HOST or USER@HOST", c->host);
    else if (start(c, err))
        return c;
    client_close(c);
    return NULL;
}

// --- ending

static void
read_errors(struct client *c)
{
    char bytes[1024];
    ssize_t n = c->errors >= 0 ? read(c->errors, bytes, sizeof bytes) : 0;
    if (n == 0 && c->errors >= 0) {
        close(c->errors);
        c->errors = -1;
    }
    for (; n > 0; n = read(c->errors, bytes, sizeof bytes)) {
        size_t size = (size_t)n;
        if (c->said_size + size >= STDERR_KEPT) {
            size_t drop = MIN(c->said_size, c->said_size + size + 1 - STDERR_KEPT);
            memmove(c->said, c->said + drop, c->said_size - drop);
            c->said_size -= drop;
        }
        memcpy(c->said + c->said_size, bytes, size);
        c->said_size += size;
        c->said[c->said_size] = 0;
    }
}

// The last line with words in it, made harmless.
static void
last_line(const char *text, char *out, size_t size)
{
    out[0] = 0;
    while (*text) {
        size_t n = strcspn(text, "\r\n");
        if (n)
            snprintf(out, size, "%.*s", (int)MIN(n, 200), text);
        text += n;
        text += strspn(text, "\r\n");
    }
    if (strncmp(out, "limn: ", 6) == 0)
        memmove(out, out + 6, strlen(out + 6) + 1);
    text_line(out);
}

// What is known of a worker's end, as a sentence.
static void
describe_end(struct client *c, int status, struct err *err)
{
    char said[256];
    last_line(c->said[0] ? c->said : wire_noise(c->wire), said, sizeof said);
    const char *who = c->host ? c->host : "the worker";
    if (c->lost.code != ERR_NONE && (!c->host || c->ready))
        err_set(err, c->lost.code, "%s%s%s", c->host ? c->host : "", c->host ? ": " : "",
                c->lost.text);
    else if (c->host && !c->ready && WIFEXITED(status) && WEXITSTATUS(status) == 127)
        err_set(err, ERR_UNSUPPORTED,
                "%s: there is no limn in the search path there (%s); install it, "
                "or name it in $LIMN_REMOTE",
                c->host, said[0] ? said : "exit code 127");
    else if (c->host && WIFEXITED(status) && WEXITSTATUS(status) == 255)
        err_set(err, ERR_IO, "%s: %s", c->host, said[0] ? said : "ssh lost the connection");
    else if (c->host && !c->ready)
        err_set(err, ERR_UNSUPPORTED, "%s: what answered is not a limn worker%s%s", c->host,
                said[0] ? ": " : "", said);
    else if (WIFSIGNALED(status))
        err_set(err, ERR_DEVICE, "%s was ended by signal %d (%s)", who, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        err_set(err, ERR_DEVICE, "%s ended (exit code %d)%s%s", who, WEXITSTATUS(status),
                said[0] ? ": " : "", said);
}

static void
close_ends(struct client *c)
{
    int *fds[] = {&c->in, &c->out, &c->errors};
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

// Reaps the child, which has closed its end or is to go.
static int
reap(struct client *c)
{
    int status = 0;
    close(c->out); // tells it, should it still be there
    c->out = -1;
    for (int i = 0; c->pid > 0 && i < GOODBYE_MS / 10; i++) {
        if (waitpid(c->pid, &status, WNOHANG) != 0) {
            c->pid = 0;
            break;
        }
        read_errors(c);
        poll(NULL, 0, 10);
    }
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        waitpid(c->pid, &status, 0);
    }
    c->pid = 0;
    read_errors(c);
    return status;
}

void
client_close(struct client *c)
{
    if (!c)
        return;
    if (c->wire && !c->ended) {
        wire_flush(c->wire);
        if (c->host && !c->ready)
            kill(c->pid, SIGTERM); // it may be asking for a password
        if (c->alone) {
            // It may be in the middle of a step; it ends after it. Nobody waits for that long.
            reap(c);
        } else {
            // It goes on by itself when it has jobs; then it is nobody's child.
            close(c->out);
            c->out = -1;
            for (int i = 0; i < 50 && waitpid(c->pid, NULL, WNOHANG) == 0; i++)
                poll(NULL, 0, 2);
        }
    }
    wire_close(c->wire);
    close_ends(c);
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        free(c->blobs[i].data);
    free(c->asked);
    free(c->host);
    free(c->program);
    free(c);
}

bool
client_restart(struct client *c, struct err *err)
{
    wire_close(c->wire);
    c->wire = NULL;
    close_ends(c);
    c->quiet_ssh = true; // the screen is in use by now
    return start(c, err);
}

bool
client_alive(const struct client *c)
{
    return c && c->wire && !c->ended;
}

bool
client_ready(const struct client *c)
{
    return client_alive(c) && c->ready;
}

// --- waiting

static void
begin_turn(struct client *c)
{
    c->turn_began = clock_seconds();
    c->turn_events = 0;
}

bool
client_holds(const struct client *c)
{
    return client_alive(c) && (c->gone || wire_holds(c->wire));
}

int
client_fds(struct client *c, struct pollfd *fds)
{
    int count = 0;
    if (!client_alive(c))
        return 0;
    begin_turn(c);
    fds[count++] = (struct pollfd){.fd = c->in, .events = POLLIN};
    if (c->errors >= 0)
        fds[count++] = (struct pollfd){.fd = c->errors, .events = POLLIN};
    if (wire_queued(c->wire))
        fds[count++] = (struct pollfd){.fd = c->out, .events = POLLOUT};
    return count;
}

bool
client_wait(struct client *c, int milliseconds)
{
    struct pollfd fds[CLIENT_FDS];
    int count = client_fds(c, fds);
    return client_holds(c) || (count && poll(fds, (nfds_t)count, milliseconds) > 0);
}

// --- events

static struct image *
frame_image(const struct wire_message *m, int size, int count)
{
    size_t one = (size_t)size * (size_t)size * 3;
    if (size < 1 || size > 4096 || count < 1 || count > LIMIT_JOB_PICTURES ||
        m->size != one * (size_t)count)
        return NULL;
    struct image *all = image_create(size * count, size, IMAGE_RGB8, NULL);
    for (int i = 0; all && i < count; i++) {
        struct image part = {.width = size, .height = size, .format = IMAGE_RGB8, .references = 1,
                             .stride = (size_t)size * 3, .pixels = m->payload + (size_t)i * one};
        image_paste(all, &part, i * size, 0);
    }
    return all;
}

// --- what was asked for

static struct asked *
find_asked(struct client *c, enum asked_kind kind, const char *id, int index)
{
    for (int i = 0; i < c->asked_count; i++) {
        struct asked *a = &c->asked[i];
        if (a->kind == kind && strcmp(a->id, id) == 0 &&
            (kind != ASKED_SPOOLED || a->index == index))
            return a;
    }
    return NULL;
}

static void
forget_asked(struct client *c, struct asked *a)
{
    memmove(a, a + 1, (size_t)(c->asked + --c->asked_count - a) * sizeof *a);
}

// The oldest question is forgotten when there are too many.
static void
remember(struct client *c, enum asked_kind kind, const char *id, int index, int count)
{
    struct asked *known = find_asked(c, kind, id, index), one = {kind, "", index, count, 0};
    snprintf(one.id, sizeof one.id, "%s", id);
    if (known)
        forget_asked(c, known);
    else if (c->asked_count == ASKED_MAX)
        forget_asked(c, c->asked);
    ARRAY_PUSH(c->asked, c->asked_count, c->asked_capacity, one);
}

// A picture of a job of this limn, within its count, once; or one that was fetched.
static bool
is_asked_result(struct client *c, const struct client_event *e)
{
    struct asked *a = find_asked(c, e->late ? ASKED_SPOOLED : ASKED_JOB, e->job, e->index);
    if (!a || (a->kind == ASKED_JOB && (e->index >= a->count || (a->got >> e->index & 1))))
        return false;
    if (a->kind == ASKED_SPOOLED)
        forget_asked(c, a);
    else
        a->got |= (uint64_t)1 << e->index;
    return true;
}

static bool
is_asked_id(struct client *c, const struct client_event *e)
{
    enum asked_kind kind = e->type == CLIENT_LOADED  ? ASKED_LOAD
                           : e->type == CLIENT_PIECE ? ASKED_PIECE
                                                     : ASKED_COMMAND;
    return find_asked(c, kind, e->id, 0) != NULL;
}

static bool
take_flag(bool *flag)
{
    bool was = *flag;
    *flag = false;
    return was;
}

// Whether somebody here waits for it.
static bool
is_asked_for(struct client *c, const struct client_event *e)
{
    struct asked *job = find_asked(c, ASKED_JOB, e->job, 0);
    switch (e->type) {
    case CLIENT_HELLO: return !c->ready;
    case CLIENT_DESCRIBED: return take_flag(&c->describe_asked);
    case CLIENT_COMMANDS: return take_flag(&c->commands_asked);
    case CLIENT_QUEUED:
    case CLIENT_STARTED:
    case CLIENT_PROGRESS: return job != NULL;
    case CLIENT_DONE:
    case CLIENT_FAILED:
        if (job)
            forget_asked(c, job);
        return job != NULL;
    case CLIENT_RESULT: return is_asked_result(c, e);
    case CLIENT_LOADED:
    case CLIENT_RUNNING:
    case CLIENT_OUTPUT:
    case CLIENT_FILE:
    case CLIENT_ENDED:
    case CLIENT_PIECE: return is_asked_id(c, e);
    case CLIENT_LOADERS:
    case CLIENT_LOG:
    case CLIENT_CHANGED:
    case CLIENT_LOST: break;
    }
    return true;
}

// --- files for the worker

// Each once for every time that it was given, one after the other.
static void
send_wanted(struct client *c)
{
    for (int i = 0; i < LIMIT_CLIENT_BLOBS && wire_queued(c->wire) < ROOM_BYTES; i++) {
        struct kept *k = &c->blobs[i];
        if (!k->data || !k->wanted || k->sent)
            continue;
        struct jv *head = wire_head("blob");
        jv_set(head, "hash", jv_from_string(k->hash));
        k->sent = wire_send(c->wire, head, k->data, k->size) ||
                  err_set(&c->lost, ERR_MEMORY, "there is no memory to send a file of %zu bytes", k->size);
        if (!k->sent)
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

// A line of the log, unless there were too many: what is left out is counted in the next.
static bool
log_event(struct client *c, const char *level, const char *text, struct client_event *e)
{
    double now = clock_seconds();
    c->logs = MIN(c->logs + (now - c->logs_at) * LIMIT_HOST_LOGS_A_SECOND, (double)LOGS_AT_ONCE);
    c->logs_at = now;
    if (c->logs < 1) {
        c->logs_left_out++;
        return false;
    }
    char *more = c->logs_left_out ? mem_printf(" (%d lines before it were left out)",
                                               c->logs_left_out) : NULL;
    char *whole = mem_printf("%s%s", text, more ? more : "");
    c->logs--;
    c->logs_left_out = 0;
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
complain(struct client *c, const struct err *why, bool refused, struct client_event *e)
{
    c->refused += refused;
    if (c->refused > LIMIT_HOST_REFUSED)
        err_set(&c->lost, ERR_IO, "%s, and %d messages were refused before it", why->text,
                LIMIT_HOST_REFUSED);
    return log_event(c, "warning", why->text, e);
}

static void
take_frame(struct client *c, const struct wire_message *m, struct client_event *e)
{
    e->image = frame_image(m, (int)jv_integer(jv_get(m->head, "size"), 0),
                           (int)jv_integer(jv_get(m->head, "count"), 0));
    if (wire_queued(c->wire) > ROOM_BYTES)
        return; // it does not read what it is told
    struct jv *seen = wire_head("seen");
    jv_set(seen, "job", jv_from_string(e->job));
    wire_send(c->wire, seen, NULL, 0);
}

// The fields that are more than data.
static void
take_fields(const struct wire_message *m, struct client_event *e)
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

// Turns a message that was checked into an event; false: it is none.
static bool
event_of(struct client *c, struct wire_message *m, struct client_event *e)
{
    if (strcmp(m->type, "want") == 0) {
        mark_wanted(c, jv_string(jv_get(m->head, "hash"), ""));
        return false;
    }
    take_fields(m, e);
    if (!is_asked_for(c, e))
        return false;
    if (e->type == CLIENT_LOG)
        return log_event(c, jv_string(jv_get(m->head, "level"), ""),
                         jv_string(jv_get(m->head, "text"), ""), e);
    if (e->type == CLIENT_HELLO)
        on_hello(c, m->head);
    if (e->type == CLIENT_COMMANDS && take_flag(&c->commands_again))
        client_commands(c);
    if (e->type == CLIENT_PROGRESS && m->size) {
        take_frame(c, m, e);
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
take_message(struct client *c, struct wire_message *m, struct client_event *e)
{
    struct err why = {0};
    enum protocol_verdict verdict = protocol_check(PROTOCOL_FROM_WORKER, m, &why);
    if (verdict == PROTOCOL_BROKEN || (verdict == PROTOCOL_REFUSED && !c->ready)) {
        err_set(&c->lost, ERR_IO, "what came over the line is not limn's protocol: %s", why.text);
        return false;
    }
    if (verdict == PROTOCOL_REFUSED)
        return complain(c, &why, true, e);
    if (verdict == PROTOCOL_UNKNOWN)
        return false;
    bool is_event = event_of(c, m, e);
    struct client_event line = {0};
    // What was left out of a list is only worth a line where nothing else is to be handed out.
    if (!is_event && why.code != ERR_NONE && complain(c, &why, false, &line)) {
        client_event_free(e);
        *e = line;
        return true;
    }
    return is_event;
}

static bool
is_turn(const struct client *c)
{
    return c->turn_events < LIMIT_HOST_EVENTS_A_TURN &&
           clock_seconds() - c->turn_began < TURN_SECONDS;
}

static bool
lost_event(struct client *c, struct client_event *e)
{
    c->ended = c->lost_reported = true;
    e->type = CLIENT_LOST;
    int status = reap(c);
    if (c->lost.code == ERR_UNSUPPORTED) // another version: that says more than how it ended
        err_set(&e->err, c->lost.code, "%s", c->lost.text);
    else
        describe_end(c, status, &e->err);
    return true;
}

bool
client_next(struct client *c, struct client_event *e)
{
    struct wire_message m;
    *e = (struct client_event){0};
    if (!c->wire || c->ended)
        return false;
    read_errors(c);
    send_wanted(c);
    bool deaf = !wire_flush(c->wire); // but it may have said something before
    while (is_turn(c)) {
        c->turn_events++;
        if (c->lost.code == ERR_NONE && wire_take(c->wire, &m, &c->lost)) {
            bool is_event = take_message(c, &m, e);
            wire_message_free(&m);
            if (is_event)
                return true;
            client_event_free(e);
        } else if (c->gone || c->lost.code != ERR_NONE) {
            return lost_event(c, e);
        } else {
            enum wire_state state = wire_receive(c->wire, &c->lost);
            c->gone = state == WIRE_END || state == WIRE_BROKEN || (state == WIRE_IDLE && deaf);
            if (state == WIRE_IDLE && !deaf)
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

// --- requests

void
client_give(struct client *c, const void *data, size_t size, const char *hash)
{
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++)
        if (c->blobs[i].data && strcmp(c->blobs[i].hash, hash) == 0) {
            c->blobs[i].wanted = c->blobs[i].sent = false;
            return;
        }
    if (!data)
        return;
    struct kept *k = &c->blobs[c->next_blob];
    c->next_blob = (c->next_blob + 1) % LIMIT_CLIENT_BLOBS;
    free(k->data);
    *k = (struct kept){.data = mem_try_calloc(size, 1, "a file for the worker", &c->lost), .size = size};
    if (!k->data) // the worker would wait for it
        return;
    memcpy(k->data, data, size);
    snprintf(k->hash, sizeof k->hash, "%s", hash);
}

static void
send(struct client *c, struct jv *head)
{
    if (client_alive(c)) {
        wire_send(c->wire, head, NULL, 0);
        wire_flush(c->wire);
    } else {
        jv_free(head);
    }
}

// {"type": type, key: id}
static struct jv *
head_of(const char *type, const char *key, const char *id)
{
    struct jv *head = wire_head(type);
    jv_set(head, key, jv_from_string(id));
    return head;
}

void
client_submit(struct client *c, const struct job *j, bool previews)
{
    for (int i = 0; i < j->reference_count; i++)
        client_give(c, j->references[i].data, j->references[i].size, j->references[i].hash);
    struct jv *head = wire_head("submit");
    jv_set(head, "job", job_json(j, false));
    jv_set(head, "previews", jv_from_bool(previews));
    client_expect(c, j->id, j->count);
    send(c, head);
}

void
client_expect(struct client *c, const char *job, int count)
{
    remember(c, ASKED_JOB, job, 0, MAX(count, 1));
}

static void
send_index(struct client *c, const char *type, const char *job, int index)
{
    struct jv *head = head_of(type, "job", job);
    jv_set(head, "index", jv_from_integer(index));
    send(c, head);
}

void
client_fetch(struct client *c, const char *job, int index)
{
    remember(c, ASKED_SPOOLED, job, index, 1);
    send_index(c, "fetch", job, index);
}

void
client_cancel(struct client *c, const char *job)
{
    send(c, head_of("cancel", "job", job));
}

void
client_stored(struct client *c, const char *job, int index)
{
    send_index(c, "stored", job, index);
}

void
client_load(struct client *c, const char *id, const struct job_reference *ref, int side)
{
    client_give(c, ref->data, ref->size, ref->hash);
    struct job carrier = JOB_EMPTY;
    carrier.references[0] = *ref; // borrowed
    carrier.reference_count = 1;
    struct jv *json = job_json(&carrier, false), *head = head_of("load", "id", id);
    jv_set(head, "side", jv_from_integer(side));
    jv_set(head, "reference", jv_copy(jv_at(jv_get(json, "references"), 0)));
    jv_free(json);
    remember(c, ASKED_LOAD, id, 0, 1);
    send(c, head);
}

void
client_describe(struct client *c)
{
    c->describe_asked = true;
    send(c, wire_head("describe"));
}

// --- commands

void
client_command(struct client *c, const char *id, const struct client_command *command)
{
    struct jv *head = head_of("command", "id", id), *terminal = jv_array();
    jv_set(head, "words", jv_copy(command->words));
    jv_set(head, "environment", jv_copy(command->environment));
    jv_set(head, "about", jv_copy(command->about));
    if (command->folder)
        jv_set(head, "folder", jv_from_string(command->folder));
    if (command->where)
        jv_set(head, "where", jv_from_string(command->where));
    for (int fd = 1; fd <= 2; fd++)
        if (command->terminal[fd])
            jv_append(terminal, jv_from_integer(fd));
    jv_set(head, "terminal", terminal);
    jv_set(head, "detach", jv_from_bool(command->detach));
    remember(c, ASKED_COMMAND, id, 0, 1);
    send(c, head);
}

void
client_interrupt(struct client *c, const char *id)
{
    send(c, head_of("interrupt", "id", id));
}

void
client_pause(struct client *c, const char *id, bool on)
{
    struct jv *head = head_of("pause", "id", id);
    jv_set(head, "on", jv_from_bool(on));
    send(c, head);
}

void
client_commands(struct client *c)
{
    if (c->commands_asked) {
        c->commands_again = true;
        return;
    }
    c->commands_asked = client_alive(c);
    send(c, wire_head("commands"));
}

void
client_follow(struct client *c, const char *id)
{
    remember(c, ASKED_COMMAND, id, 0, 1);
    send(c, head_of("follow", "id", id));
}

void
client_again(struct client *c, const char *id)
{
    remember(c, ASKED_COMMAND, id, 0, 1);
    send(c, head_of("again", "id", id));
}

void
client_remove(struct client *c, const char *id)
{
    send(c, head_of("remove", "id", id));
}

void
client_read(struct client *c, const char *id, const char *name, int64_t from)
{
    struct jv *head = head_of("read", "id", id);
    jv_set(head, "name", jv_from_string(name));
    jv_set(head, "from", jv_from_integer(from));
    remember(c, ASKED_PIECE, id, 0, 1);
    send(c, head);
}
