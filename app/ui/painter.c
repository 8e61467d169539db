// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/painter.h"

#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/job/parameters.h"
#include "app/ui/arrivals.h"
#include "app/ui/compose.h"
#include "app/ui/reading.h"
#include "renderer/image/mask.h"
#include "renderer/image/resize.h"
#include "app/ui/screen.h"
#include "app/ui/session.h"
#include "app/window/window_link.h"
#include "engine/base/mem.h"

enum { RADIUS_MAX = 12, LEAP = 8, HEAD_ROWS = 2 };
// Across a cell where pictures are symbols: a stripe is two cells, the frame less than one.
enum { SYMBOL_PIXELS = 3 };

struct painter {
    struct image *picture;      // NULL: not decoded yet
    struct image *sized;        // as large as its place, in pixels; NULL: to be made
    struct image *shown;        // that, with mask and cursor; NULL: to be made
    struct mask *mask;          // NULL: no picture yet, or it could not be made
    bool failed;                // it could not be made
    bool mask_requested;        // for the instruction's mask, which is only bytes
    struct image *initial_mask; // that mask; NULL: not decoded yet, or it cannot be
    struct err mask_error;      // why it cannot be
    struct area place;          // cells that the picture covers
    double scale_x, scale_y;    // mask pixels per cell
    int column, row;            // of the cursor, in cells of the place
    int radius;                 // of the brush, in rows, plus half a row; 0: one cell
    bool brush_down;            // the brush paints wherever it is moved
    bool black;                 // it erases
    bool anchored;              // the first corner of a rectangle is set
    int anchor_column, anchor_row;
    double last[2];    // the mouse's last place, in mask pixels
    bool window_stale; // the window does not have this mask yet
};

static struct painter *
painter_of(const struct ui *ui)
{
    return compose_of(ui)->painter;
}

bool
painter_is_open(const struct ui *ui)
{
    return painter_of(ui) != NULL;
}

void
painter_free(struct painter *p)
{
    if (!p)
        return;
    image_unref(p->picture);
    image_unref(p->initial_mask);
    image_unref(p->sized);
    image_unref(p->shown);
    mask_free(p->mask);
    free(p);
}

static struct job_reference *
find_use(struct ui *ui, enum job_use use)
{
    return job_find_for(&session_of(ui)->job, use, 0);
}

void
painter_open(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct job_reference *start = find_use(ui, JOB_START);
    if (!start) {
        ui_say(ui, ROLE_STATUS,
               "a mask is painted over the picture to start from: S or M on a drawing, or use "
               "'start' of a reference");
        return;
    }
    c->painter = mem_zalloc(sizeof *c->painter);
    c->painter->radius = 1;
    c->painter->window_stale = true;
    c->reference = (int)(start - session_of(ui)->job.references);
    compose_focus(c, PANE_REFERENCES);
    ui_open_view(ui, VIEW_COMPOSE);
}

static void
close_painter(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    painter_free(c->painter);
    c->painter = NULL;
    screen_track_mouse(false);
    if (ui_window(ui))
        window_link_paint(ui_window(ui), NULL, NULL);
    ui_redraw(ui);
}

// Makes what was painted the instruction's mask; if nothing was, the instruction has none.
static bool
commit_mask(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct painter *p = painter_of(ui);
    struct job j = JOB_EMPTY;
    struct err err = {0};
    if (!p->mask || (find_use(ui, JOB_MASK) && !p->mask->undo_count)) { // nothing was done
        close_painter(ui);
        return true;
    }
    double share = mask_coverage(p->mask);
    size_t size = 0;
    uint8_t *png = share > 0 ? mask_png(p->mask, &size, &err) : NULL;
    if (err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return false;
    }
    session_snapshot(ui, &j);
    for (int i = j.reference_count - 1; i >= 0; i--)
        if (j.references[i].use == JOB_MASK)
            job_remove(&j, i);
    struct job_reference *r = png ? job_add_for(&j, JOB_MASK, 0) : NULL;
    if (r) {
        r->file = mem_strdup("painted.png");
        r->embedded = true;
        r->data = png;
        r->size = size;
        job_hash(png, size, r->hash);
        image_unref(c->painted);
        c->painted = image_ref(p->mask->white);
        memcpy(c->painted_hash, r->hash, sizeof c->painted_hash);
        png = NULL;
    }
    free(png);
    session_set(ui, &j);
    job_finish(&j);
    close_painter(ui);
    if (r)
        ui_say(ui, ROLE_GOOD, "%.0f %% of the picture is redrawn: i and write what, then F9; u "
                              "removes the mask", MAX(share * 100, 1));
    else
        ui_say(ui, ROLE_STATUS, "nothing was painted: there is no mask");
    return true;
}

