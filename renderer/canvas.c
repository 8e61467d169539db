// SPDX-License-Identifier: MIT
#include "renderer/canvas.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "renderer/canvas_encoder.h"
#include "renderer/image/codec.h"

enum {
    LINES_MAX = 512,          // of a screen
    QUESTION_BYTES = 32 << 10, // after so many the terminal is asked whether it has seen them
    QUESTIONS_MAX = 2,        // unanswered ones; more would pile up in the line's buffers
    COARSE_MAX = 2,
};
#define ANSWER_SECONDS 4.0 // a terminal that needs longer does not answer at all
#define SLOW_FRAME     0.7 // seconds; live frames that take longer become coarser

struct slot {
    struct image *image; // wanted; NULL: nothing
    struct canvas_place place;
    bool dirty;   // the screen does not show what is wanted
    bool visible; // something of it is on the screen
    struct canvas_rect shown;
};

// Scaling and encoding a picture takes longer than a key may wait: a thread does it, one picture at a time.
// Its fields belong to the thread while it is MAKER_BUSY, else to the canvas.
enum maker_state { MAKER_IDLE = 0, MAKER_BUSY, MAKER_READY };
struct maker {
    pthread_t thread;
    pthread_mutex_t lock; // of state and stop
    pthread_cond_t wake;
    enum maker_state state;
    bool started, stop;
    const struct canvas_encoder *encoder;
    struct term_info term;
    struct slot slot; // a copy; the image is shared
    struct canvas_rect clipped, rect; // asked for, covered
    struct canvas_drawing drawing;
    struct canvas_bytes out;
    bool ok;
};

struct canvas {
    struct maker maker;
    struct canvas_params params;
    struct term_info term;
    const struct canvas_encoder *encoder; // NULL: none
    int fd;                               // ours alone, non-blocking; or the caller's
    bool own_fd;
    struct slot slots[CANVAS_SLOTS];
    struct canvas_rect covers[CANVAS_COVERS];
    int cover_count;
    bool hidden;
    uint64_t generation;
    bool damaged[LINES_MAX];

    // What is being sent: pieces of one picture, from `piece` on.
    struct canvas_bytes erasures; // of pictures the terminal keeps; they go before all else
    struct canvas_bytes out;
    int piece;
    size_t written;
    int sending; // slot, -1: none
    bool sending_live;
    double frame_began;

    double live_rest;  // no live frame before this time
    double live_began, live_spent;
    int coarseness;
    bool answers;
    int questions;
    double asked[QUESTIONS_MAX + 1]; // times of questions not answered, oldest first
    size_t since_question, asked_bytes[QUESTIONS_MAX + 1];
    struct canvas_measured measured;
};

// --- bytes

void
canvas_bytes_add(struct canvas_bytes *b, const void *data, size_t size)
{
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

static void
forget_bytes(struct canvas *c)
{
    c->out.size = 0;
    c->out.piece_count = 0;
    c->piece = 0;
    c->written = 0;
    c->sending = -1;
}

// --- making pictures

// Scales for a rectangle; *rect becomes the cells that are covered.
static struct image *
fit_image(const struct maker *m, struct canvas_rect *rect)
{
    const struct slot *s = &m->slot;
    int cell_width, cell_height;
    m->encoder->cell_size(&m->term, &cell_width, &cell_height);
    double room_x = rect->columns * cell_width, room_y = rect->rows * cell_height;
    // Cells of symbols are reckoned at 1:2; a terminal's own may differ, and round must stay round.
    double aspect = m->encoder->kind == CANVAS_CELLS ? (double)m->term.cell_height * cell_width /
                                                           (m->term.cell_width * cell_height)
                                                     : 1;
    double width = s->image->width * aspect, height = s->image->height;
    double scale = MIN(room_x / width, room_y / height);
    int w = MAX(1, (int)(width * scale + 0.5)), h = MAX(1, (int)(height * scale + 0.5));
    enum codec_fit fit = CODEC_STRETCH;
    if (s->place.fit == CANVAS_COVER) {
        w = (int)room_x;
        h = (int)room_y;
        fit = CODEC_COVER;
    }
    int columns = MIN(rect->columns, (w + cell_width - 1) / cell_width);
    int rows = MIN(rect->rows, (h + cell_height - 1) / cell_height);
    if (s->place.fit == CANVAS_CONTAIN) {
        rect->row += (rect->rows - rows) / 2;
        rect->column += (rect->columns - columns) / 2;
    }
    rect->rows = rows;
    rect->columns = columns;
    struct image *sized = codec_resize(s->image, w, h, fit, m->drawing.background, NULL);
    struct image *rgb =
        sized ? image_convert(sized, IMAGE_RGB8, m->drawing.background, NULL) : NULL;
    image_unref(sized);
    return rgb;
}

static void *
make_pictures(void *arg)
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
        struct image *rgb = fit_image(m, &m->rect);
        m->drawing.image = rgb;
        m->drawing.rect = m->rect;
        m->drawing.term = &m->term;
        canvas_bytes_printf(&m->out, "\033[?2026h");
        m->ok = rgb && m->encoder->encode(&m->drawing, &m->out, NULL);
        canvas_bytes_printf(&m->out, "\033[?2026l");
        image_unref(rgb);
        pthread_mutex_lock(&m->lock);
        m->state = MAKER_READY;
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static enum maker_state
maker_state(const struct maker *m)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&m->lock;
    pthread_mutex_lock(lock);
    enum maker_state state = m->state;
    pthread_mutex_unlock(lock);
    return state;
}

