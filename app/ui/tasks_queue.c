// SPDX-License-Identifier: MIT
// The order of the queue, its pause and its end. The worker gets each job at once and draws them in
// order. So a job that is to move or wait is withdrawn from the worker and, once that has confirmed
// it, submitted again under another id. If the worker has begun it meanwhile it starts over: the
// same seed makes the same picture.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/library/library.h"
#include "app/ui/entry.h"
#include "app/ui/screen.h"
#include "app/ui/tasks.h"
#include "app/ui/tasks_parts.h"
#include "app/ui/ui.h"
#include "app/worker/client.h"
#include "engine/base/mem.h"

#define BELL_SECONDS 10.0 // the shortest queue whose end rings

// --- withdrawing and resubmitting

static void
withdraw(struct ui *ui, struct task *t, enum withdrawal why)
{
    if (t->state != TASK_QUEUED || t->withdrawn != WITHDRAWN_NOT)
        return;
    t->withdrawn = why;
    if (!t->recording) // else the worker has not got it yet, and will not
        client_cancel(ui_client(ui), t->job.id);
}

// The worker and the library know the old id as cancelled.
void
task_rename(struct ui *ui, struct task *t)
{
    t->withdrawn = WITHDRAWN_NOT;
    entry_state(ui, t->job.id, LIBRARY_CANCELLED, NULL);
    job_name(&t->job);
}

// Submits them in the order of the list, once the worker has confirmed all withdrawals.
void
tasks_resubmit(struct ui *ui)
{
    const struct tasks *tasks = tasks_of(ui);
    for (int i = 0; i < tasks->count; i++)
        if (tasks->items[i]->withdrawn != WITHDRAWN_NOT && tasks->items[i]->state <= TASK_RUNNING)
            return;
    for (int i = 0; i < tasks->count && !tasks->paused; i++)
        if (tasks->items[i]->withdrawn == WITHDRAWN_TO_MOVE)
            task_submit(ui, tasks->items[i]);
}

bool
task_withdrawn(struct ui *ui, struct task *t)
{
    if (t->withdrawn == WITHDRAWN_NOT)
        return false;
    t->state = TASK_OFFERED;
    t->step = 0;
    snprintf(t->error, sizeof t->error, "paused");
    tasks_resubmit(ui);
    return true;
}

// --- for the view

void
tasks_pause(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    int n = 0;
    tasks->paused = !tasks->paused;
    for (int i = 0; i < tasks->count; i++) {
        struct task *t = tasks->items[i];
        if (tasks->paused)
            withdraw(ui, t, WITHDRAWN_TO_MOVE);
        n += t->withdrawn != WITHDRAWN_NOT;
    }
    if (!tasks->paused)
        tasks_resubmit(ui);
    if (tasks->paused)
        ui_say(ui, ROLE_WARNING,
               "the queue is paused: what is being drawn is finished, %d %s; P continues", n,
               n == 1 ? "waits" : "wait");
    else
        ui_say(ui, ROLE_GOOD, "the queue continues");
}

static bool
waits(const struct task *t)
{
    return t->state == TASK_QUEUED || t->withdrawn != WITHDRAWN_NOT;
}

bool
task_move(struct ui *ui, struct task *t, int by)
{
    struct tasks *tasks = tasks_of(ui);
    int at = 0, to;
    while (at < tasks->count && tasks->items[at] != t)
        at++;
    for (to = at + by; to >= 0 && to < tasks->count && !waits(tasks->items[to]); to += by)
        ;
    if (!waits(t) || to < 0 || to >= tasks->count)
        return false;
    tasks->items[at] = tasks->items[to];
    tasks->items[to] = t;
    tasks->shown = to;
    for (int i = MIN(at, to); i < tasks->count; i++)
        withdraw(ui, tasks->items[i], WITHDRAWN_TO_MOVE);
    return true;
}

int
tasks_stop_all(struct ui *ui)
{
    const struct tasks *tasks = tasks_of(ui);
    int n = 0;
    for (int i = tasks->count - 1; i >= 0; i--) { // backwards, so that none begins meanwhile
        struct task *t = tasks->items[i];
        n += t->state <= TASK_RUNNING || t->state == TASK_OFFERED;
        task_cancel(ui, t);
        task_drop(ui, t);
    }
    return n;
}

void
tasks_save_pace(struct ui *ui, const struct task *t)
{
    char text[32];
    if (t->seconds <= 0 || t->job.count < 1)
        return;
    tasks_of(ui)->pace = t->seconds / t->job.count;
    snprintf(text, sizeof text, "%.3f", tasks_of(ui)->pace);
    entry_text(ui, "pace", text);
}

double
tasks_seconds_each(const struct ui *ui)
{
    return tasks_of(ui)->pace > 0 ? tasks_of(ui)->pace : -1;
}

double
tasks_seconds_left(const struct ui *ui)
{
    const struct tasks *tasks = tasks_of(ui);
    double one = 0, left = 0; // one: seconds of the job that was timed last
    int waiting = 0;
    for (int i = 0; i < tasks->count; i++) {
        const struct task *t = tasks->items[i];
        if (t->state == TASK_RUNNING && t->step > 0) {
            one = t->seconds / t->step * t->total;
            left = one - t->seconds;
        } else if (t->state == TASK_DONE && t->seconds > 0 && left <= 0) {
            one = t->seconds;
        }
        waiting += t->state == TASK_QUEUED || (t->state == TASK_RUNNING && t->step == 0);
    }
    return one > 0 ? left + waiting * one : -1;
}

void
tasks_check_end(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    if (tasks_unfinished(ui) > 0) {
        tasks->busy_since = tasks->busy_since > 0 ? tasks->busy_since : ui_now();
        return;
    }
    bool ring = tasks->busy_since > 0 && ui_now() - tasks->busy_since >= BELL_SECONDS;
    tasks->busy_since = 0;
    if (ring && !tasks->silent)
        screen_ring();
}

void
tasks_toggle_bell(struct ui *ui)
{
    struct tasks *tasks = tasks_of(ui);
    tasks->silent = !tasks->silent;
    entry_text(ui, "bell", tasks->silent ? "no" : "yes");
    ui_say(ui, ROLE_GOOD,
           tasks->silent ? "no bell" : "a bell when a queue of ten seconds and more is done");
}

void
tasks_restore(struct ui *ui)
{
    char *kept = ui_library(ui) ? library_get_value(ui_library(ui), "bell", NULL) : NULL;
    char *pace = ui_library(ui) ? library_get_value(ui_library(ui), "pace", NULL) : NULL;
    tasks_of(ui)->silent = kept && strcmp(kept, "no") == 0;
    tasks_of(ui)->pace = pace ? strtod(pace, NULL) : 0;
    free(pace);
    free(kept);
}
