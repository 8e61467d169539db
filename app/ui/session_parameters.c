// SPDX-License-Identifier: MIT
// The form of a drawing's parameters, and of the picture that it starts from and its mask.
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/base/suggest.h"
#include "app/job/parameters.h"
#include "app/ui/form.h"
#include "app/ui/material.h"
#include "app/ui/session.h"
#include "app/ui/training.h"
#include "app/ui/ui.h"
#include "app/worker/client.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

// --- pictures by their files

static const struct {
    enum job_use use;
    const char *id, *label, *help;
} pictures[] = {
    {JOB_START, "start:file", "start from", "a picture to draw from (img2img); empty: from noise"},
    {JOB_MASK, "mask:file", "mask", "of that picture: white is redrawn, black is kept"},
};

// A field's value for a picture; "" for one embedded in another picture.
static const char *
file_of(const struct job_reference *r)
{
    return r && r->file && !r->embedded ? r->file : "";
}

bool
session_is_file(const char *typed, struct err *err)
{
    char *path = places_expand(typed);
    bool ok = !*path || file_exists(path) ||
              err_set(err, ERR_INPUT, "there is no file %s: Space chooses one", path);
    free(path);
    return ok;
}

bool
session_set_file(struct job_reference *r, const char *typed)
{
    char *path = places_expand(typed), *real = realpath(path, NULL);
    bool other = *path && strcmp(real ? real : path, file_of(r)) != 0;
    if (other) {
        free(r->file);
        r->file = mem_strdup(real ? real : path);
        free(r->within);
        free(r->where);
        r->within = r->where = NULL;
        free(r->credit);
        r->credit = NULL;
        r->embedded = r->processed = r->retrieved = false;
        job_drop_data(r);
    }
    free(real);
    free(path);
    return other;
}

// Without a start, a mask and a strength make no sense: they are removed with it.
static void
remove_picture(struct job *j, struct job_reference *r)
{
    bool start = r->use == JOB_START;
    job_remove(j, (int)(r - j->references));
    struct job_reference *mask = start ? job_find_for(j, JOB_MASK, 0) : NULL;
    if (mask)
        job_remove(j, (int)(mask - j->references));
    if (start)
        j->strength = -1;
}

// An emptied field removes a picture with a file; an embedded one, whose field was empty, stays.
static void
apply_picture(struct job *j, enum job_use use, const char *typed)
{
    struct job_reference *r = job_find_for(j, use, 0);
    bool had = r != NULL;
    if (!*typed) {
        if (r && *file_of(r))
            remove_picture(j, r);
        return;
    }
    r = r ? r : job_add_for(j, use, 0);
    if (session_set_file(r, typed) && use == JOB_START && !had && j->strength < 0)
        j->strength = MATERIAL_STRENGTH;
}

static void
add_pictures(struct ui *ui, struct form *f)
{
    struct job *j = &session_of(ui)->job;
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        const struct job_reference *r = job_find_for(j, pictures[i].use, 0);
        bool kept = r && !*file_of(r);
        form_add_file(f, browser_pictures, NULL, pictures[i].id, pictures[i].label, file_of(r),
                      kept ? "it came from a picture; another file replaces it"
                           : pictures[i].help);
    }
}

// --- parameters

static bool
parameters_done(struct ui *ui, struct form *f, bool accepted)
{
    struct session *session = session_of(ui);
    struct job read = JOB_EMPTY, *j = &session->job;
    struct err err = {0};
    bool ok = true;
    if (!accepted)
        return true;
    for (const struct parameter *p = parameters; ok && p->name; p++) {
        const char *text = form_value(f, p->name);
        if (*text && strcmp(text, "auto") != 0)
            ok = parameter_read(p, &read, p->label, text, &err) || (form_select(f, p->name), false);
    }
    for (size_t i = 0; ok && i < COUNT_OF(pictures); i++)
        ok = session_is_file(form_value(f, pictures[i].id), &err) ||
             (form_select(f, pictures[i].id), false);
    for (const struct parameter *p = parameters; ok && p->name; p++)
        parameter_copy(p, j, &read);
    job_finish(&read);
    if (!ok) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return false;
    }
    for (size_t i = 0; i < COUNT_OF(pictures); i++)
        apply_picture(j, pictures[i].use, form_value(f, pictures[i].id));
    free(j->model_hash);
    j->model_hash = NULL;
    session_check(ui);
    return true;
}

