// SPDX-License-Identifier: MIT
// The parts of the library: opening and repair (library_open.c), SQL statements (library_sql.c),
// jobs (library.c), pictures (library_pictures.c), the state of a session (library_session.c).
// Private to app/library.
#ifndef LIMN_APP_LIBRARY_LIBRARY_PARTS_H
#define LIMN_APP_LIBRARY_LIBRARY_PARTS_H

#include <sqlite3.h>

#include "app/library/library.h"

struct library {
    sqlite3 *db;
    char *path;
    bool unlockable; // its file system has no locks: SQLite would wait ten seconds at each try
};

// A parsed search (library_search.c).
struct library_search {
    char *match;          // for FTS5: every word quoted, so that none is an operator; NULL: all
    int rating;           // at least
    int64_t since, until; // seconds since 1970, until excluded; 0: any
    int64_t seed;         // -1: any
    char *model, *template; // a part of the name, in any case; NULL: any
};
void library_search_read(const char *search, struct library_search *out);
void library_search_finish(struct library_search *w);

bool library_add_input(struct library *l, const char *job, const struct job_reference *r,
                       struct err *err);
void library_restore_input(struct library *l, struct job_reference *r);
// Puts SQLite's last error into words, or the given result code and text. Returns false.
bool library_fail(struct library *l, struct err *err);
bool library_fail_with(struct library *l, int code, const char *why, struct err *err);
sqlite3_stmt *library_prepare(struct library *l, struct err *err, const char *sql,
                              const char *kinds, ...);
bool library_run(struct library *l, sqlite3_stmt *s, struct err *err);
bool library_execute(struct library *l, const char *sql, struct err *err);
// Commits if ok; otherwise, or if that fails, rolls everything back and returns false.
bool library_end(struct library *l, bool ok, struct err *err);
char *library_column_text(sqlite3_stmt *s, int column);

#endif
