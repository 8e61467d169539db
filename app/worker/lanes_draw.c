// SPDX-License-Identifier: MIT
// The drawing of one job: the model it wants, its steps and its pictures as messages.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/loras.h"
#include "app/base/places.h"
#include "app/cli/request.h"
#include "app/job/job_retrieve.h"
#include "app/worker/describe.h"
#include "app/worker/ground.h"
#include "app/worker/lanes_parts.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { UNSEEN_MAX = 2 }; // previews on their way; more would pile up on a slow line

void
lanes_close_model(struct lanes *l)
{
    pipeline_close(l->pipeline);
    device_close(l->device);
    free(l->model_key);
    l->pipeline = NULL;
    l->device = NULL;
    l->model_key = NULL;
}

static void
post_notice(void *ctx, const char *text)
{
    struct jv *log = wire_head("log");
    jv_set(log, "level", jv_from_string("notice"));
    jv_set(log, "text", jv_from_string(text));
    lanes_post_message(ctx, log, NULL, 0);
}

// Warns of a type that the device only emulates, which takes hundreds of times as long.
static void
warn_of_type(struct lanes *l, enum dtype dtype)
{
    const struct device_limits *limits = device_limits(l->device);
    bool slow = (dtype == DTYPE_F16 && !limits->f16) || (dtype == DTYPE_BF16 && !limits->bf16);
    char *text = slow ? mem_printf("%s is very slow on this device, which only emulates it: "
                                   "without a type limn uses the fastest",
                                   dtype_name(dtype))
                      : NULL;
    if (text)
        post_notice(l, text);
    free(text);
}

// Opens the model a job asks for, or keeps the one that is open.
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
    char *key = mem_printf("%s|%s|%d|%d|%s|%s", folder, device, (int)dtype, j->offload,
                           j->quantise ? j->quantise : "", j->lora ? j->lora : "");
    if (l->model_key && strcmp(l->model_key, key) == 0) {
        free(key);
        free(folder);
        return pipeline_is_of(l->pipeline, j->family, err);
    }
    lanes_close_model(l);
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
        free(key);
        lanes_close_model(l);
        return false;
    }
    l->model_key = key;
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
    struct image *shown = ground_compose(&t->job, estimate, 0, estimate->count, NULL);
    size_t bytes = shown ? shown->stride * (size_t)shown->height : 0;
    pthread_mutex_lock(&c->lanes->lock);
    t->step = step;
    t->total = total;
    bool show = t->previews && t->unseen < UNSEEN_MAX && bytes <= LIMIT_HOST_PREVIEW_BYTES;
    t->unseen += show;
    pthread_mutex_unlock(&c->lanes->lock);
    struct jv *head = lanes_job_message("progress", t);
    jv_set(head, "step", jv_from_integer(step));
    jv_set(head, "total", jv_from_integer(total));
    jv_set(head, "seconds", jv_from_number(seconds));
    jv_set(head, "width", jv_from_integer(estimate->width));
    jv_set(head, "height", jv_from_integer(estimate->height));
    jv_set(head, "count", jv_from_integer(estimate->count));
    if (shown)
        jv_set(head, "channels", jv_from_integer(image_channels(shown->format)));
    lanes_post_message(c->lanes, head, shown ? shown->pixels : NULL, show ? bytes : 0);
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
    // What the job left open gets the values that were used.
    made.used.seed = t->job.seed + i;
    made.used.steps = result->steps;
    made.used.size = (struct value_size){result->pictures.width, result->pictures.height};
    made.used.sampler = (char *)(uintptr_t)result->sampler;
    made.used.spacing = (char *)(uintptr_t)result->spacing;
    made.used.guidance = (char *)(uintptr_t)result->guidance;
    made.used.scale = result->scale;
    made.used.context_scale = result->context_scale;
    size_t size = 0;
    struct image *image = ground_compose(&t->job, &result->pictures, i, 1, err);
    char *loras = loras_names(t->job.lora);
    made.used.lora = loras;
    char *text = request_text(&t->job, r, &made, err);
    free(loras);
    const char *const texts[] = {"limn", text, "Software", "limn " LIMN_VERSION, NULL};
    void *png = text && image ? codec_encode_png(image, texts, &size, err) : NULL;
    image_unref(image);
    struct err kept = {0};
    if (png && !spool_put(t->id, i, png, size, &kept)) {
        // It can still be sent, but a lost connection would lose it.
        struct jv *log = wire_head("log");
        jv_set(log, "level", jv_from_string("warning"));
        jv_set(log, "text", jv_from_string(kept.text));
        lanes_post_message(l, log, NULL, 0);
    }
    if (png) {
        struct jv *head = lanes_job_message("result", t);
        jv_set(head, "index", jv_from_integer(i));
        jv_set(head, "count", jv_from_integer(result->pictures.count));
        jv_set(head, "seed", jv_from_integer(made.used.seed));
        lanes_post_message(l, head, png, size);
    }
    free(png);
    free(text);
    return png != NULL;
}

