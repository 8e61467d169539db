// SPDX-License-Identifier: MIT
#include "app/job/template.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/base/suggest.h"
#include "app/base/text.h"
#include "app/job/parameters.h"
#include "app/job/template_parts.h"
#include "engine/base/beneath.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

void
template_finish(struct template *t)
{
    for (int i = 0; i < t->variable_count; i++) {
        struct template_variable *v = &t->variables[i];
        for (int k = 0; k < v->choice_count; k++)
            free(v->choices[k]);
        free(v->choices);
        free(v->name);
        free(v->help);
        free(v->value);
    }
    for (int i = 0; i < t->reference_count; i++) {
        struct template_reference *r = &t->references[i];
        for (int k = 0; k < r->setting_count; k++)
            free(r->settings[k]);
        free(r->text);
        free(r->image);
        free(r->loader);
    }
    for (int i = 0; i < t->sweep_count; i++) {
        for (int k = 0; k < t->sweeps[i].count; k++)
            free(t->sweeps[i].values[k]);
        free(t->sweeps[i].values);
        free(t->sweeps[i].name);
    }
    free(t->path);
    free(t->folder);
    free(t->name);
    free(t->summary);
    free(t->text);
    job_finish(&t->parameters);
    *t = (struct template){0};
}

// The lines of a text that are neither empty nor begin with #.
static bool
split_lines(char *text, size_t size, const char *name, char ***lines, int *count, struct err *err)
{
    size_t mark = utf8_mark(text, size);
    int capacity = 0;
    char *left = NULL;
    if (!utf8_valid(text + mark, size - mark))
        return err_set(err, ERR_INPUT, "%s: not UTF-8", name);
    for (char *line = strtok_r(text + mark, "\r\n", &left); line;
         line = strtok_r(NULL, "\r\n", &left)) {
        if (*line == '#' || line[strspn(line, " \t")] == 0)
            continue;
        if (*count == LIMIT_LIST_LINES)
            return err_set(err, ERR_INPUT, "%s has more than %d lines", name, LIMIT_LIST_LINES);
        ARRAY_PUSH(*lines, *count, capacity, mem_strdup(line));
    }
    return *count || err_set(err, ERR_INPUT, "%s has no lines", name);
}

bool
template_lines(const struct template *t, const char *name, char ***lines, int *count,
               struct err *err)
{
    size_t size = 0;
    char *text = t ? beneath_read(t->folder, name, LIMIT_LIST_BYTES, &size, err)
                   : file_read(name, LIMIT_LIST_BYTES, &size, err);
    bool ok = text && split_lines(text, size, name, lines, count, err);
    free(text);
    return ok;
}

// The choice that was meant: "fluent-3d" and "Fluent 3D" are "fluent 3d" where nothing else is.
static const char *
match_choice(const struct template_variable *v, const char *value)
{
    const char *match = value;
    for (int i = 0; v->type == VARIABLE_CHOICE && i < v->choice_count; i++) {
        if (strcmp(v->choices[i], value) == 0)
            return value;
        size_t n = text_begins_with(value, v->choices[i]);
        if (n > 0 && !value[n])
            match = v->choices[i];
    }
    return match;
}

