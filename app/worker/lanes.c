// SPDX-License-Identifier: MIT
#include "app/worker/lanes.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/loras.h"
#include "app/base/places.h"
#include "app/base/threads.h"
#include "app/cli/request.h"
#include "app/job/job_retrieve.h"
#include "app/worker/describe.h"
#include "app/worker/ground.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "renderer/image/codec.h"

enum { UNSEEN_MAX = 2 }; // previews on their way; more would pile up on a slow line

enum task_state { TASK_WAITING = 0, TASK_RUNNING, TASK_DONE, TASK_FAILED, TASK_CANCELLED };
static const char *const state_names[] = {"waiting", "running", "done", "failed", "cancelled"};

struct task {
    struct task *next;
    char id[JOB_ID_TEXT]; // stays when the job's pictures are freed
    struct job job;
    enum task_state state;
    bool previews;
    atomic_int cancel;
    int unseen, step, total;
    struct err err;
};

struct load {
    struct load *next;
    char id[64];
    struct job_reference ref;
    int side;
    atomic_int stop; // a newer one with its id has come
    bool describe; // not a picture: say what there is here
};

struct lanes {
    lanes_post *post;
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t drawer, loader;
    bool draws, loads_run; // they were started
    bool stop;
    struct task *tasks; // all of them, in the order they came
    struct load *loads, *loading; // waiting; the one that runs
    struct loader_host *host;
    bool host_ready;

    // The drawer's own: the model that is open, and what it was opened with.
    struct pipeline *pipeline;
    struct device *device;
    char *opened;
};

static void
post(struct lanes *l, struct jv *head, const void *payload, size_t size)
{
    l->post(l->ctx, head, payload, size);
}

static void
set_error(struct jv *head, const struct err *err)
{
    static const char *const codes[ERR_COUNT] = {
        [ERR_NONE] = "none",     [ERR_INPUT] = "input",
        [ERR_IO] = "io",         [ERR_MEMORY] = "memory",
        [ERR_DEVICE] = "device", [ERR_UNSUPPORTED] = "unsupported",
        [ERR_CANCELLED] = "cancelled"};
    jv_set(head, "code", jv_from_string(codes[err->code]));
    jv_set(head, "text", jv_from_string(err->text));
}

static struct jv *
job_head(const char *type, const struct task *t)
{
    struct jv *head = wire_head(type);
    jv_set(head, "job", jv_from_string(t->id));
    return head;
}

// --- the drawer

static void
close_model(struct lanes *l)
{
    pipeline_close(l->pipeline);
    device_close(l->device);
    free(l->opened);
    l->pipeline = NULL;
    l->device = NULL;
    l->opened = NULL;
}

// Opens the model a job asks for, or keeps the one that is open.
static void
say_notice(void *ctx, const char *text)
{
    struct jv *log = wire_head("log");
    jv_set(log, "level", jv_from_string("notice"));
    jv_set(log, "text", jv_from_string(text));
    post(ctx, log, NULL, 0);
}

// A type that the device only imitates, which takes hundreds of times as long.
static void
warn_of_type(struct lanes *l, enum dtype dtype)
{
    const struct device_limits *limits = device_limits(l->device);
    bool slow = (dtype == DTYPE_F16 && !limits->f16) || (dtype == DTYPE_BF16 && !limits->bf16);
    char *text = slow ? mem_printf("%s is very slow on this device, which only imitates it: "
                                   "without a type the fastest is taken",
                                   dtype_name(dtype))
                      : NULL;
    if (text)
        say_notice(l, text);
    free(text);
}

