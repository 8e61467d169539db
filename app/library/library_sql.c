// SPDX-License-Identifier: MIT
// SQL statements: prepares them with their values, runs them, and puts their errors into words.
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "app/library/library_parts.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

bool
library_fail(struct library *l, struct err *err)
{
    return library_fail_with(l, sqlite3_errcode(l->db), sqlite3_errmsg(l->db), err);
}

bool
library_fail_with(struct library *l, int code, const char *why, struct err *err)
{
    int number = sqlite3_system_errno(l->db);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return err_set(err, ERR_IO, "%s is locked by another program", l->path);
    l->unlockable = l->unlockable || code == SQLITE_PROTOCOL;
    if (l->unlockable)
        return err_set(err, ERR_IO, "%s cannot be locked: its file system has no locks", l->path);
    if (code == SQLITE_FULL)
        return err_set(err, ERR_IO, "%s: the disk is full", l->path);
    if (code == SQLITE_NOMEM)
        return err_set(err, ERR_MEMORY, "%s: there is not enough memory", l->path);
    // SQLite tries several things before it gives up, and keeps only the last error.
    if (number == ENOENT && file_exists(l->path))
        number = 0;
    if ((code == SQLITE_CANTOPEN || code == SQLITE_IOERR) && number)
        return err_set(err, ERR_IO, "%s: %s (%s)", l->path, why, strerror(number));
    return err_set(err, ERR_IO, "%s: %s", l->path, why);
}

// A prepared statement with its values: 't' text (may be NULL), 'i' int64_t.
sqlite3_stmt *
library_prepare(struct library *l, struct err *err, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *s = NULL;
    if (l->unlockable || sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK) {
        library_fail(l, err);
        return NULL;
    }
    va_list args;
    int code = SQLITE_OK;
    va_start(args, kinds);
    for (int i = 0; kinds[i] && code == SQLITE_OK; i++) {
        if (kinds[i] == 'i')
            code = sqlite3_bind_int64(s, i + 1, va_arg(args, int64_t));
        else
            code = sqlite3_bind_text(s, i + 1, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
    }
    va_end(args);
    if (code == SQLITE_OK)
        return s;
    library_fail(l, err); // an unbound value would be NULL
    sqlite3_finalize(s);
    return NULL;
}

// Runs a statement that returns nothing, and finalizes it.
bool
library_run(struct library *l, sqlite3_stmt *s, struct err *err)
{
    if (!s)
        return false;
    bool ok = sqlite3_step(s) == SQLITE_DONE || library_fail(l, err);
    sqlite3_finalize(s);
    return ok;
}

bool
library_execute(struct library *l, const char *sql, struct err *err)
{
    return (!l->unlockable && sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK) ||
           library_fail(l, err);
}

// A transaction left open would swallow the next one.
bool
library_end(struct library *l, bool ok, struct err *err)
{
    bool done = ok && library_execute(l, "COMMIT", err);
    if (!done && !sqlite3_get_autocommit(l->db))
        sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
    return done;
}

char *
library_column_text(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    if (!text && sqlite3_errcode(sqlite3_db_handle(s)) == SQLITE_NOMEM)
        mem_failed(); // it would look empty
    return mem_strdup(text ? (const char *)text : "");
}
