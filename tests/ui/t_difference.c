// SPDX-License-Identifier: MIT
// What is sent of each change, read by a terminal of this test's own (ECMA-48, of xterm's functions
// those that terminfo names), makes the screen that curses has asked for. The screens are random:
// letters, wide ones and blanks in random styles, moved rows, all at the edges.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "app/ui/difference.h"
#include "app/ui/halves.h"
#include "engine/base/mem.h"

enum { ROWS = 12, COLUMNS = 40, SCREENS = 300, STYLES = 7, ARGUMENTS = 8 };

// --- a terminal

struct cell {
    wchar_t letter; // 0: the rest of a wide one
    attr_t attributes;
    int fg, bg;
};

static struct {
    struct cell cells[ROWS][COLUMNS];
    int row, column, top, bottom;
    bool wrapping, fills; // behind the last column; erasures have the ground in use
    int scrolls;          // of a part of it
    struct cell style;
} screen;

static const struct cell empty = {L' ', 0, -1, -1};

static struct cell
blank(void)
{
    struct cell c = empty;
    c.bg = screen.fills ? screen.style.bg : -1;
    return c;
}

static void
wipe(int row, int from, int to)
{
    for (int x = from; x < to && x < COLUMNS; x++)
        screen.cells[row][x] = blank();
}

static void
scroll_up(int by)
{
    size_t row = sizeof *screen.cells, between = (size_t)(screen.bottom - screen.top);
    struct cell *top = screen.cells[screen.top];
    if (by > 0)
        memmove(top, top + COLUMNS, between * row);
    else
        memmove(top + COLUMNS, top, between * row);
    wipe(by > 0 ? screen.bottom : screen.top, 0, COLUMNS);
}

static void
go(int row, int column)
{
    screen.row = MAX(0, MIN(row, ROWS - 1));
    screen.column = MAX(0, MIN(column, COLUMNS - 1));
    screen.wrapping = false;
}

// Half of a wide letter that is printed over is no letter any more.
static void
spoil(int x)
{
    struct cell *row = screen.cells[screen.row];
    if (!row[x].letter && x > 0)
        row[x - 1].letter = L' ';
    if (x + 1 < COLUMNS && !row[x + 1].letter)
        row[x + 1].letter = L' ';
}

static void
print(wchar_t letter)
{
    int width = wcwidth(letter);
    assert_false(screen.wrapping); // nothing relies on what comes then
    assert_true(width > 0 && screen.column + width <= COLUMNS);
    for (int i = 0; i < width; i++)
        spoil(screen.column + i);
    for (int i = 0; i < width; i++) {
        screen.cells[screen.row][screen.column + i] = screen.style;
        screen.cells[screen.row][screen.column + i].letter = i ? 0 : letter;
    }
    screen.column += width;
    screen.wrapping = screen.column == COLUMNS;
    screen.column = MIN(screen.column, COLUMNS - 1);
}

static void
set_style(const int *a, int count)
{
    static const attr_t on[] = {0, A_BOLD, A_DIM, 0, A_UNDERLINE, A_BLINK, 0, A_REVERSE, A_INVIS};
    struct cell *s = &screen.style;
    for (int i = 0; i < count; i++) {
        int n = a[i];
        if (n == 0)
            *s = empty;
        else if (n < 9)
            s->attributes |= on[n];
        else if (n == 22)
            s->attributes &= ~(A_BOLD | A_DIM);
        else if (n > 22 && n < 29)
            s->attributes &= ~on[n - 20];
        else if (n == 38 || n == 48) {
            assert_true(i + 2 < count && a[i + 1] == 5);
            *(n == 38 ? &s->fg : &s->bg) = a[i + 2];
            i += 2;
        } else if (n % 10 < 8 && n < 50)
            *(n < 40 ? &s->fg : &s->bg) = n % 10;
        else if (n >= 90 && n % 10 < 8)
            *(n < 100 ? &s->fg : &s->bg) = n % 10 + 8;
        else
            *(n < 40 ? &s->fg : &s->bg) = -1;
    }
}

