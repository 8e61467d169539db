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

// The model folder: `given` (a path, a name in places_of("models"), where NAME.yaml is one that is
// put together from files, or ORG/NAME in the hub's cache), else $LIMN_MODEL, else limn-icons.
// Freed with free(). ERR_INPUT when there is none.
char *places_model(const char *given, struct err *err);

// Each model that has a name, once: its folder, or, where there is none to be had, why.
void places_each_model(void (*see)(void *ctx, const char *name, const char *folder,
                                   const struct err *why),
                       void *ctx);
// Makes the folder of a NAME.yaml, freed with free(); set by programs that know how (NULL: such
// models are not there).
extern char *(*places_assembled)(const char *yaml, struct err *err);

// What a person typed for a file: ~ and ~/… are in the home, anything else is as it is. Freed with
// free().
char *places_typed(const char *path);

#endif