// --- drawing

// The picture to start from: its file or, if it is embedded in another picture, the worker's
// output. NULL: not there yet, or, with *failed, never.
static struct image *
find_picture(struct ui *ui, const char **failed)
{
    const struct job_reference *r = find_use(ui, JOB_START);
    const struct compose *c = compose_of(ui);
    if (!r)
        return NULL;
    if (r->file && !r->embedded)
        return draw_image(ui, r->file, failed);
    *failed = *c->output_error ? c->output_error : NULL;
    return c->after;
}

static void
on_mask_read(struct ui *ui, struct reading *r)
{
    struct painter *p = painter_of(ui);
    const struct job_reference *mask = job_find_for(&r->jobs[0], JOB_MASK, 0);
    if (!p || atoi(r->subject) != compose_of(ui)->masks)
        return; // closed meanwhile
    if (r->err.code == ERR_NONE && mask && mask->data) {
        struct arrival *a = arrival_new(ARRIVAL_MASK);
        a->index = compose_of(ui)->masks;
        a->png = mem_alloc(mask->size);
        a->png_size = a->work.bytes = mask->size;
        memcpy(a->png, mask->data, mask->size);
        background_put(ui_arrivals(ui), &a->work);
        return;
    }
    p->mask_error = r->err;
    if (p->mask_error.code == ERR_NONE)
        err_set(&p->mask_error, ERR_INPUT, "the instruction's mask is missing");
    ui_redraw(ui);
}

// Reads the mask, as the library may hold its bytes, and has it decoded: it may be anybody's.
static void
request_mask(struct ui *ui, struct painter *p)
{
    struct reading *r = reading_new(1, on_mask_read);
    struct job *one = &r->jobs[0];
    job_copy(one, &session_of(ui)->job);
    for (int i = one->reference_count - 1; i >= 0; i--)
        if (one->references[i].use != JOB_MASK)
            job_remove(one, i);
    parameter_clear(parameter_find("index"), one);
    r->subject = mem_printf("%d", ++compose_of(ui)->masks);
    r->idle = p->mask_requested = true;
    reading_put(ui, r);
}

void
painter_on_arrival(struct ui *ui, struct arrival *a)
{
    struct painter *p = painter_of(ui);
    if (!p)
        return;
    image_unref(p->initial_mask);
    p->initial_mask = a->image;
    a->image = NULL;
    p->mask_error = a->refused;
    ui_redraw(ui);
}

