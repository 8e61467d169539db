// SPDX-License-Identifier: MIT
// Messages for the other side, from an input that a fuzzer can change well: one a line, JSON and,
// behind a tab, the payload, or "PNG" for a good picture. An input that begins with 0 is sent as it
// is.
#ifndef LIMN_TESTS_FUZZ_FRAMES_H
#define LIMN_TESTS_FUZZ_FRAMES_H

#include <stddef.h>
#include <stdint.h>

// Freed with free(). `greeting` (may be "") comes first, unless the input is sent as it is.
uint8_t *frames_of(const char *greeting, const uint8_t *data, size_t size, size_t *out);

#endif
