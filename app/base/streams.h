// SPDX-License-Identifier: MIT
// The standard streams a program starts with.
#ifndef LIMN_APP_BASE_STREAMS_H
#define LIMN_APP_BASE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

// Call it first in every program. Opens /dev/null for each standard stream that is closed, so that
// no file opened later gets its descriptor. Writing to such an output fails with EBADF.
void streams_open(void);

// Writes all of it, waiting while the stream is full, even if another program has made it
// non-blocking. False and errno on failure.
bool streams_write(int fd, const void *data, size_t size);

#endif
