// SPDX-License-Identifier: MIT
// The frame around a view (title, messages, hints), and the order in which a screen is drawn.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "app/ui/field.h"
#include "app/ui/halves.h"
#include "app/ui/screen.h"
#include "app/ui/ui_parts.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { FLUSH_MS = 2 }; // of sending pictures before keys are read

static void
draw_title(struct ui *ui)
{
    struct area bar = {0, 0, 1, COLS};
    draw_fill(&bar, ROLE_TITLE);
    int x = 1;
    for (int i = 0; i < VIEW_COUNT; i++) {
        char text[40];
        snprintf(text, sizeof text, COLS >= 78 ? " %d %s " : "%d%.3s", i + 1, views[i]->name);
        int width = text_width(text, SIZE_MAX);
        draw_text(0, x, width, (int)ui->view == i ? ROLE_TAB : ROLE_TITLE, text);
        x += width + (COLS < 78);
    }
    int unfinished = tasks_unfinished(ui);
    char right[80] = "";
    if (unfinished)
        snprintf(right, sizeof right, "%d %s ", unfinished, unfinished == 1 ? "job" : "jobs");
    else if (ui->worker.host)
        snprintf(right, sizeof right, "%.40s ", ui->worker.host);
    int width = text_width(right, SIZE_MAX);
    if (x + width < COLS)
        draw_text(0, COLS - width, width, ROLE_TITLE, right);
}

// A question, else a message; "": neither.
static const char *
status_text(const struct dialogue *d)
{
    return d->asking ? d->question : d->message;
}

// What is too long for one line takes that of the hints, too: it is to be read to its end.
static bool
needs_two_lines(const struct dialogue *d)
{
    return !d->prompting && text_width(status_text(d), SIZE_MAX) > COLS - 2;
}

static void
draw_status(struct ui *ui)
{
    const struct dialogue *d = &ui->dialogue;
    struct area line = {LINES - 2, 0, 1, COLS};
    draw_fill(&line, ROLE_STATUS);
    if (d->prompting) {
        int label = text_width(d->prompt_label, SIZE_MAX);
        draw_text(LINES - 2, 1, label, ROLE_STATUS, d->prompt_label);
        struct area input = {LINES - 2, label + 1, 1, COLS - label - 2};
        draw_field(&input, &d->prompt);
        return;
    }
    const char *text = status_text(d);
    enum role role = d->asking ? ROLE_WARNING : d->message_role;
    struct field_line lines[2];
    if (!needs_two_lines(d)) {
        draw_message(LINES - 2, 1, COLS - 2, role, text);
        return;
    }
    line.y++;
    draw_fill(&line, ROLE_STATUS);
    field_wrap(text, COLS - 2, lines, 2);
    char *first = mem_strndup(text, lines[0].length);
    draw_message(LINES - 2, 1, COLS - 2, role, first);
    draw_message(LINES - 1, 1, COLS - 2, role, text + lines[1].start);
    free(first);
}

static const enum request *
hints_of(const struct ui *ui, const struct view_word **words)
{
    const struct view *v = views[ui->view];
    const enum request *hints = v->hints;
    *words = v->words;
    if (v->hints_now)
        v->hints_now(ui, &hints, words);
    return hints;
}

static const char *
hint_word(const struct ui *ui, enum request r)
{
    const struct view_word *words;
    hints_of(ui, &words);
    for (const struct view_word *w = words; w && w->request; w++)
        if (w->request == r)
            return w->word;
    return request_name(r);
}

static bool
is_typing(const struct ui *ui)
{
    const struct view *v = views[ui->view];
    return v->typing && v->typing(ui);
}

