// SPDX-License-Identifier: MIT
#include "app/ui/entry.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/ui/background.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

struct entry {
    struct work work;
    bool (*write)(struct library *l, const struct entry *e, struct err *err);
    void (*then)(struct ui *ui, const struct entry *e); // NULL: just log a failure
    char id[JOB_ID_TEXT];
    struct job job;
    struct jv *sweep;
    char *host, *key, *text;
    enum library_state state;
    int64_t picture;
    int number;
    struct err err; // ERR_NONE: it was written
};

static void
release(struct work *w)
{
    struct entry *e = (struct entry *)w;
    job_finish(&e->job);
    jv_free(e->sweep);
    free(e->host);
    free(e->key);
    free(e->text);
    free(e);
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct entry *e = (struct entry *)w;
    (void)stopping;
    if (library && !e->write(library, e, &e->err) && e->err.code == ERR_NONE)
        err_set(&e->err, ERR_CANCELLED, "another limn has taken it over");
}

static void
done(struct ui *ui, struct work *w)
{
    struct entry *e = (struct entry *)w;
    if (e->then)
        e->then(ui, e);
    else if (e->err.code != ERR_NONE)
        ui_log(ui, ROLE_WARNING, e->err.text);
}

static struct entry *
entry_new(bool (*write)(struct library *l, const struct entry *e, struct err *err), const char *id)
{
    struct entry *e = mem_zalloc(sizeof *e);
    e->work = (struct work){.run = run, .done = done, .release = release};
    e->write = write;
    e->job = JOB_EMPTY;
    snprintf(e->id, sizeof e->id, "%s", id);
    return e;
}

static void
put(struct ui *ui, struct entry *e)
{
    background_put(ui_chores(ui), &e->work);
}

// For writes whose result the screen does not show: no key waits for them.
static void
put_unawaited(struct ui *ui, struct entry *e)
{
    e->work.unawaited = true;
    put(ui, e);
}

// --- jobs

static bool
write_job(struct library *l, const struct entry *e, struct err *err)
{
    return library_job_add(l, &e->job, e->host, e->sweep, err);
}

static void
job_written(struct ui *ui, const struct entry *e)
{
    if (e->err.code != ERR_NONE)
        ui_log(ui, ROLE_WARNING, e->err.text);
    task_recorded(ui, e->id);
}

void
entry_job(struct ui *ui, const struct task *t)
{
    struct entry *e = entry_new(write_job, t->job.id);
    job_copy(&e->job, &t->job);
    e->sweep = t->sweep_record ? jv_copy(t->sweep_record) : NULL;
    e->host = ui_host(ui) ? mem_strdup(ui_host(ui)) : NULL;
    e->then = job_written;
    put(ui, e);
}

static bool
write_state(struct library *l, const struct entry *e, struct err *err)
{
    return library_job_state(l, e->id, e->state, e->text, err);
}

void
entry_state(struct ui *ui, const char *job, enum library_state state, const char *error)
{
    struct entry *e = entry_new(write_state, job);
    e->state = state;
    e->text = error && *error ? mem_strdup(error) : NULL;
    put_unawaited(ui, e);
}

static bool
write_owner(struct library *l, const struct entry *e, struct err *err)
{
    return library_job_own(l, e->id, err);
}

void
entry_own(struct ui *ui, const char *job)
{
    put_unawaited(ui, entry_new(write_owner, job));
}

static bool
write_dropped(struct library *l, const struct entry *e, struct err *err)
{
    return (!*e->key || library_job_claim(l, e->id, e->key)) &&
           library_job_state(l, e->id, LIBRARY_CANCELLED, "dropped", err);
}

static void
report_failure(struct ui *ui, const struct entry *e)
{
    if (e->err.code != ERR_NONE)
        ui_say(ui, e->err.code == ERR_CANCELLED ? ROLE_WARNING : ROLE_ERROR, "%s", e->err.text);
}

void
entry_drop(struct ui *ui, const char *job, const char *owner)
{
    struct entry *e = entry_new(write_dropped, job);
    e->key = mem_strdup(owner);
    e->then = report_failure;
    put(ui, e);
}

// --- the session

static bool
write_text(struct library *l, const struct entry *e, struct err *err)
{
    return library_put_value(l, e->key, e->text, err);
}

void
entry_text(struct ui *ui, const char *key, const char *text)
{
    struct entry *e = entry_new(write_text, "");
    e->key = mem_strdup(key);
    e->text = mem_strdup(text);
    put_unawaited(ui, e);
}

static bool
write_instruction(struct library *l, const struct entry *e, struct err *err)
{
    return library_save_instruction(l, &e->job, err);
}

static void
instruction_written(struct ui *ui, const struct entry *e)
{
    session_saved(ui, &e->err);
}

void
entry_instruction(struct ui *ui, struct background *b)
{
    struct entry *e = entry_new(write_instruction, "");
    job_copy(&e->job, &session_of(ui)->job);
    e->then = instruction_written;
    e->work.unawaited = true;
    background_put(b, &e->work);
}

// --- pictures

static bool
write_deleted(struct library *l, const struct entry *e, struct err *err)
{
    return library_delete(l, e->picture, e->number, err);
}

static void
picture_changed(struct ui *ui, const struct entry *e)
{
    report_failure(ui, e);
    bool back = e->write == write_deleted && !e->number && e->err.code == ERR_NONE;
    gallery_changed(ui, back ? e->picture : 0);
}

static struct entry *
picture_entry(bool (*write)(struct library *l, const struct entry *e, struct err *err),
              int64_t picture, int number)
{
    struct entry *e = entry_new(write, "");
    e->picture = picture;
    e->number = number;
    e->then = picture_changed;
    return e;
}

static bool
write_rating(struct library *l, const struct entry *e, struct err *err)
{
    return library_rate(l, e->picture, e->number, err);
}

void
entry_rating(struct ui *ui, int64_t picture, int rating)
{
    put(ui, picture_entry(write_rating, picture, rating));
}

static bool
write_tag(struct library *l, const struct entry *e, struct err *err)
{
    return library_tag(l, e->picture, e->text, e->number, err);
}

void
entry_tag(struct ui *ui, int64_t picture, const char *tag, bool on)
{
    struct entry *e = picture_entry(write_tag, picture, on);
    e->text = mem_strdup(tag);
    put(ui, e);
}

void
entry_deleted(struct ui *ui, int64_t picture, bool deleted)
{
    put(ui, picture_entry(write_deleted, picture, deleted));
}
