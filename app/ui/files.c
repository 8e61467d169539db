// SPDX-License-Identifier: MIT
#include "app/ui/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/library/library.h"
#include "app/ui/compose.h"
#include "app/ui/entry.h"
#include "app/ui/field.h"
#include "app/ui/form.h"
#include "engine/base/mem.h"

enum { BOOKMARKS_MAX = 9, FILES_BESIDE = 60, LINES_MOST = 60 };

// The list that keys and answers act on: a form's, else the composer's.
static struct browser *
active_browser(const struct ui *ui)
{
    struct browser *b = form_browser(ui);
    return b ? b : &compose_of(ui)->browser;
}

static void
filter_changed(struct ui *ui, const char *text)
{
    browser_filter(active_browser(ui), text ? text : "");
}

// --- bookmarks: folders, kept in the library's session, one per line

static int
read_bookmarks(struct ui *ui, char *out[BOOKMARKS_MAX])
{
    struct compose *c = compose_of(ui);
    if (!c->bookmarks && ui_library(ui))
        c->bookmarks = library_get_value(ui_library(ui), "bookmarks", NULL);
    char *copy = mem_strdup(c->bookmarks ? c->bookmarks : ""), *next = copy;
    int count = 0;
    for (char *line; next && (line = strsep(&next, "\n")) && count < BOOKMARKS_MAX;)
        if (*line)
            out[count++] = mem_strdup(line);
    free(copy);
    return count;
}

static void
free_bookmarks(char *list[BOOKMARKS_MAX], int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
}

// Bookmarks the open folder, or removes its bookmark.
static void
toggle_bookmark(struct ui *ui)
{
    const char *folder = active_browser(ui)->folder;
    char *list[BOOKMARKS_MAX], *all = mem_strdup("");
    int count = read_bookmarks(ui, list), kept = 0;
    bool had = false;
    for (int i = 0; i < count; i++) {
        had = had || strcmp(list[i], folder) == 0;
        if (strcmp(list[i], folder) == 0)
            continue;
        char *more = mem_printf("%s%s\n", all, list[i]);
        free(all);
        all = more;
        kept++;
    }
    char *whole = had ? mem_strdup(all) : mem_printf("%s%s", all, folder);
    bool full = !had && kept == BOOKMARKS_MAX;
    if (full) {
        ui_say(ui, ROLE_ERROR, "there are %d bookmarks, the most allowed: B in one of them "
                               "removes it",
               BOOKMARKS_MAX);
    } else {
        free(compose_of(ui)->bookmarks);
        compose_of(ui)->bookmarks = mem_strdup(whole);
        entry_text(ui, "bookmarks", whole);
        ui_say(ui, ROLE_GOOD, had ? "bookmark removed" : "bookmark set: b %d returns here",
               kept + 1);
    }
    free(whole);
    free(all);
    free_bookmarks(list, count);
}

