// SPDX-License-Identifier: MIT
// Text from outside (file names, instructions in pictures, messages from another machine): its
// characters, and the filters it passes on its way to a terminal.
#ifndef LIMN_APP_BASE_TEXT_H
#define LIMN_APP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <wchar.h>

// Length in bytes of the character at text, 0 at the end; *wide (may be NULL) is set to it, or to
// L'\0' where it is not valid.
size_t text_char(const char *text, wchar_t *wide);
// Writes its 1 to 4 bytes, without a terminating 0; returns how many.
size_t text_put(wchar_t c, char *out);
// Whether a character may go to a terminal: no controls (C0, DEL, C1), no direction overrides, no
// line or paragraph separators.
bool text_printable(wchar_t c);

// Makes it one harmless line, in place: whatever is invalid or not harmless, line breaks and tabs
// included, becomes '?'. It never grows. Returns text.
char *text_line(char *text);

// How many bytes of `text` the name at its beginning takes, where letters count in either case, and
// '-', '_' and a space for one another; 0: it does not begin with the name.
size_t text_begins_with(const char *text, const char *name);

// Filters a stream of bytes bound for a terminal, in pieces that may end in the middle of a
// character. Line feeds, carriage returns, tabs and the sequence that clears a line pass; the rest
// is treated as by text_line(). With `bytes`, invalid UTF-8 passes too, except controls: scripts
// need file names unchanged.
struct text_stream {
    char pending[8]; // start of a character or sequence that the next piece may continue
    size_t pending_count;
};
// `out` has room for n + sizeof pending bytes; returns how many were written.
size_t text_stream(struct text_stream *s, const char *in, size_t n, bool bytes, char *out);
// At the end of the stream: what is still pending.
size_t text_stream_end(struct text_stream *s, bool bytes, char *out);

#endif
