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
canvas_bytes_go(struct canvas_bytes *b, const struct canvas_drawing *d, int row)
{
    if (d->up)
        canvas_bytes_printf(b, "\0337\r\033[%dA", d->up - d->rect.row - row);
    else
        canvas_bytes_printf(b, "\0337\033[%d;%dH", d->rect.row + row + 1, d->rect.column + 1);
}

void
canvas_forget_bytes(struct canvas *c)
{
    c->out.size = 0;
    c->out.piece_count = 0;
    c->piece = 0;
    c->written = 0;
    c->sending = -1;
}

// --- making pictures

// Puts what is transparent on a ground. Symbols are too coarse for a checkerboard.
static struct image *
on_ground(const struct image *image, const struct canvas_cell *cell)
{
    return image_shown(image, cell->width < IMAGE_SQUARE / 2 ? 0 : IMAGE_SQUARE, NULL);
}

struct image *
canvas_fit_image(struct image *image, enum canvas_fit how, const struct canvas_cell *cell,
                 uint32_t background, struct canvas_rect *rect)
{
    double room_x = rect->columns * cell->width, room_y = rect->rows * cell->height;
    double width = image->width * cell->aspect, height = image->height;
    double scale = MIN(room_x / width, room_y / height);
    int w = MAX(1, (int)(width * scale + 0.5)), h = MAX(1, (int)(height * scale + 0.5));
    enum image_fit fit = IMAGE_STRETCH;
    if (how == CANVAS_COVER) {
        w = (int)room_x;
        h = (int)room_y;
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
    struct image *rgb = sized ? on_ground(sized, cell) : NULL;
    image_unref(sized);
    return rgb;
}

// Symbols count with cells of 1:2; the terminal's may differ, and circles must stay round.
static struct canvas_cell
cell_of(const struct maker *m)
{
    struct canvas_cell cell = {.aspect = 1};
    m->encoder->cell_size(&m->term, &cell.width, &cell.height);
    if (m->encoder->kind == CANVAS_CELLS)
        cell.aspect = (double)m->term.cell_height * cell.width /
                      (m->term.cell_width * cell.height);
    return cell;
}

// Where the terminal has synchronised output, many pieces appear at once; few, as a small picture
// has, look the same without.
enum { FEW_PIECES = 2 };

static void
hold_back(struct canvas_bytes *b)
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
canvas_make_pictures(void *arg)
{
    struct maker *m = arg;
    pthread_mutex_lock(&m->lock);
    while (!m->stop) {
        if (m->state != MAKER_BUSY) {
            pthread_cond_wait(&m->wake, &m->lock);
            continue;
        }
        pthread_mutex_unlock(&m->lock);
        m->rect = m->clipped;
        struct canvas_cell cell = cell_of(m);
        struct image *rgb = canvas_fit_image(m->slot.image, m->slot.place.fit, &cell,
                                             m->drawing.background, &m->rect);
        m->drawing.image = rgb;
        m->drawing.rect = m->rect;
        m->drawing.term = &m->term;
        // kitty shows a picture all at once anyway, and 0.26 does not always read what it holds
        // back for synchronised output: pictures were missing.
        bool held = m->encoder->kind != CANVAS_KITTY;
        m->ok = rgb && m->encoder->encode(&m->drawing, &m->out, NULL);
        if (held && m->out.piece_count > FEW_PIECES)
            hold_back(&m->out);
        image_unref(rgb);
        pthread_mutex_lock(&m->lock);
        m->state = MAKER_READY;
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

enum maker_state
canvas_maker_state(const struct maker *m)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&m->lock;
    pthread_mutex_lock(lock);
    enum maker_state state = m->state;
    pthread_mutex_unlock(lock);
    return state;
}

void
canvas_set_maker_state(struct maker *m, enum maker_state state)
{
    pthread_mutex_lock(&m->lock);
    m->state = state;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
}

void
canvas_stop_maker(struct maker *m)
{
    if (m->started) {
        pthread_mutex_lock(&m->lock);
        m->stop = true;
        pthread_cond_signal(&m->wake);
        pthread_mutex_unlock(&m->lock);
        pthread_join(m->thread, NULL);
    }
    image_unref(m->slot.image);
    canvas_bytes_free(&m->out);
    pthread_cond_destroy(&m->wake);
    pthread_mutex_destroy(&m->lock);
}
