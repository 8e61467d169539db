// SPDX-License-Identifier: MIT
#include "app/ui/field.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "engine/base/mem.h"

enum { UNDO_MAX = 200, CTRL = 0x1f };

// --- widths

static int
char_width(wchar_t c)
{
    if (!c || !text_printable(c))
        return 1;
    int w = wcwidth(c);
    return w < 0 ? 1 : w;
}

int
text_width(const char *text, size_t n)
{
    int width = 0;
    for (size_t i = 0; i < n && text[i];) {
        wchar_t c;
        i += text_char(text + i, &c);
        width += char_width(c);
    }
    return width;
}

// --- contents, undo

static void
clear_states(struct field_state *states, int *count)
{
    for (int i = 0; i < *count; i++)
        free(states[i].text);
    *count = 0;
}

void
field_finish(struct field *f)
{
    clear_states(f->undo, &f->undo_count);
    clear_states(f->redo, &f->redo_count);
    free(f->undo);
    free(f->redo);
    free(f->text);
    *f = (struct field){.limit = f->limit, .lines = f->lines};
}

void
field_set(struct field *f, const char *text)
{
    char *copy = mem_strdup(text ? text : "");
    field_finish(f);
    f->text = copy;
    f->cursor = strlen(copy);
    if (!f->limit)
        f->limit = 4096;
}

static void
push_undo(struct field *f, bool typing)
{
    if (typing && f->typing)
        return;
    if (f->undo_count == UNDO_MAX) {
        free(f->undo[0].text);
        memmove(f->undo, f->undo + 1, (UNDO_MAX - 1) * sizeof *f->undo);
        f->undo_count--;
    }
    struct field_state s = {mem_strdup(f->text), f->cursor};
    ARRAY_PUSH(f->undo, f->undo_count, f->undo_capacity, s);
    clear_states(f->redo, &f->redo_count);
    f->typing = typing;
}

static void
restore(struct field *f, struct field_state s)
{
    free(f->text);
    f->text = s.text;
    f->cursor = s.cursor;
    f->typing = false;
}

static void
undo(struct field *f)
{
    if (!f->undo_count)
        return;
    struct field_state now = {mem_strdup(f->text), f->cursor};
    ARRAY_PUSH(f->redo, f->redo_count, f->redo_capacity, now);
    restore(f, f->undo[--f->undo_count]);
}

static void
redo(struct field *f)
{
    if (!f->redo_count)
        return;
    struct field_state now = {mem_strdup(f->text), f->cursor};
    ARRAY_PUSH(f->undo, f->undo_count, f->undo_capacity, now);
    restore(f, f->redo[--f->redo_count]);
}

// --- changing

static void
splice(struct field *f, size_t from, size_t to, const char *text, size_t n)
{
    size_t rest = strlen(f->text + to);
    if (from + n + rest > f->limit)
        return;
    char *out = mem_alloc(from + n + rest + 1);
    memcpy(out, f->text, from);
    memcpy(out + from, text, n);
    memcpy(out + from + n, f->text + to, rest + 1);
    free(f->text);
    f->text = out;
    f->cursor = from + n;
}

void
field_replace(struct field *f, size_t from, size_t to, const char *text)
{
    push_undo(f, false);
    splice(f, from, to, text, strlen(text));
}

void
field_insert(struct field *f, const char *text)
{
    char *clean = mem_alloc(strlen(text) + 1);
    size_t n = 0;
    for (const char *p = text; *p;) {
        wchar_t c;
        size_t size = text_char(p, &c);
        if (c == L'\n' && f->lines) {
            clean[n++] = '\n';
        } else if (c == L'\n' || c == L'\t') {
            clean[n++] = ' ';
        } else if (c && text_printable(c)) {
            memcpy(clean + n, p, size);
            n += size;
        }
        p += size;
    }
    push_undo(f, false);
    splice(f, f->cursor, f->cursor, clean, n);
    free(clean);
}

static size_t
previous_character(const struct field *f, size_t at)
{
    while (at > 0) {
        at--;
        if ((f->text[at] & 0xC0) != 0x80)
            break;
    }
    // Combining marks belong to their letter.
    wchar_t c;
    text_char(f->text + at, &c);
    return at > 0 && c && char_width(c) == 0 ? previous_character(f, at) : at;
}

static size_t
next_character(const struct field *f, size_t at)
{
    wchar_t c;
    at += text_char(f->text + at, NULL);
    while (f->text[at]) {
        size_t n = text_char(f->text + at, &c);
        if (!c || char_width(c) != 0)
            break;
        at += n;
    }
    return at;
}

