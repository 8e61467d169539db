// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include "app/ui/pen.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "engine/base/mem.h"

enum { STYLE_TEXT = 160 }; // bytes of the longest style's parameters

const struct pen_style pen_plain = {0, -1, -1};

static struct pen_capabilities terminal;

// --- the terminal's capabilities

static bool
has_capability(const char *name, const char *text)
{
    const char *has = tigetstr(name);
    return has && has != (char *)-1 && strncmp(has, text, strlen(text)) == 0;
}

// The attributes in terminfo's no_color_video.
static attr_t
attributes_without_colour(void)
{
    static const attr_t bits[] = {A_STANDOUT, A_UNDERLINE, A_REVERSE, A_BLINK, A_DIM, A_BOLD};
    int mask = tigetnum("ncv");
    attr_t out = 0;
    for (size_t i = 0; mask > 0 && i < COUNT_OF(bits); i++)
        out |= mask >> i & 1 ? bits[i] : 0;
    return out;
}

static attr_t
unsupported_attributes(void)
{
    static const struct {
        const char *name;
        attr_t bit;
    } all[] = {{"bold", A_BOLD},   {"dim", A_DIM},   {"smul", A_UNDERLINE},
               {"blink", A_BLINK}, {"rev", A_REVERSE}, {"invis", A_INVIS}};
    attr_t out = 0;
    for (size_t i = 0; i < COUNT_OF(all); i++)
        out |= has_capability(all[i].name, "\033[") ? 0 : all[i].bit;
    return out;
}

const struct pen_capabilities *
pen_begin(void)
{
    bool colours =
        !has_colors() || (has_capability("setaf", "\033[") && has_capability("setab", "\033[") &&
                          has_capability("op", "\033[39;49m"));
    terminal.able = colours && has_capability("cup", "\033[%i%p1%d;%p2%dH") &&
                    has_capability("el", "\033[K") && has_capability("bold", "\033[1m") &&
                    tigetflag("xenl") > 0 && tigetnum("xmc") < 0;
    terminal.columns = has_capability("hpa", "\033[%i%p1%dG");
    terminal.erases = has_capability("ech", "\033[%p1%dX");
    terminal.fills = tigetflag("bce") > 0;
    terminal.scrolls = has_capability("csr", "\033[%i%p1%d;%p2%dr") &&
                       has_capability("ri", "\033M") && has_capability("ind", "\n") &&
                       !(tigetflag("ndscr") > 0);
    terminal.lacks = unsupported_attributes();
    terminal.not_with_colour = attributes_without_colour();
    return &terminal;
}

// --- moving

static int
digits(int n)
{
    return n < 10 ? 1 : n < 100 ? 2 : 3;
}

// Moves within the row.
static void
move_in_row(struct pen *pen, int column)
{
    int by = column - pen->column;
    if (by == 0)
        return;
    if (by == 1)
        fputs("\033[C", pen->out);
    else if (column == 0)
        fputc('\r', pen->out);
    else if (by < 0 && by > -4)
        fprintf(pen->out, "%.*s", -by, "\b\b\b");
    else if (terminal.columns && digits(column + 1) < digits(abs(by)))
        fprintf(pen->out, "\033[%dG", column + 1);
    else
        fprintf(pen->out, "\033[%d%c", abs(by), by > 0 ? 'C' : 'D');
}

// A line feed keeps the column: newterm() turns off its translation.
void
pen_move(struct pen *pen, int row, int column)
{
    int down = row - pen->row;
    if (pen->row >= 0 && down >= 0 && down < 3) {
        fprintf(pen->out, "%.*s", down, "\n\n");
        move_in_row(pen, column);
    } else {
        fprintf(pen->out, "\033[%d;%dH", row + 1, column + 1);
    }
    pen->row = row;
    pen->column = column;
}

// --- styles of cells