static void
set_maker_state(struct maker *m, enum maker_state state)
{
    pthread_mutex_lock(&m->lock);
    m->state = state;
    pthread_cond_signal(&m->wake);
    pthread_mutex_unlock(&m->lock);
}

static void
stop_maker(struct maker *m)
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

// --- life

static const struct canvas_encoder *
encoder_of(enum canvas_kind kind)
{
    switch (kind) {
    case CANVAS_KITTY: return &canvas_encoder_kitty;
#ifdef LIMN_HAVE_SIXEL
    case CANVAS_SIXEL: return &canvas_encoder_sixel;
#else
    case CANVAS_SIXEL: return NULL;
#endif
#ifdef LIMN_HAVE_CHAFA
    case CANVAS_CELLS: return &canvas_encoder_cells;
#else
    case CANVAS_CELLS: return NULL;
#endif
    case CANVAS_AUTO:
    case CANVAS_NONE:
    case CANVAS_KIND_COUNT: break;
    }
    return NULL;
}

const char *
canvas_kind_name(enum canvas_kind kind)
{
    static const char *const names[] = {"auto", "kitty", "sixel", "cells", "none"};
    return kind < CANVAS_KIND_COUNT ? names[kind] : "?";
}

// A description of our own: non-blocking writes must not make the shell's terminal non-blocking.
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
        if (!encoder_of(kind))
            kind = encoder_of(CANVAS_CELLS) ? CANVAS_CELLS : CANVAS_NONE;
    }
    c->encoder = encoder_of(kind);
    if (!c->encoder && kind != CANVAS_NONE) {
        err_set(err, ERR_UNSUPPORTED, "this limn was built without %s pictures",
                canvas_kind_name(kind));
        free(c);
        return NULL;
    }
    open_fd(c);
    pthread_mutex_init(&c->maker.lock, NULL);
    pthread_cond_init(&c->maker.wake, NULL);
    c->maker.started =
        c->encoder && pthread_create(&c->maker.thread, NULL, make_pictures, &c->maker) == 0;
    return c;
}

enum canvas_kind
canvas_kind(const struct canvas *c)
{
    return c->encoder ? c->encoder->kind : CANVAS_NONE;
}

int
canvas_questions(const struct canvas *c)
{
    return c->answers ? c->questions : 0;
}

