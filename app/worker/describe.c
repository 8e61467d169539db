// SPDX-License-Identifier: MIT
#include "app/worker/describe.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/base/places.h"
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
        jv_append(list, o);
    }
    free(infos);
    return list;
}

static void
add_model(void *ctx, const char *name, const char *folder, const struct err *why)
{
    struct jv *list = ctx;
    (void)why;
    struct model_folder *m = folder ? model_folder_open(folder, NULL) : NULL;
    const struct part *denoiser = m ? parts_find(&m->parts, m->family->denoiser) : NULL;
    if (denoiser) {
        struct stat s = {0};
        struct jv *o = jv_object();
        int size, final_size;
        m->family->sizes(&m->parts, &size, &final_size);
        jv_set(o, "name", jv_from_string(name));
        jv_set(o, "folder", jv_from_string(folder));
        jv_set(o, "size", jv_from_integer(size));
        jv_set(o, "final", jv_from_integer(final_size));
        jv_set(o, "grain", jv_from_integer(m->family->grain ? m->family->grain(&m->parts) : 0));
        bool there = denoiser->weights && stat(denoiser->weights, &s) == 0;
        jv_set(o, "bytes", jv_from_integer(there ? s.st_size : 0));
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

struct jv *
describe_machine(void)
{
    struct jv *head = wire_head("described");
    jv_set(head, "devices", devices_json());
    jv_set(head, "models", models_json());
    return head;
}
