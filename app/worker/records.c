// SPDX-License-Identifier: MIT
#include "app/worker/records.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/job/job.h"
#include "app/base/process.h"
#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

static char *
records_folder(void)
{
    return xdg_path(XDG_STATE, "jobs");
}

static char *
record_folder(const char *id)
{
    char *all = records_folder(), *folder = file_join(all, id);
    free(all);
    return folder;
}

char *
record_file(const char *id, const char *name)
{
    char *folder = record_folder(id), *file = file_join(folder, name);
    free(folder);
    return file;
}

bool
record_make(const char *id, struct err *err)
{
    char *all = xdg_make(XDG_STATE, "jobs", err), *folder = record_folder(id);
    bool ok = all && file_make_private(folder, err);
    free(folder);
    free(all);
    return ok;
}

// limn would run the command of a record: what another user could have written, or put in its
// place, is not one.
static const char *
ownership_fault(const char *path, bool folder, bool linked)
{
    struct stat st;
    if ((linked ? stat : lstat)(path, &st) != 0)
        return "it cannot be examined";
    if (folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
        return folder ? "it is not a folder" : "its record is not a regular file";
    if (st.st_uid != geteuid())
        return "it belongs to another user";
    if ((st.st_mode & 002) || ((st.st_mode & 020) && st.st_gid != getegid()))
        return "others can write to it";
    return NULL;
}

static bool
is_ours(const char *id, const char *file)
{
    static char warned[JOB_ID_TEXT]; // one warning per record, not one per look
    char *folder = record_folder(id), *all = records_folder(), *own = xdg_path(XDG_STATE, "");
    const char *why = ownership_fault(own, true, true), *at = own; // it may be a link of the user's
    if (!why)
        why = ownership_fault(at = all, true, true);
    if (!why)
        why = ownership_fault(at = folder, true, false);
    if (!why)
        why = ownership_fault(file, false, false);
    if (why && strcmp(warned, id) != 0) {
        log_line(LOG_WARN, "jobs", "%s is ignored: %s", at, why);
        snprintf(warned, sizeof warned, "%s", id);
    }
    free(folder);
    free(all);
    free(own);
    return !why;
}

bool
record_write(const char *id, const struct jv *record, struct err *err)
{
    char *file = record_file(id, "record.json"), *text = jv_text(record, 1);
    bool ok = record_make(id, err) && file_write_private(file, text, strlen(text), err);
    free(text);
    free(file);
    return ok;
}

struct jv *
record_read(const char *id, struct err *err)
{
    char *file = job_is_id(id) ? record_file(id, "record.json") : NULL;
    bool there = file && file_exists(file) && is_ours(id, file);
    struct jv *record = there ? jv_read(file, err) : NULL;
    if (!there)
        err_set(err, ERR_INPUT, "there is no job '%.40s' (see: limn jobs)", id);
    free(file);
    return record;
}

void
record_remove(const char *id)
{
    char *folder = record_folder(id);
    DIR *d = opendir(folder);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char *file = file_join(folder, e->d_name);
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlink(file);
        free(file);
    }
    if (d)
        closedir(d);
    rmdir(folder);
    free(folder);
}

bool
record_make_temporary(const char *id, struct err *err)
{
    char *file = record_file(id, "worker"), name[PROCESS_NAME_MAX];
    bool ok = process_name(getpid(), name) || err_errno(err, ERR_IO, "/proc/self");
    ok = ok && record_make(id, err) && file_write_private(file, name, strlen(name), err);
    free(file);
    return ok;
}

void
records_sweep(void)
{
    char *all = records_folder();
    DIR *d = opendir(all);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        size_t size = 0;
        char *file = job_is_id(e->d_name) ? record_file(e->d_name, "worker") : NULL;
        bool temporary = file && file_exists(file) && is_ours(e->d_name, file);
        char *name = temporary ? file_read(file, PROCESS_NAME_MAX, &size, NULL) : NULL;
        char *text = name ? mem_strndup(name, size) : NULL;
        if (text && process_state(text, NULL) == PROCESS_GONE)
            record_remove(e->d_name);
        free(text);
        free(name);
        free(file);
    }
    if (d)
        closedir(d);
    free(all);
}