void
canvas_destroy(struct canvas *c)
{
    if (!c)
        return;
    stop_maker(&c->maker);
    forget_bytes(c);
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        if (c->slots[i].visible && c->encoder && c->encoder->erase)
            c->encoder->erase(i, &c->out);
        image_unref(c->slots[i].image);
    }
    if (c->out.size && write(c->fd, c->out.data, c->out.size) < 0) {
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

static bool
same_rect(const struct canvas_rect *a, const struct canvas_rect *b)
{
    return a->row == b->row && a->column == b->column && a->rows == b->rows &&
           a->columns == b->columns;
}

// Inside the screen, and above its last row.
static struct canvas_rect
clip(const struct canvas *c, struct canvas_rect r)
{
    int bottom = MIN(r.row + r.rows, c->term.rows - 1);
    int right = MIN(r.column + r.columns, c->term.columns);
    r.row = MAX(r.row, 0);
    r.column = MAX(r.column, 0);
    r.rows = MAX(bottom - r.row, 0);
    r.columns = MAX(right - r.column, 0);
    return r;
}

// Text will be printed over what a slot shows.
static void
take_off(struct canvas *c, struct slot *s)
{
    int index = (int)(s - c->slots);
    if (c->sending == index && c->piece < c->out.piece_count && c->written == 0)
        forget_bytes(c);
    if (!s->visible)
        return;
    s->visible = false;
    s->dirty = true;
    if (c->encoder && c->encoder->erase) {
        c->encoder->erase(index, &c->erasures);
        return;
    }
    for (int y = s->shown.row; y < s->shown.row + s->shown.rows && y < LINES_MAX; y++)
        c->damaged[MAX(y, 0)] = true;
}

bool
canvas_put(struct canvas *c, int slot, struct image *image, const struct canvas_place *place)
{
    if (slot < 0 || slot >= CANVAS_SLOTS || place->generation < c->generation)
        return false;
    struct slot *s = &c->slots[slot];
    bool moved = !same_rect(&s->place.rect, &place->rect) || s->place.fit != place->fit;
    if (s->image == image && !moved) {
        s->place = *place;
        return true;
    }
    bool same_size =
        s->image && s->image->width == image->width && s->image->height == image->height;
    if (s->visible && (moved || !same_size))
        take_off(c, s); // the new one need not cover the old one
    if (s->dirty && s->image && s->place.live && s->visible)
        c->measured.dropped++;
    image_ref(image);
    image_unref(s->image);
    s->image = image;
    s->place = *place;
    s->dirty = true;
    return true;
}

void
canvas_move(struct canvas *c, int slot, const struct canvas_rect *rect)
{
    struct slot *s = &c->slots[slot];
    if (same_rect(&s->place.rect, rect))
        return;
    take_off(c, s);
    s->place.rect = *rect;
    s->dirty = s->image != NULL;
}

void
canvas_remove(struct canvas *c, int slot)
{
    struct slot *s = &c->slots[slot];
    take_off(c, s);
    image_unref(s->image);
    s->image = NULL;
    s->dirty = false;
    s->place = (struct canvas_place){0};
}

void
canvas_generation(struct canvas *c, uint64_t generation)
{
    for (int i = 0; i < CANVAS_SLOTS; i++)
        canvas_remove(c, i);
    c->generation = generation;
}

static bool
covered(const struct canvas *c, const struct canvas_rect *r)
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
        if (s->visible && covered(c, &s->shown))
            take_off(c, s);
    }
}

void
canvas_hide(struct canvas *c, bool hidden)
{
    c->hidden = hidden;
    for (int i = 0; hidden && i < CANVAS_SLOTS; i++)
        take_off(c, &c->slots[i]);
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
        forget_bytes(c);
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        c->slots[i].visible = false;
        c->slots[i].dirty = c->slots[i].image != NULL;
    }
    memset(c->damaged, 0, sizeof c->damaged);
}

int
canvas_damage(struct canvas *c, struct canvas_lines *lines, int max)
{
    int count = 0;
    for (int y = 0; y < LINES_MAX; y++) {
        if (!c->damaged[y])
            continue;
        c->damaged[y] = false;
        struct canvas_lines *last = count ? &lines[count - 1] : NULL;
        if (last && (last->row + last->rows == y || count == max))
            last->rows = y + 1 - last->row;
        else
            lines[count++] = (struct canvas_lines){y, 1};
    }
    for (int i = 0; i < count; i++)
        canvas_printed(c, lines[i].row, lines[i].rows);
    return count;
}

void
canvas_printed(struct canvas *c, int row, int rows)
{
    if (c->encoder && c->encoder->erase)
        return; // text does not touch such pictures
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        struct slot *s = &c->slots[i];
        if (s->visible && s->shown.row < row + rows && row < s->shown.row + s->shown.rows) {
            s->dirty = true;
            if (c->sending == i && c->written == 0)
                forget_bytes(c); // begun before the text was printed
        }
    }
}

// --- sending

static bool
may_draw(const struct canvas *c, const struct slot *s, double time)
{
    if (!s->dirty || !s->image || c->hidden || (s->place.live && time < c->live_rest))
        return false;
    struct canvas_rect r = clip(c, s->place.rect);
    return r.rows > 0 && r.columns > 0 && !covered(c, &r);
}

