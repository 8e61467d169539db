// SPDX-License-Identifier: MIT
#include "app/index/index_write.h"

#include <endian.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/index/schema.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

struct index_writer {
    sqlite3 *db;
    sqlite3_stmt *style, *find, *entry, *found, *picture, *vectors;
    int styles, dimension;
    int64_t pictures;
    int8_t *block; // vectors that are not written yet
    int block_count;
};

static bool
fail(const struct index_writer *w, struct err *err)
{
    int code = sqlite3_errcode(w->db) & 0xFF;
    return err_set(err, code == SQLITE_NOMEM || code == SQLITE_FULL ? ERR_MEMORY : ERR_IO,
                   "the index: %s", sqlite3_errmsg(w->db));
}

static bool
execute(struct index_writer *w, const char *sql, struct err *err)
{
    return sqlite3_exec(w->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(w, err);
}

static bool
prepare(struct index_writer *w, sqlite3_stmt **s, const char *sql, struct err *err)
{
    return sqlite3_prepare_v3(w->db, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) == SQLITE_OK ||
           fail(w, err);
}

// Runs a statement that returns nothing; it can be bound again.
static bool
run(struct index_writer *w, sqlite3_stmt *s, struct err *err)
{
    bool ok = sqlite3_step(s) == SQLITE_DONE || fail(w, err);
    sqlite3_reset(s);
    return ok;
}

static bool
put_about(struct index_writer *w, const char *key, const char *value, struct err *err)
{
    sqlite3_stmt *s = NULL;
    bool ok = prepare(w, &s, "INSERT INTO about VALUES(?1, ?2)", err);
    if (ok) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
        ok = run(w, s, err);
    }
    sqlite3_finalize(s);
    return ok;
}

static bool
put_about_number(struct index_writer *w, const char *key, int value, struct err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return put_about(w, key, text, err);
}

static bool
put_numbers(struct index_writer *w, const char *key, const float *numbers, int count,
            struct err *err)
{
    size_t size = (size_t)count * sizeof(uint32_t);
    unsigned char *bytes = mem_alloc(size);
    sqlite3_stmt *s = NULL;
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &numbers[i], sizeof bits);
        bits = htole32(bits);
        memcpy(bytes + (size_t)i * sizeof bits, &bits, sizeof bits);
    }
    bool ok = prepare(w, &s, "INSERT INTO looks VALUES(?1, ?2)", err);
    if (ok) {
        sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
        sqlite3_bind_blob64(s, 2, bytes, size, SQLITE_STATIC);
        ok = run(w, s, err);
    }
    sqlite3_finalize(s);
    free(bytes);
    return ok;
}

static bool
prepare_all(struct index_writer *w, struct err *err)
{
    return prepare(w, &w->style, "INSERT INTO style VALUES(?1, ?2, ?3)", err) &&
           prepare(w, &w->find, "SELECT id FROM entry WHERE name=?1 AND keywords=?2", err) &&
           prepare(w, &w->entry, "INSERT INTO entry(name, keywords) VALUES(?1, ?2)", err) &&
           prepare(w, &w->found, "INSERT INTO found(rowid, name, keywords) VALUES(?1, ?2, ?3)",
                   err) &&
           prepare(w, &w->picture, "INSERT INTO picture VALUES(?1, ?2, ?3, ?4, ?5)", err) &&
           prepare(w, &w->vectors, "INSERT INTO vectors VALUES(?1, ?2)", err);
}

struct index_writer *
index_writer_open(const struct index_about *about, const struct looks *looks, struct err *err)
{
    struct index_writer *w = mem_zalloc(sizeof *w);
    bool ok = sqlite3_open(":memory:", &w->db) == SQLITE_OK || fail(w, err);
    // Pages that little is left over in by pictures of a kilobyte.
    ok = ok && execute(w, "PRAGMA page_size=16384", err);
    for (size_t i = 0; ok && i < COUNT_OF(index_tables); i++)
        ok = execute(w, index_tables[i], err);
    // For the writing alone: an entry is looked for by its words each time.
    ok = ok && execute(w, "CREATE INDEX entry_name ON entry(name, keywords); BEGIN", err) &&
         prepare_all(w, err) && put_about(w, "format", INDEX_FORMAT, err) &&
         put_about(w, "model", about->model, err) && put_about(w, "model_hash", about->hash, err) &&
         put_about_number(w, "features", looks->features, err) &&
         put_about_number(w, "dimension", looks->dimension, err) &&
         put_about_number(w, "side", about->side, err) &&
         put_numbers(w, "mean", looks->mean, looks->features, err) &&
         put_numbers(w, "deviation", looks->deviation, looks->features, err);
    w->dimension = looks->dimension;
    w->block = mem_alloc(INDEX_VECTORS_PER_BLOCK * (size_t)looks->dimension);
    if (ok)
        return w;
    index_writer_close(w);
    return NULL;
}

