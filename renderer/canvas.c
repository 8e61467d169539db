// SPDX-License-Identifier: MIT
#include "renderer/canvas.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "renderer/canvas_encoder.h"
#include "renderer/canvas_parts.h"

// --- creating and destroying

// One row per kind; without an encoder: none is needed, or this build has none.
static const struct {
    const char *name;
    const struct canvas_encoder *encoder;
} kinds[CANVAS_KIND_COUNT] = {
    [CANVAS_AUTO] = {"auto", NULL},
    [CANVAS_KITTY] = {"kitty", &canvas_encoder_kitty},
#ifdef LIMN_HAVE_SIXEL
    [CANVAS_SIXEL] = {"sixel", &canvas_encoder_sixel},
#else
    [CANVAS_SIXEL] = {"sixel", NULL},
#endif
#ifdef LIMN_HAVE_CHAFA
    [CANVAS_CELLS] = {"cells", &canvas_encoder_cells},
#else
    [CANVAS_CELLS] = {"cells", NULL},
#endif
    [CANVAS_NONE] = {"none", NULL},
};

const char *
canvas_kind_name(enum canvas_kind kind)
{
    return kind < CANVAS_KIND_COUNT ? kinds[kind].name : "?";
}

// Opens the terminal anew: O_NONBLOCK on the caller's descriptor would also apply to the shell's.
static void
open_fd(struct canvas *c)
{
    char name[256];
    c->fd = c->params.fd;
    if (ttyname_r(c->params.fd, name, sizeof name) != 0)
        return;
    int fd = open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        c->fd = fd;
        c->own_fd = true;
    }
}

struct canvas *
canvas_create(const struct canvas_params *params, struct err *err)
{
    struct canvas *c = mem_zalloc(sizeof *c);
    c->params = *params;
    c->term = *params->term;
    c->params.term = &c->term;
    c->answers = params->answers;
    c->sending = -1;
    enum canvas_kind kind = params->kind;
    if (kind == CANVAS_AUTO) {
        kind = c->term.kitty && !params->mono   ? CANVAS_KITTY
               : c->term.sixel && !params->mono ? CANVAS_SIXEL
                                                : CANVAS_CELLS;
        if (!kinds[kind].encoder)
            kind = kinds[CANVAS_CELLS].encoder ? CANVAS_CELLS : CANVAS_NONE;
    }
    c->encoder = kinds[kind].encoder;
    if (!c->encoder && kind != CANVAS_NONE) {
        err_set(err, ERR_UNSUPPORTED, "this limn was built without %s pictures",
                canvas_kind_name(kind));
        free(c);
        return NULL;
    }
    open_fd(c);
    pthread_mutex_init(&c->render.lock, NULL);
    pthread_cond_init(&c->render.wake, NULL);
    c->render.started = c->encoder && pthread_create(&c->render.thread, NULL, canvas_render_thread,
                                                     &c->render) == 0;
    return c;
}

enum canvas_kind
canvas_kind(const struct canvas *c)
{
    return c->encoder ? c->encoder->kind : CANVAS_NONE;
}

int
canvas_queries(const struct canvas *c)
{
    return c->answers ? c->queries : 0;
}

void
canvas_destroy(struct canvas *c)
{
    if (!c)
        return;
    canvas_stop_render_thread(&c->render);
    canvas_discard_output(c);
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        if (c->slots[i].visible && c->encoder && c->encoder->erase)
            c->encoder->erase(i, &c->erasures);
        image_unref(c->slots[i].image);
    }
    if (c->erasures.size && write(c->fd, c->erasures.data, c->erasures.size) < 0) {
        // The terminal is gone or full; there is nobody to tell.
    }
    if (c->own_fd)
        close(c->fd);
    canvas_bytes_free(&c->erasures);
    canvas_bytes_free(&c->out);
    free(c);
}

// --- what is wanted

static bool
overlap(const struct canvas_rect *a, const struct canvas_rect *b)
{
    return a->row < b->row + b->rows && b->row < a->row + a->rows &&
           a->column < b->column + b->columns && b->column < a->column + a->columns;
}

bool
canvas_same_rect(const struct canvas_rect *a, const struct canvas_rect *b)
{
    return a->row == b->row && a->column == b->column && a->rows == b->rows &&
           a->columns == b->columns;
}

// Inside the screen, and above its last row.
struct canvas_rect
canvas_clip(const struct canvas *c, struct canvas_rect r)
{
    int bottom = MIN(r.row + r.rows, c->term.rows - 1);
    int right = MIN(r.column + r.columns, c->term.columns);
    r.row = MAX(r.row, 0);
    r.column = MAX(r.column, 0);
    r.rows = MAX(bottom - r.row, 0);
    r.columns = MAX(right - r.column, 0);
    return r;
}