// Pictures at rest first: they are what people wait for.
static int
next_slot(const struct canvas *c)
{
    double time = clock_seconds();
    int live = -1;
    for (int i = 0; i < CANVAS_SLOTS; i++) {
        if (!may_draw(c, &c->slots[i], time))
            continue;
        if (!c->slots[i].place.live)
            return i;
        live = live < 0 ? i : live;
    }
    return live;
}

// Has the pieces of a slot's picture made.
static void
begin(struct canvas *c, int slot)
{
    struct slot *s = &c->slots[slot];
    struct maker *m = &c->maker;
    m->encoder = c->encoder;
    m->term = c->term;
    m->slot = *s;
    m->slot.image = image_ref(s->image);
    m->clipped = clip(c, s->place.rect);
    m->drawing = (struct canvas_drawing){.slot = slot,
                                         .coarseness = s->place.live ? c->coarseness : 0,
                                         .mono = c->params.mono,
                                         .ascii = c->params.ascii,
                                         .background = c->params.background};
    m->out.size = 0;
    m->out.piece_count = 0;
    c->frame_began = clock_seconds();
    set_maker_state(m, MAKER_BUSY);
}

// Takes over what was made, unless it is not wanted any more. Of a live picture an older frame is better
// than none.
static void
take_made(struct canvas *c)
{
    struct maker *m = &c->maker;
    int slot = m->drawing.slot;
    struct slot *s = &c->slots[slot];
    struct canvas_rect rect = m->rect, clipped = clip(c, s->place.rect);
    bool wanted = may_draw(c, s, 1e18) && same_rect(&clipped, &m->clipped) &&
                  s->place.fit == m->slot.place.fit && m->term.cell_width == c->term.cell_width &&
                  m->term.cell_height == c->term.cell_height &&
                  (s->image == m->slot.image || (s->place.live && m->slot.place.live));
    bool same = s->image == m->slot.image;
    image_unref(m->slot.image);
    m->slot.image = NULL;
    forget_bytes(c);
    if (wanted && s->visible && !same_rect(&rect, &s->shown))
        take_off(c, s); // should the caller have changed the cells' size
    if (wanted && same)
        s->dirty = false; // also when it cannot be drawn
    if (wanted && m->ok && m->out.piece_count) {
        struct canvas_bytes empty = c->out;
        c->out = m->out;
        m->out = empty;
        c->out.ends[c->out.piece_count - 1] = c->out.size;
        s->visible = true;
        s->shown = rect;
        c->sending = slot;
        c->sending_live = s->place.live;
    }
    set_maker_state(m, MAKER_IDLE);
}

static void
finish_frame(struct canvas *c)
{
    double took = clock_seconds() - c->frame_began;
    if (c->sending_live) {
        if (c->live_began == 0)
            c->live_began = c->frame_began;
        c->live_spent += took;
        c->live_rest = clock_seconds() + took * (CANVAS_LIVE_SHARE - 1);
        if (took > SLOW_FRAME)
            c->coarseness = MIN(c->coarseness + 1, COARSE_MAX);
        else if (took < SLOW_FRAME / 8 && c->coarseness)
            c->coarseness--;
    }
    if (c->sending >= 0)
        c->measured.frames++;
    forget_bytes(c);
}

// Asks the terminal to say when it has come this far.
static void
ask(struct canvas *c)
{
    static const char question[] = "\033[5n";
    if (!c->answers || c->since_question < QUESTION_BYTES || c->questions >= QUESTIONS_MAX)
        return;
    if (write(c->fd, question, sizeof question - 1) == sizeof question - 1) {
        c->asked[c->questions] = clock_seconds();
        c->asked_bytes[c->questions++] = c->since_question;
        c->since_question = 0;
    }
}

void
canvas_answer(struct canvas *c)
{
    if (!c->questions)
        return;
    double took = clock_seconds() - c->asked[0];
    if (c->measured.round_trip == 0 || took < c->measured.round_trip)
        c->measured.round_trip = took;
    double carried = took - c->measured.round_trip;
    if (carried > 0.02)
        c->measured.rate = (double)c->asked_bytes[0] / carried;
    // The line was busy with what a frame sent for as long as the answer took.
    c->live_rest =
        MAX(c->live_rest, clock_seconds() + MIN(carried, ANSWER_SECONDS) * (CANVAS_LIVE_SHARE - 1));
    c->live_spent += carried;
    c->questions--;
    memmove(c->asked, c->asked + 1, sizeof c->asked - sizeof *c->asked);
    memmove(c->asked_bytes, c->asked_bytes + 1, sizeof c->asked_bytes - sizeof *c->asked_bytes);
}

