// SPDX-License-Identifier: MIT
// Sweeps over the variables of a template and over parameters: their form, and their jobs.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/job/sweep.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/templates.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

static const char *
axis_id(int axis, bool values, char id[80])
{
    snprintf(id, 80, "%s:%d", values ? "values" : "axis", axis);
    return id;
}

// Starts the jobs once the pictures of all cells have been read.
static void
begin_sweep(struct ui *ui, struct reading *r)
{
    struct tasks *tasks = tasks_of(ui);
    int started = 0;
    if (r->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
        return;
    }
    if (!reading_closes_form(ui, r))
        return;
    while (started < r->count && task_start(ui, &r->jobs[started], r->sweeps[started]))
        started++;
    if (started < r->count)
        return; // no room for more, which was reported
    tasks->shown = tasks->count - 1;
    for (int i = tasks->count - 1; i >= 0 && tasks->items[i]->sweep == tasks->sweeps; i--)
        tasks->shown = i;
    ui_open_view(ui, VIEW_LIVE);
    ui_say(ui, ROLE_GOOD, "%d pictures; their sheet is written when the last one is done",
           started);
}

static bool
start_sweep(struct ui *ui, struct form *f, const struct template_entry *e, struct err *err)
{
    struct session *session = session_of(ui);
    struct sweep s = {0};
    struct template t = {0};
    bool ok = templates_bind(f, e, &t, err);
    const char *lots = form_value(f, "random");
    for (int i = 0; ok && i < LIMIT_SWEEP_AXES; i++) {
        char id[80];
        const char *name = form_value(f, axis_id(i, false, id));
        if (ok && strcmp(name, "nothing") != 0)
            ok = sweep_add(&s, &t, name, form_value(f, axis_id(i, true, id)), err) ||
                 (form_select(f, id), false);
    }
    // The same seed for all, so that only the swept values differ.
    struct job seed = JOB_EMPTY;
    seed.seed = session->job.seed;
    job_resolve(&seed);
    ok = ok && (sweep_cells(&s) > 0 || err_set(err, ERR_INPUT, "choose what to sweep over"));
    if (ok && *lots)
        ok = sweep_sample(&s, atoi(lots), seed.seed, err);
    ok = ok && sweep_fits(&s, err);
    struct jv *kept = jv_object(); // what each job keeps about the sweep
    jv_set(kept, "columns", jv_from_integer(ok ? sweep_columns(&s) : 1));
    jv_set(kept, "about", sweep_json(&s, &t, &seed));
    struct reading *r = reading_new(ok ? sweep_cells(&s) : 0, begin_sweep);
    r->form = f->serial;
    for (int i = 0; ok && i < r->count; i++) {
        struct job *j = &r->jobs[i];
        char *label = NULL;
        ok = sweep_job(&s, &t, NULL, i, j, &label, err);
        if (ok) {
            if (e == &templates_own_of(ui)->composed)
                templates_complete(ui, j);
            if (j->seed < 0)
                j->seed = seed.seed;
            j->count = 1;
            job_resolve(j);
            if (i == 0)
                jv_set(kept, "id", jv_from_string(j->id));
            jv_set(kept, "label", jv_from_string(label));
            r->sweeps[i] = jv_copy(kept);
        }
        free(label);
    }
    if (ok)
        reading_put(ui, r);
    else
        r->work.release(&r->work);
    jv_free(kept);
    template_finish(&t);
    sweep_finish(&s);
    return ok;
}

static bool
sweep_done(struct ui *ui, struct form *f, bool accepted)
{
    struct template_entry *e = templates_swept(ui);
    struct err err = {0};
    if (!accepted || !e)
        return true;
    if (!start_sweep(ui, f, e, &err))
        ui_say(ui, ROLE_ERROR, "%s", *err.text ? err.text : ui_message(ui));
    return false; // the form closes once the pictures have been read
}

