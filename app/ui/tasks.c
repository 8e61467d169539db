// SPDX-License-Identifier: MIT
// The UI's jobs: the queue, the worker's events, and the resulting files.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/library/library.h"
#include "app/ui/arrivals.h"
#include "app/ui/entry.h"
#include "app/ui/reading.h"
#include "app/ui/tasks_parts.h"
#include "app/ui/ui.h"
#include "app/window/window_link.h"
#include "app/worker/client.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

struct task *
task_shown(const struct ui *ui)
{
    const struct tasks *tasks = tasks_of(ui);
    return tasks->shown < tasks->count ? tasks->items[tasks->shown] : NULL;
}

struct task *
task_find(struct ui *ui, const char *job)
{
    struct tasks *tasks = tasks_of(ui);
    for (int i = 0; i < tasks->count; i++)
        if (strcmp(tasks->items[i]->job.id, job) == 0)
            return tasks->items[i];
    return NULL;
}

static void
free_frames(struct task *t)
{
    for (int i = 0; i < t->frame_count; i++)
        image_unref(t->frames[i]);
    image_unref(t->first);
    image_unref(t->first_of);
    t->first = t->first_of = NULL;
    t->frame_count = 0;
}

static void
task_free(struct task *t)
{
    free_frames(t);
    for (int i = 0; i < LIMIT_JOB_PICTURES; i++)
        free(t->files[i]);
    free(t->label);
    jv_free(t->sweep_record);
    job_finish(&t->job);
    free(t);
}

void
tasks_free(struct tasks *tasks)
{
    for (int i = 0; tasks && i < tasks->count; i++)
        task_free(tasks->items[i]);
    free(tasks);
}

void
tasks_remove_finished(struct tasks *tasks)
{
    int n = 0;
    for (int i = 0; i < tasks->count; i++) {
        if (tasks->items[i]->state > TASK_RUNNING && tasks->items[i]->state != TASK_OFFERED)
            task_free(tasks->items[i]);
        else
            tasks->items[n++] = tasks->items[i];
    }
    tasks->count = n;
}

int
tasks_unfinished(const struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    int n = 0;
    for (int i = 0; i < tasks->count; i++)
        n += tasks->items[i]->state == TASK_QUEUED || tasks->items[i]->state == TASK_RUNNING;
    return n;
}

// Drops the oldest finished task, whose pictures are in the library, if the list is full.
static bool
evict_finished(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    if (tasks->count < UI_TASKS_MAX)
        return true;
    for (int i = 0; i < tasks->count; i++) {
        enum task_state state = tasks->items[i]->state;
        if (state == TASK_QUEUED || state == TASK_RUNNING || state == TASK_OFFERED)
            continue;
        task_free(tasks->items[i]);
        memmove(&tasks->items[i], &tasks->items[i + 1],
                (size_t)(--tasks->count - i) * sizeof *tasks->items);
        tasks->shown = MAX(0, MIN(tasks->shown, tasks->count - 1));
        return true;
    }
    return false;
}

static void
record_state(struct ui *ui, const struct task *t)
{
    static const enum library_state states[] = {LIBRARY_QUEUED, LIBRARY_QUEUED, LIBRARY_DONE,
                                                LIBRARY_FAILED, LIBRARY_CANCELLED,
                                                LIBRARY_QUEUED};
    entry_state(ui, t->job.id, states[t->state], t->error);
}

static void
join_sweep(struct ui *ui, struct task *t, const struct jv *sweep)
{
    struct tasks *tasks = tasks_of(ui);
    const char *id = jv_string(jv_get(sweep, "id"), "");
    if (!*id)
        return;
    for (int i = 0; i < tasks->count; i++)
        if (strcmp(jv_string(jv_get(tasks->items[i]->sweep_record, "id"), ""), id) == 0)
            t->sweep = tasks->items[i]->sweep;
    if (!t->sweep)
        t->sweep = ++tasks->sweeps;
    t->sweep_record = jv_copy(sweep);
    t->sweep_columns =
        (int)MIN(MAX(jv_integer(jv_get(sweep, "columns"), 1), 1), LIMIT_SWEEP_CELLS);
    t->label = mem_strdup(jv_string(jv_get(sweep, "label"), ""));
}

