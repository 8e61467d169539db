// SPDX-License-Identifier: MIT
// The gallery: the library's pictures, to find, rate, tag, compare, and draw more from.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/arrivals.h"
#include "app/ui/entry.h"
#include "app/ui/finding.h"
#include "app/ui/gallery.h"
#include "app/ui/material.h"
#include "app/ui/session.h"
#include "engine/base/mem.h"

enum { PICTURES_SHOWN_MAX = 50000 };

struct gallery *
gallery_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_GALLERY);
}

struct library_picture *
gallery_by_id(const struct gallery *g, int64_t id)
{
    for (int i = 0; id && i < g->list.count; i++)
        if (g->list.items[i].id == id)
            return &g->list.items[i];
    return NULL;
}

struct library_picture *
gallery_chosen(const struct ui *ui)
{
    const struct gallery *g = gallery_of(ui);
    if (g->large && g->compared)
        return gallery_by_id(g, g->marked[g->side]);
    return g->selected < g->list.count ? &g->list.items[g->selected] : NULL;
}

bool
gallery_is_marked(const struct gallery *g, int64_t id)
{
    for (int i = 0; i < g->mark_count; i++)
        if (g->marked[i] == id)
            return true;
    return false;
}

static void
end_comparison(struct gallery *g)
{
    if (g->compared)
        g->large = false;
    gallery_compare_end(g);
}

static void
on_list(struct ui *ui, struct finding *f)
{
    struct gallery *g = gallery_of(ui);
    int64_t chosen = gallery_chosen(ui) ? gallery_chosen(ui)->id : 0;
    int64_t id = g->choose ? g->choose : chosen;
    if (f->number != g->query)
        return;
    if (f->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", f->err.text);
        return;
    }
    library_list_free(&g->list);
    g->list = f->list;
    f->list = (struct library_list){0};
    g->listed = true;
    g->choose = 0;
    for (int i = 0; i < g->list.count; i++)
        if (g->list.items[i].id == id)
            g->selected = i;
    g->selected = MAX(0, MIN(g->selected, g->list.count - 1));
    if (!gallery_chosen(ui)) // a compared picture is gone
        end_comparison(g);
    ui_redraw(ui);
}

// Reads the library again in the background; the selection stays.
static void
reload(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    finding_begin(ui, g->search, g->sort, PICTURES_SHOWN_MAX, on_list, ++g->query);
}

void
gallery_changed(struct ui *ui, int64_t choose)
{
    gallery_of(ui)->choose = choose ? choose : gallery_of(ui)->choose;
    reload(ui);
}

static void
open_gallery(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    g->large = g->large && g->compared; // show what was drawn meanwhile
    reload(ui);
}

static void
close_gallery(struct ui *ui)
{
    gallery_compare_end(gallery_of(ui));
    library_list_free(&gallery_of(ui)->list);
}

static void
on_arrival(struct ui *ui, struct arrival *a)
{
    if (a->kind == ARRIVAL_RESULT && ui_view(ui) == VIEW_GALLERY)
        reload(ui);
}

// --- what keys act on: the marked pictures, if any; in large view, or without marks, the selected
// one

static void
each_target(struct ui *ui,
            void (*act)(struct ui *ui, const struct library_picture *p, const void *ctx),
            const void *ctx)
{
    struct gallery *g = gallery_of(ui);
    bool all = g->mark_count && !g->large;
    const struct library_picture *one = gallery_chosen(ui);
    for (int i = 0; all && i < g->mark_count; i++) {
        const struct library_picture *p = gallery_by_id(g, g->marked[i]);
        if (p)
            act(ui, p, ctx);
    }
    if (!all && one)
        act(ui, one, ctx);
}

// --- requests

static void
search_changed(struct ui *ui, const char *text)
{
    struct gallery *g = gallery_of(ui);
    snprintf(g->search, sizeof g->search, "%s", text);
    reload(ui);
}

static void
search_done(struct ui *ui, const char *text)
{
    search_changed(ui, text ? text : gallery_of(ui)->previous_search);
}

static void
search(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    memcpy(g->previous_search, g->search, sizeof g->previous_search);
    ui_prompt_live(ui, "/", g->search, search_changed, search_done);
    ui_prompt_hint(ui, GALLERY_SEARCH);
}

static void
tag_one(struct ui *ui, const struct library_picture *p, const void *ctx)
{
    char words[256], *left = NULL;
    snprintf(words, sizeof words, "%s", (const char *)ctx);
    for (char *w = strtok_r(words, " ", &left); w; w = strtok_r(NULL, " ", &left)) {
        w += *w == '#';
        char padded[258], have[512];
        snprintf(padded, sizeof padded, " %s ", w);
        snprintf(have, sizeof have, " %s ", p->tags);
        entry_tag(ui, p->id, w, !strstr(have, padded));
    }
}

static void
tag_done(struct ui *ui, const char *text)
{
    if (!text)
        return;
    each_target(ui, tag_one, text);
}

static void
rate_one(struct ui *ui, const struct library_picture *p, const void *ctx)
{
    entry_rating(ui, p->id, *(const char *)ctx - '0');
}

