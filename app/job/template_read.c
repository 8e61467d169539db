// SPDX-License-Identifier: MIT
// Reads a template: checks every key and value, and says where in the file one is wrong.
#include <stdio.h>
#include <string.h>

#include "app/base/suggest.h"
#include "app/job/parameters.h"
#include "app/job/template_parts.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static bool
check_keys(const struct yaml *map, const char *file, const char *what, const char *const *known,
           struct err *err)
{
    if (map->kind != YAML_MAP)
        return yaml_tree_error(map, file, err, "%s must be a list of KEY: VALUE", what);
    for (int i = 0; i < map->count; i++) {
        const char *key = map->children[i].key;
        bool found = false;
        for (int k = 0; known[k]; k++)
            found |= strcmp(key, known[k]) == 0;
        if (found)
            continue;
        const char *near = suggest(key, known);
        return yaml_tree_error(&map->children[i], file, err, "%s has no key '%.40s'%s%s%s", what,
                               key, near ? ", did you mean '" : "", near ? near : "",
                               near ? "'?" : "");
    }
    return true;
}

// A text in *out (NULL if the key is absent).
static bool
read_text(const struct yaml *map, const char *key, const char *file, char **out, struct err *err)
{
    const struct yaml *v = yaml_tree_get(map, key);
    *out = NULL;
    if (yaml_tree_is_null(v))
        return true;
    if (v->kind != YAML_SCALAR)
        return yaml_tree_error(v, file, err, "%s must be a text", key);
    if (strlen(v->text) > LIMIT_INSTRUCTION_BYTES)
        return yaml_tree_error(v, file, err, "%s has %zu bytes, the limit is %d", key,
                               strlen(v->text), LIMIT_INSTRUCTION_BYTES);
    *out = mem_strdup(v->text);
    return true;
}

static bool
is_identifier(const char *name)
{
    return *name && strlen(name) < 32 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
               strlen(name);
}

static bool
read_choices(struct template_variable *v, const struct yaml *map, const char *file, struct err *err)
{
    const struct yaml *list = yaml_tree_get(map, "choices");
    if (!list)
        return true;
    if (list->kind != YAML_LIST || list->count == 0 || list->count > LIMIT_LIST_LINES)
        return yaml_tree_error(list, file, err, "choices must be a list of 1 to %d texts",
                               LIMIT_LIST_LINES);
    v->choices = mem_zalloc((size_t)list->count * sizeof *v->choices);
    for (int i = 0; i < list->count; i++) {
        if (list->children[i].kind != YAML_SCALAR)
            return yaml_tree_error(&list->children[i], file, err, "a choice must be a text");
        v->choices[v->choice_count++] = mem_strdup(list->children[i].text);
    }
    v->type = VARIABLE_CHOICE;
    return true;
}

// `file`: the choices are its lines; empty ones and those that begin with # are left out.
static bool
read_choice_file(struct template *t, struct template_variable *v, const struct yaml *map,
                 struct err *err)
{
    const struct yaml *name = yaml_tree_get(map, "file");
    struct err fault = {0};
    if (!name)
        return true;
    if (name->kind != YAML_SCALAR || yaml_tree_get(map, "choices"))
        return yaml_tree_error(name, t->path, err,
                               "file must be the name of a file, instead of choices");
    bool ok = template_lines(t, name->text, &v->choices, &v->choice_count, &fault);
    v->type = VARIABLE_CHOICE;
    return ok || yaml_tree_error(name, t->path, err, "%s", fault.text);
}

bool
template_check_value(const struct template_variable *v, const char *value, char *why, size_t size)
{
    double d = 0;
    struct yaml scalar = {.kind = YAML_SCALAR, .text = (char *)(uintptr_t)value};
    switch (v->type) {
    case VARIABLE_TEXT:
    case VARIABLE_IMAGE:
        return true;
    case VARIABLE_NUMBER:
        if (yaml_tree_number(&scalar, &d) &&
            (v->minimum > v->maximum || (d >= v->minimum && d <= v->maximum)))
            return true;
        if (v->minimum > v->maximum)
            snprintf(why, size, "but must be a number");
        else
            snprintf(why, size, "but must be a number in %g..%g", v->minimum, v->maximum);
        return false;
    case VARIABLE_CHOICE:
        for (int i = 0; i < v->choice_count; i++)
            if (strcmp(v->choices[i], value) == 0)
                return true;
        snprintf(why, size, "but must be one of:");
        for (int i = 0; i < v->choice_count && strlen(why) + 1 < size; i++) {
            size_t used = strlen(why);
            snprintf(why + used, size - used, "%s %s", i ? "," : "", v->choices[i]);
        }
        return false;
    case VARIABLE_TYPE_COUNT:
        break;
    }
    return false;
}

