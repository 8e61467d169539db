// SPDX-License-Identifier: MIT
#include "app/index/index.h"

#include <endian.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/database.h"
#include "app/base/text.h"
#include "app/index/schema.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "engine/model/model_folder.h"

struct index {
    sqlite3 *db;
    char *path;
    struct index_about about;
    char *styles[LIMIT_INDEX_STYLES], *credits[LIMIT_INDEX_STYLES];
    int style_count;
    int8_t *vectors;
    sqlite3_stmt *match[2], *entry; // made when first asked for
};

// --- SQLite

static bool
fail_with(const struct index *x, int code, const char *why, struct err *err)
{
    if (code == SQLITE_NOMEM)
        return err_set(err, ERR_MEMORY, "%s: there is not enough memory", x->path);
    if (code == SQLITE_NOTADB)
        return err_set(err, ERR_INPUT, "%s is not an index: limn index makes one", x->path);
    if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)
        return err_set(err, ERR_IO, "%s: %s", x->path, why);
    return err_set(err, ERR_INPUT, "%s: a damaged index (%s)", x->path, why);
}

static bool
fail(const struct index *x, struct err *err)
{
    return fail_with(x, sqlite3_errcode(x->db) & 0xFF, sqlite3_errmsg(x->db), err);
}

// A value that is not what it must be; one that there was no memory for is no damage.
static bool
damaged(const struct index *x, const char *what, struct err *err)
{
    bool short_of_memory = (sqlite3_errcode(x->db) & 0xFF) == SQLITE_NOMEM;
    return fail_with(x, short_of_memory ? SQLITE_NOMEM : SQLITE_CORRUPT, what, err);
}

static sqlite3_stmt *
prepare(const struct index *x, const char *sql, struct err *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v3(x->db, sql, -1, 0, &s, NULL) != SQLITE_OK)
        fail(x, err);
    return s;
}

// Whether there is a row; at the end *ended.
static bool
step(const struct index *x, sqlite3_stmt *s, bool *ended, struct err *err)
{
    int code = sqlite3_step(s);
    *ended = code == SQLITE_DONE;
    return code == SQLITE_ROW || *ended || fail(x, err);
}

// A text of a row, one harmless line; NULL: it is none, or longer than it may be.
static char *
text_of(sqlite3_stmt *s, int column, size_t limit)
{
    const char *text = sqlite3_column_type(s, column) == SQLITE_TEXT
                           ? (const char *)sqlite3_column_text(s, column)
                           : NULL;
    size_t size = (size_t)sqlite3_column_bytes(s, column);
    if (!text || size > limit || !utf8_valid(text, size))
        return NULL;
    char *copy = text_line(mem_strndup(text, size));
    for (char *p = copy; *p; p++)
        *p = *p == '[' ? '(' : *p == ']' ? ')' : *p; // no marker of an instruction
    return copy;
}

// --- opening

char *
index_of_model(const char *folder, struct err *err)
{
    char *path = file_join(folder, INDEX_FILE);
    bool there = file_exists(path), holds = there && model_folder_holds(path);
    if (there && !holds)
        err_set(err, ERR_INPUT, "%s is a link that leads out of the model's folder, and is not "
                "used: to use what it leads to, name that with --index", path);
    if (holds)
        return path;
    free(path);
    return NULL;
}

// As it is, whatever lies beside it: a URI in which every byte of the path stands for itself.
static char *
uri_of(const char *path)
{
    char *uri = mem_alloc(strlen(path) * 3 + 32), *to = uri + sprintf(uri, "file:");
    for (const unsigned char *p = (const unsigned char *)path; *p; p++)
        to += sprintf(to, strchr("?#%", *p) ? "%%%02X" : "%c", *p);
    strcpy(to, "?immutable=1");
    return uri;
}

