// SPDX-License-Identifier: MIT
// Draws the gallery: thumbnails, or one large picture.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/base/time_text.h"
#include "app/ui/field.h"
#include "app/ui/gallery.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

void
gallery_stars(char *out, int rating)
{
    *out = 0;
    for (int i = 0; i < rating; i++)
        strcat(out, draw_unicode() ? "\u2605" : "*");
}

void
gallery_rating(char *out, int rating)
{
    if (draw_is_plain() && rating > 0)
        snprintf(out, GALLERY_RATING_TEXT, "%d %s ", rating, rating == 1 ? "star" : "stars");
    else
        gallery_stars(out, rating);
}

// Instruction, rating, seed, date, template, model, path and tags.
static void
draw_about(const struct library_picture *p, const struct area *a)
{
    char date[TIME_TEXT_MAX], rating[GALLERY_RATING_TEXT];
    time_text(p->created, "%Y-%m-%d %H:%M", date);
    gallery_rating(rating, p->rating);
    struct area text = {a->y, a->x, a->rows - 1, a->columns};
    draw_wrapped(&text, ROLE_TEXT, p->instruction);
    int y = a->y + a->rows - 1, width = text_width(rating, SIZE_MAX);
    draw_text(y, a->x, width, ROLE_RATING, rating);
    int tags = *p->tags ? MIN(text_width(p->tags, SIZE_MAX) + 1, a->columns / 3) : 0;
    char line[320], path[4200];
    snprintf(line, sizeof line, "seed %" PRId64 "  %s%s%.100s%s%.100s  ", p->seed, date,
             *p->template ? "  " : "", p->template, *p->model ? "  " : "", p->model);
    if (text_width(line, SIZE_MAX) > a->columns / 2) // the path matters more
        snprintf(line, sizeof line, "seed %" PRId64 "  %s  ", p->seed, date);
    bool gone = !file_exists(p->file);
    if (gone)
        snprintf(line, sizeof line, "its file is gone; x removes the entry: ");
    int x = a->x + width + (width > 0), room = a->x + a->columns - tags - (tags ? 2 : 1) - x;
    draw_short_path(p->file, MAX(room - text_width(line, SIZE_MAX), 1), path, sizeof path);
    draw_format(y, x, room, gone ? ROLE_WARNING : ROLE_DIM, "%s%s", line, path);
    if (tags)
        draw_format(y, a->x + a->columns - tags, tags, ROLE_KEY, "#%s", p->tags);
}

// For screen readers: one line per picture.
static void
draw_line(const struct library_picture *p, const struct area *a, bool marked, bool here)
{
    char stars[24] = "";
    if (p->rating)
        snprintf(stars, sizeof stars, ", %d %s", p->rating, p->rating == 1 ? "star" : "stars");
    draw_format(a->y, a->x + 1, a->columns - 1, here ? ROLE_SELECTION : ROLE_TEXT,
                "picture %" PRId64 "%s%s: %s", p->id, stars, marked ? ", marked" : "",
                p->instruction);
}

static void
draw_tile(struct ui *ui, int slot, const struct library_picture *p, const struct area *a, bool here)
{
    const struct gallery *g = gallery_of(ui);
    char rating[GALLERY_RATING_TEXT], line[80];
    bool marked = gallery_is_marked(g, p->id);
    if (draw_is_plain()) {
        draw_line(p, a, marked, here);
        return;
    }
    struct area picture = {a->y, a->x + 1, a->rows - 1, a->columns - 2};
    gallery_stars(rating, p->rating);
    snprintf(line, sizeof line, "%s%" PRId64 " %s", marked ? "+" : "", p->id, rating);
    struct area caption = {a->y + a->rows - 1, a->x, 1, a->columns - 1};
    if (here)
        draw_fill(&caption, ROLE_SELECTION);
    draw_text(caption.y, caption.x + 1, caption.columns - 1,
              here ? ROLE_SELECTION : marked ? ROLE_KEY : ROLE_DIM, line);
    if (slot < CANVAS_SLOTS)
        draw_file(ui, slot, &picture, p->file);
}

