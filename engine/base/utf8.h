// SPDX-License-Identifier: MIT
// What limn accepts as a text file: UTF-8 without zero bytes. A byte order mark, as some editors
// write it, may precede the text and is not part of it.
#ifndef LIMN_ENGINE_BASE_UTF8_H
#define LIMN_ENGINE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF; and no zero byte.
bool utf8_valid(const char *text, size_t size);

// The text with U+FFFD in place of invalid bytes, one for each maximal subpart of an ill-formed
// sequence (Unicode 15, section 3.9; like Python's errors="replace"). Freed with free().
char *utf8_replaced(const char *text, size_t size);

// Length of the byte order mark at the beginning of the text: 3, or 0.
size_t utf8_mark(const char *text, size_t size);

#endif
