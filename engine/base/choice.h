// SPDX-License-Identifier: MIT
// One of the names a setting may have, for help, completions and forms. A table hands out its names
// one by one through a choice_fn, so that they are listed once only.
#ifndef LIMN_ENGINE_BASE_CHOICE_H
#define LIMN_ENGINE_BASE_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

struct choice {
    const char *name; // "dpm++"
    const char *help; // a few words for people, no full stop
};

// The i-th choice; false: there are no more.
typedef bool choice_fn(size_t i, struct choice *out);

#endif
