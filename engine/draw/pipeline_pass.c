// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_pass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/diffusion/cascade.h"
#include "engine/draw/resize.h"
#include "engine/draw/start.h"

// One way to query the model: a stage and the inputs it holds.
struct query {
    struct stage *stage;
    const struct port_set *text; // now in the plan
    bool sample;                 // this estimate's sample is in the plan, too
};

struct pass_run_state {
    const struct pass *p;
    struct latent latent;
    struct query with, without, away;            // with references, without, with those to avoid
    float weights[LIMIT_INSTRUCTION_REFERENCES]; // logarithms, as `with` has them
    bool weighted;                               // it has some
    float *branch[GUIDANCE_BRANCH_COUNT];        // (N,h,w,model_channels)
    size_t pixels;                               // N*h*w
    int total;                                   // steps
};

#define WEIGHT_NONE -1e9f // the logarithm of weight 0: removes a reference from attention

static const unsigned with_context =
    1u << GUIDANCE_FULL | 1u << GUIDANCE_NO_TEXT | 1u << GUIDANCE_MARKERS;

static bool
uses_context(enum guidance_branch b)
{
    return with_context & 1u << b;
}

// Whether this branch is that of something to avoid.
static bool
is_uncond(enum guidance_branch b)
{
    return b == GUIDANCE_UNCOND;
}

// Writes this step's weights of the references into the stage that reads them, if they have
// changed.
static bool
write_weights(struct pass_run_state *w, int step, int total, struct err *err)
{
    const struct pass *p = w->p;
    float now[LIMIT_INSTRUCTION_REFERENCES] = {0};
    int count = p->references->key.references;
    double at = (double)step / total;
    for (int i = 0; i < count; i++) {
        const struct pipeline_weight *one = &p->weights[i];
        double weight = at >= one->from && at < one->to ? one->weight : 0;
        now[i] = weight > 0 ? (float)log(weight) : WEIGHT_NONE;
    }
    if (w->weighted && memcmp(now, w->weights, sizeof now) == 0)
        return true;
    w->weighted = stage_write(p->references, "log_weight", now, err) &&
                  plan_run(p->references->plan, err) &&
                  stage_join(w->with.stage, p->references, err);
    memcpy(w->weights, now, sizeof now);
    return w->weighted;
}

// The stage that answers a branch.
static struct query *
query_of(struct pass_run_state *w, enum guidance_branch b)
{
    bool with = uses_context(b) || w->p->stages->folder->family->guided_with_references;
    return with && w->with.stage           ? &w->with
           : is_uncond(b) && w->away.stage ? &w->away
                                           : &w->without;
}

// The text that a branch is conditioned on.
static const struct port_set *
text_of(const struct pass *p, enum guidance_branch b)
{
    if (b == GUIDANCE_MARKERS)
        return p->markers;
    bool has_text = b == GUIDANCE_FULL || b == GUIDANCE_NO_CONTEXT;
    return has_text ? p->text : p->negative ? p->negative : p->no_text;
}

// What the denoiser derives from a text would be, by markers, that of a text without its subject:
// the empty text's is nearer to what it has learned.
static bool
write_text(const struct pass *p, struct query *a, const struct port_set *text, struct err *err)
{
    if (a->text == text)
        return true;
    bool ok = (text != p->markers || port_set_write(p->no_text, "", a->stage, err)) &&
              port_set_write(text, "", a->stage, err);
    a->text = ok ? text : NULL;
    return ok;
}

static bool
write_sample(struct query *a, const float *x, double t, struct err *err)
{
    a->sample = a->sample || (stage_write(a->stage, "sample", x, err) &&
                              stage_fill(a->stage, "timestep", t, err));
    return a->sample;
}

static bool
run_branch(struct pass_run_state *w, enum guidance_branch b, const float *x, double t,
           struct err *err)
{
    struct query *a = query_of(w, b);
    if (w->p->cancel && atomic_load(w->p->cancel))
        return err_set(err, ERR_CANCELLED, "stopped");
    return write_text(w->p, a, text_of(w->p, b), err) && write_sample(a, x, t, err) &&
           plan_run(a->stage->plan, err) && stage_read(a->stage, "prediction", w->branch[b], err);
}

// Runs the branches first whose text the stages still hold from the previous estimate, so that a
// stage used with two texts switches once per estimate, not twice.
static bool
denoise(void *ctx, const float *x, double t, int step, float *out, struct err *err)
{
    struct pass_run_state *w = ctx;
    const struct pass *p = w->p;
    struct guidance_plan plan = guidance_plan(&p->guidance, step);
    unsigned left = plan.mask;
    if (p->weights && plan.mask & with_context && !write_weights(w, step, w->total, err))
        return false;
    w->with.sample = w->without.sample = w->away.sample = false;
    for (int held = 1; held >= 0; held--)
        for (int i = 0; i < GUIDANCE_BRANCH_COUNT; i++) {
            enum guidance_branch b = (enum guidance_branch)i;
            if (!(left & 1u << b) || (held && query_of(w, b)->text != text_of(p, b)))
                continue;
            if (!run_branch(w, b, x, t, err))
                return false;
            left &= ~(1u << b);
        }
    guidance_combine(&plan, (const float *const *)w->branch, w->pixels, w->latent.channels,
                     w->latent.model_channels, out);
    return true;
}

