// SPDX-License-Identifier: MIT
// What a text file is: UTF-8 without zero bytes, perhaps behind a byte order mark, which editors
// of other systems put there and which is no part of the text.
#ifndef LIMN_ENGINE_BASE_UTF8_H
#define LIMN_ENGINE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF; and no zero byte.
bool utf8_valid(const char *text, size_t size);

// The text with U+FFFD for what is broken in it, one for each longest beginning of a character
// that has no end (Unicode 15, section 3.9; as Python's errors="replace"). Freed with free().
char *utf8_replaced(const char *text, size_t size);

// Bytes of the byte order mark that the text begins with: 3, or 0.
size_t utf8_mark(const char *text, size_t size);

#endif
