// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/draw/alpha.h"
#include "engine/draw/drawing.h"
#include "engine/draw/latents.h"
#include "engine/draw/pipeline_check.h"
#include "engine/draw/pipeline_parts.h"
#include "engine/draw/pipeline_pass.h"
#include "engine/draw/resize.h"
#include "engine/draw/start.h"

// --- Opening ----------------------------------------------------------------------------------

// Checks that a pass's scheduler fits its network's output.
static bool
check_variance(const struct model_folder *m, const char *part, const struct scheduler_config *c,
               struct err *err)
{
    if (!part || !parts_find(&m->parts, part) || c->variance != VARIANCE_LEARNED_RANGE)
        return true;
    struct latent l = m->family->latent(&m->parts, part, (struct picture_size){64, 64});
    return l.model_channels == 2 * l.channels ||
           err_set(err, ERR_INPUT, "%s: the scheduler's variance_type is 'learned_range', for "
                   "which %s must give %d channels, not %d", m->path, part, 2 * l.channels,
                   l.model_channels);
}

// Checks the rest of what drawing needs besides the networks.
static bool
check_folder(const struct model_folder *m, struct err *err)
{
    const char *needs = !m->tokenizer       ? "tokenizer that limn knows"
                        : !m->has_scheduler ? "scheduler/scheduler_config.json"
                                            : NULL;
    if (needs)
        return err_set(err, ERR_INPUT, "%s cannot draw: it has no %s", m->path, needs);
    return m->family->check(&m->parts, m->path, err) &&
           check_variance(m, m->family->denoiser, &m->scheduler, err) &&
           check_variance(m, m->family->enlarger, &m->super_scheduler, err);
}

enum { REFERENCES_USUAL = 8 }; // if the family gives no number

static bool
describe(struct pipeline *p, struct err *err)
{
    const struct family *f = p->folder->family;
    const struct parts *parts = &p->folder->parts;
    int vocabulary = f->vocabulary(parts), pieces = tokenizer_vocab_size(p->tokenizer);
    struct pipeline_info *i = &p->info;
    snprintf(i->name, sizeof i->name, "%s", p->folder->name);
    f->sizes(parts, &i->size, &i->final_size);
    int most = f->references ? f->references : REFERENCES_USUAL;
    i->reference_max = f->has(parts, STAGE_REFERENCES) ? most : 0;
    i->marker_max = f->marker_word ? LIMIT_INSTRUCTION_MARKER : tokenizer_marker_max(p->tokenizer);
    i->channels = f->channels ? f->channels(parts) : 3;
    i->grain = f->grain ? f->grain(parts) : 0;
    i->feature_width =
        f->feature_width && f->has(parts, STAGE_FEATURES) ? f->feature_width(parts) : 0;
    i->parameters = weights_count(&p->stages.weights);
    if (pieces > vocabulary)
        return err_set(err, ERR_INPUT, "%s: the tokenizer has %d tokens, the text encoder %d",
                       p->folder->path, pieces, vocabulary);
    return model_folder_hash(p->folder, i->hash, err);
}

static void
find_preview(struct pipeline *p)
{
    const struct model_folder *m = p->folder;
    struct picture_size size = {p->info.size, p->info.size};
    if (p->info.grain)
        p->preview = linear_preview_find(
            m, p->info.hash, m->family->latent(&m->parts, m->family->denoiser, size).channels);
}

static bool
set_frame(struct pipeline *p, struct err *err)
{
    const struct family *f = p->folder->family;
    return !f->before || tokenizer_set_frame(p->tokenizer, f->before, f->after, err);
}

struct pipeline *
pipeline_open(const char *folder, struct device *device, enum dtype dtype, struct err *err)
{
    return pipeline_open_as(folder, device, &(struct pipeline_storage){.dtype = dtype}, err);
}