// The width of a tile in cells.
static int
tile_columns(int zoom)
{
    static const int sizes[2 * ZOOM_MAX + 1] = {9, 9, 9, 11, 14, 18, 24, 32, 44, 60, 80};
    return sizes[zoom + ZOOM_MAX];
}

// Square pictures, each with its caption below it.
static void
lay_out(const struct ui *ui, struct gallery *g, const struct area *a)
{
    g->tiles = *a;
    if (draw_is_plain()) {
        g->columns = 1;
        g->rows = MAX(1, a->rows);
        return;
    }
    g->columns = MAX(1, a->columns / tile_columns(g->zoom));
    int high = draw_square_rows(ui, a->columns / g->columns - 2) + 1;
    g->rows = MAX(1, (a->rows + high * 2 / 5) / high); // rather a slightly lower row than one fewer
    g->tiles.rows = g->rows * MIN(high, a->rows / g->rows);
}

// Without a size set by the user: the largest at which all pictures fit, if they are few.
static void
zoom_few(const struct ui *ui, struct gallery *g, const struct area *a)
{
    for (g->zoom = ZOOM_MAX - 1; g->zoom > 0; g->zoom--) {
        lay_out(ui, g, a);
        if (g->columns * g->rows >= g->list.count)
            break;
    }
}

static void
draw_tiles(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    if (!g->zoomed)
        zoom_few(ui, g, a);
    lay_out(ui, g, a);
    int width = a->columns / g->columns, height = g->tiles.rows / g->rows;
    int rows = (g->list.count + g->columns - 1) / g->columns;
    g->top = draw_scroll(rows, g->selected / g->columns, g->rows, g->top);
    for (int i = 0; i < g->columns * g->rows; i++) {
        int at = g->top * g->columns + i;
        if (at >= g->list.count)
            break;
        struct area tile = {a->y + i / g->columns * height, a->x + i % g->columns * width, height,
                            width};
        draw_tile(ui, SLOT_GRID + i, &g->list.items[at], &tile, at == g->selected);
    }
}

static void
draw_title(const struct gallery *g, const struct area *a)
{
    static const char *const sorts[] = {"newest first", "oldest first", "best first", "by seed"};
    char title[400], marks[40] = "";
    if (g->mark_count)
        snprintf(marks, sizeof marks, ", %d marked", g->mark_count);
    snprintf(title, sizeof title, "%d %s, %s%s%s%s", g->list.count,
             g->list.count == 1 ? "picture" : "pictures", sorts[g->sort], marks,
             *g->search ? ", with: " : "", g->search);
    draw_heading(a, true, g->listed ? title : "pictures");
}

void
gallery_draw(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    const struct library_picture *p = gallery_chosen(ui);
    struct area rest = {a->y + 1, a->x, a->rows - 1, a->columns};
    draw_title(g, a);
    if (!ui_library(ui)) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_WARNING,
                  "the library cannot be opened: 7 shows why");
    } else if (!g->listed) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM, "reading the library \u2026");
    } else if (!p) {
        draw_text(a->y + 2, a->x + 1, a->columns - 2, ROLE_DIM,
                  *g->search ? "no picture matches all of this; / changes it, Esc shows all"
                             : "what you draw is kept here");
    } else if (g->large && g->compared) {
        gallery_draw_compared(ui, &rest);
    } else {
        struct area about = {a->y + a->rows - 3, a->x + 1, 3, a->columns - 2};
        rest.rows -= 4;
        if (g->large)
            draw_file(ui, SLOT_SHEET, &rest, p->file);
        else
            draw_tiles(ui, &rest);
        draw_rule(about.y - 1, a->x, a->columns);
        draw_about(p, &about);
    }
}
