// SPDX-License-Identifier: MIT
#include "engine/draw/pipeline_golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline_pass.h"

enum { TOKENS_MAX = 4096 }; // as in model_index.json

struct run {
    const struct model_golden_params *params;
    struct safetensors *file;
    struct stages stages;
    struct port_set text, no_text, negative;
    double scale; // of guidance; 0: none
    struct references references;
    struct picture_size size;
    struct latent latent;
    int steps, tokens;
    float *x, *picture; // the sample; what it is decoded to
};

enum { PICTURE_CHANNELS = 3 }; // alpha is not compared

bool
pipeline_golden_is(const char *path)
{
    struct err err = {0};
    struct safetensors *file = safetensors_open(path, &err);
    const char *part = file ? safetensors_metadata(file, "part") : NULL;
    bool is = part && strcmp(part, "pipeline") == 0;
    safetensors_close(file);
    return is;
}

static const struct tensor_view *
find(const struct run *r, const char *name)
{
    const struct tensor_view *t = safetensors_find(r->file, name);
    return t && t->size > 0 && t->dtype != DTYPE_NONE ? t : NULL;
}

// An integer of the metadata; `other` if it is missing.
static bool
number(const struct run *r, const char *key, int64_t other, int most, int *out, struct err *err)
{
    const char *text = safetensors_metadata(r->file, key);
    int64_t value = text ? model_golden_number(text) : other;
    *out = value >= 1 && value <= most ? (int)value : 0;
    return *out ||
           err_set(err, ERR_INPUT, "%s: its metadata must have %s, a whole number from 1 to %d",
                   r->params->golden, key, most);
}

// A dimension, counted from the last one, 0; 1 if there is none.
static int64_t
dim_from_end(const struct tensor_view *t, int i)
{
    return i < t->shape.rank ? t->shape.dim[t->shape.rank - 1 - i] : 1;
}

// (1,C,H,W) -> (H,W,C)
static float *
picture_of(const struct tensor_view *t, struct err *err)
{
    int64_t pixels = dim_from_end(t, 0) * dim_from_end(t, 1), channels = dim_from_end(t, 2);
    float *out = mem_try_calloc((size_t)(channels * pixels), sizeof *out, "a golden's picture",
                                err);
    for (int64_t i = 0; out && i < channels * pixels; i++)
        out[i % pixels * channels + i / pixels] = (float)dtype_load(t->dtype, t->data, i);
    return out;
}

// (1,C,H,W), or (C,H,W)
static bool
is_picture(const struct tensor_view *t, int64_t channels)
{
    return t->shape.rank >= 3 && dim_from_end(t, 2) == channels &&
           shape_count(&t->shape) == channels * dim_from_end(t, 1) * dim_from_end(t, 0);
}

// --- What is drawn with

static bool
read_sizes(struct run *r, struct err *err)
{
    enum { MOST = 8192 };
    const struct model_folder *m = r->params->folder;
    if (!m->family->grain)
        return err_set(err, ERR_UNSUPPORTED, "%s: goldens of whole pipelines are known for "
                       "families that draw any size, %s is not one", r->params->golden,
                       m->family->name);
    const struct tensor_view *out = find(r, "output");
    int height, width, grain = m->family->grain(&m->parts);
    if (!number(r, "steps", 0, 1000, &r->steps, err) ||
        !number(r, "height", out ? dim_from_end(out, 1) : 0, MOST, &height, err) ||
        !number(r, "width", out ? dim_from_end(out, 0) : 0, MOST, &width, err))
        return false;
    if (height % grain || width % grain)
        return err_set(err, ERR_INPUT, "%s: height and width must be multiples of %d",
                       r->params->golden, grain);
    r->size = (struct picture_size){height, width};
    r->latent = m->family->latent(&m->parts, m->family->denoiser, r->size);
    return true;
}

