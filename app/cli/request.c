// SPDX-License-Identifier: MIT
#include "app/cli/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/base64.h"
#include "app/job/parameters.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "loaders/look.h"
#include "renderer/image/codec.h"
#include "renderer/image/resize.h"

static struct image *
run_loader(const struct job_reference *ref, const char *name, const struct loader_host *loaders,
           const atomic_int *stop, struct err *err)
{
    const struct loader_limits limits = loader_limits_from_env(stop);
    struct loader_values values;
    struct err own = {0};
    const struct loader_entry *e = loader_host_need(loaders, ref->loader, &own);
    if (e)
        loader_defaults(e->loader, &values);
    bool ok = e != NULL;
    for (int i = 0; ok && i < ref->setting_count; i++)
        ok = loader_set(e->loader, &values, ref->settings[i], &own);
    if (!ok) {
        if (ref->use == JOB_REFERENCE && ref->marker)
            err_prefix(&own, "[ref#%d]", ref->marker);
        err_set(err, own.code, "%s", own.text);
        return NULL;
    }
    return look_decode_run(ref->data, ref->size, name, e, &values, &limits, err);
}

struct image *
request_picture(const struct job_reference *ref, const struct loader_host *loaders, int side,
                const atomic_int *stop, struct err *err)
{
    struct err own = {0};
    const char *name = ref->file ? ref->file : "the picture";
    // A loader sees the picture whole; without one only the pixels that are wanted come out.
    const struct look_options options = {.side = side, .stop = stop};
    struct image *image = ref->loader && !ref->processed
                              ? run_loader(ref, name, loaders, stop, &own)
                              : look_decode(ref->data, ref->size, name, &options, &own);
    int longer = image ? MAX(image->width, image->height) : 0;
    if (longer > side) {
        double f = (double)side / longer;
        struct image *next =
            image_resize(image, MAX(1, (int)lround(image->width * f)),
                         MAX(1, (int)lround(image->height * f)), IMAGE_STRETCH, 0xFFFFFF, &own);
        image_unref(image);
        image = next;
    }
    if (!image) {
        if (ref->where && strcmp(ref->where, name) != 0)
            err_prefix(&own, "%s", ref->where);
        err_set(err, own.code, "%s", own.text);
    }
    return image;
}

