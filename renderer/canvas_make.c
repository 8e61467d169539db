// SPDX-License-Identifier: MIT
// Makes pictures: fits them to their cells and encodes them, on a thread.
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "renderer/canvas.h"
#include "renderer/canvas_parts.h"

void
canvas_bytes_add(struct canvas_bytes *b, const void *data, size_t size)
{
    if (size == 0)
        return;
    while (b->capacity - b->size < size) {
        b->capacity = b->capacity ? 2 * b->capacity : 1 << 14;
        b->data = mem_realloc(b->data, b->capacity);
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

void
canvas_bytes_printf(struct canvas_bytes *b, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    canvas_bytes_add(b, text, MIN((size_t)MAX(n, 0), sizeof text - 1));
}

void
canvas_bytes_end_piece(struct canvas_bytes *b)
{
    ARRAY_PUSH(b->ends, b->piece_count, b->piece_capacity, b->size);
}

void
canvas_bytes_free(struct canvas_bytes *b)
{
    free(b->data);
    free(b->ends);
    *b = (struct canvas_bytes){0};
}

void
canvas_bytes_move_to(struct canvas_bytes *b, const struct canvas_drawing *d, int row)
{
    if (d->up)
        canvas_bytes_printf(b, "\0337\r\033[%dA", d->up - d->rect.row - row);
    else
        canvas_bytes_printf(b, "\0337\033[%d;%dH", d->rect.row + row + 1, d->rect.column + 1);
}

void
canvas_discard_output(struct canvas *c)
{
    if (c->sending >= 0 && c->piece > 0 && c->piece < c->out.piece_count && c->encoder->abandon)
        c->encoder->abandon(&c->erasures);
    c->out.size = 0;
    c->out.piece_count = 0;
    c->piece = 0;
    c->written = 0;
    c->sending = -1;
}

// --- making pictures

// Puts what is transparent on a ground. Symbols are too coarse for a checkerboard.
static struct image *
flatten(const struct image *image, const struct canvas_cell *cell)
{
    return image_shown(image, cell->width < IMAGE_SQUARE / 2 ? 0 : IMAGE_SQUARE, NULL);
}

struct image *
canvas_fit_image(struct image *image, enum canvas_fit how, const struct canvas_cell *cell,
                 uint32_t background, struct canvas_rect *rect)
{
    double max_width = rect->columns * cell->width, max_height = rect->rows * cell->height;
    double width = image->width * cell->aspect, height = image->height;
    double scale = MIN(max_width / width, max_height / height);
    int w = MAX(1, (int)(width * scale + 0.5)), h = MAX(1, (int)(height * scale + 0.5));
    enum image_fit fit = IMAGE_STRETCH;
    if (how == CANVAS_COVER) {
        w = (int)max_width;
        h = (int)max_height;
        fit = IMAGE_COVER;
    }
    int columns = MIN(rect->columns, (w + cell->width - 1) / cell->width);
    int rows = MIN(rect->rows, (h + cell->height - 1) / cell->height);
    if (how == CANVAS_CONTAIN) {
        rect->row += (rect->rows - rows) / 2;
        rect->column += (rect->columns - columns) / 2;
    }
    rect->rows = rows;
    rect->columns = columns;
    struct image *sized = image_resize(image, w, h, fit, background, NULL);
    struct image *rgb = sized ? flatten(sized, cell) : NULL;
    image_unref(sized);
    return rgb;
}

// Symbols count with cells of 1:2; the terminal's may differ, and circles must stay round.
static struct canvas_cell
cell_of(const struct render_thread *t)
{
    struct canvas_cell cell = {.aspect = 1};
    t->encoder->cell_size(&t->term, &cell.width, &cell.height);
    if (t->encoder->kind == CANVAS_CELLS)
        cell.aspect = (double)t->term.cell_height * cell.width /
                      (t->term.cell_width * cell.height);
    return cell;
}

// Where the terminal has synchronised output, many pieces appear at once; few, as a small picture
// has, look the same without.
enum { UNSYNCHRONISED_MAX = 2 };

static void
wrap_synchronised(struct canvas_bytes *b)
{
    static const char begin[] = "\033[?2026h", end[] = "\033[?2026l";
    enum { LENGTH = sizeof begin - 1 };
    canvas_bytes_add(b, end, LENGTH);
    canvas_bytes_add(b, end, LENGTH); // room for the beginning
    memmove(b->data + LENGTH, b->data, b->size - LENGTH);
    memcpy(b->data, begin, LENGTH);
    for (int i = 0; i < b->piece_count; i++)
        b->ends[i] += LENGTH;
}

void *
canvas_render_thread(void *arg)
{
    struct render_thread *t = arg;
    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        if (t->state != RENDER_BUSY) {
            pthread_cond_wait(&t->wake, &t->lock);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        t->rect = t->clipped;
        struct canvas_cell cell = cell_of(t);
        struct image *rgb = canvas_fit_image(t->slot.image, t->slot.place.fit, &cell,
                                             t->drawing.background, &t->rect);
        t->drawing.image = rgb;
        t->drawing.rect = t->rect;
        t->drawing.term = &t->term;
        // kitty shows a picture all at once anyway, and 0.26 does not always read what it holds
        // back for synchronised output: pictures were missing.
        bool synchronised = t->encoder->kind != CANVAS_KITTY;
        t->ok = rgb && t->encoder->encode(&t->drawing, &t->out, NULL);
        if (synchronised && t->out.piece_count > UNSYNCHRONISED_MAX)
            wrap_synchronised(&t->out);
        image_unref(rgb);
        pthread_mutex_lock(&t->lock);
        t->state = RENDER_READY;
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

enum render_state
canvas_render_state(const struct render_thread *t)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&t->lock;
    pthread_mutex_lock(lock);
    enum render_state state = t->state;
    pthread_mutex_unlock(lock);
    return state;
}

void
canvas_set_render_state(struct render_thread *t, enum render_state state)
{
    pthread_mutex_lock(&t->lock);
    t->state = state;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void
canvas_stop_render_thread(struct render_thread *t)
{
    if (t->started) {
        pthread_mutex_lock(&t->lock);
        t->stop = true;
        pthread_cond_signal(&t->wake);
        pthread_mutex_unlock(&t->lock);
        pthread_join(t->thread, NULL);
    }
    image_unref(t->slot.image);
    canvas_bytes_free(&t->out);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
}