// Starts with the instruction's mask, once that is decoded; else with an empty one.
static void
begin_mask(struct ui *ui, struct painter *p)
{
    struct err err = {0};
    const char *failed = NULL;
    const struct job_reference *r = find_use(ui, JOB_MASK);
    const struct compose *c = compose_of(ui);
    bool has_file = r && r->file && !r->embedded;
    bool ours = r && c->painted && strcmp(r->hash, c->painted_hash) == 0;
    bool inside = r && !has_file && !ours;
    struct image *kept = has_file ? draw_image(ui, r->file, &failed)
                         : ours   ? c->painted
                                  : p->initial_mask;
    if (inside && !p->mask_requested)
        request_mask(ui, p);
    if (inside && p->mask_error.code != ERR_NONE)
        failed = p->mask_error.text;
    if ((has_file || inside) && !kept && !failed)
        return;
    p->mask = mask_new(p->picture, &err);
    if (p->mask && kept)
        mask_replace(p->mask, kept, &err);
    p->failed = !p->mask;
    if (failed || err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", failed ? failed : err.text);
}

static void
set_place(struct ui *ui, struct painter *p, const struct area *a)
{
    int width, height;
    draw_cell(ui, &width, &height);
    double w = (double)a->columns * width / p->picture->width;
    double h = (double)a->rows * height / p->picture->height, scale = MIN(w, h);
    int columns = (int)(p->picture->width * scale / width + 0.999);
    int rows = (int)(p->picture->height * scale / height + 0.999);
    p->place = (struct area){a->y + (a->rows - rows) / 2, a->x + (a->columns - columns) / 2,
                             MAX(rows, 1), MAX(columns, 1)};
    p->scale_x = width / scale / p->picture->width * p->mask->white->width;
    p->scale_y = height / scale / p->picture->height * p->mask->white->height;
    p->column = MAX(0, MIN(p->column, columns - 1));
    p->row = MAX(0, MIN(p->row, rows - 1));
}

static void
draw_frame(struct image *image, int left, int top, int right, int bottom)
{
    for (int y = MAX(top, 0); y <= MIN(bottom, image->height - 1); y++)
        for (int x = MAX(left, 0); x <= MIN(right, image->width - 1); x++) {
            bool edge = x - left < 2 || right - x < 2 || y - top < 2 || bottom - y < 2;
            uint8_t *pixel = image_row(image, y) + (size_t)x * 4;
            if (edge) { // visible on white and on black
                memset(pixel, (x + y) / 4 % 2 ? 255 : 0, 3);
                pixel[3] = 255;
            }
        }
}

// Frames what would be painted: the rectangle from its first corner, or the brush's square.
static void
frame_cursor(const struct painter *p, struct image *image)
{
    int from_column = p->anchored ? p->anchor_column : p->column;
    int from_row = p->anchored ? p->anchor_row : p->row;
    double x = (double)image->width / p->mask->white->width * p->scale_x;
    double y = (double)image->height / p->mask->white->height * p->scale_y;
    double wider = p->anchored ? 0 : p->radius;
    draw_frame(image, (int)(MIN(from_column, p->column) * x - wider * y),
               (int)((MIN(from_row, p->row) - wider) * y),
               (int)((MAX(from_column, p->column) + 1) * x + wider * y) - 1,
               (int)((MAX(from_row, p->row) + 1 + wider) * y) - 1);
}

// Makes what is shown in the pixels of the screen, so that stripes, frame and the ground of what is
// transparent are as sharp and as large on any picture.
static void
render_shown(struct ui *ui, struct painter *p)
{
    int width, height;
    draw_cell(ui, &width, &height);
    double fine = draw_uses_symbols(ui) ? (double)SYMBOL_PIXELS / width : 1; // less is lost in them
    double scale = fine * MIN((double)p->place.columns * width / p->picture->width,
                              (double)p->place.rows * height / p->picture->height);
    int w = MAX(1, (int)(p->picture->width * scale + 0.5));
    int h = MAX(1, (int)(p->picture->height * scale + 0.5));
    if (p->sized && (p->sized->width != w || p->sized->height != h)) { // the terminal was resized
        image_unref(p->sized);
        image_unref(p->shown);
        p->sized = p->shown = NULL;
    }
    if (!p->sized)
        p->sized = image_resize(p->picture, w, h, IMAGE_STRETCH, 0, NULL);
    if (!p->shown && p->sized && (p->shown = mask_overlay(p->mask, p->sized, NULL)))
        frame_cursor(p, p->shown);
}

static void
update_window(struct ui *ui, struct painter *p)
{
    if (!ui_window(ui) || !p->window_stale)
        return;
    window_link_paint(ui_window(ui), p->picture, p->mask->white);
    p->window_stale = false;
}

static void
draw_head(const struct painter *p, const struct area *a)
{
    draw_heading(a, true, "mask: what is painted is redrawn, the rest stays");
    char text[200];
    snprintf(text, sizeof text, "%s, brush %d   %s   %.2f %% is redrawn   %d,%d",
             p->black ? "erases" : "paints", 2 * p->radius + 1,
             p->anchored     ? "rectangle: r at its other corner"
             : p->brush_down ? "brush down"
                             : "brush up",
             p->mask ? 100 * mask_coverage(p->mask) : 0, p->column + 1, p->row + 1);
    draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM, text);
}

