// SPDX-License-Identifier: MIT
#include "app/job/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/suggest.h"
#include "app/job/parameters.h"
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

// The parameter of that name, if it can be swept over.
static const struct parameter *
swept_parameter(const char *name)
{
    const struct parameter *p = parameter_find(name);
    return p && p->where & PARAMETER_SWEEP ? p : NULL;
}

static bool
push(struct sweep_axis *a, int *capacity, char *value, struct err *err)
{
    if (a->count == LIMIT_LIST_LINES) {
        free(value);
        return err_set(err, ERR_INPUT, "%s has more than %d values", a->name, LIMIT_LIST_LINES);
    }
    ARRAY_PUSH(a->values, a->count, *capacity, value);
    return true;
}

// A range as written: FIRST..LAST or FIRST..LAST:STEP.
struct range {
    char first[32], last[32], step[32]; // step "": 1, or -1 downwards
};

// False: it is not a range.
static bool
split_range(const char *text, struct range *r)
{
    const char *dots = strstr(text, ".."), *last = dots ? dots + 2 : "";
    size_t n = strcspn(last, ":");
    if (!dots || dots - text >= (int)sizeof r->first || n >= sizeof r->last ||
        strlen(last + n) > sizeof r->step || strcmp(last + n, ":") == 0)
        return false;
    snprintf(r->first, sizeof r->first, "%.*s", (int)(dots - text), text);
    snprintf(r->last, sizeof r->last, "%.*s", (int)n, last);
    snprintf(r->step, sizeof r->step, "%s", last[n] ? last + n + 1 : "");
    return true;
}

static bool
whole_number(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return *text && !*end && !errno && v > -((int64_t)1 << 62) && v < (int64_t)1 << 62;
}

static bool
real_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return *text && !*end && isfinite(*out);
}

static bool
steps_fit(const struct sweep_axis *a, const char *text, double steps, struct err *err)
{
    return (steps >= 0 && steps < LIMIT_LIST_LINES) ||
           err_set(err, ERR_INPUT, "%s is '%.40s': from the first to the last in 1 to %d steps",
                   a->name, text, LIMIT_LIST_LINES);
}

// Whole numbers stay exact.
static bool
add_whole_range(struct sweep_axis *a, int *capacity, const char *text, int64_t first, int64_t last,
                int64_t step, struct err *err)
{
    int64_t count = step ? (last - first) / step : -1;
    bool ok =
        steps_fit(a, text, step && (last - first) / (double)step >= 0 ? (double)count : -1, err);
    for (int64_t i = 0; ok && i <= count; i++)
        ok = push(a, capacity, mem_printf("%" PRId64, first + i * step), err);
    return ok;
}