// Says how many pictures the sweep has, and how long they take at the pace of the last one.
static void
show_count(struct ui *ui, const struct form *f, const struct template_entry *e)
{
    struct sweep s = {0};
    int samples = atoi(form_typed_value(f, "random")), n;
    bool ok = true;
    for (int i = 0; ok && i < LIMIT_SWEEP_AXES; i++) {
        char id[80];
        const char *name = form_value(f, axis_id(i, false, id));
        const char *values = form_typed_value(f, axis_id(i, true, id));
        if (strcmp(name, "nothing") != 0) // a file of values is not read yet
            ok = *values != '@' && sweep_add(&s, &e->template, name, values, NULL);
    }
    n = ok ? sweep_cells(&s) : 0;
    n = samples > 0 ? MIN(samples, n) : n;
    double seconds = n * tasks_seconds_each(ui);
    if (n > 0 && seconds > 0)
        ui_say(ui, ROLE_STATUS, "%d %s, about %.0f s", n, n == 1 ? "picture" : "pictures", seconds);
    else if (n > 0)
        ui_say(ui, ROLE_STATUS, "%d %s", n, n == 1 ? "picture" : "pictures");
    else // no longer as many as it said
        ui_say(ui, ROLE_STATUS, "%s", "");
    sweep_finish(&s);
}

// Fills in likely values for the axis that was set.
static void
suggest_values(struct form *f, int field, const struct template *t)
{
    const char *name = f->fields[field].value;
    const struct template_variable *v = NULL;
    for (int i = 0; i < t->variable_count; i++)
        if (strcmp(t->variables[i].name, name) == 0)
            v = &t->variables[i];
    free(f->fields[field + 1].value);
    f->fields[field + 1].value = mem_strdup(v && v->choice_count         ? "*"
                                            : v && v->value              ? v->value
                                            : strcmp(name, "seed") == 0  ? "1..4"
                                            : strcmp(name, "steps") == 0 ? "5, 10, 20, 40"
                                            : strcmp(name, "scale") == 0 ? "1..4"
                                                                         : "");
}

static void
sweep_changed(struct ui *ui, struct form *f, int field)
{
    const struct template_entry *e = templates_swept(ui);
    if (e && strncmp(f->fields[field].id, "axis:", 5) == 0)
        suggest_values(f, field, &e->template);
    if (e)
        show_count(ui, f, e);
}

static void
sweep_typed(struct ui *ui, struct form *f)
{
    const struct template_entry *e = templates_swept(ui);
    if (e)
        show_count(ui, f, e);
}

void
templates_open_sweep(struct ui *ui, const struct template_entry *e)
{
    char title[200];
    bool composed = e == &templates_own_of(ui)->composed;
    if (!composed)
        templates_free_composed(ui);
    snprintf(title, sizeof title, "sweep: %s", e->stem);
    struct form *f = form_new(title);
    const char *names[LIMIT_TEMPLATE_VARIABLES + LIMIT_CHOICE_NAMES + 2] = {"nothing"};
    int n = 1;
    for (int i = 0; i < e->template.variable_count; i++)
        names[n++] = e->template.variables[i].name;
    for (const struct parameter *p = parameters; p->name; p++)
        if (p->where & PARAMETER_SWEEP)
            names[n++] = p->name;
    for (int i = 0; i < LIMIT_SWEEP_AXES; i++) {
        char label[20], id[80];
        const struct template_sweep *own =
            i < e->template.sweep_count ? &e->template.sweeps[i] : NULL;
        const struct template_variable *first = // most likely the word just made a variable
            composed && i == 0 && e->template.variable_count ? e->template.variables : NULL;
        snprintf(label, sizeof label, "sweep over (%d)", i + 1);
        form_choices(form_add(f, FIELD_CHOICE, axis_id(i, false, id), label,
                              own     ? own->name
                              : first ? first->name
                                      : "nothing",
                              "a variable or a parameter"),
                     names);
        char *values = mem_strdup(first && first->value ? first->value : "");
        for (int k = 0; own && k < own->count; k++) {
            char *longer = mem_printf("%s%s%s", values, k ? ", " : "", own->values[k]);
            free(values);
            values = longer;
        }
        snprintf(label, sizeof label, "values (%d)", i + 1);
        form_add(f, FIELD_TEXT, axis_id(i, true, id), label, values,
                 "a, b, c   or 1..5   or * for all choices   or @FILE of lines");
        free(values);
    }
    struct form_field *lots = form_add(f, FIELD_INT, "random", "random draws", "",
                                       "how many cells, chosen at random; empty: all of them");
    lots->minimum = 1;
    lots->maximum = LIMIT_SWEEP_CELLS;
    templates_add_variables(f, &e->template);
    f->changed = sweep_changed;
    f->typed = sweep_typed;
    f->done = sweep_done;
    form_open(ui, f);
}
