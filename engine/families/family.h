// SPDX-License-Identifier: MIT
// Families of models: which networks make one up. A family only connects what engine/nets holds; a
// new one is one file with a row, and the row's name in families.c (docs/families.md).
#ifndef LIMN_ENGINE_FAMILIES_FAMILY_H
#define LIMN_ENGINE_FAMILIES_FAMILY_H

#include "engine/nets/net.h"

struct family {
    const char *name;              // "limn"
    const char *const *classes;    // _class_name of model_index.json; ends with NULL
    const char *const *parts;      // folders, in the order of their weights; ends with NULL
    const char *denoiser, *text;   // of these, what is trained and listed
    const char *enlarger;          // the second pass, where a model has it; NULL: never
    // That the parts fit each other and suffice for drawing; each for itself has been checked.
    bool (*check)(const struct parts *parts, const char *folder, struct err *err);
    // Pixels a side of what the denoiser and, as far as there is one, the enlarger draws; 0 without
    // a denoiser.
    void (*sizes)(const struct parts *parts, int *size, int *final_size);
};

extern const struct family family_limn, family_imagen;

// The family of a model_index.json, NULL: of a folder without one. ERR_INPUT when no family draws
// its _class_name. `name` (the file) starts the error.
const struct family *family_of(const struct jv *index, const char *name, struct err *err);

#endif
