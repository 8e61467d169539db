// SPDX-License-Identifier: MIT
// Statements: prepared with their values, run, and their errors in words.
#include <stdarg.h>
#include <string.h>

#include "app/library/library_parts.h"
#include "engine/base/mem.h"

bool
library_fail(struct library *l, struct err *err)
{
    int code = sqlite3_errcode(l->db), number = sqlite3_system_errno(l->db);
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
        return err_set(err, ERR_IO, "%s is locked by another program", l->path);
    if (code == SQLITE_FULL)
        return err_set(err, ERR_IO, "%s: the disk is full", l->path);
    if (code == SQLITE_NOMEM)
        return err_set(err, ERR_MEMORY, "%s: there is not enough memory", l->path);
    if ((code == SQLITE_CANTOPEN || code == SQLITE_IOERR) && number)
        return err_set(err, ERR_IO, "%s: %s (%s)", l->path, sqlite3_errmsg(l->db),
                       strerror(number));
    return err_set(err, ERR_IO, "%s: %s", l->path, sqlite3_errmsg(l->db));
}

// A prepared statement with its values: 't' text (may be NULL), 'i' int64_t.
sqlite3_stmt *
library_prepare(struct library *l, struct err *err, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK) {
        library_fail(l, err);
        return NULL;
    }
    va_list args;
    va_start(args, kinds);
    for (int i = 0; kinds[i]; i++) {
        if (kinds[i] == 'i')
            sqlite3_bind_int64(s, i + 1, va_arg(args, int64_t));
        else
            sqlite3_bind_text(s, i + 1, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
    }
    va_end(args);
    return s;
}

// Runs a statement that returns nothing, and ends it.
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
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK || library_fail(l, err);
}

char *
library_column_text(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return mem_strdup(text ? (const char *)text : "");
}
