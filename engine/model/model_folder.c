// SPDX-License-Identifier: MIT
#include "engine/model/model_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"

static const struct {
    const char *name, *prefix, *stem; // stem of the weight files
} parts[MODEL_PART_COUNT] = {
    [MODEL_PART_NONE] = {"none", "", ""},
    [MODEL_UNET] = {"unet", "unet/", "diffusion_pytorch_model"},
    [MODEL_SUPER_RESOLUTION] = {"super_resolution", "super_resolution/",
                                "diffusion_pytorch_model"},
    [MODEL_TEXT_ENCODER] = {"text_encoder", "text_encoder/", "model"},
};

const char *
model_part_name(enum model_part part)
{
    return parts[part].name;
}

const char *
model_part_prefix(enum model_part part)
{
    return parts[part].prefix;
}

enum model_part
model_part_from_name(const char *name)
{
    for (int i = 1; i < MODEL_PART_COUNT; i++)
        if (strcmp(parts[i].name, name) == 0)
            return (enum model_part)i;
    return MODEL_PART_NONE;
}

static char *
existing(const char *folder, const char *sub, const char *name)
{
    char *path = *sub ? mem_printf("%s/%s/%s", folder, sub, name)
                      : mem_printf("%s/%s", folder, name);
    if (file_exists(path))
        return path;
    free(path);
    return NULL;
}

static char *
find_weights(const char *folder, enum model_part part)
{
    static const char *const endings[] = {".safetensors", ".safetensors.index.json",
                                          ".fp16.safetensors", ".safetensors.index.fp16.json"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", parts[part].stem, endings[i]);
        char *path = existing(folder, parts[part].name, name);
        if (path)
            return path;
    }
    return NULL;
}

static bool
open_part(struct model_folder *m, enum model_part part, struct err *err)
{
    char *path = existing(m->path, parts[part].name, "config.json");
    if (!path)
        return true;
    struct jv *json = jv_read(path, err);
    bool ok = json;
    if (ok && part == MODEL_TEXT_ENCODER)
        ok = t5_config_read(&m->text, json, path, err);
    else if (ok)
        ok = unet_config_read(part == MODEL_UNET ? &m->unet : &m->super_resolution, json, path,
                              err);
    m->has[part] = ok;
    m->weights[part] = find_weights(m->path, part);
    jv_free(json);
    free(path);
    return ok;
}

static bool
open_schedulers(struct model_folder *m, struct err *err)
{
    char *base = existing(m->path, "scheduler", "scheduler_config.json");
    char *second = existing(m->path, "super_resolution", "scheduler_config.json");
    m->has_scheduler = base;
    bool ok = !base || scheduler_config_load(base, &m->scheduler, err);
    m->super_scheduler = m->scheduler;
    if (ok && second)
        ok = scheduler_config_load(second, &m->super_scheduler, err);
    free(base);
    free(second);
    return ok;
}

static bool
read_length(const struct model_folder *m, const char *key, int *out, struct err *err)
{
    const struct jv *v = jv_get(m->index, key);
    int64_t n = jv_integer(v, 77);
    if ((v && !jv_is_integer(v)) || n < 1 || n > 4096)
        return err_set(err, ERR_INPUT,
                       "%s/model_index.json: %s must be a whole number from 1 to 4096", m->path,
                       key);
    *out = (int)n;
    return true;
}

static char *
last_name(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return mem_strndup(path + start, n - start);
}

static bool
open_all(struct model_folder *m, struct err *err)
{
    char *index = existing(m->path, "", "model_index.json");
    bool ok = !index || (m->index = jv_read(index, err));
    free(index);
    bool any = false;
    for (int i = 1; ok && i < MODEL_PART_COUNT; i++) {
        ok = open_part(m, (enum model_part)i, err);
        any |= m->has[i];
    }
    if (ok && !any)
        ok = err_set(err, ERR_INPUT,
                     "%s is not a model folder: it has no unet, super_resolution or text_encoder "
                     "with a config.json",
                     m->path);
    m->tokenizer = existing(m->path, "tokenizer", "spiece.model");
    return ok && open_schedulers(m, err) && read_length(m, "text_tokens", &m->text_tokens, err) &&
           read_length(m, "reference_tokens", &m->reference_tokens, err);
}

struct model_folder *
model_folder_open(const char *path, struct err *err)
{
    struct model_folder *m = mem_zalloc(sizeof *m);
    m->path = mem_strdup(path);
    m->name = last_name(path);
    if (open_all(m, err))
        return m;
    model_folder_close(m);
    return NULL;
}

void
model_folder_close(struct model_folder *m)
{
    if (!m)
        return;
    for (int i = 0; i < MODEL_PART_COUNT; i++)
        free(m->weights[i]);
    free(m->path);
    free(m->name);
    free(m->tokenizer);
    jv_free(m->index);
    free(m);
}

char *
model_folder_path(const struct model_folder *m, const char *name)
{
    return mem_printf("%s/%s", m->path, name);
}

const struct unet_config *
model_folder_unet(const struct model_folder *m)
{
    return m->has[MODEL_UNET] ? &m->unet : NULL;
}

const struct unet_config *
model_folder_super_resolution(const struct model_folder *m)
{
    return m->has[MODEL_SUPER_RESOLUTION] ? &m->super_resolution : NULL;
}

