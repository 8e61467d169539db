// SPDX-License-Identifier: MIT
// Where templates and models are found: XDG folders, the installed data, and the source tree when
// the program runs from its build folder.
#ifndef LIMN_APP_BASE_PLACES_H
#define LIMN_APP_BASE_PLACES_H

#include "engine/base/err.h"

// Folders that may hold `kind` ("templates", "models"), best first, NULL at the end: the user's
// ($XDG_DATA_HOME/limn/KIND or ~/.local/share/limn/KIND), the source tree's (app/KIND, when run
// from its build folder), the installed one. Freed with places_free().
char **places_of(const char *kind);
void places_free(char **places);

#define PLACES_OWN_MODEL "limn-icons" // comes with limn

// `given`, else $LIMN_MODEL, else PLACES_OWN_MODEL.
const char *places_model_name(const char *given);
// Its folder: the name is a path, a name in places_of("models"), where NAME.yaml lists the files of
// a model, or limn's own name for one, ORG/NAME or NAME alone, there or in the hub's cache. Freed
// with free(). ERR_INPUT if it does not exist.
char *places_model(const char *given, struct err *err);

// Calls `visit` once for each named model, with its folder, or with NULL and the reason it cannot
// be used.
void places_each_model(void (*visit)(void *ctx, const char *name, const char *folder,
                                     const struct err *why),
                       void *ctx);
// Makes the model folder that a NAME.yaml describes; the path is freed with free(). Set at startup
// by programs that can do so; while it is NULL, such models do not exist.
extern char *(*places_assembled)(const char *yaml, struct err *err);

// A path as a person typed it: ~ and ~/… become the home folder. Freed with free().
char *places_expand(const char *path);

#endif
