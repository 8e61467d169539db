// SPDX-License-Identifier: MIT
// The templates view: the list, and the form of a template's variables.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/job/template.h"
#include "app/ui/field.h"
#include "app/ui/form.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "app/ui/templates.h"
#include "app/ui/view.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

struct templates *
templates_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_TEMPLATES);
}

struct templates_own *
templates_own_of(const struct ui *ui)
{
    return &templates_of(ui)->own;
}

static void
free_entries(struct templates *t)
{
    for (int i = 0; i < t->count; i++) {
        template_finish(&t->entries[i].template);
        free(t->entries[i].path);
        free(t->entries[i].stem);
        free(t->entries[i].result);
    }
    free(t->entries);
    t->entries = NULL;
    t->count = t->capacity = 0;
    if (t->filled_form)
        template_finish(&t->filled);
    t->filled_form = 0;
}

static char *
result_of(const char *path, const char *stem)
{
    const char *slash = strrchr(path, '/');
    char *file = mem_printf("%.*s/results/%s.png", slash ? (int)(slash - path) : 1,
                            slash ? path : ".", stem);
    if (file_exists(file))
        return file;
    free(file);
    return NULL;
}

static bool
is_hidden(const struct templates *t, const struct template_entry *e)
{
    const char *summary = e->template.summary ? e->template.summary : "";
    bool other = e->template.parameters.family && !t->all && !template_is_own(e->path);
    return other || (!strcasestr(e->stem, t->filter) && !strcasestr(summary, t->filter));
}

// The user's own templates come first and hide others of the same name.
static bool
add_template(const char *path, void *ctx)
{
    struct templates *t = ctx;
    struct err err = {0};
    struct template_entry e = {.path = mem_strdup(path), .stem = template_stem(path)};
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->entries[i].stem, e.stem) == 0) {
            free(e.path);
            free(e.stem);
            return true;
        }
    if (!template_read(&e.template, path, &err))
        snprintf(e.fault, sizeof e.fault, "%s", err.text);
    if (is_hidden(t, &e)) {
        template_finish(&e.template);
        free(e.path);
        free(e.stem);
        return true;
    }
    e.result = result_of(path, e.stem);
    ARRAY_PUSH(t->entries, t->count, t->capacity, e);
    return true;
}

// Moves templates for one family of models behind those for any, otherwise keeping the order.
static void
sort_by_family(struct templates *t)
{
    struct template_entry *sorted = mem_alloc((size_t)MAX(t->count, 1) * sizeof *sorted);
    int n = 0;
    for (int family = 0; family < 2; family++)
        for (int i = 0; i < t->count; i++)
            if ((t->entries[i].template.parameters.family != NULL) == family)
                sorted[n++] = t->entries[i];
    free(t->entries);
    t->entries = sorted;
    t->capacity = MAX(t->count, 1);
}

static void
open_templates(struct ui *ui)
{
    struct templates *t = templates_of(ui);
    char *chosen = t->selected < t->count ? mem_strdup(t->entries[t->selected].stem) : NULL;
    free_entries(t);
    t->all = *t->filter || session_of(ui)->job.model ||
             strcmp(session_model_name(ui), PLACES_OWN_MODEL) != 0;
    template_each(add_template, t);
    sort_by_family(t);
    for (int i = 0; chosen && i < t->count; i++)
        if (strcmp(t->entries[i].stem, chosen) == 0)
            t->selected = i;
    t->selected = MAX(0, MIN(t->selected, t->count - 1));
    free(chosen);
}

void
templates_reload(struct ui *ui, const char *path)
{
    struct templates *t = templates_of(ui);
    open_templates(ui);
    for (int i = 0; path && i < t->count; i++)
        if (strcmp(t->entries[i].path, path) == 0)
            t->selected = i;
    ui_redraw(ui);
}

static void
close_templates(struct ui *ui)
{
    templates_remove_composed(ui);
    free(templates_of(ui)->own.subject);
    free(templates_of(ui)->own.removed);
    free_entries(templates_of(ui));
}

struct template_entry *
templates_chosen(const struct ui *ui)
{
    struct templates *t = templates_of(ui);
    return t->selected < t->count ? &t->entries[t->selected] : NULL;
}

// --- the form of variables