static void
post_started(struct lanes *l, const struct task *t, const struct pipeline_info *info)
{
    struct jv *head = lanes_job_message("started", t);
    jv_set(head, "model", jv_from_string(info->name));
    jv_set(head, "model_hash", jv_from_string(info->hash));
    jv_set(head, "device", jv_from_string(device_limits(l->device)->name));
    lanes_post_message(l, head, NULL, 0);
}

static void
post_done(struct lanes *l, const struct task *t, const struct pipeline_result *result)
{
    struct jv *head = lanes_job_message("done", t);
    jv_set(head, "steps", jv_from_integer(result->steps));
    jv_set(head, "sampler", jv_from_string(result->sampler));
    jv_set(head, "spacing", jv_from_string(result->spacing));
    jv_set(head, "guidance", jv_from_string(result->guidance));
    jv_set(head, "text_seconds", jv_from_number(result->text_seconds));
    jv_set(head, "reference_seconds", jv_from_number(result->reference_seconds));
    jv_set(head, "denoise_seconds", jv_from_number(result->denoise_seconds));
    jv_set(head, "peak_bytes", jv_from_integer((int64_t)result->peak_bytes));
    lanes_post_message(l, head, NULL, 0);
}

bool
lanes_draw_task(struct lanes *l, struct task *t, struct err *err)
{
    struct request r = {0};
    struct pipeline_result result = {0};
    struct step_context step = {l, t};
    char *latents = NULL;
    bool ok = job_retrieve_there(&t->job, post_notice, l, err) &&
              request_make(&r, &t->job, l->host, &t->cancel, err) && open_model(l, &t->job, err);
    if (ok) {
        struct pipeline_info info;
        pipeline_info(l->pipeline, &info);
        post_started(l, t, &info);
        struct pipeline_request request = request_pipeline(&r, &t->job);
        request.progress = on_step;
        request.ctx = &step;
        request.cancel = &t->cancel;
        request.latents = latents =
            info.grain ? spool_latents(&t->job, info.hash, device_limits(l->device)->name) : NULL;
        ok = describe_need(l->pipeline, &request, post_notice, l, err) &&
             pipeline_run(l->pipeline, &request, &result, err);
    }
    if (ok && atomic_load(&t->cancel))
        ok = err_set(err, ERR_CANCELLED, "stopped");
    for (int i = 0; ok && i < result.pictures.count; i++)
        ok = post_picture(l, t, &r, &result, i, err);
    spool_finish_latents(latents, ok, t->job.seed, err);
    if (ok)
        post_done(l, t, &result);
    else if (err->code == ERR_DEVICE)
        lanes_close_model(l); // a lost device is opened again by the next job
    free(result.pictures.pixels);
    request_finish(&r);
    return ok;
}