struct task *
task_add(struct ui *ui, const struct job *job, const struct jv *sweep)
{
    struct tasks *tasks = tasks_of(ui);
    if (!evict_finished(ui)) {
        ui_say(ui, ROLE_ERROR, "%d jobs are waiting, the most allowed",
               UI_TASKS_MAX);
        return NULL;
    }
    struct task *t = mem_zalloc(sizeof *t);
    job_copy(&t->job, job);
    join_sweep(ui, t, sweep);
    tasks->items[tasks->count++] = t;
    ui_redraw(ui);
    return t;
}

// The worker gets it once the library has it, so that nothing unknown is ever drawn.
void
task_submit(struct ui *ui, struct task *t)
{
    if (tasks_of(ui)->paused) { // as if it had been withdrawn
        t->state = TASK_OFFERED;
        t->withdrawn = WITHDRAWN_TO_MOVE;
        snprintf(t->error, sizeof t->error, "paused");
        ui_say(ui, ROLE_WARNING, "the queue is paused: P there continues");
        return;
    }
    if (t->withdrawn != WITHDRAWN_NOT)
        task_rename(ui, t);
    t->state = TASK_QUEUED;
    t->error[0] = 0;
    t->recording = true;
    entry_job(ui, t);
}

void
task_recorded(struct ui *ui, const char *job)
{
    struct task *t = task_find(ui, job);
    if (!t || !t->recording)
        return;
    t->recording = false;
    if (!task_withdrawn(ui, t) && t->state == TASK_QUEUED)
        client_submit(ui_client(ui), &t->job, true);
}

bool
task_start(struct ui *ui, const struct job *job, const struct jv *sweep)
{
    struct tasks *tasks = tasks_of(ui);
    struct task *t = task_add(ui, job, sweep);
    if (!t)
        return false;
    task_submit(ui, t);
    // A running task stays in view; otherwise the new one is shown.
    if (tasks_unfinished(ui) == 1 || tasks->items[tasks->shown]->state > TASK_RUNNING)
        tasks->shown = tasks->count - 1;
    return true;
}

struct task *
task_offer(struct ui *ui, const struct job *job, const struct jv *sweep, const char *why)
{
    struct task *t = task_add(ui, job, sweep);
    if (t) {
        t->state = TASK_OFFERED;
        snprintf(t->error, sizeof t->error, "%s", why);
    }
    return t;
}

static void
on_offered_read(struct ui *ui, struct reading *r)
{
    struct task *t = task_find(ui, r->jobs[0].id);
    if (!t || t->state != TASK_OFFERED)
        return;
    ui_redraw(ui);
    if (r->claimed) {
        t->state = TASK_CANCELLED;
        ui_say(ui, ROLE_WARNING, "another limn has taken it over");
        return;
    }
    t->owner[0] = 0;
    if (r->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
        return;
    }
    job_finish(&t->job);
    t->job = r->jobs[0];
    r->jobs[0] = JOB_EMPTY;
    task_submit(ui, t);
}

bool
task_run(struct ui *ui, struct task *t)
{
    if (t->state != TASK_OFFERED)
        return false;
    struct reading *r = reading_new(1, on_offered_read);
    job_copy(&r->jobs[0], &t->job);
    snprintf(r->owner, sizeof r->owner, "%s", t->owner);
    reading_put(ui, r);
    return true;
}

int
tasks_offered(const struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    int n = 0;
    for (int i = 0; i < tasks->count; i++)
        n += tasks->items[i]->state == TASK_OFFERED;
    return n;
}

int
tasks_run_offered(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    int n = 0;
    for (int i = 0; i < tasks->count; i++)
        n += task_run(ui, tasks->items[i]);
    return n;
}

void
tasks_offer_lost(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    for (int i = 0; i < tasks->count; i++) {
        struct task *t = tasks->items[i];
        bool open = t->state == TASK_QUEUED || t->state == TASK_RUNNING;
        if (!open || t->recording || (t->drawn && !t->fetching))
            continue;
        t->drawn = false;
        t->fetching = 0;
        t->withdrawn = WITHDRAWN_NOT;
        if (t->state == TASK_RUNNING && t->crashed) {
            t->state = TASK_FAILED;
            snprintf(t->error, sizeof t->error, "it crashed the worker twice");
            record_state(ui, t);
            continue;
        }
        t->crashed = t->crashed || t->state == TASK_RUNNING;
        t->state = TASK_QUEUED;
        t->step = 0;
        free_frames(t);
        client_submit(ui_client(ui), &t->job, true);
    }
    tasks_resubmit(ui);
}

static size_t
frame_bytes(const struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    size_t n = 0;
    for (int i = 0; i < tasks->count; i++)
        for (int k = 0; k < tasks->items[i]->frame_count; k++)
            n += tasks->items[i]->frames[k]->stride * (size_t)tasks->items[i]->frames[k]->height;
    return n;
}

