// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/difference.h"

#include <curses.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/theme.h"
#include "engine/base/mem.h"

enum {
    COLOUR_TEXT = 32,  // "38;5;253", and what a direct colour takes
    STYLE_TEXT = 160,
    BRIDGE = 4,        // unchanged cells that are printed again rather than jumped over
    ERASE_LEAST = 8,   // blanks from which an erasure is shorter than they are
    SCROLL_ROWS = 4,   // that are found elsewhere, and cells fewer that are printed then, from
    SCROLL_CELLS = 250, // which scrolling is worth its bytes
};

// As it is sent: colours as curses numbers them, -1 the terminal's own.
struct style {
    attr_t attributes;
    int fg, bg;
};

static struct {
    bool able, columns, erases, fills, scrolls; // fills: what is erased gets the ground in use
    attr_t not_with_colour;            // attributes that cannot be had together with colours
} terminal;

// Where the terminal is: row -1 where that is not certain.
static struct {
    FILE *out;
    int row, column;
    struct style style;
} at;

// The row in hand, a cell a column; what a wide character takes besides is zero. packed: as curses
// hands it out, a cell a character.
static cchar_t *wanted, *shown, *packed;
static int room;

// --- what the terminal can

static bool
is_control(const char *name, const char *text)
{
    const char *has = tigetstr(name);
    return has && has != (char *)-1 && strncmp(has, text, strlen(text)) == 0;
}

// The attributes of terminfo's no_color_video.
static attr_t
refused_attributes(void)
{
    static const attr_t bits[] = {A_STANDOUT, A_UNDERLINE, A_REVERSE, A_BLINK, A_DIM, A_BOLD};
    int mask = tigetnum("ncv");
    attr_t out = 0;
    for (size_t i = 0; mask > 0 && i < COUNT_OF(bits); i++)
        out |= mask >> i & 1 ? bits[i] : 0;
    return out;
}

void
difference_begin(void)
{
    bool colours = !has_colors() || (is_control("setaf", "\033[") && is_control("setab", "\033[") &&
                                     is_control("op", "\033[39;49m"));
    terminal.able = colours && is_control("cup", "\033[%i%p1%d;%p2%dH") &&
                    is_control("el", "\033[K") && is_control("bold", "\033[1m") &&
                    tigetflag("xenl") > 0 && tigetnum("xmc") < 0;
    terminal.columns = is_control("hpa", "\033[%i%p1%dG");
    terminal.erases = is_control("ech", "\033[%p1%dX");
    terminal.fills = tigetflag("bce") > 0;
    terminal.scrolls = is_control("csr", "\033[%i%p1%d;%p2%dr") && is_control("ri", "\033M") &&
                       is_control("ind", "\n") && !(tigetflag("ndscr") > 0);
    terminal.not_with_colour = refused_attributes();
}

// --- where to

static int
digits(int n)
{
    return n < 10 ? 1 : n < 100 ? 2 : 3;
}

// In the row where it is.
static void
go_along(int column)
{
    int by = column - at.column;
    if (by == 0)
        return;
    if (by == 1)
        fputs("\033[C", at.out);
    else if (column == 0)
        fputc('\r', at.out);
    else if (by < 0 && by > -4)
        fprintf(at.out, "%.*s", -by, "\b\b\b");
    else if (terminal.columns && digits(column + 1) < digits(abs(by)))
        fprintf(at.out, "\033[%dG", column + 1);
    else
        fprintf(at.out, "\033[%d%c", abs(by), by > 0 ? 'C' : 'D');
}

// A line feed keeps the column: curses has turned its translation off (newterm()).
static void
go(int row, int column)
{
    int down = row - at.row;
    if (at.row >= 0 && down >= 0 && down < 3) {
        fprintf(at.out, "%.*s", down, "\n\n");
        go_along(column);
    } else {
        fprintf(at.out, "\033[%d;%dH", row + 1, column + 1);
    }
    at.row = row;
    at.column = column;
}

// --- how it looks

static struct style
style_of(const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    struct style s = {.fg = -1, .bg = -1};
    short pair = 0;
    int extended = 0;
    getcchar(cell, text, &s.attributes, &pair, &extended);
    extended_pair_content(extended ? extended : pair, &s.fg, &s.bg);
    s.attributes &= A_BOLD | A_DIM | A_UNDERLINE | A_REVERSE | A_BLINK | A_INVIS;
    if (s.fg >= 0 || s.bg >= 0)
        s.attributes &= ~terminal.not_with_colour;
    return s;
}

static bool
same_style(const struct style *a, const struct style *b)
{
    return a->attributes == b->attributes && a->fg == b->fg && a->bg == b->bg;
}

