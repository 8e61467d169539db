// SPDX-License-Identifier: MIT
#include "app/base/yaml_tree.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

struct reader {
    yaml_parser_t parser;
    const char *name;
    int nodes;
};

static void
clear(struct yaml *v)
{
    for (int i = 0; i < v->count; i++)
        clear(&v->children[i]);
    free(v->children);
    free(v->text);
    free(v->key);
}

void
yaml_tree_free(struct yaml *root)
{
    if (root)
        clear(root);
    free(root);
}

bool
yaml_tree_error(const struct yaml *at, const char *file, struct err *err, const char *format, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(err, ERR_INPUT, "%s:%d:%d: %s", file, at ? at->line : 1, at ? at->column : 1,
                   text);
}

static bool
error_here(const struct reader *r, yaml_mark_t mark, struct err *err, const char *text)
{
    return err_set(err, ERR_INPUT, "%s:%d:%d: %s", r->name, (int)mark.line + 1,
                   (int)mark.column + 1, text);
}

static bool
next_event(struct reader *r, yaml_event_t *event, struct err *err)
{
    if (yaml_parser_parse(&r->parser, event))
        return true;
    if (r->parser.error == YAML_MEMORY_ERROR)
        return err_set(err, ERR_MEMORY, "%s: not enough memory to read it", r->name);
    yaml_mark_t mark = r->parser.problem_mark;
    return error_here(r, mark, err,
                      r->parser.problem ? r->parser.problem : "this is not YAML");
}

static int
by_key(const void *a, const void *b)
{
    const struct yaml *x = *(const struct yaml *const *)a, *y = *(const struct yaml *const *)b;
    int order = strcmp(x->key, y->key);
    return order ? order : (x > y) - (x < y);
}

// Sorted, as the keys are a stranger's: no choice of theirs makes this slow.
static bool
keys_differ(const struct reader *r, const struct yaml *map, struct err *err)
{
    size_t n = (size_t)map->count;
    const struct yaml **sorted = mem_alloc((n + 1) * sizeof *sorted), *duplicate = NULL;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &map->children[i];
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 &&
            (!duplicate || sorted[i] < duplicate))
            duplicate = sorted[i];
    free(sorted);
    if (!duplicate)
        return true;
    const struct yaml at = {.line = duplicate->key_line, .column = duplicate->key_column};
    return yaml_tree_error(&at, r->name, err, "the key '%.60s' is here twice", duplicate->key);
}

static bool read_node(struct reader *r, const yaml_event_t *event, struct yaml *out, int depth,
                      struct err *err);

// The key that the event begins, into `child`.
static bool
read_key(struct reader *r, const yaml_event_t *event, struct yaml *child, int depth,
         struct err *err)
{
    struct yaml key = {0};
    bool ok = read_node(r, event, &key, depth, err);
    if (ok && key.kind != YAML_SCALAR)
        ok = error_here(r, event->start_mark, err, "a key must be a plain word");
    if (ok && !key.quoted && strcmp(key.text, "<<") == 0)
        ok = yaml_tree_error(&key, r->name, err, "merge keys are not supported");
    child->key = ok ? mem_strdup(key.text) : NULL;
    child->key_line = key.line;
    child->key_column = key.column;
    clear(&key);
    return ok;
}

static bool
read_children(struct reader *r, struct yaml *out, yaml_event_type_t end, int depth, struct err *err)
{
    for (;;) {
        yaml_event_t event;
        struct yaml child = {0};
        if (!next_event(r, &event, err))
            return false;
        bool last = event.type == end, ok = true;
        if (!last && out->kind == YAML_MAP) {
            ok = read_key(r, &event, &child, depth, err);
            yaml_event_delete(&event);
            if (!ok || !next_event(r, &event, err)) {
                free(child.key);
                return false;
            }
        }
        if (!last) {
            ok = read_node(r, &event, &child, depth, err);
            ARRAY_PUSH(out->children, out->count, out->capacity, child);
        }
        yaml_event_delete(&event);
        if (last)
            return out->kind != YAML_MAP || keys_differ(r, out, err);
        if (!ok)
            return false;
    }
}

static bool
read_node(struct reader *r, const yaml_event_t *event, struct yaml *out, int depth, struct err *err)
{
    out->line = (int)event->start_mark.line + 1;
    out->column = (int)event->start_mark.column + 1;
    if (++r->nodes > LIMIT_YAML_VALUES)
        return error_here(r, event->start_mark, err, "too many values in one file");
    if (depth > LIMIT_YAML_DEPTH)
        return error_here(r, event->start_mark, err, "nested too deeply");
    if (event->type == YAML_SCALAR_EVENT) {
        if (event->data.scalar.anchor || event->data.scalar.tag)
            return error_here(r, event->start_mark, err, "anchors and tags are not supported");
        if (memchr(event->data.scalar.value, 0, event->data.scalar.length))
            return error_here(r, event->start_mark, err, "a text must not hold a zero byte");
        out->kind = YAML_SCALAR;
        out->text = mem_strndup((const char *)event->data.scalar.value, event->data.scalar.length);
        out->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
        return true;
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        if (event->data.sequence_start.anchor || event->data.sequence_start.tag)
            return error_here(r, event->start_mark, err, "anchors and tags are not supported");
        out->kind = YAML_LIST;
        return read_children(r, out, YAML_SEQUENCE_END_EVENT, depth + 1, err);
    }
    if (event->type == YAML_MAPPING_START_EVENT) {
        if (event->data.mapping_start.anchor || event->data.mapping_start.tag)
            return error_here(r, event->start_mark, err, "anchors and tags are not supported");
        out->kind = YAML_MAP;
        return read_children(r, out, YAML_MAPPING_END_EVENT, depth + 1, err);
    }
    return error_here(r, event->start_mark, err,
                      event->type == YAML_ALIAS_EVENT ? "aliases are not supported"
                                                      : "a value was expected here");
}