struct pipeline *
pipeline_open_as(const char *folder, struct device *device, const struct pipeline_storage *w,
                 struct err *err)
{
    struct pipeline *p = mem_zalloc(sizeof *p);
    p->folder = model_folder_open(folder, err);
    bool ok = p->folder && check_folder(p->folder, err) &&
              (!w->change_count ||
               model_folder_change(p->folder, w->changes, w->change_count, err)) &&
              pipeline_defaults_read(&p->defaults, p->folder, err) &&
              (p->tokenizer = tokenizer_open(p->folder->tokenizer, err)) && set_frame(p, err) &&
              stages_init(&p->stages, p->folder, device, w->dtype, w->blocks, err) &&
              describe(p, err);
    p->stages.memory = w->memory;
    if (ok) {
        find_preview(p);
        return p;
    }
    pipeline_close(p);
    return NULL;
}

void
pipeline_close(struct pipeline *p)
{
    if (!p)
        return;
    stages_finish(&p->stages);
    port_set_finish(&p->no_text);
    linear_preview_free(p->preview);
    tokenizer_close(p->tokenizer);
    model_folder_close(p->folder);
    free(p);
}

bool
pipeline_is_of(const struct pipeline *p, const char *family, struct err *err)
{
    const char *own = p->folder->family->name;
    return !family || strcmp(family, own) == 0 ||
           err_set(err, ERR_INPUT,
                   "this is written for models of the family %.40s, but %s is of %s: choose "
                   "another with --model (limn models lists them)",
                   family, p->info.name, own);
}

void
pipeline_info(const struct pipeline *p, struct pipeline_info *info)
{
    *info = p->info;
}

// --- Drawing ----------------------------------------------------------------------------------

static bool
cancelled(const struct pipeline_request *r, struct err *err)
{
    if (!r->cancel || !atomic_load(r->cancel))
        return false;
    err_set(err, ERR_CANCELLED, "stopped");
    return true;
}

static bool
clean(const struct drawing *d, const struct pipeline_pictures *p, struct err *err)
{
    size_t one = (size_t)p->height * (size_t)p->width;
    bool ok = true;
    if (p->channels == 4)
        alpha_clean(p->pixels, (size_t)p->count * one);
    for (int i = 0; ok && d->apart && i < p->count; i++)
        ok = alpha_draw_in(p->pixels + 4 * one * (size_t)i, p->width, p->height, err);
    return ok;
}

// The finished pictures as returned: transparent ones are no longer on white.
static void
finish_colours(const struct pipeline_pictures *p)
{
    if (p->channels == 4)
        alpha_take_off_white(p->pixels, (size_t)p->count * (size_t)p->height * (size_t)p->width);
}

// The estimate as interleaved bytes. False: no memory.
static bool
show_estimate(const struct drawing *d, const float *x0, const struct pipeline_pictures *out)
{
    size_t pixels = (size_t)out->count * (size_t)out->height * (size_t)out->width;
    if (!d->apart) {
        pass_preview(d->pass, x0, out->pixels);
        return true;
    }
    struct err err = {0};
    float *whole = mem_try_calloc(4 * pixels, sizeof *whole, "an estimate", &err);
    if (whole) {
        alpha_join(x0, x0 + 3 * pixels, pixels, whole);
        resize_to_bytes(whole, 4 * pixels, out->pixels);
    }
    free(whole);
    return whole != NULL;
}

static void
report(void *ctx, int step, int total, const float *x0)
{
    struct drawing *d = ctx;
    if (!d->r->progress)
        return;
    struct pipeline_pictures now = {d->count, d->now.width, d->now.height, d->p->info.channels,
                                    d->pixels};
    struct err err = {0};
    if (!show_estimate(d, x0, &now) || !clean(d, &now, &err))
        return; // no memory
    finish_colours(&now);
    // The pass may have fewer steps than asked for; its last one counts as the last.
    int all = d->step_offset ? d->step_offset + total : total + d->super_steps;
    d->r->progress(d->r->ctx, d->step_offset + step, all, clock_seconds() - d->start, &now);
    d->steps = d->step_offset ? d->steps : total;
}