// "1..5", "0..1:0.25"; false without error: it is not a range.
static bool
add_range(struct sweep_axis *a, int *capacity, const char *text, struct err *err)
{
    struct range r;
    double first, last, step = 0;
    int64_t from, to, by = 0;
    if (!split_range(text, &r))
        return false;
    if (whole_number(r.first, &from) && whole_number(r.last, &to) &&
        (!*r.step || whole_number(r.step, &by)))
        return add_whole_range(a, capacity, text, from, to, *r.step ? by : to < from ? -1 : 1, err);
    if (!real_number(r.first, &first) || !real_number(r.last, &last) ||
        (*r.step && !real_number(r.step, &step)))
        return false;
    if (!*r.step)
        step = last < first ? -1 : 1;
    bool ok = steps_fit(a, text, step != 0 ? (last - first) / step : -1, err);
    double v = first;
    for (int n = 0; ok && (step > 0 ? v <= last + 1e-9 : v >= last - 1e-9); v = first + ++n * step)
        ok = push(a, capacity, mem_printf("%.10g", v), err);
    return ok;
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

// `own_words`: they are the template's, not typed by a person.
static bool
expand(struct sweep_axis *a, const struct template *t, const char *text, bool own_words,
       struct err *err)
{
    const struct template_variable *v = variable(t, a->name);
    struct err own = {0};
    int capacity = 0;
    bool ok = true;
    if (strcmp(text, "*") == 0) {
        const char *names[LIMIT_CHOICE_NAMES + 1];
        int count = v ? 0 : value_names(&swept_parameter(a->name)->type, names);
        for (int i = 0; ok && v && i < v->choice_count; i++)
            ok = push(a, &capacity, mem_strdup(v->choices[i]), err);
        for (int i = 0; ok && i < count; i++)
            ok = push(a, &capacity, mem_strdup(names[i]), err);
        return ok && (a->count ||
                      err_set(err, ERR_INPUT, "%s has no choices that * could stand for", a->name));
    }
    if (text[0] == '@')
        return template_lines(own_words ? t : NULL, text + 1, &a->values, &a->count, err);
    if (add_range(a, &capacity, text, &own))
        return true;
    if (own.code != ERR_NONE)
        return err_set(err, own.code, "%s", own.text);
    return add_words(a, &capacity, text, err);
}

static bool
begin_axis(struct sweep *s, const struct template *t, const char *name, struct err *err)
{
    if (!variable(t, name) && !swept_parameter(name)) {
        const char *names[LIMIT_TEMPLATE_VARIABLES + LIMIT_CHOICE_NAMES + 1] = {0};
        int n = 0;
        for (int i = 0; t && i < t->variable_count; i++)
            names[n++] = t->variables[i].name;
        for (const struct parameter *p = parameters; p->name; p++)
            if (p->where & PARAMETER_SWEEP)
                names[n++] = p->name;
        const char *near = suggest(name, names);
        return err_set(err, ERR_INPUT, "'%.40s' cannot be swept over%s%s%s", name,
                       near ? ", did you mean '"
                       : t  ? ": it is not a variable of the template"
                            : "",
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

// Checks the values now, not when they are drawn.
static bool
end_axis(struct sweep *s, const struct template *t, struct err *err)
{
    const struct sweep_axis *a = &s->axes[s->axis_count - 1];
    struct job scratch = JOB_EMPTY;
    bool ok = a->count || err_set(err, ERR_INPUT, "%s has no values to sweep over", a->name);
    for (int i = 0; ok && i < a->count && !variable(t, a->name); i++)
        ok = parameter_read(swept_parameter(a->name), &scratch, a->name, a->values[i], err);
    job_finish(&scratch);
    return ok;
}

static int64_t
grid_cells(const struct sweep *s)
{
    int64_t cells = s->axis_count > 0;
    for (int i = 0; i < s->axis_count; i++)
        cells *= s->axes[i].count;
    return cells;
}

bool
sweep_fits(const struct sweep *s, struct err *err)
{
    int64_t cells = s->pick_count ? s->pick_count : grid_cells(s);
    return cells <= LIMIT_SWEEP_CELLS ||
           err_set(err, ERR_INPUT,
                   "the sweep has %lld pictures, it may have %d: give fewer values, or --random N",
                   (long long)cells, LIMIT_SWEEP_CELLS);
}

bool
sweep_add(struct sweep *s, const struct template *t, const char *name, const char *values,
          struct err *err)
{
    return begin_axis(s, t, name, err) &&
           expand(&s->axes[s->axis_count - 1], t, values, false, err) && end_axis(s, t, err);
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

// A template must not name folders of this machine.
static bool
check_own(const struct sweep_axis *a, struct err *err)
{
    bool loras = strcmp(a->name, "lora") == 0, ok = true;
    for (int i = 0; loras && ok && i < a->count; i++)
        ok = !strchr(a->values[i], '/') ||
             err_set(err, ERR_INPUT, "a template names LoRAs without a folder: they belong in "
                     "limn's own folder loras");
    return ok;
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
    if (!own->list)
        ok = expand(a, t, own->values[0], true, err);
    return ok && (variable(t, a->name) || check_own(a, err)) && end_axis(s, t, err);
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

// The few places where a shuffled deck differs from the sorted one: a whole one may be larger than
// memory.
struct swap {
    int64_t at, cell;
};

static int64_t
shuffled_at(const struct swap *swaps, int count, int64_t at)
{
    for (int i = count - 1; i >= 0; i--)
        if (swaps[i].at == at)
            return swaps[i].cell;
    return at;
}

bool
sweep_sample(struct sweep *s, int count, int64_t seed, struct err *err)
{
    int64_t cells = grid_cells(s);
    struct swap swaps[LIMIT_SWEEP_CELLS];
    int swap_count = 0;
    struct rng rng;
    if (!cells)
        return err_set(err, ERR_INPUT,
                       "--random has nothing to choose from: say with --sweep what varies");
    if (count < 1 || count > LIMIT_SWEEP_CELLS)
        return err_set(err, ERR_INPUT, "%d random pictures were asked for; 1 to %d are allowed",
                       count, LIMIT_SWEEP_CELLS);
    rng_init(&rng, (uint64_t)seed, RNG_STREAM_DATA);
    for (int i = 0; i < count; i++) {
        // A shuffled deck, and another one when it is used up.
        int64_t at = i % cells, other = at + (int64_t)rng_below(&rng, (uint64_t)(cells - at));
        if (at == 0)
            swap_count = 0;
        s->picks[i] = shuffled_at(swaps, swap_count, other);
        swaps[swap_count++] = (struct swap){other, shuffled_at(swaps, swap_count, at)};
    }
    s->pick_count = count;
    return true;
}

int
sweep_cells(const struct sweep *s)
{
    return s->pick_count ? s->pick_count : (int)MIN(grid_cells(s), LIMIT_SWEEP_CELLS);
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
    int64_t grid = s->pick_count ? s->picks[cell] : cell, index[LIMIT_SWEEP_AXES] = {0};
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
        ok = template_job(t, j, err);
    else if (ok)
        job_copy(j, base);
    for (int i = 0; ok && i < s->axis_count; i++)
        if (!variable(t, s->axes[i].name))
            ok = parameter_read(swept_parameter(s->axes[i].name), j, s->axes[i].name,
                                s->axes[i].values[index[i]], err);
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
