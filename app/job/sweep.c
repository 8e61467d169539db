// SPDX-License-Identifier: MIT
#include "app/job/sweep.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/suggest.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"

static void
free_axis(struct sweep_axis *a)
{
    for (int i = 0; i < a->count; i++)
        free(a->values[i]);
    free(a->values);
    free(a->name);
    *a = (struct sweep_axis){0};
}

void
sweep_finish(struct sweep *s)
{
    for (int i = 0; i < s->axis_count; i++)
        free_axis(&s->axes[i]);
    *s = (struct sweep){0};
}

static const struct template_variable *
variable(const struct template *t, const char *name)
{
    for (int i = 0; t && i < t->variable_count; i++)
        if (strcmp(t->variables[i].name, name) == 0)
            return &t->variables[i];
    return NULL;
}

static bool
push(struct sweep_axis *a, int *capacity, char *value, struct err *err)
{
    if (a->count == LIMIT_SWEEP_CELLS) {
        free(value);
        return err_set(err, ERR_INPUT, "%s has more than %d values", a->name, LIMIT_SWEEP_CELLS);
    }
    ARRAY_PUSH(a->values, a->count, *capacity, value);
    return true;
}

// "1..5", "0..1:0.25"; false without error: it is no range.
static bool
add_range(struct sweep_axis *a, int *capacity, const char *text, struct err *err)
{
    double first, last, step = 0;
    int n = 0;
    char *end, begin[32];
    const char *dots = strstr(text, "..");
    if (!dots || dots - text >= (int)sizeof begin)
        return false;
    snprintf(begin, sizeof begin, "%.*s", (int)(dots - text),
             text); // "1..5" would be read as "1." and ".5"
    first = strtod(begin, &end);
    if (end == begin || *end)
        return false;
    const char *from = dots + 2;
    last = strtod(from, &end);
    if (end == from)
        return false;
    if (*end == ':') {
        from = end + 1;
        step = strtod(from, &end);
        if (end == from)
            return false;
    } else {
        step = last < first ? -1 : 1;
    }
    if (*end || !isfinite(first) || !isfinite(last))
        return false;
    if (step == 0 || !isfinite(step) || (last - first) / step < 0 ||
        (last - first) / step > LIMIT_SWEEP_CELLS)
        return err_set(err, ERR_INPUT, "%s is '%.40s': from the first to the last in 1 to %d steps",
                       a->name, text, LIMIT_SWEEP_CELLS);
    for (double v = first; (step > 0 ? v <= last + 1e-9 : v >= last - 1e-9); v = first + ++n * step)
        if (!push(a, capacity, mem_printf("%.10g", v), err))
            return false;
    return true;
}

static bool
add_words(struct sweep_axis *a, int *capacity, const char *text, struct err *err)
{
    bool ok = true;
    while (ok && *text) {
        size_t n = strcspn(text, ",");
        const char *first = text + strspn(text, " "), *last = text + n;
        while (last > first && last[-1] == ' ')
            last--;
        if (last > first)
            ok = push(a, capacity, mem_strndup(first, (size_t)(last - first)), err);
        text += n + (text[n] == ',');
    }
    return ok;
}

static bool
expand(struct sweep_axis *a, const struct template *t, const char *text, struct err *err)
{
    const struct template_variable *v = variable(t, a->name);
    struct err own = {0};
    int capacity = 0;
    bool ok = true;
    if (strcmp(text, "*") == 0) {
        if (!v || !v->choice_count)
            return err_set(err, ERR_INPUT, "%s has no choices that * could stand for", a->name);
        for (int i = 0; ok && i < v->choice_count; i++)
            ok = push(a, &capacity, mem_strdup(v->choices[i]), err);
        return ok;
    }
    if (text[0] == '@')
        return template_lines(text + 1, &a->values, &a->count, err);
    if (add_range(a, &capacity, text, &own))
        return true;
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return add_words(a, &capacity, text, err);
}

static bool
begin_axis(struct sweep *s, const struct template *t, const char *name, struct err *err)
{
    if (!variable(t, name) && !job_has_parameter(name)) {
        const char *names[LIMIT_TEMPLATE_VARIABLES + 5] = {0};
        int n = 0;
        for (int i = 0; t && i < t->variable_count; i++)
            names[n++] = t->variables[i].name;
        for (int i = 0; job_parameters[i]; i++)
            names[n++] = job_parameters[i];
        const char *near = suggest(name, names);
        return err_set(err, ERR_INPUT, "'%.40s' cannot be swept over%s%s%s", name,
                       near ? ", did you mean '" : t ? ": it is no variable of the template" : "",
                       near ? near : "", near ? "'?" : "");
    }
    for (int i = 0; i < s->axis_count; i++)
        if (strcmp(s->axes[i].name, name) == 0)
            return err_set(err, ERR_INPUT, "%s is swept over twice", name);
    if (s->axis_count == LIMIT_SWEEP_AXES)
        return err_set(err, ERR_INPUT, "more than %d things to sweep over", LIMIT_SWEEP_AXES);
    s->axes[s->axis_count++] = (struct sweep_axis){.name = mem_strdup(name)};
    return true;
}

static bool
end_axis(struct sweep *s, struct err *err)
{
    struct sweep_axis *a = &s->axes[s->axis_count - 1];
    if (!a->count)
        return err_set(err, ERR_INPUT, "%s has no values to sweep over", a->name);
    int64_t cells = 1;
    for (int i = 0; i < s->axis_count; i++)
        cells *= s->axes[i].count;
    return cells <= LIMIT_SWEEP_CELLS ||
           err_set(err, ERR_INPUT,
                   "the sweep has %lld pictures, it may have %d: give fewer values, or --random N",
                   (long long)cells, LIMIT_SWEEP_CELLS);
}

