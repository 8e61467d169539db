// SPDX-License-Identifier: MIT
// What was drawn: thumbnails from the library, one of them large, or two side by side.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/time_text.h"
#include "app/library/library.h"
#include "app/ui/arrivals.h"
#include "app/ui/field.h"
#include "app/ui/session.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { TILE_COLUMNS = 18, TILE_ROWS = 9, UNDO_MAX = 64, PICTURES_SHOWN_MAX = 5000 };

struct gallery {
    struct library_list list;
    int selected, top; // top: row of tiles
    int across, down;  // tiles that were drawn
    char search[256];
    enum library_sort sort;
    int64_t marked[2]; // 0: none
    int side;          // which of the two is chosen while they are compared
    bool large, pair;  // one picture; of the two that are marked, both
    int64_t removed[UNDO_MAX];
    int removed_count;
    struct area tiles;
};

static struct gallery *
gallery_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_GALLERY);
}

static struct library_picture *
by_id(const struct gallery *g, int64_t id)
{
    for (int i = 0; id && i < g->list.count; i++)
        if (g->list.items[i].id == id)
            return &g->list.items[i];
    return NULL;
}

// Whether two are shown side by side.
static bool
compares(const struct gallery *g)
{
    return g->large && g->pair && by_id(g, g->marked[0]) && by_id(g, g->marked[1]);
}

// What keys act on: what is seen to be chosen.
static struct library_picture *
chosen(const struct ui *ui)
{
    const struct gallery *g = gallery_of(ui);
    if (compares(g))
        return by_id(g, g->marked[g->side]);
    return g->selected < g->list.count ? &g->list.items[g->selected] : NULL;
}

// Reads the library again; the chosen picture stays chosen.
static void
reload(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    struct err err = {0};
    int64_t id = chosen(ui) ? chosen(ui)->id : 0;
    struct library_filter f = {.search = g->search, .sort = g->sort, .limit = PICTURES_SHOWN_MAX};
    struct library_list list = {0};
    if (!ui_library(ui))
        return;
    if (!library_query(ui_library(ui), &f, &list, &err)) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return;
    }
    library_list_free(&g->list);
    g->list = list;
    for (int i = 0; i < list.count; i++)
        if (list.items[i].id == id)
            g->selected = i;
    g->selected = MAX(0, MIN(g->selected, list.count - 1));
    ui_redraw(ui);
}

static void
open_gallery(struct ui *ui)
{
    reload(ui);
}

static void
close_gallery(struct ui *ui)
{
    library_list_free(&gallery_of(ui)->list);
}

static void
on_arrival(struct ui *ui, struct arrival *a)
{
    if (a->kind == ARRIVAL_RESULT && ui_view(ui) == VIEW_GALLERY)
        reload(ui);
}

// --- drawing

static bool
is_marked(const struct gallery *g, int64_t id)
{
    return g->marked[0] == id || g->marked[1] == id;
}

static void
stars(char *out, const char *full, int rating)
{
    *out = 0;
    for (int i = 0; i < rating; i++)
        strcat(out, full);
}

static void
draw_about(const struct ui *ui, const struct library_picture *p, const struct area *a)
{
    char date[TIME_TEXT_MAX], rating[32];
    time_text(p->created, "%Y-%m-%d %H:%M", date);
    stars(rating, draw_unicode() ? "\u2605" : "*", p->rating);
    struct area text = {a->y, a->x, a->rows - 1, a->columns};
    draw_wrapped(&text, ROLE_TEXT, p->instruction);
    int y = a->y + a->rows - 1, width = text_width(rating, SIZE_MAX);
    draw_text(y, a->x, width, ROLE_RATING, rating);
    int tags = *p->tags ? MIN(text_width(p->tags, SIZE_MAX) + 1, a->columns / 3) : 0;
    char line[80], path[4200];
    snprintf(line, sizeof line, "seed %" PRId64 "  %s  ", p->seed, date);
    int x = a->x + width + (width > 0), room = a->x + a->columns - tags - (tags ? 2 : 1) - x;
    draw_short_path(p->file, MAX(room - text_width(line, SIZE_MAX), 1), path, sizeof path);
    draw_format(y, x, room, ROLE_DIM, "%s%s", line, path);
    if (tags) {
        draw_format(y, a->x + a->columns - tags, tags, ROLE_KEY, "#%s", p->tags);
    }
}

