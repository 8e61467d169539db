// SPDX-License-Identifier: MIT
// Opening the library, and rebuilding it from the pictures if it is damaged.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/base/database.h"
#include "app/base/time_text.h"
#include "app/library/library_parts.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { SCHEMA_VERSION = 3 };

static const char schema[] =
    "CREATE TABLE job(id TEXT PRIMARY KEY, created INTEGER NOT NULL, state INTEGER NOT NULL "
    "DEFAULT 0,"
    " request TEXT NOT NULL, error TEXT);"
    "CREATE TABLE picture(id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT, idx INTEGER NOT NULL,"
    " file TEXT NOT NULL UNIQUE, seed INTEGER NOT NULL, created INTEGER NOT NULL,"
    " rating INTEGER NOT NULL DEFAULT 0 CHECK(rating BETWEEN 0 AND 5),"
    " deleted INTEGER NOT NULL DEFAULT 0, instruction TEXT NOT NULL, words TEXT NOT NULL,"
    " tags TEXT NOT NULL DEFAULT '');"
    "CREATE INDEX picture_job ON picture(job);"
    "CREATE TABLE session(key TEXT PRIMARY KEY, text TEXT NOT NULL);"
    "CREATE VIRTUAL TABLE found USING fts5(instruction, words, tags, content='picture',"
    " content_rowid='id', tokenize='unicode61 remove_diacritics 2');"
    "CREATE TRIGGER picture_insert AFTER INSERT ON picture BEGIN"
    " INSERT INTO found(rowid, instruction, words, tags)"
    " VALUES(new.id, new.instruction, new.words, new.tags); END;"
    "CREATE TRIGGER picture_remove AFTER DELETE ON picture BEGIN"
    " INSERT INTO found(found, rowid, instruction, words, tags)"
    " VALUES('delete', old.id, old.instruction, old.words, old.tags); END;"
    "CREATE TRIGGER picture_update AFTER UPDATE OF instruction, words, tags ON picture BEGIN"
    " INSERT INTO found(found, rowid, instruction, words, tags)"
    " VALUES('delete', old.id, old.instruction, old.words, old.tags);"
    " INSERT INTO found(rowid, instruction, words, tags)"
    " VALUES(new.id, new.instruction, new.words, new.tags); END;";

// Added in version 2: a job's owner, and its pictures until it is done.
static const char to_version_2[] =
    "ALTER TABLE job ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE job ADD COLUMN host TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE input(hash TEXT PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE job_input(job TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY(job, hash));"
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job WHEN new.state<>0 BEGIN"
    " DELETE FROM job_input WHERE job=new.id;"
    " DELETE FROM input WHERE hash NOT IN (SELECT hash FROM job_input); END;";

// Added in version 3: what drew a picture, and what it was made from; "" if that is not known.
static const char to_version_3[] =
    "ALTER TABLE picture ADD COLUMN model TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE picture ADD COLUMN template TEXT NOT NULL DEFAULT '';";

// --- places

char *
library_folder(struct err *err)
{
    return xdg_make(XDG_DATA, "pictures", err);
}

// --- opening

// SQLite opens its files beside the library whatever they are, and would wait for a pipe.
static bool
check_companions(const struct library *l, struct err *err)
{
    static const char *const endings[] = {"-journal", "-wal", "-shm"};
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(endings); i++) {
        struct stat st;
        char *path = mem_printf("%s%s", l->path, endings[i]);
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
            ok = err_set(err, ERR_IO, "%s is %s, not a part of the library", path,
                         file_kind(st.st_mode));
        free(path);
    }
    return ok;
}