static wchar_t
letter_of(const cchar_t *cell, attr_t *attributes)
{
    wchar_t text[CCHARW_MAX + 1];
    short pair;
    int extended;
    getcchar(cell, text, attributes, &pair, &extended);
    return text[0] == L' ' && text[1] ? L'?' : text[0]; // with marks on it: no blank
}

// A blank without strokes: of its style only the ground is seen.
static bool
is_blank(const cchar_t *cell)
{
    attr_t attributes;
    return letter_of(cell, &attributes) == L' ' && !(attributes & (A_REVERSE | A_UNDERLINE));
}

// What stands for a picture: a picture may be there, which printing would erase.
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

// The parameters of a colour, as terminfo has them between CSI and m.
static void
put_colour(char *text, bool ground, int colour)
{
    if (colour < 0) {
        strcat(text, ground ? ";49" : ";39");
        return;
    }
    const char *said = tiparm(tigetstr(ground ? "setab" : "setaf"), colour);
    size_t used = strlen(text), n = said ? strcspn(said, "m") : 0;
    if (n > 2 && used + n < STYLE_TEXT)
        sprintf(text + used, ";%.*s", (int)n - 2, said + 2);
}

static void
put_attributes(char *text, attr_t before, attr_t after)
{
    static const struct {
        attr_t bits;
        const char *off;
    } groups[] = {{A_BOLD | A_DIM, ";22"}, {A_UNDERLINE, ";24"}, {A_BLINK, ";25"},
                  {A_REVERSE, ";27"}, {A_INVIS, ";28"}};
    static const struct {
        attr_t bit;
        const char *on;
    } bits[] = {{A_BOLD, ";1"},  {A_DIM, ";2"},     {A_UNDERLINE, ";4"},
                {A_BLINK, ";5"}, {A_REVERSE, ";7"}, {A_INVIS, ";8"}};
    for (size_t i = 0; i < COUNT_OF(groups); i++)
        if (before & ~after & groups[i].bits) {
            strcat(text, groups[i].off);
            before &= ~groups[i].bits;
        }
    for (size_t i = 0; i < COUNT_OF(bits); i++)
        if (after & ~before & bits[i].bit)
            strcat(text, bits[i].on);
}

static const struct style plain_style = {0, -1, -1};

static void
use_style(const struct style *s)
{
    char text[STYLE_TEXT] = "";
    if (same_style(s, &at.style))
        return;
    if (same_style(s, &plain_style)) {
        fputs("\033[m", at.out);
    } else {
        // Terminals without colours may not know how to end one attribute alone.
        bool ends = at.style.attributes & ~s->attributes;
        if (ends && !has_colors()) {
            strcat(text, ";0");
            at.style = plain_style;
        }
        put_attributes(text, at.style.attributes, s->attributes);
        if (s->fg != at.style.fg)
            put_colour(text, false, s->fg);
        if (s->bg != at.style.bg)
            put_colour(text, true, s->bg);
        fprintf(at.out, "\033[%sm", text + 1);
    }
    at.style = *s;
}

// Of a blank nothing but its ground matters, so letters keep their colour over it.
static void
use_style_of(const cchar_t *cell)
{
    struct style s = style_of(cell);
    bool strokes = at.style.attributes & (A_REVERSE | A_UNDERLINE);
    if (is_blank(cell) && s.bg == at.style.bg && !strokes)
        return;
    if (is_blank(cell) && !strokes) {
        s.attributes = at.style.attributes;
        s.fg = at.style.fg;
    }
    use_style(&s);
}

// --- a row

static int
cell_width(const cchar_t *cell)
{
    attr_t attributes;
    wchar_t letter = letter_of(cell, &attributes);
    return MAX(letter ? wcwidth(letter) : 1, 1);
}

static void
load_row(WINDOW *w, int row, cchar_t *cells)
{
    memset(cells, 0, (size_t)COLS * sizeof *cells);
    memset(packed, 0, (size_t)(COLS + 1) * sizeof *packed);
    mvwin_wchnstr(w, row, 0, packed, COLS);
    for (int i = 0, x = 0; x < COLS && i < COLS; x += cell_width(&packed[i++]))
        cells[x] = packed[i];
}