// The empty text is encoded if guidance or the denoiser needs it.
static bool
needs_no_text(const struct drawing *d)
{
    const struct model_folder *m = d->p->folder;
    unsigned without = 1u << GUIDANCE_NO_TEXT | 1u << GUIDANCE_UNCOND | 1u << GUIDANCE_MARKERS;
    return guidance_mask(&d->guidance, d->steps, NULL) & without ||
           m->family->has(&m->parts, STAGE_CONDITION);
}

// Texts to be encoded, beside those of struct drawing.
struct texts {
    bool empty; // needed and not encoded yet
    struct port_set no_text;
    struct port_set references[LIMIT_INSTRUCTION_REFERENCES], away[LIMIT_INSTRUCTION_REFERENCES];
};

// The instruction's text, with markers as words if the family refers to pictures by words.
static bool
encode_words(struct pipeline *p, const struct instruction *n, struct port_set *set, struct err *err)
{
    const char *word = p->folder->family->marker_word;
    char *text = word ? instruction_in_words(n, word, err) : NULL;
    bool ok = (text || !word) && pipeline_encode_text(p, text ? text : n->text, set, err);
    free(text);
    return ok;
}

// The text by its markers, where guidance asks for it.
static bool
encode_markers(struct drawing *d, struct err *err)
{
    if (!(guidance_mask(&d->guidance, d->steps, NULL) & 1u << GUIDANCE_MARKERS))
        return true;
    char *text = instruction_by_markers(d->r->instruction);
    bool ok = pipeline_encode_text(d->p, text, &d->markers, err);
    free(text);
    return ok;
}

// Runs the text encoder on every text.
static bool
encode_texts(struct drawing *d, struct texts *t, struct err *err)
{
    struct pipeline *p = d->p;
    const struct instruction *n = d->r->instruction, *away = d->r->negative;
    bool alone = p->info.grain; // such references have no texts
    return (!t->empty || pipeline_encode_text(p, "", &t->no_text, err)) &&
           encode_words(p, n, &d->text, err) && encode_markers(d, err) &&
           (!away || encode_words(p, away, &d->negative, err)) &&
           (alone || pipeline_encode_reference_texts(p, n, t->references, err)) &&
           (alone || !away || pipeline_encode_reference_texts(p, away, t->away, err));
}

// Runs STAGE_CONDITION on them. The empty text's outputs are kept once complete.
static bool
condition_texts(struct drawing *d, struct texts *t, struct err *err)
{
    if (!pipeline_condition_text(d->p, &t->no_text, err))
        return false;
    if (t->empty) {
        d->p->no_text = t->no_text;
        t->no_text = (struct port_set){0};
    }
    return pipeline_condition_text(d->p, &d->text, err) &&
           pipeline_condition_text(d->p, &d->negative, err);
}

// First the references that guidance steers away from, then those of the instruction.
static bool
encode_pictures(struct drawing *d, const struct texts *t, struct err *err)
{
    struct pipeline *p = d->p;
    const struct instruction *n = d->r->instruction, *away = d->r->negative;
    if (away && away->reference_count) {
        struct stage *s = pipeline_encode_references(p, away, t->away, false, err);
        bool ok = s && port_set_read(&d->away, "", s, err);
        stage_release(s);
        if (!ok)
            return false;
    }
    if (p->info.grain)
        return references_encode(&d->alone, &p->stages, n, err);
    if (n->reference_count)
        d->references = pipeline_encode_references(p, n, t->references, d->weighted, err);
    return !n->reference_count || d->references;
}

