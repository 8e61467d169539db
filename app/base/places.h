// SPDX-License-Identifier: MIT
// Where things are: XDG folders, the installed data, and the source tree when the program runs from
// its build folder.
#ifndef LIMN_APP_BASE_PLACES_H
#define LIMN_APP_BASE_PLACES_H

#include "engine/base/err.h"

// Folders that may hold `kind` ("templates", "models"), best first, NULL at the end: the user's
// ($XDG_DATA_HOME/limn/KIND or ~/.local/share/limn/KIND), the source tree's (app/KIND, when run
// from its build folder), the installed one. Freed with places_free().
char **places_of(const char *kind);
void places_free(char **places);

// The model folder: `given` (a path, a name in places_of("models"), or ORG/NAME in the hub's
// cache), else $LIMN_MODEL, else limn-icons. Freed with free(). ERR_INPUT when there is none.
char *places_model(const char *given, struct err *err);

// What a person typed for a file: ~ and ~/… are in the home, anything else is as it is. Freed with
// free().
char *places_typed(const char *path);

#endif