static struct image *
rgb_picture(const struct job_reference *ref, const struct loader_host *loaders, int side,
            const atomic_int *stop, struct err *err)
{
    struct image *image = request_picture(ref, loaders, side, stop, err);
    struct image *rgb = image ? image_convert(image, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    image_unref(image);
    return rgb;
}

static bool
add_reference(struct instruction *n, const struct job_reference *ref,
              const struct loader_host *loaders, const atomic_int *stop, struct err *err)
{
    struct image *rgb = rgb_picture(ref, loaders, LIMIT_REFERENCE_SIDE, stop, err);
    if (!rgb)
        return false;
    const struct loader_entry *e =
        ref->loader && loaders ? loader_host_need(loaders, ref->loader, NULL) : NULL;
    const char *words = ref->words && *ref->words ? ref->words : e ? e->loader->role : "image";
    bool ok = instruction_add(n, ref->marker, words, rgb->width, rgb->height, rgb->pixels, err);
    image_unref(rgb);
    if (ok)
        n->references[n->reference_count - 1].retrieved = ref->retrieved;
    return ok;
}

static bool
add_picture(struct request *r, const struct job_reference *ref, const struct loader_host *loaders,
            const atomic_int *stop, struct err *err)
{
    if (ref->use == JOB_REFERENCE || ref->use == JOB_AWAY)
        return add_reference(ref->use == JOB_AWAY ? &r->negative : &r->instruction, ref, loaders,
                             stop, err);
    struct image *image = request_picture(ref, loaders, LIMIT_START_SIDE, stop, err);
    struct image *rgb = image ? image_convert(image, IMAGE_RGB8, 0xFFFFFF, err) : NULL;
    bool mask = ref->use == JOB_MASK, clear = rgb && !mask && image->format == IMAGE_RGBA8;
    struct image *alpha = clear ? image_alpha(image, err) : NULL;
    *(mask ? &r->mask : &r->start) = image;
    *(mask ? &r->mask_rgb : &r->start_rgb) = rgb;
    if (!mask)
        r->start_alpha = alpha;
    if (rgb)
        *(mask ? &r->mask_picture : &r->start_picture) = (struct pipeline_picture){
            rgb->width, rgb->height, rgb->pixels, alpha ? alpha->pixels : NULL};
    return rgb && (alpha || !clear);
}

// Only the text of `use`; the pictures come with their pixels.
static char *
text_of(const struct job *j, enum job_use use, struct err *err)
{
    struct instruction n;
    char *text = job_instruction(j, use, &n, err) ? mem_strdup(n.text) : NULL;
    instruction_finish(&n);
    return text;
}

bool
request_make(struct request *out, const struct job *j, const struct loader_host *loaders,
             const atomic_int *stop, struct err *err)
{
    struct value_weight w[LIMIT_INSTRUCTION_REFERENCES];
    *out = (struct request){.away = j->negative || job_count(j, JOB_AWAY)};
    out->instruction.text = text_of(j, JOB_REFERENCE, err);
    out->negative.text = out->instruction.text ? text_of(j, JOB_AWAY, err) : NULL;
    bool ok = out->negative.text != NULL;
    for (int i = 0; ok && i < j->reference_count; i++)
        ok = add_picture(out, &j->references[i], loaders, stop, err);
    for (int i = 0, n = j->ref_weight ? value_weights(j->ref_weight, w) : 0; i < n; i++)
        out->weights[out->weight_count++] =
            (struct pipeline_weight){w[i].number, w[i].weight, w[i].from, w[i].to};
    return ok && instruction_check(&out->instruction, err) &&
           (!out->away || instruction_check(&out->negative, err));
}

void
request_finish(struct request *r)
{
    instruction_finish(&r->instruction);
    instruction_finish(&r->negative);
    struct image *const owned[] = {r->start, r->mask, r->start_rgb, r->start_alpha, r->mask_rgb};
    for (size_t i = 0; i < COUNT_OF(owned); i++)
        image_unref(owned[i]);
    *r = (struct request){0};
}

struct pipeline_request
request_pipeline(const struct request *r, const struct job *j)
{
    struct pipeline_request p = {
        .instruction = &r->instruction, .seed = (uint64_t)j->seed, .count = j->count,
        .steps = j->steps, .width = j->size.width, .height = j->size.height,
        .sampler = j->sampler, .spacing = j->spacing,
        .guidance = j->guidance, .scale = j->scale, .context_scale = j->context_scale,
        .negative = r->away ? &r->negative : NULL, .start = r->start ? &r->start_picture : NULL,
        .mask = r->mask ? &r->mask_picture : NULL, .strength = j->strength, .weights = r->weights,
        .weight_count = r->weight_count};
    int64_t other = 0;
    if (j->variation && value_weighted(j->variation, &other, &p.variation))
        p.variation_seed = (uint64_t)other;
    return p;
}

static struct jv *
picture_json(const struct job_reference *s, const char *words, const struct image *image,
             struct err *err)
{
    size_t size;
    void *png = codec_encode_png(image, NULL, &size, err);
    char *text = png ? base64_encode(png, size, err) : NULL;
    free(png);
    if (!text)
        return NULL;
    struct jv *out = jv_object();
    if (s->use != JOB_REFERENCE)
        jv_set(out, "use", jv_from_string(job_use_name(s->use)));
    jv_set(out, "marker", jv_from_integer(s->marker));
    if (words)
        jv_set(out, "text", jv_from_string(words));
    jv_set(out, "png", jv_from_string(text));
    if (s->file)
        jv_set(out, "file", jv_from_string(file_basename(s->file)));
    if (s->credit)
        jv_set(out, "credit", jv_from_string(s->credit));
    if (s->retrieved)
        jv_set(out, "retrieved", jv_from_bool(true));
    if (s->loader)
        jv_set(out, "loader", jv_from_string(s->loader));
    if (s->setting_count) {
        struct jv *settings = jv_array();
        for (int k = 0; k < s->setting_count; k++)
            jv_append(settings, jv_from_string(s->settings[k]));
        jv_set(out, "settings", settings);
    }
    free(text);
    return out;
}

// A picture of the job as it was used.
static struct jv *
reference_json(const struct job_reference *s, const struct request *r, struct err *err)
{
    if (s->use == JOB_START || s->use == JOB_MASK)
        return picture_json(s, NULL, s->use == JOB_MASK ? r->mask : r->start, err);
    const struct instruction *n = s->use == JOB_AWAY ? &r->negative : &r->instruction;
    const struct instruction_reference *of = NULL;
    for (int i = 0; i < n->reference_count; i++)
        if (n->references[i].marker == s->marker)
            of = &n->references[i];
    require(of);
    const struct image image = {.width = of->width, .height = of->height, .format = IMAGE_RGB8,
                                .stride = (size_t)of->width * 3, .pixels = of->rgb,
                                .references = 1};
    return picture_json(s, of->text, &image, err);
}

char *
request_text(const struct job *j, const struct request *r, const struct request_made *made,
             struct err *err)
{
    struct jv *root = jv_object(), *references = jv_array();
    jv_set(root, "limn", jv_from_string(LIMN_VERSION));
    jv_set(root, "format", jv_from_integer(1));
    jv_set(root, "instruction", jv_from_string(r->instruction.text));
    jv_set(root, "references", references);
    for (const struct parameter *p = parameters; p->name; p++)
        if (p->where & PARAMETER_PICTURE)
            parameter_to_json(p, &made->used, root);
    jv_set(root, "model", jv_from_string(made->model));
    jv_set(root, "model_hash", jv_from_string(made->model_hash));
    jv_set(root, "device", jv_from_string(made->device));
    if (j->template)
        jv_set(root, "template", jv_from_string(j->template));
    char *text = NULL;
    bool ok = true;
    for (int i = 0; ok && i < j->reference_count; i++) {
        struct jv *reference = reference_json(&j->references[i], r, err);
        ok = reference != NULL;
        if (ok)
            jv_append(references, reference);
    }
    if (ok)
        text = jv_text(root, 0);
    jv_free(root);
    return text;
}