void
files_go(struct ui *ui, const char *folder)
{
    struct err err = {0};
    char *path = places_expand(folder);
    if (!browser_open(active_browser(ui), path, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    else if (!form_browser(ui))
        compose_focus(compose_of(ui), PANE_FILES);
    free(path);
}

// The sample pictures beside the templates that come with limn.
static void
open_samples(struct ui *ui)
{
    char **places = places_of("templates");
    struct err err = {0};
    bool found = false;
    for (int i = 0; places[i] && !found; i++) {
        char *folder = mem_printf("%s/samples", places[i]);
        err_clear(&err);
        found = browser_open(active_browser(ui), folder, &err);
        free(folder);
    }
    places_free(places);
    if (!form_browser(ui))
        compose_focus(compose_of(ui), PANE_FILES);
    if (!found)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static void
go_answered(struct ui *ui, char answer)
{
    char *list[BOOKMARKS_MAX];
    int count = read_bookmarks(ui, list);
    if (answer == 'h' || answer == '~')
        files_go(ui, "~");
    else if (answer == 's')
        open_samples(ui);
    else if (answer && answer - '1' < count)
        files_go(ui, list[answer - '1']);
    free_bookmarks(list, count);
}

static void
ask_folder(struct ui *ui)
{
    char *list[BOOKMARKS_MAX], question[400] = "h home   s samples", answers[16] = "h~s";
    int count = read_bookmarks(ui, list);
    for (int i = 0; i < count; i++) {
        char shown[40];
        size_t n = strlen(question);
        draw_short_path(list[i], 24, shown, sizeof shown);
        snprintf(question + n, sizeof question - n, "   %d %s", i + 1, shown);
        answers[3 + i] = (char)('1' + i);
        answers[4 + i] = 0;
    }
    if (!count) {
        size_t n = strlen(question);
        snprintf(question + n, sizeof question - n, "   (B bookmarks the open folder)");
    }
    ui_ask(ui, question, answers, go_answered);
    free_bookmarks(list, count);
}

// --- requests

static void
next_sort(struct ui *ui, struct browser *b)
{
    struct err err = {0};
    b->sort = (b->sort + 1) % BROWSER_SORT_COUNT;
    if (!browser_reload(b, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static void
toggle_hidden(struct ui *ui, struct browser *b)
{
    struct err err = {0};
    b->hidden = !b->hidden;
    if (!browser_reload(b, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    else
        ui_say(ui, ROLE_STATUS,
               b->hidden ? "hidden files are shown" : "hidden files are not shown");
}

// Moves the selection, which may leave the list's range; false: not such a request.
static bool
move(struct browser *b, int rows, enum request request)
{
    int page = MAX(1, rows - 1);
    switch (request) {
    case REQUEST_UP: b->selected--; break;
    case REQUEST_DOWN: b->selected++; break;
    case REQUEST_PAGE_UP: b->selected -= page; break;
    case REQUEST_PAGE_DOWN: b->selected += page; break;
    case REQUEST_FIRST: b->selected = 0; break;
    case REQUEST_LAST: b->selected = b->count - 1; break;
    default: return false;
    }
    return true;
}

bool
files_request(struct ui *ui, struct browser *b, int rows, enum request request, struct err *err)
{
    if (move(b, rows, request))
        return true;
    switch (request) {
    case REQUEST_LEFT: browser_up(b, err); return true;
    case REQUEST_RIGHT: browser_enter(b, err); return true;
    case REQUEST_FILTER:
        ui_prompt_live(ui, "/", b->filter, filter_changed, filter_changed);
        return true;
    case REQUEST_SORT: next_sort(ui, b); return true;
    case REQUEST_HIDDEN: toggle_hidden(ui, b); return true;
    case REQUEST_GO: ask_folder(ui); return true;
    case REQUEST_BOOKMARK: toggle_bookmark(ui); return true;
    default: return false;
    }
}

// --- drawing

// Name and, if there is room, size: "1.5M".
static void
draw_file_line(const struct browser_entry *e, const struct area *a, enum role role)
{
    char size[16] = "";
    static const char units[] = "BKMGT";
    double n = (double)e->size;
    int unit = 0;
    for (; n >= 1000 && unit < 4; unit++)
        n /= 1024;
    if (!e->folder && a->columns >= 28)
        snprintf(size, sizeof size, unit && n < 9.95 ? "%.1f%c" : "%.0f%c", n, units[unit]);
    int width = text_width(size, SIZE_MAX), name = a->columns - 2 - (width ? width + 1 : 0);
    if (e->marked)
        draw_text(a->y, a->x, 1, role, "+");
    draw_format(a->y, a->x + 1, name, role, "%s%s", e->name, e->folder ? "/" : "");
    draw_text(a->y, a->x + a->columns - 1 - width, width,
              role == ROLE_TEXT ? ROLE_DIM : role, size);
}

// The heading: folder, sort order and filter.
static void
draw_folder(const struct browser *b, bool focus, const struct area *a)
{
    static const char *const sorts[] = {"", "  newest", "  largest"};
    char title[4200], only[32] = "";
    int filter = *b->filter ? text_width(b->filter, SIZE_MAX) + 3 : 0;
    if (b->cut)
        snprintf(only, sizeof only, "  only %d of them", b->all_count);
    filter += text_width(sorts[b->sort], SIZE_MAX) + text_width(only, SIZE_MAX);
    draw_short_path(b->folder ? b->folder : "", MAX(a->columns - 4 - filter, 1), title,
                    sizeof title);
    size_t used = strlen(title);
    snprintf(title + used, sizeof title - used, "%s%s%s%s", sorts[b->sort], only,
             *b->filter ? "  /" : "", b->filter);
    draw_heading(a, focus, title);
}

static void
draw_lines(struct browser *b, bool focus, const struct area *a)
{
    b->top = draw_scroll(b->count, b->selected, a->rows, b->top);
    for (int row = 0; row < a->rows && b->top + row < b->count; row++) {
        const struct browser_entry *e = &b->all[b->seen[b->top + row]];
        bool here = b->top + row == b->selected;
        enum role role = here ? (focus ? ROLE_SELECTION : ROLE_SELECTED)
                         : e->folder ? ROLE_FOLDER
                                     : ROLE_TEXT;
        struct area line = {a->y + row, a->x, 1, a->columns};
        if (here)
            draw_fill(&line, role);
        draw_file_line(e, &line, role);
    }
    struct area words = {a->y, a->x + 1, a->rows, a->columns - 2};
    if (!b->count)
        draw_wrapped(&words, ROLE_DIM,
                     *b->filter    ? "no name matches"
                     : b->suffixes ? "no such files here"
                                   : "no pictures here; b and s: the samples that come with limn");
}

struct area
files_draw(struct ui *ui, struct browser *b, bool focus, const struct area *a)
{
    bool beside = a->columns >= FILES_BESIDE;
    int picture = beside ? a->rows - 2 : MAX(4, MIN(a->rows / 2 - 2, a->columns / 2));
    struct area lines = {a->y + 1, a->x, a->rows - 1 - (beside ? 0 : picture),
                         beside ? MIN(a->columns / 2, LINES_MOST) : a->columns};
    struct area below = {lines.y + lines.rows, a->x + 1, picture, a->columns - 2};
    if (beside)
        below = (struct area){a->y + 2, a->x + lines.columns + 1, picture,
                              a->columns - lines.columns - 2};
    draw_folder(b, focus, a);
    draw_lines(b, focus, &lines);
    const struct browser_entry *e = browser_chosen(b);
    if (e && !e->folder && !b->suffixes) {
        char *path = browser_path(b);
        draw_file(ui, SLOT_BROWSER, &below, path);
        free(path);
    }
    return lines;
}