static void
draw_tile(struct ui *ui, int slot, const struct library_picture *p, const struct area *a, bool here)
{
    const struct gallery *g = gallery_of(ui);
    char rating[32], line[80];
    struct area picture = {a->y, a->x + 1, a->rows - 1, a->columns - 2};
    stars(rating, draw_unicode() ? "\u2605" : "*", p->rating);
    snprintf(line, sizeof line, "%s%" PRId64 " %s", is_marked(g, p->id) ? "+" : "", p->id, rating);
    struct area caption = {a->y + a->rows - 1, a->x, 1, a->columns - 1};
    if (here)
        draw_fill(&caption, ROLE_SELECTION);
    draw_text(caption.y, caption.x + 1, caption.columns - 1,
              here ? ROLE_SELECTION : is_marked(g, p->id) ? ROLE_KEY : ROLE_DIM, line);
    if (slot < CANVAS_SLOTS)
        draw_file(ui, slot, &picture, p->file);
}

static void
draw_tiles(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    g->tiles = *a;
    g->across = MAX(1, a->columns / TILE_COLUMNS);
    g->down = MAX(1, a->rows / TILE_ROWS);
    int width = a->columns / g->across, height = a->rows / g->down;
    int rows = (g->list.count + g->across - 1) / g->across;
    g->top = draw_scroll(rows, g->selected / g->across, g->down, g->top);
    for (int i = 0; i < g->across * g->down; i++) {
        int at = g->top * g->across + i;
        if (at >= g->list.count)
            break;
        struct area tile = {a->y + i / g->across * height, a->x + i % g->across * width, height,
                            width};
        draw_tile(ui, SLOT_GRID + i, &g->list.items[at], &tile, at == g->selected);
    }
}

static void
draw_pair(struct ui *ui, const struct library_picture *one, const struct library_picture *two,
          const struct area *a)
{
    const struct library_picture *pair[2] = {one, two};
    for (int i = 0; i < 2; i++) {
        struct area half = {a->y, a->x + i * (a->columns / 2) + 1, a->rows - 4, a->columns / 2 - 2};
        struct area about = {a->y + a->rows - 3, half.x, 3, half.columns};
        struct area caption = {a->y + a->rows - 4, half.x, 1, half.columns};
        bool here = gallery_of(ui)->side == i;
        if (here)
            draw_fill(&caption, ROLE_SELECTION);
        draw_format(caption.y, caption.x + 1, caption.columns - 1, here ? ROLE_SELECTION : ROLE_KEY,
                    "%" PRId64, pair[i]->id);
        draw_file(ui, SLOT_BEFORE + i, &half, pair[i]->file);
        draw_about(ui, pair[i], &about);
    }
}

static void
draw_gallery(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    static const char *const sorts[] = {"newest first", "oldest first", "best first", "by seed"};
    char title[400];
    snprintf(title, sizeof title, "%d %s, %s%s%s", g->list.count,
             g->list.count == 1 ? "picture" : "pictures", sorts[g->sort],
             *g->search ? ", with: " : "", g->search);
    draw_heading(a, true, title);
    const struct library_picture *p = chosen(ui);
    struct area rest = {a->y + 1, a->x, a->rows - 1, a->columns};
    if (!ui_library(ui)) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_WARNING,
                  "the library cannot be opened (7 has why)");
    } else if (!p) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  *g->search ? "nothing has these words; / asks again"
                             : "what you draw is kept here");
    } else if (compares(g)) {
        draw_pair(ui, by_id(g, g->marked[0]), by_id(g, g->marked[1]), &rest);
    } else {
        struct area about = {a->y + a->rows - 3, a->x + 1, 3, a->columns - 2};
        rest.rows -= 4;
        if (g->large)
            draw_file(ui, SLOT_SHEET, &rest, p->file);
        else
            draw_tiles(ui, &rest);
        draw_rule(about.y - 1, a->x, a->columns);
        draw_about(ui, p, &about);
    }
}