static bool
same_cell(const cchar_t *a, const cchar_t *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

// Also of blanks with other letters' colours, and with another number for the same ground: what a
// picture has left there is made a cell that nothing looks like (frame.c).
static bool
looks_same(const cchar_t *a, const cchar_t *b)
{
    attr_t attributes;
    if (same_cell(a, b))
        return true;
    wchar_t one = letter_of(a, &attributes), other = letter_of(b, &attributes);
    if ((one != L' ' && one != 0xA0) || (other != L' ' && other != 0xA0))
        return false;
    struct style s = style_of(a), t = style_of(b);
    bool strokes = (s.attributes | t.attributes) & (A_REVERSE | A_UNDERLINE);
    return s.bg == t.bg && !strokes;
}

static bool
is_rest_of_wide(const cchar_t *cell)
{
    static const cchar_t zero;
    return same_cell(cell, &zero);
}

static void
put_cell(int x)
{
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes;
    short pair;
    int extended;
    use_style_of(&wanted[x]);
    getcchar(&wanted[x], text, &attributes, &pair, &extended);
    fprintf(at.out, "%ls", text);
    at.column += cell_width(&wanted[x]);
    if (at.column >= COLS) // terminals differ in where it is then
        at.row = -1;
}

// The first column of the blanks that end the row, which one sequence erases.
static int
tail_of_row(void)
{
    const cchar_t *last = &wanted[COLS - 1];
    int from = COLS;
    if (!is_blank(last) || is_reserved(last) || !(terminal.fills || style_of(last).bg < 0))
        return COLS;
    struct style ground = style_of(last);
    while (from > 0 && is_blank(&wanted[from - 1]) && !is_reserved(&wanted[from - 1]) &&
           style_of(&wanted[from - 1]).bg == ground.bg)
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

// Changed blanks of one ground from here on.
static int
blanks_from(int x)
{
    int from = x;
    struct style ground = style_of(&wanted[x]);
    if (!(terminal.fills || ground.bg < 0))
        return 0;
    for (; x < COLS && is_blank(&wanted[x]) && !looks_same(&wanted[x], &shown[x]); x++)
        if (style_of(&wanted[x]).bg != ground.bg)
            break;
    return x - from;
}

// Prints the unchanged cells between the cursor and x again, where that is shorter than a jump.
static void
bridge_to(int row, int x)
{
    if (at.row != row || at.column >= x || x - at.column > BRIDGE)
        return;
    for (int i = at.column; i < x; i++) {
        struct style s = style_of(&wanted[i]);
        bool fits = is_blank(&wanted[i]) ? s.bg == at.style.bg : same_style(&s, &at.style);
        if (!fits || is_reserved(&wanted[i]) || is_rest_of_wide(&wanted[i]))
            return;
    }
    while (at.row == row && at.column < x)
        put_cell(at.column);
}

static void
send_row(int row)
{
    int tail = tail_of_row();
    for (int x = 0; x < COLS;) {
        if (looks_same(&wanted[x], &shown[x]) || is_rest_of_wide(&wanted[x])) {
            x++;
            continue;
        }
        int blanks = is_blank(&wanted[x]) ? blanks_from(x) : 0;
        bridge_to(row, x);
        go(row, x);
        if (x >= tail && changed_from(x) > 3) {
            use_style_of(&wanted[x]);
            fputs("\033[K", at.out);
            return;
        }
        if (terminal.erases && blanks >= ERASE_LEAST) {
            use_style_of(&wanted[x]);
            fprintf(at.out, "\033[%dX", blanks);
            x += blanks;
            continue;
        }
        int width = cell_width(&wanted[x]);
        put_cell(x);
        x += width;
    }
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

// How many rows fewer have to be printed when those from top to bottom go up by so many.
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

// How many cells fewer that is.
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

// The terminal moves the rows, and what curses knows of them is moved as well; what comes in is
// what nothing is, so that it is printed.
static void
scroll_rows(int top, int bottom, int by)
{
    cchar_t never;
    use_style(&plain_style);
    fprintf(at.out, "\033[%d;%dr\033[%d;1H", top + 1, bottom + 1, (by > 0 ? bottom : top) + 1);
    for (int i = 0; i < abs(by); i++)
        fputs(by > 0 ? "\n" : "\033M", at.out);
    fputs("\033[r", at.out);
    at.row = -1;
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
make_room(void)
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
    if (!terminal.able || isendwin() || is_cleared(newscr) || is_cleared(curscr)) {
        doupdate();
        return;
    }
    int row, column;
    getyx(newscr, row, column); // reading its rows moves it
    make_room();
    at.out = out;
    at.row = -1;
    at.style = plain_style;
    if (scroll && terminal.scrolls)
        scroll_if_shorter();
    for (int y = 0; y < LINES; y++) {
        load_row(newscr, y, wanted);
        load_row(curscr, y, shown);
        if (memcmp(wanted, shown, (size_t)COLS * sizeof *wanted) != 0)
            send_row(y);
    }
    if (cursor)
        go(row, column);
    use_style(&plain_style);
    overwrite(newscr, curscr);
    untouchwin(newscr);
    untouchwin(curscr);
}
