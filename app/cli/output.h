// SPDX-License-Identifier: MIT
// Where a command writes a picture: to a file or, for "-" and /dev/stdout, to standard output,
// which then carries nothing else.
#ifndef LIMN_APP_CLI_OUTPUT_H
#define LIMN_APP_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/base/err.h"

bool output_is_standard(const char *path); // NULL: no

// Checks, before the work begins, that the file can be written. `source` (may be NULL) is the input
// file, which must not be overwritten.
bool output_check(const char *path, const char *source, struct err *err);
bool output_write(const char *path, const void *data, size_t size, struct err *err);

#endif