static bool
read_type(struct template_variable *v, const struct yaml *map, const char *file, struct err *err)
{
    static const char *const names[VARIABLE_TYPE_COUNT] = {"text", "number", "choice", "image"};
    const struct yaml *type = yaml_tree_get(map, "type");
    if (!type)
        return true;
    for (int i = 0; i < VARIABLE_TYPE_COUNT; i++)
        if (type->kind == YAML_SCALAR && strcmp(type->text, names[i]) == 0) {
            v->type = (enum variable_type)i;
            if (v->type == VARIABLE_CHOICE && !yaml_tree_get(map, "choices") &&
                !yaml_tree_get(map, "file"))
                return yaml_tree_error(type, file, err,
                                       "a choice needs its choices, or a file of them");
            return true;
        }
    return yaml_tree_error(type, file, err, "type must be text, number, choice or image");
}

static bool
read_range(struct template_variable *v, const struct yaml *map, const char *file, struct err *err)
{
    const struct yaml *range = yaml_tree_get(map, "range");
    v->minimum = 1;
    v->maximum = 0;
    if (!range)
        return true;
    if (range->kind != YAML_LIST || range->count != 2 ||
        !yaml_tree_number(&range->children[0], &v->minimum) ||
        !yaml_tree_number(&range->children[1], &v->maximum) || v->minimum > v->maximum)
        return yaml_tree_error(range, file, err, "range must be [LOWEST, HIGHEST]");
    v->type = VARIABLE_NUMBER;
    return true;
}

static bool
read_variable(struct template *t, const struct yaml *map, struct err *err)
{
    static const char *const known[] = {"type",  "default", "choices", "file",
                                        "range", "help",    NULL};
    if (t->variable_count == LIMIT_TEMPLATE_VARIABLES)
        return yaml_tree_error(map, t->path, err, "more than %d variables",
                               LIMIT_TEMPLATE_VARIABLES);
    struct template_variable *v = &t->variables[t->variable_count++];
    char why[300];
    v->name = mem_strdup(map->key);
    v->line = map->line;
    v->column = map->column;
    v->minimum = 1;
    if (!is_identifier(v->name))
        return yaml_tree_error(map, t->path, err,
                               "'%.40s' is not a name for a variable (letters, digits, _ and -)",
                               v->name);
    if (map->kind == YAML_SCALAR) { // NAME: default
        v->value = yaml_tree_is_null(map) ? NULL : mem_strdup(map->text);
        return strlen(map->text) <= LIMIT_INSTRUCTION_BYTES ||
               yaml_tree_error(map, t->path, err, "%s has %zu bytes, the limit is %d", v->name,
                               strlen(map->text), LIMIT_INSTRUCTION_BYTES);
    }
    if (!check_keys(map, t->path, "a variable", known, err) ||
        !read_type(v, map, t->path, err) || !read_choices(v, map, t->path, err) ||
        !read_choice_file(t, v, map, err) ||
        !read_range(v, map, t->path, err) || !read_text(map, "help", t->path, &v->help, err) ||
        !read_text(map, "default", t->path, &v->value, err))
        return false;
    if (v->value && !template_check_value(v, v->value, why, sizeof why))
        return yaml_tree_error(yaml_tree_get(map, "default"), t->path, err,
                               "the default of %s is '%.60s', %s", v->name, v->value, why);
    return true;
}

static bool
read_loader(struct template_reference *r, const struct yaml *v, const char *file, struct err *err)
{
    if (yaml_tree_is_null(v))
        return true;
    if (v->kind == YAML_SCALAR) {
        r->loader = mem_strdup(v->text);
        return true;
    }
    if (v->kind != YAML_MAP)
        return yaml_tree_error(v, file, err, "loader must be a name, or name and parameters");
    for (int i = 0; i < v->count; i++) {
        const struct yaml *setting = &v->children[i];
        if (setting->kind != YAML_SCALAR)
            return yaml_tree_error(setting, file, err,
                                   "a loader's parameter must be a plain value");
        if (strcmp(setting->key, "name") == 0) {
            r->loader = mem_strdup(setting->text);
        } else if (r->setting_count == LIMIT_TEMPLATE_SETTINGS) {
            return yaml_tree_error(setting, file, err, "more than %d parameters",
                                   LIMIT_TEMPLATE_SETTINGS);
        } else {
            r->settings[r->setting_count++] = mem_printf("%s=%s", setting->key, setting->text);
        }
    }
    return r->loader || yaml_tree_error(v, file, err, "a loader with parameters needs its name");
}

