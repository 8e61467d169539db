// SPDX-License-Identifier: MIT
// The standard streams a program starts with.
#ifndef LIMN_APP_BASE_STREAMS_H
#define LIMN_APP_BASE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

// First of all in every program. Opens /dev/null for each of standard input, output and error that
// is closed, so that no file opened later gets its number. Writing to such an output fails with
// EBADF.
void streams_open(void);

// Writes all of it, and waits where the stream is full, even if another program has made it
// non-blocking. False and errno on failure.
bool streams_write(int fd, const void *data, size_t size);

#endif
