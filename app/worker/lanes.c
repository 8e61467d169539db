// SPDX-License-Identifier: MIT
#include "app/worker/lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/threads.h"
#include "app/cli/request.h"
#include "app/worker/describe.h"
#include "app/worker/lanes_parts.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

static const char *const state_names[] = {"waiting", "running", "done", "failed", "cancelled"};

struct load {
    struct load *next;
    char id[64];
    struct job_reference ref;
    int side;
    atomic_int stop; // a newer one for its place has come
    bool describe; // not a picture: describe the machine
};

void
lanes_post_message(struct lanes *l, struct jv *head, const void *payload, size_t size)
{
    l->post(l->ctx, head, payload, size);
}

void
lanes_set_error(struct jv *head, const struct err *err)
{
    static const char *const codes[ERR_COUNT] = {
        [ERR_NONE] = "none",     [ERR_INPUT] = "input",
        [ERR_IO] = "io",         [ERR_MEMORY] = "memory",
        [ERR_DEVICE] = "device", [ERR_UNSUPPORTED] = "unsupported",
        [ERR_CANCELLED] = "cancelled"};
    jv_set(head, "code", jv_from_string(codes[err->code]));
    jv_set(head, "text", jv_from_string(err->text));
}

struct jv *
lanes_job_message(const char *type, const struct task *t)
{
    struct jv *head = wire_head(type);
    jv_set(head, "job", jv_from_string(t->id));
    return head;
}

// --- drawings

static struct task *
next_task(struct lanes *l)
{
    for (struct task *t = l->tasks; t; t = t->next)
        if (t->state == TASK_WAITING)
            return t;
    return NULL;
}

static void
run_task(struct lanes *l, struct task *t)
{
    t->state = TASK_RUNNING;
    pthread_mutex_unlock(&l->lock);
    bool ok = lanes_draw_task(l, t, &t->err);
    pthread_mutex_lock(&l->lock);
    t->state = ok ? TASK_DONE : t->err.code == ERR_CANCELLED ? TASK_CANCELLED : TASK_FAILED;
    job_finish(&t->job);
    pthread_mutex_unlock(&l->lock);
    if (!ok) {
        struct jv *head = lanes_job_message("failed", t);
        lanes_set_error(head, &t->err);
        lanes_post_message(l, head, NULL, 0);
    }
    // Wakes the worker's loop, which may be waiting for the last job to finish.
    lanes_post_message(l, NULL, NULL, 0);
    pthread_mutex_lock(&l->lock);
}

