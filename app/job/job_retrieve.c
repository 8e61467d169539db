// SPDX-License-Identifier: MIT
#include "app/job/job_retrieve.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/job/parameters.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static int
free_marker(struct job *j)
{
    int marker = 1;
    while (job_find(j, marker))
        marker++;
    return marker;
}

// Moves what the index has of a picture into a reference, which takes over its words.
static void
set_reference(struct job_reference *r, char *words, struct index_picture *p)
{
    r->words = words;
    r->retrieved = true;
    r->credit = *p->credit ? p->credit : NULL;
    r->file = *p->source ? mem_strdup(p->source)
                         : mem_printf("%s%s%s", p->name, *p->style ? ", " : "", p->style);
    for (char *c = r->file; *c; c++) // a name, no path
        *c = *c == '/' ? ' ' : *c;
    r->embedded = true;
    r->data = p->data;
    r->size = p->size;
    job_hash(r->data, r->size, r->hash);
    p->data = NULL;
    p->credit = r->credit ? NULL : p->credit;
}

// Who gets the notices.
struct notice_sink {
    job_say *say;
    void *ctx;
};

__attribute__((format(printf, 2, 3))) static void
notify(const struct notice_sink *l, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (l->say)
        l->say(l->ctx, text);
}

static void
notify_retrieved(const struct notice_sink *l, const struct index_picture *p, bool loose)
{
    notify(l, "drawn after '%s'%s%s%s%s%s%s", p->name, *p->style ? " in " : "", p->style,
           loose ? ", found by a keyword" : "", *p->credit ? " (" : "", p->credit,
           *p->credit ? ")" : "");
}

// Puts a marker in front of the words in [at, at + size), and returns them.
static char *
insert_marker(struct job *j, size_t at, size_t size, int marker)
{
    char *text =
        mem_printf("%.*s[ref#%d] %s", (int)at, j->instruction, marker, j->instruction + at);
    char *words = mem_printf("%.*s", (int)size, j->instruction + at);
    free(j->instruction);
    j->instruction = text;
    return words;
}

// In the order of the sentence, so that markers count up along it.
static void
sort_by_place(struct index_found *found)
{
    for (int i = 1; i < found->count; i++)
        for (int k = i; k > 0 && found->items[k].at < found->items[k - 1].at; k--) {
            struct index_hit swapped = found->items[k];
            found->items[k] = found->items[k - 1];
            found->items[k - 1] = swapped;
        }
}

static bool
insert_references(struct job *j, struct index *x, const struct index_found *found,
                  const struct notice_sink *l, struct err *err)
{
    size_t inserted = 0;
    for (int i = 0; i < found->count; i++) {
        const struct index_hit *hit = &found->items[i];
        struct index_picture p;
        if (!index_picture(x, hit->row, &p, err))
            return false;
        notify_retrieved(l, &p, hit->loose);
        int marker = free_marker(j);
        size_t before = strlen(j->instruction);
        char *words = insert_marker(j, hit->at + inserted, hit->end - hit->at, marker);
        inserted += strlen(j->instruction) - before;
        set_reference(job_add(j, marker), words, &p);
        index_picture_finish(&p);
    }
    return true;
}

bool
job_retrieve(struct job *j, struct index *x, job_say *say, void *ctx, struct err *err)
{
    const struct notice_sink l = {say, ctx};
    int count = MIN(j->retrieve, LIMIT_INSTRUCTION_REFERENCES - job_count(j, JOB_REFERENCE));
    struct index_found found = {0};
    j->retrieve = 0;
    if (count > 0 && !index_find(x, j->instruction, count, &found, err))
        return false;
    sort_by_place(&found);
    if (!insert_references(j, x, &found, &l, err))
        return false;
    if (*found.missing)
        notify(&l, "the index has no picture of '%s': drawn from the words alone", found.missing);
    return job_check_complete(j, err);
}

bool
job_retrieve_here(struct job *j, job_say *say, void *ctx, struct err *err)
{
    if (!j->index || j->retrieve == 0)
        return true;
    j->retrieve = j->retrieve < 0 ? 1 : j->retrieve; // naming an index asks for a picture of it
    struct index *x = index_open(j->index, err);
    bool ok = x && job_retrieve(j, x, say, ctx, err);
    index_close(x);
    if (ok)
        parameter_clear(parameter_find("index"), j); // a path of this machine
    return ok;
}

bool
job_retrieve_there(struct job *j, job_say *say, void *ctx, struct err *err)
{
    const struct notice_sink l = {say, ctx};
    if (j->retrieve <= 0)
        return true;
    char *folder = places_model(j->model, err);
    struct err fault = {0};
    char *path = folder ? index_of_model(folder, &fault) : NULL;
    struct index *x = NULL;
    bool ok = folder != NULL;
    if (path)
        ok = (x = index_open(path, err)) && job_retrieve(j, x, say, ctx, err);
    else if (folder)
        notify(&l, "%s: drawn from the words alone",
               fault.code == ERR_NONE ? "the model has no index" : fault.text);
    j->retrieve = 0;
    ok = ok && job_check_complete(j, err);
    index_close(x);
    free(path);
    free(folder);
    return ok;
}