void
painter_draw(struct ui *ui, const struct area *a)
{
    struct painter *p = painter_of(ui);
    struct area room = {a->y + HEAD_ROWS, a->x + 1, a->rows - HEAD_ROWS, a->columns - 2};
    const char *failed = NULL;
    struct image *picture = p->picture ? NULL : find_picture(ui, &failed);
    if (picture)
        p->picture = image_ref(picture);
    if (p->picture && !p->mask && !p->failed)
        begin_mask(ui, p);
    if (!p->mask) {
        draw_head(p, a);
        draw_wrapped(&room, failed ? ROLE_WARNING : ROLE_DIM,
                     failed ? failed : "reading the picture \u2026");
        return;
    }
    screen_track_mouse(true);
    bool first = p->place.rows == 0;
    set_place(ui, p, &room);
    if (first) {
        p->column = p->place.columns / 2;
        p->row = p->place.rows / 2;
    }
    draw_head(p, a); // once mask and cursor are there: nothing may come that draws it again
    render_shown(ui, p);
    draw_picture(ui, SLOT_SHEET, &p->place, p->shown, false);
    update_window(ui, p);
    curs_set(1);
    move(p->place.y + p->row, p->place.x + p->column);
}

// --- painting

static void
mark_changed(struct ui *ui, struct painter *p, bool mask)
{
    image_unref(p->shown);
    p->shown = NULL;
    p->window_stale = p->window_stale || mask;
    ui_redraw(ui);
}

// A place in cells (corners at whole numbers) in mask pixels.
static void
to_mask_pixels(const struct painter *p, double column, double row, double out[2])
{
    out[0] = column * p->scale_x;
    out[1] = row * p->scale_y;
}

static void
dab(struct painter *p)
{
    double from[2], to[2];
    to_mask_pixels(p, p->column + 0.5, p->row + 0.5, from);
    if (p->radius) {
        mask_disc(p->mask, from[0], from[1], (p->radius + 0.5) * p->scale_y, !p->black);
        return;
    }
    to_mask_pixels(p, p->column, p->row, from);
    to_mask_pixels(p, p->column + 1, p->row + 1, to);
    mask_rectangle(p->mask, from, to, !p->black);
}

static void
rectangle(struct painter *p)
{
    double from[2], to[2];
    if (!p->anchored) {
        p->anchor_column = p->column;
        p->anchor_row = p->row;
    } else {
        mask_push_undo(p->mask);
        to_mask_pixels(p, MIN(p->anchor_column, p->column), MIN(p->anchor_row, p->row), from);
        to_mask_pixels(p, MAX(p->anchor_column, p->column) + 1, MAX(p->anchor_row, p->row) + 1, to);
        mask_rectangle(p->mask, from, to, !p->black);
    }
    p->anchored = !p->anchored;
}

static void
move_by(struct painter *p, int columns, int rows)
{
    int times = MAX(abs(columns), abs(rows));
    for (int i = 0; i < times; i++) {
        p->column = MAX(0, MIN(p->column + columns / times, p->place.columns - 1));
        p->row = MAX(0, MIN(p->row + rows / times, p->place.rows - 1));
        if (p->brush_down)
            dab(p);
    }
}

// False: not a key that moves.
static bool
move_key(struct painter *p, wint_t key, bool code)
{
    static const struct {
        wint_t key;
        bool code;
        int columns, rows;
    } moves[] = {{KEY_UP, true, 0, -1},      {KEY_DOWN, true, 0, 1},     {KEY_LEFT, true, -1, 0},
                 {KEY_RIGHT, true, 1, 0},    {'k', false, 0, -1},        {'j', false, 0, 1},
                 {'h', false, -1, 0},        {'l', false, 1, 0},         {'K', false, 0, -LEAP},
                 {'J', false, 0, LEAP},      {'H', false, -LEAP, 0},     {'L', false, LEAP, 0},
                 {KEY_PPAGE, true, 0, -LEAP}, {KEY_NPAGE, true, 0, LEAP}, {KEY_HOME, true, -999, 0},
                 {KEY_END, true, 999, 0}};
    for (size_t i = 0; i < COUNT_OF(moves); i++)
        if (moves[i].key == key && moves[i].code == code) {
            move_by(p, moves[i].columns, moves[i].rows);
            return true;
        }
    return false;
}

