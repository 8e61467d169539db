// SPDX-License-Identifier: MIT
#include "app/worker/children.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/base/process.h"
#include "app/worker/records.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { READ_BYTES = 64 << 10, PIECE_MAX = 1 << 20, FOLLOW_MS = 200 };

struct child {
    struct child *next;
    char id[JOB_ID_TEXT];
    char *command; // its name: "train"
    pid_t pid;
    int streams[2]; // its standard output and error; -1: closed, or it is detached
    bool detached, interrupted, gone;
    int status; // once it has gone
    char *results[LIMIT_ORDER_RESULTS];
    int result_count;
};

// A detached command whose output its limn looks at.
struct follower {
    struct follower *next;
    char id[JOB_ID_TEXT];
    int64_t at;
};

struct children {
    children_say *say;
    void *ctx;
    struct child *first;
    struct follower *followers;
};

struct children *
children_open(children_say *say, void *ctx)
{
    struct children *c = mem_zalloc(sizeof *c);
    c->say = say;
    c->ctx = ctx;
    records_tidy();
    spool_tidy();
    return c;
}

static void
free_child(struct child *k)
{
    for (int i = 0; i < 2; i++)
        if (k->streams[i] >= 0)
            close(k->streams[i]);
    for (int i = 0; i < k->result_count; i++)
        free(k->results[i]);
    free(k->command);
    free(k);
}

static void
forget_followers(struct children *c)
{
    while (c->followers) {
        struct follower *next = c->followers->next;
        free(c->followers);
        c->followers = next;
    }
}

void
children_close(struct children *c)
{
    if (!c)
        return;
    while (c->first) {
        struct child *next = c->first->next;
        free_child(c->first);
        c->first = next;
    }
    forget_followers(c);
    free(c);
}

static struct jv *
head_of(const char *type, const char *id)
{
    struct jv *head = wire_head(type);
    jv_set(head, "id", jv_from_string(id));
    return head;
}

static void
say_error(struct children *c, const char *id, const struct err *err)
{
    struct jv *head = head_of("ended", id);
    jv_set(head, "code", jv_from_integer(err_exit_code(err)));
    jv_set(head, "text", jv_from_string(err->text));
    c->say(c->ctx, head, NULL, 0);
}

// --- starting

// The words of the command line, files written to the command's folder; NULL with err set.
static char **
words_of(const struct order *o, struct child *k, struct err *err)
{
    char **argv = NULL;
    int count = 0, capacity = 0;
    bool ok = true;
    ARRAY_PUSH(argv, count, capacity, mem_strdup("limn"));
    ARRAY_PUSH(argv, count, capacity, mem_strdup("worker"));
    ARRAY_PUSH(argv, count, capacity, mem_strdup("--run"));
    for (int fd = 1; fd <= 2; fd++)
        if (o->terminal[fd])
            ARRAY_PUSH(argv, count, capacity, mem_printf("--terminal=%d", fd));
    if (!o->detach)
        ARRAY_PUSH(argv, count, capacity, mem_printf("--worker=%d", (int)getpid()));
    if (o->detach)
        ARRAY_PUSH(argv, count, capacity, mem_printf("--record=%s", o->id));
    if (o->where)
        ARRAY_PUSH(argv, count, capacity, mem_printf("--where=%s", o->where));
    for (int i = 0; ok && i < o->count; i++) {
        const struct order_word *w = &o->words[i];
        char *file = w->name ? record_file(o->id, w->name) : NULL;
        if (w->name && !w->result)
            ok = file_write_private(file, w->data, w->size, err);
        ARRAY_PUSH(argv, count, capacity, mem_printf("%s%s", w->text, file ? file : ""));
        if (w->result)
            k->results[k->result_count++] = file;
        else
            free(file);
    }
    ARRAY_PUSH(argv, count, capacity, NULL);
    if (ok)
        return argv;
    for (char **a = argv; *a; a++)
        free(*a);
    free(argv);
    return NULL;
}

// In the child: ends in another program, or not at all.
static void
become(const struct order *o, char **argv, const int *streams)
{
    static const char exe[] = "/proc/self/exe";
    int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(streams[0], STDOUT_FILENO);
    dup2(streams[1], STDERR_FILENO);
    if (o->detach)
        setsid();
    for (int i = 0; o->environment[i]; i++)
        putenv(o->environment[i]);
    if (o->folder && chdir(o->folder) < 0) {
        fprintf(stderr, "limn: %s: %s\n", o->folder, strerror(errno));
        _exit(1);
    }
    execv(exe, argv);
    fprintf(stderr, "limn: %s: %s\n", exe, strerror(errno));
    _exit(1);
}

