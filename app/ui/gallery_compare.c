// SPDX-License-Identifier: MIT
// Compares pictures: side by side, with the parameters in which they differ; one at a time in the
// same place, so that the eye sees what changes; or as the difference of the first two.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/ui/field.h"
#include "app/ui/gallery.h"
#include "app/ui/opening.h"
#include "engine/base/mem.h"

enum { CAPTION_ROWS = 4, DIFFERENCE_GAIN = 4, NARROWEST = 20 };

void
gallery_compare_end(struct gallery *g)
{
    for (int i = 0; i < g->compared; i++)
        job_finish(&g->jobs[i]);
    image_unref(g->differs);
    g->differs = NULL;
    g->compared = 0;
    g->in_place = g->difference = false;
}

// Takes the job inside one of the pictures, if it is still compared.
static void
store_job(struct ui *ui, struct opening *o)
{
    struct gallery *g = gallery_of(ui);
    for (int i = 0; i < g->compared; i++) {
        if (g->marked[i] != o->number || g->read[i])
            continue;
        g->unread[i] = false;
        g->read[i] = o->has_job;
        if (o->has_job) {
            g->jobs[i] = o->job;
            o->job = JOB_EMPTY;
        }
        return;
    }
}

void
gallery_compare(struct ui *ui, int64_t chosen)
{
    struct gallery *g = gallery_of(ui);
    gallery_compare_end(g);
    g->side = 0;
    for (int i = 0; i < g->mark_count && g->compared < COMPARED_MAX; i++) {
        int64_t id = g->marked[i];
        const struct library_picture *p = gallery_by_id(g, id);
        if (!p) // the search hides it
            continue;
        int at = g->compared++;
        g->marked[i] = g->marked[at]; // the shown ones come first
        g->marked[at] = id;
        g->jobs[at] = JOB_EMPTY;
        g->read[at] = false;
        g->unread[at] = true;
        opening_begin(ui, p->file, store_job, p->id);
        if (p->id == chosen)
            g->side = at;
    }
    ui_say(ui, ROLE_STATUS, "%s", ""); // the hints say what keys do
    if (g->mark_count > COMPARED_MAX)
        ui_say(ui, ROLE_STATUS, "the first %d of %d that are marked", COMPARED_MAX, g->mark_count);
}

// --- what differs

static bool
differs(const struct gallery *g, const struct parameter *p)
{
    char *first = NULL;
    bool found = false, any = false;
    for (int i = 0; i < g->compared && !found; i++) {
        if (!g->read[i])
            continue;
        char *text = parameter_text(p, &g->jobs[i]);
        found = any && strcmp(text ? text : "", first ? first : "") != 0;
        if (any)
            free(text);
        else
            first = text;
        any = true;
    }
    free(first);
    return found;
}

static bool
words_differ(const struct gallery *g)
{
    const char *first = NULL;
    for (int i = 0; i < g->compared; i++) {
        const char *text = g->read[i] && g->jobs[i].instruction ? g->jobs[i].instruction : "";
        if (first && strcmp(first, text) != 0)
            return true;
        first = text;
    }
    return false;
}

// "seed 5, steps 20": this picture's values of the parameters in which they differ.
static void
put_differences(const struct gallery *g, int at, char *out, size_t size)
{
    size_t n = 0;
    *out = 0;
    for (const struct parameter *p = parameters; p->name && g->read[at]; p++) {
        char *text = differs(g, p) ? parameter_text(p, &g->jobs[at]) : NULL;
        if (differs(g, p) && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s %s", n ? ", " : "", p->label,
                                  text ? text : "not set");
        free(text);
    }
    if (!n)
        snprintf(out, size, "%s",
                 g->unread[at]     ? ""
                 : !g->read[at]    ? "it is a sheet: its cells hold what they were drawn with"
                 : words_differ(g) ? "the same but for the words"
                                   : "the same instruction and settings");
}

// --- the difference of two

static struct image *
difference_of(struct ui *ui, struct image *a, struct image *b)
{
    struct image *x = image_convert(a, IMAGE_RGB8, 0xFFFFFF, NULL),
                 *y = image_convert(b, IMAGE_RGB8, 0xFFFFFF, NULL);
    bool same = x && y && x->width == y->width && x->height == y->height;
    struct image *out = same ? image_create(x->width, x->height, IMAGE_RGB8, NULL) : NULL;
    for (int row = 0; out && row < out->height; row++) {
        const uint8_t *p = x->pixels + (size_t)row * x->stride;
        const uint8_t *q = y->pixels + (size_t)row * y->stride;
        uint8_t *o = out->pixels + (size_t)row * out->stride;
        for (int i = 0; i < 3 * out->width; i++)
            o[i] = (uint8_t)MIN(DIFFERENCE_GAIN * abs(p[i] - q[i]), 255);
    }
    if (x && y && !same)
        ui_say(ui, ROLE_WARNING,
               "the difference needs two pictures of one size: these are %d x %d and %d x %d",
               x->width, x->height, y->width, y->height);
    image_unref(x);
    image_unref(y);
    return out;
}