static bool
read_reference(struct template *t, const struct yaml *map, struct err *err)
{
    static const char *const known[] = {"text", "image", "loader", NULL};
    enum job_use use;
    int marker, same = 1;
    if (!job_read_key(map->key, &use, &marker))
        return yaml_tree_error(
            map, t->path, err,
            "'%.40s' is not the number of a reference (1 to %d, as in [ref#1]), nor "
            "start, mask or away-1 to away-%d",
            map->key, LIMIT_INSTRUCTION_MARKER, LIMIT_INSTRUCTION_MARKER);
    for (int i = 0; i < t->reference_count; i++)
        same += t->references[i].use == use;
    if (same > job_use_limit(use))
        return yaml_tree_error(map, t->path, err,
                               use == JOB_AWAY ? "more than %d pictures to steer away from"
                                               : "more than %d references", job_use_limit(use));
    struct template_reference *r = &t->references[t->reference_count++];
    r->use = use;
    r->marker = marker;
    if (!check_keys(map, t->path, "a reference", known, err) ||
        !read_text(map, "text", t->path, &r->text, err) ||
        !read_text(map, "image", t->path, &r->image, err) ||
        !read_loader(r, yaml_tree_get(map, "loader"), t->path, err))
        return false;
    const struct yaml *image = yaml_tree_get(map, "image");
    r->line = image ? image->line : map->line;
    r->column = image ? image->column : map->column;
    if (!r->image)
        return yaml_tree_error(map, t->path, err, "reference %s has no image", map->key);
    if (!r->text)
        r->text = mem_strdup("");
    return true;
}

static bool
read_parameters(struct template *t, const struct yaml *map, struct err *err)
{
    const char *known[LIMIT_CHOICE_NAMES + 1] = {0};
    int n = 0;
    if (!map)
        return true;
    for (const struct parameter *p = parameters; p->name; p++)
        if (p->where & PARAMETER_TEMPLATE)
            known[n++] = p->name;
    if (!check_keys(map, t->path, "parameters", known, err))
        return false;
    for (int i = 0; i < map->count; i++) {
        const struct yaml *v = &map->children[i];
        struct err own = {0};
        if (v->kind != YAML_SCALAR)
            return yaml_tree_error(v, t->path, err, "%s must be a plain value", v->key);
        if (!parameter_read(parameter_find(v->key), &t->parameters, v->key, v->text, &own))
            return yaml_tree_error(v, t->path, err, "%s", own.text);
        if (t->parameters.lora && strchr(t->parameters.lora, '/'))
            return yaml_tree_error(v, t->path, err, "a template names LoRAs without a folder: "
                                                    "limn looks in its own (loras)");
    }
    return true;
}

static bool
read_sweep(struct template *t, const struct yaml *map, struct err *err)
{
    if (t->sweep_count == LIMIT_SWEEP_AXES)
        return yaml_tree_error(map, t->path, err, "more than %d things to sweep over",
                               LIMIT_SWEEP_AXES);
    struct template_sweep *s = &t->sweeps[t->sweep_count++];
    s->name = mem_strdup(map->key);
    s->line = map->line;
    s->column = map->column;
    s->list = map->kind == YAML_LIST;
    int count = s->list ? map->count : 1;
    if (map->kind == YAML_MAP || count < 1 || count > LIMIT_LIST_LINES)
        return yaml_tree_error(
            map, t->path, err,
            "the values of a sweep are a list of texts, or a text like \"1..4\" or \"*\"");
    s->values = mem_zalloc((size_t)count * sizeof *s->values);
    for (int i = 0; i < count; i++) {
        const struct yaml *one = s->list ? &map->children[i] : map;
        if (one->kind != YAML_SCALAR)
            return yaml_tree_error(one, t->path, err,
                                   "a value of a sweep must be a text or a number");
        s->values[s->count++] = mem_strdup(one->text);
    }
    return true;
}

// The next {{name}} at or after `from`: its place and name. False: none, or it is malformed, and
// *fault says why.
bool
template_next_variable(const char *text, size_t from, size_t *at, size_t *length, char name[32],
              char *fault, size_t fault_size)
{
    const char *open = strstr(text + from, "{{");
    fault[0] = 0;
    if (!open)
        return false;
    const char *close = strstr(open, "}}");
    if (!close) {
        snprintf(fault, fault_size, "'%.20s' is not closed with }}", open);
        return false;
    }
    const char *first = open + 2, *last = close;
    while (first < last && *first == ' ')
        first++;
    while (last > first && last[-1] == ' ')
        last--;
    snprintf(name, 32, "%.*s", (int)MIN(last - first, 31), first);
    *at = (size_t)(open - text);
    *length = (size_t)(close + 2 - open);
    return true;
}

const struct template_variable *
template_find_variable(const struct template *t, const char *name)
{
    for (int i = 0; i < t->variable_count; i++)
        if (strcmp(t->variables[i].name, name) == 0)
            return &t->variables[i];
    return NULL;
}

