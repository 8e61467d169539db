// SPDX-License-Identifier: MIT
#include "engine/model/model_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/file.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/text/tokenizer.h"

static char *
existing_path(const char *folder, const char *sub, const char *name)
{
    char *path = *sub ? mem_printf("%s/%s/%s", folder, sub, name)
                      : mem_printf("%s/%s", folder, name);
    if (file_exists(path))
        return path;
    free(path);
    return NULL;
}

char *
model_weights_find(const char *folder, const char *stem)
{
    static const char *const endings[] = {
        ".safetensors",       ".safetensors.index.json",      ".bf16.safetensors",
        ".fp16.safetensors",  ".safetensors.index.bf16.json", ".safetensors.bf16.index.json",
        ".safetensors.index.fp16.json", ".safetensors.fp16.index.json", ".gguf"};
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        char name[96];
        snprintf(name, sizeof name, "%s%s", stem, endings[i]);
        char *path = existing_path(folder, "", name);
        if (path)
            return path;
    }
    return NULL;
}

static bool
open_part(struct model_folder *m, const char *name, struct err *err)
{
    char *path = existing_path(m->path, name, "config.json");
    if (!path)
        return true;
    struct jv *json = jv_read(path, err);
    bool ok = json && parts_add(&m->parts, name, json, path, err);
    if (ok) {
        struct part *p = &m->parts.at[m->parts.count - 1];
        char *folder = model_folder_path(m, name);
        p->weights = model_weights_find(folder, p->net->weights);
        free(folder);
    }
    jv_free(json);
    free(path);
    return ok;
}

static bool
open_schedulers(struct model_folder *m, struct err *err)
{
    char *base = existing_path(m->path, "scheduler", "scheduler_config.json");
    char *second = existing_path(m->path, "super_resolution", "scheduler_config.json");
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
    int64_t n = jv_integer(v, m->family->text_tokens ? m->family->text_tokens : 77);
    if ((v && !jv_is_integer(v)) || n < 1 || n > 4096)
        return err_set(err, ERR_INPUT,
                       "%s/model_index.json: %s must be a whole number from 1 to 4096", m->path,
                       key);
    *out = (int)n;
    return true;
}

static char *
base_name(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    return mem_strndup(path + start, n - start);
}

// The name of a snapshot in the hub's cache, models--ORG--NAME/snapshots/COMMIT, is NAME.
static char *
name_of(const char *path)
{
    static const char before[] = "/models--", behind[] = "/snapshots/";
    const char *end = strstr(path, behind), *start = NULL;
    for (const char *at = path; end && (at = strstr(at, before)) && at < end; at++)
        start = at + sizeof before - 1;
    const char *name = start ? strstr(start, "--") : NULL;
    bool named = name && name + 2 < end && !memchr(start, '/', (size_t)(end - start));
    return named ? mem_strndup(name + 2, (size_t)(end - name - 2)) : base_name(path);
}

// GGUF files of language models contain their tokenizer.
static char *
tokenizer_of_text_encoder(const struct model_folder *m)
{
    const struct part *p = m->family ? parts_find(&m->parts, m->family->text) : NULL;
    const char *dot = p && p->weights ? strrchr(p->weights, '.') : NULL;
    return dot && strcasecmp(dot, ".gguf") == 0 ? mem_strdup(p->weights) : NULL;
}

// Whether a part exists and has the network that the family names for it.
static bool
has_part(const struct model_folder *m, const struct family_part *p)
{
    char *path = p->net ? existing_path(m->path, p->name, "config.json") : NULL;
    struct jv *json = path ? jv_read(path, NULL) : NULL;
    bool has = json && p->net->accepts(json);
    jv_free(json);
    free(path);
    return has;
}

// Finds the family by model_index.json or, for parts saved without one, by their networks.
static const struct family *
find_family(const struct model_folder *m, struct err *err)
{
    const struct family *f;
    for (int i = 0; !m->index && (f = family_number(i)); i++)
        for (const struct family_part *p = f->parts; p->name; p++)
            if (has_part(m, p))
                return f;
    char *name = model_folder_path(m, "model_index.json");
    f = family_of(m->index, name, err);
    free(name);
    return f;
}

