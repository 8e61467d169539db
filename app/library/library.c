// SPDX-License-Identifier: MIT
#include "app/library/library.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/base/process.h"
#include "app/library/library_parts.h"
#include "engine/base/mem.h"

// --- jobs

bool
library_add_input(struct library *l, const char *job, const struct job_reference *r,
                  struct err *err)
{
    if (!r->data)
        return true;
    sqlite3_stmt *s = library_prepare(
        l, err, "INSERT OR IGNORE INTO input(hash, data) VALUES(?1, ?2)", "t", r->hash);
    if (s && sqlite3_bind_blob64(s, 2, r->data, r->size, SQLITE_STATIC) != SQLITE_OK) {
        sqlite3_finalize(s);
        return library_fail(l, err);
    }
    return library_run(l, s, err) &&
           library_run(l,
                       library_prepare(l, err,
                                       "INSERT OR IGNORE INTO job_input(job, hash) VALUES(?1, ?2)",
                                       "tt", job, r->hash),
                       err);
}

bool
library_job_add(struct library *l, const struct job *job, const char *host, const struct jv *sweep,
                struct err *err)
{
    char owner[PROCESS_NAME_MAX];
    struct jv *json = job_json(job, true);
    if (sweep)
        jv_set(json, "sweep", jv_copy(sweep));
    char *request = jv_text(json, 0);
    // A job without an owner would be taken over by the next limn.
    bool ok = process_name(getpid(), owner) || err_errno(err, ERR_IO, "/proc/self");
    ok = ok && library_execute(l, "BEGIN IMMEDIATE", err);
    if (ok) {
        ok = library_run(l, library_prepare(l, err,
                            "INSERT INTO job(id, created, request, owner, host)"
                            " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id)"
                            " DO UPDATE SET request=?3, owner=?4, host=?5, state=0, error=NULL",
                            "tittt", job->id, (int64_t)time(NULL), request, owner,
                            host ? host : ""), err);
        for (int i = 0; ok && i < job->reference_count; i++)
            ok = library_add_input(l, job->id, &job->references[i], err);
        ok = library_end(l, ok, err);
    }
    free(request);
    jv_free(json);
    return ok;
}

bool
library_job_own(struct library *l, const char *job, struct err *err)
{
    char owner[PROCESS_NAME_MAX];
    if (!process_name(getpid(), owner))
        return err_errno(err, ERR_IO, "/proc/self");
    return library_run(
        l, library_prepare(l, err, "UPDATE job SET owner=?2 WHERE id=?1", "tt", job, owner), err);
}

bool
library_job_claim(struct library *l, const char *job, const char *owner)
{
    char own[PROCESS_NAME_MAX];
    return process_name(getpid(), own) &&
           library_run(l, library_prepare(l, NULL,
                                          "UPDATE job SET owner=?2 WHERE id=?1 AND state=0"
                                          " AND owner=?3", "ttt", job, own, owner), NULL) &&
           sqlite3_changes(l->db) == 1;
}

bool
library_job_state(struct library *l, const char *job, enum library_state state, const char *error,
                  struct err *err)
{
    return library_run(l,
                       library_prepare(l, err, "UPDATE job SET state=?2, error=?3 WHERE id=?1",
                                       "tit", job, (int64_t)state, error),
                       err);
}

bool
library_job_each(struct library *l, const char *sweep,
                 void (*each)(const struct library_job *job, void *ctx), void *ctx, struct err *err)
{
    sqlite3_stmt *s = library_prepare(l, err,
                              "SELECT id, request, host, owner, state FROM job WHERE"
                              " CASE WHEN ?1 IS NULL THEN state=0"
                              " ELSE json_valid(request) AND"
                              " json_extract(request, '$.sweep.id')=?1 END ORDER BY rowid",
                              "t", sweep);
    int code = SQLITE_DONE;
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        char *texts[4];
        for (int i = 0; i < 4; i++)
            texts[i] = library_column_text(s, i);
        struct library_job job = {texts[0], texts[1], texts[2], texts[3],
                                  (enum library_state)sqlite3_column_int(s, 4)};
        each(&job, ctx);
        for (int i = 0; i < 4; i++)
            free(texts[i]);
    }
    bool ok = s && (code == SQLITE_DONE || library_fail(l, err));
    sqlite3_finalize(s);
    return ok;
}

void
library_restore_input(struct library *l, struct job_reference *r)
{
    sqlite3_stmt *s =
        library_prepare(l, NULL, "SELECT data FROM input WHERE hash=?1", "t", r->hash);
    if (s && *r->hash && sqlite3_step(s) == SQLITE_ROW) {
        char hash[JOB_HASH_TEXT];
        int size = sqlite3_column_bytes(s, 0);
        const void *data = sqlite3_column_blob(s, 0);
        r->data = data || !size ? mem_try_calloc((size_t)size, 1, "a reference", NULL) : NULL;
        r->size = r->data ? (size_t)size : 0;
        if (r->size)
            memcpy(r->data, data, r->size);
        job_hash(r->data ? (const void *)r->data : "", r->size, hash);
        if (strcmp(hash, r->hash) != 0) { // damaged: the file may still be there
            free(r->data);
            r->data = NULL;
            r->hash[0] = 0;
        }
    }
    sqlite3_finalize(s);
}

bool
library_job_known(struct library *l, const char *job, const char *host)
{
    sqlite3_stmt *s = library_prepare(l, NULL, "SELECT 1 FROM job WHERE id=?1 AND host=?2", "tt",
                                      job, host ? host : "");
    bool known = s && sqlite3_step(s) == SQLITE_ROW;
    sqlite3_finalize(s);
    return known;
}

bool
library_job_restore(struct library *l, const char *id, struct job *out, struct jv **sweep,
                    struct err *err)
{
    *out = JOB_EMPTY;
    if (sweep)
        *sweep = NULL;
    sqlite3_stmt *s = library_prepare(l, err, "SELECT request FROM job WHERE id=?1", "t", id);
    if (!s)
        return false;
    char *request = sqlite3_step(s) == SQLITE_ROW ? library_column_text(s, 0) : NULL;
    sqlite3_finalize(s);
    if (!request)
        return err_set(err, ERR_INPUT, "the library has no job %.40s", id);
    struct jv *json = jv_parse(request, strlen(request), "a job in the library", err);
    bool ok = json && job_parse(out, json, "a job in the library", err);
    for (int i = 0; ok && i < out->reference_count; i++)
        library_restore_input(l, &out->references[i]);
    if (ok && sweep && jv_is_object(jv_get(json, "sweep")))
        *sweep = jv_copy(jv_get(json, "sweep"));
    jv_free(json);
    free(request);
    return ok;
}