static void *
draw_thread(void *arg)
{
    struct lanes *l = arg;
    pthread_mutex_lock(&l->lock);
    for (;;) {
        struct task *t = l->host_ready ? next_task(l) : NULL;
        if (l->stop)
            break;
        if (t)
            run_task(l, t);
        else
            pthread_cond_wait(&l->wake, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
    lanes_close_model(l);
    return NULL;
}

// --- loaders

static void
run_load(struct lanes *l, struct load *d)
{
    struct err err = {0};
    struct image *image = request_picture(&d->ref, l->host, d->side, &d->stop, &err);
    size_t size = 0;
    void *png = image ? codec_encode_png(image, NULL, &size, &err) : NULL;
    if (atomic_load(&d->stop)) { // nobody waits for it any more
        free(png);
        image_unref(image);
        return;
    }
    struct jv *head = wire_head("loaded");
    jv_set(head, "id", jv_from_string(d->id));
    jv_set(head, "hash", jv_from_string(d->ref.hash));
    if (!png)
        lanes_set_error(head, &err);
    lanes_post_message(l, head, png, size);
    free(png);
    image_unref(image);
}

static void
free_load(struct load *d)
{
    struct job j = JOB_EMPTY; // frees what the reference holds
    j.references[0] = d->ref;
    j.reference_count = 1;
    job_finish(&j);
    free(d);
}

static void *
load_thread(void *arg)
{
    struct lanes *l = arg;
    struct loader_host *host = loader_host_open();
    struct jv *head = wire_head("loaders");
    jv_set(head, "loaders", describe_loaders(host));
    lanes_post_message(l, head, NULL, 0);
    pthread_mutex_lock(&l->lock);
    l->host = host;
    l->host_ready = true;
    pthread_cond_broadcast(&l->wake);
    while (!l->stop) {
        struct load *d = l->loads;
        if (!d) {
            pthread_cond_wait(&l->wake, &l->lock);
            continue;
        }
        l->loads = d->next;
        l->loading = d;
        pthread_mutex_unlock(&l->lock);
        if (d->describe)
            lanes_post_message(l, describe_machine(), NULL, 0);
        else
            run_load(l, d);
        pthread_mutex_lock(&l->lock);
        l->loading = NULL;
        free_load(d);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

// --- from the main thread

struct lanes *
lanes_open(lanes_post *post_message, void *ctx, struct err *err)
{
    struct lanes *l = mem_zalloc(sizeof *l);
    l->post = post_message;
    l->ctx = ctx;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    l->load_started = threads_start(&l->loader, load_thread, l, err);
    l->draw_started = l->load_started && threads_start(&l->drawer, draw_thread, l, err);
    if (l->draw_started)
        return l;
    lanes_close(l);
    return NULL;
}

void
lanes_close(struct lanes *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    if (l->loading)
        atomic_store(&l->loading->stop, 1);
    for (struct task *t = l->tasks; t; t = t->next)
        atomic_store(&t->cancel, 1);
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
    if (l->draw_started)
        pthread_join(l->drawer, NULL);
    if (l->load_started)
        pthread_join(l->loader, NULL);
    while (l->tasks) {
        struct task *next = l->tasks->next;
        job_finish(&l->tasks->job);
        free(l->tasks);
        l->tasks = next;
    }
    while (l->loads) {
        struct load *next = l->loads->next;
        free_load(l->loads);
        l->loads = next;
    }
    loader_host_close(l->host);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void
lanes_draw(struct lanes *l, struct job *job, bool previews)
{
    struct task *t = mem_zalloc(sizeof *t);
    snprintf(t->id, sizeof t->id, "%s", job->id);
    t->job = *job;
    *job = JOB_EMPTY;
    t->previews = previews;
    pthread_mutex_lock(&l->lock);
    struct task **end = &l->tasks;
    while (*end)
        end = &(*end)->next;
    *end = t;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

static struct task *
find_task(struct lanes *l, const char *job)
{
    for (struct task *t = l->tasks; t; t = t->next)
        if (strcmp(t->id, job) == 0)
            return t;
    return NULL;
}

bool
lanes_cancel(struct lanes *l, const char *job)
{
    bool waiting = false, running = false;
    pthread_mutex_lock(&l->lock);
    struct task *t = find_task(l, job);
    if (t) {
        atomic_store(&t->cancel, 1);
        running = t->state == TASK_RUNNING;
        waiting = t->state == TASK_WAITING;
        if (waiting) {
            t->state = TASK_CANCELLED;
            job_finish(&t->job);
        }
    }
    pthread_mutex_unlock(&l->lock);
    if (waiting) {
        struct err err = {.code = ERR_CANCELLED, .text = "stopped"};
        struct jv *head = lanes_job_message("failed", t);
        lanes_set_error(head, &err);
        lanes_post_message(l, head, NULL, 0);
    }
    return waiting || running;
}

void
lanes_seen(struct lanes *l, const char *job)
{
    pthread_mutex_lock(&l->lock);
    struct task *t = find_task(l, job);
    if (t && t->unseen > 0)
        t->unseen--;
    pthread_mutex_unlock(&l->lock);
}

int
lanes_unfinished(struct lanes *l)
{
    int n = 0;
    pthread_mutex_lock(&l->lock);
    for (struct task *t = l->tasks; t; t = t->next)
        n += t->state == TASK_WAITING || t->state == TASK_RUNNING;
    pthread_mutex_unlock(&l->lock);
    return n;
}

// What is before the slash of an id names the place where the result will be shown.
static bool
is_same_target(const char *a, const char *b)
{
    size_t n = strcspn(a, "/");
    return n == strcspn(b, "/") && memcmp(a, b, n) == 0;
}

static void
add_load(struct lanes *l, struct load *d)
{
    pthread_mutex_lock(&l->lock);
    struct load **end = &l->loads;
    if (l->loading && !d->describe && is_same_target(l->loading->id, d->id))
        atomic_store(&l->loading->stop, 1);
    while (*end) {
        if (!d->describe && !(*end)->describe && is_same_target((*end)->id, d->id)) {
            struct load *old = *end;
            *end = old->next;
            free_load(old);
        } else {
            end = &(*end)->next;
        }
    }
    *end = d;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
}

void
lanes_load(struct lanes *l, const char *id, struct job_reference *ref, int side)
{
    struct load *d = mem_zalloc(sizeof *d);
    snprintf(d->id, sizeof d->id, "%s", id);
    d->ref = *ref;
    *ref = (struct job_reference){0};
    d->side = side;
    add_load(l, d);
}

void
lanes_describe(struct lanes *l)
{
    struct load *d = mem_zalloc(sizeof *d);
    d->describe = true;
    add_load(l, d);
}

struct jv *
lanes_jobs(struct lanes *l)
{
    struct jv *list = jv_array();
    int more = -LIMIT_HOST_LIST; // jobs beyond the length of a list: the oldest are left out
    pthread_mutex_lock(&l->lock);
    for (struct task *t = l->tasks; t; t = t->next)
        more++;
    for (struct task *t = l->tasks; t; t = t->next) {
        if (more-- > 0)
            continue;
        struct jv *o = jv_object();
        jv_set(o, "id", jv_from_string(t->id));
        jv_set(o, "state", jv_from_string(state_names[t->state]));
        jv_set(o, "step", jv_from_integer(t->step));
        jv_set(o, "total", jv_from_integer(t->total));
        if (t->err.code != ERR_NONE)
            lanes_set_error(o, &t->err);
        t->unseen = 0; // an earlier client will not confirm its previews
        jv_append(list, o);
    }
    pthread_mutex_unlock(&l->lock);
    return list;
}