static void
rate_answered(struct ui *ui, char answer)
{
    if (answer)
        each_target(ui, rate_one, &answer);
}

static void
unmark(struct gallery *g, int64_t id)
{
    int n = 0;
    for (int i = 0; i < g->mark_count; i++)
        if (g->marked[i] != id)
            g->marked[n++] = g->marked[i];
    g->mark_count = n;
}

static void
mark(struct ui *ui, const struct library_picture *p)
{
    struct gallery *g = gallery_of(ui);
    if (gallery_is_marked(g, p->id))
        unmark(g, p->id);
    else if (g->mark_count < MARKS_MAX)
        g->marked[g->mark_count++] = p->id;
    if (g->compared && g->mark_count > 1)
        gallery_compare(ui, g->marked[0]);
    else
        end_comparison(g);
    if (g->mark_count > 1)
        ui_say(ui, ROLE_STATUS, "%d are marked: keys act on all of them, Enter on one compares",
               g->mark_count);
    else
        ui_say(ui, ROLE_STATUS, g->mark_count ? "marked; mark another one to compare"
                                              : "no longer marked");
}

static void
remove_one(struct ui *ui, const struct library_picture *p, const void *ctx)
{
    struct gallery *g = gallery_of(ui);
    (void)ctx;
    entry_deleted(ui, p->id, true);
    if (g->removed_count == UNDO_MAX)
        memmove(g->removed, g->removed + 1, (size_t)--g->removed_count * sizeof *g->removed);
    g->removed[g->removed_count].id = p->id;
    g->removed[g->removed_count++].batch = g->batch;
    ui_say(ui, ROLE_STATUS,
           "removed picture %" PRId64 "; u brings it back, its file stays until limn library purge",
           p->id);
}

static void
remove_pictures(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    int before = g->removed_count, first;
    g->batch++;
    each_target(ui, remove_one, NULL);
    first = g->removed_count;
    while (first > 0 && g->removed[first - 1].batch == g->batch)
        first--;
    for (int i = first; i < g->removed_count; i++)
        unmark(g, g->removed[i].id);
    if (g->removed_count - first > 1)
        ui_say(ui, ROLE_STATUS, "removed %d pictures; u brings them back",
               g->removed_count - first);
    if (g->removed_count != before)
        end_comparison(g);
}

// Restores the pictures that were last removed together.
static void
undo_remove(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    int64_t id = 0;
    int count = 0;
    if (!g->removed_count) {
        ui_say(ui, ROLE_STATUS, "nothing was removed");
        return;
    }
    for (int batch = g->removed[g->removed_count - 1].batch;
         g->removed_count && g->removed[g->removed_count - 1].batch == batch; count++) {
        id = g->removed[--g->removed_count].id;
        entry_deleted(ui, id, false);
    }
    if (count == 1)
        ui_say(ui, ROLE_GOOD, "picture %" PRId64 " is back", id);
    else
        ui_say(ui, ROLE_GOOD, "%d pictures are back", count);
}

// Compares the marked pictures if this is one of several; else shows it alone.
static void
toggle_large(struct ui *ui, const struct library_picture *p)
{
    struct gallery *g = gallery_of(ui);
    g->large = !g->large;
    if (g->large && g->mark_count > 1 && gallery_is_marked(g, p->id))
        gallery_compare(ui, p->id);
}

static bool
picture_request(struct ui *ui, enum request request, const struct library_picture *p)
{
    switch (request) {
    case REQUEST_ENTER: toggle_large(ui, p); return true;
    case REQUEST_TAG: ui_prompt(ui, "toggle tags: ", "", tag_done); return true;
    case REQUEST_RATE:
        ui_ask(ui, "how many stars? 0 to 5", "012345", rate_answered);
        return true;
    case REQUEST_MARK: mark(ui, p); return true;
    case REQUEST_REMOVE: remove_pictures(ui); return true;
    case REQUEST_OPEN: session_open(ui, p->file, false); return true;
    case REQUEST_REPEAT: session_open(ui, p->file, true); return true;
    default: return material_request(ui, request, p->file, p->seed);
    }
}

static bool
back(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    if (g->large)
        g->large = false;
    else if (g->mark_count)
        g->mark_count = 0;
    else if (*g->search)
        search_changed(ui, "");
    else
        return false;
    return true;
}

