// SPDX-License-Identifier: MIT
// What earlier limns left, and this worker says hello with: jobs that it has still, that were
// drawn meanwhile, or that were interrupted, and pictures that wait in its spool.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/process.h"
#include "app/library/library.h"
#include "app/ui/arrivals.h"
#include "app/ui/entry.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "app/worker/client.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static const struct jv *
listed(const struct jv *jobs, const char *id)
{
    for (size_t i = 0; i < jv_size(jobs); i++)
        if (strcmp(jv_string(jv_get(jv_at(jobs, i), "id"), ""), id) == 0)
            return jv_at(jobs, i);
    return NULL;
}

static int
waiting_results(const struct jv *results, const char *id)
{
    int n = 0;
    for (size_t i = 0; i < jv_size(results); i++)
        n += strcmp(jv_string(jv_get(jv_at(results, i), "job"), ""), id) == 0;
    return n;
}

struct left {
    struct ui *ui;
    struct left_job {
        char *id, *sweep, *owner;
        bool mine; // nobody else waits for it
        enum library_state state;
    } *jobs;
    int count, capacity;
};

static void
collect(const struct library_job *job, void *ctx)
{
    struct left *l = ctx;
    struct jv *request = jv_parse(job->request, strlen(job->request), "job", NULL);
    const char *sweep = jv_string(jv_get(jv_get(request, "sweep"), "id"), NULL);
    bool here = strcmp(job->host, ui_host(l->ui) ? ui_host(l->ui) : "") == 0;
    struct left_job one = {.id = mem_strdup(job->id),
                           .sweep = sweep ? mem_strdup(sweep) : NULL,
                           .owner = mem_strdup(job->owner),
                           .mine = here && process_state(job->owner, NULL) == PROCESS_GONE,
                           .state = job->state};
    ARRAY_PUSH(l->jobs, l->count, l->capacity, one);
    jv_free(request);
}

static void
free_left(struct left *l)
{
    for (int i = 0; i < l->count; i++) {
        free(l->jobs[i].id);
        free(l->jobs[i].sweep);
        free(l->jobs[i].owner);
    }
    free(l->jobs);
    l->jobs = NULL;
    l->count = l->capacity = 0;
}

// The picture of a job of a sweep that was drawn before: the sheet will need it.
static void
take_done(struct ui *ui, struct task *t)
{
    struct library_filter f = {.job = t->job.id, .limit = 1};
    struct library_list list;
    t->state = TASK_DONE;
    if (!library_query(ui_library(ui), &f, &list, NULL))
        return;
    if (list.count) {
        struct arrival *a = arrival_new(ARRIVAL_EARLIER);
        a->file = mem_strdup(list.items[0].file);
        snprintf(a->job, sizeof a->job, "%s", t->job.id);
        t->arriving++;
        background_put(ui_arrivals(ui), &a->work);
    }
    library_list_free(&list);
}

// A job that an earlier limn left: in this worker, finished meanwhile, or interrupted.
static void
take_left(struct ui *ui, const struct left_job *left, const struct jv *hello)
{
    struct tasks *tasks = tasks_of(ui);
    const struct jv *job = listed(jv_get(hello, "jobs"), left->id);
    const char *state = jv_string(jv_get(job, "state"), "");
    bool running = strcmp(state, "running") == 0, waiting = strcmp(state, "waiting") == 0;
    struct jv *sweep = NULL;
    struct job j;
    if (task_find(ui, left->id))
        return;
    bool known = library_job_restore(ui_library(ui), left->id, &j, &sweep, NULL);
    if (!known) {
        job_finish(&j);
        j = JOB_EMPTY;
        snprintf(j.id, sizeof j.id, "%s", left->id);
    }
    int results = waiting_results(jv_get(hello, "results"), left->id);
    if (left->state != LIBRARY_QUEUED) {
        struct task *t = left->state == LIBRARY_DONE ? task_add(ui, &j, sweep) : NULL;
        if (t)
            take_done(ui, t);
    } else if (running || waiting) {
        struct task *t = task_add(ui, &j, sweep);
        if (t) {
            t->state = running ? TASK_RUNNING : TASK_QUEUED;
            t->step = (int)jv_integer(jv_get(job, "step"), 0);
            t->total = (int)jv_integer(jv_get(job, "total"), 0);
            entry_own(ui, left->id);
            client_expect(ui_client(ui), left->id, j.count);
            tasks->shown = tasks->count - 1;
        }
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0) {
        entry_state(ui, left->id, *state == 'f' ? LIBRARY_FAILED : LIBRARY_CANCELLED,
                    jv_string(jv_get(job, "text"), NULL));
    } else if (*state || (known && results >= MAX(j.count, 1))) {
        // It was drawn meanwhile; its pictures are on their way, and of a sweep they belong on the
        // sheet.
        struct task *t = sweep && results ? task_add(ui, &j, sweep) : NULL;
        if (t) {
            t->state = TASK_RUNNING;
            t->drawn = true;
            t->awaited = MIN(results, MAX(j.count, 1));
        }
    } else if (known) {
        struct task *t =
            task_offer(ui, &j, sweep, "limn or its machine stopped before it was done");
        if (t)
            snprintf(t->owner, sizeof t->owner, "%s", left->owner);
    }
    jv_free(sweep);
    job_finish(&j);
}

// Pictures that wait in the worker's spool: of another machine only those that were asked for here.
static void
fetch_waiting(struct ui *ui, const struct jv *results)
{
    for (size_t i = 0; i < jv_size(results); i++) {
        const char *job = jv_string(jv_get(jv_at(results, i), "job"), "");
        int64_t index = jv_integer(jv_get(jv_at(results, i), "index"), 0);
        bool ours = !ui_host(ui) ||
                    (ui_library(ui) && library_job_known(ui_library(ui), job, ui_host(ui)));
        if (ours && index < LIMIT_JOB_PICTURES)
            client_fetch(ui_client(ui), job, (int)index);
    }
}

// Jobs the library has as open, and with one of a sweep the others of it, so that its sheet is
// whole.
void
tasks_left(struct ui *ui, const struct jv *hello)
{
    struct left l = {.ui = ui};
    int before = tasks_offered(ui);
    fetch_waiting(ui, jv_get(hello, "results"));
    if (!ui_library(ui) || !library_job_each(ui_library(ui), NULL, collect, &l, NULL))
        return;
    for (int i = 0; i < l.count; i++) {
        struct left rest = {.ui = ui};
        if (!l.jobs[i].mine)
            continue;
        if (l.jobs[i].sweep)
            library_job_each(ui_library(ui), l.jobs[i].sweep, collect, &rest, NULL);
        for (int k = 0; k < rest.count; k++)
            if (rest.jobs[k].mine || rest.jobs[k].state != LIBRARY_QUEUED)
                take_left(ui, &rest.jobs[k], hello);
        free_left(&rest);
        take_left(ui, &l.jobs[i], hello);
    }
    free_left(&l);
    int n = tasks_offered(ui) - before;
    if (n > 0)
        ui_say(ui, ROLE_WARNING, "%d %s interrupted: 2 shows what, R there draws %s again", n,
               n == 1 ? "drawing was" : "drawings were", n == 1 ? "it" : "them");
}