static void
finish_statements(struct index_writer *w)
{
    sqlite3_stmt **all[] = {&w->style, &w->find, &w->entry, &w->found, &w->picture, &w->vectors};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        sqlite3_finalize(*all[i]);
        *all[i] = NULL;
    }
}

void
index_writer_close(struct index_writer *w)
{
    if (!w)
        return;
    finish_statements(w);
    sqlite3_close(w->db);
    free(w->block);
    free(w);
}

bool
index_writer_style(struct index_writer *w, const char *name, const char *credit, struct err *err)
{
    sqlite3_bind_int(w->style, 1, w->styles++);
    sqlite3_bind_text(w->style, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->style, 3, credit, -1, SQLITE_STATIC);
    return run(w, w->style, err);
}

// The entry with these words, made if need be; 0: it failed.
static int64_t
entry_of(struct index_writer *w, const char *name, const char *keywords, struct err *err)
{
    sqlite3_bind_text(w->find, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->find, 2, keywords, -1, SQLITE_STATIC);
    int64_t id = sqlite3_step(w->find) == SQLITE_ROW ? sqlite3_column_int64(w->find, 0) : 0;
    sqlite3_reset(w->find);
    if (id)
        return id;
    sqlite3_bind_text(w->entry, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->entry, 2, keywords, -1, SQLITE_STATIC);
    if (!run(w, w->entry, err))
        return 0;
    id = sqlite3_last_insert_rowid(w->db);
    sqlite3_bind_int64(w->found, 1, id);
    sqlite3_bind_text(w->found, 2, name, -1, SQLITE_STATIC);
    sqlite3_bind_text(w->found, 3, keywords, -1, SQLITE_STATIC);
    return run(w, w->found, err) ? id : 0;
}

static bool
put_vectors(struct index_writer *w, struct err *err)
{
    if (!w->block_count)
        return true;
    sqlite3_bind_null(w->vectors, 1); // the next number
    sqlite3_bind_blob64(w->vectors, 2, w->block, (size_t)w->block_count * (size_t)w->dimension,
                        SQLITE_STATIC);
    w->block_count = 0;
    return run(w, w->vectors, err);
}

bool
index_writer_add(struct index_writer *w, const struct index_record *r, struct err *err)
{
    int64_t entry = entry_of(w, r->name, r->keywords, err);
    if (!entry)
        return false;
    sqlite3_bind_int64(w->picture, 1, ++w->pictures);
    sqlite3_bind_int64(w->picture, 2, entry);
    sqlite3_bind_int(w->picture, 3, MAX(r->style, -1));
    sqlite3_bind_text(w->picture, 4, r->source, -1, SQLITE_STATIC);
    sqlite3_bind_blob64(w->picture, 5, r->data, r->size, SQLITE_STATIC);
    if (!run(w, w->picture, err))
        return false;
    memcpy(w->block + (size_t)w->block_count++ * (size_t)w->dimension, r->vector,
           (size_t)w->dimension);
    return w->block_count < INDEX_VECTORS_PER_BLOCK || put_vectors(w, err);
}

bool
index_writer_commit(struct index_writer *w, const char *path, struct err *err)
{
    sqlite3_int64 size = 0;
    bool ok = put_vectors(w, err) &&
              execute(w, "INSERT INTO found(found) VALUES('optimize')", err) &&
              execute(w, "COMMIT; DROP INDEX entry_name; VACUUM", err);
    finish_statements(w);
    unsigned char *bytes = ok ? sqlite3_serialize(w->db, "main", &size, 0) : NULL;
    if (ok && !bytes)
        ok = err_set(err, ERR_MEMORY, "%s: not enough memory for an index of %" PRId64 " pictures",
                     path, w->pictures);
    ok = ok && file_write(path, bytes, (size_t)size, err);
    sqlite3_free(bytes);
    return ok;
}
