// SPDX-License-Identifier: MIT
#include "engine/base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "engine/base/mem.h"

// Bytes of the character that begins at p, 0 when there is none.
static size_t
character(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p >> 5 == 6 ? 2 : *p >> 4 == 14 ? 3 : *p >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > left || *p == 0)
        return 0;
    uint32_t code = n == 1 ? *p : *p & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3Fu);
    }
    bool surrogate = code >= 0xD800 && code < 0xE000;
    return code < least[n] || surrogate || code > 0x10FFFF ? 0 : n;
}

bool
utf8_valid(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t n = character((const unsigned char *)text + at, size - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

// Bytes at p that a character could begin with and that do not go on as one: at least 1.
static size_t
broken(const unsigned char *p, size_t left)
{
    size_t n = *p >= 0xC2 && *p < 0xE0 ? 2 : *p >> 4 == 14 ? 3 : *p >= 0xF0 && *p < 0xF5 ? 4 : 1;
    // What may be second, where it is not any of the bytes that go on.
    unsigned least = *p == 0xE0 ? 0xA0 : *p == 0xF0 ? 0x90 : 0x80;
    unsigned most = *p == 0xED ? 0x9F : *p == 0xF4 ? 0x8F : 0xBF;
    size_t i = 1;
    for (; i < n && i < left; i++, least = 0x80, most = 0xBF)
        if (p[i] < least || p[i] > most)
            break;
    return i;
}

char *
utf8_replaced(const char *text, size_t size)
{
    static const char sign[] = "\xEF\xBF\xBD";
    char *out = mem_alloc(3 * size + 1), *to = out;
    for (size_t at = 0; at < size;) {
        const unsigned char *p = (const unsigned char *)text + at;
        size_t n = character(p, size - at);
        memcpy(to, n ? text + at : sign, n ? n : 3);
        to += n ? n : 3;
        at += n ? n : broken(p, size - at);
    }
    *to = 0;
    return out;
}

size_t
utf8_mark(const char *text, size_t size)
{
    return size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
}