static bool
read_text(struct run *r, bool negative, struct port_set *set, struct err *err)
{
    const struct tensor_view *ids = find(r, negative ? "negative_input_ids" : "input_ids");
    const struct tensor_view *mask =
        find(r, negative ? "negative_attention_mask" : "attention_mask");
    int64_t count = ids ? dim_from_end(ids, 0) : 0;
    if (!ids || count < 1 || count > TOKENS_MAX || shape_count(&ids->shape) != count ||
        (mask && shape_count(&mask->shape) != count))
        return err_set(err, ERR_INPUT, "%s: input_ids (1,T) and an attention_mask like it or none "
                       "are needed, and such negative ones for guidance", r->params->golden);
    if (negative && count != r->tokens)
        return err_set(err, ERR_INPUT, "%s: negative_input_ids must be as many as input_ids",
                       r->params->golden);
    r->tokens = (int)count;
    struct stage_key key = {.kind = STAGE_TEXT, .tokens = r->tokens};
    struct stage *s = stages_get(&r->stages, &key, err);
    int32_t *id = mem_alloc((size_t)r->tokens * sizeof *id);
    float *seen = mem_alloc((size_t)r->tokens * sizeof *seen);
    bool whole = model_golden_ids(ids, r->tokens, id, r->params->golden, err);
    for (int i = 0; i < r->tokens; i++)
        seen[i] = mask ? (float)dtype_load(mask->dtype, mask->data, i) : 1;
    bool ok = whole && s && plan_write(s->plan, ports_find_input(&s->ports, "ids"), id, err) &&
              stage_write(s, "mask", seen, err) &&
              (plan_run(s->plan, err) || err_prefix(err, "%s", r->params->golden)) &&
              port_set_read(set, "", s, err);
    free(seen);
    free(id);
    stage_release(s);
    return ok;
}

// Guidance, if the golden has a scale.
static bool
read_guidance(struct run *r, struct err *err)
{
    const char *scale = safetensors_metadata(r->file, "guidance_scale");
    r->scale = scale ? strtod(scale, NULL) : 0;
    return !scale || read_text(r, true, &r->negative, err);
}

static bool
read_reference(struct run *r, int k, const struct tensor_view *t, struct err *err)
{
    const struct model_folder *m = r->params->folder;
    int grain = m->family->grain(&m->parts);
    char before[32];
    snprintf(before, sizeof before, "reference.%d.", k);
    if (!is_picture(t, PICTURE_CHANNELS) || dim_from_end(t, 1) % grain ||
        dim_from_end(t, 0) % grain)
        return err_set(err, ERR_INPUT, "%s: %s must be (1,3,H,W), H and W multiples of %d",
                       r->params->golden, t->name, grain);
    struct picture_size size = {(int)dim_from_end(t, 1), (int)dim_from_end(t, 0)};
    struct stage_key key = {.kind = STAGE_REFERENCES, .references = 1, .size = size};
    struct stage *s = stages_get(&r->stages, &key, err);
    float *image = s ? picture_of(t, err) : NULL;
    bool ok = image && stage_write(s, "image", image, err) && plan_run(s->plan, err) &&
              port_set_read(&r->references.values, before, s, err);
    r->references.size[k] = size;
    r->references.count = k + 1;
    free(image);
    stage_release(s);
    return ok;
}

static const struct tensor_view *
find_reference(const struct run *r, int number)
{
    char name[32];
    snprintf(name, sizeof name, "references.%d", number);
    return find(r, name);
}

// Numbered from 0, or from 1 as an instruction's markers are; all of them.
static bool
read_references(struct run *r, struct err *err)
{
    static const char before[] = "references.";
    int first = find_reference(r, 0) ? 0 : 1, named = 0;
    const struct tensor_view *t;
    for (int k = 0; k < LIMIT_INSTRUCTION_REFERENCES && (t = find_reference(r, first + k)); k++)
        if (!read_reference(r, k, t, err))
            return false;
    for (size_t i = 0; i < safetensors_count(r->file); i++)
        named += strncmp(safetensors_at(r->file, i)->name, before, sizeof before - 1) == 0;
    return named == r->references.count ||
           err_set(err, ERR_INPUT, "%s: of %d tensors '%s…' %d can be used: they must be numbered "
                   "one after the other from 0 or 1, at most %d", r->params->golden, named, before,
                   r->references.count, LIMIT_INSTRUCTION_REFERENCES);
}

// --- Drawing

