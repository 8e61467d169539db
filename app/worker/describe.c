// SPDX-License-Identifier: MIT
#include "app/worker/describe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/base/places.h"
#include "app/index/index.h"
#include "app/worker/wire.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/device/device.h"
#include "engine/model/model_folder.h"

enum { DEVICES_MAX = 32 };

static struct jv *
param_json(const struct limn_param *p)
{
    static const char *const kinds[] = {"", "int", "float", "bool", "choice"};
    struct jv *o = jv_object();
    jv_set(o, "name", jv_from_string(p->name));
    jv_set(o, "help", jv_from_string(p->help));
    jv_set(o, "kind", jv_from_string(p->kind >= 1 && p->kind <= 4 ? kinds[p->kind] : ""));
    jv_set(o, "minimum", jv_from_number(p->minimum));
    jv_set(o, "maximum", jv_from_number(p->maximum));
    jv_set(o, "fallback", jv_from_number(p->fallback));
    struct jv *choices = jv_array();
    for (const char *c = p->choices; c && *c;) {
        size_t n = strcspn(c, "|");
        char *one = mem_strndup(c, n);
        jv_append(choices, jv_from_string(one));
        free(one);
        c += n + (c[n] == '|');
    }
    jv_set(o, "choices", choices);
    return o;
}

struct jv *
describe_loaders(const struct loader_host *host)
{
    struct jv *list = jv_array();
    for (int i = 0; i < loader_host_count(host); i++) {
        const struct limn_loader *l = loader_host_at(host, i)->loader;
        struct jv *o = jv_object(), *params = jv_array();
        jv_set(o, "name", jv_from_string(l->name));
        jv_set(o, "role", jv_from_string(l->role));
        jv_set(o, "summary", jv_from_string(l->summary));
        for (uint32_t k = 0; k < l->param_count; k++)
            jv_append(params, param_json(&l->params[k]));
        jv_set(o, "params", params);
        jv_append(list, o);
    }
    for (int i = 0; i < loader_host_refusal_count(host); i++) {
        struct jv *o = jv_object();
        jv_set(o, "refused", jv_from_string(loader_host_refusal(host, i)));
        jv_append(list, o);
    }
    return list;
}

static struct jv *
devices_json(void)
{
    struct jv *list = jv_array();
    struct device_info *infos = mem_zalloc(DEVICES_MAX * sizeof *infos);
    int count = device_list(infos, DEVICES_MAX);
    for (int i = 0; i < count; i++) {
        const struct device_info *d = &infos[i];
        struct jv *o = jv_object(), *types = jv_array();
        jv_set(o, "name", jv_from_string(d->name));
        jv_set(o, "text", jv_from_string(d->text));
        jv_set(o, "reason", jv_from_string(d->reason));
        jv_set(o, "memory", jv_from_integer((int64_t)d->memory));
        jv_set(o, "available", jv_from_integer((int64_t)d->available));
        jv_append(types, jv_from_string("f32"));
        if (d->bf16)
            jv_append(types, jv_from_string("bf16"));
        if (d->f16)
            jv_append(types, jv_from_string("f16"));
        jv_set(o, "types", types);
        jv_set(o, "matrix", jv_from_bool(d->matrix));
        jv_set(o, "emulated", jv_from_bool(d->emulated));
        jv_append(list, o);
    }
    free(infos);
    return list;
}

// The value of a key in the metadata of a model card, README.md: the lines between two of ---
// (Hugging Face Hub, "Model cards"). Freed with free(); NULL: there is none.
static char *
card_value(const char *card, const char *key)
{
    const char *end = strncmp(card, "---\n", 4) == 0 ? strstr(card + 4, "\n---") : NULL;
    size_t n = strlen(key);
    const char *line = end ? card + 4 : NULL;
    while (line && line < end && (strncmp(line, key, n) != 0 || line[n] != ':'))
        line += strcspn(line, "\n") + 1;
    if (line && line < end) {
        const char *value = line + n + 1 + strspn(line + n + 1, " \"'");
        return mem_strndup(value, strcspn(value, "\n\"'#"));
    }
    return NULL;
}

// The licence that the folder's card names; NULL: none. Freed with free().
static char *
licence_of(const struct model_folder *m)
{
    enum { CARD_BYTES = 1 << 20 };
    char *path = model_folder_path(m, "README.md");
    char *card = file_exists(path) ? file_read(path, CARD_BYTES, NULL, NULL) : NULL;
    char *licence = card ? card_value(card, "license") : NULL;
    if (licence && strcmp(licence, "other") == 0) {
        free(licence);
        licence = card_value(card, "license_name");
    }
    free(card);
    free(path);
    return licence;
}

// Bytes of a part's weights in its files.
static int64_t
weight_bytes(const struct part *p)
{
    enum { INDEX_BYTES = 16 << 20 };
    struct stat s = {0};
    size_t n = p->weights ? strlen(p->weights) : 0, size = 0;
    if (!n || stat(p->weights, &s) != 0)
        return 0;
    if (n < 5 || strcmp(p->weights + n - 5, ".json") != 0)
        return s.st_size;
    char *text = file_read(p->weights, INDEX_BYTES, &size, NULL); // the list of its pieces
    struct jv *index = text ? jv_parse(text, size, p->weights, NULL) : NULL;
    int64_t total = jv_integer(jv_get(jv_get(index, "metadata"), "total_size"), 0);
    jv_free(index);
    free(text);
    return MAX(total, 0);
}

