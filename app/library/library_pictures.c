// SPDX-License-Identifier: MIT
// Pictures: added, searched, rated, removed.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "app/job/sweep_sheet.h"
#include "app/library/library_parts.h"
#include "engine/base/mem.h"

int64_t
library_picture_add(struct library *l, const struct library_picture *p, struct err *err)
{
    sqlite3_stmt *s =
        library_prepare(l, err,
                "INSERT INTO picture(job, idx, file, seed, created, instruction, words, model,"
                " template) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(file) DO UPDATE"
                " SET job=?1, idx=?2, seed=?4, instruction=?6, words=?7, model=?8, template=?9,"
                " deleted=0 RETURNING id",
                "titiitttt", p->job, (int64_t)p->index, p->file, p->seed,
                p->created ? p->created : (int64_t)time(NULL), p->instruction ? p->instruction : "",
                p->words ? p->words : "", p->model ? p->model : "",
                p->template ? p->template : "");
    int64_t id = -1;
    if (s && sqlite3_step(s) == SQLITE_ROW)
        id = sqlite3_column_int64(s, 0);
    else if (s)
        library_fail(l, err);
    if (s && id >= 0 && sqlite3_step(s) != SQLITE_DONE) {
        library_fail(l, err);
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

// The sheet of a sweep is found by the sweep's instruction and its labels.
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
        return own.text[0] ? err_set(err, own.code, "%s", own.text)
                           : err_set(err, ERR_UNSUPPORTED, "%s: it contains no instruction",
                                     file);
    }
    add_words(&words, &j);
    char *real = realpath(file, NULL);
    stat(file, &st);
    const char *dash = strrchr(file, '-');
    *out = (struct library_picture){.job = mem_strdup(job ? job : ""),
                                    .file = real ? real : mem_strdup(file),
                                    .instruction = mem_strdup(j.instruction ? j.instruction : ""),
                                    .words = words, .seed = j.seed, .created = st.st_mtime,
                                    .index = dash ? atoi(dash + 1) : 0,
                                    .model = mem_strdup(j.drawn_by ? j.drawn_by : ""),
                                    .template = mem_strdup(j.template ? j.template : "")};
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
    free(p->model);
    free(p->template);
    *p = (struct library_picture){0};
}

int64_t
library_picture_import(struct library *l, const char *file, const char *job, struct err *err)
{
    struct library_picture p;
    struct err own = {0};
    bool read = library_picture_read(file, job, &p, &own);
    int64_t id = read ? library_picture_add(l, &p, err) : -1;
    if (!read)
        err_set(err, own.code == ERR_UNSUPPORTED ? ERR_INPUT : own.code, "%s", own.text);
    library_picture_finish(&p);
    return id;
}

