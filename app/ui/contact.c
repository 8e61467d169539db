// SPDX-License-Identifier: MIT
// A contact sheet: the marked pictures, or else all listed ones, on one sheet, each with its
// number, stars and instruction. Decoded, composed and written in the background.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/job/contact_sheet.h"
#include "app/ui/background.h"
#include "app/ui/gallery.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/image/codec.h"

enum { TILE_SIDE = 256, TILE_SIDE_SMALL = 128, SMALL_FROM = 65 };

struct contact {
    struct work work;
    char *to;
    char *files[MARKS_MAX], *captions[MARKS_MAX];
    int count, missing; // missing: files that cannot be read
    struct err err;     // ERR_NONE: it was written
};

static void
write_sheet(struct contact *c, const struct contact_cell *cells, int side)
{
    int columns = (int)ceil(sqrt(c->count));
    if (c->missing == c->count) {
        err_set(&c->err, ERR_INPUT, "none of the %d pictures can be read", c->count);
        return;
    }
    struct image *sheet = contact_sheet(cells, c->count, columns, side, NULL, &c->err);
    if (sheet)
        codec_write_png(sheet, c->to, NULL, &c->err);
    image_unref(sheet);
}

static void
run(struct work *w, struct library *library, const atomic_int *stopping)
{
    struct contact *c = (struct contact *)w;
    struct contact_cell cells[MARKS_MAX] = {{0}};
    const struct look_options options = {.side =
                                             c->count < SMALL_FROM ? TILE_SIDE : TILE_SIDE_SMALL};
    (void)library;
    if (file_is_taken(c->to)) {
        err_set(&c->err, ERR_INPUT, "%s already exists: choose another name", c->to);
        return;
    }
    for (int i = 0; i < c->count && !atomic_load(stopping); i++) {
        cells[i].label = c->captions[i];
        cells[i].image = look_decode_file(c->files[i], &options, NULL);
        c->missing += cells[i].image == NULL;
    }
    if (!atomic_load(stopping))
        write_sheet(c, cells, options.side);
    else
        err_set(&c->err, ERR_CANCELLED, "the contact sheet was not written: limn ended first");
    for (int i = 0; i < c->count; i++)
        image_unref(cells[i].image);
}

static void
done(struct ui *ui, struct work *w)
{
    const struct contact *c = (struct contact *)w;
    if (c->err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", c->err.text);
    else if (c->missing)
        ui_say(ui, ROLE_WARNING, "%d of %d pictures on %s: the files of the others are missing",
               c->count - c->missing, c->count, c->to);
    else
        ui_say(ui, ROLE_GOOD, "%d %s on %s", c->count, c->count == 1 ? "picture" : "pictures",
               c->to);
}

static void
release(struct work *w)
{
    struct contact *c = (struct contact *)w;
    for (int i = 0; i < c->count; i++) {
        free(c->files[i]);
        free(c->captions[i]);
    }
    free(c->to);
    free(c);
}

static void
add(struct contact *c, const struct library_picture *p)
{
    char rating[GALLERY_RATING_TEXT];
    if (!p || c->count == MARKS_MAX)
        return;
    gallery_stars(rating, p->rating);
    c->files[c->count] = mem_strdup(p->file);
    c->captions[c->count++] = mem_printf("%" PRId64 " %s%s%s", p->id, rating, *rating ? " " : "",
                                         p->instruction);
}

static void
name_done(struct ui *ui, const char *text)
{
    const struct gallery *g = gallery_of(ui);
    if (!text || !*text)
        return;
    struct contact *c = mem_zalloc(sizeof *c);
    c->work = (struct work){.run = run, .done = done, .release = release};
    c->to = places_expand(text);
    for (int i = 0; i < g->mark_count; i++)
        add(c, gallery_by_id(g, g->marked[i]));
    for (int i = 0; !g->mark_count && i < g->list.count; i++)
        add(c, &g->list.items[i]);
    background_put(ui_chores(ui), &c->work);
}

void
gallery_contact_sheet(struct ui *ui)
{
    const struct gallery *g = gallery_of(ui);
    char label[100];
    int count = g->mark_count ? g->mark_count : g->list.count;
    if (!count) {
        ui_say(ui, ROLE_STATUS, "there is no picture to put on a sheet");
        return;
    }
    snprintf(label, sizeof label, "contact sheet of %s %d %s, as: ",
             g->mark_count ? "the marked" : count > MARKS_MAX ? "the first" : "all",
             MIN(count, MARKS_MAX), count == 1 ? "picture" : "pictures");
    ui_prompt(ui, label, "contact-sheet.png", name_done);
}
