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
find_listed(const struct jv *jobs, const char *id)
{
    for (size_t i = 0; i < jv_size(jobs); i++)
        if (strcmp(jv_string(jv_get(jv_at(jobs, i), "id"), ""), id) == 0)
            return jv_at(jobs, i);
    return NULL;
}

static int
count_spooled(const struct jv *results, const char *id)
{
    int n = 0;
    for (size_t i = 0; i < jv_size(results); i++)
        n += strcmp(jv_string(jv_get(jv_at(results, i), "job"), ""), id) == 0;
    return n;
}

// A job of an earlier session, as the library has it.
struct recovered_job {
    char *id, *owner, *sweep_id;
    char *picture; // the file of its picture, if it was drawn; NULL: none
    bool mine;     // of this host, and its owner has exited
    bool known;    // `job` and `sweep` could be read from the library
    struct job job;
    struct jv *sweep;
    enum library_state state;
};

struct recovered_jobs {
    const char *host;
    struct recovered_job *items;
    int count, capacity;
};

// Read in the background: the library may be large, its disk slow.
struct recovery {
    struct work work;
    struct jv *hello;
    char *host; // "": here
    struct recovered_jobs jobs;
    bool *fetched; // for each result in the spool: whether to fetch it
};

static void
free_job(struct recovered_job *one)
{
    free(one->id);
    free(one->owner);
    free(one->sweep_id);
    free(one->picture);
    job_finish(&one->job);
    jv_free(one->sweep);
}

static void
free_jobs(struct recovered_jobs *r)
{
    for (int i = 0; i < r->count; i++)
        free_job(&r->items[i]);
    free(r->items);
}

static void
release(struct work *w)
{
    struct recovery *r = (struct recovery *)w;
    free_jobs(&r->jobs);
    jv_free(r->hello);
    free(r->host);
    free(r->fetched);
    free(r);
}

// --- on the thread

static void
collect(const struct library_job *job, void *ctx)
{
    struct recovered_jobs *r = ctx;
    struct jv *request = jv_parse(job->request, strlen(job->request), "job", NULL);
    const char *sweep = jv_string(jv_get(jv_get(request, "sweep"), "id"), NULL);
    bool here = strcmp(job->host, r->host) == 0;
    struct recovered_job one = {.id = mem_strdup(job->id),
                                .owner = mem_strdup(job->owner),
                                .sweep_id = sweep ? mem_strdup(sweep) : NULL,
                                .mine = here && process_state(job->owner, NULL) == PROCESS_GONE,
                                .job = JOB_EMPTY,
                                .state = job->state};
    ARRAY_PUSH(r->items, r->count, r->capacity, one);
    jv_free(request);
}

static bool
has(const struct recovered_jobs *r, const char *id)
{
    for (int i = 0; i < r->count; i++)
        if (strcmp(r->items[i].id, id) == 0)
            return true;
    return false;
}

// Adds the job, with what the library knows of it; takes over its members.
static void
add(struct recovered_jobs *r, struct library *library, struct recovered_job *one)
{
    struct library_filter f = {.job = one->id, .limit = 1};
    struct library_list list = {0};
    one->known = library_job_restore(library, one->id, &one->job, &one->sweep, NULL);
    if (one->state == LIBRARY_DONE && library_query(library, &f, &list, NULL) && list.count)
        one->picture = mem_strdup(list.items[0].file);
    library_list_free(&list);
    ARRAY_PUSH(r->items, r->count, r->capacity, *one);
    *one = (struct recovered_job){.job = JOB_EMPTY};
}

static void
add_once(struct recovered_jobs *r, struct library *library, struct recovered_job *one)
{
    if (one->id && !has(r, one->id))
        add(r, library, one);
}

// Reads the library's open jobs and, so that its sheet becomes complete, the other jobs of each
// one's sweep.
static void
read_jobs(struct recovery *r, struct library *library, const atomic_int *stopping)
{
    struct recovered_jobs open = {.host = r->host};
    if (!library_job_each(library, NULL, collect, &open, NULL))
        open.count = 0;
    for (int i = 0; i < open.count && !atomic_load(stopping); i++) {
        struct recovered_jobs rest = {.host = r->host};
        if (!open.items[i].mine)
            continue;
        if (open.items[i].sweep_id)
            library_job_each(library, open.items[i].sweep_id, collect, &rest, NULL);
        for (int k = 0; k < rest.count; k++)
            if (rest.items[k].mine || rest.items[k].state != LIBRARY_QUEUED)
                add_once(&r->jobs, library, &rest.items[k]);
        free_jobs(&rest);
        add_once(&r->jobs, library, &open.items[i]);
    }
    free_jobs(&open);
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct recovery *r = (struct recovery *)w;
    const struct jv *results = jv_get(r->hello, "results");
    r->fetched = mem_zalloc((jv_size(results) + 1) * sizeof *r->fetched);
    for (size_t i = 0; i < jv_size(results); i++) {
        const char *job = jv_string(jv_get(jv_at(results, i), "job"), "");
        r->fetched[i] = !*r->host || (library && library_job_known(library, job, r->host));
    }
    if (library)
        read_jobs(r, library, stopping);
}

