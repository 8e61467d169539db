// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/halves.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

// Which column of its character a cell is, as curses stores it: 0 of a narrow one, else 1 or 2.
static int
part_of(const cchar_t *cell)
{
    return (int)(cell->attr & A_CHARTEXT);
}

static void
blank_cell(int y, int x)
{
    cchar_t cell;
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes;
    short pair;
    mvin_wch(y, x, &cell);
    getcchar(&cell, text, &attributes, &pair, NULL);
    setcchar(&cell, L" ", attributes & ~A_CHARTEXT, pair, NULL);
    mvadd_wch(y, x, &cell);
}

static bool
has_wide(int y, cchar_t *cells)
{
    int n = 0;
    memset(cells, 0, (size_t)(COLS + 1) * sizeof *cells);
    mvin_wchnstr(y, 0, cells, COLS);
    while (n < COLS && cells[n].chars[0] && !part_of(&cells[n]))
        n++;
    return n < COLS;
}

void
halves_repair(void)
{
    int y, x;
    cchar_t *cells = mem_alloc((size_t)(COLS + 1) * sizeof *cells);
    getyx(stdscr, y, x);
    for (int row = 0; row < LINES; row++) {
        int before = 0;
        bool wide = has_wide(row, cells);
        for (int column = 0; wide && column <= COLS; column++) {
            cchar_t cell = {0};
            if (column < COLS)
                mvin_wch(row, column, &cell);
            int part = part_of(&cell);
            if (part > 1 && before != 1)
                blank_cell(row, column);
            if (part < 2 && before == 1)
                blank_cell(row, column - 1);
            before = part;
        }
    }
    move(y, x);
    free(cells);
}