static bool
open_all(struct model_folder *m, struct err *err)
{
    char *index = existing_path(m->path, "", "model_index.json");
    bool ok = !index || (m->index = jv_read(index, err));
    free(index);
    m->family = ok ? find_family(m, err) : NULL;
    ok = m->family != NULL;
    for (const struct family_part *p = ok ? m->family->parts : NULL; ok && p->name; p++)
        ok = open_part(m, p->name, err);
    if (ok && m->parts.count == 0)
        ok = err_set(err, ERR_INPUT,
                     "%s is not a model folder: it has no unet, super_resolution or text_encoder "
                     "with a config.json",
                     m->path);
    char *tokenizer = model_folder_path(m, "tokenizer");
    m->tokenizer = tokenizer_find(tokenizer);
    free(tokenizer);
    if (!m->tokenizer)
        m->tokenizer = tokenizer_of_text_encoder(m);
    return ok && open_schedulers(m, err) && read_length(m, "text_tokens", &m->text_tokens, err) &&
           read_length(m, "reference_tokens", &m->reference_tokens, err);
}

struct model_folder *
model_folder_open(const char *path, struct err *err)
{
    struct model_folder *m = mem_zalloc(sizeof *m);
    m->path = mem_strdup(path);
    m->name = name_of(path);
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
    parts_finish(&m->parts);
    lora_close(m->lora);
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

// Whether `part` means this one; NULL means all.
static bool
is_selected(const char *part, const struct part *p)
{
    return !part || strcmp(part, p->name) == 0;
}

bool
model_folder_declare(const struct model_folder *m, const char *part, struct params *params,
                     struct err *err)
{
    for (int i = 0; i < m->parts.count; i++) {
        const struct part *p = &m->parts.at[i];
        if (is_selected(part, p) && !p->net->declare(params, p->prefix, p->config, err))
            return err_prefix(err, "%s/%s", m->path, p->name);
    }
    return true;
}

bool
model_folder_change(struct model_folder *m, const struct lora_file *files, int count,
                    struct err *err)
{
    struct part *part = NULL;
    for (int i = 0; i < m->parts.count; i++)
        if (strcmp(m->parts.at[i].name, m->family->denoiser) == 0)
            part = &m->parts.at[i];
    if (!part)
        return err_set(err, ERR_INPUT, "%s has no %s to change", m->path, m->family->denoiser);
    struct params *params = params_create(DTYPE_F32);
    bool ok = model_folder_declare(m, part->name, params, err);
    m->lora = ok ? lora_open(files, count, part, params, err) : NULL;
    part->change = m->lora ? lora_change(m->lora) : NULL;
    params_destroy(params);
    return m->lora != NULL;
}

static bool
has_pickle(const struct model_folder *m, const struct part *p)
{
    static const char *const names[] = {"diffusion_pytorch_model.bin",
                                        "diffusion_pytorch_model.fp16.bin",
                                        "diffusion_pytorch_model.bin.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(names) && !found; i++) {
        char *path = existing_path(m->path, p->name, names[i]);
        found = path != NULL;
        free(path);
    }
    return found;
}

static struct safetensors *
open_weights(const struct model_folder *m, const struct part *p, struct err *err)
{
    if (p->weights)
        return safetensors_open(p->weights, err);
    if (has_pickle(m, p))
        err_set(err, ERR_INPUT,
                "%s/%s has weights as .bin only, a format that can run code and is not read here: "
                "convert them to %s.safetensors",
                m->path, p->name, p->net->weights);
    else
        err_set(err, ERR_INPUT, "%s/%s has no %s.safetensors", m->path, p->name, p->net->weights);
    return NULL;
}

// Missing and misshapen weights are an error; surplus ones are only logged.
static bool
check_report(const struct part *p, struct params_report *report, struct err *err)
{
    bool usable = !report->missing_count && !report->mismatched_count;
    char *text = params_report_text(report);
    if (!usable)
        err_set(err, ERR_INPUT, "%s does not fit its config: %.300s", p->weights, text);
    else if (*text)
        log_line(LOG_WARN, "model", "%s: %s", p->weights, text);
    free(text);
    return usable;
}

// `file` may be NULL.
static struct params_spelling
spelling_of(const struct part *p, const struct safetensors *file)
{
    struct params_spelling s = {p->config, p->net->place, p->net->ignored, p->change, ""};
    if (file)
        net_prefix(p->net, file, s.prefix);
    return s;
}

static bool
load_part(const struct model_folder *m, const struct part *p, const struct params *params,
          struct buffer *block, struct params_report *report, struct err *err)
{
    struct params_report own = {0}, *r = report ? report : &own;
    struct safetensors *file = open_weights(m, p, err);
    struct params_spelling spelling = spelling_of(p, file);
    if (file)
        params_compare(params, p->prefix, file, &spelling, r);
    bool ok = file && (report || check_report(p, r, err)) &&
              params_load(params, p->prefix, file, &spelling, block, err) &&
              safetensors_check(file, err);
    params_report_finish(&own);
    safetensors_close(file);
    return ok;
}

struct model_reader {
    struct safetensors *file;
    struct params_spelling spelling;
    struct params_reader *reader;
};

struct model_reader *
model_folder_read(const struct model_folder *m, const char *part, const struct params *params,
                  struct err *err)
{
    const struct part *p = parts_find(&m->parts, part);
    require(p);
    struct model_reader *r = mem_zalloc(sizeof *r);
    struct params_report report = {0};
    r->file = open_weights(m, p, err);
    r->spelling = spelling_of(p, r->file);
    if (r->file)
        params_compare(params, p->prefix, r->file, &r->spelling, &report);
    bool fits = !report.missing_count && !report.mismatched_count;
    bool ok = r->file && (fits || check_report(p, &report, err));
    params_report_finish(&report);
    if (ok) {
        r->reader = params_reader_create(params, p->prefix, r->file, &r->spelling);
        return r;
    }
    model_reader_close(r);
    return NULL;
}

void
model_reader_close(struct model_reader *r)
{
    if (!r)
        return;
    params_reader_destroy(r->reader);
    safetensors_close(r->file);
    free(r);
}

const struct weights_source *
model_reader_source(const struct model_reader *r)
{
    return params_reader_source(r->reader);
}

bool
model_folder_choose_blocks(const struct model_folder *m, const char *part, struct params *params,
                           enum dtype wish, struct err *err)
{
    const struct part *p = parts_find(&m->parts, part);
    require(p);
    struct safetensors *file = open_weights(m, p, err);
    struct params_spelling spelling = spelling_of(p, file);
    if (file)
        params_choose_blocks(params, p->prefix, file, &spelling, wish);
    safetensors_close(file);
    return file != NULL;
}

bool
model_folder_check(const struct model_folder *m, const char *part, const struct params *params,
                   struct err *err)
{
    const struct part *p = parts_find(&m->parts, part);
    struct params_report report = {0};
    require(p);
    struct safetensors *file = open_weights(m, p, err);
    struct params_spelling spelling = spelling_of(p, file);
    if (file)
        params_compare(params, p->prefix, file, &spelling, &report);
    bool ok = file && check_report(p, &report, err);
    params_report_finish(&report);
    safetensors_close(file);
    return ok;
}

bool
model_folder_load(const struct model_folder *m, const char *part, const struct params *params,
                  struct buffer *block, struct params_report *report, struct err *err)
{
    for (int i = 0; i < m->parts.count; i++) {
        const struct part *p = &m->parts.at[i];
        bool wanted =
            part ? is_selected(part, p) : p->weights && params_has_part(params, p->prefix);
        if (wanted && !load_part(m, p, params, block, report, err))
            return false;
    }
    return true;
}

bool
model_folder_load_present(const struct model_folder *m, const struct params *params,
                          struct buffer *block, struct err *err)
{
    struct params_report report = {0};
    bool ok = model_folder_load(m, NULL, params, block, &report, err);
    params_report_finish(&report);
    return ok;
}

bool
model_folder_compare(const struct model_folder *m, const char *part, struct params_report *report,
                     size_t *parameters, struct err *err)
{
    const struct part *p = parts_find(&m->parts, part);
    require(p);
    struct params *params = params_create(DTYPE_F32);
    struct safetensors *file = NULL;
    bool ok = model_folder_declare(m, part, params, err);
    *parameters = params_count(params);
    if (ok)
        file = open_weights(m, p, err);
    struct params_spelling spelling = spelling_of(p, file);
    if (file)
        params_compare(params, p->prefix, file, &spelling, report);
    ok = file && safetensors_check(file, err);
    safetensors_close(file);
    params_destroy(params);
    return ok;
}