// Choices: "auto", all names, and the value that is set, even if it is unknown.
static void
add_names(struct form_field *d, const char *set, const char *const *names, int count)
{
    const char *all[LIMIT_CHOICE_NAMES + 3] = {"auto"};
    int n = 1;
    bool known = !*set;
    for (int i = 0; i < count; i++) {
        known = known || strcmp(names[i], set) == 0;
        if (strcmp(names[i], "auto") != 0)
            all[n++] = names[i];
    }
    if (!known)
        all[n++] = set;
    form_choices(d, all);
}

// The usable names in the worker's list `key`, "models" or "devices".
static int
worker_names(const struct ui *ui, const char *key, const char *names[LIMIT_CHOICE_NAMES + 1])
{
    const struct jv *list = jv_get(ui_machine(ui), key);
    int n = 0;
    for (size_t i = 0; i < jv_size(list) && n < LIMIT_CHOICE_NAMES; i++)
        if (!*jv_string(jv_get(jv_at(list, i), "reason"), ""))
            names[n++] = jv_string(jv_get(jv_at(list, i), "name"), "?");
    return n;
}

// The worker's models and those trained here; `trained` owns the names of the latter.
static int
model_names(struct ui *ui, const char *names[LIMIT_CHOICE_NAMES + 1], char *trained[TRAININGS_MAX])
{
    int n = worker_names(ui, "models", names), more = training_models(ui, trained, TRAININGS_MAX);
    for (int i = 0; i < more && n < LIMIT_CHOICE_NAMES; i++)
        names[n++] = trained[i];
    return n;
}

// A name as listed, or a part of it: NAME of ORG/NAME, vulkan of vulkan:0.
static bool
is_name_of(const char *listed, const char *name)
{
    const char *slash = strrchr(listed, '/');
    size_t n = strlen(name);
    return strcmp(listed, name) == 0 || (slash && strcmp(slash + 1, name) == 0) ||
           (strncmp(listed, name, n) == 0 && listed[n] == ':');
}

bool
session_offers(struct ui *ui, const struct parameter *p, const char *name, struct err *err)
{
    bool model = p->names == COMPLETE_MODEL;
    if (!ui_machine(ui) || (!model && p->names != COMPLETE_DEVICE))
        return true;
    const struct jv *list = jv_get(ui_machine(ui), model ? "models" : "devices");
    for (size_t i = 0; i < jv_size(list); i++) {
        const char *why = jv_string(jv_get(jv_at(list, i), "reason"), "");
        if (is_name_of(jv_string(jv_get(jv_at(list, i), "name"), ""), name))
            return !*why || err_set(err, ERR_INPUT, "%s cannot be used: %s", name, why);
    }
    const char *names[LIMIT_CHOICE_NAMES + 1] = {0};
    char *trained[TRAININGS_MAX] = {0};
    int count = model ? model_names(ui, names, trained) : worker_names(ui, "devices", names);
    bool known = model ? strchr(name, '/') || (!ui_host(ui) && file_exists(name))
                       : strcmp(name, "auto") == 0 || strcmp(name, "null") == 0;
    for (int i = 0; i < count; i++)
        known = known || strcmp(names[i], name) == 0;
    const char *near = suggest(name, names);
    if (!known)
        err_set(err, ERR_INPUT, "there is no %s '%.60s'%s%s%s", p->label, name,
                near ? "; did you mean '" : "; 5 lists what there is", near ? near : "",
                near ? "'?" : "");
    for (int i = 0; i < TRAININGS_MAX; i++)
        free(trained[i]);
    return known;
}

// What the current model uses for a parameter that is not set. NULL: unknown. Freed with free().
static char *
default_of(const struct ui *ui, const struct parameter *p)
{
    const struct jv *model = session_model(ui);
    if (strcmp(p->name, "retrieve") == 0 && jv_bool(jv_get(model, "index"), false))
        return mem_strdup("1 for words without references");
    if (strcmp(p->name, "seed") == 0)
        return mem_strdup("a new one");
    if (strcmp(p->name, "count") == 0)
        return mem_strdup("1");
    const struct jv *v = jv_get(model, strcmp(p->name, "size") == 0 ? "final" : p->name);
    bool known = strcmp(p->name, "size") == 0 || strcmp(p->name, "steps") == 0 ||
                 strcmp(p->name, "scale") == 0 || strcmp(p->name, "sampler") == 0 ||
                 strcmp(p->name, "guidance") == 0;
    return !known || !v      ? NULL
           : jv_is_string(v) ? mem_strdup(jv_string(v, ""))
                             : mem_printf("%g", jv_number(v, 0));
}

