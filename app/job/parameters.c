// SPDX-License-Identifier: MIT
#include "app/job/parameters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "engine/base/mem.h"
#include "engine/diffusion/guidance.h"
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/spacing.h"
#include "engine/tensor/dtype.h"

#define TEMPLATE PARAMETER_TEMPLATE
#define SWEEP PARAMETER_SWEEP
#define PICTURE PARAMETER_PICTURE
const struct parameter parameters[] = {
#define PARAMETER(kind, field, empty, low, high, names, argument, names_a, where, group, label,    \
                  help)                                                                            \
    {#field, argument, label, help, {VALUE_##kind, low, high, names}, offsetof(struct job, field), \
     where, COMPLETE_##names_a},
#include "app/job/parameters.def"
#undef PARAMETER
    {0},
};
#undef TEMPLATE
#undef SWEEP
#undef PICTURE

static const char *
name_of(choice_fn *table, int i)
{
    struct choice c;
    return i >= 0 && table((size_t)i, &c) ? c.name : NULL;
}

const char *
parameter_sampler(int i)
{
    return name_of(sampler_choice, i);
}

const char *
parameter_spacing(int i)
{
    return name_of(spacing_choice, i);
}

const char *
parameter_quantise(int i)
{
    return i ? dtype_quantised(i - 1) : "none";
}

const char *
parameter_guidance(int i)
{
    return name_of(guidance_choice, i);
}