// A request's first key, and what it does. Returns the columns; x 0: only measures.
static int
draw_hint(struct ui *ui, int x, enum request r)
{
    char keys[80];
    const char *word = hint_word(ui, r), *first = request_keys(ui->view, r);
    while (is_typing(ui) && first[0] && first[1] == ' ') // a character would be text
        first += 2;
    snprintf(keys, sizeof keys, "%s", first);
    keys[strcspn(keys, " ")] = 0;
    int width = text_width(keys, SIZE_MAX), words = text_width(word, SIZE_MAX);
    if (x > 0) {
        draw_text(LINES - 1, x, width, ROLE_KEY, keys);
        draw_text(LINES - 1, x + width + 1, words, ROLE_DIM, word);
        struct screen *s = &ui->screen;
        if (s->hint_count < SCREEN_HINTS_MAX)
            s->hints[s->hint_count++] = (struct hint){x, width + 1 + words, r};
    }
    return width + 1 + words;
}

// Hints that are a text, with two spaces or more between them: as many as there is room for, whole.
static void
draw_whole_hints(int x, int columns, enum role role, const char *text)
{
    char *shown = mem_strdup(text);
    for (char *end = shown + strlen(shown); end > shown && draw_width(shown) > columns;) {
        while (end > shown && strncmp(end - 1, "  ", 2) != 0)
            end--;
        while (end > shown && end[-1] == ' ')
            end--;
        *end = 0;
    }
    draw_text(LINES - 1, x, columns, role, shown);
    free(shown);
}

static void
draw_prompt_hint(const struct ui *ui, int x)
{
    const struct dialogue *d = &ui->dialogue;
    const char *keys = d->palette ? "Tab completes   Up earlier commands   Enter runs it"
                                    "   Esc cancels"
                                  : "Enter accepts   Esc cancels";
    int width = d->prompt_hint ? text_width(d->prompt_hint, SIZE_MAX) + 3 : 0;
    bool fits = x + width + text_width(keys, SIZE_MAX) < COLS;
    if (width)
        draw_whole_hints(x, COLS - 2, ROLE_DIM, d->prompt_hint);
    if (fits || !width)
        draw_whole_hints(x + width, COLS - 2 - width, ROLE_FOCUS, keys);
}

// The help's key (in the help: back's) always has its place at the right: it leads to all others.
static void
draw_hints(struct ui *ui)
{
    enum request last = ui->view == VIEW_HELP ? REQUEST_BACK : REQUEST_HELP;
    int x = 1, end = COLS - 1 - draw_hint(ui, 0, last);
    ui->screen.hint_count = 0;
    if (needs_two_lines(&ui->dialogue))
        return;
    if (ui->dialogue.prompting) {
        draw_prompt_hint(ui, x);
        return;
    }
    if (ui->dialogue.form) { // it shows its own keys
        if (form_browser(ui))
            draw_whole_hints(x, COLS - 2, ROLE_FOCUS,
                             "Enter OK  Esc back  Left Right folders  / filter  s sort  . hidden  "
                             "b places");
        return;
    }
    draw_hint(ui, MAX(end, 1), last);
    const struct view *v = views[ui->view];
    if (v->typing_hint && is_typing(ui)) {
        draw_whole_hints(x, end - x - 1, ROLE_FOCUS, v->typing_hint(ui));
        return;
    }
    const struct view_word *words;
    for (const enum request *h = hints_of(ui, &words); *h; h++) {
        if (*h == last)
            continue;
        int width = draw_hint(ui, 0, *h);
        if (x + width + 2 > end)
            break;
        draw_hint(ui, x, *h);
        x += width + 2;
    }
}

// The first line below a view's heading that is not empty.
static int
first_line(void)
{
    wchar_t text[UI_COLUMNS_MIN];
    for (int y = 2; y < LINES - 2; y++)
        if (mvinnwstr(y, 1, text, UI_COLUMNS_MIN - 1) > 0 && text[wcsspn(text, L" ")])
            return y;
    return 2;
}

// The cursor's place: in the text being written, else, for screen readers, at a question, the
// selected item, or where to read from.
static void
place_cursor(const struct ui *ui, int y, int x)
{
    int chosen_y, chosen_x;
    if (ui->dialogue.asking) {
        curs_set(1);
        move(LINES - 2, 1);
        return;
    }
    draw_read_from(draw_is_plain() ? first_line() : 2, 1);
    if (draw_chosen_place(&chosen_y, &chosen_x) && curs_set(1) != 1) {
        y = chosen_y;
        x = chosen_x;
    }
    move(y, x);
}