bool
template_set(struct template *t, const char *name, const char *value, struct err *err)
{
    char why[300] = "";
    struct template_variable *v =
        (struct template_variable *)(uintptr_t)template_find_variable(t, name);
    if (!v) {
        const char *names[LIMIT_TEMPLATE_VARIABLES + 1] = {0};
        for (int i = 0; i < t->variable_count; i++)
            names[i] = t->variables[i].name;
        const char *near = suggest(name, names);
        return err_set(err, ERR_INPUT, "%s has no variable '%.40s'%s%s%s", t->path, name,
                       near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    value = match_choice(v, value);
    if (!template_check_value(v, value, why, sizeof why))
        return err_set(err, ERR_INPUT, "%s is '%.60s', %s", name, value, why);
    free(v->value);
    v->value = mem_strdup(value);
    v->typed = true;
    return true;
}

// Adds n bytes to a text of *used bytes, and a 0 after them.
static bool
add_bytes(char **out, size_t *used, const char *bytes, size_t n)
{
    if (*used + n > LIMIT_INSTRUCTION_BYTES)
        return false;
    *out = mem_realloc(*out, *used + n + 1);
    memcpy(*out + *used, bytes, n);
    *used += n;
    (*out)[*used] = 0;
    return true;
}

char *
template_fill(const struct template *t, const char *text, int line, int column, struct err *err)
{
    size_t at = 0, length = 0, from = 0, used = 0;
    char name[32], fault[300], *out = mem_zalloc(1);
    bool fits = true;
    *fault = 0;
    while (fits && template_next_variable(text, from, &at, &length, name, fault, sizeof fault)) {
        const struct template_variable *v = template_find_variable(t, name);
        if (!v || !v->value) {
            snprintf(fault, sizeof fault, "the variable %s has no value: give one with --set %s=…",
                     name, name);
            break;
        }
        fits = add_bytes(&out, &used, text + from, at - from) &&
               add_bytes(&out, &used, v->value, strlen(v->value));
        from = at + length;
    }
    if (!*fault && !(fits && add_bytes(&out, &used, text + from, strlen(text + from))))
        snprintf(fault, sizeof fault, "with its variables filled in this has over %d bytes",
                 LIMIT_INSTRUCTION_BYTES);
    if (!*fault)
        return out;
    template_error_at(t, line, column, err, fault);
    free(out);
    return NULL;
}

// The variable that is the whole of the reference's image; NULL: it is more than a variable, or
// none.
static const struct template_variable *
image_variable(const struct template *t, const struct template_reference *r)
{
    size_t at, length;
    char name[32], fault[300];
    bool found = template_next_variable(r->image, 0, &at, &length, name, fault, sizeof fault);
    return found && at == 0 && !r->image[length] ? template_find_variable(t, name) : NULL;
}

bool
template_image_typed(const struct template *t, const struct template_reference *r)
{
    const struct template_variable *v = image_variable(t, r);
    return r->typed || (v && v->typed);
}

// The error says what to write on the command line to use the file anyway.
static bool
name_failed(const struct template *t, const struct template_reference *r, const char *name,
            struct err *fault, struct err *err)
{
    const struct template_variable *v = image_variable(t, r);
    char *option = v ? mem_printf("--set %s", v->name) : mem_printf("--ref %d", r->marker);
    err_set(err, ERR_INPUT, "%s:%d:%d: %.500s; to use it anyway: %s=%.300s", t->path, r->line,
            r->column, fault->text, option, name);
    free(option);
    return false;
}

char *
template_image(const struct template *t, const struct template_reference *r, struct err *err)
{
    char *path = template_fill(t, r->image, r->line, r->column, err), *full;
    struct err fault = {0};
    if (!path)
        return NULL;
    full = template_image_typed(t, r) ? mem_strdup(path) : beneath_path(t->folder, path, &fault);
    if (!full)
        name_failed(t, r, path, &fault, err);
    free(path);
    if (full && !file_exists(full)) {
        err_set(err, ERR_INPUT, "%s:%d:%d: there is no picture %s", t->path, r->line, r->column,
                full);
        free(full);
        return NULL;
    }
    return full;
}

// --- finding

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void
template_each(bool (*each)(const char *path, void *ctx), void *ctx)
{
    char **places = places_of("templates");
    bool more = true;
    for (int i = 0; places[i] && more; i++) {
        DIR *d = opendir(places[i]);
        char **names = NULL;
        int count = 0, capacity = 0;
        for (struct dirent *e; d && (e = readdir(d));) {
            size_t n = strlen(e->d_name);
            if (n <= 5 || strcmp(e->d_name + n - 5, ".yaml") != 0)
                continue;
            char *path = file_join(places[i], e->d_name);
            ARRAY_PUSH(names, count, capacity, path);
        }
        if (d)
            closedir(d);
        if (count)
            qsort(names, (size_t)count, sizeof *names, by_text);
        for (int k = 0; k < count; k++) {
            more = more && each(names[k], ctx);
            free(names[k]);
        }
        free(names);
    }
    places_free(places);
}

struct search {
    const char *name;
    char *found;
    char *stems[256];
    int count;
};

// "a/b/edge.yaml" -> "edge"; freed with free().
char *
template_stem(const char *path)
{
    const char *stem = file_basename(path);
    size_t n = strlen(stem);
    return mem_strndup(stem, n > 5 ? n - 5 : n);
}

static bool
match_stem(const char *path, void *ctx)
{
    struct search *s = ctx;
    char *stem = template_stem(path);
    if (strcmp(stem, s->name) == 0)
        s->found = mem_strdup(path);
    if (s->count < 255)
        s->stems[s->count++] = stem;
    else
        free(stem);
    return !s->found;
}

char *
template_locate(const char *name, struct err *err)
{
    struct search s = {.name = name};
    size_t n = strlen(name);
    bool is_path = strchr(name, '/') || (n > 5 && strcmp(name + n - 5, ".yaml") == 0);
    if (is_path || (file_exists(name) && n > 4 && strcmp(name + n - 4, ".yml") == 0))
        return mem_strdup(name);
    template_each(match_stem, &s);
    if (!s.found) {
        const char *near = suggest(name, (const char *const *)s.stems);
        bool here = !near && *name && file_exists(name);
        err_set(err, ERR_INPUT, "there is no template '%.60s'%s%s%s (%s%s)", name,
                near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "",
                here ? "for the file in the current folder: ./" : "see: limn templates",
                here ? name : "");
    }
    for (int i = 0; i < s.count; i++)
        free(s.stems[i]);
    return s.found;
}
