// SPDX-License-Identifier: MIT
// The selected reference: its loader's output, and its form.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/ui/arrivals.h"
#include "app/ui/compose.h"
#include "app/ui/field.h"
#include "app/ui/form.h"
#include "app/ui/painter.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "app/worker/client.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

#define OUTPUT_ID "look/" // begins the ids of these requests to the worker; a number follows

// Identifies a reference's output in one line: while that is the same, it need not be asked again.
static void
make_output_key(const struct job_reference *r, char *out, size_t size)
{
    int n = snprintf(out, size, "%s|%s|%d", r->file && !r->embedded ? r->file : r->hash,
                     r->loader ? r->loader : "", r->processed);
    for (int i = 0; i < r->setting_count && n > 0 && (size_t)n < size; i++)
        n += snprintf(out + n, size - (size_t)n, "|%s", r->settings[i]);
}

// Asks the worker for the loader's output, if this reference is still the wanted one.
static void
on_output_read(struct ui *ui, struct reading *r)
{
    struct compose *c = compose_of(ui);
    char wanted[sizeof c->output_key];
    make_output_key(&r->jobs[0].references[0], wanted, sizeof wanted);
    if (strcmp(wanted, c->output_key) != 0)
        return;
    c->waiting = r->err.code == ERR_NONE;
    char id[sizeof((struct client_event *)0)->id];
    snprintf(id, sizeof id, OUTPUT_ID "%d", c->output_requests);
    if (c->waiting)
        client_load(ui_client(ui), id, &r->jobs[0].references[0], OUTPUT_SIDE);
    else
        snprintf(c->output_error, sizeof c->output_error, "%s", r->err.text);
}

void
compose_request_output(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    struct job_reference *r = compose_chosen(ui);
    char wanted[sizeof c->output_key] = "";
    if (r)
        make_output_key(r, wanted, sizeof wanted);
    if (strcmp(wanted, c->output_key) == 0)
        return;
    memcpy(c->output_key, wanted, sizeof wanted);
    c->output_requests++;
    c->output_error[0] = 0;
    c->waiting = false;
    if (!r)
        return;
    // The file may have changed since it was last read; drawing reads it again, too.
    struct reading *reading = reading_new(1, on_output_read);
    struct job *one = &reading->jobs[0];
    job_copy(one, &session->job);
    if (!one->references[c->reference].embedded)
        job_drop_data(&one->references[c->reference]);
    for (int i = one->reference_count - 1; i >= 0; i--)
        if (i != c->reference)
            job_remove(one, i);
    parameter_clear(parameter_find("index"), one);
    c->waiting = reading->idle = true;
    reading_put(ui, reading);
}

static void on_loaders(struct ui *ui);

void
compose_on_event(struct ui *ui, struct client_event *e)
{
    struct compose *c = compose_of(ui);
    if (e->type == CLIENT_LOADERS)
        on_loaders(ui);
    if (e->type == CLIENT_LOST) {
        c->output_key[0] = 0;
        c->waiting = false;
        return;
    }
    if (e->type != CLIENT_LOADED || strncmp(e->id, OUTPUT_ID, strlen(OUTPUT_ID)) != 0)
        return;
    struct arrival *a = arrival_new(ARRIVAL_OUTPUT);
    a->index = atoi(e->id + strlen(OUTPUT_ID));
    a->png = e->png;
    a->png_size = a->work.bytes = e->png_size;
    a->refused = e->err;
    e->png = NULL;
    background_put(ui_arrivals(ui), &a->work);
}

void
compose_on_arrival(struct ui *ui, struct arrival *a)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    if (a->kind == ARRIVAL_ADDED && a->kept && ui_view(ui) == VIEW_COMPOSE)
        c->reference = MAX(0, session->job.reference_count - 1);
    c->first_run = c->first_run && a->kind != ARRIVAL_RESULT;
    if (a->kind == ARRIVAL_MASK && a->index == c->masks)
        painter_on_arrival(ui, a);
    if (a->kind != ARRIVAL_OUTPUT || a->index != c->output_requests)
        return; // another reference or loader has been chosen since
    c->waiting = false;
    image_unref(c->after);
    c->after = a->image;
    a->image = NULL;
    snprintf(c->output_error, sizeof c->output_error, "%s", c->after ? "" : a->refused.text);
}

bool
compose_waits(const struct ui *ui)
{
    return compose_of(ui)->waiting;
}

// --- the reference's form

const struct jv *
compose_loader_json(const struct ui *ui, const char *name)
{
    for (size_t i = 0; name && i < jv_size(ui_loaders(ui)); i++)
        if (strcmp(jv_string(jv_get(jv_at(ui_loaders(ui), i), "name"), ""), name) == 0)
            return jv_at(ui_loaders(ui), i);
    return NULL;
}