static void
draw_screen(struct ui *ui)
{
    draw_begin();
    werase(stdscr);
    curs_set(0);
    memset(ui->screen.slot_used, 0, sizeof ui->screen.slot_used);
    memset(ui->screen.slot_awaited, 0, sizeof ui->screen.slot_awaited);
    if (COLS < UI_COLUMNS_MIN || LINES < UI_ROWS_MIN) {
        draw_format(0, 0, COLS, ROLE_TEXT, "limn needs %d x %d", UI_COLUMNS_MIN, UI_ROWS_MIN);
        draw_format(1, 0, COLS, ROLE_TEXT, "this is %d x %d", COLS, LINES);
        return;
    }
    int y, x;
    struct area a = {1, 0, LINES - 3, COLS};
    canvas_cover(ui->screen.canvas, NULL, 0);
    move(LINES - 1, COLS - 1);
    if (form_browser(ui))
        form_browse_draw(ui, &a);
    else
        views[ui->view]->draw(ui, &a);
    getyx(stdscr, y, x); // where the view wants the cursor
    draw_title(ui);
    draw_hints(ui);
    if (ui->dialogue.form && !form_browser(ui)) {
        draw_begin();
        form_draw(ui);
        getyx(stdscr, y, x);
    }
    if (ui->dialogue.palette)
        palette_draw(ui);
    draw_status(ui); // a prompt keeps the cursor
    if (!ui->dialogue.prompting)
        place_cursor(ui, y, x);
    pictures_turn(ui->pictures);
}

// Records in curses' image of the terminal that these cells hold something that is never drawn, so
// that they, and no others, are printed again.
static void
invalidate_cells(const struct canvas_rect *r)
{
    cchar_t never;
    int y, x;
    getyx(curscr, y, x);
    setcchar(&never, L"?", A_BLINK | A_INVIS, 0, NULL);
    for (int row = r->row; row < r->row + r->rows && row < LINES; row++)
        mvwhline_set(curscr, row, r->column, &never, MIN(r->columns, COLS - r->column));
    wmove(curscr, y, x);
}

static bool
shows_pictures(const struct screen *s)
{
    for (int i = 0; i < CANVAS_SLOTS; i++)
        if (s->slot_used[i])
            return true;
    return false;
}

// Text first, then pictures: see renderer/canvas.h. The cursor stays hidden until both are drawn:
// when it moves, a terminal prints the cell under it again, which would leave a hole in a picture.
bool
frame_show(struct ui *ui, struct err *err)
{
    if (ui->dirty) {
        ui->dirty = false;
        ui->wake = 0;
        bool before = shows_pictures(&ui->screen);
        draw_screen(ui);
        halves_repair();
        ui->screen.cursor = curs_set(0) == 1;
        for (int i = 0; i < CANVAS_SLOTS; i++)
            if (!ui->screen.slot_used[i]) {
                canvas_remove(ui->screen.canvas, i);
                ui->screen.slot_area[i].rows = 0;
                if (!ui->screen.slot_awaited[i])
                    ui->screen.slot_stale[i] = 0;
            }
        struct canvas_rect rects[16];
        int count = canvas_damage(ui->screen.canvas, rects, 16);
        for (int i = 0; i < count; i++)
            invalidate_cells(&rects[i]);
        // Without Unicode nothing keeps text off the pictures' cells: send those in changed lines
        // again.
        for (int y = 0; !draw_unicode() && y < LINES; y++)
            if (is_linetouched(stdscr, y))
                canvas_printed(ui->screen.canvas, &(struct canvas_rect){y, 0, 1, COLS});
        wnoutrefresh(stdscr);
        screen_update(!shows_pictures(&ui->screen) && !before, ui->screen.cursor);
        if (ui->first_frame == 0)
            ui->first_frame = ui_now();
    }
    bool ok = canvas_flush(ui->screen.canvas, FLUSH_MS, err);
    if (ui->screen.cursor && !canvas_pending(ui->screen.canvas))
        curs_set(1);
    return ok;
}
