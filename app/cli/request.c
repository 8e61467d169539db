// SPDX-License-Identifier: MIT
#include "app/cli/request.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/base64.h"
#include "app/job/parameters.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/image/codec.h"

static struct image *
run_loader(const struct job_reference *ref, const char *name, const struct loader_host *loaders,
           const atomic_int *stop, struct err *err)
{
    const struct loader_limits limits = loader_limits_here(stop);
    struct loader_values values;
    const struct loader_entry *e = loader_host_need(loaders, ref->loader, err);
    if (!e)
        return NULL;
    loader_defaults(e->loader, &values);
    for (int i = 0; i < ref->setting_count; i++)
        if (!loader_set(e->loader, &values, ref->settings[i], err))
            return NULL;
    return look_run(ref->data, ref->size, name, e, &values, &limits, err);
}

struct image *
request_picture(const struct job_reference *ref, const struct loader_host *loaders, int side,
                const atomic_int *stop, struct err *err)
{
    struct err own = {0};
    const char *name = ref->file ? ref->file : "the picture";
    // A loader sees the picture whole; without one only the pixels that are wanted come out.
    const struct look_want want = {.side = side, .stop = stop};
    struct image *image = ref->loader && !ref->processed
                              ? run_loader(ref, name, loaders, stop, &own)
                              : look_at(ref->data, ref->size, name, &want, &own);
    int longer = image ? MAX(image->width, image->height) : 0;
    if (longer > side) {
        double f = (double)side / longer;
        struct image *next =
            codec_resize(image, MAX(1, (int)lround(image->width * f)),
                         MAX(1, (int)lround(image->height * f)), CODEC_STRETCH, 0xFFFFFF, &own);
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

bool
request_instruction(struct instruction *out, const struct job *j, const struct loader_host *loaders,
                    const atomic_int *stop, struct err *err)
{
    *out = (struct instruction){.text = mem_strdup(j->instruction)};
    for (int i = 0; i < j->reference_count; i++) {
        const struct job_reference *ref = &j->references[i];
        struct image *image = request_picture(ref, loaders, LIMIT_REFERENCE_SIDE, stop, err),
                     *rgb = NULL;
        if (image)
            rgb = image_convert(image, IMAGE_RGB8, 0xFFFFFF, err);
        image_unref(image);
        if (!rgb)
            return false;
        const struct loader_entry *e =
            ref->loader && loaders ? loader_host_need(loaders, ref->loader, NULL) : NULL;
        const char *words = ref->words && *ref->words ? ref->words : e ? e->loader->role : "image";
        bool ok =
            instruction_add(out, ref->marker, words, rgb->width, rgb->height, rgb->pixels, err);
        image_unref(rgb);
        if (!ok)
            return false;
    }
    return instruction_check(out, err);
}

static struct jv *
reference_json(const struct job_reference *s, const struct instruction_reference *ref,
               struct err *err)
{
    struct image image = {.width = ref->width, .height = ref->height, .format = IMAGE_RGB8,
                          .stride = (size_t)ref->width * 3, .pixels = ref->rgb, .references = 1};
    size_t size;
    void *png = codec_encode_png(&image, NULL, &size, err);
    char *text = png ? base64_encode(png, size) : NULL;
    free(png);
    if (!text)
        return NULL;
    struct jv *out = jv_object();
    jv_set(out, "marker", jv_from_integer(ref->marker));
    jv_set(out, "text", jv_from_string(ref->text));
    jv_set(out, "png", jv_from_string(text));
    if (s->file) {
        const char *slash = strrchr(s->file, '/');
        jv_set(out, "file", jv_from_string(slash ? slash + 1 : s->file));
    }
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

char *
request_text(const struct job *j, const struct instruction *n, const struct request_made *made,
             struct err *err)
{
    struct jv *root = jv_object(), *references = jv_array();
    jv_set(root, "limn", jv_from_string(LIMN_VERSION));
    jv_set(root, "format", jv_from_integer(1));
    jv_set(root, "instruction", jv_from_string(n->text));
    jv_set(root, "references", references);
    for (const struct parameter *p = parameters; p->name; p++)
        if (p->where & PARAMETER_PICTURE)
            parameter_to_json(p, &made->used, root);
    jv_set(root, "model", jv_from_string(made->model));
    jv_set(root, "model_hash", jv_from_string(made->model_hash));
    jv_set(root, "device", jv_from_string(made->device));
    char *text = NULL;
    bool ok = true;
    for (int i = 0; ok && i < n->reference_count; i++) {
        struct jv *reference = reference_json(&j->references[i], &n->references[i], err);
        ok = reference != NULL;
        if (ok)
            jv_append(references, reference);
    }
    if (ok)
        text = jv_text(root, 0);
    jv_free(root);
    return text;
}
