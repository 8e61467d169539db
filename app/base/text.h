// SPDX-License-Identifier: MIT
// Text from outside (names of files, instructions in pictures, another machine's words): its
// characters, and the doors through which it goes to a terminal.
#ifndef LIMN_APP_BASE_TEXT_H
#define LIMN_APP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

// Bytes of the character at text, >= 1 unless it is the end; *wide (may be NULL) gets it, L'\0'
// when it is broken.
size_t text_char(const char *text, wchar_t *wide);
// Its bytes, 1 to 4, without a 0 behind them; returns how many.
size_t text_put(wchar_t c, char *out);
// Whether a character may go to a terminal: no controls (C0, DEL, C1), no direction overrides, no
// line or paragraph separators.
bool text_harmless(wchar_t c);

// One line: whatever is broken or not harmless, line breaks and tabs too, becomes '?'. Written into
// `text` itself, which it never makes longer; returns it.
char *text_line(char *text);

// A stream of bytes to a terminal, in pieces that may end in the middle of a character. Line
// feeds, carriage returns, tabs and the sequence that clears a line pass; else as text_line().
// Bytes that are no UTF-8 pass when `bytes` is set (a file, whose names scripts want whole),
// except controls.
struct text_stream {
    char held[8]; // of a character or sequence that may go on in the next piece
    size_t held_count;
};
// `out` has room for n + sizeof held bytes; returns how many it got.
size_t text_stream(struct text_stream *s, const char *in, size_t n, bool bytes, char *out);
// What is still held back: the stream has ended.
size_t text_stream_end(struct text_stream *s, bool bytes, char *out);

#endif