pid_t
record_pid(const struct jv *record)
{
    pid_t pid = 0;
    const char *name = jv_string(jv_get(record, "process"), "");
    bool ended = jv_get(record, "code") || jv_get(record, "signal");
    return !ended && process_state(name, &pid) == PROCESS_ALIVE ? pid : 0;
}

const char *
record_state(const struct jv *record)
{
    int64_t code = jv_integer(jv_get(record, "code"), -1);
    if (code >= 0)
        return code == 0 ? "done" : code == 130 ? "stopped" : "failed";
    if (jv_get(record, "signal"))
        return "failed";
    bool alive = process_state(jv_string(jv_get(record, "process"), ""), NULL) != PROCESS_GONE;
    return alive ? "running" : "lost";
}

// Records the last line of its output, which says why it failed.
static void
set_last_line(struct jv *record, const char *id)
{
    char *file = record_file(id, "output"), text[1024];
    int fd = file_open(file, O_RDONLY | O_NOFOLLOW, NULL);
    off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = MAX(end - (off_t)sizeof text + 1, 0);
    ssize_t n = fd >= 0 ? pread(fd, text, sizeof text - 1, from) : 0;
    if (fd >= 0)
        close(fd);
    n = MAX(n, 0);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = 0;
    const char *line = strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text;
    if (*line)
        jv_set(record, "text", jv_from_string(strncmp(line, "limn: ", 6) == 0 ? line + 6 : line));
    free(file);
}

void
record_set_end(struct jv *out, const char *command, int status)
{
    if (WIFSIGNALED(status)) {
        char end[PROCESS_END_TEXT];
        process_end_text(WTERMSIG(status), true, end);
        char *text = mem_printf("limn %s was ended by %s", command, end);
        jv_set(out, "signal", jv_from_integer(WTERMSIG(status)));
        jv_set(out, "text", jv_from_string(text));
        free(text);
    } else {
        jv_set(out, "code", jv_from_integer(WEXITSTATUS(status)));
    }
}

void
record_end(const char *id, const char *command, int status)
{
    struct jv *record = record_read(id, NULL);
    if (record && !jv_get(record, "code") && !jv_get(record, "signal")) {
        record_set_end(record, command, status);
        if (strcmp(record_state(record), "failed") == 0 && !jv_get(record, "text"))
            set_last_line(record, id);
        jv_set(record, "ended", jv_from_integer((int64_t)time(NULL)));
        record_write(id, record, NULL);
    }
    jv_free(record);
}

char *
record_output(const struct jv *record)
{
    const char *output = jv_string(jv_get(jv_get(record, "about"), "output"), NULL);
    if (!output || output[0] == '/')
        return output ? mem_strdup(output) : NULL;
    return file_join(jv_string(jv_get(record, "folder"), "."), output);
}

static int
newest_first(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*b)->d_name, (*a)->d_name); // ids begin with the date
}

struct jv *
records_list(void)
{
    struct jv *list = jv_array();
    struct dirent **entries = NULL;
    char *all = records_folder();
    int n = scandir(all, &entries, NULL, newest_first), ended = 0;
    for (int i = 0; i < n; i++) {
        const char *id = entries[i]->d_name;
        struct jv *record = job_is_id(id) ? record_read(id, NULL) : NULL;
        bool running = record && strcmp(record_state(record), "running") == 0;
        if (record && !running && ++ended > RECORDS_KEPT) {
            record_remove(id);
        } else if (record) {
            jv_set(record, "id", jv_from_string(id));
            jv_set(record, "state", jv_from_string(record_state(record)));
            jv_append(list, jv_copy(record));
        }
        jv_free(record);
        free(entries[i]);
    }
    free(entries);
    free(all);
    return list;
}
