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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/worker/children_parts.h"
#include "app/worker/records.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

struct children *
children_open(children_send *send, void *ctx)
{
    struct children *c = mem_zalloc(sizeof *c);
    c->send = send;
    c->ctx = ctx;
    records_sweep();
    spool_sweep();
    return c;
}

void
children_free_child(struct child *k)
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
free_followers(struct children *c)
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
        children_free_child(c->first);
        c->first = next;
    }
    free_followers(c);
    free(c);
}

struct jv *
children_head(const char *type, const char *id)
{
    struct jv *head = wire_head(type);
    jv_set(head, "id", jv_from_string(id));
    return head;
}

void
children_refuse(struct children *c, const char *id, const struct err *err)
{
    struct jv *head = children_head("ended", id);
    jv_set(head, "code", jv_from_integer(err_exit_code(err)));
    jv_set(head, "text", jv_from_string(err->text));
    c->send(c->ctx, head, NULL, 0);
}

// --- output

// Reads what a stream has; false: it has ended.
static bool
read_stream(struct children *c, struct child *k, int stream)
{
    uint8_t *bytes = mem_alloc(READ_BYTES); // the stack may be small
    ssize_t n = read(k->streams[stream], bytes, READ_BYTES);
    bool more = n > 0;
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        more = !k->gone; // of a process that has gone, nothing more comes
    } else if (n > 0) {
        struct jv *head = children_head("output", k->id);
        jv_set(head, "stream", jv_from_integer(stream + 1));
        c->send(c->ctx, head, bytes, (size_t)n);
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
        struct jv *head = children_head("file", k->id);
        jv_set(head, "index", jv_from_integer(i));
        if (data)
            c->send(c->ctx, head, data, size);
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
        c->send(c->ctx, wire_head("changed"), NULL, 0);
        return;
    }
    if (WIFEXITED(k->status) && WEXITSTATUS(k->status) == 0)
        send_results(c, k);
    struct jv *head = children_head("ended", k->id);
    record_set_end(head, k->command, k->status);
    c->send(c->ctx, head, NULL, 0);
    record_remove(k->id);
}

// --- following

static bool
advance_follower(struct children *c, struct follower *f)
{
    struct err err = {0};
    struct jv *record = record_read(f->id, &err);
    bool running = record && strcmp(record_state(record), "running") == 0;
    char *file = record ? record_file(f->id, "output") : NULL;
    uint8_t *bytes = mem_alloc(PIECE_MAX);
    int fd = file ? file_open(file, O_RDONLY | O_NOFOLLOW, NULL) : -1;
    ssize_t n = fd >= 0 ? pread(fd, bytes, PIECE_MAX, f->at) : 0;
    if (fd >= 0)
        close(fd);
    if (n > 0) {
        struct jv *head = children_head("output", f->id);
        jv_set(head, "stream", jv_from_integer(1));
        c->send(c->ctx, head, bytes, (size_t)n);
        f->at += n;
    } else if (!record) {
        children_refuse(c, f->id, &err);
    } else if (!running) {
        struct jv *head = children_head("ended", f->id);
        if (jv_get(record, "code"))
            jv_set(head, "code", jv_copy(jv_get(record, "code")));
        else if (jv_get(record, "text")) // its own output has been shown
            jv_set(head, "text", jv_copy(jv_get(record, "text")));
        if (strcmp(record_state(record), "lost") == 0) {
            jv_set(head, "code", jv_from_integer(1));
            jv_set(head, "text", jv_from_string("it ended when its machine or its worker did"));
        }
        c->send(c->ctx, head, NULL, 0);
    }
    bool more = n > 0 || running;
    free(bytes);
    free(file);
    jv_free(record);
    return more;
}

static void
advance_followers(struct children *c)
{
    for (struct follower **at = &c->followers; *at;) {
        struct follower *f = *at;
        if (advance_follower(c, f)) {
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
    advance_followers(c);
}

// --- requests

void
children_interrupt(struct children *c, const char *id)
{
    for (struct child *k = c->first; k; k = k->next)
        if (strcmp(k->id, id) == 0 && !k->gone) {
            k->interrupted = true;
            kill(k->pid, SIGINT);
            kill(k->pid, SIGCONT); // in case it is paused
            return;
        }
    struct jv *record = record_read(id, NULL);
    pid_t pid = record ? record_pid(record) : 0;
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
children_resume(struct children *c, const char *id)
{
    struct err err = {0};
    struct order o = {0};
    struct jv *record = record_read(id, &err);
    if (record && order_resume(&o, record, id, &err))
        children_start(c, &o);
    else
        children_refuse(c, id, &err);
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
    c->send(c->ctx, wire_head("changed"), NULL, 0);
}

static bool
is_sheet(const char *name)
{
    return fnmatch("sheet*.png", name, 0) == 0 && !strchr(name, '/');
}

static int
filter_sheets(const struct dirent *e)
{
    return is_sheet(e->d_name);
}

// A file in a job's folder that a client may read: its log or a sheet; NULL: another.
static char *
readable(const char *folder, const char *name)
{
    bool allowed = folder && (strcmp(name, "log.jsonl") == 0 || is_sheet(name));
    return allowed ? file_join(folder, name) : NULL;
}

static struct jv *
sheets_of(const char *folder)
{
    struct jv *names = jv_array();
    struct dirent **entries = NULL;
    int n = folder ? scandir(folder, &entries, filter_sheets, versionsort) : 0;
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
    struct jv *record = record_read(id, NULL), *head = children_head("piece", id);
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
    c->send(c->ctx, head, bytes, (size_t)MAX(n, 0));
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
    free_followers(c);
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
            if (k->streams[i] >= 0 && !read_stream(c, k, i)) {
                close(k->streams[i]);
                k->streams[i] = -1;
            }
        if (k->gone && k->streams[0] < 0 && k->streams[1] < 0) {
            *at = k->next;
            finish(c, k);
            children_free_child(k);
        } else {
            at = &k->next;
        }
    }
    if (!hold)
        advance_followers(c);
}