// --- for the UI

// A job of a sweep that is already drawn: reads its picture for the sheet.
static void
add_drawn(struct ui *ui, struct task *t, const char *picture)
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
add_recovered(struct ui *ui, struct recovered_job *recovered, const struct jv *hello)
{
    struct tasks *tasks = tasks_of(ui);
    const struct jv *job = find_listed(jv_get(hello, "jobs"), recovered->id);
    const char *state = jv_string(jv_get(job, "state"), "");
    bool running = strcmp(state, "running") == 0, waiting = strcmp(state, "waiting") == 0;
    struct job *j = &recovered->job;
    if (task_find(ui, recovered->id))
        return;
    if (!recovered->known) {
        job_finish(j);
        *j = JOB_EMPTY;
        snprintf(j->id, sizeof j->id, "%s", recovered->id);
    }
    int results = count_spooled(jv_get(hello, "results"), recovered->id);
    if (recovered->state != LIBRARY_QUEUED) {
        struct task *t =
            recovered->state == LIBRARY_DONE ? task_add(ui, j, recovered->sweep) : NULL;
        if (t)
            add_drawn(ui, t, recovered->picture);
    } else if (running || waiting) {
        struct task *t = task_add(ui, j, recovered->sweep);
        if (t) {
            t->state = running ? TASK_RUNNING : TASK_QUEUED;
            t->step = (int)jv_integer(jv_get(job, "step"), 0);
            t->total = (int)jv_integer(jv_get(job, "total"), 0);
            entry_own(ui, recovered->id);
            client_expect(ui_client(ui), recovered->id, j->count);
            tasks->shown = tasks->count - 1;
        }
    } else if (strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0) {
        entry_state(ui, recovered->id, *state == 'f' ? LIBRARY_FAILED : LIBRARY_CANCELLED,
                    jv_string(jv_get(job, "text"), NULL));
    } else if (*state || (recovered->known && results >= MAX(j->count, 1))) {
        // It was drawn meanwhile, and its pictures are being fetched. Those of a sweep belong on
        // its sheet.
        struct task *t = recovered->sweep && results ? task_add(ui, j, recovered->sweep) : NULL;
        if (t) {
            t->state = TASK_RUNNING;
            t->drawn = true;
            t->fetching = MIN(results, MAX(j->count, 1));
        }
    } else if (recovered->known) {
        struct task *t =
            task_offer(ui, j, recovered->sweep, "limn or its machine stopped before it was done");
        if (t)
            snprintf(t->owner, sizeof t->owner, "%s", recovered->owner);
    }
}

// Fetches pictures from the worker's spool; from another machine's only those of jobs in this
// library.
static void
fetch_spooled(struct ui *ui, const struct recovery *r)
{
    const struct jv *results = jv_get(r->hello, "results");
    for (size_t i = 0; i < jv_size(results); i++) {
        const char *job = jv_string(jv_get(jv_at(results, i), "job"), "");
        int64_t index = jv_integer(jv_get(jv_at(results, i), "index"), 0);
        if (r->fetched[i] && index < LIMIT_JOB_PICTURES)
            client_fetch(ui_client(ui), job, (int)index);
    }
}

static void
done(struct ui *ui, struct work *w)
{
    struct recovery *r = (struct recovery *)w;
    int before = tasks_offered(ui);
    tasks_of(ui)->recovering = false;
    fetch_spooled(ui, r);
    for (int i = 0; i < r->jobs.count; i++)
        add_recovered(ui, &r->jobs.items[i], r->hello);
    int n = tasks_offered(ui) - before;
    if (n > 0)
        ui_say(ui, ROLE_WARNING, "%d %s interrupted: 2 shows what, R there draws %s again", n,
               n == 1 ? "drawing was" : "drawings were", n == 1 ? "it" : "them");
}

void
tasks_recover(struct ui *ui, const struct jv *hello)
{
    struct recovery *r = mem_zalloc(sizeof *r);
    r->work = (struct work){.run = run, .done = done, .release = release};
    r->hello = jv_copy(hello);
    r->host = mem_strdup(ui_host(ui) ? ui_host(ui) : "");
    tasks_of(ui)->recovering = true;
    background_put(ui_chores(ui), &r->work);
}
