// SPDX-License-Identifier: MIT
// Jobs of this UI: the queue, what the worker says of them, and the files they become.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/ui.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/contact.h"

struct task *
task_find(struct ui *ui, const char *job)
{
    for (int i = 0; i < ui->task_count; i++)
        if (strcmp(ui->tasks[i]->job.id, job) == 0)
            return ui->tasks[i];
    return NULL;
}

static void
forget_frames(struct task *t)
{
    for (int i = 0; i < t->frame_count; i++)
        image_unref(t->frames[i]);
    t->frame_count = 0;
}

void
task_free(struct task *t)
{
    forget_frames(t);
    for (int i = 0; i < JOB_COUNT_MAX; i++)
        free(t->files[i]);
    free(t->label);
    job_finish(&t->job);
    free(t);
}

int
tasks_unfinished(const struct ui *ui)
{
    int n = 0;
    for (int i = 0; i < ui->task_count; i++)
        n += ui->tasks[i]->state == TASK_QUEUED || ui->tasks[i]->state == TASK_RUNNING;
    return n;
}

// The oldest finished ones make room: their pictures are in the library.
static bool
make_room(struct ui *ui)
{
    if (ui->task_count < UI_TASKS_MAX)
        return true;
    for (int i = 0; i < ui->task_count; i++) {
        if (ui->tasks[i]->state == TASK_QUEUED || ui->tasks[i]->state == TASK_RUNNING)
            continue;
        task_free(ui->tasks[i]);
        memmove(&ui->tasks[i], &ui->tasks[i + 1],
                (size_t)(--ui->task_count - i) * sizeof *ui->tasks);
        ui->task_shown = MAX(0, MIN(ui->task_shown, ui->task_count - 1));
        return true;
    }
    return false;
}

static void
record_state(struct ui *ui, const struct task *t)
{
    static const enum library_state states[] = {LIBRARY_QUEUED, LIBRARY_QUEUED, LIBRARY_DONE,
                                                LIBRARY_FAILED, LIBRARY_CANCELLED};
    if (ui->library)
        library_job_state(ui->library, t->job.id, states[t->state], *t->error ? t->error : NULL,
                          NULL);
}

bool
task_start(struct ui *ui, const struct job *job, int sweep, int columns, const char *label)
{
    if (!make_room(ui)) {
        ui_say(ui, ROLE_ERROR, "%d jobs are waiting, which is as many as there may be",
               UI_TASKS_MAX);
        return false;
    }
    struct task *t = mem_zalloc(sizeof *t);
    job_copy(&t->job, job);
    t->sweep = sweep;
    t->sweep_columns = columns;
    t->label = label ? mem_strdup(label) : NULL;
    ui->tasks[ui->task_count++] = t;
    struct jv *json = job_json(&t->job, true);
    char *text = jv_text(json, 0);
    struct err err = {0};
    if (ui->library && !library_job_add(ui->library, t->job.id, text, &err))
        ui_log(ui, ROLE_WARNING, err.text);
    free(text);
    jv_free(json);
    client_submit(ui->client, &t->job, true);
    // The one that runs stays in view; a new one alone comes into it.
    if (tasks_unfinished(ui) == 1 || ui->tasks[ui->task_shown]->state > TASK_RUNNING)
        ui->task_shown = ui->task_count - 1;
    ui->dirty = true;
    return true;
}

void
task_cancel(struct ui *ui, struct task *t)
{
    if (t->state == TASK_QUEUED || t->state == TASK_RUNNING)
        client_cancel(ui->client, t->job.id);
}

void
task_offer_again(struct ui *ui)
{
    for (int i = 0; i < ui->task_count; i++) {
        struct task *t = ui->tasks[i];
        if (t->state != TASK_QUEUED && t->state != TASK_RUNNING)
            continue;
        if (t->state == TASK_RUNNING && t->offered) {
            t->state = TASK_FAILED;
            snprintf(t->error, sizeof t->error, "the worker died of it twice");
            record_state(ui, t);
            continue;
        }
        t->offered = t->offered || t->state == TASK_RUNNING;
        t->state = TASK_QUEUED;
        t->step = 0;
        forget_frames(t);
        client_submit(ui->client, &t->job, true);
    }
}