static void
control(char final, int *a, int count)
{
    int n = MAX(a[0], 1);
    switch (final) {
    case 'H': go(n - 1, MAX(a[1], 1) - 1); break;
    case 'G': go(screen.row, n - 1); break;
    case 'd': go(n - 1, screen.column); break;
    case 'A': go(screen.row - n, screen.column); break;
    case 'B': go(screen.row + n, screen.column); break;
    case 'C': go(screen.row, screen.column + n); break;
    case 'D': go(screen.row, screen.column - n); break;
    case 'K':
        wipe(screen.row, a[0] ? 0 : screen.column, a[0] == 1 ? screen.column + 1 : COLUMNS);
        break;
    case 'X': wipe(screen.row, screen.column, screen.column + n); break;
    case 'J':
        wipe(screen.row, screen.column, COLUMNS);
        for (int y = screen.row + 1; y < ROWS; y++)
            wipe(y, 0, COLUMNS);
        break;
    case 'r':
        screen.top = n - 1;
        screen.bottom = a[1] ? a[1] - 1 : ROWS - 1;
        screen.scrolls += a[0] > 0;
        go(0, 0);
        break;
    case 'm': set_style(a, MAX(count, 1)); break;
    case 'h':
    case 'l':
    case 't': break; // modes, titles
    default: fail_msg("CSI %c", final);
    }
}

// From behind ESC; returns what follows.
static const char *
escape(const char *p)
{
    int a[ARGUMENTS] = {0}, count = 0;
    if (*p == '(' || *p == ')') // a set of characters
        return p + 2;
    if (*p == 'M')
        screen.row == screen.top ? scroll_up(-1) : go(screen.row - 1, screen.column);
    if (*p != '[')
        return p + 1;
    for (p++; (*p >= '0' && *p <= '9') || *p == ';' || *p == '?'; p++) {
        if (*p == ';' || *p == '?') {
            count += *p == ';';
            continue;
        }
        assert_true(count < ARGUMENTS);
        a[count] = 10 * a[count] + *p - '0';
    }
    control(*p, a, count + (p[-1] != '['));
    return p + 1;
}

// What curses and limn have written since.
static void
read_all(FILE *f)
{
    static off_t seen;
    static char text[1 << 16];
    fflush(f);
    ssize_t n = pread(fileno(f), text, sizeof text - 1, seen);
    assert_true(n >= 0 && n < (ssize_t)sizeof text - 1);
    text[n] = 0;
    seen += n;
    for (const char *p = text; *p;) {
        wchar_t letter;
        if (*p == '\033') {
            p = escape(p + 1);
            continue;
        }
        int bytes = mbtowc(&letter, p, MB_CUR_MAX);
        assert_true(bytes > 0);
        p += bytes;
        if (letter == L'\n')
            screen.row == screen.bottom ? scroll_up(1) : go(screen.row + 1, screen.column);
        else if (letter == L'\r')
            go(screen.row, 0);
        else if (letter == L'\b')
            go(screen.row, screen.column - 1);
        else if (letter >= L' ')
            print(letter);
    }
}

// --- screens

static unsigned seed = 1;

static int
any(int below)
{
    seed = seed * 1103515245u + 12345u;
    return (int)(seed >> 8) % below;
}

static void
use_any_style(void)
{
    static const attr_t attributes[STYLES] = {0, A_BOLD, A_REVERSE, 0, A_DIM, A_UNDERLINE, 0};
    int i = any(STYLES);
    attr_set(attributes[i], (short)(has_colors() ? i : 0), NULL);
}

static void
write_anything(bool wide)
{
    static const wchar_t letters[] = L"aaab \u00e9\u2500 ", wides[] = L"\u6f22\u5b57 x";
    int y = any(ROWS), x = any(COLUMNS), length = 1 + any(any(3) ? 6 : COLUMNS);
    move(y, x);
    use_any_style();
    for (int i = 0; i < length; i++) {
        wchar_t text[2] = {wide && !any(4) ? wides[any(4)] : letters[any(8)], 0};
        int at = getcurx(stdscr);
        if (getcury(stdscr) != y || at + wcwidth(text[0]) > COLUMNS)
            break;
        addnwstr(text, 1);
    }
    if (!any(3)) // what a line ends in
        hline(' ', COLUMNS);
}