static bool
open_model(struct lanes *l, const struct job *j, struct err *err)
{
    const char *device = j->device ? j->device : "auto";
    enum dtype dtype = j->dtype ? dtype_from_name(j->dtype) : DTYPE_NONE;
    if (j->dtype && dtype == DTYPE_NONE)
        return err_set(err, ERR_INPUT, "unknown type '%.20s': use f32, bf16 or f16",
                       j->dtype);
    char *folder = places_model(j->model, err);
    if (!folder)
        return false;
    char *wanted = mem_printf("%s|%s|%d|%d|%s|%s", folder, device, (int)dtype, j->offload,
                              j->quantise ? j->quantise : "", j->lora ? j->lora : "");
    if (l->opened && strcmp(l->opened, wanted) == 0) {
        free(wanted);
        free(folder);
        return pipeline_is_of(l->pipeline, j->family, err);
    }
    close_model(l);
    l->device = device_open(device, err);
    if (l->device)
        device_set_offload(l->device, j->offload);
    struct loras loras = {0};
    if (l->device && loras_find(&loras, j->lora, err))
        l->pipeline = pipeline_open_as(
            folder, l->device,
            &(struct pipeline_storage){dtype, dtype_from_quantised(j->quantise), loras.files,
                                       loras.count}, err);
    loras_finish(&loras);
    free(folder);
    if (!l->pipeline) {
        free(wanted);
        close_model(l);
        return false;
    }
    l->opened = wanted;
    warn_of_type(l, dtype);
    return pipeline_is_of(l->pipeline, j->family, err);
}

struct step_context {
    struct lanes *lanes;
    struct task *task;
};

static void
on_step(void *ctx, int step, int total, double seconds, const struct pipeline_pictures *estimate)
{
    struct step_context *c = ctx;
    struct task *t = c->task;
    struct image *shown = ground_lay(&t->job, estimate, 0, estimate->count, NULL);
    size_t bytes = shown ? shown->stride * (size_t)shown->height : 0;
    pthread_mutex_lock(&c->lanes->lock);
    t->step = step;
    t->total = total;
    bool show = t->previews && t->unseen < UNSEEN_MAX && bytes <= LIMIT_HOST_PREVIEW_BYTES;
    t->unseen += show;
    pthread_mutex_unlock(&c->lanes->lock);
    struct jv *head = job_head("progress", t);
    jv_set(head, "step", jv_from_integer(step));
    jv_set(head, "total", jv_from_integer(total));
    jv_set(head, "seconds", jv_from_number(seconds));
    jv_set(head, "width", jv_from_integer(estimate->width));
    jv_set(head, "height", jv_from_integer(estimate->height));
    jv_set(head, "count", jv_from_integer(estimate->count));
    if (shown)
        jv_set(head, "channels", jv_from_integer(image_channels(shown->format)));
    post(c->lanes, head, shown ? shown->pixels : NULL, show ? bytes : 0);
    image_unref(shown);
}

static bool
post_picture(struct lanes *l, const struct task *t, const struct request *r,
             const struct pipeline_result *result, int i, struct err *err)
{
    struct pipeline_info info;
    pipeline_info(l->pipeline, &info);
    struct request_made made = {.model = info.name, .model_hash = info.hash,
                                .device = device_limits(l->device)->name, .used = t->job};
    // What the job left open, as it was chosen.
    made.used.seed = t->job.seed + i;
    made.used.steps = result->steps;
    made.used.size = (struct value_size){result->pictures.width, result->pictures.height};
    made.used.sampler = (char *)(uintptr_t)result->sampler;
    made.used.spacing = (char *)(uintptr_t)result->spacing;
    made.used.guidance = (char *)(uintptr_t)result->guidance;
    made.used.scale = result->scale;
    made.used.context_scale = result->context_scale;
    size_t size = 0;
    struct image *image = ground_lay(&t->job, &result->pictures, i, 1, err);
    char *loras = loras_names(t->job.lora);
    made.used.lora = loras;
    char *text = request_text(&t->job, r, &made, err);
    free(loras);
    const char *const texts[] = {"limn", text, "Software", "limn " LIMN_VERSION, NULL};
    void *png = text && image ? codec_encode_png(image, texts, &size, err) : NULL;
    image_unref(image);
    struct err kept = {0};
    if (png && !spool_put(t->id, i, png, size, &kept)) {
        // It can still be sent; only a lost line would lose it.
        struct jv *log = wire_head("log");
        jv_set(log, "level", jv_from_string("warning"));
        jv_set(log, "text", jv_from_string(kept.text));
        post(l, log, NULL, 0);
    }
    if (png) {
        struct jv *head = job_head("result", t);
        jv_set(head, "index", jv_from_integer(i));
        jv_set(head, "count", jv_from_integer(result->pictures.count));
        jv_set(head, "seed", jv_from_integer(made.used.seed));
        post(l, head, png, size);
    }
    free(png);
    free(text);
    return png != NULL;
}