static void
keep_frame(struct ui *ui, struct task *t, struct image *image, int step)
{
    if (ui->window && ui->task_shown < ui->task_count && ui->tasks[ui->task_shown] == t)
        window_link_frame(ui->window, image, step, t->total);

    if (t->frame_count == UI_FRAMES_MAX) { // every second one will do
        int n = 0;
        for (int i = 0; i < UI_FRAMES_MAX; i++) {
            if (i % 2) {
                t->frames[n] = t->frames[i];
                t->frame_steps[n++] = t->frame_steps[i];
            } else {
                image_unref(t->frames[i]);
            }
        }
        t->frame_count = n;
    }
    t->frames[t->frame_count] = image_ref(image);
    t->frame_steps[t->frame_count++] = step;
}

// Writes the picture, enters it into the library, and only then lets the worker forget it.
static void
store_result(struct ui *ui, const struct client_event *e)
{
    struct task *t = task_find(ui, e->job);
    struct err err = {0};
    char *folder = library_folder();
    char *file = mem_printf("%s/%s-%d.png", folder, e->job, e->index);
    free(folder);
    bool ok = (e->png || err_set(&err, ERR_IO, "it came without its data")) &&
              file_write(file, e->png, e->png_size, &err);
    if (ok) {
        client_stored(ui->client, e->job, e->index);
        if (ui->library && library_picture_import(ui->library, file, e->job, &err) < 0)
            ui_log(ui, ROLE_WARNING, err.text);
        if (e->late) {
            char *text = mem_printf("fetched a picture of an earlier job: %s", file);
            ui_log(ui, ROLE_GOOD, text);
            free(text);
        }
    } else {
        ui_say(ui, ROLE_ERROR, "the picture waits with the worker: %s", err.text);
    }
    if (t && e->index >= 0 && e->index < JOB_COUNT_MAX) {
        free(t->files[e->index]);
        t->files[e->index] = ok ? mem_strdup(file) : NULL;
        struct image *whole = e->png ? codec_decode(e->png, e->png_size, file, NULL) : NULL;
        if (whole && t->job.count == 1)
            keep_frame(ui, t, whole, t->total);
        image_unref(whole);
    }
    free(file);
}

// All pictures of a sweep on one labelled sheet, when the last of them has ended.
static void
write_sheet(struct ui *ui, int sweep)
{
    struct contact_cell cells[UI_TASKS_MAX];
    struct err err = {0};
    int count = 0, drawn = 0, columns = 0;
    const struct task *first = NULL;
    for (int i = 0; i < ui->task_count; i++) {
        const struct task *t = ui->tasks[i];
        if (t->sweep != sweep)
            continue;
        if (t->state <= TASK_RUNNING)
            return;
        first = first ? first : t;
        columns = t->sweep_columns;
        cells[count] = (struct contact_cell){NULL, t->label};
        if (t->state == TASK_DONE && t->frame_count) {
            cells[count].image = t->frames[t->frame_count - 1];
            drawn++;
        }
        count++;
    }
    if (!drawn)
        return;
    char *folder = library_folder(), *file = mem_printf("%s/sheet-%s.png", folder, first->job.id);
    struct image *sheet = contact_sheet(cells, count, columns, 128, &err);
    if (sheet && codec_write_png(sheet, file, NULL, &err))
        ui_say(ui, ROLE_GOOD, "%d of %d pictures on %s", drawn, count, file);
    else
        ui_say(ui, ROLE_ERROR, "the sheet could not be written: %s", err.text);
    if (err.code == ERR_NONE)
        ui_log(ui, ROLE_GOOD, ui->message);
    image_unref(sheet);
    free(file);
    free(folder);
}

// Of finished jobs but the newest ones only the picture stays: frames of hundreds would fill the memory.
static void
trim_frames(struct ui *ui)
{
    int whole = 0;
    for (int i = ui->task_count - 1; i >= 0; i--) {
        struct task *t = ui->tasks[i];
        if (t->state <= TASK_RUNNING || t->frame_count < 2 || ++whole <= UI_TASKS_WITH_FRAMES)
            continue;
        int last = --t->frame_count;
        struct image *picture = t->frames[last];
        int step = t->frame_steps[last];
        forget_frames(t);
        t->frames[0] = picture;
        t->frame_steps[0] = step;
        t->frame_count = 1;
    }
}

static void
end_task(struct ui *ui, struct task *t, enum task_state state, const char *error)
{
    t->state = state;
    snprintf(t->error, sizeof t->error, "%s", error ? error : "");
    record_state(ui, t);
    if (t->sweep)
        write_sheet(ui, t->sweep);
    trim_frames(ui);
    // The next one that runs comes into view.
    for (int i = 0; i < ui->task_count; i++)
        if (ui->tasks[i] == t && ui->task_shown == i && i + 1 < ui->task_count &&
            ui->tasks[i + 1]->state == TASK_QUEUED)
            ui->task_shown = i + 1;
}

