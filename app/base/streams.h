// SPDX-License-Identifier: MIT
// The standard streams, as a program finds them.
#ifndef LIMN_APP_BASE_STREAMS_H
#define LIMN_APP_BASE_STREAMS_H

#include <stdbool.h>
#include <stddef.h>

// First of all in every program.
// Standard input, output and error that were closed are /dev/null's from here on, so that no file
// or pipe that is opened later is taken for one of them. What is written to such an output is an
// error (EBADF), for nobody gets it.
void streams_open(void);

// All of it, in pieces, waiting where a stream that does not wait (another program has made it so)
// is full. False and errno: it failed.
bool streams_write(int fd, const void *data, size_t size);

#endif
