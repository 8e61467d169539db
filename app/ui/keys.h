// SPDX-License-Identifier: MIT
// Requests: what a key, a command or a hint asks for, whoever answers it (requests.def). Keys of
// each view are rows in keys.c. No screen here.
#ifndef LIMN_APP_UI_KEYS_H
#define LIMN_APP_UI_KEYS_H

#include <stdbool.h>
#include <wchar.h>

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

enum request key_request(enum view_id view, wint_t key, bool code, bool typing);
const char *request_name(enum request r);
const char *request_help(enum request r);
enum request request_find(const char *name);
// "F9, ^G": the keys of a request in a view; in a static buffer.
const char *request_keys(enum view_id view, enum request r);

#endif
