// SPDX-License-Identifier: MIT
// Opens the instruction in a picture that limn made, and those on a sweep's sheet. They are read in
// the background, as a stranger's picture may contain a lot (opening.h).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/opening.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

static void
release(struct work *w)
{
    struct opening *o = (struct opening *)w;
    sweep_sheet_finish(&o->sheet);
    job_finish(&o->job);
    free(o->file);
    free(o);
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct opening *o = (struct opening *)w;
    (void)library;
    if (atomic_load(stopping))
        return;
    o->has_sheet = sweep_sheet_read(&o->sheet, o->file, &o->err);
    if (!o->has_sheet && o->err.code == ERR_NONE)
        o->has_job = job_from_png(&o->job, o->file, &o->err);
}

static void
done(struct ui *ui, struct work *w)
{
    struct opening *o = (struct opening *)w;
    o->then(ui, o);
}

void
opening_begin(struct ui *ui, const char *file, void (*then)(struct ui *ui, struct opening *o),
              int64_t number)
{
    struct opening *o = mem_zalloc(sizeof *o);
    o->work = (struct work){.run = run, .done = done, .release = release};
    o->file = mem_strdup(file);
    o->number = number;
    o->keys = ui_keys(ui);
    o->then = then;
    o->job = JOB_EMPTY;
    background_put(ui_chores(ui), &o->work);
}

// --- as the composer's instruction, or as tasks; `number`: draw them at once

// What each job of the sweep keeps about it (struct task), but its label.
static struct jv *
sweep_of(const struct opening *o, const struct job *sweep_job)
{
    struct jv *sweep = jv_object();
    jv_set(sweep, "id", jv_from_string(sweep_job->id));
    jv_set(sweep, "columns", jv_from_integer(o->sheet.columns));
    jv_set(sweep, "about", jv_copy(o->sheet.about));
    return sweep;
}

static void
show_tasks(struct ui *ui, const struct opening *o, int first, int count)
{
    struct tasks *tasks = tasks_of(ui);
    if (!count)
        return;
    tasks->shown = MIN(first, tasks->count - 1);
    if (o->keys == ui_keys(ui))
        ui_open_view(ui, VIEW_LIVE);
    ui_say(ui, ROLE_GOOD, o->number ? "%d pictures of a sweep, with another seed"
                                  : "a sweep of %d pictures: R draws them all, o opens one",
           count);
}

static void
open_sheet(struct ui *ui, struct opening *o)
{
    struct job fresh = JOB_EMPTY;
    char why[ERR_TEXT_MAX];
    const char *slash = strrchr(o->file, '/');
    int first = tasks_of(ui)->count, started = 0;
    job_resolve(&fresh); // an id and a new seed for the sweep
    struct jv *sweep = sweep_of(o, &fresh);
    snprintf(why, sizeof why, "from %s", slash ? slash + 1 : o->file);
    for (int i = 0; i < o->sheet.count; i++) {
        struct job *j = &o->sheet.cells[i].job;
        if (o->number && !sweep_sheet_has(&o->sheet, "seed"))
            j->seed = fresh.seed;
        job_resolve(j);
        jv_set(sweep, "label", jv_from_string(o->sheet.cells[i].label));
        started += o->number ? task_start(ui, j, sweep) : task_offer(ui, j, sweep, why) != NULL;
    }
    if (o->sheet.asked) {
        char *text = mem_printf("%s asks for %s: not followed, p chooses them", o->file,
                                o->sheet.asked);
        ui_log(ui, ROLE_WARNING, text);
        free(text);
    }
    show_tasks(ui, o, first, started);
    jv_free(sweep);
    job_finish(&fresh);
}

static void
open_job(struct ui *ui, const struct opening *o)
{
    session_set(ui, &o->job);
    if (o->number) {
        session_of(ui)->job.seed = -1;
        session_draw(ui);
    } else if (o->keys == ui_keys(ui)) {
        ui_open_view(ui, VIEW_COMPOSE);
    }
}

static void
on_opened(struct ui *ui, struct opening *o)
{
    if (o->has_sheet)
        open_sheet(ui, o);
    else if (o->has_job)
        open_job(ui, o);
    else
        ui_say(ui, ROLE_ERROR, "%s",
               o->err.code ? o->err.text : "limn did not make this picture");
}

void
session_open(struct ui *ui, const char *file, bool draw)
{
    opening_begin(ui, file, on_opened, draw);
}
