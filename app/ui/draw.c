// SPDX-License-Identifier: MIT
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/ui/ui_parts.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { PICTURE_SIDE = 640 }; // pixels, of the largest pictures shown
#define STALE_SECONDS 0.5 // how long the old picture may stay while the new one is decoded

bool
draw_unicode(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool
is_console(void)
{
    const char *term = getenv("TERM");
    return term && strncmp(term, "linux", 5) == 0;
}

bool
draw_has_font(void)
{
    return draw_unicode() && !is_console();
}

// A copy with three dots in place of each ellipsis, if the font lacks it; NULL: no change.
static char *
without_ellipsis(const char *text)
{
    static const char ellipsis[] = "\u2026";
    if (draw_has_font() || !strstr(text, ellipsis))
        return NULL;
    char *out = mem_strdup(text); // both take three bytes
    for (char *p = out; (p = strstr(p, ellipsis)); p += 3)
        memcpy(p, "...", 3);
    return out;
}

// The character to show: a substitute for one that must not or cannot be shown.
static wchar_t
displayed(wchar_t c)
{
    bool unicode = draw_unicode();
    if (!c || !text_printable(c))
        return unicode ? L'\uFFFD' : L'?';
    if (c == 0x2026 && !draw_has_font())
        return L'.';
    if (c == 0x2605 && is_console())
        return L'*';
    return c >= 0x80 && !unicode ? L'?' : wcwidth(c) < 0 ? L'\uFFFD' : c;
}

// Adds one character with the marks that combine with it; returns the cells used.
static int
add_character(const char **text, const char *end, int room)
{
    wchar_t cell[CCHARW_MAX + 1];
    wchar_t c;
    const char *p = *text;
    p += text_char(p, &c);
    int n = 0;
    cell[n++] = displayed(c);
    int width = MAX(wcwidth(cell[0]), 0);
    if (width > room) {
        *text = end;
        return 0;
    }
    if (width == 0) { // a combining mark without a letter
        cell[0] = L' ';
        cell[n++] = displayed(c);
        width = 1;
    }
    while (p < end && draw_unicode()) {
        wchar_t mark;
        size_t size = text_char(p, &mark);
        if (size == 0 || !mark || !text_printable(mark) || wcwidth(mark) != 0)
            break;
        if (n < CCHARW_MAX)
            cell[n++] = mark;
        p += size;
    }
    cell[n] = 0;
    cchar_t out;
    attr_t attributes;
    short pair;
    int extended = 0;
    attr_get(&attributes, &pair, &extended);
    setcchar(&out, cell, attributes, pair, NULL);
    add_wch(&out);
    *text = p;
    return width;
}

static int
add_bytes(int y, int x, int columns, const char *text, size_t n)
{
    int used = 0;
    const char *end = text + strnlen(text, n);
    columns = MIN(columns, COLS - x);
    if (y < 0 || y >= LINES || x < 0 || columns <= 0)
        return 0;
    move(y, x);
    while (text < end && used < columns)
        used += add_character(&text, end, columns - used);
    return used;
}

static bool plain;
static int chosen_y = -1, chosen_x;

void
draw_set_plain(bool on)
{
    plain = on;
}

bool
draw_is_plain(void)
{
    return plain;
}

void
draw_begin(void)
{
    chosen_y = -1;
}

void
draw_read_from(int y, int x)
{
    if (chosen_y >= 0)
        return;
    chosen_y = y;
    chosen_x = x;
}

void
draw_split(const struct area *a, int columns, struct area *list, struct area *rest)
{
    *list = *rest = *a;
    if (plain) {
        list->rows = a->rows * 2 / 5;
        rest->y += list->rows;
        rest->rows -= list->rows;
        return;
    }
    list->columns = columns;
    rest->x += columns + 1;
    rest->columns -= columns + 1;
    draw_vertical(a->y, a->x + columns, a->rows);
}

bool
draw_chosen_place(int *y, int *x)
{
    *y = chosen_y;
    *x = chosen_x;
    return plain && chosen_y >= 0;
}

int
draw_width(const char *text)
{
    char *spelled = without_ellipsis(text);
    int width = text_width(spelled ? spelled : text, SIZE_MAX);
    free(spelled);
    return width;
}

// Text in the current role; an ellipsis or > marks a cut end.
static void
put_text(int y, int x, int columns, const char *said)
{
    char *spelled = columns > 3 ? without_ellipsis(said) : NULL;
    const char *text = spelled ? spelled : said;
    size_t n = strlen(text);
    if (text_width(text, n) > columns && columns > 1) {
        int used = add_bytes(y, x, columns - 1, text, n);
        add_bytes(y, x + used, 1, draw_has_font() ? "\u2026" : ">", 4);
    } else {
        add_bytes(y, x, columns, text, n);
    }
    free(spelled);
    theme_use(ROLE_TEXT);
}

void
draw_text(int y, int x, int columns, enum role role, const char *text)
{
    if (role == ROLE_SELECTION && *text && (chosen_y != y || chosen_y < 0)) {
        chosen_y = y;
        chosen_x = x;
    }
    theme_use(role);
    put_text(y, x, columns, text);
}

void
draw_message(int y, int x, int columns, enum role role, const char *text)
{
    theme_use_message(role);
    put_text(y, x, columns, text);
}

void
draw_popup_key(int y, int x, int columns, const char *text)
{
    theme_use_popup_key();
    put_text(y, x, columns, text);
}

void
draw_caption(int y, int x, int columns, enum role role, const char *text)
{
    int spare = plain ? 0 : MAX(columns - text_width(text, SIZE_MAX), 0);
    draw_text(y, x + spare / 2, columns - spare / 2, role, text);
}

void
draw_format(int y, int x, int columns, enum role role, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    draw_text(y, x, columns, role, text);
}

void
draw_short_path(const char *path, int columns, char *out, size_t size)
{
    char *home = xdg_home();
    size_t n = strlen(home);
    bool inside = n > 1 && strncmp(path, home, n) == 0 && (path[n] == '/' || !path[n]);
    const char *rest = path + (inside ? n : 0);
    free(home);
    snprintf(out, size, "%s%s", inside ? "~" : "", rest);
    while (*rest && text_width(out, SIZE_MAX) > columns) {
        const char *slash = strchr(rest + 1, '/');
        rest = slash ? slash : rest + text_char(rest, NULL);
        snprintf(out, size, "\u2026%s", rest);
    }
}

bool
draw_contains(const struct area *a, int y, int x)
{
    return y >= a->y && y < a->y + a->rows && x >= a->x && x < a->x + a->columns;
}

void
draw_fill(const struct area *a, enum role role)
{
    theme_use(role);
    for (int y = MAX(a->y, 0); y < a->y + a->rows && y < LINES; y++)
        mvhline(y, MAX(a->x, 0), ' ', MIN(a->columns, COLS - a->x));
    theme_use(ROLE_TEXT);
}

void
draw_heading(const struct area *a, bool focus, const char *title)
{
    draw_rule(a->y, a->x, a->columns);
    char text[128];
    snprintf(text, sizeof text, " %s ", title);
    draw_text(a->y, a->x + 1, a->columns - 2, focus ? ROLE_FOCUS : ROLE_HEADING, text);
}

static void
put_rule(int y, int x, int columns, enum role role)
{
    if (plain)
        return;
    theme_use(role);
    if (y >= 0 && y < LINES && columns > 0)
        mvhline_set(y, x, draw_unicode() ? WACS_HLINE : NULL, MIN(columns, COLS - x));
    if (!draw_unicode() && y >= 0 && y < LINES)
        mvhline(y, x, '-', MIN(columns, COLS - x));
    theme_use(ROLE_TEXT);
}

static void
put_vertical(int y, int x, int rows, enum role role)
{
    if (plain)
        return;
    theme_use(role);
    if (x >= 0 && x < COLS && draw_unicode())
        mvvline_set(y, x, WACS_VLINE, MIN(rows, LINES - y));
    else if (x >= 0 && x < COLS)
        mvvline(y, x, '|', MIN(rows, LINES - y));
    theme_use(ROLE_TEXT);
}

void
draw_rule(int y, int x, int columns)
{
    put_rule(y, x, columns, ROLE_BORDER);
}

void
draw_vertical(int y, int x, int rows)
{
    put_vertical(y, x, rows, ROLE_BORDER);
}

// In ROLE_POPUP, as its content.
void
draw_box(const struct area *a, const char *title)
{
    bool unicode = draw_unicode();
    int right = a->x + a->columns - 1, bottom = a->y + a->rows - 1;
    put_rule(a->y, a->x, a->columns, ROLE_POPUP);
    put_rule(bottom, a->x, a->columns, ROLE_POPUP);
    put_vertical(a->y, a->x, a->rows, ROLE_POPUP);
    put_vertical(a->y, right, a->rows, ROLE_POPUP);
    draw_format(a->y, a->x + 1, a->columns - 2, ROLE_POPUP, " %s ", title);
    if (plain)
        return;
    draw_text(a->y, a->x, 1, ROLE_POPUP, unicode ? "\u250C" : "+");
    draw_text(a->y, right, 1, ROLE_POPUP, unicode ? "\u2510" : "+");
    draw_text(bottom, a->x, 1, ROLE_POPUP, unicode ? "\u2514" : "+");
    draw_text(bottom, right, 1, ROLE_POPUP, unicode ? "\u2518" : "+");
}

void
draw_gauge(int y, int x, int columns, double part)
{
    char text[16];
    int done = (int)(columns * MIN(MAX(part, 0), 1) + 0.5);
    struct area a = {y, x, 1, done}, rest = {y, x + done, 1, columns - done};
    draw_fill(&a, ROLE_GAUGE);
    draw_fill(&rest, ROLE_GAUGE_REST);
    snprintf(text, sizeof text, "%d %%", (int)(part * 100 + 1e-6)); // 100 only when done
    int at = (columns - (int)strlen(text)) / 2;
    for (int i = 0; text[i]; i++) {
        char one[2] = {text[i], 0};
        draw_text(y, x + at + i, 1, at + i < done ? ROLE_GAUGE : ROLE_GAUGE_REST, one);
    }
}

int
draw_scroll(int count, int selected, int rows, int top)
{
    if (selected < top)
        top = selected;
    if (selected >= top + rows)
        top = selected - rows + 1;
    return MAX(0, MIN(top, count - rows));
}

// Cells under a picture hold what no other cell does, so that they are printed when a picture needs
// them, and never erased with the end of a line: blanks with a colour pair of their own, which take
// few bytes, and no-break spaces at the screen's edges, up to which lines are erased.
void
draw_reserve(const struct area *a)
{
    cchar_t filler, edge;
    theme_use(ROLE_TEXT);
    attr_t attributes;
    short pair, own = theme_filler();
    attr_get(&attributes, &pair, NULL);
    setcchar(&edge, draw_unicode() ? L"\u00A0" : L" ", attributes, pair, NULL);
    setcchar(&filler, L" ", attributes, own, NULL);
    int columns = MIN(a->columns, COLS - a->x);
    for (int y = MAX(a->y, 0); y < a->y + a->rows && y < LINES; y++) {
        mvhline_set(y, a->x, own ? &filler : &edge, columns);
        if (a->x == 0)
            mvadd_wch(y, 0, &edge);
        if (a->x + columns == COLS)
            mvadd_wch(y, COLS - 1, &edge);
    }
}

void
draw_cell(const struct ui *ui, int *width, int *height)
{
    *width = ui->screen.term.cell_width;
    *height = ui->screen.term.cell_height;
}

bool
draw_uses_symbols(const struct ui *ui)
{
    return ui->screen.canvas && canvas_kind(ui->screen.canvas) == CANVAS_CELLS;
}

int
draw_square_rows(const struct ui *ui, int columns)
{
    int width, height;
    draw_cell(ui, &width, &height);
    return (columns * width + height - 1) / height;
}

struct area
draw_fitted(const struct ui *ui, const struct area *a, int width, int height, int below)
{
    int cell_width, cell_height, room = MAX(a->rows - below, 0);
    draw_cell(ui, &cell_width, &cell_height);
    double scale = (double)a->columns * cell_width / MAX(width, 1);
    int rows = (int)MIN((height * scale + cell_height - 1) / cell_height, room);
    rows = plain ? room : MAX(rows, MIN(room, 1));
    return (struct area){a->y + (room - rows) / 2, a->x, rows, a->columns};
}

void
draw_picture(struct ui *ui, int slot, const struct area *a, struct image *image, bool live)
{
    if (!ui->screen.canvas || slot >= CANVAS_SLOTS || a->rows < 1 || a->columns < 1 || !image)
        return;
    draw_reserve(a);
    struct canvas_place place = {.rect = {a->y, a->x, a->rows, a->columns}, .live = live};
    canvas_put(ui->screen.canvas, slot, image, &place);
    ui->screen.slot_used[slot] = true;
    ui->screen.slot_area[slot] = *a;
    ui->screen.slot_stale[slot] = 0;
}

// While the picture of a slot is being decoded, what the place shows (the old picture, or nothing)
// stays for a moment: that flickers less, and a short-lived ellipsis need not be sent. False: it
// has taken too long.
static bool
keep_stale(struct ui *ui, int slot, const struct area *a)
{
    struct screen *s = &ui->screen;
    if (slot >= CANVAS_SLOTS)
        return false;
    s->slot_stale[slot] = s->slot_stale[slot] > 0 ? s->slot_stale[slot] : ui_now();
    s->slot_awaited[slot] = true;
    double until = s->slot_stale[slot] + STALE_SECONDS;
    if (ui_now() >= until)
        return false;
    draw_reserve(a);
    s->slot_used[slot] = memcmp(&s->slot_area[slot], a, sizeof *a) == 0;
    ui_wake(ui, until);
    return true;
}

struct image *
draw_image(struct ui *ui, const char *file, const char **failed)
{
    return pictures_get(ui->pictures, file, PICTURE_SIDE, failed);
}

void
draw_file(struct ui *ui, int slot, const struct area *a, const char *file)
{
    if (a->rows < 1 || a->columns < 2)
        return;
    const char *failed = NULL;
    int side = MAX(a->rows * ui->screen.term.cell_height, a->columns * ui->screen.term.cell_width);
    side = side <= 128 ? 128 : side <= 256 ? 256 : PICTURE_SIDE;
    struct image *image = pictures_get(ui->pictures, file, side, &failed);
    if (image)
        draw_picture(ui, slot, a, image, false);
    else if (failed) // only the reason: the name is shown elsewhere, and may be long
        draw_wrapped(a, ROLE_DIM,
                     strncmp(failed, file, strlen(file)) == 0 && failed[strlen(file)] == ':'
                         ? failed + strlen(file) + 2
                         : failed);
    else if (!keep_stale(ui, slot, a))
        draw_text(a->y + a->rows / 2, a->x + MAX(0, a->columns / 2 - 1), 1, ROLE_DIM, "\u2026");
}

static bool
has_reference(const struct ui *ui, int marker)
{
    for (int i = 0; i < ui->session->job.reference_count; i++)
        if (ui->session->job.references[i].use == JOB_REFERENCE &&
            ui->session->job.references[i].marker == marker)
            return true;
    return false;
}

// The role of a byte of an instruction: markers stand out.
static enum role
role_at(const struct ui *ui, const char *text, size_t at)
{
    size_t from = at;
    while (from > 0 && at - from < 12 && text[from] != '[')
        from--;
    int marker = 0, n = 0;
    if (sscanf(text + from, "[ref#%d]%n", &marker, &n) == 1 && n > 0 && at < from + (size_t)n)
        return has_reference(ui, marker) ? ROLE_MARKER : ROLE_FAULT;
    return ROLE_TEXT;
}

void
draw_instruction(struct ui *ui, const struct area *a, const char *text, size_t cursor)
{
    struct field_line lines[256];
    int count = field_wrap(text, MAX(a->columns - 1, 1), lines, 256), here = 0;
    for (int i = 0; i < count && cursor != SIZE_MAX; i++)
        if (cursor >= lines[i].start)
            here = i;
    int top = draw_scroll(count, here, a->rows, 0);
    for (int row = 0; row < a->rows && top + row < count; row++) {
        const struct field_line *l = &lines[top + row];
        int x = 0;
        for (size_t at = l->start; at < l->start + l->length;) {
            enum role role = role_at(ui, text, at);
            size_t end = at;
            while (end < l->start + l->length && role_at(ui, text, end) == role)
                end++;
            theme_use(role);
            x += add_bytes(a->y + row, a->x + x, a->columns - x, text + at, end - at);
            at = end;
        }
    }
    theme_use(ROLE_TEXT);
    if (cursor == SIZE_MAX)
        return;
    int column = text_width(text + lines[here].start, cursor - lines[here].start);
    curs_set(1);
    move(a->y + here - top, a->x + MIN(column, a->columns - 1));
}

void
draw_wrapped(const struct area *a, enum role role, const char *said)
{
    struct field_line lines[256];
    char *spelled = without_ellipsis(said);
    const char *text = spelled ? spelled : said;
    int count = field_wrap(text, MAX(a->columns, 1), lines, 256);
    for (int i = 0; i < count && i < a->rows; i++) {
        theme_use(role);
        add_bytes(a->y + i, a->x, a->columns, text + lines[i].start, lines[i].length);
    }
    free(spelled);
    theme_use(ROLE_TEXT);
}

void
draw_field(const struct area *a, const struct field *f)
{
    const char *text = f->text, *cursor = f->text + f->cursor;
    int at = text_width(text, f->cursor);
    draw_fill(a, ROLE_INPUT);
    while (at > a->columns - 2 && text < cursor) {
        size_t n = text_char(text, NULL);
        at -= text_width(text, n);
        text += n;
    }
    draw_text(a->y, a->x, a->columns, ROLE_INPUT, text);
    curs_set(1);
    move(a->y, a->x + MIN(at, MAX(a->columns - 1, 0)));
}
