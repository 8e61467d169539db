// SPDX-License-Identifier: MIT
#include "app/request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base64.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

// The key of the text chunk, and the side references are kept at.
#define REQUEST_KEY "limn"
enum { REFERENCE_SIDE_MAX = 512 };

void
request_finish(struct request *r)
{
    for (int i = 0; i < INSTRUCTION_REFERENCE_MAX; i++) {
        free(r->sources[i].path);
        free(r->sources[i].loader);
        for (int k = 0; k < r->sources[i].setting_count; k++)
            free(r->sources[i].settings[k]);
    }
    instruction_finish(&r->instruction);
    free(r->guidance);
    free(r->sampler);
    free(r->model_hash);
    *r = REQUEST_EMPTY;
}

static struct image *
run_loader(const struct image *in, const struct request_reference *ref,
           const struct loader_host *loaders, struct err *err)
{
    struct loader_values values;
    const struct loader_entry *e = loader_host_need(loaders, ref->loader, err);
    if (!e)
        return NULL;
    loader_defaults(e->loader, &values);
    for (int i = 0; i < ref->setting_count; i++)
        if (!loader_set(e->loader, &values, ref->settings[i], err))
            return NULL;
    return loader_run(e, in, &values, err);
}

// Reads, runs the loader, reduces, flattens on white.
static struct image *
make_picture(const struct request_reference *ref, const struct loader_host *loaders,
             struct err *err)
{
    struct image *image = codec_read(ref->path, err), *next = NULL;
    if (image && ref->loader) {
        next = run_loader(image, ref, loaders, err);
        image_unref(image);
        image = next;
    }
    int longer = image ? MAX(image->width, image->height) : 0;
    if (longer > REFERENCE_SIDE_MAX) {
        double f = (double)REFERENCE_SIDE_MAX / longer;
        next = codec_resize(image, MAX(1, (int)lround(image->width * f)),
                            MAX(1, (int)lround(image->height * f)), CODEC_STRETCH, 0xFFFFFF, err);
        image_unref(image);
        image = next;
    }
    if (image && image->format != IMAGE_RGB8) {
        next = image_convert(image, IMAGE_RGB8, 0xFFFFFF, err);
        image_unref(image);
        image = next;
    }
    return image;
}

bool
request_add(struct request *r, const struct request_reference *ref,
            const struct loader_host *loaders, struct err *err)
{
    int at = r->instruction.reference_count;
    struct image *image = make_picture(ref, loaders, err);
    if (!image)
        return false;
    const struct loader_entry *e =
        ref->loader && loaders ? loader_host_need(loaders, ref->loader, NULL) : NULL;
    const char *words = ref->words ? ref->words : e ? e->loader->role : "image";
    bool ok = instruction_add(&r->instruction, ref->marker, words, image->width, image->height,
                              image->pixels, err);
    image_unref(image);
    if (!ok)
        return false;
    struct request_source *s = &r->sources[at];
    s->path = mem_strdup(ref->path);
    s->loader = ref->loader ? mem_strdup(ref->loader) : NULL;
    for (int i = 0; i < ref->setting_count; i++)
        s->settings[s->setting_count++] = mem_strdup(ref->settings[i]);
    return true;
}

static bool
add_from_template(struct request *r, const struct template *t, const struct template_reference *ref,
                  const struct loader_host *loaders, struct err *err)
{
    char *settings[TEMPLATE_SETTINGS_MAX] = {0};
    char *path = template_image(t, ref, err);
    char *words = path ? template_fill(t, ref->text, ref->line, ref->column, err) : NULL;
    char *loader = words && ref->loader
                       ? template_fill(t, ref->loader, ref->line, ref->column, err)
                       : NULL;
    bool ok = words && (loader || !ref->loader);
    for (int i = 0; ok && i < ref->setting_count; i++) {
        settings[i] = template_fill(t, ref->settings[i], ref->line, ref->column, err);
        ok = settings[i] != NULL;
    }
    if (ok) {
        struct request_reference add = {.marker = ref->marker, .path = path,
                                        .words = *words ? words : NULL, .loader = loader,
                                        .settings = (const char *const *)settings,
                                        .setting_count = ref->setting_count};
        ok = request_add(r, &add, loaders, err);
        if (!ok)
            err_prefix(err, "%s:%d:%d", t->path, ref->line, ref->column);
    }
    for (int i = 0; i < TEMPLATE_SETTINGS_MAX; i++)
        free(settings[i]);
    free(path);
    free(words);
    free(loader);
    return ok;
}

bool
request_from_template(struct request *r, const struct template *t,
                      const struct loader_host *loaders, struct err *err)
{
    *r = REQUEST_EMPTY;
    r->seed = t->seed;
    r->steps = t->steps;
    r->count = t->count;
    r->size = t->size;
    r->scale = t->scale;
    r->context_scale = t->context_scale;
    r->guidance = t->guidance ? mem_strdup(t->guidance) : NULL;
    r->sampler = t->sampler ? mem_strdup(t->sampler) : NULL;
    r->instruction.text = template_fill(t, t->text, t->text_line, t->text_column, err);
    bool ok = r->instruction.text != NULL;
    for (int i = 0; ok && i < t->reference_count; i++)
        ok = add_from_template(r, t, &t->references[i], loaders, err);
    struct err fault = {0};
    if (ok && !instruction_check(&r->instruction, &fault))
        ok = err_set(err, ERR_INPUT, "%s:%d:%d: %s", t->path, t->text_line, t->text_column,
                     fault.text);
    return ok;
}

// --- PNG