static void
toggle_brush(struct painter *p)
{
    p->brush_down = !p->brush_down;
    if (p->brush_down) {
        mask_push_undo(p->mask);
        dab(p);
    }
}

// Changes the mask or the brush; false: not such a key.
static bool
paint_key(struct ui *ui, struct painter *p, wint_t key)
{
    switch (key) {
    case ' ': mask_push_undo(p->mask), dab(p); break;
    case 'b': toggle_brush(p); break;
    case 'e': p->black = !p->black; break;
    case 'r': rectangle(p); break;
    case '+':
    case '=': p->radius = MIN(p->radius + 1, RADIUS_MAX); break;
    case '-': p->radius = MAX(p->radius - 1, 0); break;
    case 'i': mask_push_undo(p->mask), mask_invert(p->mask); break;
    case 'a': mask_push_undo(p->mask), mask_fill(p->mask, true); break;
    case 'c': mask_push_undo(p->mask), mask_fill(p->mask, false); break;
    case 'u':
        if (!mask_undo(p->mask))
            ui_say(ui, ROLE_STATUS, "there is nothing to undo");
        break;
    default: return false;
    }
    return true;
}

// Esc ends a rectangle or lifts the brush; else it closes the painter.
static void
cancel(struct ui *ui, struct painter *p)
{
    if (p->anchored || p->brush_down) {
        p->anchored = p->brush_down = false;
        mark_changed(ui, p, false);
        return;
    }
    close_painter(ui);
    ui_say(ui, ROLE_STATUS, "the mask is unchanged");
}

bool
painter_key(struct ui *ui, wint_t key, bool code)
{
    struct painter *p = painter_of(ui);
    bool draws = code ? key == KEY_F(9) : key == ('G' & 0x1f);
    bool enter = code ? key == KEY_ENTER : key == '\r' || key == '\n';
    if (draws || enter)
        return commit_mask(ui) && enter; // F9 and ^G also draw
    if (!code && key == 27)
        return cancel(ui, p), true;
    if (!code && key == 'W')
        return p->window_stale = true, ui_request(ui, REQUEST_WINDOW);
    if (!p->mask || !(move_key(p, key, code) || (!code && paint_key(ui, p, key))))
        return false;
    mark_changed(ui, p, true);
    return true;
}

void
painter_mouse(struct ui *ui, int y, int x, int turn, bool drags)
{
    struct painter *p = painter_of(ui);
    double at[2];
    if (!p->mask)
        return;
    if (turn) {
        p->radius = MAX(0, MIN(p->radius - turn, RADIUS_MAX));
        mark_changed(ui, p, false);
        return;
    }
    p->column = MAX(0, MIN(x - p->place.x, p->place.columns - 1));
    p->row = MAX(0, MIN(y - p->place.y, p->place.rows - 1));
    to_mask_pixels(p, p->column + 0.5, p->row + 0.5, at);
    if (!drags)
        mask_push_undo(p->mask);
    if (drags && p->radius)
        mask_stroke(p->mask, p->last, at, (p->radius + 0.5) * p->scale_y, !p->black);
    else
        dab(p);
    memcpy(p->last, at, sizeof at);
    mark_changed(ui, p, true);
}

void
painter_set_mask(struct ui *ui, const struct image *white, bool ended)
{
    struct painter *p = painter_of(ui);
    if (!p || !p->mask)
        return;
    if (white) {
        mask_push_undo(p->mask);
        mask_replace(p->mask, white, NULL);
        mark_changed(ui, p, false);
    }
    if (ended)
        commit_mask(ui);
}

const char *
painter_hint(const struct ui *ui)
{
    (void)ui;
    return "Enter OK  Esc cancel  Space dab  b brush  r box  e erase  u undo  +- size  "
           "i invert  a all  c none  W window";
}