// By how many pictures a request moves; 0: not such a request.
static int
step_of(const struct gallery *g, enum request request)
{
    int columns = g->large ? 1 : MAX(1, g->columns), page = columns * MAX(1, g->rows);
    switch (request) {
    case REQUEST_LEFT:
    case REQUEST_EARLIER: return -1;
    case REQUEST_RIGHT:
    case REQUEST_LATER: return 1;
    case REQUEST_UP: return -columns;
    case REQUEST_DOWN: return columns;
    case REQUEST_PAGE_UP: return -page;
    case REQUEST_PAGE_DOWN: return page;
    case REQUEST_FIRST: return -MAX(g->list.count, 1);
    case REQUEST_LAST: return MAX(g->list.count, 1);
    default: return 0;
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct gallery *g = gallery_of(ui);
    int by = step_of(g, request);
    if (g->large && g->compared && gallery_compare_request(ui, request))
        return true;
    if (by) {
        g->selected = MAX(0, MIN(g->selected + by, g->list.count - 1));
        return true;
    }
    switch (request) {
    case REQUEST_FILTER: search(ui); return true;
    case REQUEST_SORT:
        g->sort = (g->sort + 1) % LIBRARY_SORT_COUNT;
        reload(ui);
        return true;
    case REQUEST_ZOOM_IN:
    case REQUEST_ZOOM_OUT:
        g->zoomed = true;
        g->zoom += request == REQUEST_ZOOM_IN ? 1 : -1;
        g->zoom = MAX(-ZOOM_MAX + 2, MIN(g->zoom, ZOOM_MAX));
        return true;
    case REQUEST_DIFFERENCE:
        ui_say(ui, ROLE_STATUS, "mark two and press Enter on one: then D shows where they differ");
        return true;
    case REQUEST_CONTACT: gallery_contact_sheet(ui); return true;
    case REQUEST_UNDO: undo_remove(ui); return true;
    case REQUEST_BACK: return back(ui);
    default: return gallery_chosen(ui) && picture_request(ui, request, gallery_chosen(ui));
    }
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    struct gallery *g = gallery_of(ui);
    if (turn) {
        on_request(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        return;
    }
    if (g->large || !g->columns || y < g->tiles.y || y >= g->tiles.y + g->tiles.rows)
        return;
    int column = (x - g->tiles.x) / (g->tiles.columns / g->columns);
    int row = (y - g->tiles.y) / (g->tiles.rows / g->rows);
    int at = (g->top + row) * g->columns + MIN(column, g->columns - 1);
    if (row < g->rows && at < g->list.count) {
        g->selected = at;
        if (double_click)
            g->large = true;
    }
}

static const enum request hints[] = {REQUEST_ENTER, REQUEST_OPEN,   REQUEST_REPEAT, REQUEST_RATE,
                                     REQUEST_TAG,   REQUEST_FILTER, REQUEST_SORT,   REQUEST_MARK,
                                     REQUEST_REMOVE, REQUEST_ADD,   REQUEST_START,  REQUEST_VARY,
                                     REQUEST_COPY,   REQUEST_UNDO,  REQUEST_HELP,   REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_ENTER, "view"},
    {REQUEST_OPEN, "open instruction"},
    {REQUEST_REPEAT, "another seed"},
    {REQUEST_START, "start from it"},
    {REQUEST_NONE, NULL},
};

// What keys do where one picture is shown large, or several are compared.
static void
hints_now(const struct ui *ui, const enum request **out, const struct view_word **out_words)
{
    static const enum request large[] = {REQUEST_ENTER, REQUEST_LEFT,   REQUEST_RIGHT,
                                         REQUEST_OPEN,  REQUEST_REPEAT,  REQUEST_RATE,
                                         REQUEST_TAG,   REQUEST_REMOVE,  REQUEST_HELP,
                                         REQUEST_NONE};
    static const enum request compared[] = {REQUEST_ENTER,      REQUEST_LEFT,  REQUEST_RIGHT,
                                            REQUEST_DIFFERENCE, REQUEST_BACK,  REQUEST_OPEN,
                                            REQUEST_RATE,       REQUEST_HELP,  REQUEST_NONE};
    static const enum request difference[] = {REQUEST_ENTER, REQUEST_HELP, REQUEST_NONE};
    static const struct view_word of_large[] = {{REQUEST_ENTER, "all"},
                                                {REQUEST_LEFT, "previous"},
                                                {REQUEST_RIGHT, "next"},
                                                {REQUEST_OPEN, "open instruction"},
                                                {REQUEST_REPEAT, "another seed"},
                                                {REQUEST_NONE, NULL}};
    static const struct view_word beside[] = {{REQUEST_ENTER, "one at a time"},
                                              {REQUEST_LEFT, "previous"},
                                              {REQUEST_RIGHT, "next"},
                                              {REQUEST_BACK, "all"},
                                              {REQUEST_NONE, NULL}};
    static const struct view_word in_place[] = {{REQUEST_ENTER, "side by side"},
                                                {REQUEST_LEFT, "previous"},
                                                {REQUEST_RIGHT, "next"},
                                                {REQUEST_BACK, "side by side"},
                                                {REQUEST_NONE, NULL}};
    const struct gallery *g = gallery_of(ui);
    if (!g->large)
        return;
    *out = !g->compared ? large : g->difference ? difference : compared;
    *out_words = !g->compared ? of_large : g->in_place || g->difference ? in_place : beside;
}

const struct view view_gallery = {
    .name = "gallery",
    .title = "what was drawn",
    .state_size = sizeof(struct gallery),
    .open = open_gallery,
    .close = close_gallery,
    .draw = gallery_draw,
    .request = on_request,
    .arrived = on_arrival,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
    .hints_now = hints_now,
};
