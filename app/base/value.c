// SPDX-License-Identifier: MIT
#include "app/base/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/suggest.h"
#include "engine/base/mem.h"

static bool
is_number(const struct value_type *type)
{
    return type->kind == VALUE_WHOLE || type->kind == VALUE_LONG || type->kind == VALUE_REAL;
}

int
value_names(const struct value_type *type, const char *names[LIMIT_CHOICE_NAMES + 1])
{
    int n = 0;
    for (; type->name && n < LIMIT_CHOICE_NAMES && type->name(n); n++)
        names[n] = type->name(n);
    names[n] = NULL;
    return n;
}

void
value_range(const struct value_type *type, char *out, size_t size)
{
    const char *names[LIMIT_CHOICE_NAMES + 1];
    size_t used = 0;
    *out = 0;
    if (is_number(type) || type->kind == VALUE_SIZE)
        snprintf(out, size, "%.16g..%.16g", type->low, type->high);
    if (type->kind == VALUE_WEIGHTED)
        snprintf(out, size, "N:%.16g to N:%.16g", type->low, type->high);
    if (type->kind == VALUE_WEIGHTS)
        snprintf(out, size, "K=%.16g to K=%.16g", type->low, type->high);
    for (int i = 0, n = value_names(type, names); i < n && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "", names[i]);
}

