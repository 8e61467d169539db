// SPDX-License-Identifier: MIT
// A `struct jv *` is a `json_t *` under another name; nothing is wrapped or copied.
#include "engine/base/jv.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

static json_t *
in(const struct jv *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct jv *
out(json_t *v)
{
    return (struct jv *)v;
}

// Where memory is short, jansson says nothing, or that the text is wrong. While a text is read that
// is remembered here; what is built would lack a value that nobody misses, and so takes its memory
// as all small allocations do.
static _Thread_local bool reading, out_of_memory;

static void *
remember(size_t size)
{
    if (!reading)
        return mem_alloc(size);
    void *p = malloc(size);
    out_of_memory = out_of_memory || !p;
    return p;
}

__attribute__((constructor)) static void
set_allocation(void)
{
    json_set_alloc_funcs(remember, free);
}

// At least as many as there are: what stands between values, outside strings.
static size_t
count_values(const char *text, size_t n)
{
    size_t count = 1;
    bool string = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            string = !string;
        else if (string && text[i] == '\\')
            i++;
        else if (!string && (text[i] == ',' || text[i] == '[' || text[i] == '{'))
            count++;
    }
    return count;
}

struct jv *
jv_parse(const char *text, size_t n, const char *name, struct err *err)
{
    return jv_parse_within(text, n, LIMIT_JSON_VALUES, name, err);
}

struct jv *
jv_parse_within(const char *text, size_t n, size_t values, const char *name, struct err *err)
{
    json_error_t e;
    if (count_values(text, n) > values) {
        err_set(err, ERR_INPUT, "%s: it holds more than %zu values", name, values);
        return NULL;
    }
    size_t mark = utf8_mark(text, n);
    out_of_memory = false;
    reading = true;
    json_t *root = json_loadb(text + mark, n - mark, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    reading = false;
    if (out_of_memory) { // what came of it may lack a value
        json_decref(root);
        root = NULL;
        err_set(err, ERR_MEMORY, "%s: not enough memory to read it", name);
    } else if (!root) {
        err_set(err, ERR_INPUT, "%s:%d:%d: not valid JSON, %s", name, e.line, e.column, e.text);
    }
    return out(root);
}

struct jv *
jv_read(const char *path, struct err *err)
{
    size_t n;
    char *text = file_read(path, LIMIT_JSON_FILE_BYTES, &n, err);
    if (!text)
        return NULL;
    struct jv *root = jv_parse(text, n, path, err);
    free(text);
    return root;
}

void
jv_free(struct jv *root)
{
    json_decref(in(root));
}

bool
jv_is_object(const struct jv *v)
{
    return v && json_typeof(in(v)) == JSON_OBJECT;
}

bool
jv_is_array(const struct jv *v)
{
    return v && json_typeof(in(v)) == JSON_ARRAY;
}

bool
jv_is_string(const struct jv *v)
{
    return v && json_typeof(in(v)) == JSON_STRING;
}

bool
jv_is_number(const struct jv *v)
{
    return v && (json_typeof(in(v)) == JSON_INTEGER || json_typeof(in(v)) == JSON_REAL);
}

bool
jv_is_integer(const struct jv *v)
{
    return v && json_typeof(in(v)) == JSON_INTEGER;
}

bool
jv_is_bool(const struct jv *v)
{
    return v && (json_typeof(in(v)) == JSON_TRUE || json_typeof(in(v)) == JSON_FALSE);
}

bool
jv_is_null(const struct jv *v)
{
    return !v || json_typeof(in(v)) == JSON_NULL;
}

struct jv *
jv_get(const struct jv *object, const char *key)
{
    return jv_is_object(object) ? out(json_object_get(in(object), key)) : NULL;
}

struct jv *
jv_at(const struct jv *array, size_t i)
{
    return jv_is_array(array) ? out(json_array_get(in(array), i)) : NULL;
}

size_t
jv_size(const struct jv *v)
{
    if (jv_is_array(v))
        return json_array_size(in(v));
    return jv_is_object(v) ? json_object_size(in(v)) : 0;
}

static void *
iterator_at(const struct jv *object, size_t i)
{
    if (!jv_is_object(object))
        return NULL;
    void *it = json_object_iter(in(object));
    while (it && i-- > 0)
        it = json_object_iter_next(in(object), it);
    return it;
}

const char *
jv_key_at(const struct jv *object, size_t i)
{
    void *it = iterator_at(object, i);
    return it ? json_object_iter_key(it) : "";
}

struct jv *
jv_value_at(const struct jv *object, size_t i)
{
    void *it = iterator_at(object, i);
    return it ? out(json_object_iter_value(it)) : NULL;
}

void *
jv_iterator(const struct jv *object)
{
    return jv_is_object(object) ? json_object_iter(in(object)) : NULL;
}

void *
jv_next(const struct jv *object, void *iterator)
{
    return iterator ? json_object_iter_next(in(object), iterator) : NULL;
}

const char *
jv_iterator_key(void *iterator)
{
    return iterator ? json_object_iter_key(iterator) : "";
}

struct jv *
jv_iterator_value(void *iterator)
{
    return iterator ? out(json_object_iter_value(iterator)) : NULL;
}

const char *
jv_string(const struct jv *v, const char *fallback)
{
    return jv_is_string(v) ? json_string_value(in(v)) : fallback;
}

double
jv_number(const struct jv *v, double fallback)
{
    return jv_is_number(v) ? json_number_value(in(v)) : fallback;
}

int64_t
jv_integer(const struct jv *v, int64_t fallback)
{
    return jv_is_integer(v) ? (int64_t)json_integer_value(in(v)) : fallback;
}

bool
jv_bool(const struct jv *v, bool fallback)
{
    return jv_is_bool(v) ? json_is_true(in(v)) : fallback;
}

struct jv *
jv_object(void)
{
    return out(json_object());
}

struct jv *
jv_array(void)
{
    return out(json_array());
}

// Copies text, each byte that is not part of valid UTF-8 replaced by U+FFFD.
static char *
repair_utf8(const char *text)
{
    size_t n = strlen(text), used = 0;
    char *fixed = mem_alloc(3 * n + 1);
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        size_t len = c < 0x80 ? 1 : c >= 0xC2 && c < 0xE0 ? 2 : (c & 0xF0) == 0xE0 ? 3
                   : c >= 0xF0 && c < 0xF5 ? 4 : 0;
        json_t *piece = len && i + len <= n ? json_stringn(text + i, len) : NULL;
        if (piece) {
            memcpy(fixed + used, text + i, len);
            used += len;
            i += len;
        } else {
            memcpy(fixed + used, "\xEF\xBF\xBD", 3);
            used += 3;
            i++;
        }
        json_decref(piece);
    }
    fixed[used] = 0;
    return fixed;
}

