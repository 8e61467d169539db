// SPDX-License-Identifier: MIT
#include "app/base/text.h"

#include <string.h>

// UTF-8 by hand: the locale may be another, and what it cannot show is for the drawing to say.
size_t
text_char(const char *text, wchar_t *wide)
{
    const unsigned char *p = (const unsigned char *)text;
    wchar_t c = 0;
    size_t n = 1;
    if (*p < 0x80) {
        c = *p;
        n = *p ? 1 : 0;
    } else {
        size_t more = *p >= 0xF0 && *p < 0xF5 ? 3 : *p >= 0xE0 ? 2 : *p >= 0xC2 ? 1 : 0;
        if (*p >= 0xF5)
            more = 0;
        c = *p & (0x3F >> more);
        size_t i = 1;
        while (i <= more && (p[i] & 0xC0) == 0x80)
            c = c << 6 | (p[i++] & 0x3F);
        static const wchar_t least[] = {0, 0x80, 0x800, 0x10000};
        if (more == 0 || i <= more || c < least[more] || c > 0x10FFFF ||
            (c >= 0xD800 && c < 0xE000))
            c = 0;
        else
            n = more + 1;
    }
    if (wide)
        *wide = c;
    return n;
}

bool
text_printable(wchar_t c)
{
    if (c < 32 || (c >= 0x7F && c < 0xA0))
        return false;
    if (c == 0x200E || c == 0x200F || c == 0x061C || (c >= 0x202A && c <= 0x202E) ||
        (c >= 0x2066 && c <= 0x2069))
        return false;
    return c != 0x2028 && c != 0x2029 && c != 0xFEFF && c != 0x00AD &&
           !(c >= 0xFFF9 && c <= 0xFFFB) && !(c >= 0xE0000 && c <= 0xE0FFF);
}

// A character as names are compared: in lower case, and a space for - and _.
static char
plain(char c)
{
    return c == '-' || c == '_' ? ' ' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t
text_begins_with(const char *text, const char *name)
{
    size_t n = 0;
    while (name[n] && plain(text[n]) == plain(name[n]))
        n++;
    return name[n] ? 0 : n;
}

size_t
text_put(wchar_t c, char *out)
{
    static const int heads[] = {0, 0xC0, 0xE0, 0xF0};
    int more = c >= 0x10000 ? 3 : c >= 0x800 ? 2 : c >= 0x80 ? 1 : 0;
    out[0] = (char)(heads[more] | (int)(c >> 6 * more));
    for (int i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> 6 * (more - i) & 0x3F));
    return (size_t)more + 1;
}

char *
text_line(char *text)
{
    char *out = text;
    for (const char *in = text; *in;) {
        wchar_t c;
        size_t n = text_char(in, &c);
        if (c && text_printable(c)) {
            memmove(out, in, n);
            out += n;
        } else {
            *out++ = '?';
        }
        in += n;
    }
    *out = 0;
    return text;
}

// --- streams

static const char clear_line[] = "\033[K";

// Whether more bytes could make of these a whole character, or the sequence that clears a line.
static bool
is_incomplete(const char *p, size_t n)
{
    unsigned char first = (unsigned char)p[0];
    size_t whole = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 && first < 0xF0 ? 3
                   : first >= 0xC2 && first < 0xE0                                   ? 2 : 1;
    if (first == '\033')
        return n < 3 && memcmp(p, clear_line, n) == 0;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)p[i] & 0xC0) != 0x80)
            return false;
    return n < whole;
}

// Puts out the character at p, which a 0 byte ends; returns the bytes that it had.
static size_t
put_one(const char *p, bool bytes, char **out)
{
    wchar_t c;
    if (strncmp(p, clear_line, 3) == 0) {
        memcpy(*out, p, 3);
        *out += 3;
        return 3;
    }
    size_t n = *p ? text_char(p, &c) : 1;
    bool plain = *p == '\n' || *p == '\r' || *p == '\t' || (*p && c && text_printable(c));
    bool kept = *p && !c && bytes && (unsigned char)*p >= 0xA0;
    if (plain || kept) {
        memcpy(*out, p, n);
        *out += n;
    } else {
        *(*out)++ = '?';
    }
    return n;
}

static size_t
put_pending(struct text_stream *s, bool bytes, bool end, char **out)
{
    size_t at = 0;
    s->pending[s->pending_count] = 0;
    while (at < s->pending_count && (end || !is_incomplete(s->pending + at, s->pending_count - at)))
        at += put_one(s->pending + at, bytes, out);
    memmove(s->pending, s->pending + at, s->pending_count - at);
    return s->pending_count -= at;
}

size_t
text_stream(struct text_stream *s, const char *in, size_t n, bool bytes, char *out)
{
    char *to = out;
    for (size_t i = 0; i < n; i++) {
        s->pending[s->pending_count++] = in[i];
        put_pending(s, bytes, false, &to);
    }
    return (size_t)(to - out);
}

size_t
text_stream_end(struct text_stream *s, bool bytes, char *out)
{
    char *to = out;
    put_pending(s, bytes, true, &to);
    return (size_t)(to - out);
}
