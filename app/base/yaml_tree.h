// SPDX-License-Identifier: MIT
// YAML as a tree that remembers the position of every node, so that errors can give file, line and
// column. The only file that uses libyaml is yaml_tree.c.
//
// Only YAML's plain core is read: one document of maps, lists and scalars. Anchors, aliases, tags
// and merge keys are refused: no template needs them, and a few lines of them can expand to
// gigabytes. Duplicate keys are refused. A byte order mark is skipped. The limits are those of
// engine/base/limits.h; reading takes time in proportion to the file.
#ifndef LIMN_APP_BASE_YAML_TREE_H
#define LIMN_APP_BASE_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"
#include "engine/base/jv.h"

enum yaml_kind { YAML_NONE = 0, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    int line, column; // from 1
    char *text;       // scalar
    bool quoted;      // scalar in quotes or block style: always a text
    char *key;        // in a map; NULL in a list
    int key_line, key_column;
    struct yaml *children;
    int count, capacity;
};

// NULL and "FILE:LINE:COLUMN: …" on failure.
struct yaml *yaml_tree_read(const char *path, struct err *err);
struct yaml *yaml_tree_parse(const char *text, size_t size, const char *name, struct err *err);
void yaml_tree_free(struct yaml *root); // NULL is fine

const struct yaml *yaml_tree_get(const struct yaml *map, const char *key); // NULL: none
// A scalar as a type; false if it is something else. Numbers and switches must be plain.
bool yaml_tree_number(const struct yaml *v, double *out);
bool yaml_tree_integer(const struct yaml *v, int64_t *out); // exact; not "1e3" or "2.0"
bool yaml_tree_bool(const struct yaml *v, bool *out); // true, false, yes, no, on, off
bool yaml_tree_is_null(const struct yaml *v);         // NULL, empty, ~ or null

// The same as JSON: plain scalars that look like numbers, switches or null become them.
struct jv *yaml_tree_to_jv(const struct yaml *root);

// Sets the error "FILE:LINE:COLUMN: …"; returns false.
bool yaml_tree_error(const struct yaml *at, const char *file, struct err *err, const char *format,
                     ...) __attribute__((format(printf, 4, 5)));

#endif