const struct t5_config *
model_folder_text(const struct model_folder *m)
{
    return m->has[MODEL_TEXT_ENCODER] ? &m->text : NULL;
}

bool
model_folder_declare(const struct model_folder *m, enum model_part part, struct params *params,
                     struct err *err)
{
    for (int i = 1; i < MODEL_PART_COUNT; i++) {
        enum model_part at = (enum model_part)i;
        if (!m->has[i] || (part && part != at))
            continue;
        const struct unet_config *c = at == MODEL_UNET ? &m->unet : &m->super_resolution;
        bool ok = at == MODEL_TEXT_ENCODER ? t5_declare(params, parts[i].prefix, &m->text, err)
                                           : unet_declare(params, parts[i].prefix, c, err);
        if (!ok)
            return err_prefix(err, "%s/%s", m->path, parts[i].name);
    }
    return true;
}

static struct safetensors *
open_weights(const struct model_folder *m, enum model_part part, struct err *err)
{
    if (m->weights[part])
        return safetensors_open(m->weights[part], err);
    err_set(err, ERR_INPUT, "%s/%s has no %s.safetensors", m->path, parts[part].name,
            parts[part].stem);
    return NULL;
}

// Missing and misshapen weights cannot be drawn with; surplus ones can.
static bool
insist(const struct model_folder *m, enum model_part part, struct params_report *report,
       struct err *err)
{
    bool usable = !report->missing_count && !report->misshapen_count;
    char *text = params_report_text(report);
    if (!usable)
        err_set(err, ERR_INPUT, "%s does not fit its config: %.300s", m->weights[part], text);
    else if (*text)
        log_line(LOG_WARN, "model", "%s: %s", m->weights[part], text);
    free(text);
    return usable;
}

static bool
declared(const struct params *params, enum model_part part)
{
    size_t n = strlen(parts[part].prefix);
    for (int i = 0; i < params_entries(params); i++)
        if (strncmp(params_at(params, i)->name, parts[part].prefix, n) == 0)
            return true;
    return false;
}

bool
model_folder_load(const struct model_folder *m, enum model_part part, const struct params *params,
                  struct buffer *block, struct params_report *report, struct err *err)
{
    bool ok = true;
    for (int i = 1; ok && i < MODEL_PART_COUNT; i++) {
        enum model_part at = (enum model_part)i;
        if (part ? part != at : !m->weights[i] || !declared(params, at))
            continue;
        struct params_report own = {0}, *r = report ? report : &own;
        struct safetensors *file = open_weights(m, at, err);
        ok = file;
        if (ok)
            params_compare(params, parts[i].prefix, file, r);
        ok = ok && (report || insist(m, at, r, err)) &&
             params_load(params, parts[i].prefix, file, block, err);
        params_report_finish(&own);
        safetensors_close(file);
    }
    return ok;
}

bool
model_folder_load_present(const struct model_folder *m, const struct params *params,
                          struct buffer *block, struct err *err)
{
    struct params_report report = {0};
    bool ok = model_folder_load(m, MODEL_PART_NONE, params, block, &report, err);
    params_report_finish(&report);
    return ok;
}

bool
model_folder_compare(const struct model_folder *m, enum model_part part,
                     struct params_report *report, size_t *parameters, struct err *err)
{
    struct params *params = params_create(DTYPE_F32);
    struct safetensors *file = NULL;
    bool ok = model_folder_declare(m, part, params, err);
    *parameters = params_count(params);
    if (ok)
        file = open_weights(m, part, err);
    if (file)
        params_compare(params, parts[part].prefix, file, report);
    ok = file;
    safetensors_close(file);
    params_destroy(params);
    return ok;
}

static int
by_name(const void *a, const void *b)
{
    const struct tensor_view *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static uint64_t
mix(uint64_t h, const void *data, size_t size)
{
    const unsigned char *at = data;
    uint64_t word = 0;
    for (; size >= 8; size -= 8, at += 8) {
        memcpy(&word, at, 8);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 32;
    }
    word = size;
    for (size_t i = 0; i < size; i++)
        word = word << 8 | at[i];
    h = (h ^ word) * 0x9fb21c651e98df25u;
    return h ^ h >> 29;
}

static uint64_t
hash_tensors(uint64_t h, const struct safetensors *file)
{
    size_t n = safetensors_count(file);
    const struct tensor_view **sorted = mem_zalloc((n + 1) * sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        sorted[i] = safetensors_at(file, i);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < n; i++) {
        const struct tensor_view *t = sorted[i];
        const char *type = dtype_name(t->dtype);
        h = mix(h, t->name, strlen(t->name));
        h = mix(h, type, strlen(type));
        h = mix(h, t->shape.dim, (size_t)t->shape.rank * sizeof t->shape.dim[0]);
        h = mix(h, t->data, t->size);
    }
    free(sorted);
    return h;
}

bool
model_folder_hash(const struct model_folder *m, char out[17], struct err *err)
{
    uint64_t h = 0x6c696d6e;
    for (int i = 1; i < MODEL_PART_COUNT; i++) {
        if (!m->weights[i])
            continue;
        struct safetensors *file = safetensors_open(m->weights[i], err);
        if (!file)
            return false;
        h = hash_tensors(mix(h, parts[i].name, strlen(parts[i].name)), file);
        safetensors_close(file);
    }
    snprintf(out, 17, "%016llx", (unsigned long long)h);
    return true;
}
