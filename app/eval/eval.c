// SPDX-License-Identifier: MIT
#include "app/eval/eval.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/request.h"
#include "app/eval/recognise.h"
#include "app/job/job_retrieve.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/draw/alpha.h"
#include "engine/draw/pipeline.h"

const char *const eval_measure_names[EVAL_MEASURE_COUNT] = {"edges", "areas", "style", "subject",
                                                            "thumbnail", "alpha"};

struct evaluation {
    const struct eval_params *p;
    struct pack *pack;
    struct tasks *tasks;
    struct recogniser *recogniser;
    struct device *device;
    bool clear[2]; // the models draw alpha
    struct index *index[2]; // of the models; NULL: no retrieval
    int retrieved[2];       // examples of the task with retrieved pictures
    uint8_t *mean; // of the training split
    size_t bytes;  // of a picture
    // For one task: its examples, the drawings of them, and the measured values.
    struct example *examples;
    int count;
    uint8_t *drawn[2]; // (count,bytes)
    uint8_t *alpha[2]; // (count,bytes/3); NULL: the model draws none
    double *values;    // (EVAL_WHO_COUNT,EVAL_MEASURE_COUNT,count); NAN: none
    int done, total;
};

static double *
value_at(const struct evaluation *e, int who, int measure, int i)
{
    return &e->values[((size_t)who * EVAL_MEASURE_COUNT + (size_t)measure) *
                          (size_t)e->p->examples +
                      (size_t)i];
}

static uint8_t *
mean_picture(const struct pack *p, size_t bytes, struct err *err)
{
    double *sum = mem_try_calloc(bytes, sizeof *sum, "the mean picture", err);
    uint8_t *out = sum ? mem_try_calloc(bytes, 1, "the mean picture", err) : NULL;
    int n = 0;
    for (int i = 0; out && i < pack_count(p); i++) {
        if (pack_split(p, i) != PACK_TRAIN)
            continue;
        n++;
        for (size_t k = 0; k < bytes; k++)
            sum[k] += pack_image(p, i)[k];
    }
    for (size_t k = 0; out && k < bytes; k++)
        out[k] = (uint8_t)lround(sum[k] / MAX(n, 1));
    free(sum);
    return out;
}

// --- Drawing ------------------------------------------------------------------------------------

static bool
instruction_of(const struct evaluation *e, const struct example *x, struct instruction *n,
               struct err *err)
{
    int side = pack_size(e->pack);
    *n = (struct instruction){.text = mem_strdup(x->text)};
    for (int i = 0; i < x->ref_count; i++)
        if (!instruction_add(n, x->refs[i].marker, x->refs[i].text, side, side, x->refs[i].image,
                             err))
            return false;
    return true;
}

// The instruction of an example without references, with pictures retrieved by its text.
static bool
retrieve(struct evaluation *e, int which, const struct example *x, struct instruction *n,
         struct err *err)
{
    struct job j = JOB_EMPTY;
    struct request r = {0};
    j.instruction = mem_strdup(x->text);
    j.retrieve = e->p->retrieve;
    bool ok = job_retrieve(&j, e->index[which], NULL, NULL, err) &&
              request_make(&r, &j, NULL, e->p->cancel, err);
    *n = r.instruction;
    r.instruction = (struct instruction){0};
    e->retrieved[which] += ok && n->reference_count > 0;
    request_finish(&r);
    job_finish(&j);
    return ok;
}

static bool
draw_one(struct evaluation *e, int which, struct pipeline *p, int i, uint8_t *out, uint8_t *alpha,
         struct err *err)
{
    const struct example *x = &e->examples[i];
    struct pipeline_info info;
    struct instruction n;
    struct pipeline_result result = {0};
    pipeline_info(p, &info);
    bool ok = e->index[which] && !x->ref_count ? retrieve(e, which, x, &n, err)
                                               : instruction_of(e, x, &n, err);
    struct pipeline_request r = {.instruction = &n,
                                 .seed = (uint64_t)e->p->seed + (uint64_t)i,
                                 .count = 1,
                                 .steps = e->p->steps,
                                 .width = info.size,
                                 .height = info.size,
                                 .sampler = e->p->sampler,
                                 .scale = e->p->scale,
                                 .context_scale = -1,
                                 .cancel = e->p->cancel};
    ok = ok && pipeline_run(p, &r, &result, err);
    if (ok)
        alpha_lay_on_white(result.pictures.pixels, e->bytes / 3, result.pictures.channels, out);
    for (size_t k = 0; ok && alpha && k < e->bytes / 3; k++)
        alpha[k] = result.pictures.pixels[4 * k + 3];
    free(result.pictures.pixels);
    instruction_finish(&n);
    return ok;
}