// The id of a variable's field, in this form and in that of a sweep.
static const char *
variable_id(const char *name, char id[80])
{
    snprintf(id, 80, "variable:%s", name);
    return id;
}

bool
templates_bind(struct form *f, const struct template_entry *e, struct template *t,
               struct err *err)
{
    bool ok = template_read(t, e->path, err);
    for (int i = 0; ok && i < t->variable_count; i++) {
        const char *name = t->variables[i].name;
        char id[80];
        const char *value = form_value(f, variable_id(name, id));
        bool same = t->variables[i].value && strcmp(t->variables[i].value, value) == 0;
        char *typed =
            t->variables[i].type == VARIABLE_IMAGE ? places_expand(value) : mem_strdup(value);
        if (*value && !same)
            ok =
                template_set(t, name, typed, err) || (form_select(f, variable_id(name, id)), false);
        free(typed);
    }
    return ok;
}

// An error without the template's path and line: the fault is in what was typed into the form.
static const char *
without_place(const char *path, const char *text)
{
    size_t n = path ? strlen(path) : 0;
    if (!n || strncmp(text, path, n) != 0 || text[n] != ':')
        return text;
    const char *end = strstr(text + n, ": ");
    return end ? end + 2 : text;
}

// Puts a template's job, whose pictures can be read, into the composer.
static void
show_job(struct ui *ui, struct reading *r)
{
    struct job *j = &r->jobs[0];
    if (r->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", without_place(r->subject, r->err.text));
        return;
    }
    if (!reading_closes_form(ui, r))
        return;
    for (int i = 0; i < j->reference_count; i++)
        if (j->references[i].file && !j->references[i].embedded)
            job_drop_data(&j->references[i]);
    char *stem = template_stem(r->subject);
    session_set(ui, j);
    ui_open_view(ui, VIEW_COMPOSE);
    ui_say(ui, ROLE_GOOD, "from the template %s: F9 draws it; u brings back what was here", stem);
    free(stem);
}

static bool
variables_done(struct ui *ui, struct form *f, bool accepted)
{
    struct template_entry *e = templates_chosen(ui);
    struct template t = {0};
    struct job j = JOB_EMPTY;
    struct err err = {0};
    if (!accepted || !e)
        return true;
    bool ok = templates_bind(f, e, &t, &err) && template_job(&t, &j, &err);
    if (ok) { // read its pictures now, so that a missing one is reported here
        struct reading *r = reading_new(1, show_job);
        r->subject = mem_strdup(e->path);
        r->form = f->serial;
        job_copy(&r->jobs[0], &j);
        reading_put(ui, r);
    } else {
        ui_say(ui, ROLE_ERROR, "%s", without_place(t.path, err.text));
    }
    job_finish(&j);
    template_finish(&t);
    return false; // the form closes once the pictures have been read
}

void
templates_add_variables(struct form *f, const struct template *t)
{
    for (int i = 0; i < t->variable_count; i++) {
        const struct template_variable *v = &t->variables[i];
        enum field_kind kind = v->type == VARIABLE_CHOICE   ? FIELD_CHOICE
                               : v->type == VARIABLE_NUMBER ? FIELD_FLOAT
                                                            : FIELD_TEXT;
        char id[80];
        variable_id(v->name, id);
        struct form_field *d =
            v->type == VARIABLE_IMAGE
                ? form_add_file(f, browser_pictures, t->folder, id, v->name, v->value, v->help)
                : form_add(f, kind, id, v->name, v->value, v->help);
        if (v->type == VARIABLE_CHOICE) {
            const char **names = mem_zalloc(((size_t)v->choice_count + 1) * sizeof *names);
            for (int k = 0; k < v->choice_count; k++)
                names[k] = v->choices[k];
            form_choices(d, names);
            free(names);
        } else if (v->type == VARIABLE_NUMBER) {
            d->minimum = v->minimum;
            d->maximum = v->maximum;
        }
    }
}

// Shows the sentence and the pictures above the form with the form's values.
static void
variables_changed(struct ui *ui, struct form *f, int field)
{
    struct templates *t = templates_of(ui);
    const struct template_entry *e = templates_chosen(ui);
    struct template filled = {0};
    struct err err = {0};
    bool ok = e && templates_bind(f, e, &filled, &err);
    f->selected = field; // even if another one is invalid, which is reported at the end
    if (!ok) {
        template_finish(&filled);
        return;
    }
    if (t->filled_form)
        template_finish(&t->filled);
    t->filled = filled;
    t->filled_form = f->serial;
}

