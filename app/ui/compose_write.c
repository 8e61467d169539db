// SPDX-License-Identifier: MIT
// The composer's text, while it is written, and its mouse.
#define NCURSES_WIDECHAR 1
#include <ctype.h>
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

#include "app/ui/browser.h"
#include "app/ui/compose.h"
#include "app/ui/field.h"
#include "app/ui/painter.h"
#include "app/ui/screen.h"
#include "app/ui/session.h"
#include "engine/base/mem.h"

bool
compose_is_typing(const struct ui *ui)
{
    return compose_of(ui)->pane == PANE_TEXT || painter_is_open(ui);
}

const char *
compose_typing_hint(const struct ui *ui)
{
    if (painter_is_open(ui))
        return painter_hint(ui);
    return "writing: Esc ends it   Tab completes [ref#\u2026]   ^V variable   F9 draws";
}

// Replaces the marker right before the cursor with that of the next reference.
static bool
next_marker(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct field *f = &session->text;
    size_t from = f->cursor;
    int marker = 0, length = 0, first = 0, next = 0;
    bool passed = false;
    while (from > 0 && f->text[from] != '[' && f->cursor - from < JOB_KEY_TEXT)
        from--;
    if (sscanf(f->text + from, "[ref#%d]%n", &marker, &length) != 1 ||
        from + (size_t)length != f->cursor)
        return false;
    for (int i = 0; i < session->job.reference_count; i++) {
        const struct job_reference *r = &session->job.references[i];
        if (r->use != JOB_REFERENCE)
            continue;
        first = first ? first : r->marker;
        next = passed && !next ? r->marker : next;
        passed = passed || r->marker == marker;
    }
    char text[JOB_KEY_TEXT];
    snprintf(text, sizeof text, "[ref#%d]", next ? next : first ? first : marker);
    field_replace(f, from, f->cursor, text);
    return true;
}

// Completes "[", "[re", "[ref#" and the like before the cursor to a marker: the typed number, else
// the first reference that the text does not mention, else the first one.
static bool
complete(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct field *f = &session->text;
    static const char start[] = "[ref#";
    size_t from = f->cursor;
    while (from > 0 && f->text[from - 1] != '[' && f->cursor - from < 6)
        from--;
    if (from == 0 || f->text[from - 1] != '[')
        return false;
    from--;
    size_t n = f->cursor - from;
    int typed = 0;
    if (n > sizeof start - 1)
        typed = atoi(f->text + from + sizeof start - 1);
    if (strncmp(f->text + from, start, MIN(n, sizeof start - 1)) != 0 ||
        memchr(f->text + from, ']', n))
        return false;
    int marker = typed;
    int first = 0;
    for (int i = 0; !marker && i < session->job.reference_count; i++) {
        const struct job_reference *r = &session->job.references[i];
        char text[JOB_KEY_TEXT];
        job_reference_label(r, text);
        if (r->use == JOB_REFERENCE && !strstr(f->text, text))
            marker = r->marker;
        first = first || r->use != JOB_REFERENCE ? first : r->marker;
    }
    marker = marker ? marker : first;
    char text[24];
    snprintf(text, sizeof text, "[ref#%d]", MAX(marker, 1));
    field_replace(f, from, f->cursor, text);
    return true;
}

static bool
is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-';
}

// Turns the word at the cursor into a {{variable}}, or back.
static void
toggle_variable(struct ui *ui)
{
    struct field *f = &session_of(ui)->text;
    size_t from = f->cursor, to = f->cursor;
    while (from > 0 && is_word(f->text[from - 1]))
        from--;
    while (is_word(f->text[to]))
        to++;
    if (from == to) {
        ui_say(ui, ROLE_STATUS, "^V on a word of letters makes it a {{variable}}");
        return;
    }
    bool braced = from >= 2 && strncmp(f->text + from - 2, "{{", 2) == 0 &&
                  strncmp(f->text + to, "}}", 2) == 0;
    char *word = mem_strndup(f->text + from, to - from);
    char *text = braced ? mem_strdup(word) : mem_printf("{{%s}}", word);
    field_replace(f, from - 2 * braced, to + 2 * braced, text);
    ui_say(ui, ROLE_GOOD,
           braced ? "%s is a word again"
                  : "%s is a variable: Esc, then X sweeps over it, w makes a template",
           word);
    free(text);
    free(word);
    session_check(ui);
}

bool
compose_on_key(struct ui *ui, wint_t key, bool code)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    if (painter_is_open(ui))
        return painter_key(ui, key, code);
    if (!code && (key == 27 || key == ('G' & 0x1f) || key == ('L' & 0x1f) || key == ('X' & 0x1f)))
        return false;
    if (!code && key == ('V' & 0x1f))
        return toggle_variable(ui), true;
    if (!code && key == '\t') {
        bool done = (c->written && next_marker(ui)) || complete(ui);
        if (!done && c->written) // keep the focus: the next keys typed would be commands elsewhere
            ui_say(ui, ROLE_STATUS,
                   "Tab after [ completes a marker, again takes the next; Esc ends writing");
        c->written = c->written || done;
        session_check(ui);
        return c->written;
    }
    if (code && (key == KEY_UP || key == KEY_DOWN))
        return field_move_line(&session->text, MAX(c->text.columns - 1, 1),
                               key == KEY_UP ? -1 : 1),
               true;
    size_t cursor = session->text.cursor;
    // A word typed right after a marker, as when pictures were just added, gets a space.
    if (!code && iswalnum(key) && cursor > 0 && session->text.text[cursor - 1] == ']')
        field_insert(&session->text, " ");
    bool used = field_key(&session->text, key, code);
    c->written = c->written || (used && !code);
    if (used && (cursor != session->text.cursor || !code))
        session_check(ui);
    return used;
}

void
compose_on_paste(struct ui *ui, const char *text)
{
    struct session *session = session_of(ui);
    if (painter_is_open(ui))
        return;
    field_insert(&session->text, text);
    compose_of(ui)->written = true;
    session_check(ui);
}

void
compose_on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    if (painter_is_open(ui)) {
        painter_mouse(ui, y, x, turn, screen_mouse_drags());
        return;
    }
    if (draw_contains(&c->pane_of_files, y, x)) {
        compose_focus(c, PANE_FILES);
        int row = c->browser.top + y - c->files.y;
        bool hit = !turn && draw_contains(&c->files, y, x) && row < c->browser.count;
        if (turn)
            compose_files_request(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        if (hit)
            c->browser.selected = row;
        if (hit && double_click)
            compose_files_request(ui, REQUEST_ENTER);
    } else if (draw_contains(&c->references, y, x)) {
        compose_focus(c, PANE_REFERENCES);
        int row = c->top + y - c->references.y;
        bool hit = !turn && row < session->job.reference_count;
        if (hit)
            c->reference = row;
        if (hit && double_click)
            compose_references_request(ui, REQUEST_ENTER);
    } else if (draw_contains(&c->text, y, x)) {
        compose_focus(c, PANE_TEXT);
    }
}