bool
sweep_add(struct sweep *s, const struct template *t, const char *name, const char *values,
          struct err *err)
{
    return begin_axis(s, t, name, err) && expand(&s->axes[s->axis_count - 1], t, values, err) &&
           end_axis(s, err);
}

static bool
has(const struct sweep *s, const char *const *fixed, const char *name)
{
    for (int i = 0; i < s->axis_count; i++)
        if (strcmp(s->axes[i].name, name) == 0)
            return true;
    for (int i = 0; fixed && fixed[i]; i++)
        if (strcmp(fixed[i], name) == 0)
            return true;
    return false;
}

static bool
add_own(struct sweep *s, const struct template *t, const struct template_sweep *own,
        struct err *err)
{
    if (!begin_axis(s, t, own->name, err))
        return false;
    struct sweep_axis *a = &s->axes[s->axis_count - 1];
    int capacity = 0;
    bool ok = true;
    for (int i = 0; ok && own->list && i < own->count; i++)
        ok = push(a, &capacity, mem_strdup(own->values[i]), err);
    if (!own->list) {
        // A file's name is relative to the template.
        const char *text = own->values[0];
        char *path = text[0] == '@' && text[1] != '/' && *t->folder
                         ? mem_printf("@%s/%s", t->folder, text + 1)
                         : mem_strdup(text);
        ok = expand(a, t, path, err);
        free(path);
    }
    return ok && end_axis(s, err);
}

bool
sweep_add_own(struct sweep *s, const struct template *t, const char *const *fixed, struct err *err)
{
    for (int i = 0; i < t->sweep_count; i++) {
        const struct template_sweep *own = &t->sweeps[i];
        struct err fault = {0};
        if (!has(s, fixed, own->name) && !add_own(s, t, own, &fault))
            return err_set(err, fault.code, "%s:%d:%d: %s", t->path, own->line, own->column,
                           fault.text);
    }
    return true;
}

static int
grid_cells(const struct sweep *s)
{
    int cells = s->axis_count > 0;
    for (int i = 0; i < s->axis_count; i++)
        cells *= s->axes[i].count;
    return cells;
}

bool
sweep_draw_lots(struct sweep *s, int count, int64_t seed, struct err *err)
{
    int cells = grid_cells(s), order[LIMIT_SWEEP_CELLS];
    struct rng rng;
    if (!cells)
        return err_set(err, ERR_INPUT,
                       "there is nothing to draw lots from: name what varies with --sweep");
    if (count < 1 || count > LIMIT_SWEEP_CELLS)
        return err_set(err, ERR_INPUT, "%d random pictures were asked for, there may be 1 to %d",
                       count, LIMIT_SWEEP_CELLS);
    rng_init(&rng, (uint64_t)seed, RNG_STREAM_DATA);
    for (int i = 0; i < count; i++) {
        // A shuffled deck, and another one when it is used up.
        if (i % cells == 0)
            for (int k = 0; k < cells; k++)
                order[k] = k;
        int at = i % cells, other = at + (int)rng_below(&rng, (uint64_t)(cells - at));
        int cell = order[other];
        order[other] = order[at];
        order[at] = cell;
        s->picks[i] = cell;
    }
    s->pick_count = count;
    return true;
}

int
sweep_cells(const struct sweep *s)
{
    return s->pick_count ? s->pick_count : grid_cells(s);
}

int
sweep_columns(const struct sweep *s)
{
    int cells = sweep_cells(s);
    if (s->pick_count || s->axis_count < 2)
        return MAX(1, cells <= 6 ? cells : (int)ceil(sqrt((double)cells)));
    return s->axes[s->axis_count - 1].count;
}

bool
sweep_job(const struct sweep *s, struct template *t, const struct job *base, int cell,
          struct job *j, char **label, struct err *err)
{
    int grid = s->pick_count ? s->picks[cell] : cell, index[LIMIT_SWEEP_AXES] = {0};
    bool ok = true;
    for (int i = s->axis_count - 1; i >= 0; i--) {
        index[i] = grid % s->axes[i].count;
        grid /= s->axes[i].count;
    }
    *j = JOB_EMPTY;
    *label = mem_strdup("");
    for (int i = 0; ok && i < s->axis_count; i++) {
        const struct sweep_axis *a = &s->axes[i];
        if (variable(t, a->name))
            ok = template_set(t, a->name, a->values[index[i]], err);
        char *longer = mem_printf("%s%s%s=%s", *label, i ? " " : "", a->name, a->values[index[i]]);
        free(*label);
        *label = longer;
    }
    if (ok && t)
        ok = job_from_template(j, t, err);
    else if (ok)
        job_copy(j, base);
    for (int i = 0; ok && i < s->axis_count; i++)
        if (!variable(t, s->axes[i].name))
            ok = job_set_parameter(j, s->axes[i].name, s->axes[i].values[index[i]], err);
    return ok;
}

struct jv *
sweep_json(const struct sweep *s, const struct template *t, const struct job *base)
{
    struct jv *out = jv_object(), *axes = jv_array();
    const char *text = t ? t->text : base->instruction;
    jv_set(out, "instruction", jv_from_string(text ? text : ""));
    for (int i = 0; i < s->axis_count; i++) {
        struct jv *axis = jv_object(), *values = jv_array();
        for (int k = 0; k < s->axes[i].count; k++)
            jv_append(values, jv_from_string(s->axes[i].values[k]));
        jv_set(axis, "name", jv_from_string(s->axes[i].name));
        jv_set(axis, "values", values);
        jv_append(axes, axis);
    }
    jv_set(out, "axes", axes);
    if (s->pick_count)
        jv_set(out, "lots", jv_from_integer(s->pick_count));
    return out;
}