// The defaults for drawing with it, as far as its folder or its family has them.
static void
add_defaults(struct jv *o, const struct model_folder *m)
{
    const struct jv *own = jv_get(m->index, "limn");
    struct family_defaults d = {0};
    if (m->family->defaults)
        d = m->family->defaults(m->index);
    const char *const names[] = {"sampler", "guidance"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (jv_is_string(jv_get(own, names[i])))
            jv_set(o, names[i], jv_from_string(jv_string(jv_get(own, names[i]), "")));
    jv_set(o, "steps", jv_from_integer(jv_integer(jv_get(own, "steps"), d.steps)));
    if (!d.no_guidance)
        jv_set(o, "scale", jv_from_number(jv_number(jv_get(own, "scale"), d.scale)));
}

// What it can do, and what it needs.
static void
add_capabilities(struct jv *o, const struct model_folder *m)
{
    const struct family *f = m->family;
    bool has_references = f->has && f->has(&m->parts, STAGE_REFERENCES);
    int64_t bytes = 0;
    char *licence = licence_of(m);
    for (int i = 0; i < m->parts.count; i++)
        bytes += weight_bytes(&m->parts.at[i]);
    jv_set(o, "bytes", jv_from_integer(bytes));
    jv_set(o, "family", jv_from_string(f->name));
    jv_set(o, "references",
           jv_from_integer(!has_references ? 0
                           : f->references ? f->references
                                           : 8));
    if (licence)
        jv_set(o, "licence", jv_from_string(licence));
    free(licence);
    char *index = index_of_model(m->path, NULL);
    jv_set(o, "index", jv_from_bool(index != NULL));
    free(index);
    add_defaults(o, m);
}

// The memory that a picture from text takes at a few sizes and, quantised, at the model's own:
// [{"size", "quantise", "bytes"}]. On the CPU; a GPU needs as much, but for oneDNN's packed copies.
static struct jv *
memory_json(const char *folder, int size)
{
    const struct {
        int size;
        enum dtype blocks;
    } rows[] = {{size / 2, DTYPE_NONE}, {size, DTYPE_NONE}, {2 * size, DTYPE_NONE},
                {size, DTYPE_Q8_0},     {size, DTYPE_Q4_0}};
    struct err err = {0};
    struct jv *list = jv_array();
    struct device *d = device_open("cpu", &err);
    for (size_t i = 0; d && i < COUNT_OF(rows); i++) {
        struct pipeline_need need;
        if (!pipeline_need_of(folder, d, rows[i].blocks, rows[i].size, rows[i].size, 0, &need,
                              &err))
            break;
        struct jv *o = jv_object();
        jv_set(o, "size", jv_from_integer(rows[i].size));
        jv_set(o, "quantise", jv_from_string(rows[i].blocks ? dtype_name(rows[i].blocks) : ""));
        jv_set(o, "bytes", jv_from_integer((int64_t)need.least));
        jv_append(list, o);
    }
    device_close(d);
    return list;
}

bool
describe_need(struct pipeline *p, const struct pipeline_request *r,
              void (*say)(void *ctx, const char *text), void *ctx, struct err *err)
{
    struct pipeline_need need;
    struct pipeline_info info;
    pipeline_info(p, &info);
    if (!pipeline_need(p, r, &need, err))
        return false;
    char most[MEM_TEXT], least[MEM_TEXT];
    char *text = mem_printf("%s takes up to %s of memory for this, %s at the least", info.name,
                            mem_text(need.planned, most), mem_text(need.least, least));
    if (need.most)
        say(ctx, text);
    free(text);
    return true;
}

static void
add_model(void *ctx, const char *name, const char *folder, const struct err *why)
{
    struct jv *list = ctx;
    (void)why;
    struct model_folder *m = folder ? model_folder_open(folder, NULL) : NULL;
    const struct part *denoiser = m ? parts_find(&m->parts, m->family->denoiser) : NULL;
    if (denoiser) {
        struct jv *o = jv_object();
        int size, final_size;
        m->family->sizes(&m->parts, &size, &final_size);
        jv_set(o, "name", jv_from_string(name));
        jv_set(o, "folder", jv_from_string(folder));
        jv_set(o, "size", jv_from_integer(size));
        jv_set(o, "final", jv_from_integer(final_size));
        jv_set(o, "grain", jv_from_integer(m->family->grain ? m->family->grain(&m->parts) : 0));
        add_capabilities(o, m);
        if (m->family->grain)
            jv_set(o, "memory", memory_json(folder, size));
        jv_append(list, o);
    }
    model_folder_close(m);
}

static struct jv *
models_json(void)
{
    struct jv *list = jv_array();
    places_each_model(add_model, list);
    return list;
}

// The model of drawings that name none, by its name in the list, to which it is added if it is in
// none of limn's folders. If there is no such model: what it would be called.
static struct jv *
default_model(struct jv *list)
{
    char *found = places_model(NULL, NULL), *folder = found ? realpath(found, NULL) : NULL;
    struct jv *name = NULL;
    for (size_t i = 0; folder && !name && i < jv_size(list); i++)
        if (file_same(jv_string(jv_get(jv_at(list, i), "folder"), ""), folder))
            name = jv_copy(jv_get(jv_at(list, i), "name"));
    if (folder && !name) {
        add_model(list, folder, folder, NULL);
        name = jv_from_string(folder);
    }
    free(folder);
    free(found);
    return name ? name : jv_from_string(places_model_name(NULL));
}

struct jv *
describe_machine(void)
{
    struct jv *head = wire_head("described"), *models = models_json();
    jv_set(head, "devices", devices_json());
    jv_set(head, "model", default_model(models));
    jv_set(head, "models", models);
    return head;
}