static void
use_template(struct ui *ui, struct template_entry *e)
{
    struct form *f = form_new(e->stem);
    templates_add_variables(f, &e->template);
    f->changed = variables_changed;
    f->done = variables_done;
    if (f->count) {
        form_open(ui, f);
    } else {
        variables_done(ui, f, true);
        form_free(f);
    }
}

// Draws a template with its defaults; if a value is missing, opens its form.
static void
draw_template(struct ui *ui, struct template_entry *e)
{
    struct reading *r = reading_new(1, session_begin);
    struct job *j = &r->jobs[0];
    struct err err = {0};
    bool ok = template_job(&e->template, j, &err);
    job_resolve(j);
    if (!ok)
        use_template(ui, e);
    else if (job_check_complete(j, &err))
        reading_put(ui, r);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    if (!ok || err.code != ERR_NONE)
        r->work.release(&r->work);
}

// --- requests

static void
save_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (!text || !*text)
        return;
    if (session_save_template(ui, text, &err))
        ui_say(ui, ROLE_GOOD, "the instruction of 1 is saved as %s", text);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    open_templates(ui);
}

static void
filter_changed(struct ui *ui, const char *text)
{
    struct templates *t = templates_of(ui);
    snprintf(t->filter, sizeof t->filter, "%s", text ? text : "");
    open_templates(ui);
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct templates *t = templates_of(ui);
    struct template_entry *e = templates_chosen(ui);
    int page = MAX(1, t->list.rows - 1);
    switch (request) {
    case REQUEST_UP: t->selected--; break;
    case REQUEST_DOWN: t->selected++; break;
    case REQUEST_PAGE_UP: t->selected -= page; break;
    case REQUEST_PAGE_DOWN: t->selected += page; break;
    case REQUEST_FIRST: t->selected = 0; break;
    case REQUEST_LAST: t->selected = t->count - 1; break;
    case REQUEST_SAVE: ui_prompt(ui, "save the instruction as template: ", "", save_done); break;
    case REQUEST_ENTER:
    case REQUEST_OPEN:
    case REQUEST_SWEEP:
    case REQUEST_DRAW:
        if (!e)
            break;
        if (*e->fault)
            ui_say(ui, ROLE_ERROR, "%s", e->fault);
        else if (request == REQUEST_DRAW)
            draw_template(ui, e);
        else if (request == REQUEST_SWEEP)
            templates_open_sweep(ui, e);
        else
            use_template(ui, e);
        break;
    case REQUEST_FILTER:
        ui_prompt_live(ui, "/", t->filter, filter_changed, filter_changed);
        break;
    case REQUEST_BACK:
        if (!*t->filter)
            return false;
        filter_changed(ui, "");
        break;
    default: return templates_own_request(ui, request, e ? e->path : NULL);
    }
    t->selected = MAX(0, MIN(t->selected, t->count - 1));
    return true;
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct templates *t = templates_of(ui);
    int row = t->top + y - t->list.y;
    if (turn) {
        on_request(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        return;
    }
    if (!draw_contains(&t->list, y, x) || row >= t->count)
        return;
    t->selected = row;
    if (double_click)
        on_request(ui, REQUEST_ENTER);
}

static const enum request hints[] = {REQUEST_DRAW,  REQUEST_ENTER, REQUEST_SWEEP, REQUEST_FILTER,
                                     REQUEST_NEW, REQUEST_EDITOR, REQUEST_DUPLICATE,
                                     REQUEST_SAVE, REQUEST_RENAME, REQUEST_REMOVE,
                                     REQUEST_BACK,  REQUEST_HELP,  REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_ENTER, "fill in"},
    {REQUEST_EDITOR, "edit"},
    {REQUEST_DUPLICATE, "copy"},
    {REQUEST_SAVE, "save yours"},
    {REQUEST_NONE, NULL},
};

const struct view view_templates = {
    .name = "templates",
    .title = "begin with a template, or sweep over its variables",
    .state_size = sizeof(struct templates),
    .open = open_templates,
    .close = close_templates,
    .draw = templates_draw,
    .request = on_request,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
};