static bool
condition(struct drawing *d, struct err *err)
{
    struct texts t = {.empty = !d->p->no_text.count && needs_no_text(d)};
    double start = clock_seconds();
    bool ok = encode_texts(d, &t, err) && condition_texts(d, &t, err);
    d->result->text_seconds = clock_seconds() - start;
    if (ok && !cancelled(d->r, err)) {
        start = clock_seconds();
        ok = encode_pictures(d, &t, err);
        d->result->reference_seconds = clock_seconds() - start;
    } else {
        ok = false;
    }
    port_set_finish(&t.no_text);
    for (int i = 0; i < LIMIT_INSTRUCTION_REFERENCES; i++) {
        port_set_finish(&t.references[i]);
        port_set_finish(&t.away[i]);
    }
    return ok;
}

struct pass
drawing_base_pass(struct drawing *d)
{
    struct pipeline *p = d->p;
    return (struct pass){
        .stages = &p->stages, .part = p->folder->family->denoiser,
        .scheduler = &p->folder->scheduler, .sampler = d->sampler, .spacing = d->spacing,
        .steps = d->steps,
        .guidance = d->guidance,
        .batch = d->count, .seeds = d->seeds, .text = &d->text, .markers = &d->markers,
        .no_text = &p->no_text, .negative = d->r->negative ? &d->negative : NULL,
        .variation_seed = d->r->variation_seed, .variation = d->r->variation,
        .tokens = p->folder->text_tokens, .references = d->references,
        .size = p->info.grain ? d->base : (struct picture_size){0}, .preview = p->preview,
        .alone = d->alone.count ? &d->alone : NULL,
        .away = d->away.count ? &d->away : NULL,
        .away_count = d->r->negative ? d->r->negative->reference_count : 0,
        .weights = d->weighted ? d->weights : NULL, .strength = d->strength,
        .progress = report, .progress_ctx = d, .cancel = d->r->cancel,
    };
}

// Reduces mask (height,width) to the latent's positions, each the mean of its pixels.
static float *
shrink_mask(const float *mask, int width, const struct latent *l, struct err *err)
{
    int factor = width / l->width;
    float *out = mem_try_calloc((size_t)l->height * (size_t)l->width, sizeof *out, "a mask", err);
    for (int y = 0; out && y < l->height * factor; y++)
        for (int x = 0; x < width; x++)
            out[y / factor * l->width + x / factor] +=
                mask[y * width + x] / (float)(factor * factor);
    return out;
}

bool
drawing_run_from(struct pass *pass, const struct start *from, float *x, struct err *err)
{
    if (!from)
        return pass_run(pass, x, err);
    const struct model_folder *m = pass->stages->folder;
    struct latent l = m->family->latent(&m->parts, pass->part, pass->size);
    size_t n = (size_t)l.height * (size_t)l.width * (size_t)l.channels;
    float *start = mem_try_calloc(n, sizeof *start, "the picture to start from", err);
    bool ok = start && pass_encode(pass, from->picture, start, err);
    float *mask = NULL;
    if (ok && from->mask && pass->size.width)
        ok = (mask = shrink_mask(from->mask, pass->size.width, &l, err)) != NULL;
    pass->start = start;
    pass->mask = mask ? mask : from->mask;
    ok = ok && pass_run(pass, x, err);
    pass->start = pass->mask = NULL;
    free(mask);
    free(start);
    return ok;
}

// Strength 0: as many copies of the starting picture as drawings were asked for.
static bool
copy_start(struct drawing *d, struct err *err)
{
    struct pipeline_pictures *out = &d->result->pictures;
    size_t n = drawing_values(d, d->final) / (size_t)d->count;
    out->pixels = mem_try_calloc((size_t)d->count * n, 1, "pictures", err);
    for (int i = 0; out->pixels && i < d->count; i++)
        resize_to_bytes(d->last.picture, n, out->pixels + (size_t)i * n);
    if (out->pixels)
        finish_colours(out);
    return out->pixels != NULL;
}

static bool
make_starts(struct drawing *d, struct err *err)
{
    const struct pipeline_request *r = d->r;
    int channels = d->p->info.channels;
    return !r->start || (start_make(&d->first, r->start, r->mask, d->base.width, d->base.height,
                                    channels, err) &&
                         start_make(&d->last, r->start, r->mask, d->final.width, d->final.height,
                                    channels, err));
}