// Writes the inputs that stay the same in all steps.
static bool
open_stage(const struct pass *p, struct stage_key key, struct query *a, struct err *err)
{
    key.kind = STAGE_STEP;
    key.part = p->part;
    key.batch = p->batch;
    key.tokens = p->tokens;
    key.size = p->size;
    struct stage *s = a->stage = stages_get(p->stages, &key, err);
    return s && port_set_write(p->no_text, "empty.", s, err) &&
           (!p->low || (stage_write(s, "low", p->low, err) &&
                        stage_fill(s, "noise_level", p->noise_level, err)));
}

// The plan with the references, which were encoded one by one.
static bool
open_with_alone(struct pass_run_state *w, struct err *err)
{
    const struct references *r = w->p->alone;
    struct stage_key key = {.references = r->count};
    memcpy(key.reference, r->size, sizeof key.reference);
    return open_stage(w->p, key, &w->with, err) &&
           port_set_write(&r->values, "", w->with.stage, err);
}

// Only the plans that the guidance method needs.
static bool
open_stages(struct pass_run_state *w, struct err *err)
{
    const struct pass *p = w->p;
    unsigned mask = guidance_mask(&p->guidance, p->steps, NULL);
    unsigned uncond = 1u << GUIDANCE_UNCOND, without = mask;
    size_t count = w->pixels * (size_t)w->latent.model_channels;
    if (p->references && mask & with_context) {
        struct stage_key key = p->references->key;
        if (!open_stage(p, (struct stage_key){.references = key.references,
                                              .weighted = key.weighted}, &w->with, err) ||
            !stage_join(w->with.stage, p->references, err))
            return false;
        without &= ~with_context;
    }
    if (p->alone) {
        if (!open_with_alone(w, err))
            return false;
        without = 0;
    }
    if (p->away && mask & uncond) {
        // A copy: the same number of references would be the same plan.
        if (!open_stage(p, (struct stage_key){.references = p->away_count, .copy = 1}, &w->away,
                        err) ||
            !port_set_write(p->away, "", w->away.stage, err))
            return false;
        without &= ~uncond;
    }
    if (without && !open_stage(p, (struct stage_key){0}, &w->without, err))
        return false;
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
        if (mask & 1u << b &&
            !(w->branch[b] = mem_try_calloc(count, sizeof(float), "predictions", err)))
            return false;
    return true;
}

// Families that draw any size derive their noise from that of their preferred size.
static struct noise_shape
noise_shape(const struct pass *p, const struct latent *l)
{
    const struct model_folder *m = p->stages->folder;
    struct latent base = *l;
    if (m->family->grain) {
        int size, final_size;
        m->family->sizes(&m->parts, &size, &final_size);
        base = m->family->latent(&m->parts, p->part, (struct picture_size){size, size});
    }
    return (struct noise_shape){l->height, l->width, l->channels, base.height, base.width};
}

// Turns x, pure noise, into the input of the first step that runs; returns how many steps are
// skipped, -1: error.
static int
begin(const struct pass *p, const struct latent *l, const struct sampler_params *s, float *x,
      struct err *err)
{
    const struct noise_shape shape = noise_shape(p, l);
    size_t elements = s->pixels * (size_t)s->channels;
    int skipped = p->start ? start_skipped(s->count, p->strength) : 0;
    if (p->noise)
        memcpy(x, p->noise, s->n * elements * sizeof *x);
    else if (!sampler_noise_at(x, s->n, &shape, p->seeds, err))
        return -1;
    if (!sampler_vary(x, s->n, &shape, p->variation_seed, p->variation, err))
        return -1;
    if (skipped)
        sampler_start(x, s->n, s->pixels, s->channels, s->points[skipped], p->start, NULL);
    else if (p->mask)
        sampler_start(x, s->n, s->pixels, s->channels, s->points[0], p->start, p->mask);
    return skipped;
}

// For schedulers whose shift depends on the picture's size.
static bool
find_shift(const struct pass *p, const struct latent *l, double *shift, struct err *err)
{
    const struct family *f = p->stages->folder->family;
    *shift = 0;
    if (!p->scheduler->dynamic_shift)
        return true;
    if (!f->shift)
        return err_set(err, ERR_UNSUPPORTED, "the scheduler needs a shift that depends on the "
                       "picture's size; models of the family %s have none", f->name);
    *shift = f->shift((int64_t)l->height * l->width, p->steps);
    return true;
}