static bool
draw_all(struct evaluation *e, int which, struct pipeline *p, struct err *err)
{
    bool ok = true;
    e->retrieved[which] = 0;
    for (int i = 0; ok && i < e->count; i++) {
        uint8_t *alpha = e->alpha[which] ? e->alpha[which] + (size_t)i * e->bytes / 3 : NULL;
        ok = draw_one(e, which, p, i, e->drawn[which] + (size_t)i * e->bytes, alpha, err);
        if (ok && e->p->progress)
            e->p->progress(e->p->ctx, ++e->done, e->total);
    }
    return ok;
}

// --- Measuring ----------------------------------------------------------------------------------

static void
measure_one(const struct evaluation *e, int who, int i, const uint8_t *rgb)
{
    const struct example *x = &e->examples[i];
    int side = pack_size(e->pack);
    int style = pack_style(e->pack, x->record),
        rank = recognise_rank(e->recogniser, rgb, x->record);
    *value_at(e, who, EVAL_EDGES, i) = measure_edges(rgb, x->target, side);
    *value_at(e, who, EVAL_AREAS, i) = measure_areas(rgb, x->target, side);
    *value_at(e, who, EVAL_THUMBNAIL, i) = measure_thumbnails(rgb, x->target, side);
    *value_at(e, who, EVAL_STYLE, i) =
        style < 0 ? NAN : recognise_style(e->recogniser, rgb) == style;
    *value_at(e, who, EVAL_SUBJECT, i) = rank < 0 ? NAN : rank < 5;
}

static void
measure_all(struct evaluation *e)
{
    for (size_t i = 0; i < (size_t)EVAL_WHO_COUNT * EVAL_MEASURE_COUNT * (size_t)e->p->examples;
         i++)
        e->values[i] = NAN;
    for (int i = 0; i < e->count; i++) {
        const struct example *x = &e->examples[i];
        measure_one(e, EVAL_TRUTH, i, x->target);
        measure_one(e, EVAL_MEAN, i, e->mean);
        if (x->ref_count)
            measure_one(e, EVAL_COPY, i, x->refs[0].image);
        *value_at(e, EVAL_TRUTH, EVAL_ALPHA, i) = x->alpha ? 1 : NAN;
        for (int k = 0; k < 2; k++)
            if (e->alpha[k] && x->alpha)
                *value_at(e, EVAL_MODEL + k, EVAL_ALPHA, i) = measure_alpha(
                    e->alpha[k] + (size_t)i * e->bytes / 3, x->alpha, e->bytes / 3);
        for (int k = 0; k < 2 && e->p->models[k]; k++)
            measure_one(e, EVAL_MODEL + k, i, e->drawn[k] + (size_t)i * e->bytes);
    }
}

static struct measured
mean_of(const struct evaluation *e, int who, int less, int measure)
{
    double *v = mem_alloc((size_t)e->p->examples * sizeof *v);
    int n = 0;
    for (int i = 0; i < e->count; i++) {
        double one =
            *value_at(e, who, measure, i) - (less < 0 ? 0 : *value_at(e, less, measure, i));
        if (!isnan(one))
            v[n++] = one;
    }
    struct measured m = measure_mean(v, n, (uint64_t)e->p->seed);
    free(v);
    return m;
}

static void
summarise(const struct evaluation *e, struct eval_task *t)
{
    t->examples = e->count;
    memcpy(t->retrieved, e->retrieved, sizeof t->retrieved);
    for (int m = 0; m < EVAL_MEASURE_COUNT; m++) {
        for (int who = 0; who < EVAL_WHO_COUNT; who++)
            t->of[who][m] = mean_of(e, who, -1, m);
        t->difference[m] = mean_of(e, EVAL_OTHER, EVAL_MODEL, m);
    }
}

bool
eval_is_worse(const struct eval_task *t, enum eval_measure m)
{
    // Thirteen tasks by six measures: 3.43 standard deviations instead of 1.96 leave a 2 % chance
    // of any false alarm among them.
    static const double wider = 1.75;
    const struct measured *d = &t->difference[m];
    double end = m == EVAL_THUMBNAIL ? d->low : d->high, beyond = d->mean + wider * (end - d->mean);
    return d->n > 0 && (m == EVAL_THUMBNAIL ? beyond > 0 : beyond < 0);
}

// --- Tasks --------------------------------------------------------------------------------------

// Up to p->examples of a task's held-out examples, spread evenly over all of them.
static void
select_examples(struct evaluation *e, int task)
{
    int all = tasks_heldout_of(e->tasks, task, e->p->split, 0, NULL);
    e->count = MIN(all, e->p->examples);
    for (int i = 0; i < e->count; i++)
        tasks_heldout_of(e->tasks, task, e->p->split, (int)((int64_t)i * all / e->count),
                         &e->examples[i]);
}

static bool
is_measured(const struct evaluation *e, int task)
{
    return !e->p->only || strcmp(tasks_name(e->tasks, task), e->p->only) == 0;
}