struct jv *
jv_from_string(const char *text)
{
    json_t *v = json_string(text);
    if (!v) {
        char *fixed = repair_utf8(text);
        v = json_string(fixed);
        free(fixed);
    }
    return out(v);
}

struct jv *
jv_from_number(double value)
{
    return out(isfinite(value) ? json_real(value) : json_null());
}

struct jv *
jv_from_integer(int64_t value)
{
    return out(json_integer(value));
}

struct jv *
jv_from_bool(bool value)
{
    return out(json_boolean(value));
}

struct jv *
jv_null_value(void)
{
    return out(json_null());
}

void
jv_set(struct jv *object, const char *key, struct jv *value)
{
    json_object_set_new(in(object), key, in(value));
}

void
jv_append(struct jv *array, struct jv *value)
{
    json_array_append_new(in(array), in(value));
}

struct jv *
jv_copy(const struct jv *v)
{
    return out(json_deep_copy(in(v)));
}

// Whether a character of at least two bytes controls terminals: C1, direction, lines.
static bool
controls(unsigned c)
{
    return (c >= 0x80 && c < 0xA0) || c == 0x61C || (c >= 0x200E && c <= 0x200F) ||
           (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

// jansson escapes the controls below 32; the others are as little for eyes. `text` is valid UTF-8.
static char *
escape_controls(char *text)
{
    size_t found = 0, n = 0;
    for (const unsigned char *p = (unsigned char *)text; *p; p++)
        found += *p == 0x7F || *p == 0xC2 || *p == 0xD8 || *p == 0xE2;
    if (!found)
        return text;
    char *out = mem_alloc(strlen(text) + 6 * found + 1);
    for (const unsigned char *p = (unsigned char *)text; *p;) {
        size_t size = *p < 0xC0 ? 1 : *p < 0xE0 ? 2 : *p < 0xF0 ? 3 : 4;
        unsigned c = size == 2   ? (p[0] & 31u) << 6 | (p[1] & 63u)
                     : size == 3 ? (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u)
                                 : p[0];
        if (c == 0x7F || (size > 1 && size < 4 && controls(c)))
            n += (size_t)sprintf(out + n, "\\u%04x", c);
        else
            memcpy(out + n, p, size), n += size;
        p += size;
    }
    out[n] = 0;
    free(text);
    return out;
}

char *
jv_text(const struct jv *v, int indent)
{
    size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT((size_t)indent) : JSON_COMPACT);
    char *text = json_dumps(in(v), flags);
    return text ? escape_controls(text) : mem_strdup("null");
}
