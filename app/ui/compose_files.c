// SPDX-License-Identifier: MIT
// The files of the view that assembles an instruction: through folders, filtered, sorted, marked,
// added; bookmarks.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/library/library.h"
#include "app/ui/compose.h"
#include "app/ui/entry.h"
#include "app/ui/material.h"
#include "app/ui/painter.h"
#include "app/ui/session.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { BOOKMARKS_MAX = 9 };

// The chosen picture is where the drawing starts, in place of another one.
static void
start_from(struct ui *ui, enum request request)
{
    struct job j = JOB_EMPTY;
    const struct browser_entry *e = browser_chosen(&compose_of(ui)->browser);
    if (!e || e->folder) {
        ui_say(ui, ROLE_STATUS, "choose a picture to start from");
        return;
    }
    session_shown(ui, &j);
    for (int i = j.reference_count - 1; i >= 0; i--)
        if (j.references[i].use == JOB_START || j.references[i].use == JOB_MASK)
            job_remove(&j, i);
    struct job_reference *r = job_add_for(&j, JOB_START, 0);
    if (r) {
        r->file = browser_path(&compose_of(ui)->browser);
        j.strength = request == REQUEST_MASK ? -1 : MATERIAL_STRENGTH;
        session_set(ui, &j);
    }
    job_finish(&j);
    if (request == REQUEST_MASK)
        painter_open(ui);
    else
        ui_say(ui, ROLE_GOOD,
               "the drawing starts from it, strength %g: write what to draw, then F9; u undoes "
               "this",
               MATERIAL_STRENGTH);
}

static void
filter_changed(struct ui *ui, const char *text)
{
    browser_filter(&compose_of(ui)->browser, text ? text : "");
}

// --- bookmarks: folders of the library's session, one a line

static int
read_bookmarks(struct ui *ui, char *out[BOOKMARKS_MAX])
{
    struct compose *c = compose_of(ui);
    if (!c->bookmarks && ui_library(ui))
        c->bookmarks = library_kept(ui_library(ui), "bookmarks", NULL);
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

// The folder that is open becomes one, or is no longer.
static void
turn_bookmark(struct ui *ui)
{
    const char *folder = compose_of(ui)->browser.folder;
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
compose_go(struct ui *ui, const char *folder)
{
    struct err err = {0};
    char *path = places_typed(folder);
    if (browser_open(&compose_of(ui)->browser, path, &err))
        compose_turn_to(compose_of(ui), PANE_FILES);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    free(path);
}

// The sample pictures beside the templates that come with limn.
static void
go_to_samples(struct ui *ui)
{
    char **places = places_of("templates");
    struct err err = {0};
    bool found = false;
    for (int i = 0; places[i] && !found; i++) {
        char *folder = mem_printf("%s/samples", places[i]);
        err_clear(&err);
        found = browser_open(&compose_of(ui)->browser, folder, &err);
        free(folder);
    }
    places_free(places);
    compose_turn_to(compose_of(ui), PANE_FILES);
    if (!found)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static void
go_answered(struct ui *ui, char answer)
{
    char *list[BOOKMARKS_MAX];
    int count = read_bookmarks(ui, list);
    if (answer == 'h' || answer == '~')
        compose_go(ui, "~");
    else if (answer == 's')
        go_to_samples(ui);
    else if (answer && answer - '1' < count)
        compose_go(ui, list[answer - '1']);
    free_bookmarks(list, count);
}

static void
ask_where(struct ui *ui)
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
        snprintf(question + n, sizeof question - n, "   (B keeps the folder that is open)");
    }
    ui_ask(ui, question, answers, go_answered);
    free_bookmarks(list, count);
}

// --- requests

static void
add(struct ui *ui, struct browser *b)
{
    char *path = b->mark_count ? browser_next_marked(b) : browser_path(b);
    do {
        session_add_picture(ui, path);
        free(path);
    } while ((path = browser_next_marked(b)));
}

static void
sort_again(struct ui *ui, struct browser *b)
{
    struct err err = {0};
    b->sort = (b->sort + 1) % BROWSER_SORT_COUNT;
    if (!browser_again(b, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static void
turn_hidden(struct ui *ui, struct browser *b)
{
    struct err err = {0};
    b->hidden = !b->hidden;
    if (!browser_again(b, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    else
        ui_say(ui, ROLE_STATUS,
               b->hidden ? "hidden files are shown" : "hidden files are not shown");
}

// By how many lines a request moves; false: it moves none.
static bool
move(const struct compose *c, struct browser *b, enum request request)
{
    int page = MAX(1, c->files.rows - 1);
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

static bool
act(struct ui *ui, struct browser *b, enum request request, struct err *err)
{
    const struct browser_entry *e = browser_chosen(b);
    switch (request) {
    case REQUEST_START:
    case REQUEST_MASK: start_from(ui, request); return true;
    case REQUEST_LEFT: browser_up(b, err); return true;
    case REQUEST_RIGHT: browser_enter(b, err); return true;
    case REQUEST_FILTER:
        ui_prompt_live(ui, "/", b->filter, filter_changed, filter_changed);
        return true;
    case REQUEST_SORT: sort_again(ui, b); return true;
    case REQUEST_HIDDEN: turn_hidden(ui, b); return true;
    case REQUEST_GO: ask_where(ui); return true;
    case REQUEST_BOOKMARK: turn_bookmark(ui); return true;
    case REQUEST_MARK:
        browser_mark(b);
        b->selected++;
        return true;
    case REQUEST_ENTER:
    case REQUEST_ADD:
        if (e && e->folder && !(request == REQUEST_ADD && b->mark_count))
            browser_enter(b, err);
        else if (e || b->mark_count)
            add(ui, b);
        return true;
    case REQUEST_OPEN:
        if (e && !e->folder) {
            char *path = browser_path(b);
            session_open(ui, path, false);
            free(path);
        }
        return true;
    default: return false;
    }
}

bool
compose_in_files(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    struct browser *b = &c->browser;
    struct err err = {0};
    if (!move(c, b, request) && !act(ui, b, request, &err))
        return false;
    b->selected = MAX(0, MIN(b->selected, b->count - 1));
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    return true;
}