const struct parameter *
parameter_find(const char *name)
{
    for (const struct parameter *p = parameters; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

// How many bytes of the line the name is; 0: the line does not begin with it.
static size_t
name_length(const char *line, const char *name)
{
    size_t n = text_begins_with(line, name);
    return line[n] == 0 || line[n] == ' ' || line[n] == '=' ? n : 0;
}

const struct parameter *
parameter_named(const char *line, const char **value)
{
    const struct parameter *found = NULL;
    size_t longest = 0;
    for (const struct parameter *p = parameters; p->name; p++) {
        size_t name = name_length(line, p->name), label = name_length(line, p->label);
        if (MAX(name, label) > longest) {
            longest = MAX(name, label);
            found = p;
        }
    }
    *value = line + longest + strspn(line + longest, " ");
    if (**value == '=')
        *value += 1 + strspn(*value + 1, " ");
    return found;
}

static bool
is_text(const struct parameter *p)
{
    return value_is_text(p->type.kind);
}

static void *
field(const struct parameter *p, const struct job *j)
{
    return (char *)(uintptr_t)j + p->offset;
}

static size_t
size_of(const struct parameter *p)
{
    switch (p->type.kind) {
    case VALUE_SWITCH: return sizeof(bool);
    case VALUE_WHOLE: return sizeof(int);
    case VALUE_LONG: return sizeof(int64_t);
    case VALUE_REAL: return sizeof(double);
    case VALUE_SIZE: return sizeof(struct value_size);
    case VALUE_CHOICE:
    case VALUE_TEXT:
    case VALUE_WEIGHTED:
    case VALUE_WEIGHTS:
    case VALUE_COLOUR: return sizeof(char *);
    case VALUE_LIST:
    case VALUE_KIND_COUNT: break;
    }
    return 0;
}

bool
parameter_is_set(const struct parameter *p, const struct job *j)
{
    return memcmp(field(p, j), field(p, &job_empty), size_of(p)) != 0;
}

void
parameter_clear(const struct parameter *p, struct job *j)
{
    if (is_text(p))
        free(*(char **)field(p, j));
    memcpy(field(p, j), field(p, &job_empty), size_of(p));
}

void
parameter_copy(const struct parameter *p, struct job *to, const struct job *from)
{
    parameter_clear(p, to);
    memcpy(field(p, to), field(p, from), size_of(p));
    if (is_text(p) && parameter_is_set(p, from))
        *(char **)field(p, to) = mem_strdup(*(char **)field(p, from));
}

bool
parameter_read(const struct parameter *p, struct job *j, const char *as, const char *text,
               struct err *err)
{
    struct job read = job_empty;
    if (!value_read(&p->type, as, text, field(p, &read), err))
        return false;
    parameter_copy(p, j, &read); // `read` only borrows the text
    return true;
}

char *
parameter_text(const struct parameter *p, const struct job *j)
{
    return parameter_is_set(p, j) ? value_text(&p->type, field(p, j)) : NULL;
}

bool
parameter_check(const struct parameter *p, const struct job *j, const char *as, struct err *err)
{
    struct job read = job_empty;
    char *text = parameter_text(p, j);
    bool ok = !text || value_read(&p->type, as, text, field(p, &read), err);
    free(text);
    return ok;
}

// A square is written as its side, as all sizes once were.
static struct jv *
size_json(const struct parameter *p, const struct job *j)
{
    const struct value_size *s = field(p, j);
    char *text = s->width == s->height ? NULL : value_text(&p->type, s);
    struct jv *out = text ? jv_from_string(text) : jv_from_integer(s->width);
    free(text);
    return out;
}

void
parameter_to_json(const struct parameter *p, const struct job *j, struct jv *object)
{
    const void *at = field(p, j);
    if (!parameter_is_set(p, j))
        return;
    jv_set(object, p->name,
           p->type.kind == VALUE_SWITCH  ? jv_from_bool(*(const bool *)at)
           : p->type.kind == VALUE_WHOLE ? jv_from_integer(*(const int *)at)
           : p->type.kind == VALUE_LONG  ? jv_from_integer(*(const int64_t *)at)
           : p->type.kind == VALUE_REAL  ? jv_from_number(*(const double *)at)
           : p->type.kind == VALUE_SIZE  ? size_json(p, j)
                                         : jv_from_string(*(char *const *)at));
}

// As text, so that the reader of texts checks it; NULL: a value of the wrong type.
static char *
json_text(const struct parameter *p, const struct jv *v)
{
    struct job read = job_empty;
    if (is_text(p))
        return jv_is_string(v) ? mem_strdup(jv_string(v, "")) : NULL;
    if (p->type.kind == VALUE_SWITCH)
        return jv_is_bool(v) ? mem_strdup(jv_bool(v, false) ? "yes" : "no") : NULL;
    if (p->type.kind == VALUE_REAL) {
        *(double *)field(p, &read) = jv_number(v, 0);
        return jv_is_number(v) ? value_text(&p->type, field(p, &read)) : NULL;
    }
    if (p->type.kind == VALUE_SIZE && jv_is_string(v))
        return mem_strdup(jv_string(v, ""));
    return jv_is_integer(v) ? mem_printf("%" PRId64, jv_integer(v, 0)) : NULL;
}

bool
parameter_from_json(const struct parameter *p, struct job *j, const struct jv *object,
                    const char *name, struct err *err)
{
    const struct jv *v = jv_get(object, p->name);
    struct err own = {0};
    parameter_clear(p, j);
    if (jv_is_null(v))
        return true;
    char *text = json_text(p, v), *empty = value_text(&p->type, field(p, &job_empty));
    // Earlier versions also wrote parameters that were not set.
    bool ok = text && !is_text(p) && strcmp(text, empty) == 0;
    if (!ok && text)
        ok = parameter_read(p, j, p->name, text, &own);
    else if (!ok)
        err_set(&own, ERR_INPUT, "%s must be %s", p->name,
                is_text(p)                      ? "a text"
                : p->type.kind == VALUE_SWITCH  ? "true or false"
                : p->type.kind == VALUE_REAL    ? "a number"
                : p->type.kind == VALUE_SIZE    ? "a size"
                                                : "a whole number");
    free(text);
    free(empty);
    return ok || err_set(err, ERR_INPUT, "%s: its %s", name, own.text);
}
