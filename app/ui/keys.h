// SPDX-License-Identifier: MIT
// Requests (requests.def): the actions behind keys, commands and hints. The keys of each view are
// rows in keys.c. Independent of the screen.
#ifndef LIMN_APP_UI_KEYS_H
#define LIMN_APP_UI_KEYS_H

#include <stdbool.h>
#include <stdio.h>
#include <wchar.h>

#include "engine/base/err.h"

enum request {
    REQUEST_NONE = 0,
#define REQUEST(id, name, help) REQUEST_##id,
#include "app/ui/requests.def"
#undef REQUEST
    REQUEST_COUNT
};

enum view_id {
#define VIEW(id, variable, request) VIEW_##id,
#include "app/ui/views.def"
#undef VIEW
    VIEW_COUNT
};

// The request bound to a key in a view. While `typing` characters are text: only other keys,
// control characters among them, are requests.
enum request key_request(enum view_id view, wint_t key, bool code, bool typing);
const char *request_name(enum request r);
const char *request_help(enum request r);
enum request request_find(const char *name); // REQUEST_NONE: unknown
// "F9 ^G": the keys that make a request in a view; in a static buffer.
const char *request_keys(enum view_id view, enum request r);

// --- keys of a view, or of all of them
enum { KEYS_ALL = VIEW_COUNT };
// "F9 ^G": the keys bound to a request in that view alone; in a static buffer.
const char *keys_of(int view, enum request request);
void keys_clear(int view, enum request request); // removes all its keys there
// Binds a key to a request in that view, replacing any earlier binding of it. False: no room.
bool keys_bind(int view, wint_t key, bool code, enum request request);

// --- files of keys (keys_file.c): the user's own is $XDG_CONFIG_HOME/limn/keys

// True also if there is no such file. ERR_INPUT: "FILE:LINE: …"; the lines before it apply.
bool keys_load(struct err *err);
void keys_print(FILE *out); // prints the keys in force, as such a file

#endif