// What another UI left running is a job of this one now.
static void
adopt(struct ui *ui, const char *job, const char *request, const struct jv *jobs)
{
    for (size_t i = 0; i < jv_size(jobs); i++) {
        const struct jv *o = jv_at(jobs, i);
        const char *state = jv_string(jv_get(o, "state"), "");
        if (strcmp(jv_string(jv_get(o, "id"), ""), job) != 0 || task_find(ui, job) ||
            (strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0) || !make_room(ui))
            continue;
        struct task *t = mem_zalloc(sizeof *t);
        struct jv *json = jv_parse(request, strlen(request), "job", NULL);
        if (!json || !job_parse(&t->job, json, "job", NULL))
            snprintf(t->job.id, sizeof t->job.id, "%s", job);
        jv_free(json);
        t->state = strcmp(state, "running") == 0 ? TASK_RUNNING : TASK_QUEUED;
        t->step = (int)jv_integer(jv_get(o, "step"), 0);
        t->total = (int)jv_integer(jv_get(o, "total"), 0);
        ui->tasks[ui->task_count++] = t;
        ui->task_shown = ui->task_count - 1;
    }
}

struct open_job {
    char *job, *request;
};

struct adoption {
    struct ui *ui;
    const struct jv *jobs;
    struct open_job *open;
    int count, capacity;
};

static void
collect_open(const char *job, const char *request, void *ctx)
{
    struct adoption *a = ctx;
    struct open_job one = {mem_strdup(job), mem_strdup(request)};
    ARRAY_PUSH(a->open, a->count, a->capacity, one);
}

// Jobs the library has as open: running in the worker that was found, or lost with an earlier one.
static void
on_hello(struct ui *ui, const struct client_event *e)
{
    struct adoption a = {.ui = ui, .jobs = jv_get(e->data, "jobs")};
    if (ui->library)
        library_job_open(ui->library, collect_open, &a, NULL);
    for (int i = 0; i < a.count; i++) {
        adopt(ui, a.open[i].job, a.open[i].request, a.jobs);
        if (!task_find(ui, a.open[i].job) && ui->library)
            library_job_state(ui->library, a.open[i].job, LIBRARY_CANCELLED,
                              "limn or its machine stopped before it was finished", NULL);
        free(a.open[i].job);
        free(a.open[i].request);
    }
    free(a.open);
}

void
task_event(struct ui *ui, const struct client_event *e)
{
    struct task *t = task_find(ui, e->job);
    ui->dirty = true;
    if (e->type == CLIENT_RESULT)
        store_result(ui, e);
    if (e->type == CLIENT_HELLO)
        on_hello(ui, e);
    if (!t)
        return;
    switch (e->type) {
    case CLIENT_STARTED:
        t->state = TASK_RUNNING;
        snprintf(t->device, sizeof t->device, "%s", jv_string(jv_get(e->data, "device"), ""));
        const char *hash = jv_string(jv_get(e->data, "model_hash"), "");
        if (t->job.model_hash && strcmp(t->job.model_hash, hash) != 0)
            ui_say(ui, ROLE_WARNING,
                   "that picture was made by another model: this one will differ");
        break;
    case CLIENT_PROGRESS:
        t->state = TASK_RUNNING;
        t->step = e->step;
        t->total = e->total;
        t->seconds = e->seconds;
        if (e->image)
            keep_frame(ui, t, e->image, e->step);
        break;
    case CLIENT_DONE: end_task(ui, t, TASK_DONE, NULL); break;
    case CLIENT_FAILED:
        end_task(ui, t, e->err.code == ERR_CANCELLED ? TASK_CANCELLED : TASK_FAILED, e->err.text);
        if (e->err.code != ERR_CANCELLED) {
            ui_say(ui, ROLE_ERROR, "%s", e->err.text);
            ui_log(ui, ROLE_ERROR, e->err.text);
        }
        break;
    case CLIENT_HELLO:
    case CLIENT_LOADERS:
    case CLIENT_DESCRIBED:
    case CLIENT_QUEUED:
    case CLIENT_RESULT:
    case CLIENT_LOADED:
    case CLIENT_LOG:
    case CLIENT_LOST:
    case CLIENT_RUNNING:
    case CLIENT_OUTPUT:
    case CLIENT_FILE:
    case CLIENT_ENDED:
    case CLIENT_COMMANDS:
    case CLIENT_CHANGED:
    case CLIENT_PIECE: break;
    }
}