// Stream start, document start, the root, document end, stream end.
static bool
read_document(struct reader *r, struct yaml *root, struct err *err)
{
    yaml_event_t event;
    bool done = false, seen = false, ok = true;
    while (ok && !done) {
        if (!next_event(r, &event, err))
            return false;
        switch ((int)event.type) {
        case YAML_STREAM_START_EVENT:
        case YAML_DOCUMENT_END_EVENT:
            break;
        case YAML_DOCUMENT_START_EVENT:
            if (seen)
                ok = error_here(r, event.start_mark, err, "only one document is allowed in a file");
            seen = true;
            break;
        case YAML_STREAM_END_EVENT:
            done = true;
            break;
        default:
            ok = read_node(r, &event, root, 0, err);
        }
        yaml_event_delete(&event);
    }
    if (ok && !seen)
        return err_set(err, ERR_INPUT, "%s:1:1: the file is empty", r->name);
    return ok;
}

struct yaml *
yaml_tree_parse(const char *text, size_t size, const char *name, struct err *err)
{
    struct reader r = {.name = name};
    struct yaml *root = mem_zalloc(sizeof *root);
    if (!yaml_parser_initialize(&r.parser)) {
        err_set(err, ERR_MEMORY, "%s: not enough memory to read it", name);
        free(root);
        return NULL;
    }
    size_t mark = utf8_mark(text, size);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text + mark, size - mark);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    bool ok = read_document(&r, root, err);
    yaml_parser_delete(&r.parser);
    if (ok)
        return root;
    yaml_tree_free(root);
    return NULL;
}

struct yaml *
yaml_tree_read(const char *path, struct err *err)
{
    size_t size;
    char *text = file_read(path, LIMIT_YAML_BYTES, &size, err);
    if (!text)
        return NULL;
    struct yaml *root = yaml_tree_parse(text, size, path, err);
    free(text);
    return root;
}

const struct yaml *
yaml_tree_get(const struct yaml *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (int i = 0; i < map->count; i++)
        if (map->children[i].key && strcmp(map->children[i].key, key) == 0)
            return &map->children[i];
    return NULL;
}

bool
yaml_tree_number(const struct yaml *v, double *out)
{
    if (!v || v->kind != YAML_SCALAR || v->quoted || !*v->text)
        return false;
    // strtod alone would also take hexadecimal, infinities and words.
    if (strspn(v->text, "+-.0123456789eE") != strlen(v->text))
        return false;
    char *end;
    errno = 0;
    double d = strtod(v->text, &end);
    if (*end || !isfinite(d))
        return false;
    *out = d;
    return true;
}

bool
yaml_tree_integer(const struct yaml *v, int64_t *out)
{
    if (!v || v->kind != YAML_SCALAR || v->quoted || !*v->text ||
        strspn(v->text, "+-0123456789") != strlen(v->text))
        return false;
    char *end;
    errno = 0;
    long long whole = strtoll(v->text, &end, 10);
    if (*end || errno)
        return false;
    *out = whole;
    return true;
}

bool
yaml_tree_bool(const struct yaml *v, bool *out)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    if (!v || v->kind != YAML_SCALAR || v->quoted)
        return false;
    for (int on = 0; on < 2; on++)
        for (int i = 0; i < 3; i++)
            if (strcmp(v->text, words[on][i]) == 0) {
                *out = on;
                return true;
            }
    return false;
}

bool
yaml_tree_is_null(const struct yaml *v)
{
    return !v || (v->kind == YAML_SCALAR && !v->quoted &&
                  (!*v->text || strcmp(v->text, "~") == 0 || strcmp(v->text, "null") == 0));
}

struct jv *
yaml_tree_to_jv(const struct yaml *v)
{
    double number;
    int64_t whole;
    bool on;
    if (v->kind == YAML_MAP || v->kind == YAML_LIST) {
        struct jv *out = v->kind == YAML_MAP ? jv_object() : jv_array();
        for (int i = 0; i < v->count; i++) {
            if (v->kind == YAML_MAP)
                jv_set(out, v->children[i].key, yaml_tree_to_jv(&v->children[i]));
            else
                jv_append(out, yaml_tree_to_jv(&v->children[i]));
        }
        return out;
    }
    if (yaml_tree_is_null(v))
        return jv_null_value();
    if (yaml_tree_bool(v, &on))
        return jv_from_bool(on);
    if (yaml_tree_integer(v, &whole))
        return jv_from_integer(whole);
    if (yaml_tree_number(v, &number))
        return jv_from_number(number);
    return jv_from_string(v->text);
}