static bool
draw(struct run *r, struct err *err)
{
    const struct model_folder *m = r->params->folder;
    const struct tensor_view *t = find(r, "noise");
    const struct latent *l = &r->latent;
    int64_t count = (int64_t)l->height * l->width * l->channels;
    bool tokens = t && shape_count(&t->shape) == count && dim_from_end(t, 0) == l->channels &&
                  dim_from_end(t, 1) == l->height * l->width;
    bool grid = t && is_picture(t, l->channels) && dim_from_end(t, 1) == l->height &&
                dim_from_end(t, 0) == l->width;
    if (!tokens && !grid)
        return err_set(err, ERR_INPUT, "%s: noise (1,%d,%d) is needed", r->params->golden,
                       l->height * l->width, l->channels);
    float *noise = grid ? picture_of(t, err)
                        : mem_try_calloc((size_t)count, sizeof *noise, "a golden's noise", err);
    if (noise && !grid)
        dtype_convert(DTYPE_F32, noise, t->dtype, t->data, count);
    uint64_t seed = 0;
    struct pass pass = {.stages = &r->stages, .part = m->family->denoiser,
                        .scheduler = &m->scheduler, .sampler = m->scheduler.sampler,
                        .steps = r->steps, .batch = 1, .seeds = &seed, .text = &r->text,
                        .no_text = &r->no_text, .tokens = r->tokens, .size = r->size,
                        .alone = r->references.count ? &r->references : NULL, .noise = noise,
                        .strength = 1};
    if (r->scale > 0) {
        pass.guidance = (struct guidance){.kind = GUIDANCE_KIND_CFG, .scale = r->scale,
                                          .has_context = r->references.count > 0};
        pass.negative = &r->negative;
    }
    size_t values = PICTURE_CHANNELS * (size_t)r->size.height * (size_t)r->size.width;
    r->x = mem_try_calloc((size_t)count, sizeof *r->x, "a sample", err);
    r->picture = mem_try_calloc(values, sizeof *r->picture, "a picture", err);
    bool ok = noise && r->x && r->picture &&
              (pass_run(&pass, r->x, err) || err_prefix(err, "%s", r->params->golden)) &&
              pass_decode(&pass, r->x, r->picture, err);
    free(noise);
    return ok;
}

// |a-b| / |b|
static double
distance(float *got, const float *want, size_t n)
{
    double difference = 0, size = 0;
    bool picture = true;
    for (size_t i = 0; i < n; i++)
        picture = picture && want[i] >= 0 && want[i] <= 1;
    for (size_t i = 0; i < n; i++) {
        double v = picture ? MIN(MAX(got[i] / 2 + 0.5, 0), 1) : got[i];
        difference += (v - want[i]) * (v - want[i]);
        size += (double)want[i] * want[i];
    }
    return sqrt(difference / size);
}

static bool
compare(struct run *r, struct model_golden_result *result, struct err *err)
{
    const struct tensor_view *t = find(r, "output");
    if (!t || !is_picture(t, PICTURE_CHANNELS) || dim_from_end(t, 1) != r->size.height ||
        dim_from_end(t, 0) != r->size.width)
        return err_set(err, ERR_INPUT, "%s: output (1,3,%d,%d) is needed", r->params->golden,
                       r->size.height, r->size.width);
    float *want = picture_of(t, err);
    if (!want)
        return false;
    model_golden_round(t->dtype, r->picture,
                       PICTURE_CHANNELS * (int64_t)r->size.height * r->size.width);
    result->relative_error =
        distance(r->picture, want,
                 PICTURE_CHANNELS * (size_t)r->size.height * (size_t)r->size.width);
    free(want);
    return true;
}

static bool
check_opaque(const struct model_folder *m, struct err *err)
{
    return !m->family->channels || m->family->channels(&m->parts) == PICTURE_CHANNELS ||
           err_set(err, ERR_UNSUPPORTED, "%s draws alpha: a whole picture of it cannot be compared",
                   m->path);
}

bool
pipeline_golden_run(const struct model_golden_params *params, struct model_golden_result *result,
                    struct err *err)
{
    struct run r = {.params = params};
    const struct model_folder *m = params->folder;
    *result = (struct model_golden_result){.part = "pipeline"};
    r.file = safetensors_open(params->golden, err);
    double start = clock_seconds();
    bool ok = r.file && (m->has_scheduler || err_set(err, ERR_INPUT, "%s has no scheduler/"
                                                     "scheduler_config.json", m->path)) &&
              m->family->check(&m->parts, m->path, err) && check_opaque(m, err) &&
              read_sizes(&r, err) &&
              stages_init(&r.stages, m, params->device,
                          params->dtype ? params->dtype : DTYPE_F32, DTYPE_NONE, err) &&
              read_text(&r, false, &r.text, err) && read_guidance(&r, err) &&
              read_references(&r, err) && draw(&r, err) &&
              compare(&r, result, err) && safetensors_check(r.file, err);
    result->seconds = clock_seconds() - start;
    port_set_finish(&r.text);
    port_set_finish(&r.negative);
    references_finish(&r.references);
    stages_finish(&r.stages);
    free(r.x);
    free(r.picture);
    safetensors_close(r.file);
    return ok;
}