// Checks the task's name before anything is loaded.
static bool
check_task(const struct evaluation *e, struct err *err)
{
    const char *sep = "";
    char names[400] = "";
    for (int t = 0; t < tasks_count(e->tasks); t++, sep = ", ") {
        if (is_measured(e, t))
            return true;
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s'%s'", sep, tasks_name(e->tasks, t));
    }
    return err_set(err, ERR_INPUT, "there is no task '%.40s' among %s", e->p->only, names);
}

static bool
run_tasks(struct evaluation *e, struct pipeline *const pipelines[2], struct eval_report *out,
          struct err *err)
{
    bool ok = true;
    for (int t = 0; ok && t < tasks_count(e->tasks); t++) {
        if (!is_measured(e, t))
            continue;
        select_examples(e, t);
        for (int k = 0; ok && k < 2 && pipelines[k]; k++)
            ok = draw_all(e, k, pipelines[k], err);
        if (!ok || !e->count)
            continue;
        measure_all(e);
        struct eval_task *task = &out->tasks[out->count++];
        task->name = mem_strdup(tasks_name(e->tasks, t));
        summarise(e, task);
    }
    if (ok && !out->count)
        ok = err_set(err, ERR_INPUT, "%s: no task has held-out examples to measure", e->p->pack);
    return ok && pack_check(e->pack, err);
}

// Opens the index in a model's folder.
static bool
open_index(struct evaluation *e, int which, struct err *err)
{
    if (!e->p->retrieve)
        return true;
    char *path = index_of_model(e->p->models[which], err);
    if (path)
        e->index[which] = index_open(path, err);
    else // or a reason that is known
        err_set(err, ERR_INPUT, "%s has no index to retrieve from: make one with 'limn index'",
                e->p->models[which]);
    free(path);
    return e->index[which] != NULL;
}

static bool
open_models(struct evaluation *e, struct pipeline *pipelines[2], struct err *err)
{
    e->device = device_open(e->p->device, err);
    bool ok = e->device != NULL;
    for (int k = 0; ok && k < 2 && e->p->models[k]; k++) {
        struct pipeline_info info = {0};
        pipelines[k] = pipeline_open(e->p->models[k], e->device, DTYPE_NONE, err);
        ok = pipelines[k] && open_index(e, k, err);
        if (ok)
            pipeline_info(pipelines[k], &info);
        e->clear[k] = info.channels == 4;
        if (ok && info.size != pack_size(e->pack))
            ok = err_set(err, ERR_INPUT, "%s draws pictures of %d pixels a side, %s has some of %d",
                         e->p->models[k], info.size, e->p->pack, pack_size(e->pack));
    }
    return ok;
}

static bool
allocate(struct evaluation *e, struct err *err)
{
    size_t n = (size_t)e->p->examples;
    e->bytes = 3 * (size_t)pack_size(e->pack) * (size_t)pack_size(e->pack);
    e->mean = mean_picture(e->pack, e->bytes, err);
    e->examples = mem_try_calloc(n, sizeof *e->examples, "examples", err);
    e->values = mem_try_calloc(EVAL_WHO_COUNT * EVAL_MEASURE_COUNT * n, sizeof *e->values,
                               "examples", err);
    for (int k = 0; k < 2; k++)
        if (!(e->drawn[k] = mem_try_calloc(n, e->bytes, "examples", err)) ||
            (e->clear[k] && !(e->alpha[k] = mem_try_calloc(n, e->bytes / 3, "examples", err))))
            return false;
    for (int t = 0; t < tasks_count(e->tasks); t++)
        if (is_measured(e, t))
            e->total += MIN(e->p->examples, tasks_heldout_of(e->tasks, t, e->p->split, 0, NULL)) *
                        (e->p->models[1] ? 2 : 1);
    return e->mean && e->examples && e->values;
}

bool
eval_run(const struct eval_params *p, struct eval_report *out, struct err *err)
{
    struct evaluation e = {.p = p};
    struct pipeline *pipelines[2] = {0};
    *out = (struct eval_report){0};
    bool ok = (e.pack = pack_open(p->pack, err)) &&
              (e.tasks = tasks_create(e.pack, p->tasks, false, err)) &&
              (!p->only || check_task(&e, err)) &&
              open_models(&e, pipelines, err) && (e.recogniser = recogniser_make(e.pack, err));
    if (ok) {
        out->tasks = mem_zalloc((size_t)tasks_count(e.tasks) * sizeof *out->tasks);
        ok = allocate(&e, err) && run_tasks(&e, pipelines, out, err);
    }
    for (int k = 0; k < 2; k++) {
        pipeline_close(pipelines[k]);
        index_close(e.index[k]);
    }
    device_close(e.device);
    recogniser_free(e.recogniser);
    tasks_destroy(e.tasks);
    pack_close(e.pack);
    free(e.mean);
    free(e.examples);
    free(e.values);
    free(e.drawn[0]);
    free(e.drawn[1]);
    free(e.alpha[0]);
    free(e.alpha[1]);
    return ok;
}

void
eval_finish(struct eval_report *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->tasks[i].name);
    free(r->tasks);
    *r = (struct eval_report){0};
}
