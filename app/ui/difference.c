// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/difference.h"

#include <curses.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/pen.h"
#include "app/ui/theme.h"
#include "engine/base/mem.h"

enum {
    BRIDGE = 4,         // up to so many unchanged cells are printed again rather than skipped
    ERASE_MIN = 8,      // from so many blanks on, erasing takes fewer bytes than printing
    TAIL_MIN = 4,       // from so many changed cells on, erasing the rest of a row does
    TRIED_RUNS = 160,   // with more runs only one order is tried: that is nearly a new screen
    SCROLL_ROWS = 4,    // scrolling pays if it moves at least so many rows into place,
    SCROLL_CELLS = 250, // and saves printing at least so many cells
};

// Changed cells of a row that are written together: characters of one style, or blanks of one
// background, which are erased.
enum run_kind { RUN_CELLS = 0, RUN_BLANKS, RUN_TAIL };
struct run {
    enum run_kind kind;
    int row, from, to; // columns [from, to)
    bool blank;        // only blanks: of the style only the background matters
    bool sent;
    struct pen_style style;
};

static struct {
    struct run *items;
    int count, capacity;
} runs;

static const struct pen_capabilities *caps;
static struct pen pen;

// The current row, one cell per column; the second cell of a wide character is zero. packed: as
// curses returns it, one cell per character.
static cchar_t *wanted, *shown, *packed;
static int room, wanted_row; // columns allocated; the row in `wanted`, -1: none

void
difference_begin(void)
{
    caps = pen_begin();
}

// --- a row

static void
load_row(WINDOW *w, int row, cchar_t *cells)
{
    memset(cells, 0, (size_t)COLS * sizeof *cells);
    memset(packed, 0, (size_t)(COLS + 1) * sizeof *packed);
    mvwin_wchnstr(w, row, 0, packed, COLS);
    for (int i = 0, x = 0; x < COLS && i < COLS; x += pen_width_of(&packed[i++]))
        cells[x] = packed[i];
}

static void
load_wanted(int row)
{
    if (row != wanted_row)
        load_row(newscr, row, wanted);
    wanted_row = row;
}

