// SPDX-License-Identifier: MIT
// Takes over what earlier sessions left: jobs that this worker still has, that were drawn
// meanwhile, or that were interrupted, and pictures in the worker's spool.
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

// A job of an earlier session, as the library has it.
struct left_job {
    char *id, *owner, *sweep_id;
    char *picture; // the file of its picture, if it was drawn; NULL: none
    bool mine;     // of this host, and its owner has exited
    bool known;    // `job` and `sweep` could be read from the library
    struct job job;
    struct jv *sweep;
    enum library_state state;
};

struct left_jobs {
    const char *host;
    struct left_job *items;
    int count, capacity;
};

// Read in the background: the library may be large, its disk slow.
struct left {
    struct work work;
    struct jv *hello;
    char *host; // "": here
    struct left_jobs jobs;
    bool *fetched; // for each result in the spool: whether to fetch it
};

static void
free_job(struct left_job *one)
{
    free(one->id);
    free(one->owner);
    free(one->sweep_id);
    free(one->picture);
    job_finish(&one->job);
    jv_free(one->sweep);
}

static void
free_jobs(struct left_jobs *l)
{
    for (int i = 0; i < l->count; i++)
        free_job(&l->items[i]);
    free(l->items);
}

static void
release(struct work *w)
{
    struct left *l = (struct left *)w;
    free_jobs(&l->jobs);
    jv_free(l->hello);
    free(l->host);
    free(l->fetched);
    free(l);
}

// --- on the thread

static void
collect(const struct library_job *job, void *ctx)
{
    struct left_jobs *l = ctx;
    struct jv *request = jv_parse(job->request, strlen(job->request), "job", NULL);
    const char *sweep = jv_string(jv_get(jv_get(request, "sweep"), "id"), NULL);
    bool here = strcmp(job->host, l->host) == 0;
    struct left_job one = {.id = mem_strdup(job->id),
                           .owner = mem_strdup(job->owner),
                           .sweep_id = sweep ? mem_strdup(sweep) : NULL,
                           .mine = here && process_state(job->owner, NULL) == PROCESS_GONE,
                           .job = JOB_EMPTY,
                           .state = job->state};
    ARRAY_PUSH(l->items, l->count, l->capacity, one);
    jv_free(request);
}

static bool
has(const struct left_jobs *l, const char *id)
{
    for (int i = 0; i < l->count; i++)
        if (strcmp(l->items[i].id, id) == 0)
            return true;
    return false;
}

// Adds the job, with what the library knows of it; takes over its members.
static void
add(struct left_jobs *l, struct library *library, struct left_job *one)
{
    struct library_filter f = {.job = one->id, .limit = 1};
    struct library_list list = {0};
    one->known = library_job_restore(library, one->id, &one->job, &one->sweep, NULL);
    if (one->state == LIBRARY_DONE && library_query(library, &f, &list, NULL) && list.count)
        one->picture = mem_strdup(list.items[0].file);
    library_list_free(&list);
    ARRAY_PUSH(l->items, l->count, l->capacity, *one);
    *one = (struct left_job){.job = JOB_EMPTY};
}

static void
add_once(struct left_jobs *l, struct library *library, struct left_job *one)
{
    if (one->id && !has(l, one->id))
        add(l, library, one);
}

// Reads the library's open jobs and, so that its sheet becomes complete, the other jobs of each
// one's sweep.
static void
read_jobs(struct left *l, struct library *library, const atomic_int *hurry)
{
    struct left_jobs open = {.host = l->host};
    if (!library_job_each(library, NULL, collect, &open, NULL))
        open.count = 0;
    for (int i = 0; i < open.count && !atomic_load(hurry); i++) {
        struct left_jobs rest = {.host = l->host};
        if (!open.items[i].mine)
            continue;
        if (open.items[i].sweep_id)
            library_job_each(library, open.items[i].sweep_id, collect, &rest, NULL);
        for (int k = 0; k < rest.count; k++)
            if (rest.items[k].mine || rest.items[k].state != LIBRARY_QUEUED)
                add_once(&l->jobs, library, &rest.items[k]);
        free_jobs(&rest);
        add_once(&l->jobs, library, &open.items[i]);
    }
    free_jobs(&open);
}

static void
run(struct work *w, struct library *library, const atomic_int *hurry)
{
    struct left *l = (struct left *)w;
    const struct jv *results = jv_get(l->hello, "results");
    l->fetched = mem_zalloc((jv_size(results) + 1) * sizeof *l->fetched);
    for (size_t i = 0; i < jv_size(results); i++) {
        const char *job = jv_string(jv_get(jv_at(results, i), "job"), "");
        l->fetched[i] = !*l->host || (library && library_job_known(library, job, l->host));
    }
    if (library)
        read_jobs(l, library, hurry);
}

