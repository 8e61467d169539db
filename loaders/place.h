// SPDX-License-Identifier: MIT
// Whether code at a path may be loaded: only the user and root may have put it there or be able to
// change it.
#ifndef LIMN_LOADERS_PLACE_H
#define LIMN_LOADERS_PLACE_H

#include <stdbool.h>

#include "engine/base/err.h"

enum place_kind {
    PLACE_OWN = 0, // named by the user: the folders above it are checked too
    PLACE_BUILT,   // limn's own, where it was installed or built: as safe as limn itself
};

// The folder or file with its links resolved, freed with free(). NULL when it must not be used:
// ERR_INPUT "its folder /x belongs to another user" (no path before it); ERR_IO when it does not
// exist.
//
// It must be absolute, belong to root or to whoever runs limn (PLACE_BUILT: or to whoever owns
// limn), and not be writable by others; nor, for PLACE_OWN, may any folder above it, unless that
// has the sticky bit. Write access for the user's private group, as many systems create it, is
// allowed.
char *place_resolve(const char *path, enum place_kind kind, struct err *err);

#endif
