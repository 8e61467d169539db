// SPDX-License-Identifier: MIT
// The help, made from the tables of requests and keys: first those of the previous view, then all.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/field.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { NAME_COLUMNS = 15, LINES_MAX = 4 };

struct help {
    int top, rows, lines;
    char filter[80]; // shows only lines that contain it, in any case
};

static const char *const commands[][2] = {
    {":theme NAME", "another theme, at once"},
    {":seed N", "of the next drawing; without N a new one each time"},
    {":steps N  :count N  :scale X", "parameters of the next drawing"},
    {":add FILE", "a picture as a reference"},
    {":open FILE", "the instruction inside a picture that limn made"},
    {":save NAME", "the instruction as a template"},
    {":NAME", "any command above by its name"},
};

static const char *const writing[][2] = {
    {"Tab", "completes [ref#\u2026; else the next pane"},
    {"^A ^E ^U ^K ^W", "start, end, erase to the start, to the end, a word"},
    {"^_ ^R", "undo (^/ on most keyboards), redo"},
    {"^X", "the text in $EDITOR"},
    {"Esc", "back to the lists, where letters are commands"},
};

static bool
is_on_screen(const struct area *a, int y)
{
    return y >= a->y && y < a->y + a->rows;
}

static void
put_heading(struct help *h, const struct area *a, int *line, const char *text)
{
    struct area head = {a->y + (*line)++ - h->top, a->x, 1, a->columns};
    if (is_on_screen(a, head.y))
        draw_heading(&head, false, text);
}

// Keys, a name ("": none) and what it does, in as many lines as that takes.
static void
put(struct help *h, const struct area *a, int *line, const char *keys, const char *name,
    const char *text)
{
    struct field_line lines[LINES_MAX];
    if (!strcasestr(keys, h->filter) && !strcasestr(name, h->filter) &&
        !strcasestr(text, h->filter))
        return;
    int width = MIN(a->columns < 100 ? 16 : 28, a->columns / 3), x = a->x + width + 4;
    int from = *name ? x + NAME_COLUMNS : x, columns = MAX(a->x + a->columns - 1 - from, 1);
    int rows = field_wrap(text, columns, lines, LINES_MAX);
    for (int i = 0; i < rows; i++) {
        int y = a->y + (*line)++ - h->top;
        if (!is_on_screen(a, y))
            continue;
        if (i == 0) {
            draw_text(y, a->x + 2, width, ROLE_KEY, keys);
            draw_text(y, x, NAME_COLUMNS - 1, ROLE_TEXT, name);
        }
        char *part = mem_strndup(text + lines[i].start, lines[i].length);
        draw_text(y, from, columns, ROLE_TEXT, part);
        free(part);
    }
}

static bool
is_hint(const struct view *view, enum request r)
{
    for (const enum request *h = view->hints; *h; h++)
        if (*h == r)
            return true;
    return false;
}

static void
put_request(struct help *h, const struct area *a, int *line, enum view_id view, enum request r)
{
    const char *keys = request_keys(view, r);
    put(h, a, line, *keys ? keys : ":", request_name(r), request_help(r));
}

static void
draw_help(struct ui *ui, const struct area *a)
{
    struct help *h = ui_state(ui, VIEW_HELP);
    int line = 0;
    char title[120];
    draw_read_from(a->y, a->x + 1);
    h->top = MAX(0, MIN(h->top, h->lines - a->rows));
    h->rows = a->rows;
    snprintf(title, sizeof title, "%s: %s", views[ui_previous_view(ui)]->name,
             views[ui_previous_view(ui)]->title);
    put_heading(h, a, &line, title);
    for (int r = 1; r < REQUEST_COUNT; r++)
        if (is_hint(views[ui_previous_view(ui)], (enum request)r))
            put_request(h, a, &line, ui_previous_view(ui), (enum request)r);
    put_heading(h, a, &line, "all commands, with their keys here");
    for (int r = 1; r < REQUEST_COUNT; r++)
        if (!is_hint(views[ui_previous_view(ui)], (enum request)r))
            put_request(h, a, &line, ui_previous_view(ui), (enum request)r);
    put_heading(h, a, &line, "commands, after a colon");
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        put(h, a, &line, commands[i][0], "", commands[i][1]);
    put_heading(h, a, &line, "while writing");
    for (size_t i = 0; i < COUNT_OF(writing); i++)
        put(h, a, &line, writing[i][0], "", writing[i][1]);
    h->lines = line;
}

static void
filter_changed(struct ui *ui, const char *text)
{
    struct help *h = ui_state(ui, VIEW_HELP);
    snprintf(h->filter, sizeof h->filter, "%s", text ? text : "");
    h->top = 0;
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct help *h = ui_state(ui, VIEW_HELP);
    switch (request) {
    case REQUEST_UP: h->top--; return true;
    case REQUEST_DOWN: h->top++; return true;
    case REQUEST_PAGE_UP: h->top -= h->rows - 1; return true;
    case REQUEST_PAGE_DOWN: h->top += h->rows - 1; return true;
    case REQUEST_FIRST: h->top = 0; return true;
    case REQUEST_LAST: h->top = h->lines; return true;
    case REQUEST_FILTER:
        ui_prompt_live(ui, "/", h->filter, filter_changed, filter_changed);
        return true;
    case REQUEST_BACK:
        if (!*h->filter)
            return false;
        filter_changed(ui, "");
        return true;
    default: return false;
    }
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    (void)y, (void)x, (void)double_click;
    ((struct help *)ui_state(ui, VIEW_HELP))->top += 3 * turn;
}

static const enum request hints[] = {REQUEST_FILTER, REQUEST_PAGE_DOWN, REQUEST_PAGE_UP,
                                     REQUEST_BACK, REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_PAGE_DOWN, "page down"},
    {REQUEST_PAGE_UP, "page up"},
    {REQUEST_FILTER, "find"},
    {REQUEST_NONE, NULL},
};

const struct view view_help = {
    .name = "help",
    .title = "keys and commands",
    .state_size = sizeof(struct help),
    .draw = draw_help,
    .request = on_request,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
};
