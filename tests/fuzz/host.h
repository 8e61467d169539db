// SPDX-License-Identifier: MIT
// A worker that is only bytes: what limn starts as its worker, or ssh, is not started. The linker
// puts these before the system's functions (--wrap): fork() writes what was given into the pipes
// that were made for the child, and closes them; the child has always ended well. Before
// host_says() a fork is a fork: the sandbox's keeper is started then, and pictures are looked at.
#ifndef LIMN_TESTS_FUZZ_HOST_H
#define LIMN_TESTS_FUZZ_HOST_H

#include <stddef.h>
#include <stdint.h>

// What every worker says from now on. Borrowed.
void host_says(const uint8_t *data, size_t size);

#endif
