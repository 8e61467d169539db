// SPDX-License-Identifier: MIT
// limn worker --stdio: computes for a limn that talks to it over standard input and output.
//
// One thread reads, answers and hands work to the lanes. When its client goes away it either stops
// (after a command) or finishes its jobs (after a UI) and meanwhile listens on a socket, where the
// next `limn worker --stdio` finds it and becomes a mere relay.
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
#include "app/worker/wire.h"
#include "app/worker/worker_parts.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "sandbox/sandbox.h"

// The client would wait for a message that is not sent; a picture lies in the spool, where the next
// worker finds it.
static void
send_or_abort(struct worker *w, struct jv *head, const void *payload, size_t size)
{
    if (!wire_send(w->wire, head, payload, size))
        mem_failed();
}

void
worker_post(void *ctx, struct jv *head, const void *payload, size_t size)
{
    struct worker *w = ctx;
    pthread_mutex_lock(&w->lock);
    if (w->wire && head)
        send_or_abort(w, head, payload, size);
    else
        jv_free(head);
    pthread_mutex_unlock(&w->lock);
    uint64_t one = 1;
    if (write(w->wake, &one, sizeof one) < 0) {
        // The counter is full of wakes already.
    }
}

void
worker_send(struct worker *w, struct jv *head, const void *payload, size_t size)
{
    if (w->wire)
        send_or_abort(w, head, payload, size);
    else
        jv_free(head);
}

void
worker_refuse(struct worker *w, const char *job, enum err_code code, const char *text)
{
    struct jv *head = wire_head("failed");
    jv_set(head, "job", jv_from_string(job));
    jv_set(head, "code", jv_from_string(code == ERR_INPUT ? "input" : "io"));
    jv_set(head, "text", jv_from_string(text));
    worker_send(w, head, NULL, 0);
}

// --- the loop

static void
detach_client(struct worker *w)
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
attach_client(struct worker *w, int in, int out)
{
    pthread_mutex_lock(&w->lock);
    w->wire = wire_open(in, out);
    wire_set_limit(w->wire, protocol_payload_limit_of_limn);
    pthread_mutex_unlock(&w->lock);
    w->in = in;
    w->out = out;
}

static int
unfinished(const struct worker *w)
{
    return lanes_unfinished(w->lanes) + children_unfinished(w->children);
}

// The client has gone. With jobs to finish the worker waits for the next client; otherwise it ends
// when the commands that it runs have ended.
static void
on_hangup(struct worker *w)
{
    detach_client(w);
    children_hangup(w->children);
    if (!w->finish_jobs)
        w->draining = true;
    else if (w->listener < 0 && unfinished(w))
        w->listener = socket_listen(&w->socket_path, NULL);
}

// The next client is there; others start workers of their own.
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
    attach_client(w, fd, fd);
}

static void
receive(struct worker *w)
{
    struct err err = {0};
    enum wire_state state = wire_receive(w->wire, &err);
    struct wire_message m;
    while (state != WIRE_BROKEN && !w->quit && wire_take(w->wire, &m, &err)) {
        worker_handle(w, &m);
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
        return; // a signal; the loop checks what it meant
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

// A child has ended: poll() must return, now or when it is next called.
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

// Gives a last message ("quit" refused, a failed job) a moment to go out.
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
    attach_client(w, in, out);
    wire_send_raw(w->wire, WIRE_GREETING, strlen(WIRE_GREETING));
    log_set_sink(worker_log_to_client, w, LOG_INFO);
    if (sandbox_lacks())
        log_line(LOG_INFO, "sandbox", "%s", sandbox_lacks());
    struct sigaction child = {.sa_handler = on_child, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    child_wake = w->wake;
    sigaction(SIGCHLD, &child, NULL);
    w->children = children_open(worker_post, w);
    w->lanes = lanes_open(worker_post, w, &err);
    while (w->lanes && !w->quit && !atomic_load(&command_interrupted)) {
        if (!w->wire && !(w->draining ? children_unfinished(w->children) : unfinished(w)))
            break;
        turn(w);
    }
    drain(w);
    lanes_close(w->lanes);
    children_close(w->children);
    signal(SIGCHLD, SIG_DFL);
    log_set_sink(NULL, NULL, LOG_NONE);
    if (w->wire)
        detach_client(w);
    if (w->listener >= 0)
        close(w->listener);
    socket_remove(w->socket_path);
    while (w->pending) {
        struct pending *next = w->pending->next;
        worker_free_pending(w->pending);
        w->pending = next;
    }
    for (int i = 0; i < w->blob_count; i++)
        free(w->blobs[i].data);
    close(w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return err.code == ERR_NONE ? 0 : command_failed(&err);
}

// The worker of a command has gone: this counts as an interrupt, but only once.
static void
on_worker_gone(int number)
{
    int none = 0;
    (void)number;
    atomic_compare_exchange_strong(&command_interrupted, &none, 1);
}

struct worker_options {
    bool stdio, alone, run;
    struct value_list terminals; // descriptors of the child that lead to a terminal
    const char *where, *record;
    int worker;
};

// --run: what children.c starts, as a child of the worker with that process id, or of none for a
// command that is recorded.
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
        on_worker_gone(SIGHUP); // it went before the handler was set
    if (!line->word_count || !command_computes(line->words[0])) {
        fprintf(stderr, "limn: a worker does not run '%.40s'\n",
                line->word_count ? line->words[0] : "");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0); // its reader wants each line as it comes
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
    command_will_compute();
    if (o->run)
        return run_child_command(line, o);
    if (!o->stdio || line->word_count) {
        fputs("limn: a worker is started by limn, with --stdio (see: limn worker --help)\n",
              stderr);
        return 2;
    }
    if (isatty(STDIN_FILENO)) {
        fputs("limn: a worker talks to limn, not to people: start limn instead\n", stderr);
        return 2;
    }
    // The end of standard input says that the client has gone; a terminal that goes away says
    // nothing more.
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
    .about = "Compute for a limn that talks to it over standard input and output "
             "(docs/worker.md); limn starts it when it needs one, here or through ssh (--host).",
    .options = options,
    .arguments = words,
    .size = sizeof(struct worker_options),
    .run = run_worker,
    .first_word_ends = true,
};