bool
template_error_at(const struct template *t, int line, int column, struct err *err, const char *text)
{
    return err_set(err, ERR_INPUT, "%s:%d:%d: %s", t->path, line, column, text);
}

// Checks that every {{name}} in the text is declared, and marks it as used.
static bool
check_text(const struct template *t, const char *text, int line, int column, bool *used,
           struct err *err)
{
    size_t at = 0, length = 0;
    char name[32], fault[300];
    while (template_next_variable(text, at, &at, &length, name, fault, sizeof fault)) {
        const struct template_variable *v = template_find_variable(t, name);
        if (!v) {
            const char *names[LIMIT_TEMPLATE_VARIABLES + 1] = {0};
            for (int i = 0; i < t->variable_count; i++)
                names[i] = t->variables[i].name;
            const char *near = suggest(name, names);
            snprintf(fault, sizeof fault, "{{%s}} is not among the variables%s%s%s", name,
                     near ? ", did you mean {{" : "", near ? near : "", near ? "}}?" : "");
            return template_error_at(t, line, column, err, fault);
        }
        used[v - t->variables] = true;
        at += length;
    }
    return !*fault || template_error_at(t, line, column, err, fault);
}

// Checks that markers match references, and that variables are declared and used.
static bool
check_whole(const struct template *t, const struct yaml *root, struct err *err)
{
    bool used[LIMIT_TEMPLATE_VARIABLES] = {false};
    struct instruction n = {.text = t->text};
    struct err fault = {0};
    bool ok = check_text(t, t->text, t->text_line, t->text_column, used, err);
    for (int i = 0; ok && i < t->reference_count; i++) {
        const struct template_reference *r = &t->references[i];
        ok = check_text(t, r->text, r->line, r->column, used, err) &&
             check_text(t, r->image, r->line, r->column, used, err) &&
             (!r->loader || check_text(t, r->loader, r->line, r->column, used, err));
        for (int k = 0; ok && k < r->setting_count; k++)
            ok = check_text(t, r->settings[k], r->line, r->column, used, err);
        if (r->use == JOB_REFERENCE)
            ok = ok && instruction_add(&n, r->marker, r->text, 0, 0, NULL, err);
    }
    if (ok && !instruction_check(&n, &fault))
        ok = template_error_at(t, t->text_line, t->text_column, err, fault.text);
    n.text = NULL;
    instruction_finish(&n);
    for (int i = 0; ok && i < t->variable_count; i++)
        if (!used[i])
            ok = yaml_tree_error(
                yaml_tree_get(yaml_tree_get(root, "variables"), t->variables[i].name), t->path, err,
                "the variable %s is not used", t->variables[i].name);
    return ok;
}

static bool
read_children(struct template *t, const struct yaml *list, const char *what,
              bool (*read)(struct template *, const struct yaml *, struct err *), struct err *err)
{
    if (yaml_tree_is_null(list))
        return true;
    if (list->kind != YAML_MAP)
        return yaml_tree_error(list, t->path, err, "%s must be a list of KEY: VALUE", what);
    for (int i = 0; i < list->count; i++)
        if (!read(t, &list->children[i], err))
            return false;
    return true;
}

static bool
read_root(struct template *t, const struct yaml *root, struct err *err)
{
    static const char *const known[] = {"name",      "summary",    "instruction", "references",
                                        "variables", "parameters", "sweep",       NULL};
    if (!check_keys(root, t->path, "a template", known, err) ||
        !read_text(root, "name", t->path, &t->name, err) ||
        !read_text(root, "summary", t->path, &t->summary, err) ||
        !read_text(root, "instruction", t->path, &t->text, err))
        return false;
    const struct yaml *text = yaml_tree_get(root, "instruction");
    if (!t->text)
        return yaml_tree_error(text ? text : root, t->path, err,
                               "the key 'instruction' is missing");
    t->text_line = text->line;
    t->text_column = text->column;
    return read_children(t, yaml_tree_get(root, "variables"), "variables", read_variable, err) &&
           read_children(t, yaml_tree_get(root, "references"), "references", read_reference, err) &&
           read_children(t, yaml_tree_get(root, "sweep"), "sweep", read_sweep, err) &&
           read_parameters(t, yaml_tree_get(root, "parameters"), err) && check_whole(t, root, err);
}

bool
template_read(struct template *t, const char *path, struct err *err)
{
    *t = (struct template){.parameters = JOB_EMPTY};
    struct yaml *root = yaml_tree_read(path, err);
    t->path = mem_strdup(path);
    t->folder = file_folder(path);
    bool ok = root && read_root(t, root, err);
    yaml_tree_free(root);
    if (!ok)
        template_finish(t);
    return ok;
}