static bool
same_cell(const cchar_t *a, const cchar_t *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// Blanks look the same if their backgrounds do, whatever their foregrounds and colour pairs. (Cells
// that a picture has damaged differ from everything: frame.c.)
static bool
looks_same(const cchar_t *a, const cchar_t *b)
{
    if (same_cell(a, b))
        return true;
    wchar_t one = pen_character_of(a), other = pen_character_of(b);
    if ((one != L' ' && one != 0xA0) || (other != L' ' && other != 0xA0))
        return false;
    struct pen_style s = pen_style_of(a), t = pen_style_of(b);
    bool strokes = (s.attributes | t.attributes) & (A_REVERSE | A_UNDERLINE);
    return s.bg == t.bg && !strokes;
}

static bool
is_rest_of_wide(const cchar_t *cell)
{
    static const cchar_t zero;
    return same_cell(cell, &zero);
}

// Whether the cell is reserved for a picture (draw_reserve()), which printing would erase.
static bool
is_reserved(const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes;
    short pair = 0;
    int extended = 0, filler = theme_filler();
    getcchar(cell, text, &attributes, &pair, &extended);
    return text[0] == 0xA0 || (filler && (extended ? extended : pair) == filler);
}

// The first column of the blanks at the end of the row, which one sequence erases; COLS: none.
static int
tail_of_row(void)
{
    const cchar_t *last = &wanted[COLS - 1];
    int from = COLS;
    if (!pen_is_blank(last) || is_reserved(last) || !(caps->fills || pen_style_of(last).bg < 0))
        return COLS;
    struct pen_style ground = pen_style_of(last);
    while (from > 0 && pen_is_blank(&wanted[from - 1]) && !is_reserved(&wanted[from - 1]) &&
           pen_style_of(&wanted[from - 1]).bg == ground.bg)
        from--;
    return from;
}

static int
changed_from(int x)
{
    int n = 0;
    for (; x < COLS; x++)
        n += !looks_same(&wanted[x], &shown[x]);
    return n;
}

// The number of changed blanks of one background from column x on, if erasing can make them.
static int
blanks_from(int x)
{
    int from = x;
    struct pen_style ground = pen_style_of(&wanted[x]);
    if (!(caps->fills || ground.bg < 0))
        return 0;
    for (; x < COLS && pen_is_blank(&wanted[x]) && !looks_same(&wanted[x], &shown[x]); x++)
        if (pen_style_of(&wanted[x]).bg != ground.bg)
            break;
    return x - from;
}

// --- runs of a row

static void
add_run(enum run_kind kind, int row, int from, int to)
{
    struct run r = {kind, row, from, to, pen_is_blank(&wanted[from]), false,
                    pen_style_of(&wanted[from])};
    ARRAY_PUSH(runs.items, runs.count, runs.capacity, r);
}

// Whether a cell can be written with the preceding run, whose style may become the cell's.
static bool
can_join(struct run *r, int row, int x)
{
    struct pen_style s = pen_style_of(&wanted[x]);
    bool blank = pen_is_blank(&wanted[x]);
    if (r->kind != RUN_CELLS || r->row != row || r->to != x)
        return false;
    if ((blank || r->blank) && r->style.bg != s.bg)
        return false;
    if (!blank && !r->blank && !pen_same_style(&r->style, &s))
        return false;
    if (blank && (r->style.attributes & (A_REVERSE | A_UNDERLINE)))
        return false;
    if (!blank && r->blank)
        r->style = s;
    r->blank = r->blank && blank;
    return true;
}

static void
add_cell(int row, int x)
{
    struct run *last = runs.count ? &runs.items[runs.count - 1] : NULL;
    int width = pen_width_of(&wanted[x]);
    if (last && can_join(last, row, x))
        last->to += width;
    else
        add_run(RUN_CELLS, row, x, x + width);
}

static void
add_row(int row)
{
    int tail = tail_of_row();
    for (int x = 0; x < COLS;) {
        if (looks_same(&wanted[x], &shown[x]) || is_rest_of_wide(&wanted[x])) {
            x++;
            continue;
        }
        if (x >= tail && changed_from(x) >= TAIL_MIN) {
            add_run(RUN_TAIL, row, x, COLS);
            return;
        }
        int blanks = pen_is_blank(&wanted[x]) ? blanks_from(x) : 0;
        if (caps->erases && blanks >= ERASE_MIN) {
            add_run(RUN_BLANKS, row, x, x + blanks);
            x += blanks;
            continue;
        }
        add_cell(row, x);
        x += pen_width_of(&wanted[x]);
    }
}

// --- sending runs

// Prints the cells between the pen and x again if that is shorter than moving the cursor.
static void
print_up_to(int row, int x)
{
    if (pen.row != row || pen.column >= x || x - pen.column > BRIDGE)
        return;
    for (int i = pen.column; i < x; i++) {
        struct pen_style s = pen_style_of(&wanted[i]);
        bool fits = pen_is_blank(&wanted[i]) ? s.bg == pen.style.bg
                                             : pen_same_style(&s, &pen.style);
        if (!fits || is_reserved(&wanted[i]) || is_rest_of_wide(&wanted[i]))
            return;
    }
    while (pen.row == row && pen.column < x)
        pen_put(&pen, &wanted[pen.column]);
}

static void
send_run(struct run *r)
{
    load_wanted(r->row);
    print_up_to(r->row, r->from);
    pen_move(&pen, r->row, r->from);
    r->sent = true;
    if (r->kind == RUN_CELLS) {
        for (int x = r->from; x < r->to; x += pen_width_of(&wanted[x]))
            pen_put(&pen, &wanted[x]);
        return;
    }
    pen_use_of(&pen, &wanted[r->from]);
    if (r->kind == RUN_TAIL)
        fputs("\033[K", pen.out);
    else
        fprintf(pen.out, "\033[%dX", r->to - r->from);
}

static void
send_in_order(void)
{
    for (int i = 0; i < runs.count; i++)
        send_run(&runs.items[i]);
}

// Whether a run can be written in the pen's current style.
static bool
matches_style(const struct run *r)
{
    bool strokes = pen.style.attributes & (A_REVERSE | A_UNDERLINE);
    return r->blank ? r->style.bg == pen.style.bg && !strokes
                    : pen_same_style(&r->style, &pen.style);
}

// All runs of one style, then all of the next: in lists, whose columns differ in colour and change
// in many rows, moving the cursor takes fewer bytes than changing the colours.
static void
send_by_style(void)
{
    for (int i = 0; i < runs.count; i++) {
        if (runs.items[i].sent)
            continue;
        send_run(&runs.items[i]);
        for (int k = i + 1; k < runs.count; k++)
            if (!runs.items[k].sent && matches_style(&runs.items[k]))
                send_run(&runs.items[k]);
    }
}

struct attempt {
    char *text; // NULL: it failed
    size_t size;
    struct pen pen; // afterwards
};

// What `send` would send from the pen's current state.
static struct attempt
try_to(void (*send)(void))
{
    struct attempt a = {0};
    struct pen before = pen;
    for (int i = 0; i < runs.count; i++)
        runs.items[i].sent = false;
    pen.out = open_memstream(&a.text, &a.size);
    if (pen.out) {
        send();
        if (fclose(pen.out) != 0) {
            free(a.text);
            a.text = NULL;
        }
    }
    a.pen = pen;
    a.pen.out = before.out;
    pen = before;
    return a;
}

// Sends the runs in whichever order takes fewer bytes.
static void
send_runs(void)
{
    struct attempt order = {0}, style = {0};
    if (runs.count > 1 && runs.count <= TRIED_RUNS) {
        order = try_to(send_in_order);
        style = try_to(send_by_style);
    }
    if (order.text && style.text) {
        const struct attempt *best = style.size < order.size ? &style : &order;
        fwrite(best->text, 1, best->size, pen.out);
        pen = best->pen;
    } else {
        send_in_order();
    }
    free(order.text);
    free(style.text);
}

// --- scrolling

static uint64_t
hash_of(const cchar_t *cells)
{
    uint64_t h = 0xCBF29CE484222325u;
    const unsigned char *p = (const unsigned char *)cells;
    for (size_t i = 0; i < (size_t)COLS * sizeof *cells; i++)
        h = (h ^ p[i]) * 0x100000001B3u;
    return h;
}

// How many fewer rows change if rows top to bottom move up by `by`.
static int
gain_of(const uint64_t *new, const uint64_t *old, int top, int bottom, int by)
{
    int gain = 0;
    for (int y = top; y <= bottom; y++) {
        int from = y + by;
        gain += from >= top && from <= bottom && new[y] == old[from];
        gain -= new[y] == old[y];
    }
    return gain;
}

// How many fewer cells that prints.
static int
cells_saved(int top, int bottom, int by)
{
    int saved = 0;
    for (int y = top; y <= bottom; y++) {
        int from = y + by;
        load_row(newscr, y, wanted);
        load_row(curscr, y, shown);
        saved += changed_from(0);
        if (from >= top && from <= bottom)
            load_row(curscr, from, shown);
        else
            memset(shown, 0, (size_t)COLS * sizeof *shown);
        saved -= changed_from(0);
    }
    return saved;
}

// Scrolls the rows in the terminal and in curses' record of it. Rows that enter get a cell that
// nothing equals, so that they are printed.
static void
scroll_rows(int top, int bottom, int by)
{
    cchar_t never;
    pen_use(&pen, &pen_plain);
    fprintf(pen.out, "\033[%d;%dr\033[%d;1H", top + 1, bottom + 1, (by > 0 ? bottom : top) + 1);
    for (int i = 0; i < abs(by); i++)
        fputs(by > 0 ? "\n" : "\033M", pen.out);
    fputs("\033[r", pen.out);
    pen.row = -1;
    scrollok(curscr, TRUE);
    wsetscrreg(curscr, top, bottom);
    wscrl(curscr, by);
    wsetscrreg(curscr, 0, LINES - 1);
    scrollok(curscr, FALSE);
    setcchar(&never, L"?", A_BLINK | A_INVIS, 0, NULL);
    for (int i = 0; i < abs(by); i++)
        mvwhline_set(curscr, by > 0 ? bottom - i : top + i, 0, &never, COLS);
}

static void
scroll_if_shorter(void)
{
    uint64_t *new = mem_alloc(2 * (size_t)LINES * sizeof *new), *old = new + LINES;
    int top = 0, bottom = LINES - 1, best = 0, most = SCROLL_ROWS - 1;
    for (int y = 0; y < LINES; y++) {
        load_row(newscr, y, wanted);
        load_row(curscr, y, shown);
        new[y] = hash_of(wanted);
        old[y] = hash_of(shown);
    }
    while (top < bottom && new[top] == old[top])
        top++;
    while (bottom > top && new[bottom] == old[bottom])
        bottom--;
    for (int by = top - bottom; by <= bottom - top; by++) {
        int gain = by ? gain_of(new, old, top, bottom, by) : 0;
        if (gain > most) {
            most = gain;
            best = by;
        }
    }
    if (best && cells_saved(top, bottom, best) >= SCROLL_CELLS)
        scroll_rows(top, bottom, best);
    free(new);
}

// --- a screen

static void
allocate(void)
{
    if (room >= COLS)
        return;
    room = COLS;
    free(wanted);
    free(shown);
    free(packed);
    packed = mem_alloc((size_t)(room + 1) * sizeof *packed);
    wanted = mem_alloc((size_t)room * sizeof *wanted);
    shown = mem_alloc((size_t)room * sizeof *shown);
}

void
difference_send(FILE *out, bool scroll, bool cursor)
{
    if (!caps || !caps->able || isendwin() || is_cleared(newscr) || is_cleared(curscr)) {
        doupdate();
        return;
    }
    int row, column;
    getyx(newscr, row, column); // reading rows moves the cursor
    allocate();
    pen = (struct pen){.out = out, .row = -1, .style = pen_plain};
    runs.count = 0;
    wanted_row = -1;
    if (scroll && caps->scrolls)
        scroll_if_shorter();
    for (int y = 0; y < LINES; y++) {
        load_wanted(y);
        load_row(curscr, y, shown);
        if (memcmp(wanted, shown, (size_t)COLS * sizeof *wanted) != 0)
            add_row(y);
    }
    send_runs();
    if (cursor)
        pen_move(&pen, row, column);
    pen_use(&pen, &pen_plain);
    overwrite(newscr, curscr);
    untouchwin(newscr);
    untouchwin(curscr);
}