static void
change(bool wide)
{
    switch (any(8)) {
    case 0: erase(); break;
    case 1: // a list, one further
        scrollok(stdscr, TRUE);
        setscrreg(any(3), ROWS - 1 - any(3));
        scrl(any(2) ? 1 : -2);
        setscrreg(0, ROWS - 1);
        scrollok(stdscr, FALSE);
        break;
    case 2: // a screen full of words, so that moving it is worth its bytes
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLUMNS - 1; x++)
                mvaddch(y, x, (chtype)('a' + any(26)));
        break;
    default: break;
    }
    for (int i = any(6); i >= 0; i--)
        write_anything(wide);
}

// What this terminal cannot have together with colours.
static attr_t
refused(void)
{
    int mask = MAX(tigetnum("ncv"), 0);
    return (mask & 2 ? A_UNDERLINE : 0) | (mask & 4 ? A_REVERSE : 0) | (mask & 16 ? A_DIM : 0) |
           (mask & 32 ? A_BOLD : 0);
}

// Of a blank nothing but its ground is seen.
static void
check_cell(int y, int x, const struct cell *is)
{
    cchar_t c;
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes;
    short pair;
    int fg = -1, bg = -1, strokes = A_REVERSE | A_UNDERLINE;
    mvwin_wch(curscr, y, x, &c);
    getcchar(&c, text, &attributes, &pair, NULL);
    extended_pair_content(pair, &fg, &bg);
    attributes &= A_BOLD | A_DIM | A_UNDERLINE | A_REVERSE | A_BLINK | A_INVIS;
    attributes &= fg >= 0 || bg >= 0 ? ~refused() : ~(attr_t)0;
    attributes &= tigetstr("dim") ? ~(attr_t)0 : ~A_DIM;
    bool same = is->letter == text[0] && is->bg == bg &&
                ((text[0] == L' ' && !((attributes | is->attributes) & (attr_t)strokes)) ||
                 (is->fg == fg && is->attributes == attributes));
    if (is->letter && !same)
        fail_msg("%d, %d: '%lc' %lx %d on %d, not '%lc' %lx %d on %d", y, x, is->letter,
                 (unsigned long)is->attributes, is->fg, is->bg, text[0],
                 (unsigned long)attributes, fg, bg);
}

static void
play(FILE *f, bool wide)
{
    for (int n = 0; n < SCREENS; n++) {
        change(wide);
        halves_repair();
        wnoutrefresh(stdscr);
        difference_send(f, any(2), true);
        read_all(f);
        for (int y = 0; y < ROWS; y++)
            for (int x = 0; x < COLUMNS; x++)
                check_cell(y, x, &screen.cells[y][x]);
        assert_int_equal(screen.row, getcury(stdscr));
        assert_int_equal(screen.column, getcurx(stdscr));
    }
}

static SCREEN *
begin(const char *term, FILE *out, FILE *in)
{
    SCREEN *curses = newterm(term, out, in);
    assert_non_null(curses);
    if (has_colors()) {
        start_color();
        use_default_colors();
        for (int i = 1; i < STYLES; i++)
            init_extended_pair(i, i % 3 ? i : -1, i % 2 ? -1 : COLORS >= 256 ? 200 + i : i);
    }
    difference_begin();
    screen.fills = tigetflag("bce") > 0;
    screen.style = empty;
    screen.top = 0;
    screen.bottom = ROWS - 1;
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLUMNS; x++)
            screen.cells[y][x] = empty;
    go(0, 0);
    return curses;
}

static void
every_change_arrives(void **state)
{
    static const char *const terms[] = {"xterm-256color", "xterm", "screen", "linux", "vt100"};
    FILE *f = tmpfile(), *in = fopen("/dev/null", "r");
    (void)state;
    assert_true(f && in);
    setvbuf(f, NULL, _IOFBF, 1 << 16);
    setenv("LINES", "12", 1);
    setenv("COLUMNS", "40", 1);
    for (size_t i = 0; i < COUNT_OF(terms); i++) {
        SCREEN *curses = begin(terms[i], f, in);
        play(f, i < 3);
        endwin();
        read_all(f);
        delscreen(curses);
    }
    assert_true(screen.scrolls > 20);
    fclose(in);
    fclose(f);
}

int
main(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_change_arrives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
