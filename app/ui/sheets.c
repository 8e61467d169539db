// SPDX-License-Identifier: MIT
// Puts all pictures of a sweep on one labelled sheet once the last job has ended: composed, encoded
// and written in the background.
#include <limits.h>
#include <stdlib.h>

#include "app/job/sweep_sheet.h"
#include "app/library/library.h"
#include "app/ui/background.h"
#include "app/ui/draw.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

struct sheet {
    struct work work;
    struct sweep_sheet sheet;
    char **files; // of each cell; NULL: no picture
    char *file;   // of the sheet
    int drawn;
    struct err err, library_error; // ERR_NONE: it was written; it is in the library
};

static void
release(struct work *w)
{
    struct sheet *s = (struct sheet *)w;
    for (int i = 0; i < s->sheet.count; i++)
        free(s->files[i]);
    free(s->files);
    free(s->file);
    sweep_sheet_finish(&s->sheet);
    free(s);
}

// Replaces the cell's job by the one that its picture contains, if any.
static void
read_cell(struct sheet_cell *c, const char *file)
{
    struct job own = JOB_EMPTY;
    if (job_from_png(&own, file, NULL)) {
        job_finish(&c->job);
        c->job = own;
    } else {
        job_finish(&own);
    }
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct sheet *s = (struct sheet *)w;
    for (int i = 0; i < s->sheet.count; i++)
        if (s->files[i] && !atomic_load(stopping))
            read_cell(&s->sheet.cells[i], s->files[i]);
    if (sweep_sheet_write(&s->sheet, s->file, &s->err) && library)
        library_picture_import(library, s->file, NULL, &s->library_error);
}

static void
done(struct ui *ui, struct work *w)
{
    struct sheet *s = (struct sheet *)w;
    if (s->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "the sheet could not be written: %s", s->err.text);
        return;
    }
    char file[4200];
    draw_short_path(s->file, INT_MAX, file, sizeof file); // from ~, so that its end is seen
    ui_say(ui, ROLE_GOOD, "%d of %d pictures on %s", s->drawn, s->sheet.count, file);
    ui_log(ui, ROLE_GOOD, ui_message(ui));
    if (s->library_error.code != ERR_NONE)
        ui_log(ui, ROLE_WARNING, s->library_error.text);
}

static bool
is_drawn(const struct task *t)
{
    return t->state == TASK_DONE && t->frame_count;
}

static struct sheet *
sheet_of(const struct ui *ui, int sweep, int count, const char *folder)
{
    const struct tasks *tasks = tasks_of(ui);
    struct sheet *s = mem_zalloc(sizeof *s);
    s->work = (struct work){.run = run, .done = done, .release = release};
    s->files = mem_zalloc((size_t)count * sizeof *s->files);
    for (int i = 0, k = 0; i < tasks->count; i++) {
        const struct task *t = tasks->items[i];
        if (t->sweep != sweep)
            continue;
        if (k == 0) {
            sweep_sheet_begin(&s->sheet, count, t->sweep_columns);
            s->sheet.about = jv_copy(jv_get(t->sweep_record, "about"));
            s->file = mem_printf("%s/sheet-%s.png", folder, t->job.id);
        }
        struct sheet_cell *cell = &s->sheet.cells[k];
        job_copy(&cell->job, &t->job);
        cell->label = mem_strdup(t->label);
        cell->image = is_drawn(t) ? image_ref(t->frames[t->frame_count - 1]) : NULL;
        s->files[k++] = t->files[0] ? mem_strdup(t->files[0]) : NULL;
        s->drawn += is_drawn(t);
    }
    return s;
}

void
sheet_write(struct ui *ui, int sweep)
{
    struct tasks *tasks = tasks_of(ui);
    struct err err = {0};
    int count = 0, drawn = 0;
    struct task *pending = NULL;
    for (int i = 0; i < tasks->count; i++) {
        struct task *t = tasks->items[i];
        if (t->sweep != sweep)
            continue;
        if (t->state <= TASK_RUNNING || t->state == TASK_OFFERED)
            return;
        pending = t->arriving ? t : pending;
        drawn += is_drawn(t);
        count++;
    }
    if (pending)
        pending->sheet_pending = true;
    if (!drawn || pending)
        return;
    char *folder = library_folder(&err);
    if (folder)
        background_put(ui_chores(ui), &sheet_of(ui, sweep, count, folder)->work);
    else
        ui_say(ui, ROLE_ERROR, "the sheet could not be written: %s", err.text);
    free(folder);
}