static bool
line_is_full(struct canvas *c)
{
    if (c->questions && clock_seconds() - c->asked[0] > ANSWER_SECONDS) {
        c->answers = false; // it does not answer
        c->questions = 0;
    }
    return c->questions >= QUESTIONS_MAX;
}

// Writes up to the end of the current piece. 1: written, 0: the terminal takes no more now, -1: gone.
static int
write_piece(struct canvas *c)
{
    size_t from = (c->piece ? c->out.ends[c->piece - 1] : 0) + c->written;
    size_t end = c->out.ends[c->piece];
    while (from < end) {
        // Without a description of our own a write may wait: then in small bites.
        ssize_t n = write(c->fd, c->out.data + from, c->own_fd ? end - from : MIN(end - from, 512));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        from += (size_t)n;
        c->written += (size_t)n;
        c->measured.bytes += (size_t)n;
        c->since_question += (size_t)n;
    }
    c->written = 0;
    c->piece++;
    return 1;
}

static bool
something_to_send(const struct canvas *c)
{
    return c->piece < c->out.piece_count;
}

// Between pictures: what is to go becomes pieces like any other.
static bool
begin_erasures(struct canvas *c)
{
    if (!c->erasures.size)
        return false;
    struct canvas_bytes empty = c->out;
    c->out = c->erasures;
    c->erasures = empty;
    c->erasures.size = 0;
    c->erasures.piece_count = 0;
    c->sending_live = false;
    return true;
}

bool
canvas_flush(struct canvas *c, int milliseconds, struct err *err)
{
    double deadline = clock_seconds() + milliseconds * 1e-3;
    while (c->encoder) {
        if (!something_to_send(c) && !begin_erasures(c)) {
            enum maker_state state = maker_state(&c->maker);
            int slot =
                state != MAKER_IDLE || line_is_full(c) || !c->maker.started ? -1 : next_slot(c);
            if (state == MAKER_READY) {
                take_made(c);
                continue;
            }
            if (slot < 0)
                return true; // nothing to do, or it is being made
            begin(c, slot);
            continue;
        }
        int state = write_piece(c);
        if (state < 0)
            return err_errno(err, ERR_IO, "the terminal");
        if (state == 0) {
            // A piece that has begun must end before text may be printed: wait for the terminal,
            // which takes no more than a piece's time.
            struct pollfd wait = {.fd = c->fd, .events = POLLOUT};
            if (c->written == 0 && clock_seconds() >= deadline)
                return true;
            if (poll(&wait, 1, 1000) < 0 && errno != EINTR)
                return err_errno(err, ERR_IO, "the terminal");
            if (wait.revents & (POLLERR | POLLHUP | POLLNVAL))
                return err_set(err, ERR_IO, "the terminal is gone");
            continue;
        }
        ask(c);
        if (!something_to_send(c))
            finish_frame(c);
        if (clock_seconds() >= deadline)
            return true;
    }
    return true;
}

bool
canvas_pending(const struct canvas *c)
{
    if (!c->encoder)
        return false;
    bool any = something_to_send(c) || c->erasures.size || maker_state(&c->maker) != MAKER_IDLE;
    for (int i = 0; i < CANVAS_SLOTS && !any; i++)
        any = may_draw(c, &c->slots[i], 1e18);
    return any;
}

int
canvas_wait(const struct canvas *c)
{
    if (!canvas_pending(c))
        return -1;
    enum { MAKING_MS = 3 };
    enum maker_state state = maker_state(&c->maker);
    if (something_to_send(c) || c->erasures.size || state == MAKER_READY)
        return 0;
    if (state == MAKER_BUSY)
        return MAKING_MS;
    double time = clock_seconds();
    if (c->questions >= QUESTIONS_MAX)
        return 50;
    for (int i = 0; i < CANVAS_SLOTS; i++)
        if (may_draw(c, &c->slots[i], time))
            return 0;
    return MAX(1, (int)((c->live_rest - time) * 1e3) + 1);
}

void
canvas_measured(const struct canvas *c, struct canvas_measured *measured)
{
    *measured = c->measured;
    measured->coarseness = c->coarseness;
    double since = c->live_began > 0 ? clock_seconds() - c->live_began : 0;
    measured->share = since > 0 ? MIN(1, c->live_spent / since) : 0;
}