static bool
draw(struct lanes *l, struct task *t, struct err *err)
{
    struct request r = {0};
    struct pipeline_result result = {0};
    struct step_context step = {l, t};
    char *latents = NULL;
    bool ok = job_retrieve_there(&t->job, say_notice, l, err) &&
              request_make(&r, &t->job, l->host, &t->cancel, err) && open_model(l, &t->job, err);
    if (ok) {
        struct pipeline_info info;
        pipeline_info(l->pipeline, &info);
        struct jv *head = job_head("started", t);
        jv_set(head, "model", jv_from_string(info.name));
        jv_set(head, "model_hash", jv_from_string(info.hash));
        jv_set(head, "device", jv_from_string(device_limits(l->device)->name));
        post(l, head, NULL, 0);
        struct pipeline_request request = request_pipeline(&r, &t->job);
        request.progress = on_step;
        request.ctx = &step;
        request.cancel = &t->cancel;
        request.latents = latents =
            info.grain ? spool_latents(&t->job, info.hash, device_limits(l->device)->name) : NULL;
        ok = describe_need(l->pipeline, &request, say_notice, l, err) &&
             pipeline_run(l->pipeline, &request, &result, err);
    }
    if (ok && atomic_load(&t->cancel))
        ok = err_set(err, ERR_CANCELLED, "stopped");
    for (int i = 0; ok && i < result.pictures.count; i++)
        ok = post_picture(l, t, &r, &result, i, err);
    spool_leave_latents(latents, ok, t->job.seed, err);
    if (ok) {
        struct jv *head = job_head("done", t);
        jv_set(head, "steps", jv_from_integer(result.steps));
        jv_set(head, "sampler", jv_from_string(result.sampler));
        jv_set(head, "spacing", jv_from_string(result.spacing));
        jv_set(head, "guidance", jv_from_string(result.guidance));
        jv_set(head, "text_seconds", jv_from_number(result.text_seconds));
        jv_set(head, "reference_seconds", jv_from_number(result.reference_seconds));
        jv_set(head, "denoise_seconds", jv_from_number(result.denoise_seconds));
        jv_set(head, "peak_bytes", jv_from_integer((int64_t)result.peak_bytes));
        post(l, head, NULL, 0);
    } else if (err->code == ERR_DEVICE) {
        close_model(l); // a lost device is opened again by the next job
    }
    free(result.pictures.pixels);
    request_finish(&r);
    return ok;
}

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
    bool ok = draw(l, t, &t->err);
    pthread_mutex_lock(&l->lock);
    t->state = ok ? TASK_DONE : t->err.code == ERR_CANCELLED ? TASK_CANCELLED : TASK_FAILED;
    job_finish(&t->job);
    pthread_mutex_unlock(&l->lock);
    if (!ok) {
        struct jv *head = job_head("failed", t);
        set_error(head, &t->err);
        post(l, head, NULL, 0);
    }
    // Whoever waits for the last job must find it finished.
    post(l, NULL, NULL, 0);
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
    close_model(l);
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
        set_error(head, &err);
    post(l, head, png, size);
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
    post(l, head, NULL, 0);
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
            post(l, describe_machine(), NULL, 0);
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
    l->loads_run = threads_start(&l->loader, load_thread, l, err);
    l->draws = l->loads_run && threads_start(&l->drawer, draw_thread, l, err);
    if (l->draws)
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
    if (l->draws)
        pthread_join(l->drawer, NULL);
    if (l->loads_run)
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
        struct jv *head = job_head("failed", t);
        set_error(head, &err);
        post(l, head, NULL, 0);
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

static void
add_load(struct lanes *l, struct load *d)
{
    pthread_mutex_lock(&l->lock);
    struct load **end = &l->loads;
    if (l->loading && !d->describe && strcmp(l->loading->id, d->id) == 0)
        atomic_store(&l->loading->stop, 1);
    while (*end) {
        if (!d->describe && !(*end)->describe && strcmp((*end)->id, d->id) == 0) {
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
    int more = -LIMIT_HOST_LIST; // older ones than a list may have
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
            set_error(o, &t->err);
        t->unseen = 0; // previews sent to whoever was there before are not coming back
        jv_append(list, o);
    }
    pthread_mutex_unlock(&l->lock);
    return list;
}
