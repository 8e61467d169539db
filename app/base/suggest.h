// SPDX-License-Identifier: MIT
// "Did you mean": the nearest of some names.
#ifndef LIMN_APP_BASE_SUGGEST_H
#define LIMN_APP_BASE_SUGGEST_H

#include <stddef.h>

// The name in the NULL-terminated list at the smallest edit distance from `word`, at most two (one
// if the word has three bytes or fewer). NULL: none is near enough.
const char *suggest(const char *word, const char *const *names);

#endif