// --- for the UI

// A job of a sweep that is already drawn: reads its picture for the sheet.
static void
take_done(struct ui *ui, struct task *t, const char *picture)
{
    t->state = TASK_DONE;
    if (!picture)
        return;
    struct arrival *a = arrival_new(ARRIVAL_EARLIER);
    a->file = mem_strdup(picture);
    snprintf(a->job, sizeof a->job, "%s", t->job.id);
    t->arriving++;
    background_put(ui_arrivals(ui), &a->work);
}

// Adds a task for a job that is still in this worker, was drawn meanwhile, or was interrupted.
static void
take_left(struct ui *ui, struct left_job *left, const struct jv *hello)
{
    struct tasks *tasks = tasks_of(ui);
    const struct jv *job = listed(jv_get(hello, "jobs"), left->id);
    const char *state = jv_string(jv_get(job, "state"), "");
    bool running = strcmp(state, "running") == 0, waiting = strcmp(state, "waiting") == 0;
    struct job *j = &left->job;
    if (task_find(ui, left->id))
        return;
    if (!left->known) {
        job_finish(j);
        *j = JOB_EMPTY;
        snprintf(j->id, sizeof j->id, "%s", left->id);
    }
    int results = waiting_results(jv_get(hello, "results"), left->id);
    if (left->state != LIBRARY_QUEUED) {
        struct task *t = left->state == LIBRARY_DONE ? task_add(ui, j, left->sweep) : NULL;
        if (t)
            take_done(ui, t, left->picture);
    } else if (running || waiting) {
        struct task *t = task_add(ui, j, left->sweep);
        if (t) {
            t->state = running ? TASK_RUNNING : TASK_QUEUED;
            t->step = (int)jv_integer(jv_get(job, "step"), 0);
            t->total = (int)jv_integer(jv_get(job, "total"), 0);
            entry_own(ui, left->id);
            client_expect(ui_client(ui), left->id, j->count);
            tasks->shown = tasks->count - 1;
        }
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0) {
        entry_state(ui, left->id, *state == 'f' ? LIBRARY_FAILED : LIBRARY_CANCELLED,
                    jv_string(jv_get(job, "text"), NULL));
    } else if (*state || (left->known && results >= MAX(j->count, 1))) {
        // It was drawn meanwhile, and its pictures are being fetched. Those of a sweep belong on
        // its sheet.
        struct task *t = left->sweep && results ? task_add(ui, j, left->sweep) : NULL;
        if (t) {
            t->state = TASK_RUNNING;
            t->drawn = true;
            t->awaited = MIN(results, MAX(j->count, 1));
        }
    } else if (left->known) {
        struct task *t =
            task_offer(ui, j, left->sweep, "limn or its machine stopped before it was done");
        if (t)
            snprintf(t->owner, sizeof t->owner, "%s", left->owner);
    }
}

// Fetches pictures from the worker's spool; from another machine's only those of jobs in this
// library.
static void
fetch_waiting(struct ui *ui, const struct left *l)
{
    const struct jv *results = jv_get(l->hello, "results");
    for (size_t i = 0; i < jv_size(results); i++) {
        const char *job = jv_string(jv_get(jv_at(results, i), "job"), "");
        int64_t index = jv_integer(jv_get(jv_at(results, i), "index"), 0);
        if (l->fetched[i] && index < LIMIT_JOB_PICTURES)
            client_fetch(ui_client(ui), job, (int)index);
    }
}

static void
done(struct ui *ui, struct work *w)
{
    struct left *l = (struct left *)w;
    int before = tasks_offered(ui);
    tasks_of(ui)->reading_left = false;
    fetch_waiting(ui, l);
    for (int i = 0; i < l->jobs.count; i++)
        take_left(ui, &l->jobs.items[i], l->hello);
    int n = tasks_offered(ui) - before;
    if (n > 0)
        ui_say(ui, ROLE_WARNING, "%d %s interrupted: 2 shows what, R there draws %s again", n,
               n == 1 ? "drawing was" : "drawings were", n == 1 ? "it" : "them");
}

void
tasks_left(struct ui *ui, const struct jv *hello)
{
    struct left *l = mem_zalloc(sizeof *l);
    l->work = (struct work){.run = run, .done = done, .release = release};
    l->hello = jv_copy(hello);
    l->host = mem_strdup(ui_host(ui) ? ui_host(ui) : "");
    tasks_of(ui)->reading_left = true;
    background_put(ui_chores(ui), &l->work);
}