static const char *
setting_of(const struct job_reference *r, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; i < r->setting_count; i++)
        if (strncmp(r->settings[i], name, n) == 0 && r->settings[i][n] == '=')
            return r->settings[i] + n + 1;
    return NULL;
}

// Ids of the form's fields; those of the loader's parameters are PARAM and their names.
#define USE "use"
#define WORDS "words"
#define LOADER "loader"
#define PARAM "param:"
#define PICTURE "picture"

static void
add_param(struct form *f, const struct jv *p, const struct job_reference *r)
{
    const char *name = jv_string(jv_get(p, "name"), ""), *kind = jv_string(jv_get(p, "kind"), "");
    const struct jv *choices = jv_get(p, "choices");
    double fallback = jv_number(jv_get(p, "fallback"), 0);
    char text[64];
    snprintf(text, sizeof text, "%.6g", fallback);
    bool choice = strcmp(kind, "choice") == 0;
    if (choice)
        snprintf(text, sizeof text, "%s", jv_string(jv_at(choices, (size_t)fallback), ""));
    const char *given = setting_of(r, name);
    char id[80];
    snprintf(id, sizeof id, PARAM "%s", name);
    struct form_field *d =
        form_add(f,
                 choice                      ? FIELD_CHOICE
                 : strcmp(kind, "bool") == 0 ? FIELD_BOOL
                 : strcmp(kind, "int") == 0  ? FIELD_INT
                                             : FIELD_FLOAT,
                 id, name, given ? given : text, jv_string(jv_get(p, "help"), ""));
    if (choice) {
        const char *names[34] = {0};
        for (size_t i = 0; i < jv_size(choices) && i < 32; i++)
            names[i] = jv_string(jv_at(choices, i), "");
        form_choices(d, names);
    } else if (strcmp(kind, "bool") != 0) {
        d->minimum = jv_number(jv_get(p, "minimum"), 0);
        d->maximum = jv_number(jv_get(p, "maximum"), 0);
    }
}

static const char *
use_help(enum job_use use)
{
    switch (use) {
    case JOB_REFERENCE: return "the sentence refers to it by its number";
    case JOB_AWAY: return "guidance steers away from what it shows";
    case JOB_START: return "the drawing starts from it; strength says how far it departs";
    case JOB_MASK: return "of the start: white is redrawn, black is kept";
    case JOB_USE_COUNT: break;
    }
    return "";
}

static void reference_changed(struct ui *ui, struct form *f, int field);
static bool reference_done(struct ui *ui, struct form *f, bool accepted);

// The form's `number` is the reference's index. Fields: words, loader, the loader's parameters,
// use, file.
void
compose_open_reference_form(struct ui *ui, struct job_reference *r, int selected)
{
    struct session *session = session_of(ui);
    char title[JOB_KEY_TEXT];
    const char *uses[JOB_USE_COUNT + 1] = {0};
    job_reference_label(r, title);
    struct form *f = form_new(title);
    for (int i = 0; i < JOB_USE_COUNT; i++)
        uses[i] = job_use_name((enum job_use)i);
    form_add(f, FIELD_TEXT, WORDS, "role", r->words,
             "in a word or two: fox, style image; empty: the loader's");
    const char *names[66] = {"none"};
    int n = 1;
    for (size_t i = 0; i < jv_size(ui_loaders(ui)) && n < 64; i++)
        if (jv_get(jv_at(ui_loaders(ui), i), "name"))
            names[n++] = jv_string(jv_get(jv_at(ui_loaders(ui), i), "name"), "");
    const struct jv *l = compose_loader_json(ui, r->loader);
    form_choices(form_add(f, FIELD_CHOICE, LOADER, "loader", r->loader ? r->loader : "none",
                          l ? jv_string(jv_get(l, "summary"), "") : "the picture unchanged"),
                 names);
    const struct jv *params = jv_get(l, "params");
    for (size_t i = 0; i < jv_size(params); i++)
        add_param(f, jv_at(params, i), r);
    form_choices(form_add(f, FIELD_CHOICE, USE, "use", uses[r->use], use_help(r->use)), uses);
    form_add_file(f, browser_pictures, NULL, PICTURE, "picture", r->embedded ? "" : r->file,
                  r->embedded ? "it came from a picture; another file replaces it"
                              : "its file; another one replaces it");
    struct compose *c = compose_of(ui);
    if (!c->has_before)
        session_snapshot(ui, &c->before);
    c->has_before = true;
    f->changed = reference_changed;
    f->done = reference_done;
    f->number = (int)(r - session->job.references);
    f->selected = selected;
    f->half_width = true;
    form_open(ui, f);
}

