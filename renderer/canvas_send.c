// SPDX-License-Identifier: MIT
// Sends pictures a piece at a time, never more than the terminal has been seen to take.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "renderer/canvas.h"
#include "renderer/canvas_parts.h"

static bool
may_draw(const struct canvas *c, const struct slot *s, double time)
{
    if (!s->dirty || !s->image || c->hidden || (s->place.live && time < c->next_live))
        return false;
    struct canvas_rect r = canvas_clip(c, s->place.rect);
    return r.rows > 0 && r.columns > 0 && !canvas_covered(c, &r);
}

// Still pictures first: they are what people wait for.
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

// Lets the render thread begin a slot's picture.
static void
begin_render(struct canvas *c, int slot)
{
    struct slot *s = &c->slots[slot];
    struct render_thread *t = &c->render;
    t->encoder = c->encoder;
    t->term = c->term;
    t->slot = *s;
    t->slot.image = image_ref(s->image);
    t->clipped = canvas_clip(c, s->place.rect);
    t->drawing = (struct canvas_drawing){.slot = slot,
                                         .coarseness = s->place.live ? c->coarseness : 0,
                                         .mono = c->params.mono,
                                         .ascii = c->params.ascii,
                                         .background = c->params.background};
    t->out.size = 0;
    t->out.piece_count = 0;
    c->frame_began = clock_seconds();
    canvas_set_render_state(t, RENDER_BUSY);
}

// Takes over the finished pieces, unless they are no longer wanted. For a live picture an older
// frame is better than none.
static void
accept_rendered(struct canvas *c)
{
    struct render_thread *t = &c->render;
    int slot = t->drawing.slot;
    struct slot *s = &c->slots[slot];
    struct canvas_rect rect = t->rect, clipped = canvas_clip(c, s->place.rect);
    bool wanted = may_draw(c, s, 1e18) && canvas_same_rect(&clipped, &t->clipped) &&
                  s->place.fit == t->slot.place.fit && t->term.cell_width == c->term.cell_width &&
                  t->term.cell_height == c->term.cell_height &&
                  (s->image == t->slot.image || (s->place.live && t->slot.place.live));
    bool same = s->image == t->slot.image;
    image_unref(t->slot.image);
    t->slot.image = NULL;
    canvas_discard_output(c);
    // In case the caller has changed the cells' size. A picture that is erased by its number is
    // replaced by the new one of the same number.
    if (wanted && s->visible && !canvas_same_rect(&rect, &s->shown) && !c->encoder->erase)
        canvas_erase(c, s);
    if (wanted && same)
        s->dirty = false; // even if it cannot be drawn
    if (wanted && t->ok && t->out.piece_count) {
        struct canvas_bytes empty = c->out;
        c->out = t->out;
        t->out = empty;
        c->out.ends[c->out.piece_count - 1] = c->out.size;
        s->visible = true;
        s->shown = rect;
        c->sending = slot;
        c->sending_live = s->place.live;
    }
    canvas_set_render_state(t, RENDER_IDLE);
}

static void
finish_frame(struct canvas *c)
{
    double took = clock_seconds() - c->frame_began;
    if (c->sending_live) {
        c->next_live = clock_seconds() + took * (CANVAS_LIVE_SHARE - 1);
        if (took > SLOW_FRAME)
            c->coarseness = MIN(c->coarseness + 1, COARSE_MAX);
        else if (took < SLOW_FRAME / 8 && c->coarseness)
            c->coarseness--;
    }
    canvas_discard_output(c);
}

// Asks the terminal to answer when it has read this far.
static void
send_query(struct canvas *c)
{
    static const char query[] = "\033[5n";
    if (!c->answers || c->bytes_since_query < QUERY_BYTES || c->queries >= QUERIES_MAX)
        return;
    if (write(c->fd, query, sizeof query - 1) == sizeof query - 1) {
        c->query_times[c->queries++] = clock_seconds();
        c->bytes_since_query = 0;
    }
}

void
canvas_answer(struct canvas *c)
{
    if (!c->queries)
        return;
    double took = clock_seconds() - c->query_times[0];
    if (c->round_trip == 0 || took < c->round_trip)
        c->round_trip = took;
    double delay = took - c->round_trip;
    // The line was busy with what a frame sent for as long as the answer took.
    c->next_live =
        MAX(c->next_live, clock_seconds() + MIN(delay, ANSWER_SECONDS) * (CANVAS_LIVE_SHARE - 1));
    c->queries--;
    memmove(c->query_times, c->query_times + 1, sizeof c->query_times - sizeof *c->query_times);
}

static bool
is_congested(struct canvas *c)
{
    if (c->queries && clock_seconds() - c->query_times[0] > ANSWER_SECONDS) {
        c->answers = false; // it does not answer
        c->queries = 0;
    }
    return c->queries >= QUERIES_MAX;
}

// Writes up to the end of the current piece. 1: written, 0: the terminal takes no more now, -1:
// gone.
static int
write_piece(struct canvas *c)
{
    size_t from = (c->piece ? c->out.ends[c->piece - 1] : 0) + c->written;
    size_t end = c->out.ends[c->piece];
    while (from < end) {
        // On the caller's descriptor a write may block: so in small parts.
        ssize_t n = write(c->fd, c->out.data + from, c->own_fd ? end - from : MIN(end - from, 512));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        from += (size_t)n;
        c->written += (size_t)n;
        c->bytes_since_query += (size_t)n;
    }
    c->written = 0;
    c->piece++;
    return 1;
}

static bool
has_output(const struct canvas *c)
{
    return c->piece < c->out.piece_count;
}

// Between pictures: erasures become pieces like any other.
static bool
queue_erasures(struct canvas *c)
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
        if (!has_output(c) && !queue_erasures(c)) {
            enum render_state state = canvas_render_state(&c->render);
            int slot =
                state != RENDER_IDLE || is_congested(c) || !c->render.started ? -1 : next_slot(c);
            if (state == RENDER_READY) {
                accept_rendered(c);
                continue;
            }
            if (slot < 0)
                return true; // nothing to do, or it is being made
            begin_render(c, slot);
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
        send_query(c);
        if (!has_output(c))
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
    bool any = has_output(c) || c->erasures.size || canvas_render_state(&c->render) != RENDER_IDLE;
    for (int i = 0; i < CANVAS_SLOTS && !any; i++)
        any = may_draw(c, &c->slots[i], 1e18);
    return any;
}

int
canvas_wait(const struct canvas *c)
{
    if (!canvas_pending(c))
        return -1;
    enum { RENDER_POLL_MS = 3 };
    enum render_state state = canvas_render_state(&c->render);
    if (has_output(c) || c->erasures.size || state == RENDER_READY)
        return 0;
    if (state == RENDER_BUSY)
        return RENDER_POLL_MS;
    double time = clock_seconds();
    if (c->queries >= QUERIES_MAX)
        return 50;
    for (int i = 0; i < CANVAS_SLOTS; i++)
        if (may_draw(c, &c->slots[i], time))
            return 0;
    return MAX(1, (int)((c->next_live - time) * 1e3) + 1);
}