// Creates the file itself, so that it is private; SQLite gives its log and index the same mode.
static bool
open_database(struct library *l, struct err *err)
{
    struct stat st;
    int fd = file_exists(l->path) ? -1 : file_open_private(l->path, O_RDWR | O_CREAT, NULL);
    if (fd >= 0)
        close(fd);
    if (stat(l->path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "%s is %s, not a library", l->path, file_kind(st.st_mode));
    if (!check_companions(l, err))
        return false;
    if (sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        return library_fail(l, err);
    sqlite3_busy_timeout(l->db, LIBRARY_BUSY_MS);
    return true;
}

static int
number(struct library *l, const char *sql)
{
    sqlite3_stmt *s = library_prepare(l, NULL, sql, "");
    int v = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
    sqlite3_finalize(s);
    return v;
}

// Whether SQLite finds the file damaged; false: it cannot tell, because it cannot read. A lock is
// no damage, nor are a full or failing disk and too little memory.
static bool
check_damage(struct library *l, bool *damaged, struct err *err)
{
    int code = database_check(l->db);
    *damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    bool locked = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    return code == SQLITE_OK || *damaged || locked ||
           library_fail_with(l, code, sqlite3_errstr(code), err);
}

// Renames to a name that must be free. For a moment the file may have both names, but never none.
static bool
rename_exclusive(const char *from, const char *to)
{
    if (link(from, to) == 0)
        return unlink(from) == 0;
    return errno != EEXIST && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0;
}

// Moves the file aside, and its log, which has what SQLite has not yet written into the file. NULL:
// it stays where it is.
static char *
set_aside(const char *path, struct err *err)
{
    enum { TRIES = 1000 };
    static const char *const parts[] = {"", "-wal", "-shm"};
    char date[TIME_TEXT_MAX], *moved = NULL;
    time_text(time(NULL), "%Y%m%d-%H%M%S", date);
    for (int i = 0; i < TRIES && !moved; i++) {
        moved = i ? mem_printf("%s.damaged-%s-%d", path, date, i + 1)
                  : mem_printf("%s.damaged-%s", path, date);
        for (size_t k = 0; moved && k < COUNT_OF(parts); k++) {
            char *from = mem_printf("%s%s", path, parts[k]);
            char *to = mem_printf("%s%s", moved, parts[k]);
            bool ok = rename_exclusive(from, to);
            free(from);
            free(to);
            if (ok || k > 0)
                continue;
            free(moved);
            moved = NULL;
            if (errno != EEXIST) {
                err_errno(err, ERR_IO, "%s is damaged, and cannot be moved aside", path);
                return NULL;
            }
        }
    }
    if (!moved)
        err_set(err, ERR_IO, "%s is damaged, and there is no name left to move it to", path);
    return moved;
}

static bool
prepare_schema(struct library *l, struct err *err)
{
    if (!library_execute(
            l, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;", err))
        return false;
    // A library that is up to date is not written to: another process may hold its lock for long.
    if (number(l, "PRAGMA user_version") == SCHEMA_VERSION)
        return true;
    if (!library_execute(l, "BEGIN IMMEDIATE", err))
        return false;
    int version = number(l, "PRAGMA user_version");
    char *mark = mem_printf("PRAGMA user_version=%d", SCHEMA_VERSION);
    bool ok = true;
    if (version > SCHEMA_VERSION)
        ok = err_set(err, ERR_UNSUPPORTED,
                     "%s was made by a later limn (its version is %d, this one "
                     "knows %d)",
                     l->path, version, SCHEMA_VERSION);
    if (ok && version < 0)
        ok = library_fail(l, err);
    if (ok && version == 0)
        ok = library_execute(l, schema, err);
    if (ok && version < 2)
        ok = library_execute(l, to_version_2, err);
    if (ok && version < 3)
        ok = library_execute(l, to_version_3, err);
    ok = ok && library_execute(l, mark, err);
    free(mark);
    return library_end(l, ok, err);
}

// Creates the library's folder; the default one is private.
static bool
make_folder(const struct library *l, bool is_default, struct err *err)
{
    if (is_default) {
        char *own = xdg_make(XDG_DATA, "", err);
        free(own);
        return own != NULL;
    }
    const char *slash = strrchr(l->path, '/');
    char *folder =
        slash && slash != l->path ? mem_strndup(l->path, (size_t)(slash - l->path)) : NULL;
    bool ok = !folder || file_make_folders(folder, err);
    free(folder);
    return ok;
}

// Fills the new library from the pictures, after the damaged one was moved to `moved`. Returns the
// notice.
static char *
rebuild(struct library *l, bool ok, const char *moved, const struct err *err)
{
    char *pictures = ok ? library_folder(NULL) : NULL;
    struct library_scanned found = {0};
    if (pictures)
        library_scan(l, pictures, &found, NULL);
    char *text =
        ok ? mem_printf("the library was damaged; it is kept as %s, and a new one holds %d "
                        "pictures found in %s (ratings and tags are lost)",
                        moved, found.pictures, pictures ? pictures : "no folder")
           : mem_printf("the library was damaged; it is kept as %s, and no new one can be "
                        "made: %s",
                        moved, err->text);
    free(pictures);
    return text;
}

// Whoever finds damage looks again under a lock: the file may be a new one by now. Returns where it
// was moved to, or NULL; the database is open unless *ok is false.
static char *
replace_damaged(struct library *l, bool *ok, struct err *err)
{
    const char *slash = strrchr(l->path, '/');
    char *folder = slash ? mem_strndup(l->path, (size_t)(slash + 1 - l->path)) : mem_strdup(".");
    char *moved = NULL;
    bool damaged = false;
    int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock >= 0)
        flock(lock, LOCK_EX);
    sqlite3_close(l->db);
    l->db = NULL;
    *ok = open_database(l, err) && check_damage(l, &damaged, err);
    if (*ok && damaged) {
        sqlite3_close(l->db);
        l->db = NULL;
        moved = set_aside(l->path, err);
        *ok = moved && open_database(l, err);
    }
    *ok = *ok && prepare_schema(l, err);
    if (lock >= 0)
        close(lock);
    free(folder);
    return moved;
}

struct library *
library_open(const char *path, char **notice, struct err *err)
{
    struct library *l = mem_zalloc(sizeof *l);
    struct err own = {0};
    char *moved = NULL;
    bool damaged = false;
    l->path = path ? mem_strdup(path) : xdg_path(XDG_DATA, "library.db");
    bool ok = make_folder(l, !path, &own) && open_database(l, &own) &&
              check_damage(l, &damaged, &own);
    if (ok && damaged)
        moved = replace_damaged(l, &ok, &own);
    else
        ok = ok && prepare_schema(l, &own);
    if (moved) {
        char *text = rebuild(l, ok, moved, &own);
        if (notice)
            *notice = text;
        else
            free(text);
    }
    free(moved);
    if (ok)
        return l;
    err_set(err, own.code, "%s", own.text);
    library_close(l);
    return NULL;
}

struct library *
library_reopen(const struct library *l, struct err *err)
{
    struct library *again = mem_zalloc(sizeof *again);
    again->path = mem_strdup(l->path);
    again->unlockable = l->unlockable;
    if (open_database(again, err) && prepare_schema(again, err))
        return again;
    library_close(again);
    return NULL;
}

void
library_close(struct library *l)
{
    if (!l)
        return;
    sqlite3_close(l->db);
    free(l->path);
    free(l);
}