static bool
open_streams(const struct order *o, int *ours, int *theirs, struct err *err)
{
    if (o->detach) {
        char *file = record_file(o->id, "output");
        int fd = file_open(file, O_WRONLY | O_CREAT | O_APPEND, err);
        theirs[0] = theirs[1] = fd;
        free(file);
        return fd >= 0;
    }
    for (int i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0)
            return err_errno(err, ERR_IO, "no pipe for a command");
        ours[i] = ends[0];
        theirs[i] = ends[1];
        fcntl(ours[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}

// What others need to find it, written before its limn hears that it runs.
static bool
write_record(const struct order *o, pid_t pid, struct err *err)
{
    char process[PROCESS_NAME_MAX], here[4096];
    process_name(pid, process);
    struct jv *record = order_json(o);
    if (!o->folder)
        jv_set(record, "folder", jv_from_string(getcwd(here, sizeof here) ? here : "/"));
    jv_set(record, "process", jv_from_string(process));
    jv_set(record, "started", jv_from_integer((int64_t)time(NULL)));
    bool ok = record_write(o->id, record, err);
    jv_free(record);
    return ok;
}

// Two that write to one folder would spoil each other's checkpoints.
static bool
folder_is_free(const struct order *o, struct err *err)
{
    struct jv *own = order_json(o), *all = records_list();
    char *folder = record_output(own), *whole = folder ? realpath(folder, NULL) : NULL;
    bool ok = true;
    for (size_t i = 0; ok && whole && i < jv_size(all); i++) {
        const struct jv *other = jv_at(all, i);
        char *its = record_process(other) ? record_output(other) : NULL;
        char *its_whole = its ? realpath(its, NULL) : NULL;
        if (its_whole && strcmp(its_whole, whole) == 0)
            ok = err_set(err, ERR_INPUT, "the job %s writes to %s: stop it first, or name another "
                         "folder", jv_string(jv_get(other, "id"), "?"), folder);
        free(its_whole);
        free(its);
    }
    free(whole);
    free(folder);
    jv_free(all);
    jv_free(own);
    return ok;
}

// Why it cannot begin: it runs, or another one has its name.
static bool
may_start(const struct children *c, const struct order *o, struct err *err)
{
    struct jv *record = record_read(o->id, NULL);
    bool taken = record && !o->again, runs = record && record_process(record);
    jv_free(record);
    for (const struct child *k = c->first; k; k = k->next)
        taken = taken || strcmp(k->id, o->id) == 0;
    if (taken || runs)
        return err_set(err, ERR_INPUT, "there is a job %s already", o->id);
    if (o->detach && !folder_is_free(o, err))
        return false;
    return children_unfinished(c) < CHILDREN_MAX ||
           err_set(err, ERR_INPUT, "%d commands run, which is as many as there may be",
                   CHILDREN_MAX);
}

static bool
has_files(const struct order *o)
{
    for (int i = 0; i < o->count; i++)
        if (o->words[i].name)
            return true;
    return false;
}

// An interrupt that comes before the child is another program would go to a handler of this one's, and be lost: from
// its first moment on the child is ended by it.
static pid_t
fork_for_command(void)
{
    sigset_t interrupts, before;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    sigaddset(&interrupts, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &interrupts, &before);
    pid_t pid = fork();
    int failed = errno;
    if (pid == 0) {
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return pid;
}

static bool
start(struct children *c, const struct order *o, struct child *k, struct err *err)
{
    int theirs[2] = {-1, -1};
    if (!may_start(c, o, err))
        return false;
    bool ok = o->detach ? record_make(o->id, err) : !has_files(o) || record_lend(o->id, err);
    char **argv = ok ? words_of(o, k, err) : NULL;
    ok = argv && open_streams(o, k->streams, theirs, err);
    k->pid = ok ? fork_for_command() : -1;
    if (ok && k->pid < 0)
        ok = err_errno(err, ERR_IO, "no process for a command");
    if (k->pid == 0) {
        // A worker that dies takes nothing along that could be saved. Each thread of it that dies
        // may say so, and a second SIGINT would be obeyed at once: SIGHUP counts but once
        // (cmd_worker.c).
        if (!o->detach)
            prctl(PR_SET_PDEATHSIG, SIGHUP);
        become(o, argv, theirs);
    }
    for (int i = 0; i < 2; i++)
        if (theirs[i] >= 0 && (i == 0 || theirs[i] != theirs[0]))
            close(theirs[i]);
    for (char **a = argv; a && *a; a++)
        free(*a);
    free(argv);
    if (ok && o->detach && !write_record(o, k->pid, err)) {
        kill(k->pid, SIGINT);
        waitpid(k->pid, NULL, 0);
        ok = false;
    }
    if (!ok && !o->again)
        record_remove(o->id);
    return ok;
}

void
children_start(struct children *c, struct order *o)
{
    struct err err = {0};
    struct child *k = mem_zalloc(sizeof *k);
    k->streams[0] = k->streams[1] = -1;
    k->command = mem_strdup(o->words[0].text);
    k->detached = o->detach;
    memcpy(k->id, o->id, sizeof k->id);
    if (start(c, o, k, &err)) {
        struct jv *head = head_of("running", k->id);
        jv_set(head, "pid", jv_from_integer(k->pid));
        c->say(c->ctx, head, NULL, 0);
        k->next = c->first;
        c->first = k;
    } else {
        say_error(c, k->id, &err);
        free_child(k);
    }
    order_finish(o);
}

// --- what they say

// Takes what a stream has; false: it has ended.
static bool
take(struct children *c, struct child *k, int stream)
{
    uint8_t *bytes = mem_alloc(READ_BYTES); // the stack may be small
    ssize_t n = read(k->streams[stream], bytes, READ_BYTES);
    bool more = n > 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        more = !k->gone; // of a process that has gone, nothing more comes
    } else if (n > 0) {
        struct jv *head = head_of("output", k->id);
        jv_set(head, "stream", jv_from_integer(stream + 1));
        c->say(c->ctx, head, bytes, (size_t)n);
    }
    free(bytes);
    return more;
}

static void
send_results(struct children *c, const struct child *k)
{
    for (int i = 0; i < k->result_count; i++) {
        size_t size = 0;
        char *data = file_exists(k->results[i]) ? file_read(k->results[i],
                                                            LIMIT_ORDER_RESULT_BYTES, &size, NULL)
                                                : NULL;
        struct jv *head = head_of("file", k->id);
        jv_set(head, "index", jv_from_integer(i));
        if (data)
            c->say(c->ctx, head, data, size);
        else
            jv_free(head);
        free(data);
    }
}

static void
finish(struct children *c, const struct child *k)
{
    if (k->detached) {
        record_end(k->id, k->command, k->status);
        c->say(c->ctx, wire_head("changed"), NULL, 0);
        return;
    }
    if (WIFEXITED(k->status) && WEXITSTATUS(k->status) == 0)
        send_results(c, k);
    struct jv *head = head_of("ended", k->id);
    record_put_end(head, k->command, k->status);
    c->say(c->ctx, head, NULL, 0);
    record_remove(k->id);
}

// --- following

static bool
turn_follower(struct children *c, struct follower *f)
{
    struct err err = {0};
    struct jv *record = record_read(f->id, &err);
    bool running = record && strcmp(record_state(record), "running") == 0;
    char *file = record ? record_file(f->id, "output") : NULL;
    uint8_t *bytes = mem_alloc(PIECE_MAX);
    int fd = file ? file_open(file, O_RDONLY, NULL) : -1;
    ssize_t n = fd >= 0 ? pread(fd, bytes, PIECE_MAX, f->at) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0) {
        struct jv *head = head_of("output", f->id);
        jv_set(head, "stream", jv_from_integer(1));
        c->say(c->ctx, head, bytes, (size_t)n);
        f->at += n;
    } else if (!record) {
        say_error(c, f->id, &err);
    } else if (!running) {
        struct jv *head = head_of("ended", f->id);
        if (jv_get(record, "code"))
            jv_set(head, "code", jv_copy(jv_get(record, "code")));
        else if (jv_get(record, "text")) // what it said itself has been shown
            jv_set(head, "text", jv_copy(jv_get(record, "text")));
        if (strcmp(record_state(record), "lost") == 0) {
            jv_set(head, "code", jv_from_integer(1));
            jv_set(head, "text", jv_from_string("it ended when its machine or its worker did"));
        }
        c->say(c->ctx, head, NULL, 0);
    }
    bool goes_on = n > 0 || running;
    free(bytes);
    free(file);
    jv_free(record);
    return goes_on;
}

static void
turn_followers(struct children *c)
{
    for (struct follower **at = &c->followers; *at;) {
        struct follower *f = *at;
        if (turn_follower(c, f)) {
            at = &f->next;
        } else {
            *at = f->next;
            free(f);
        }
    }
}

void
children_follow(struct children *c, const char *id, int64_t from)
{
    if (!job_is_id(id))
        return;
    struct follower *f = mem_zalloc(sizeof *f);
    snprintf(f->id, sizeof f->id, "%s", id);
    f->at = MAX(from, 0);
    f->next = c->followers;
    c->followers = f;
    turn_followers(c);
}

// --- requests

void
children_interrupt(struct children *c, const char *id)
{
    for (struct child *k = c->first; k; k = k->next)
        if (strcmp(k->id, id) == 0 && !k->gone) {
            k->interrupted = true;
            kill(k->pid, SIGINT);
            kill(k->pid, SIGCONT); // should it be paused
            return;
        }
    struct jv *record = record_read(id, NULL);
    pid_t pid = record ? record_process(record) : 0;
    if (pid)
        kill(pid, SIGINT);
    jv_free(record);
}

void
children_pause(struct children *c, const char *id, bool pause)
{
    for (struct child *k = c->first; k; k = k->next)
        if (strcmp(k->id, id) == 0 && !k->gone && !k->detached)
            kill(k->pid, pause ? SIGSTOP : SIGCONT);
}

void
children_again(struct children *c, const char *id)
{
    struct err err = {0};
    struct order o = {0};
    struct jv *record = record_read(id, &err);
    if (record && order_again(&o, record, id, &err))
        children_start(c, &o);
    else
        say_error(c, id, &err);
    order_finish(&o);
    jv_free(record);
}

void
children_remove(struct children *c, const char *id)
{
    struct jv *record = record_read(id, NULL);
    if (record && strcmp(record_state(record), "running") != 0)
        record_remove(id);
    jv_free(record);
    c->say(c->ctx, wire_head("changed"), NULL, 0);
}

static bool
is_sheet(const char *name)
{
    return fnmatch("sheet*.png", name, 0) == 0 && !strchr(name, '/');
}

static int
only_sheets(const struct dirent *e)
{
    return is_sheet(e->d_name);
}

// The file of a job's folder that may be looked at from elsewhere: its log, its sheets.
static char *
readable(const char *folder, const char *name)
{
    bool may = folder && (strcmp(name, "log.jsonl") == 0 || is_sheet(name));
    return may ? file_join(folder, name) : NULL;
}

static struct jv *
sheets_of(const char *folder)
{
    struct jv *names = jv_array();
    struct dirent **entries = NULL;
    int n = folder ? scandir(folder, &entries, only_sheets, versionsort) : 0;
    for (int i = 0; i < n; i++) {
        jv_append(names, jv_from_string(entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    return names;
}

void
children_read(struct children *c, const struct jv *request)
{
    const char *id = jv_string(jv_get(request, "id"), "");
    const char *name = jv_string(jv_get(request, "name"), "");
    int64_t from = MAX(jv_integer(jv_get(request, "from"), 0), 0);
    struct jv *record = record_read(id, NULL), *head = head_of("piece", id);
    char *folder = record ? record_output(record) : NULL, *file = readable(folder, name);
    int fd = file ? file_open(file, O_RDONLY, NULL) : -1;
    struct stat s = {0};
    uint8_t *bytes = mem_alloc(PIECE_MAX);
    ssize_t n = 0;
    if (fd >= 0 && fstat(fd, &s) == 0)
        n = pread(fd, bytes, PIECE_MAX, from);
    jv_set(head, "name", jv_from_string(name));
    jv_set(head, "from", jv_from_integer(from));
    jv_set(head, "size", jv_from_integer((int64_t)s.st_size));
    jv_set(head, "sheets", sheets_of(folder));
    c->say(c->ctx, head, bytes, (size_t)MAX(n, 0));
    if (fd >= 0)
        close(fd);
    free(bytes);
    free(file);
    free(folder);
    jv_free(record);
}

// --- the loop

int
children_unfinished(const struct children *c)
{
    int n = 0;
    for (const struct child *k = c->first; k; k = k->next)
        n++;
    return n;
}

void
children_hangup(struct children *c)
{
    forget_followers(c);
    for (struct child *k = c->first; k; k = k->next)
        if (!k->detached && !k->gone && !k->interrupted) {
            k->interrupted = true;
            kill(k->pid, SIGINT);
            kill(k->pid, SIGCONT);
        }
}

int
children_fds(const struct children *c, struct pollfd *fds, bool hold)
{
    int count = 0;
    for (const struct child *k = c->first; k && !hold; k = k->next)
        for (int i = 0; i < 2; i++)
            if (k->streams[i] >= 0 && count < CHILDREN_FDS)
                fds[count++] = (struct pollfd){.fd = k->streams[i], .events = POLLIN};
    return count;
}

int
children_wait(const struct children *c)
{
    return c->followers ? FOLLOW_MS : -1;
}

void
children_turn(struct children *c, bool hold)
{
    for (struct child **at = &c->first; *at;) {
        struct child *k = *at;
        if (!k->gone && waitpid(k->pid, &k->status, WNOHANG) == k->pid)
            k->gone = true;
        for (int i = 0; i < 2 && !hold; i++)
            if (k->streams[i] >= 0 && !take(c, k, i)) {
                close(k->streams[i]);
                k->streams[i] = -1;
            }
        if (k->gone && k->streams[0] < 0 && k->streams[1] < 0) {
            *at = k->next;
            finish(c, k);
            free_child(k);
        } else {
            at = &k->next;
        }
    }
    if (!hold)
        turn_followers(c);
}