static struct latent
base_latent(const struct drawing *d)
{
    const struct model_folder *m = d->p->folder;
    return m->family->latent(&m->parts, m->family->denoiser, d->base);
}

// Takes the latents kept from an equal request; false: there are none.
static bool
load_latents(struct drawing *d)
{
    if (!d->r->latents || !d->p->info.grain)
        return false;
    struct latent l = base_latent(d);
    d->kept = latents_read(d->r->latents, d->count, &l);
    if (d->kept)
        log_line(LOG_NOTICE, "model", "the steps were completed earlier: decoding their latents");
    return d->kept;
}

// Runs the steps of the base pass, or takes their kept result.
static bool
make_latents(struct drawing *d, struct pass *pass, float *x, struct err *err)
{
    struct latent l = base_latent(d);
    size_t n = (size_t)d->count * (size_t)l.height * (size_t)l.width * (size_t)l.channels;
    if (d->kept)
        memcpy(x, d->kept, n * sizeof *x);
    else if (!drawing_run_from(pass, d->first.picture ? &d->first : NULL, x, err))
        return false;
    else if (d->r->latents && d->p->info.grain)
        latents_write(d->r->latents, d->count, &l, x);
    return true;
}

static bool
draw(struct drawing *d, struct err *err)
{
    size_t n = drawing_values(d, d->base), final = drawing_values(d, d->final);
    float *x = mem_try_calloc(n, sizeof *x, "pictures", err), *large = NULL;
    d->pixels = mem_try_calloc(final, 1, "pictures", err);
    d->now = d->base;
    d->start = clock_seconds();
    struct pass pass = drawing_base_pass(d);
    d->pass = &pass;
    bool ok = x && d->pixels && make_latents(d, &pass, x, err) && pass_decode(&pass, x, x, err);
    if (ok && d->super_steps) {
        large = mem_try_calloc(final, sizeof *large, "pictures", err);
        for (size_t i = 0; i < n; i++)
            x[i] = MIN(MAX(x[i], -1), 1);
        ok = large && drawing_second_pass(d, x, large, err);
    }
    d->result->denoise_seconds = clock_seconds() - d->start;
    if (ok) {
        resize_to_bytes(large ? large : x, final, d->pixels);
        d->result->pictures.pixels = d->pixels;
        d->pixels = NULL;
        ok = clean(d, &d->result->pictures, err);
        start_restore(&d->last, d->count, drawing_pixels(d->final), d->result->pictures.pixels);
        finish_colours(&d->result->pictures);
    }
    free(x);
    free(large);
    return ok;
}

// Everything is checked before anything is drawn.
static bool
check_memory(struct drawing *d, struct err *err)
{
    bool kept = load_latents(d);
    stages_renew(&d->p->stages);
    return pipeline_need_check(d->p, d->r, kept, err);
}

bool
pipeline_run(struct pipeline *p, const struct pipeline_request *request,
             struct pipeline_result *result, struct err *err)
{
    struct drawing d = {.p = p, .r = request, .result = result};
    *result = (struct pipeline_result){0};
    stages_peak(&p->stages, true);
    bool ok = pipeline_check(&p->info, request, err) && drawing_settle(&d, err) &&
              !cancelled(request, err) && make_starts(&d, err);
    if (ok && request->start && d.strength <= 0)
        ok = copy_start(&d, err);
    else
        ok = ok && check_memory(&d, err) && (d.kept || condition(&d, err)) &&
             !cancelled(request, err) && draw(&d, err);
    result->peak_bytes = stages_peak(&p->stages, false);
    port_set_finish(&d.text);
    port_set_finish(&d.markers);
    port_set_finish(&d.negative);
    port_set_finish(&d.away);
    references_finish(&d.alone);
    start_finish(&d.first);
    start_finish(&d.last);
    stage_release(d.references);
    free(d.kept);
    free(d.pixels);
    return ok;
}