static void
draw_difference(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    const struct library_picture *p = gallery_by_id(g, g->marked[0]),
                                 *q = gallery_by_id(g, g->marked[1]);
    struct image *one = p && !g->differs ? draw_image(ui, p->file, NULL) : NULL;
    struct image *kept = one ? image_ref(one) : NULL;
    struct image *two = kept && q ? draw_image(ui, q->file, NULL) : NULL;
    if (kept && two) {
        g->differs = difference_of(ui, kept, two);
        g->difference = g->differs != NULL;
    }
    image_unref(kept);
    struct area picture = {a->y, a->x, a->rows - 1, a->columns};
    draw_picture(ui, SLOT_SHEET, &picture, g->differs, false);
    draw_format(a->y + a->rows - 1, a->x + 1, a->columns - 2, ROLE_DIM,
                "where %" PRId64 " and %" PRId64 " differ, %d times as strong; black is the same",
                g->marked[0], g->marked[1], DIFFERENCE_GAIN);
}

// --- drawing

static void
draw_one(struct ui *ui, int at, int slot, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    const struct library_picture *p = gallery_by_id(g, g->marked[at]);
    char text[600], rating[GALLERY_RATING_TEXT];
    bool here = g->side == at;
    struct field_line lines[2];
    if (!p)
        return;
    const struct image *shape = draw_image(ui, p->file, NULL);
    struct area inner = {a->y, a->x + 1, a->rows, a->columns - 1};
    struct area picture =
        draw_fitted(ui, &inner, shape ? shape->width : 1, shape ? shape->height : 1, CAPTION_ROWS);
    struct area caption = {picture.y + picture.rows, inner.x, 1, inner.columns};
    if (here)
        draw_fill(&caption, ROLE_SELECTION);
    gallery_rating(rating, p->rating);
    draw_format(caption.y, caption.x, caption.columns, here ? ROLE_SELECTION : ROLE_KEY,
                "%" PRId64 "  %s%s%s", p->id, rating, *p->tags ? "  #" : "", p->tags);
    put_differences(g, at, text, sizeof text);
    struct area what = {caption.y + 1, inner.x, CAPTION_ROWS - 1, inner.columns}, words = what;
    if (words_differ(g)) // a line of them, or two
        what.rows = field_wrap(text, MAX(what.columns, 1), lines, 2);
    words.y += what.rows;
    words.rows -= what.rows;
    draw_wrapped(&what, ROLE_TEXT, text);
    if (words_differ(g))
        draw_wrapped(&words, ROLE_DIM, p->instruction);
    draw_file(ui, slot, &picture, p->file);
}

void
gallery_draw_compared(struct ui *ui, const struct area *a)
{
    struct gallery *g = gallery_of(ui);
    if (g->difference) {
        draw_difference(ui, a);
        return;
    }
    if (g->in_place) {
        draw_one(ui, g->side, SLOT_SHEET, a);
        return;
    }
    int across = draw_is_plain() ? 1 : MAX(1, MIN(g->compared, a->columns / NARROWEST));
    if (g->compared > 3)
        across = MIN(across, (g->compared + 1) / 2);
    int rows = (g->compared + across - 1) / across;
    for (int i = 0; i < g->compared; i++) {
        int height = a->rows / rows, width = a->columns / across;
        struct area tile = {a->y + i / across * height, a->x + i % across * width, height,
                            width - 1};
        draw_one(ui, i, SLOT_GRID + i, &tile);
    }
}

bool
gallery_compare_request(struct ui *ui, enum request request)
{
    struct gallery *g = gallery_of(ui);
    switch (request) {
    case REQUEST_LEFT:
    case REQUEST_EARLIER:
    case REQUEST_UP: g->side = (g->side + g->compared - 1) % g->compared; return true;
    case REQUEST_RIGHT:
    case REQUEST_LATER:
    case REQUEST_DOWN: g->side = (g->side + 1) % g->compared; return true;
    case REQUEST_FIRST: g->side = 0; return true;
    case REQUEST_LAST: g->side = g->compared - 1; return true;
    case REQUEST_ENTER:
        g->in_place = !g->in_place && !g->difference; // from the difference, back to all of them
        g->difference = false;
        return true;
    case REQUEST_DIFFERENCE:
        g->difference = !g->difference;
        return true;
    case REQUEST_BACK:
        if (g->difference || g->in_place) {
            g->difference = g->in_place = false;
            return true;
        }
        gallery_compare_end(g);
        g->large = false;
        return true;
    default: return false;
    }
}