bool
library_query(struct library *l, const struct library_filter *f, struct library_list *list,
              struct err *err)
{
    static const char *const orders[LIBRARY_SORT_COUNT] = {"id DESC", "id", "rating DESC, id DESC",
                                                           "seed, id"};
    *list = (struct library_list){0};
    struct library_search search;
    library_search_read(f->search ? f->search : "", &search);
    char *tag = f->tag && *f->tag ? mem_printf(" %s ", f->tag) : NULL;
    char *sql = mem_printf(
        "SELECT id, job, file, instruction, words, tags, seed, created, idx, rating, model,"
        " template FROM picture"
        " WHERE deleted=0 AND rating>=?1 AND (?2 IS NULL OR instr(' '||tags||' ', ?2)>0)"
        " AND (?3 IS NULL OR job=?3) AND (?7=0 OR id=?7) AND (?8=0 OR created>=?8)"
        " AND (?9=0 OR created<?9) AND (?10<0 OR seed=?10)"
        " AND (?11 IS NULL OR instr(lower(model), lower(?11))>0)"
        " AND (?12 IS NULL OR instr(lower(template), lower(?12))>0)%s ORDER BY %s"
        " LIMIT ?5 OFFSET ?6",
        search.match ? " AND id IN (SELECT rowid FROM found WHERE found MATCH ?4)"
                     : " AND ?4 IS NULL",
        orders[f->sort < LIBRARY_SORT_COUNT ? f->sort : 0]);
    sqlite3_stmt *s = library_prepare(
        l, err, sql, "itttiiiiiitt", (int64_t)MAX(f->rating, search.rating), tag, f->job,
        search.match, (int64_t)(f->limit ? f->limit : 1000), (int64_t)f->offset, f->id,
        search.since, search.until, search.seed, search.model, search.template);
    int code = SQLITE_DONE, capacity = 0;
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        struct library_picture p = {.id = sqlite3_column_int64(s, 0),
                                    .job = library_column_text(s, 1),
                                    .file = library_column_text(s, 2),
                                    .instruction = library_column_text(s, 3),
                                    .words = library_column_text(s, 4),
                                    .tags = library_column_text(s, 5),
                                    .seed = sqlite3_column_int64(s, 6),
                                    .created = sqlite3_column_int64(s, 7),
                                    .index = sqlite3_column_int(s, 8),
                                    .rating =
                                        MAX(0, MIN(sqlite3_column_int(s, 9), LIBRARY_RATING_MAX)),
                                    .model = library_column_text(s, 10),
                                    .template = library_column_text(s, 11)};
        ARRAY_PUSH(list->items, list->count, capacity, p);
    }
    bool ok = s && (code == SQLITE_DONE || library_fail(l, err));
    sqlite3_finalize(s);
    free(sql);
    free(tag);
    library_search_finish(&search);
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
        return err_set(err, ERR_INPUT, "the rating is %d, but must be in 0..%d", rating,
                       LIBRARY_RATING_MAX);
    return library_run(l,
                       library_prepare(l, err, "UPDATE picture SET rating=?2 WHERE id=?1", "ii", id,
                                       (int64_t)rating),
                       err);
}

bool
library_tag(struct library *l, int64_t id, const char *tag, bool on, struct err *err)
{
    if (!*tag || strpbrk(tag, " \t\r\n") || strlen(tag) > 60)
        return err_set(err, ERR_INPUT, "'%.60s' is not a tag: one word of at most 60 bytes", tag);
    // Removed first, so that it occurs once.
    sqlite3_stmt *s = library_prepare(
        l, err,
        "UPDATE picture SET tags=trim(replace(' '||tags||' ', ' '||?2||' ', ' ')||?3) WHERE id=?1",
        "itt", id, tag, on ? tag : "");
    return library_run(l, s, err);
}

bool
library_delete(struct library *l, int64_t id, bool deleted, struct err *err)
{
    return library_run(l,
                       library_prepare(l, err, "UPDATE picture SET deleted=?2 WHERE id=?1", "ii",
                                       id, (int64_t)deleted),
                       err);
}

int
library_purge(struct library *l, struct err *err)
{
    int count = 0, code = SQLITE_DONE, capacity = 0, gone_count = 0;
    int64_t *gone = NULL;
    sqlite3_stmt *s = library_prepare(l, err, "SELECT id, file FROM picture WHERE deleted=1", "");
    while (s && (code = sqlite3_step(s)) == SQLITE_ROW) {
        bool removed = unlink((const char *)sqlite3_column_text(s, 1)) == 0;
        count += removed;
        if (removed || errno == ENOENT) // a file that cannot be removed keeps its entry
            ARRAY_PUSH(gone, gone_count, capacity, sqlite3_column_int64(s, 0));
    }
    bool ok = s && (code == SQLITE_DONE || library_fail(l, err));
    sqlite3_finalize(s);
    for (int i = 0; ok && i < gone_count; i++)
        ok = library_run(
            l, library_prepare(l, err, "DELETE FROM picture WHERE id=?1", "i", gone[i]), err);
    free(gone);
    return ok ? count : -1;
}
