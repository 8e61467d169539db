// SPDX-License-Identifier: MIT
// What shim.c and shim_calls.c share: the kinds of calls, the roles of processes, and whether a
// call fails.
#ifndef LIMN_TESTS_FAULTS_SHIM_H
#define LIMN_TESTS_FAULTS_SHIM_H

#include <stdbool.h>
#include <stddef.h>

enum kind {
#define KIND(name, text) KIND_##name,
#include "tests/faults/kinds.def"
#undef KIND
    KIND_COUNT,
    KIND_NONE = -1
};

enum role {
    ROLE_LIMN,    // what talks to people
    ROLE_WORKER,  // what draws
    ROLE_COMMAND, // a command of the worker's: a training, a pack
    ROLE_FORK,    // a copy of one of them, before it is anything else; makers of packs
    ROLE_KEEPER,  // the sandbox: what starts its children
    ROLE_LOOK,    // a child of the sandbox
    ROLE_OTHER,   // all else
    ROLE_COUNT
};

// The function behind one of the shim's.
void *shim_real(const char *name);

// Counts a call; true: it fails, and errno says how.
bool shim_fails(enum kind kind, void *caller);
// Counts a call that moves bytes: how many it may move; SIZE_MAX: it fails, and errno says how.
size_t shim_size(enum kind kind, size_t size, void *caller);
// Which of both kinds reading or writing `fd` is; KIND_NONE: neither.
enum kind shim_kind(int fd, enum kind file, enum kind stream);

void shim_forked(void);               // in the child
void shim_named(const char *name);    // the process has given itself a name

#endif
