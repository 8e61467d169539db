// SPDX-License-Identifier: MIT
// JSON values. Only jv.c includes the header of jansson.
//
// A `struct jv` is owned by the root that jv_parse() or jv_object() returned; values reached
// through jv_get() and jv_at() are borrowed from it. Every reader takes NULL for "not there" and
// any kind of value, and returns its fallback if it is not the expected one, so
// jv_string(jv_get(jv_get(root, "a"), "b"), "x") is safe.
#ifndef LIMN_ENGINE_BASE_JV_H
#define LIMN_ENGINE_BASE_JV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct jv;

// Parses n bytes of UTF-8, with or without a byte order mark, of at most LIMIT_JSON_VALUES values;
// `name` (a file name) begins the error: "name:line:column: …". Duplicate keys are refused.
// jv_free() takes NULL.
struct jv *jv_parse(const char *text, size_t n, const char *name, struct err *err);
// The same with another limit: parsed values take many times the memory of their text.
struct jv *jv_parse_within(const char *text, size_t n, size_t values, const char *name,
                           struct err *err);
struct jv *jv_read(const char *path, struct err *err); // a file of at most 64 MiB
void jv_free(struct jv *root);

bool jv_is_object(const struct jv *v);
bool jv_is_array(const struct jv *v);
bool jv_is_string(const struct jv *v);
bool jv_is_number(const struct jv *v);
bool jv_is_integer(const struct jv *v);
bool jv_is_bool(const struct jv *v);
bool jv_is_null(const struct jv *v); // also true for NULL

struct jv *jv_get(const struct jv *object, const char *key); // NULL: no such key, not an object
struct jv *jv_at(const struct jv *array, size_t i);          // NULL: out of range, not an array
size_t jv_size(const struct jv *v);                            // of an array or object
// In the file's order; "": out of range, not an object.
const char *jv_key_at(const struct jv *object, size_t i);
struct jv *jv_value_at(const struct jv *object, size_t i);

// Walking a large object in linear time: for (void *it = jv_iterator(o); it; it = jv_next(o, it)).
void *jv_iterator(const struct jv *object); // NULL: empty, or not an object
void *jv_next(const struct jv *object, void *iterator);
const char *jv_iterator_key(void *iterator);
struct jv *jv_iterator_value(void *iterator);

const char *jv_string(const struct jv *v, const char *fallback);
double jv_number(const struct jv *v, double fallback); // integer or real
int64_t jv_integer(const struct jv *v, int64_t fallback);
bool jv_bool(const struct jv *v, bool fallback);

// Building. jv_set() and jv_append() take ownership of `value`. An existing key is replaced.
struct jv *jv_object(void);
struct jv *jv_array(void);
struct jv *jv_from_string(const char *text); // invalid UTF-8 becomes U+FFFD
struct jv *jv_from_number(double value);     // not finite becomes null
struct jv *jv_from_integer(int64_t value);
struct jv *jv_from_bool(bool value);
struct jv *jv_null_value(void);
void jv_set(struct jv *object, const char *key, struct jv *value);
void jv_append(struct jv *array, struct jv *value);
struct jv *jv_copy(const struct jv *v); // deep

// Text of the value, keys in insertion order; `indent` spaces, 0 for one line. Characters that
// could control a terminal are escaped. Freed with free().
char *jv_text(const struct jv *v, int indent);

#endif
