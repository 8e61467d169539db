// SPDX-License-Identifier: MIT
// Starts a command: its words, its streams, its record.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/base/process.h"
#include "app/worker/children_parts.h"
#include "app/worker/records.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

// The words of the command line, files written to the command's folder; NULL with err set.
static char **
build_argv(const struct order *o, struct child *k, struct err *err)
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

// In the child: becomes another program, or exits.
static void
exec_command(const struct order *o, char **argv, const int *streams)
{
    static const char exe[] = "/proc/self/exe";
    int null_fd = open("/dev/null", O_RDONLY);
    dup2(null_fd, STDIN_FILENO);
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
        int fd = file_open_private(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, err);
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

// Writes what others need to find it, before its client hears that it runs.
static bool
write_record(const struct order *o, pid_t pid, struct err *err)
{
    char process[PROCESS_NAME_MAX], here[4096];
    if (!process_name(pid, process)) // it would count as one that has ended
        return err_errno(err, ERR_IO, "/proc/%d", (int)pid);
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
    char *folder = record_output(own), *real = folder ? realpath(folder, NULL) : NULL;
    bool ok = true;
    for (size_t i = 0; ok && real && i < jv_size(all); i++) {
        const struct jv *other = jv_at(all, i);
        char *other_folder = record_pid(other) ? record_output(other) : NULL;
        char *other_real = other_folder ? realpath(other_folder, NULL) : NULL;
        if (other_real && strcmp(other_real, real) == 0)
            ok = err_set(err, ERR_INPUT, "the job %s writes to %s: stop it first, or name another "
                         "folder", jv_string(jv_get(other, "id"), "?"), folder);
        free(other_real);
        free(other_folder);
    }
    free(real);
    free(folder);
    jv_free(all);
    jv_free(own);
    return ok;
}

// Whether it may start: it is not running, and its id and folder are free.
static bool
may_start(const struct children *c, const struct order *o, struct err *err)
{
    struct jv *record = record_read(o->id, NULL);
    bool exists = record && !o->resume, runs = record && record_pid(record);
    jv_free(record);
    for (const struct child *k = c->first; k; k = k->next)
        exists = exists || strcmp(k->id, o->id) == 0;
    if (exists || runs)
        return err_set(err, ERR_INPUT, "there is a job %s already", o->id);
    if (o->detach && !folder_is_free(o, err))
        return false;
    return children_unfinished(c) < CHILDREN_MAX ||
           err_set(err, ERR_INPUT, "%d commands are running, the most allowed",
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

// An interrupt before the child has become another program would go to a handler of this one and be
// lost: so it ends the child from the first moment on.
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
    bool ok =
        o->detach ? record_make(o->id, err) : !has_files(o) || record_make_temporary(o->id, err);
    char **argv = ok ? build_argv(o, k, err) : NULL;
    ok = argv && open_streams(o, k->streams, theirs, err);
    k->pid = ok ? fork_for_command() : -1;
    if (ok && k->pid < 0)
        ok = err_errno(err, ERR_IO, "no process for a command");
    if (k->pid == 0) {
        // When the worker dies, its commands are interrupted, so that they save their work. The
        // signal may come once for each thread that dies, and a second SIGINT would end a command
        // at once: SIGHUP counts only once (cmd_worker.c).
        if (!o->detach)
            prctl(PR_SET_PDEATHSIG, SIGHUP);
        exec_command(o, argv, theirs);
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
    if (!ok && !o->resume)
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
        struct jv *head = children_head("running", k->id);
        jv_set(head, "pid", jv_from_integer(k->pid));
        c->send(c->ctx, head, NULL, 0);
        k->next = c->first;
        c->first = k;
    } else {
        children_refuse(c, k->id, &err);
        children_free_child(k);
    }
    order_finish(o);
}
