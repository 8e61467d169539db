// SPDX-License-Identifier: MIT
#include "app/library/library.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/base/process.h"
#include "app/base/time_text.h"
#include "app/job/sweep_sheet.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { SCHEMA_VERSION = 2 };

struct library {
    sqlite3 *db;
    char *path;
};

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

// What came with version 2: whose a job is, and its pictures for as long as it is not done.
static const char to_version_2[] =
    "ALTER TABLE job ADD COLUMN owner TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE job ADD COLUMN host TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE input(hash TEXT PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE job_input(job TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY(job, hash));"
    "CREATE TRIGGER job_ended AFTER UPDATE OF state ON job WHEN new.state<>0 BEGIN"
    " DELETE FROM job_input WHERE job=new.id;"
    " DELETE FROM input WHERE hash NOT IN (SELECT hash FROM job_input); END;";

// --- SQLite

static bool
fail(struct library *l, struct err *err)
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
static sqlite3_stmt *
prepare(struct library *l, struct err *err, const char *sql, const char *kinds, ...)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(l->db, sql, -1, &s, NULL) != SQLITE_OK) {
        fail(l, err);
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
static bool
run(struct library *l, sqlite3_stmt *s, struct err *err)
{
    if (!s)
        return false;
    bool ok = sqlite3_step(s) == SQLITE_DONE || fail(l, err);
    sqlite3_finalize(s);
    return ok;
}

static bool
execute(struct library *l, const char *sql, struct err *err)
{
    return sqlite3_exec(l->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(l, err);
}

static char *
column_text(sqlite3_stmt *s, int column)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    return mem_strdup(text ? (const char *)text : "");
}

// --- places

char *
library_path(void)
{
    return xdg_path(XDG_DATA, "library.db");
}

char *
library_folder(struct err *err)
{
    return xdg_make(XDG_DATA, "pictures", err);
}

// --- opening

// The file is made here, so that it is this user's alone; its log and index get its mode.
static bool
open_database(struct library *l, struct err *err)
{
    struct stat st;
    int fd = file_exists(l->path) ? -1 : file_open_private(l->path, O_RDWR | O_CREAT, NULL);
    if (fd >= 0)
        close(fd);
    if (stat(l->path, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "%s is %s, no library", l->path, file_kind(st.st_mode));
    if (sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK)
        return fail(l, err);
    sqlite3_busy_timeout(l->db, LIBRARY_BUSY_MS);
    return true;
}

static int
number(struct library *l, const char *sql)
{
    sqlite3_stmt *s = prepare(l, NULL, sql, "");
    int v = s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int(s, 0) : -1;
    sqlite3_finalize(s);
    return v;
}

// What SQLite says of the file: damaged, or sound; false when it cannot say, because it cannot read.
// Being locked is no damage, and neither are a full disk, too little memory, or a broken one.
static bool
look_for_damage(struct library *l, bool *damaged, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(l->db, "PRAGMA quick_check(1)", -1, &s, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    const char *row = code == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
    *damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB || (row && strcmp(row, "ok") != 0);
    bool locked = code == SQLITE_BUSY || code == SQLITE_LOCKED;
    bool ok = *damaged || row || locked || fail(l, err);
    sqlite3_finalize(s);
    return ok;
}

// A name that nothing has yet. The file is there under both for a moment, and at no moment under none.
static bool
move_to_new(const char *from, const char *to)
{
    if (link(from, to) == 0)
        return unlink(from) == 0;
    return errno != EEXIST && renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0;
}

// Also its log: what SQLite has not yet brought into the file is in there. NULL: it stays where it is.
static char *
move_aside(const char *path, struct err *err)
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
            bool ok = move_to_new(from, to);
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
    if (!execute(l, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
                 err))
        return false;
    // A library in use is not written to: someone else may hold it for long.
    if (number(l, "PRAGMA user_version") == SCHEMA_VERSION)
        return true;
    if (!execute(l, "BEGIN IMMEDIATE", err))
        return false;
    int version = number(l, "PRAGMA user_version");
    char *mark = mem_printf("PRAGMA user_version=%d", SCHEMA_VERSION);
    bool ok = true;
    if (version > SCHEMA_VERSION)
        ok = err_set(err, ERR_UNSUPPORTED,
                     "%s was made by a later limn (its version is %d, this one "
                     "knows %d)",
                     l->path, version, SCHEMA_VERSION);
    if (ok && version == 0)
        ok = execute(l, schema, err);
    if (ok && version < 2)
        ok = execute(l, to_version_2, err);
    ok = ok && execute(l, mark, err);
    free(mark);
    return execute(l, ok ? "COMMIT" : "ROLLBACK", ok ? err : NULL) && ok;
}

// The folder of the library: the usual one is this user's alone.
static bool
make_folder(const struct library *l, bool usual, struct err *err)
{
    if (usual) {
        char *own = xdg_make(XDG_DATA, "", err);
        free(own);
        return own != NULL;
    }
    const char *slash = strrchr(l->path, '/');
    char *folder = slash && slash != l->path ? mem_strndup(l->path, (size_t)(slash - l->path)) : NULL;
    bool ok = !folder || file_make_folders(folder, err);
    free(folder);
    return ok;
}

// After a damaged one was moved to `moved`: what is known of the pictures comes from themselves.
static char *
fill_again(struct library *l, bool ok, const char *moved, const struct err *err)
{
    char *pictures = ok ? library_folder(NULL) : NULL;
    int found = pictures ? library_scan(l, pictures, NULL) : 0;
    char *text = ok ? mem_printf("the library was damaged; it is kept as %s, and a new one holds %d "
                                 "pictures found in %s (ratings and tags are lost)", moved, found,
                                 pictures ? pictures : "no folder")
                    : mem_printf("the library was damaged; it is kept as %s, and no new one can be "
                                 "made: %s", moved, err->text);
    free(pictures);
    return text;
}

// Whoever finds damage looks again while nobody else does: the file may be a new one by now. Returns
// where it was moved to, or NULL; the database is open unless *ok is false.
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
    *ok = open_database(l, err) && look_for_damage(l, &damaged, err);
    if (*ok && damaged) {
        sqlite3_close(l->db);
        l->db = NULL;
        moved = move_aside(l->path, err);
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
    l->path = path ? mem_strdup(path) : library_path();
    bool ok = make_folder(l, !path, &own) && open_database(l, &own) &&
              look_for_damage(l, &damaged, &own);
    if (ok && damaged)
        moved = replace_damaged(l, &ok, &own);
    else
        ok = ok && prepare_schema(l, &own);
    if (moved) {
        char *text = fill_again(l, ok, moved, &own);
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

void
library_close(struct library *l)
{
    if (!l)
        return;
    sqlite3_close(l->db);
    free(l->path);
    free(l);
}

// --- jobs

static bool
add_input(struct library *l, const char *job, const struct job_reference *r, struct err *err)
{
    if (!r->data)
        return true;
    sqlite3_stmt *s = prepare(l, err, "INSERT OR IGNORE INTO input(hash, data) VALUES(?1, ?2)", "t",
                              r->hash);
    if (s)
        sqlite3_bind_blob64(s, 2, r->data, r->size, SQLITE_STATIC);
    return run(l, s, err) &&
           run(l, prepare(l, err, "INSERT OR IGNORE INTO job_input(job, hash) VALUES(?1, ?2)", "tt",
                          job, r->hash), err);
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
    process_name(getpid(), owner);
    bool ok = execute(l, "BEGIN IMMEDIATE", err);
    if (ok) {
        ok = run(l, prepare(l, err,
                            "INSERT INTO job(id, created, request, owner, host)"
                            " VALUES(?1, ?2, ?3, ?4, ?5) ON CONFLICT(id)"
                            " DO UPDATE SET request=?3, owner=?4, host=?5, state=0, error=NULL",
                            "tittt", job->id, (int64_t)time(NULL), request, owner,
                            host ? host : ""), err);
        for (int i = 0; ok && i < job->reference_count; i++)
            ok = add_input(l, job->id, &job->references[i], err);
        ok = execute(l, ok ? "COMMIT" : "ROLLBACK", ok ? err : NULL) && ok;
    }
    free(request);
    jv_free(json);
    return ok;
}

bool
library_job_own(struct library *l, const char *job, struct err *err)
{
    char owner[PROCESS_NAME_MAX];
    process_name(getpid(), owner);
    return run(l, prepare(l, err, "UPDATE job SET owner=?2 WHERE id=?1", "tt", job, owner), err);
}

bool
library_job_claim(struct library *l, const char *job, const char *owner)
{
    char own[PROCESS_NAME_MAX];
    process_name(getpid(), own);
    return run(l, prepare(l, NULL, "UPDATE job SET owner=?2 WHERE id=?1 AND state=0 AND owner=?3",
                          "ttt", job, own, owner), NULL) &&
           sqlite3_changes(l->db) == 1;
}

bool
library_job_state(struct library *l, const char *job, enum library_state state, const char *error,
                  struct err *err)
{
    return run(l, prepare(l, err, "UPDATE job SET state=?2, error=?3 WHERE id=?1", "tit", job,
                          (int64_t)state, error), err);
}

bool
library_job_each(struct library *l, const char *sweep,
                 void (*each)(const struct library_job *job, void *ctx), void *ctx, struct err *err)
{
    sqlite3_stmt *s = prepare(l, err,
                              "SELECT id, request, host, owner, state FROM job WHERE"
                              " CASE WHEN ?1 IS NULL THEN state=0"
                              " ELSE json_valid(request) AND"
                              " json_extract(request, '$.sweep.id')=?1 END ORDER BY rowid",
                              "t", sweep);
    int code = SQLITE_DONE;
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        char *texts[4];
        for (int i = 0; i < 4; i++)
            texts[i] = column_text(s, i);
        struct library_job job = {texts[0], texts[1], texts[2], texts[3],
                                  (enum library_state)sqlite3_column_int(s, 4)};
        each(&job, ctx);
        for (int i = 0; i < 4; i++)
            free(texts[i]);
    }
    bool ok = s && (code == SQLITE_DONE || fail(l, err));
    sqlite3_finalize(s);
    return ok;
}

static void
restore_input(struct library *l, struct job_reference *r)
{
    sqlite3_stmt *s = prepare(l, NULL, "SELECT data FROM input WHERE hash=?1", "t", r->hash);
    if (s && *r->hash && sqlite3_step(s) == SQLITE_ROW) {
        char hash[JOB_HASH_TEXT];
        int size = sqlite3_column_bytes(s, 0);
        const void *data = sqlite3_column_blob(s, 0);
        r->size = (size_t)size;
        r->data = mem_alloc(r->size ? r->size : 1);
        if (size)
            memcpy(r->data, data, r->size);
        job_hash(r->data, r->size, hash);
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
    sqlite3_stmt *s = prepare(l, NULL, "SELECT 1 FROM job WHERE id=?1 AND host=?2", "tt", job,
                              host ? host : "");
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
    sqlite3_stmt *s = prepare(l, err, "SELECT request FROM job WHERE id=?1", "t", id);
    if (!s)
        return false;
    char *request = sqlite3_step(s) == SQLITE_ROW ? column_text(s, 0) : NULL;
    sqlite3_finalize(s);
    if (!request)
        return err_set(err, ERR_INPUT, "the library has no job %.40s", id);
    struct jv *json = jv_parse(request, strlen(request), "a job in the library", err);
    bool ok = json && job_parse(out, json, "a job in the library", err);
    for (int i = 0; ok && i < out->reference_count; i++)
        restore_input(l, &out->references[i]);
    if (ok && sweep && jv_is_object(jv_get(json, "sweep")))
        *sweep = jv_copy(jv_get(json, "sweep"));
    jv_free(json);
    free(request);
    return ok;
}

// --- pictures

int64_t
library_picture_add(struct library *l, const struct library_picture *p, struct err *err)
{
    sqlite3_stmt *s =
        prepare(l, err,
                "INSERT INTO picture(job, idx, file, seed, created, instruction, words)"
                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(file) DO UPDATE SET"
                " job=?1, idx=?2, seed=?4, instruction=?6, words=?7, deleted=0 RETURNING id",
                "titiitt", p->job, (int64_t)p->index, p->file, p->seed,
                p->created ? p->created : (int64_t)time(NULL), p->instruction ? p->instruction : "",
                p->words ? p->words : "");
    int64_t id = -1;
    if (s && sqlite3_step(s) == SQLITE_ROW)
        id = sqlite3_column_int64(s, 0);
    else if (s)
        fail(l, err);
    if (s && id >= 0 && sqlite3_step(s) != SQLITE_DONE) {
        fail(l, err);
        id = -1;
    }
    sqlite3_finalize(s);
    return id;
}

static void
add_word(char **words, const char *word)
{
    if (!word || !*word)
        return;
    char *longer = mem_printf("%s %s", *words, word);
    free(*words);
    *words = longer;
}

// What people may look for, besides the instruction.
static void
add_words(char **words, const struct job *j)
{
    for (int i = 0; i < j->reference_count; i++) {
        add_word(words, j->references[i].words);
        add_word(words, j->references[i].loader);
        add_word(words, j->references[i].file);
    }
}

// The sheet of a sweep is known by the sweep's instruction and its labels.
static bool
read_sheet(const char *file, struct job *j, char **words, struct err *err)
{
    struct sweep_sheet sheet;
    if (!sweep_sheet_read(&sheet, file, err)) {
        sweep_sheet_finish(&sheet);
        return false;
    }
    job_copy(j, &sheet.cells[0].job);
    const char *text = jv_string(jv_get(sheet.about, "instruction"), "");
    if (*text) {
        free(j->instruction);
        j->instruction = mem_strdup(text);
    }
    add_word(words, "sheet sweep");
    for (int i = 0; i < sheet.count; i++)
        add_word(words, sheet.cells[i].label);
    sweep_sheet_finish(&sheet);
    return true;
}

bool
library_picture_read(const char *file, const char *job, struct library_picture *out,
                     struct err *err)
{
    struct job j;
    struct err own = {0};
    struct stat st = {0};
    char *words = mem_strdup("");
    *out = (struct library_picture){0};
    bool ok = job_from_png(&j, file, &own);
    if (!ok) {
        job_finish(&j);
        ok = read_sheet(file, &j, &words, NULL);
    }
    if (!ok) {
        free(words);
        return err_set(err, ERR_INPUT, "%s",
                       own.text[0] ? own.text : "there is no instruction in it");
    }
    add_words(&words, &j);
    char *whole = realpath(file, NULL);
    stat(file, &st);
    const char *dash = strrchr(file, '-');
    *out = (struct library_picture){.job = mem_strdup(job ? job : ""),
                                    .file = whole ? whole : mem_strdup(file),
                                    .instruction = mem_strdup(j.instruction ? j.instruction : ""),
                                    .words = words, .seed = j.seed, .created = st.st_mtime,
                                    .index = dash ? atoi(dash + 1) : 0};
    job_finish(&j);
    return true;
}

void
library_picture_finish(struct library_picture *p)
{
    free(p->job);
    free(p->file);
    free(p->instruction);
    free(p->words);
    free(p->tags);
    *p = (struct library_picture){0};
}

int64_t
library_picture_import(struct library *l, const char *file, const char *job, struct err *err)
{
    struct library_picture p;
    int64_t id = library_picture_read(file, job, &p, err) ? library_picture_add(l, &p, err) : -1;
    library_picture_finish(&p);
    return id;
}

// "fox hi'll" -> "fox"* "hi'll"*: every word quoted, so that nothing in it is an operator.
static char *
match_of(const char *search)
{
    size_t size = 4 * strlen(search) + 8, n = 0;
    char *out = mem_zalloc(size);
    for (const char *p = search; *p;) {
        p += strspn(p, " \t\r\n");
        size_t word = strcspn(p, " \t\r\n");
        if (!word)
            break;
        n += (size_t)snprintf(out + n, size - n, "%s\"", n ? " " : "");
        for (size_t i = 0; i < word; i++)
            n += (size_t)snprintf(out + n, size - n, p[i] == '"' ? "\"\"" : "%c", p[i]);
        n += (size_t)snprintf(out + n, size - n, "\"*");
        p += word;
    }
    return out;
}

bool
library_query(struct library *l, const struct library_filter *f, struct library_list *list,
              struct err *err)
{
    static const char *const orders[LIBRARY_SORT_COUNT] = {"id DESC", "id", "rating DESC, id DESC",
                                                           "seed, id"};
    *list = (struct library_list){0};
    bool searching = f->search && strspn(f->search, " \t\r\n") < strlen(f->search);
    char *match = searching ? match_of(f->search) : NULL;
    char *tag = f->tag && *f->tag ? mem_printf(" %s ", f->tag) : NULL;
    char *sql = mem_printf(
        "SELECT id, job, file, instruction, words, tags, seed, created, idx, rating FROM picture"
        " WHERE deleted=0 AND rating>=?1 AND (?2 IS NULL OR instr(' '||tags||' ', ?2)>0)"
        " AND (?3 IS NULL OR job=?3) AND (?7=0 OR id=?7)%s ORDER BY %s LIMIT ?5 OFFSET ?6",
        searching ? " AND id IN (SELECT rowid FROM found WHERE found MATCH ?4)" : " AND ?4 IS NULL",
        orders[f->sort < LIBRARY_SORT_COUNT ? f->sort : 0]);
    sqlite3_stmt *s = prepare(l, err, sql, "itttiii", (int64_t)f->rating, tag, f->job, match,
                              (int64_t)(f->limit ? f->limit : 1000), (int64_t)f->offset, f->id);
    int code = SQLITE_DONE, capacity = 0;
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct library_picture p = {
            .id = sqlite3_column_int64(s, 0), .job = column_text(s, 1), .file = column_text(s, 2),
            .instruction = column_text(s, 3), .words = column_text(s, 4), .tags = column_text(s, 5),
            .seed = sqlite3_column_int64(s, 6), .created = sqlite3_column_int64(s, 7),
            .index = sqlite3_column_int(s, 8),
            .rating = MAX(0, MIN(sqlite3_column_int(s, 9), LIBRARY_RATING_MAX))};
        ARRAY_PUSH(list->items, list->count, capacity, p);
    }
    bool ok = s && (code == SQLITE_DONE || fail(l, err));
    sqlite3_finalize(s);
    free(sql);
    free(tag);
    free(match);
    if (!ok)
        library_list_free(list);
    return ok;
}

void
library_list_free(struct library_list *list)
{
    for (int i = 0; i < list->count; i++)
        library_picture_finish(&list->items[i]);
    free(list->items);
    *list = (struct library_list){0};
}

bool
library_rate(struct library *l, int64_t id, int rating, struct err *err)
{
    if (rating < 0 || rating > LIBRARY_RATING_MAX)
        return err_set(err, ERR_INPUT, "the rating is %d, it must lie in 0..%d", rating,
                       LIBRARY_RATING_MAX);
    return run(l, prepare(l, err, "UPDATE picture SET rating=?2 WHERE id=?1", "ii", id,
                          (int64_t)rating), err);
}

bool
library_tag(struct library *l, int64_t id, const char *tag, bool on, struct err *err)
{
    if (!*tag || strpbrk(tag, " \t\r\n") || strlen(tag) > 60)
        return err_set(err, ERR_INPUT, "'%.60s' is no tag: one word of at most 60 bytes", tag);
    // Taken out first, so that it is there once.
    sqlite3_stmt *s = prepare(
        l, err,
        "UPDATE picture SET tags=trim(replace(' '||tags||' ', ' '||?2||' ', ' ')||?3) WHERE id=?1",
        "itt", id, tag, on ? tag : "");
    return run(l, s, err);
}

bool
library_delete(struct library *l, int64_t id, bool deleted, struct err *err)
{
    return run(l, prepare(l, err, "UPDATE picture SET deleted=?2 WHERE id=?1", "ii", id,
                          (int64_t)deleted), err);
}

int
library_purge(struct library *l, struct err *err)
{
    int count = 0, code = SQLITE_DONE, capacity = 0, gone_count = 0;
    int64_t *gone = NULL;
    sqlite3_stmt *s = prepare(l, err, "SELECT id, file FROM picture WHERE deleted=1", "");
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        bool removed = unlink((const char *)sqlite3_column_text(s, 1)) == 0;
        count += removed;
        if (removed || errno == ENOENT) // a file that cannot be removed keeps its entry
            ARRAY_PUSH(gone, gone_count, capacity, sqlite3_column_int64(s, 0));
    }
    bool ok = s && (code == SQLITE_DONE || fail(l, err));
    sqlite3_finalize(s);
    for (int i = 0; ok && i < gone_count; i++)
        ok = run(l, prepare(l, err, "DELETE FROM picture WHERE id=?1", "i", gone[i]), err);
    free(gone);
    return ok ? count : -1;
}

// --- session

bool
library_keep(struct library *l, const char *key, const char *text, struct err *err)
{
    return run(l, prepare(l, err, "INSERT INTO session(key, text) VALUES(?1, ?2)"
                                  " ON CONFLICT(key) DO UPDATE SET text=?2", "tt", key, text), err);
}

char *
library_kept(struct library *l, const char *key, struct err *err)
{
    sqlite3_stmt *s = prepare(l, err, "SELECT text FROM session WHERE key=?1", "t", key);
    char *text = s && sqlite3_step(s) == SQLITE_ROW ? column_text(s, 0) : NULL;
    sqlite3_finalize(s);
    return text;
}

#define SESSION "session" // among jobs: the one that is being written

static bool
replace_inputs(struct library *l, const struct job *job, struct err *err)
{
    bool ok = run(l, prepare(l, err, "DELETE FROM job_input WHERE job=?1", "t", SESSION), err);
    for (int i = 0; ok && i < job->reference_count; i++)
        if (job->references[i].hash[0])
            ok = add_input(l, SESSION, &job->references[i], err);
    return ok && run(l, prepare(l, err, "DELETE FROM input WHERE hash NOT IN"
                                        " (SELECT hash FROM job_input)", ""), err);
}

bool
library_keep_instruction(struct library *l, const struct job *job, struct err *err)
{
    struct jv *json = job_json(job, true);
    char *text = jv_text(json, 0);
    bool ok = execute(l, "BEGIN IMMEDIATE", err);
    if (ok) {
        ok = library_keep(l, "compose", text, err) && replace_inputs(l, job, err);
        ok = execute(l, ok ? "COMMIT" : "ROLLBACK", ok ? err : NULL) && ok;
    }
    free(text);
    jv_free(json);
    return ok;
}

bool
library_kept_instruction(struct library *l, struct job *out)
{
    *out = JOB_EMPTY;
    char *text = library_kept(l, "compose", NULL);
    struct jv *json = text ? jv_parse(text, strlen(text), "the last session", NULL) : NULL;
    bool ok = json && job_parse(out, json, "the last session", NULL);
    for (int i = 0; ok && i < out->reference_count; i++)
        restore_input(l, &out->references[i]);
    jv_free(json);
    free(text);
    return ok;
}

static int
scan(struct library *l, const char *folder, int depth)
{
    int count = 0;
    DIR *d = depth > 0 ? opendir(folder) : NULL;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        if (e->d_name[0] == '.')
            continue;
        char *path = file_join(folder, e->d_name);
        const char *dot = strrchr(e->d_name, '.');
        struct stat s;
        if (stat(path, &s) == 0 && S_ISDIR(s.st_mode))
            count += scan(l, path, depth - 1);
        else if (dot && strcmp(dot, ".png") == 0)
            count += library_picture_import(l, path, NULL, NULL) >= 0;
        free(path);
    }
    if (d)
        closedir(d);
    return count;
}

int
library_scan(struct library *l, const char *folder, struct err *err)
{
    struct stat s;
    if (stat(folder, &s) != 0 || !S_ISDIR(s.st_mode)) {
        err_errno(err, ERR_INPUT, "%s", folder);
        return 0;
    }
    return scan(l, folder, LIMIT_LIBRARY_DEPTH);
}