char *
session_memory(const struct jv *model)
{
    const struct jv *list = jv_get(model, "memory");
    char *out = mem_strdup("");
    for (size_t i = 0; i < jv_size(list); i++) {
        const struct jv *one = jv_at(list, i);
        const char *blocks = jv_string(jv_get(one, "quantise"), "");
        char bytes[MEM_TEXT];
        char *longer = mem_printf("%s%s%s at %d%s%s", out, *out ? ", " : "",
                                  mem_text((size_t)jv_integer(jv_get(one, "bytes"), 0), bytes),
                                  (int)jv_integer(jv_get(one, "size"), 0), *blocks ? " in " : "",
                                  blocks);
        free(out);
        out = longer;
    }
    return out;
}

// The help of the size tells how much memory sizes take.
static void
show_memory(const struct ui *ui, struct form_field *d, const struct parameter *p)
{
    char *memory = session_memory(session_model(ui));
    free(d->help);
    d->help = *memory ? mem_printf("takes %s. %s", memory, p->help) : mem_strdup(p->help);
    free(memory);
}

// Fills in the choices, and what an unset value means, as far as known.
static void
fill_in(struct ui *ui, struct form_field *d, const struct parameter *p)
{
    const char *names[LIMIT_CHOICE_NAMES + 1];
    char *trained[TRAININGS_MAX] = {0}, *text = parameter_text(p, &session_of(ui)->job);
    free(d->default_text);
    d->default_text = default_of(ui, p);
    if (strcmp(p->name, "size") == 0)
        show_memory(ui, d, p);
    if (d->kind == FIELD_CHOICE)
        add_names(d, text ? text : "", names,
                  p->names == COMPLETE_MODEL    ? model_names(ui, names, trained)
                  : p->names == COMPLETE_DEVICE ? worker_names(ui, "devices", names)
                                                : value_names(&p->type, names));
    for (int i = 0; i < TRAININGS_MAX; i++)
        free(trained[i]);
    free(text);
}

void
session_described(struct ui *ui)
{
    struct form *f = form_current(ui);
    if (!f || f->done != parameters_done)
        return;
    for (const struct parameter *p = parameters; p->name; p++)
        for (int i = 0; i < f->count; i++)
            if (strcmp(f->fields[i].id, p->name) == 0)
                fill_in(ui, &f->fields[i], p);
}

static void
add_parameter(struct ui *ui, struct form *f, const struct parameter *p)
{
    struct session *session = session_of(ui);
    static const enum field_kind kinds[VALUE_KIND_COUNT] = {
        [VALUE_SWITCH] = FIELD_BOOL,   [VALUE_WHOLE] = FIELD_INT,     [VALUE_LONG] = FIELD_INT,
        [VALUE_REAL] = FIELD_FLOAT,    [VALUE_CHOICE] = FIELD_CHOICE, [VALUE_TEXT] = FIELD_TEXT,
        [VALUE_SIZE] = FIELD_TEXT,
        [VALUE_WEIGHTED] = FIELD_TEXT, [VALUE_WEIGHTS] = FIELD_TEXT,
        [VALUE_COLOUR] = FIELD_TEXT};
    static const char *const loras[] = {"safetensors", NULL},
                             *const indices[] = {"index", "db", NULL};
    char *text = parameter_text(p, &session->job);
    bool offered = p->names == COMPLETE_MODEL || p->names == COMPLETE_DEVICE,
         choice = offered || p->type.kind == VALUE_CHOICE,
         on = p->type.kind == VALUE_SWITCH && text && strcmp(text, "yes") == 0;
    const char *value = p->type.kind == VALUE_SWITCH ? (on ? "1" : "0")
                        : text                       ? text
                        : choice                     ? "auto"
                                                     : "";
    struct form_field *d =
        form_add(f, choice ? FIELD_CHOICE : kinds[p->type.kind], p->name, p->label, value, p->help);
    bool number =
        d->kind == FIELD_INT || d->kind == FIELD_FLOAT || p->type.kind == VALUE_SIZE;
    d->minimum = number ? p->type.low : 1;
    d->maximum = number ? p->type.high : 0;
    if (p->names == COMPLETE_FILE && !ui_host(ui)) // else the file is on the other machine
        d->files = strcmp(p->name, "lora") == 0 ? loras : indices;
    fill_in(ui, d, p);
    free(text);
}

void
session_parameters(struct ui *ui)
{
    struct form *f = form_new("parameters");
    if (!ui_machine(ui))
        client_describe(ui_client(ui));
    for (const struct parameter *p = parameters; p->name; p++) {
        if (strcmp(p->name, "strength") == 0) // strength refers to them
            add_pictures(ui, f);
        add_parameter(ui, f, p);
    }
    f->done = parameters_done;
    form_open(ui, f);
}