static struct jv *
reference_json(const struct request *r, int i, struct err *err)
{
    const struct instruction_reference *ref = &r->instruction.references[i];
    const struct request_source *s = &r->sources[i];
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
    if (s->path) {
        const char *slash = strrchr(s->path, '/');
        jv_set(out, "file", jv_from_string(slash ? slash + 1 : s->path));
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
request_text(const struct request *r, const struct request_made *made, struct err *err)
{
    struct jv *root = jv_object(), *references = jv_array();
    jv_set(root, "limn", jv_from_string(LIMN_VERSION));
    jv_set(root, "format", jv_from_integer(1));
    jv_set(root, "instruction", jv_from_string(r->instruction.text));
    jv_set(root, "references", references);
    jv_set(root, "seed", jv_from_integer(made->seed));
    jv_set(root, "steps", jv_from_integer(made->steps));
    jv_set(root, "size", jv_from_integer(made->size));
    jv_set(root, "sampler", jv_from_string(made->sampler));
    jv_set(root, "guidance", jv_from_string(made->guidance));
    jv_set(root, "scale", jv_from_number(made->scale));
    jv_set(root, "context_scale", jv_from_number(made->context_scale));
    jv_set(root, "model", jv_from_string(made->model));
    jv_set(root, "model_hash", jv_from_string(made->model_hash));
    jv_set(root, "device", jv_from_string(made->device));
    char *text = NULL;
    bool ok = true;
    for (int i = 0; ok && i < r->instruction.reference_count; i++) {
        struct jv *reference = reference_json(r, i, err);
        ok = reference != NULL;
        if (ok)
            jv_append(references, reference);
    }
    if (ok)
        text = jv_text(root, 0);
    jv_free(root);
    return text;
}

static bool
add_from_json(struct request *r, const struct jv *v, const char *path, struct err *err)
{
    const char *text = jv_string(jv_get(v, "png"), NULL), *words = jv_string(jv_get(v, "text"), "");
    int64_t marker = jv_integer(jv_get(v, "marker"), 0);
    size_t size;
    void *png = text ? base64_decode(text, &size) : NULL;
    if (!png || marker < 1 || marker > INSTRUCTION_MARKER_MAX) {
        free(png);
        return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", path);
    }
    struct image *image = codec_decode(png, size, path, err), *rgb = NULL;
    free(png);
    if (image)
        rgb = image_convert(image, IMAGE_RGB8, 0xFFFFFF, err);
    image_unref(image);
    int at = r->instruction.reference_count;
    bool ok = rgb && instruction_add(&r->instruction, (int)marker, words, rgb->width, rgb->height,
                                     rgb->pixels, err);
    image_unref(rgb);
    const char *file = jv_string(jv_get(v, "file"), NULL);
    const char *loader = jv_string(jv_get(v, "loader"), NULL);
    const struct jv *settings = jv_get(v, "settings");
    if (ok) {
        struct request_source *s = &r->sources[at];
        s->path = file ? mem_strdup(file) : NULL;
        s->loader = loader ? mem_strdup(loader) : NULL;
        for (size_t k = 0; k < jv_size(settings) && k < TEMPLATE_SETTINGS_MAX; k++)
            s->settings[s->setting_count++] = mem_strdup(jv_string(jv_at(settings, k), ""));
    }
    return ok;
}

static char *
word(const struct jv *root, const char *key)
{
    const char *text = jv_string(jv_get(root, key), NULL);
    return text && *text && strlen(text) < 32 ? mem_strdup(text) : NULL;
}

static bool
in_range(const struct jv *root, const char *key, int64_t low, int64_t high, int64_t *out,
         const char *path, struct err *err)
{
    *out = jv_integer(jv_get(root, key), low);
    if (*out < low || *out > high)
        return err_set(err, ERR_INPUT, "%s: its %s is %lld, it must lie in %lld..%lld", path, key,
                       (long long)*out, (long long)low, (long long)high);
    return true;
}

bool
request_from_png(struct request *r, const char *path, struct err *err)
{
    *r = REQUEST_EMPTY;
    char *text = codec_png_text(path, REQUEST_KEY, err);
    if (!text)
        return false;
    struct jv *root = jv_parse(text, strlen(text), path, err);
    int64_t seed, steps, size;
    bool ok = root && in_range(root, "seed", 0, (int64_t)1 << 53, &seed, path, err) &&
              in_range(root, "steps", 0, 1000, &steps, path, err) &&
              in_range(root, "size", 0, 4096, &size, path, err);
    const char *instruction = jv_string(jv_get(root, "instruction"), NULL);
    if (ok && !instruction)
        ok = err_set(err, ERR_INPUT, "%s: there is no instruction in it", path);
    if (ok) {
        r->instruction.text = mem_strdup(instruction);
        r->seed = seed;
        r->steps = (int)steps;
        r->size = (int)size;
        r->count = 1;
        r->scale = jv_number(jv_get(root, "scale"), -1);
        r->context_scale = jv_number(jv_get(root, "context_scale"), -1);
        r->guidance = word(root, "guidance");
        r->sampler = word(root, "sampler");
        r->model_hash = word(root, "model_hash");
    }
    const struct jv *references = jv_get(root, "references");
    for (size_t i = 0; ok && i < jv_size(references); i++)
        ok = add_from_json(r, jv_at(references, i), path, err);
    struct err fault = {0};
    if (ok && !instruction_check(&r->instruction, &fault))
        ok = err_set(err, ERR_INPUT, "%s: %s", path, fault.text);
    jv_free(root);
    free(text);
    return ok;
}