static bool
refuse(const struct value_type *type, const char *name, const char *text, struct err *err)
{
    char range[400];
    const char *names[LIMIT_CHOICE_NAMES + 1];
    value_range(type, range, sizeof range);
    value_names(type, names);
    const char *near = type->kind == VALUE_CHOICE ? suggest(text, names) : NULL;
    return err_set(err, ERR_INPUT, "%s is '%.40s', but must be %s%s%s%s%s", name, text,
                   type->kind == VALUE_REAL       ? "a number in "
                   : type->kind == VALUE_CHOICE   ? "one of "
                   : type->kind == VALUE_SWITCH   ? "yes or no"
                   : type->kind == VALUE_TEXT     ? "a text"
                   : type->kind == VALUE_SIZE     ? "a size, as 1024x768 or 512, sides in "
                   : type->kind == VALUE_COLOUR   ? "a colour, as #3366cc, white or black, or none"
                   : type->kind == VALUE_WEIGHTED ? "a whole number and a weight, "
                   : type->kind == VALUE_WEIGHTS  ? "K=WEIGHT or K=WEIGHT@FROM..TO, "
                                                  : "a whole number in ",
                   range, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

// Digits and no more: strtoll() would take spaces before them.
static bool
read_whole(const struct value_type *type, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    *out = v;
    return *text && !*end && !errno && strspn(text, "+-0123456789") == strlen(text) &&
           v >= (int64_t)type->low && v <= (int64_t)type->high;
}

// Without what strtod() takes besides: spaces, hexadecimal, infinities.
static bool
read_real(const struct value_type *type, const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return *text && !*end && strspn(text, "+-.0123456789eE") == strlen(text) && *out >= type->low &&
           *out <= type->high;
}

// "WxH" or "N", digits alone.
static bool
read_size(const struct value_type *type, const char *text, struct value_size *out)
{
    const struct value_type side = {VALUE_LONG, type->low, type->high, NULL};
    size_t n = strcspn(text, "x");
    char *first = mem_strndup(text, n);
    int64_t width = 0, height = 0;
    bool ok = strspn(text, "0123456789x") == strlen(text) && read_whole(&side, first, &width);
    height = width;
    ok = ok && (!text[n] || read_whole(&side, text + n + 1, &height));
    free(first);
    *out = (struct value_size){(int)width, (int)height};
    return ok;
}

bool
value_weighted(const char *text, int64_t *whole, double *weight)
{
    static const struct value_type any_whole = {VALUE_LONG, 0, 0x1p53, NULL},
                                   any_real = {VALUE_REAL, -1e300, 1e300, NULL};
    const char *colon = strchr(text, ':');
    char *first = colon ? mem_strndup(text, (size_t)(colon - text)) : NULL;
    bool ok =
        first && read_whole(&any_whole, first, whole) && read_real(&any_real, colon + 1, weight);
    free(first);
    return ok;
}

// "K=W" or "K=W@FROM..TO".
static bool
read_weight(char *text, struct value_weight *out)
{
    static const struct value_type number = {VALUE_LONG, 1, LIMIT_INSTRUCTION_MARKER, NULL},
                                   any = {VALUE_REAL, 0, 1e300, NULL},
                                   share = {VALUE_REAL, 0, 1, NULL};
    char *weight = strchr(text, '='), *from = strchr(text, '@');
    char *to = from ? strstr(from, "..") : NULL;
    int64_t k = 0;
    out->from = 0;
    out->to = 1;
    if (!weight || (from && (!to || from < weight)))
        return false;
    *weight++ = 0;
    if (from) {
        *from++ = 0;
        *to = 0;
        to += 2;
        if (!read_real(&share, from, &out->from) || !read_real(&share, to, &out->to) ||
            out->from >= out->to)
            return false;
    }
    bool ok = read_whole(&number, text, &k) && read_real(&any, weight, &out->weight);
    out->number = (int)k;
    return ok;
}

int
value_weights(const char *text, struct value_weight out[LIMIT_INSTRUCTION_REFERENCES])
{
    char *copy = mem_strdup(text), *left = NULL;
    int n = 0;
    for (char *one = strtok_r(copy, " ,", &left); one && n >= 0;
         one = strtok_r(NULL, " ,", &left)) {
        bool ok = n < LIMIT_INSTRUCTION_REFERENCES && read_weight(one, &out[n]);
        for (int i = 0; ok && i < n; i++)
            ok = out[i].number != out[n].number;
        n = ok ? n + 1 : -1;
    }
    free(copy);
    return n ? n : -1;
}

static bool
weights_within(const struct value_type *type, const char *text)
{
    struct value_weight w[LIMIT_INSTRUCTION_REFERENCES];
    int n = value_weights(text, w);
    bool ok = n > 0;
    for (int i = 0; i < n; i++)
        ok = ok && w[i].weight >= type->low && w[i].weight <= type->high;
    return ok;
}

bool
value_colour(const char *text, int32_t *rgb)
{
    static const struct {
        const char *name;
        int32_t rgb;
    } names[] = {{"none", -1}, {"white", 0xFFFFFF}, {"black", 0}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (strcmp(text, names[i].name) == 0) {
            *rgb = names[i].rgb;
            return true;
        }
    size_t digits = strspn(text + (*text == '#'), "0123456789abcdefABCDEF");
    if (*text != '#' || text[1 + digits] || (digits != 3 && digits != 6))
        return false;
    uint32_t v = (uint32_t)strtoul(text + 1, NULL, 16);
    if (digits == 3)
        v = (v & 0xF00) * 0x1100 | (v & 0xF0) * 0x110 | (v & 0xF) * 0x11;
    *rgb = (int32_t)v;
    return true;
}

static bool
read_switch(const char *text, bool *out)
{
    static const char *const words[] = {"no", "yes", "0", "1", "false", "true", "off", "on"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(words[i], text) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

static bool
is_name(const struct value_type *type, const char *text)
{
    const char *names[LIMIT_CHOICE_NAMES + 1];
    for (int i = 0, n = value_names(type, names); i < n; i++)
        if (strcmp(names[i], text) == 0)
            return true;
    return false;
}

static bool
add_to_list(struct value_list *list, const char *name, const char *text, struct err *err)
{
    if (list->count == LIMIT_OPTION_TIMES)
        return err_set(err, ERR_INPUT, "%s is given more than %d times", name, LIMIT_OPTION_TIMES);
    list->items[list->count++] = text;
    return true;
}

bool
value_read(const struct value_type *type, const char *name, const char *text, void *at,
           struct err *err)
{
    int64_t whole = 0;
    int32_t colour;
    double real = 0;
    struct value_size pixels;
    bool on = false, ok = false;
    switch (type->kind) {
    case VALUE_SWITCH:
        if ((ok = read_switch(text, &on)))
            *(bool *)at = on;
        break;
    case VALUE_WHOLE:
        if ((ok = read_whole(type, text, &whole)))
            *(int *)at = (int)whole;
        break;
    case VALUE_LONG:
        if ((ok = read_whole(type, text, &whole)))
            *(int64_t *)at = whole;
        break;
    case VALUE_REAL:
        if ((ok = read_real(type, text, &real)))
            *(double *)at = real;
        break;
    case VALUE_SIZE:
        if ((ok = read_size(type, text, &pixels)))
            *(struct value_size *)at = pixels;
        break;
    case VALUE_CHOICE:
    case VALUE_TEXT:
    case VALUE_WEIGHTED:
    case VALUE_WEIGHTS:
    case VALUE_COLOUR:
        ok = type->kind == VALUE_TEXT      ? *text
             : type->kind == VALUE_CHOICE  ? is_name(type, text)
             : type->kind == VALUE_COLOUR  ? value_colour(text, &colour)
             : type->kind == VALUE_WEIGHTS ? weights_within(type, text)
                 : value_weighted(text, &whole, &real) && real >= type->low && real <= type->high;
        if (ok)
            *(const char **)at = text;
        break;
    case VALUE_LIST:
        return add_to_list(at, name, text, err);
    case VALUE_KIND_COUNT:
        break;
    }
    return ok || refuse(type, name, text, err);
}

static char *
size_text(const struct value_size *s)
{
    return s->width == s->height ? mem_printf("%d", s->width)
                                 : mem_printf("%dx%d", s->width, s->height);
}

// The shortest that reads back as the same number.
static char *
real_text(double v)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    return mem_strdup(text);
}

char *
value_text(const struct value_type *type, const void *at)
{
    switch (type->kind) {
    case VALUE_SWITCH:
        return mem_strdup(*(const bool *)at ? "yes" : "no");
    case VALUE_WHOLE:
        return mem_printf("%d", *(const int *)at);
    case VALUE_LONG:
        return mem_printf("%" PRId64, *(const int64_t *)at);
    case VALUE_REAL:
        return real_text(*(const double *)at);
    case VALUE_SIZE:
        return size_text(at);
    case VALUE_CHOICE:
    case VALUE_TEXT:
    case VALUE_WEIGHTED:
    case VALUE_WEIGHTS:
    case VALUE_COLOUR:
        return mem_strdup(*(char *const *)at ? *(char *const *)at : "");
    case VALUE_LIST:
    case VALUE_KIND_COUNT:
        break;
    }
    return mem_strdup("");
}
