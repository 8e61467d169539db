// SPDX-License-Identifier: MIT
// Where a command puts a picture: into a file, or, for "-" and /dev/stdout, on standard output,
// where then nothing else goes.
#ifndef LIMN_APP_CLI_OUTPUT_H
#define LIMN_APP_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

bool output_is_standard(const char *path); // NULL: no

// Before the work that makes it: whether it could be written there now. `source` (may be NULL) is
// what is read for it, which is not to be written over.
bool output_check(const char *path, const char *source, struct err *err);
bool output_write(const char *path, const void *data, size_t size, struct err *err);

#endif
