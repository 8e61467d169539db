// SPDX-License-Identifier: MIT
// The only file that includes utf8proc: normal forms and the classes of characters.
#include "engine/text/bpe.h"

#include <utf8proc.h>

// A word is the first of these that matches:
//     a contraction; letters, perhaps behind one character that is no line end, letter or number;
//     one number; other characters, perhaps behind a space, and the line ends behind them; white
//     space up to its last line end; white space but for its last character, if more text follows;
//     white space
const char bpe_pattern[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

enum class { CLASS_NONE, CLASS_LETTER, CLASS_NUMBER, CLASS_LINE, CLASS_SPACE, CLASS_OTHER };

// White_Space of the Unicode Character Database.
static bool
is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

static enum class
class_of(int32_t c)
{
    if (c == '\r' || c == '\n')
        return CLASS_LINE;
    if (is_space(c))
        return CLASS_SPACE;
    utf8proc_category_t k = utf8proc_category(c); // L* and N* are ranges of them
    bool letter = k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
    bool number = k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
    return letter ? CLASS_LETTER : number ? CLASS_NUMBER : CLASS_OTHER;
}

struct reader {
    const char *text;
    size_t size;
};

// The character at `at` and how many bytes it has; CLASS_NONE behind the end.
static enum class
class_at(const struct reader *r, size_t at, size_t *length, int32_t *code)
{
    utf8proc_int32_t c = 0;
    *length = 0;
    if (at >= r->size)
        return CLASS_NONE;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)r->text + at,
                                          (utf8proc_ssize_t)(r->size - at), &c);
    *length = n > 0 ? (size_t)n : 1;
    if (code)
        *code = c;
    return n > 0 ? class_of(c) : CLASS_OTHER;
}

// The end of the characters from `at` on that are in `classes` (bits), of `most` at most.
static size_t
run(const struct reader *r, size_t at, unsigned classes)
{
    size_t length;
    while (classes >> class_at(r, at, &length, NULL) & 1 && length)
        at += length;
    return at;
}

static char
lower(const struct reader *r, size_t at, size_t *end)
{
    int32_t c = 0;
    size_t length;
    class_at(r, at, &length, &c);
    *end = at + length;
    if (c == 0x17F) // the long s is an s to whoever ignores case
        return 's';
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c > 0 && c < 128 ? (char)c : 0;
}

// 's 't 're 've 'm 'll 'd in any case; 0: none.
static size_t
contraction(const struct reader *r)
{
    size_t one, two;
    if (r->text[0] != '\'')
        return 0;
    char a = lower(r, 1, &one), b = lower(r, one, &two);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return one;
    bool pair = ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l');
    return pair ? two : 0;
}

static size_t
white_space(const struct reader *r)
{
    const unsigned white = 1u << CLASS_SPACE | 1u << CLASS_LINE;
    size_t end = run(r, 0, white), last = 0, line = 0, length;
    for (size_t at = 0; at < end; at += length) {
        if (class_at(r, at, &length, NULL) == CLASS_LINE)
            line = at + length;
        last = at;
    }
    if (line)
        return line;
    return end < r->size && last > 0 ? last : end;
}

size_t
bpe_word(const char *text, size_t size)
{
    const struct reader r = {text, size};
    size_t first, second, found = contraction(&r);
    enum class a = class_at(&r, 0, &first, NULL), b = class_at(&r, first, &second, NULL);
    if (found)
        return found;
    if (a == CLASS_LETTER)
        return run(&r, 0, 1u << CLASS_LETTER);
    if (b == CLASS_LETTER && (a == CLASS_SPACE || a == CLASS_OTHER))
        return run(&r, first, 1u << CLASS_LETTER);
    if (a == CLASS_NUMBER)
        return first;
    if (a == CLASS_OTHER || (text[0] == ' ' && b == CLASS_OTHER))
        return run(&r, run(&r, a == CLASS_OTHER ? 0 : first, 1u << CLASS_OTHER), 1u << CLASS_LINE);
    return white_space(&r);
}

char *
bpe_normal(const char *text, size_t size, size_t *normal_size)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size, &out,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    *normal_size = n > 0 ? (size_t)n : 0;
    return n < 0 ? NULL : (char *)out;
}