struct pen_style
pen_style_of(const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    struct pen_style s = {.fg = -1, .bg = -1};
    short pair = 0;
    int extended = 0;
    getcchar(cell, text, &s.attributes, &pair, &extended);
    extended_pair_content(extended ? extended : pair, &s.fg, &s.bg);
    s.attributes &= A_BOLD | A_DIM | A_UNDERLINE | A_REVERSE | A_BLINK | A_INVIS;
    s.attributes &= ~terminal.lacks;
    if (s.fg >= 0 || s.bg >= 0)
        s.attributes &= ~terminal.not_with_colour;
    return s;
}

bool
pen_same_style(const struct pen_style *a, const struct pen_style *b)
{
    return a->attributes == b->attributes && a->fg == b->fg && a->bg == b->bg;
}

static wchar_t
read_character(const cchar_t *cell, attr_t *attributes)
{
    wchar_t text[CCHARW_MAX + 1];
    short pair;
    int extended;
    getcchar(cell, text, attributes, &pair, &extended);
    return text[0] == L' ' && text[1] ? L'?' : text[0];
}

wchar_t
pen_character_of(const cchar_t *cell)
{
    attr_t attributes;
    return read_character(cell, &attributes);
}

bool
pen_is_blank(const cchar_t *cell)
{
    attr_t attributes;
    return read_character(cell, &attributes) == L' ' && !(attributes & (A_REVERSE | A_UNDERLINE));
}

int
pen_width_of(const cchar_t *cell)
{
    wchar_t letter = pen_character_of(cell);
    return MAX(letter ? wcwidth(letter) : 1, 1);
}

// --- writing

// Appends a colour's parameters: what terminfo puts between CSI and m.
static void
put_colour(char *text, bool ground, int colour)
{
    if (colour < 0) {
        strcat(text, ground ? ";49" : ";39");
        return;
    }
    const char *sequence = tiparm(tigetstr(ground ? "setab" : "setaf"), colour);
    size_t used = strlen(text), n = sequence ? strcspn(sequence, "m") : 0;
    if (n > 2 && used + n < STYLE_TEXT)
        sprintf(text + used, ";%.*s", (int)n - 2, sequence + 2);
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

void
pen_use(struct pen *pen, const struct pen_style *s)
{
    char text[STYLE_TEXT] = "";
    if (pen_same_style(s, &pen->style))
        return;
    if (pen_same_style(s, &pen_plain)) {
        fputs("\033[m", pen->out);
    } else {
        // Terminals without colours may be unable to end a single attribute.
        bool ends = pen->style.attributes & ~s->attributes;
        if (ends && !has_colors()) {
            strcat(text, ";0");
            pen->style = pen_plain;
        }
        put_attributes(text, pen->style.attributes, s->attributes);
        if (s->fg != pen->style.fg)
            put_colour(text, false, s->fg);
        if (s->bg != pen->style.bg)
            put_colour(text, true, s->bg);
        fprintf(pen->out, "\033[%sm", text + 1);
    }
    pen->style = *s;
}

void
pen_use_of(struct pen *pen, const cchar_t *cell)
{
    struct pen_style s = pen_style_of(cell);
    bool strokes = pen->style.attributes & (A_REVERSE | A_UNDERLINE), blank = pen_is_blank(cell);
    if (blank && s.bg == pen->style.bg && !strokes)
        return;
    if (blank && !strokes) {
        s.attributes = pen->style.attributes;
        s.fg = pen->style.fg;
    }
    pen_use(pen, &s);
}

void
pen_put(struct pen *pen, const cchar_t *cell)
{
    wchar_t text[CCHARW_MAX + 1];
    attr_t attributes;
    short pair;
    int extended;
    pen_use_of(pen, cell);
    getcchar(cell, text, &attributes, &pair, &extended);
    fprintf(pen->out, "%ls", text);
    pen->column += pen_width_of(cell);
    if (pen->column >= COLS) // terminals differ in the cursor's place then
        pen->row = -1;
}