// The reference that the form is about; NULL: it was removed.
static struct job_reference *
form_reference(struct ui *ui, const struct form *f)
{
    struct session *session = session_of(ui);
    return f->number < session->job.reference_count ? &session->job.references[f->number] : NULL;
}

// Gives it another use, and with it the first free number of that use.
static void
set_use(struct ui *ui, struct job_reference *r, enum job_use use)
{
    struct session *session = session_of(ui);
    struct job *j = &session->job;
    struct job_reference *room = use == r->use ? NULL : job_add_for(j, use, 0);
    if (use == r->use)
        return;
    if (!room) {
        ui_say(ui, ROLE_ERROR, "there is a picture for %s already", job_use_name(use));
        return;
    }
    job_remove(j, j->reference_count - 1);
    int marker = 0;
    if (use == JOB_REFERENCE || use == JOB_AWAY)
        for (marker = 1; job_find_for(j, use, marker); marker++)
            ;
    char text[JOB_KEY_TEXT];
    job_reference_label(r, text);
    const char *at = r->use == JOB_REFERENCE ? strstr(session->text.text, text) : NULL;
    if (at) { // only references are part of the sentence
        size_t from = (size_t)(at - session->text.text);
        field_replace(&session->text, from, from + strlen(text), "");
    }
    r->use = use;
    r->marker = marker;
}

static void
clear_settings(struct job_reference *r)
{
    for (int i = 0; i < r->setting_count; i++)
        free(r->settings[i]);
    r->setting_count = 0;
}

// Where the form shows none there are none, or the worker has not yet said which: they stay.
static void
apply_settings(struct job_reference *r, const struct form *f)
{
    bool shown = false;
    for (int i = 0; i < f->count; i++) {
        const struct form_field *d = &f->fields[i];
        if (strncmp(d->id, PARAM, strlen(PARAM)) != 0)
            continue;
        if (!shown)
            clear_settings(r);
        shown = true;
        if (r->setting_count < LIMIT_TEMPLATE_SETTINGS)
            r->settings[r->setting_count++] = mem_printf("%s=%s", d->id + strlen(PARAM), d->value);
    }
}

static void
apply_form(struct ui *ui, struct job_reference *r, const struct form *f)
{
    set_use(ui, r, job_use_from_name(form_value(f, USE)));
    const char *words = form_value(f, WORDS), *loader = form_value(f, LOADER);
    free(r->words);
    r->words = *words ? mem_strdup(words) : NULL;
    if (strcmp(loader, r->loader ? r->loader : "none") != 0) {
        clear_settings(r);
        free(r->loader);
        r->loader = strcmp(loader, "none") == 0 ? NULL : mem_strdup(loader);
        r->processed = false;
    } else {
        apply_settings(r, f);
    }
    session_set_file(r, form_value(f, PICTURE));
    session_check(ui);
}

static void
reference_changed(struct ui *ui, struct form *f, int field)
{
    struct job_reference *r = form_reference(ui, f);
    if (!r)
        return;
    apply_form(ui, r, f);
    const char *id = f->fields[field].id;
    if (strcmp(id, LOADER) == 0 ||
        strcmp(id, USE) == 0) { // these change the form: opening the new one frees this one
        compose_open_reference_form(ui, r, field);
        return;
    }
}

// All changes have already been applied; Esc reverts them.
static bool
reference_done(struct ui *ui, struct form *f, bool accepted)
{
    struct compose *c = compose_of(ui);
    struct job_reference *r = form_reference(ui, f);
    struct err err = {0};
    if (accepted && r && !session_is_file(form_value(f, PICTURE), &err)) {
        form_select(f, PICTURE);
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return false;
    }
    if (accepted && r)
        apply_form(ui, r, f);
    else if (c->has_before)
        session_show(ui, &c->before);
    job_finish(&c->before);
    c->has_before = false;
    return true;
}

// A form that was opened before the worker had said which loaders there are gets them.
static void
on_loaders(struct ui *ui)
{
    struct form *f = form_current(ui);
    struct job_reference *r = f && f->changed == reference_changed ? form_reference(ui, f) : NULL;
    if (!r || f->browser)
        return;
    bool editing = f->editing;
    size_t cursor = f->edit.cursor;
    char *id = mem_strdup(f->fields[f->selected].id);
    char *text = mem_strdup(editing ? f->edit.text : "");
    compose_open_reference_form(ui, r, 0);
    f = form_current(ui);
    form_select(f, id);
    if (editing)
        form_edit(f, text, cursor);
    free(text);
    free(id);
}