bool
pass_run(const struct pass *p, float *x, struct err *err)
{
    const struct scheduler_config *c = p->scheduler;
    const struct model_folder *m = p->stages->folder;
    int count = 0;
    double shift;
    struct latent l = m->family->latent(&m->parts, p->part, p->size);
    if (!find_shift(p, &l, &shift, err))
        return false;
    size_t pixels = (size_t)l.height * (size_t)l.width;
    struct pass_run_state w = {.p = p, .latent = l, .pixels = (size_t)p->batch * pixels};
    struct schedule *schedule = schedule_create(&c->schedule, err);
    struct sampler_point *points =
        schedule ? scheduler_config_points(c, schedule, p->sampler, p->spacing, p->steps, shift,
                                           &count, err)
                 : NULL;
    struct sampler_params s = {
        .sampler = p->sampler, .points = points, .count = count, .n = (size_t)p->batch,
        .pixels = pixels, .channels = l.channels, .model_channels = l.model_channels,
        .prediction = c->prediction, .variance = c->variance, .threshold = c->threshold,
        .threshold_max = c->threshold_max, .threshold_quantile = c->threshold_quantile,
        .seeds = p->seeds, .variation_seed = p->variation_seed, .variation = p->variation,
        .denoise = denoise, .denoise_ctx = &w, .progress = p->progress,
        .progress_ctx = p->progress_ctx, .cancel = p->cancel,
        .kept = p->mask ? p->start : NULL, .mask = p->mask,
    };
    int skipped = points && open_stages(&w, err) ? begin(p, &l, &s, x, err) : -1;
    bool ok = skipped >= 0;
    if (ok) {
        s.points += skipped;
        w.total = s.count -= skipped;
        ok = s.count == 0 || sampler_run(&s, x, err);
    }
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
        free(w.branch[b]);
    stage_release(w.with.stage);
    stage_release(w.without.stage);
    stage_release(w.away.stage);
    free(points);
    schedule_destroy(schedule);
    return ok;
}

bool
pass_decode(const struct pass *p, const float *x, float *picture, struct err *err)
{
    struct stage_key key = {.kind = STAGE_DECODE, .part = p->part, .batch = p->batch,
                            .size = p->size};
    struct stage *s = stages_get(p->stages, &key, err);
    bool ok = s && stage_write(s, "sample", x, err) && plan_run(s->plan, err) &&
              stage_read(s, "picture", picture, err);
    stage_release(s);
    return ok;
}

bool
pass_encode(const struct pass *p, const float *picture, float *x, struct err *err)
{
    const struct family *f = p->stages->folder->family;
    struct stage_key key = {.kind = STAGE_ENCODE, .part = p->part, .batch = 1, .size = p->size};
    if (!f->build[STAGE_ENCODE])
        return err_set(err, ERR_UNSUPPORTED, "models of the family %s cannot start from a picture",
                       f->name);
    struct stage *s = stages_get(p->stages, &key, err);
    bool ok = s && stage_write(s, "picture", picture, err) && plan_run(s->plan, err) &&
              stage_read(s, "sample", x, err);
    stage_release(s);
    return ok;
}

bool
pass_low_resolution(const struct pass *p, const float *low, int side, double level, float *out,
                    struct err *err)
{
    const struct model_folder *m = p->stages->folder;
    struct latent l = m->family->latent(&m->parts, p->part, p->size);
    size_t channels = (size_t)l.channels, n = channels * (size_t)l.width * (size_t)l.width;
    struct schedule *schedule = schedule_create(&p->scheduler->schedule, err);
    float *noise = schedule ? mem_try_calloc(2 * n, sizeof *noise, "noise", err) : NULL;
    float *other = noise ? noise + n : NULL;
    if (noise && p->variation > 0)
        rng_fill_normal(p->variation_seed, RNG_STREAM_SAMPLER, 0, other, n);
    for (int i = 0; noise && i < p->batch; i++) {
        const float *from = low + (size_t)i * channels * (size_t)side * (size_t)side;
        float *to = out + (size_t)i * n;
        int t = MIN((int)level, schedule_train_steps(schedule) - 1);
        // Step "-1" of the sampler's noise: used by no step of either stage.
        rng_fill_normal(p->seeds[i], RNG_STREAM_SAMPLER, 0, noise, n);
        if (p->variation > 0)
            sampler_turn(noise, other, n, p->variation);
        if (m->family->enlarged_by_centres)
            cascade_enlarge(from, side, l.width, l.channels,
                            (struct cascade_window){0, 0, l.width}, to);
        else
            resize_bilinear(from, side, l.width, l.channels, to);
        schedule_add_noise(schedule_point(schedule, t), to, noise, to, n);
    }
    bool ok = noise != NULL;
    free(noise);
    schedule_destroy(schedule);
    return ok;
}
