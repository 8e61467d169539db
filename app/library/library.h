// SPDX-License-Identifier: MIT
// The library: finished and unfinished jobs, pictures, ratings, tags and the half-written
// instruction, in SQLite (WAL) at $XDG_DATA_HOME/limn/library.db. Pictures are files beside it, and
// each holds its own instruction, so the library can always be rebuilt from them. docs/library.md
// has the tables.
//
// Several processes may have it open. Every call is one transaction: after a crash it has either
// happened or not. Errors are ERR_IO; the program continues without a library. One thread at a
// time; other threads use library_reopen().
#ifndef LIMN_APP_LIBRARY_LIBRARY_H
#define LIMN_APP_LIBRARY_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/job/job.h"
#include "engine/base/err.h"

struct library;

enum {
    LIBRARY_BUSY_MS = 3000, // how long to wait for another process's lock
    LIBRARY_RATING_MAX = 5,
};

// `path`: NULL for the usual place. A file that SQLite calls damaged (SQLITE_CORRUPT,
// SQLITE_NOTADB, or what quick_check finds) is moved aside to PATH.damaged-DATE, never over another
// file, and a new one is filled from the pictures; *notice (may be NULL; freed with free()) says
// so, even if that fails. Anything else (a full or unreadable disk, no descriptors, no memory, a
// file of a later version) is an error, and the file stays as it is.
struct library *library_open(const char *path, char **notice, struct err *err);
// Opens the same library for another thread, without looking for damage. NULL on failure.
struct library *library_reopen(const struct library *l, struct err *err);
void library_close(struct library *l); // NULL is fine
char *library_folder(struct err *err); // for new pictures, created if needed; freed with free()

// --- jobs: stored whole, pictures by content, from the request until they are done
enum library_state { LIBRARY_QUEUED = 0, LIBRARY_DONE, LIBRARY_FAILED, LIBRARY_CANCELLED };
struct library_job {
    const char *id, *request; // job_json(full), and "sweep" for one of a sweep
    const char *host;         // where it is drawn; "": this machine
    const char *owner;        // process_name() of the limn that waits for it
    enum library_state state;
};
// `sweep`: the sweep it belongs to, as its request describes it; NULL: none. `host`: NULL for here.
// The calling process is its owner.
bool library_job_add(struct library *l, const struct job *job, const char *host,
                     const struct jv *sweep, struct err *err);
// The calling process becomes its owner.
bool library_job_own(struct library *l, const char *job, struct err *err);
// The same, but false if another process has meanwhile taken it from `owner` or ended it.
bool library_job_claim(struct library *l, const char *job, const char *owner);
bool library_job_state(struct library *l, const char *job, enum library_state state,
                       const char *error, struct err *err);
// Whether that job was sent to that host (NULL: this machine).
bool library_job_known(struct library *l, const char *job, const char *host);
// Calls `each` for every job that has neither finished nor failed, in the order requested; with
// `sweep` (its "id"), for all jobs of that sweep.
bool library_job_each(struct library *l, const char *sweep,
                      void (*each)(const struct library_job *job, void *ctx), void *ctx,
                      struct err *err);
// A job as it was requested, with its pictures if they are still kept; *sweep (may be NULL) is set
// as in library_job_add().
bool library_job_restore(struct library *l, const char *id, struct job *out, struct jv **sweep,
                         struct err *err);

// --- pictures
struct library_picture {
    int64_t id;
    char *job, *file, *instruction, *words,
        *tags;             // tags: "a b c", never NULL; words: of references
    char *model, *template; // names; "": not known
    int64_t seed, created; // seconds since 1970; only for people, order goes by id
    int index, rating;     // 0: not rated, 1..5
    bool deleted;
};

// A file that the library has already is updated. Returns the id; -1 on failure.
int64_t library_picture_add(struct library *l, const struct library_picture *p, struct err *err);
// Reads what a PNG stores about itself, for library_picture_add(); `job` may be NULL.
// ERR_UNSUPPORTED if limn did not make it, another code if it cannot be read. Any thread.
bool library_picture_read(const char *file, const char *job, struct library_picture *out,
                          struct err *err);
void library_picture_finish(struct library_picture *p); // zeroed is fine
// library_picture_read(), then library_picture_add(). Returns the id; -1 on failure.
int64_t library_picture_import(struct library *l, const char *file, const char *job,
                               struct err *err);

enum library_sort {
    LIBRARY_NEWEST = 0,
    LIBRARY_OLDEST,
    LIBRARY_RATING,
    LIBRARY_SEED,
    LIBRARY_SORT_COUNT
};
struct library_filter {
    const char *search; // words, all of which must occur; any text is safe; NULL or "": all.
                        // `#word` is a tag, `*3` three stars and more, `seed:7` a seed,
                        // `since:DATE`, `until:DATE` and `on:DATE` (2026, 2026-11, 2026-11-30)
                        // when it was drawn, `model:NAME` and `template:NAME` a part of the
                        // name of what drew it, and of what it was made from
    const char *tag;    // NULL: any
    const char *job;    // NULL: any
    int64_t id;         // only this one; 0: any
    int rating;         // at least
    enum library_sort sort;
    int limit, offset;  // limit 0: 1000
};
struct library_list {
    struct library_picture *items;
    int count;
};
bool library_query(struct library *l, const struct library_filter *filter,
                   struct library_list *list, struct err *err);
void library_list_free(struct library_list *list);

bool library_rate(struct library *l, int64_t id, int rating, struct err *err);
// Tags are words without spaces. False with ERR_INPUT otherwise.
bool library_tag(struct library *l, int64_t id, const char *tag, bool on, struct err *err);
// Hides or shows it again; the file stays until library_purge().
bool library_delete(struct library *l, int64_t id, bool deleted, struct err *err);
int library_purge(struct library *l, struct err *err); // removes hidden pictures' files; -1: failed

// --- the session: named texts, written often

// The instruction being written, with the pictures it has read, by content: pictures that came out
// of another one have no file to be read from again.
bool library_save_instruction(struct library *l, const struct job *job, struct err *err);
// False if there is none or it is damaged. A reference whose picture was not kept has no data.
bool library_load_instruction(struct library *l, struct job *out);
bool library_put_value(struct library *l, const char *key, const char *text, struct err *err);
char *library_get_value(struct library *l, const char *key,
                        struct err *err); // NULL: none; freed with free()

// Adds every picture made by limn below a folder. False if the library cannot take more; pictures
// already added stay.
struct library_scanned {
    int pictures, unread; // files and folders that could not be read
    struct err first;     // why the first of them could not
};
bool library_scan(struct library *l, const char *folder, struct library_scanned *found,
                  struct err *err);

#endif