// --- requests

static void
search_done(struct ui *ui, const char *text)
{
    struct gallery *g = gallery_of(ui);
    snprintf(g->search, sizeof g->search, "%s", text ? text : "");
    reload(ui);
}

static void
tag_done(struct ui *ui, const char *text)
{
    struct library_picture *p = chosen(ui);
    struct err err = {0};
    char words[256], *left = NULL;
    if (!text || !p)
        return;
    snprintf(words, sizeof words, "%s", text);
    for (char *w = strtok_r(words, " ", &left); w; w = strtok_r(NULL, " ", &left)) {
        w += *w == '#';
        char padded[256], have[512];
        snprintf(padded, sizeof padded, " %s ", w);
        snprintf(have, sizeof have, " %s ", p->tags);
        if (!library_tag(ui_library(ui), p->id, w, !strstr(have, padded), &err))
            ui_say(ui, ROLE_ERROR, "%s", err.text);
    }
    reload(ui);
}

static void
rate_answered(struct ui *ui, char answer)
{
    struct library_picture *p = chosen(ui);
    struct err err = {0};
    if (answer && p && !library_rate(ui_library(ui), p->id, answer - '0', &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    reload(ui);
}

static void
mark(struct ui *ui, const struct library_picture *p)
{
    struct gallery *g = gallery_of(ui);
    if (is_marked(g, p->id)) {
        g->marked[g->marked[1] == p->id] = 0;
    } else if (!g->marked[0]) {
        g->marked[0] = p->id;
    } else { // the third replaces the second
        g->marked[1] = p->id;
    }
    bool both = g->marked[0] && g->marked[1];
    ui_say(ui, ROLE_STATUS,
           both                           ? "two are marked: Enter on one shows them side by side"
           : g->marked[0] || g->marked[1] ? "mark a second one to compare"
                                          : "no longer marked");
}

static void
remove_picture(struct ui *ui, const struct library_picture *p)
{
    struct gallery *g = gallery_of(ui);
    struct err err = {0};
    if (!library_delete(ui_library(ui), p->id, true, &err)) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return;
    }
    if (g->removed_count == UNDO_MAX)
        memmove(g->removed, g->removed + 1, (size_t)--g->removed_count * sizeof *g->removed);
    g->removed[g->removed_count++] = p->id;
    ui_say(ui, ROLE_STATUS,
           "removed picture %" PRId64 "; u brings it back, its file stays until limn library purge",
           p->id);
    reload(ui);
}

static void
bring_back(struct ui *ui)
{
    struct gallery *g = gallery_of(ui);
    struct err err = {0};
    if (!g->removed_count)
        return;
    int64_t id = g->removed[--g->removed_count];
    if (library_delete(ui_library(ui), id, false, &err))
        ui_say(ui, ROLE_GOOD, "picture %" PRId64 " is back", id);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    reload(ui);
    for (int i = 0; i < g->list.count; i++)
        if (g->list.items[i].id == id)
            g->selected = i;
}

// One of two that are marked is shown beside the other; any other one alone.
static void
enter(struct gallery *g, const struct library_picture *p)
{
    g->large = !g->large;
    g->pair = g->marked[0] && g->marked[1] && is_marked(g, p->id);
    g->side = g->marked[1] == p->id;
}

static bool
with_picture(struct ui *ui, enum request request, struct library_picture *p)
{
    struct session *session = session_of(ui);
    struct gallery *g = gallery_of(ui);
    switch (request) {
    case REQUEST_ENTER: enter(g, p); return true;
    case REQUEST_TAG: ui_prompt(ui, "tags to give or take away: ", "", tag_done); return true;
    case REQUEST_RATE:
        ui_ask(ui, "how many stars? 0 to 5", "012345", rate_answered);
        return true;
    case REQUEST_MARK: mark(ui, p); return true;
    case REQUEST_REMOVE: remove_picture(ui, p); return true;
    case REQUEST_OPEN:
        if (!session_open_sheet(ui, p->file, false) && session_open_picture(ui, p->file))
            ui_open_view(ui, VIEW_COMPOSE);
        return true;
    case REQUEST_ADD:
        session_add_picture(ui, p->file);
        return true;
    case REQUEST_REPEAT:
        if (!session_open_sheet(ui, p->file, true) && session_open_picture(ui, p->file)) {
            session->job.seed = -1;
            if (session_draw(ui))
                ui_open_view(ui, VIEW_LIVE);
        }
        return true;
    default: return false;
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct gallery *g = gallery_of(ui);
    int by = 0, across = g->large ? 1 : MAX(1, g->across);
    switch (request) {
    case REQUEST_LEFT:
    case REQUEST_EARLIER: by = -1; break;
    case REQUEST_RIGHT:
    case REQUEST_LATER: by = 1; break;
    case REQUEST_UP: by = -across; break;
    case REQUEST_DOWN: by = across; break;
    case REQUEST_PAGE_UP: by = -across * MAX(1, g->down); break;
    case REQUEST_PAGE_DOWN: by = across * MAX(1, g->down); break;
    case REQUEST_FIRST: by = -g->list.count; break;
    case REQUEST_LAST: by = g->list.count; break;
    case REQUEST_FILTER:
        ui_prompt(ui, "words of the instruction, or tags: ", g->search, search_done);
        return true;
    case REQUEST_SORT:
        g->sort = (g->sort + 1) % LIBRARY_SORT_COUNT;
        reload(ui);
        return true;
    case REQUEST_UNDO: bring_back(ui); return true;
    case REQUEST_BACK:
        if (g->large)
            g->large = false;
        else if (g->marked[0] || g->marked[1])
            g->marked[0] = g->marked[1] = 0;
        else if (*g->search)
            search_done(ui, "");
        else
            return false;
        return true;
    default: return chosen(ui) && with_picture(ui, request, chosen(ui));
    }
    if (compares(g))
        g->side = by > 0;
    else
        g->selected = MAX(0, MIN(g->selected + by, g->list.count - 1));
    return true;
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool twice)
{
    struct gallery *g = gallery_of(ui);
    if (turn) {
        on_request(ui, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
        return;
    }
    if (g->large || !g->across || y < g->tiles.y || y >= g->tiles.y + g->tiles.rows)
        return;
    int column = (x - g->tiles.x) / (g->tiles.columns / g->across);
    int row = (y - g->tiles.y) / (g->tiles.rows / g->down);
    int at = (g->top + row) * g->across + MIN(column, g->across - 1);
    if (row < g->down && at < g->list.count) {
        g->selected = at;
        if (twice)
            g->large = true;
    }
}

static const enum request hints[] = {REQUEST_ENTER, REQUEST_OPEN,   REQUEST_REPEAT, REQUEST_RATE,
                                     REQUEST_TAG,   REQUEST_FILTER, REQUEST_SORT,   REQUEST_MARK,
                                     REQUEST_REMOVE, REQUEST_UNDO,  REQUEST_HELP,   REQUEST_NONE};

const struct view view_gallery = {
    .name = "gallery",
    .title = "what was drawn",
    .state_size = sizeof(struct gallery),
    .open = open_gallery,
    .close = close_gallery,
    .draw = draw_gallery,
    .request = on_request,
    .arrived = on_arrival,
    .mouse = on_mouse,
    .hints = hints,
};