// Drops a frame of the job with the most frames; false: none can be spared.
static bool
drop_frame(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    struct task *t = NULL;
    for (int i = 0; i < tasks->count; i++)
        if (tasks->items[i]->frame_count > (t ? t->frame_count : 1))
            t = tasks->items[i];
    if (!t)
        return false;
    int at = t->frame_count / 2 - 1;
    image_unref(t->frames[at]);
    t->frame_count--;
    memmove(&t->frames[at], &t->frames[at + 1],
            (size_t)(t->frame_count - at) * sizeof *t->frames);
    memmove(&t->frame_steps[at], &t->frame_steps[at + 1],
            (size_t)(t->frame_count - at) * sizeof *t->frame_steps);
    return true;
}

static void
add_frame(struct ui *ui, struct task *t, struct image *image, int step)
{
    struct tasks *tasks = tasks_of(ui);
    if (ui_window(ui) && tasks->shown < tasks->count && tasks->items[tasks->shown] == t)
        window_link_frame(ui_window(ui), image, step, t->total);

    if (t->frame_count == UI_FRAMES_MAX) { // keep every second one
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
    while (frame_bytes(ui) > LIMIT_FRAMES_BYTES && drop_frame(ui)) {
    }
}

// Has the picture written and decoded in the background; then task_arrived() is called. Takes the
// bytes.
static void
queue_result(struct ui *ui, struct client_event *e)
{
    struct task *t = task_find(ui, e->job);
    struct err err = {0};
    if (t && e->index >= 0 && e->index < LIMIT_JOB_PICTURES && t->unwanted[e->index]) {
        t->fetching = MAX(t->fetching - 1, 0);
        client_stored(ui_client(ui), e->job, e->index);
        return;
    }
    char *folder = library_folder(&err);
    if (!folder) {
        ui_say(ui, ROLE_ERROR, "the worker keeps the picture: %s", err.text);
        return;
    }
    struct arrival *a = arrival_new(ARRIVAL_RESULT);
    a->index = e->index;
    a->late = e->late;
    a->png = e->png;
    a->png_size = a->work.bytes = e->png_size;
    a->file = mem_printf("%s/%s-%d.png", folder, e->job, e->index);
    snprintf(a->job, sizeof a->job, "%s", e->job);
    e->png = NULL;
    if (t) {
        t->arriving++;
        t->fetching = MAX(t->fetching - 1, 0);
    }
    background_put(ui_arrivals(ui), &a->work);
    free(folder);
}

// The picture is written and, if possible, in the library: only now may the worker forget it.
static void
acknowledge_result(struct ui *ui, const struct arrival *a)
{
    client_stored(ui_client(ui), a->job, a->index);
    if (a->differs)
        ui_say(ui, ROLE_WARNING, "%s came again and differs: the first one is kept", a->file);
    if (a->library_error.code != ERR_NONE)
        ui_log(ui, ROLE_WARNING, a->library_error.text);
    if (a->late && !task_find(ui, a->job))
        entry_state(ui, a->job, LIBRARY_DONE, NULL);
    if (a->late) {
        char *text = mem_printf("fetched a picture of an earlier job: %s", a->file);
        ui_log(ui, ROLE_GOOD, text);
        free(text);
    }
}

// Finished jobs, except the newest, keep only their last frame: those of hundreds of jobs would
// fill the memory.
static void
trim_frames(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    int whole = 0;
    for (int i = tasks->count - 1; i >= 0; i--) {
        struct task *t = tasks->items[i];
        if (t->state <= TASK_RUNNING || t->frame_count < 2 || ++whole <= UI_TASKS_WITH_FRAMES)
            continue;
        int last = --t->frame_count;
        struct image *picture = t->frames[last];
        int step = t->frame_steps[last];
        free_frames(t);
        t->frames[0] = picture;
        t->frame_steps[0] = step;
        t->frame_count = 1;
    }
}

static void
on_ended(struct ui *ui, struct task *t)
{
    struct tasks *tasks = tasks_of(ui);
    if (t->sweep)
        sheet_write(ui, t->sweep);
    trim_frames(ui);
    t->withdrawn = WITHDRAWN_NOT;
    tasks_resubmit(ui);
    tasks_check_end(ui);
    // Show the next one that will run.
    for (int i = 0; i < tasks->count; i++)
        if (tasks->items[i] == t && tasks->shown == i && i + 1 < tasks->count &&
            tasks->items[i + 1]->state == TASK_QUEUED)
            tasks->shown = i + 1;
}

// Logs how a job ended; errors are logged elsewhere.
static void
log_end(struct ui *ui, const struct task *t)
{
    static const char *const ends[] = {[TASK_DONE] = "drawn", [TASK_CANCELLED] = "stopped"};
    const char *text = t->label ? t->label : t->job.instruction ? t->job.instruction : "";
    if (t->state != TASK_DONE && t->state != TASK_CANCELLED)
        return;
    char *line = mem_printf("%s in %.1f s, seed %" PRId64 ": %s", ends[t->state], t->seconds,
                            t->job.seed, text);
    ui_log(ui, t->state == TASK_DONE ? ROLE_GOOD : ROLE_DIM, line);
    free(line);
}

static void
end_task(struct ui *ui, struct task *t, enum task_state state, const char *error)
{
    t->state = state;
    snprintf(t->error, sizeof t->error, "%s", error ? error : "");
    log_end(ui, t);
    if (state == TASK_DONE)
        tasks_save_pace(ui, t);
    record_state(ui, t);
    on_ended(ui, t);
}

// Ends the task if the worker is done and all its pictures have arrived.
static void
end_if_complete(struct ui *ui, struct task *t)
{
    bool waits = t->sheet_pending;
    if (t->arriving || t->fetching)
        return;
    t->sheet_pending = false;
    if (t->drawn && (t->state == TASK_QUEUED || t->state == TASK_RUNNING))
        end_task(ui, t, TASK_DONE, NULL);
    else if (waits)
        sheet_write(ui, t->sweep);
}

void
task_arrived(struct ui *ui, struct arrival *a)
{
    struct task *t = task_find(ui, a->job);
    bool result = a->kind == ARRIVAL_RESULT;
    if (result && a->kept)
        acknowledge_result(ui, a);
    else if (result)
        ui_say(ui, ROLE_ERROR, "the worker keeps the picture: %s", a->refused.text);
    if (!t)
        return;
    if (result || a->image) {
        free(t->files[a->index]);
        t->files[a->index] = a->kept || !result ? mem_strdup(a->file) : NULL;
    }
    if (a->image && t->job.count == 1)
        add_frame(ui, t, a->image, result ? t->total : 0);
    t->arriving--;
    end_if_complete(ui, t);
}

void
task_drop(struct ui *ui, struct task *t)
{
    if (t->state != TASK_OFFERED)
        return;
    entry_drop(ui, t->job.id, t->owner);
    t->state = TASK_CANCELLED;
    snprintf(t->error, sizeof t->error, "dropped");
    on_ended(ui, t);
}

void
task_cancel(struct ui *ui, struct task *t)
{
    t->withdrawn = WITHDRAWN_NOT;
    if (t->recording) // the worker does not have it yet
        end_task(ui, t, TASK_CANCELLED, NULL);
    else if (t->state == TASK_QUEUED || t->state == TASK_RUNNING)
        client_cancel(ui_client(ui), t->job.id);
}

bool
task_drop_picture(struct ui *ui, struct task *t, int index)
{
    int left = 0;
    for (int i = 0; i < t->job.count && i < LIMIT_JOB_PICTURES; i++)
        left += i != index && !t->unwanted[i];
    if (!left || t->state > TASK_RUNNING)
        return false;
    t->unwanted[index] = true;
    ui_redraw(ui);
    return true;
}

void
task_event(struct ui *ui, struct client_event *e)
{
    struct task *t = task_find(ui, e->job);
    ui_redraw(ui);
    if (e->type == CLIENT_RESULT)
        queue_result(ui, e);
    if (e->type == CLIENT_HELLO)
        tasks_recover(ui, e->data);
    if (!t)
        return;
    switch (e->type) {
    case CLIENT_STARTED:
        t->state = TASK_RUNNING;
        tasks_check_end(ui);
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
            add_frame(ui, t, e->image, e->step);
        break;
    case CLIENT_DONE:
        t->drawn = true;
        end_if_complete(ui, t);
        break;
    case CLIENT_FAILED:
        if (e->err.code == ERR_CANCELLED && task_withdrawn(ui, t))
            break;
        end_task(ui, t, e->err.code == ERR_CANCELLED ? TASK_CANCELLED : TASK_FAILED, e->err.text);
        if (e->err.code != ERR_CANCELLED)
            ui_say(ui, ROLE_ERROR, "%s", e->err.text);
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