static bool
open_database(struct index *x, struct err *err)
{
    int fd = file_open(x->path, O_RDONLY, err); // it must be a regular file that can be read
    if (fd < 0)
        return false;
    close(fd);
    char *uri = uri_of(x->path);
    int code = sqlite3_open_v2(uri, &x->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    free(uri);
    if (code != SQLITE_OK)
        return fail(x, err);
    sqlite3_db_config(x->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(x->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_limit(x->db, SQLITE_LIMIT_LENGTH, LIMIT_INDEX_ROW_BYTES);
    sqlite3_limit(x->db, SQLITE_LIMIT_ATTACHED, 0);
    return sqlite3_exec(x->db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0", NULL, NULL, NULL) ==
               SQLITE_OK ||
           fail(x, err);
}

static bool
is_table(const char *sql)
{
    for (size_t i = 0; sql && i < COUNT_OF(index_tables); i++)
        if (strcmp(sql, index_tables[i]) == 0)
            return true;
    return false;
}

// Whether a table's SQL holds nothing but names and keys: no expression (a CHECK, a DEFAULT, a
// generated column), which quick_check would compute, nor a virtual table.
static bool
is_plain(const char *sql)
{
    static const char words[] = " CREATE TABLE id INTEGER PRIMARY KEY block BLOB segid term pgno "
                                "WITHOUT ROWID k v sz origin found_data found_idx found_docsize "
                                "found_config ";
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    while (*sql) {
        size_t n = strspn(sql, letters);
        char word[24];
        snprintf(word, sizeof word, " %.*s ", (int)MIN(n, sizeof word), sql);
        if (n ? !strstr(words, word) : !strchr(" '(),", *sql))
            return false;
        sql += MAX(n, 1);
    }
    return true;
}

// FTS5's own tables are made by SQLite, whose words for them may differ by version.
static bool
is_shadow(const char *type, const char *name, const char *sql)
{
    static const char *const names[] = {"found_data", "found_idx", "found_docsize", "found_config"};
    for (size_t i = 0; strcmp(type, "table") == 0 && i < COUNT_OF(names); i++)
        if (strcmp(name, names[i]) == 0)
            return sql && is_plain(sql);
    return strcmp(type, "index") == 0 && strncmp(name, "sqlite_autoindex_", 17) == 0 && !sql;
}

// No view, no trigger, no table but those that are known.
static bool
check_schema(struct index *x, struct err *err)
{
    sqlite3_stmt *s = prepare(x, "SELECT type, name, sql FROM sqlite_schema", err);
    size_t known = 0;
    bool ok = s != NULL, ended = false;
    while (ok && (ok = step(x, s, &ended, err)) && !ended) {
        const char *type = (const char *)sqlite3_column_text(s, 0);
        const char *name = (const char *)sqlite3_column_text(s, 1);
        const char *sql = (const char *)sqlite3_column_text(s, 2);
        bool table = is_table(sql);
        known += table;
        if (!table && !(type && name && is_shadow(type, name, sql)))
            ok = err_set(err, ERR_INPUT, "%s is not an index that limn index made", x->path);
    }
    sqlite3_finalize(s);
    if (ok && known != COUNT_OF(index_tables))
        ok = err_set(err, ERR_INPUT, "%s is not an index that limn index made", x->path);
    return ok;
}

static bool
check_pages(struct index *x, struct err *err)
{
    int code = database_check(x->db);
    if (code == SQLITE_CORRUPT)
        return damaged(x, "SQLite's quick_check", err);
    return code == SQLITE_OK || fail_with(x, code, sqlite3_errstr(code), err);
}

// A line of `about`; NULL: it is not there.
static char *
about_text(struct index *x, const char *key)
{
    bool ended = true;
    char *text = NULL;
    sqlite3_stmt *s = prepare(x, "SELECT value FROM about WHERE key=?1", NULL);
    if (s && sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC) == SQLITE_OK &&
        step(x, s, &ended, NULL) && !ended)
        text = text_of(s, 0, 127);
    sqlite3_finalize(s);
    return text;
}

static int
about_number(struct index *x, const char *key, int max)
{
    char *text = about_text(x, key), *end = NULL;
    long v = text ? strtol(text, &end, 10) : 0;
    bool ok = text && end != text && !*end && v >= 1 && v <= max;
    free(text);
    return ok ? (int)v : 0;
}

bool
index_count_allowed(const char *name, int64_t pictures, int64_t most, struct err *err)
{
    if (pictures < 1)
        return err_set(err, ERR_INPUT, "%s: no picture for an index", name);
    return pictures <= most ||
           err_set(err, ERR_INPUT, "%s: %" PRId64 " pictures, an index holds at most %" PRId64,
                   name, pictures, most);
}

// Rows are numbered from 1 without a hole.
static bool
count_pictures(struct index *x, struct err *err)
{
    sqlite3_stmt *s = prepare(x, "SELECT count(*), min(id), max(id) FROM picture", err);
    bool ended = false, ok = s && step(x, s, &ended, err);
    int64_t n = ok ? sqlite3_column_int64(s, 0) : 0;
    ok = ok && index_count_allowed(x->path, n, LIMIT_INDEX_PICTURES, err);
    if (ok && (sqlite3_column_int64(s, 1) != 1 || sqlite3_column_int64(s, 2) != n))
        ok = damaged(x, "its pictures are not numbered from 1", err);
    x->about.pictures = n;
    sqlite3_finalize(s);
    return ok;
}

static bool
read_styles(struct index *x, struct err *err)
{
    sqlite3_stmt *s = prepare(x, "SELECT id, name, credit FROM style ORDER BY id", err);
    bool ok = s != NULL, ended = false;
    while (ok && (ok = step(x, s, &ended, err)) && !ended) {
        int k = x->style_count;
        char *name = text_of(s, 1, LIMIT_CAPTION_BYTES),
             *credit = text_of(s, 2, LIMIT_INDEX_TEXT_BYTES);
        if (k == LIMIT_INDEX_STYLES || sqlite3_column_int64(s, 0) != k || !name || !credit) {
            free(name);
            free(credit);
            ok = damaged(x, "its styles", err);
            continue;
        }
        x->styles[k] = name;
        x->credits[k] = credit;
        x->style_count++;
    }
    sqlite3_finalize(s);
    return ok;
}

static bool
read_about(struct index *x, struct err *err)
{
    char *format = about_text(x, "format"), *model = about_text(x, "model"),
         *hash = about_text(x, "model_hash");
    bool ok = format && model && hash && strcmp(format, INDEX_FORMAT) == 0;
    if (ok) {
        snprintf(x->about.model, sizeof x->about.model, "%s", model);
        snprintf(x->about.hash, sizeof x->about.hash, "%s", hash);
    } else if (format) {
        err_set(err, ERR_UNSUPPORTED, "%s: its format is '%.40s', this limn reads '%s'", x->path,
                format, INDEX_FORMAT);
    } else {
        damaged(x, "it does not say what it is", err);
    }
    x->about.dimension = about_number(x, "dimension", LIMIT_INDEX_DIMENSION);
    x->about.side = about_number(x, "side", LIMIT_PACK_SIDE);
    x->about.features = about_number(x, "features", LIMIT_INDEX_FEATURES);
    if (ok && (!x->about.dimension || !x->about.features || !x->about.side))
        ok = damaged(x, "its sizes", err);
    free(format);
    free(model);
    free(hash);
    return ok;
}

struct index *
index_open(const char *path, struct err *err)
{
    struct index *x = mem_zalloc(sizeof *x);
    x->path = mem_strdup(path);
    if (open_database(x, err) && check_schema(x, err) && check_pages(x, err) &&
        read_about(x, err) && count_pictures(x, err) && read_styles(x, err))
        return x;
    index_close(x);
    return NULL;
}

void
index_close(struct index *x)
{
    if (!x)
        return;
    sqlite3_finalize(x->match[0]);
    sqlite3_finalize(x->match[1]);
    sqlite3_finalize(x->entry);
    sqlite3_close(x->db);
    for (int i = 0; i < x->style_count; i++) {
        free(x->styles[i]);
        free(x->credits[i]);
    }
    free(x->vectors);
    free(x->path);
    free(x);
}

const struct index_about *
index_about(const struct index *x)
{
    return &x->about;
}

int
index_style_count(const struct index *x)
{
    return x->style_count;
}

const char *
index_style(const struct index *x, int style)
{
    return style >= 0 && style < x->style_count ? x->styles[style] : "";
}

// --- pictures

static bool
read_picture(const struct index *x, sqlite3_stmt *s, struct index_picture *out, struct err *err)
{
    int64_t style = sqlite3_column_int64(s, 1);
    const void *data = sqlite3_column_type(s, 3) == SQLITE_BLOB ? sqlite3_column_blob(s, 3) : NULL;
    out->size = (size_t)sqlite3_column_bytes(s, 3);
    out->name = text_of(s, 0, LIMIT_CAPTION_BYTES);
    out->source = text_of(s, 2, LIMIT_INDEX_TEXT_BYTES);
    if (!out->name || !*out->name || !out->source || !data || out->size > LIMIT_INDEX_IMAGE_BYTES)
        return damaged(x, "a picture", err);
    bool known = style >= 0 && style < x->style_count;
    out->style = mem_strdup(known ? x->styles[style] : "");
    out->credit = mem_strdup(known ? x->credits[style] : "");
    out->data = mem_alloc(out->size + 1);
    memcpy(out->data, data, out->size);
    return true;
}

bool
index_picture(struct index *x, int64_t row, struct index_picture *out, struct err *err)
{
    *out = (struct index_picture){.row = row};
    sqlite3_stmt *s = prepare(x,
                              "SELECT name, style, source, image FROM picture, entry"
                              " WHERE picture.id=?1 AND entry.id=picture.entry",
                              err);
    bool ended = false;
    bool ok = s && sqlite3_bind_int64(s, 1, row + 1) == SQLITE_OK && step(x, s, &ended, err);
    if (ok && ended)
        ok = damaged(x, "a picture is missing", err);
    ok = ok && read_picture(x, s, out, err);
    sqlite3_finalize(s);
    if (!ok)
        index_picture_finish(out);
    return ok;
}

void
index_picture_finish(struct index_picture *p)
{
    free(p->name);
    free(p->style);
    free(p->source);
    free(p->credit);
    free(p->data);
    *p = (struct index_picture){0};
}

// --- vectors

// Blocks come one after the other, all of them whole but the last.
static bool
read_vectors(struct index *x, struct err *err)
{
    size_t dimension = (size_t)x->about.dimension, all = (size_t)x->about.pictures * dimension;
    size_t whole = INDEX_VECTORS_PER_BLOCK * dimension, at = 0;
    x->vectors = mem_try_calloc(all, 1, x->path, err);
    sqlite3_stmt *s = x->vectors ? prepare(x, "SELECT rows FROM vectors ORDER BY id", err) : NULL;
    bool ok = s != NULL, ended = false;
    while (ok && (ok = step(x, s, &ended, err)) && !ended) {
        const void *rows = sqlite3_column_blob(s, 0);
        size_t size = (size_t)sqlite3_column_bytes(s, 0);
        if (!rows || size != MIN(whole, all - at))
            ok = damaged(x, "its vectors", err);
        else
            memcpy(x->vectors + at, rows, size);
        at += size;
    }
    sqlite3_finalize(s);
    if (ok && at != all)
        ok = damaged(x, "its vectors", err);
    if (ok)
        return true;
    free(x->vectors);
    x->vectors = NULL;
    return false;
}

bool
index_vectors(struct index *x, struct vectors *out, struct err *err)
{
    if (!x->vectors && !read_vectors(x, err))
        return false;
    *out = (struct vectors){x->vectors, x->about.pictures, x->about.dimension};
    return true;
}

// f32, little-endian; in `low` to `high`.
static bool
read_numbers(struct index *x, const char *key, float *out, float low, float high, struct err *err)
{
    size_t n = (size_t)x->about.features;
    sqlite3_stmt *s = prepare(x, "SELECT numbers FROM looks WHERE key=?1", err);
    bool ended = true, ok = s && sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC) == SQLITE_OK &&
                            step(x, s, &ended, err);
    const unsigned char *bytes = ok && !ended ? sqlite3_column_blob(s, 0) : NULL;
    if (ok && (!bytes || (size_t)sqlite3_column_bytes(s, 0) != n * sizeof *out))
        ok = damaged(x, "its looks", err);
    for (size_t i = 0; ok && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, bytes + i * sizeof bits, sizeof bits);
        bits = le32toh(bits);
        memcpy(&out[i], &bits, sizeof bits);
        if (!(out[i] >= low && out[i] <= high)) // also what is no number
            ok = damaged(x, "its looks", err);
    }
    sqlite3_finalize(s);
    return ok;
}

bool
index_looks(struct index *x, struct looks *out, struct err *err)
{
    return looks_open(out, x->about.features, x->about.dimension, err) &&
           read_numbers(x, "mean", out->mean, -1e6f, 1e6f, err) &&
           read_numbers(x, "deviation", out->deviation, 1e-6f, 1e6f, err);
}

// --- words

// A word as FTS5's string: in quotes, those inside doubled.
static char *
quoted(const char *column, const char *word)
{
    char *text = mem_alloc(strlen(column) + 2 * strlen(word) + 8), *to = text;
    to += sprintf(to, "%s : \"", column);
    for (const char *p = word; *p; p++) {
        if (*p == '"')
            *to++ = '"';
        *to++ = *p;
    }
    strcpy(to, "\"");
    return text;
}

bool
index_match(struct index *x, const char *word, bool keywords, index_each_entry *each, void *ctx,
            struct err *err)
{
    sqlite3_stmt **s = &x->match[keywords];
    if (!*s)
        *s = prepare(x,
                     "SELECT entry.id, entry.name FROM found, entry WHERE found MATCH ?1"
                     " AND entry.id=found.rowid ORDER BY bm25(found), entry.id LIMIT 1000",
                     err);
    char *query = quoted(keywords ? "keywords" : "name", word);
    bool ok = *s && sqlite3_bind_text(*s, 1, query, -1, SQLITE_TRANSIENT) == SQLITE_OK,
         ended = false;
    while (ok && (ok = step(x, *s, &ended, err)) && !ended) {
        char *name = text_of(*s, 1, LIMIT_CAPTION_BYTES);
        if (name)
            each(ctx, sqlite3_column_int64(*s, 0), name);
        free(name);
    }
    free(query);
    if (*s)
        sqlite3_reset(*s);
    return ok;
}

bool
index_entry(struct index *x, int64_t entry, index_each_picture *each, void *ctx, struct err *err)
{
    if (!x->entry)
        x->entry =
            prepare(x, "SELECT id, style FROM picture WHERE entry=?1 ORDER BY id LIMIT 1000", err);
    sqlite3_stmt *s = x->entry;
    bool ok = s && sqlite3_bind_int64(s, 1, entry) == SQLITE_OK, ended = false;
    while (ok && (ok = step(x, s, &ended, err)) && !ended) {
        int64_t row = sqlite3_column_int64(s, 0) - 1, style = sqlite3_column_int64(s, 1);
        if (row >= 0 && row < x->about.pictures)
            each(ctx, row, style >= 0 && style < x->style_count ? (int)style : -1);
    }
    if (s)
        sqlite3_reset(s);
    return ok;
}