static size_t
word_before(const struct field *f, size_t at)
{
    while (at > 0 && f->text[at - 1] == ' ')
        at--;
    while (at > 0 && f->text[at - 1] != ' ' && f->text[at - 1] != '\n')
        at--;
    return at;
}

static void
erase_bytes(struct field *f, size_t from, size_t to)
{
    if (from == to)
        return;
    push_undo(f, false);
    splice(f, from, to, "", 0);
}

static size_t
line_start(const struct field *f)
{
    size_t at = f->cursor;
    while (at > 0 && f->text[at - 1] != '\n')
        at--;
    return at;
}

static size_t
line_end(const struct field *f)
{
    return f->cursor + strcspn(f->text + f->cursor, "\n");
}

static void
type_character(struct field *f, wint_t key)
{
    char bytes[4];
    size_t n = text_put((wchar_t)key, bytes);
    push_undo(f, key != ' ' && key != '\n');
    splice(f, f->cursor, f->cursor, bytes, n);
}

bool
field_key(struct field *f, wint_t key, bool code)
{
    size_t at = f->cursor;
    if (code) {
        switch (key) {
        case KEY_LEFT: at = previous_character(f, at); break;
        case KEY_RIGHT: at = next_character(f, at); break;
        case KEY_HOME: at = line_start(f); break;
        case KEY_END: at = line_end(f); break;
        case KEY_BACKSPACE: erase_bytes(f, previous_character(f, at), at); return true;
        case KEY_DC: erase_bytes(f, at, next_character(f, at)); return true;
        default: return false;
        }
        f->cursor = at;
        f->typing = false;
        return true;
    }
    switch (key) {
    case 'A' & CTRL: f->typing = false, f->cursor = line_start(f); return true;
    case 'E' & CTRL: f->typing = false, f->cursor = line_end(f); return true;
    case 'U' & CTRL: erase_bytes(f, line_start(f), at); return true;
    case 'K' & CTRL: erase_bytes(f, at, line_end(f)); return true;
    case 'W' & CTRL: erase_bytes(f, word_before(f, at), at); return true;
    case '_' & CTRL: undo(f); return true;
    case 'R' & CTRL: redo(f); return true;
    case 'H' & CTRL:
    case 127: erase_bytes(f, previous_character(f, at), at); return true;
    case '\n':
    case '\r':
        if (!f->lines)
            return false;
        type_character(f, '\n');
        return true;
    default: break;
    }
    if (!text_printable((wchar_t)key))
        return false;
    type_character(f, key);
    return true;
}

// --- lines

int
field_wrap(const char *text, int width, struct field_line *lines, int max)
{
    int count = 0;
    size_t start = 0, at = 0, space = 0;
    int used = 0;
    while (count < max) {
        wchar_t c;
        size_t n = text_char(text + at, &c);
        if (n == 0 || c == L'\n') {
            lines[count++] = (struct field_line){start, at - start};
            if (n == 0)
                break;
            start = space = at += n;
            used = 0;
            continue;
        }
        int w = char_width(c);
        if (used + w > width && at > start) {
            size_t end = space > start ? space : at; // after the last space, or inside the word
            lines[count++] = (struct field_line){start, end - start};
            start = space = end;
            used = text_width(text + start, at - start);
            continue;
        }
        used += w;
        at += n;
        if (c == L' ')
            space = at;
    }
    return MAX(count, 1);
}

bool
field_move_line(struct field *f, int width, int by)
{
    struct field_line lines[256];
    int count = field_wrap(f->text, width, lines, 256), here = 0;
    for (int i = 0; i < count; i++)
        if (f->cursor >= lines[i].start)
            here = i;
    int there = here + by;
    if (there < 0 || there >= count)
        return false;
    int column = text_width(f->text + lines[here].start, f->cursor - lines[here].start), used = 0;
    size_t at = lines[there].start, end = at + lines[there].length;
    while (at < end && used < column) {
        wchar_t c;
        size_t n = text_char(f->text + at, &c);
        if (used + char_width(c) > column || c == L'\n')
            break;
        used += char_width(c);
        at += n;
    }
    if (at == end && end > lines[there].start && there + 1 < count && f->text[end] != '\n')
        at = previous_character(f, end); // the end of a wrapped line is the start of the next
    f->cursor = at;
    f->typing = false;
    return true;
}
