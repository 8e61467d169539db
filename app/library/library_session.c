// SPDX-License-Identifier: MIT
// What a session keeps, and finding pictures that the library does not know.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/library/library_parts.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"

bool
library_put_value(struct library *l, const char *key, const char *text, struct err *err)
{
    return library_run(l, library_prepare(l, err, "INSERT INTO session(key, text) VALUES(?1, ?2)"
                                  " ON CONFLICT(key) DO UPDATE SET text=?2", "tt", key, text), err);
}

char *
library_get_value(struct library *l, const char *key, struct err *err)
{
    sqlite3_stmt *s = library_prepare(l, err, "SELECT text FROM session WHERE key=?1", "t", key);
    char *text = s && sqlite3_step(s) == SQLITE_ROW ? library_column_text(s, 0) : NULL;
    sqlite3_finalize(s);
    return text;
}

#define SESSION "session" // in job_input: the instruction that is being written

static bool
replace_inputs(struct library *l, const struct job *job, struct err *err)
{
    bool ok = library_run(
        l, library_prepare(l, err, "DELETE FROM job_input WHERE job=?1", "t", SESSION), err);
    for (int i = 0; ok && i < job->reference_count; i++)
        if (job->references[i].hash[0])
            ok = library_add_input(l, SESSION, &job->references[i], err);
    return ok && library_run(l, library_prepare(l, err, "DELETE FROM input WHERE hash NOT IN"
                                        " (SELECT hash FROM job_input)", ""), err);
}

bool
library_save_instruction(struct library *l, const struct job *job, struct err *err)
{
    struct jv *json = job_json(job, true);
    char *text = jv_text(json, 0);
    bool ok = library_execute(l, "BEGIN IMMEDIATE", err);
    if (ok) {
        ok = library_put_value(l, "compose", text, err) && replace_inputs(l, job, err);
        ok = library_end(l, ok, err);
    }
    free(text);
    jv_free(json);
    return ok;
}

bool
library_load_instruction(struct library *l, struct job *out)
{
    *out = JOB_EMPTY;
    char *text = library_get_value(l, "compose", NULL);
    struct jv *json = text ? jv_parse(text, strlen(text), "the last session", NULL) : NULL;
    bool ok = json && job_parse(out, json, "the last session", NULL);
    for (int i = 0; ok && i < out->reference_count; i++)
        library_restore_input(l, &out->references[i]);
    jv_free(json);
    free(text);
    return ok;
}

// A picture that limn did not make is skipped; one that cannot be read is counted.
static bool
scan_picture(struct library *l, const char *path, struct library_scanned *found, struct err *err)
{
    struct library_picture p;
    struct err unread = {0};
    bool read = library_picture_read(path, NULL, &p, &unread);
    bool ok = !read || library_picture_add(l, &p, err) >= 0;
    library_picture_finish(&p);
    found->pictures += read && ok;
    if (!read && unread.code != ERR_UNSUPPORTED && found->unread++ == 0)
        found->first = unread;
    return ok;
}

static bool
scan(struct library *l, const char *folder, int depth, struct library_scanned *found,
     struct err *err)
{
    bool ok = true;
    DIR *d = depth > 0 ? opendir(folder) : NULL;
    if (depth > 0 && !d && found->unread++ == 0)
        err_errno(&found->first, ERR_INPUT, "%s", folder);
    for (struct dirent *e; ok && d && (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        char *path = file_join(folder, e->d_name);
        const char *dot = strrchr(e->d_name, '.');
        struct stat s;
        if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
            ok = scan(l, path, depth - 1, found, err);
        else if (dot && strcmp(dot, ".png") == 0)
            ok = scan_picture(l, path, found, err);
        free(path);
    }
    if (d)
        closedir(d);
    return ok;
}

bool
library_scan(struct library *l, const char *folder, struct library_scanned *found, struct err *err)
{
    struct stat s;
    *found = (struct library_scanned){0};
    if (stat(folder, &s) != 0)
        return err_errno(err, ERR_INPUT, "%s", folder);
    if (!S_ISDIR(s.st_mode))
        return err_set(err, ERR_INPUT, "%s is not a folder", folder);
    return scan(l, folder, LIMIT_LIBRARY_DEPTH, found, err);
}