static void
add_span(struct span *s, int from, int to)
{
    bool empty = s->to <= s->from;
    s->from = empty ? from : MIN(s->from, from);
    s->to = empty ? to : MAX(s->to, to);
}

// Takes what a slot shows off the screen: by an erasure, or by text printed again in its cells.
void
canvas_erase(struct canvas *c, struct slot *s)
{
    int index = (int)(s - c->slots);
    if (c->sending == index && c->piece < c->out.piece_count && c->written == 0)
        canvas_discard_output(c);
    if (!s->visible)
        return;
    s->visible = false;
    s->dirty = true;
    if (c->encoder && c->encoder->erase) {
        c->encoder->erase(index, &c->erasures);
        return;
    }
    for (int y = MAX(s->shown.row, 0); y < s->shown.row + s->shown.rows && y < LINES_MAX; y++)
        add_span(&c->damaged[y], s->shown.column, s->shown.column + s->shown.columns);
}

void
canvas_put(struct canvas *c, int slot, struct image *image, const struct canvas_place *place)
{
    require(slot >= 0 && slot < CANVAS_SLOTS);
    struct slot *s = &c->slots[slot];
    bool moved = !canvas_same_rect(&s->place.rect, &place->rect) || s->place.fit != place->fit;
    if (s->image == image && !moved) {
        s->place = *place;
        return;
    }
    bool same_shape = s->image && (int64_t)s->image->width * image->height ==
                                      (int64_t)image->width * s->image->height;
    if (s->visible && (moved || !same_shape))
        canvas_erase(c, s); // the new one may not cover the old one
    image_ref(image);
    image_unref(s->image);
    s->image = image;
    s->place = *place;
    s->dirty = true;
}

void
canvas_remove(struct canvas *c, int slot)
{
    struct slot *s = &c->slots[slot];
    canvas_erase(c, s);
    image_unref(s->image);
    s->image = NULL;
    s->dirty = false;
    s->place = (struct canvas_place){0};
}

bool
canvas_covered(const struct canvas *c, const struct canvas_rect *r)
{
    for (int i = 0; i < c->cover_count; i++)
        if (overlap(&c->covers[i], r))
            return true;
    return false;
}

void
canvas_cover(struct canvas *c, const struct canvas_rect *rects, int count)
{
    c->cover_count = MIN(count, CANVAS_COVERS);
    if (c->cover_count > 0)
        memcpy(c->covers, rects, (size_t)c->cover_count * sizeof *rects);
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        struct slot *s = &c->slots[i];
        if (s->visible && canvas_covered(c, &s->shown))
            canvas_erase(c, s);
    }
}

void
canvas_hide(struct canvas *c, bool hidden)
{
    c->hidden = hidden;
    for (int i = 0; hidden && i < CANVAS_SLOTS; i++)
        canvas_erase(c, &c->slots[i]);
}

void
canvas_invalidate(struct canvas *c, int columns, int rows, int width, int height)
{
    if (columns > 0 && rows > 0) {
        c->term.columns = columns;
        c->term.rows = rows;
        if (width / columns >= 2 && height / rows >= 4) {
            c->term.cell_width = width / columns;
            c->term.cell_height = height / rows;
        }
    }
    if (c->written == 0)
        canvas_discard_output(c);
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        c->slots[i].visible = false;
        c->slots[i].dirty = c->slots[i].image != NULL;
    }
    memset(c->damaged, 0, sizeof c->damaged);
}

int
canvas_damage(struct canvas *c, struct canvas_rect *rects, int max)
{
    int count = 0;
    for (int y = 0; y < LINES_MAX; y++) {
        struct span s = c->damaged[y];
        if (s.to <= s.from)
            continue;
        c->damaged[y] = (struct span){0};
        struct canvas_rect *last = count ? &rects[count - 1] : NULL;
        bool continues = last && last->row + last->rows == y && last->column == s.from &&
                         last->columns == s.to - s.from;
        if (!continues && count < max) {
            rects[count++] = (struct canvas_rect){y, s.from, 1, s.to - s.from};
            continue;
        }
        struct span both = {last->column, last->column + last->columns};
        add_span(&both, s.from, s.to);
        *last = (struct canvas_rect){last->row, both.from, y + 1 - last->row, both.to - both.from};
    }
    for (int i = 0; i < count; i++)
        canvas_printed(c, &rects[i]);
    return count;
}

void
canvas_printed(struct canvas *c, const struct canvas_rect *rect)
{
    if (c->encoder && c->encoder->erase)
        return; // text does not touch such pictures
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        struct slot *s = &c->slots[i];
        if (s->visible && overlap(&s->shown, rect)) {
            s->dirty = true;
            if (c->sending == i && c->written == 0)
                canvas_discard_output(c); // begun before the text was printed
        }
    }
}
