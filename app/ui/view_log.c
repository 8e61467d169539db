// SPDX-License-Identifier: MIT
// The log view: messages of limn and its worker, the newest last.
#include "app/base/time_text.h"
#include "app/ui/field.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { TIME_COLUMNS = 9 };

struct log_view {
    int back; // how many messages the last shown one is before the newest
    int rows;
};

// The lines that few messages leave empty at the bottom.
static int
spare_rows(const struct log_entry *log, int count, const struct area *a)
{
    int left = a->rows - 1;
    for (int i = 0; i < count && left > 0; i++) {
        struct field_line lines[8];
        left -= field_wrap(log[i].text, MAX(a->columns - 2 - TIME_COLUMNS, 1), lines, 8);
    }
    return MAX(left, 0);
}

static void
draw_log(struct ui *ui, const struct area *a)
{
    int count;
    const struct log_entry *log = ui_log_entries(ui, &count);
    struct log_view *l = ui_state(ui, VIEW_LOG);
    draw_heading(a, true, "log");
    l->rows = a->rows - 1;
    l->back = MAX(0, MIN(l->back, count - l->rows));
    if (!count)
        draw_text(a->y + 1, a->x + 1, a->columns - 2, ROLE_DIM, "no messages yet");
    // From the last line upwards, each message wrapped.
    int y = a->y + a->rows - spare_rows(log, count, a);
    for (int i = count - 1 - l->back; i >= 0 && y > a->y + 1; i--) {
        struct field_line lines[8];
        int columns = MAX(a->columns - 2 - TIME_COLUMNS, 1);
        int height = field_wrap(log[i].text, columns, lines, 8);
        y -= height;
        struct area line = {MAX(y, a->y + 1), a->x + 1 + TIME_COLUMNS,
                            MIN(height, y + height - a->y - 1), columns};
        char time[TIME_TEXT_MAX];
        time_text(log[i].when, "%H:%M:%S", time);
        draw_read_from(MAX(y, a->y + 1), a->x + 1); // the newest that is shown
        if (y > a->y)
            draw_text(y, a->x + 1, TIME_COLUMNS - 1, ROLE_DIM, time);
        draw_wrapped(&line, log[i].role, log[i].text);
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct log_view *l = ui_state(ui, VIEW_LOG);
    switch (request) {
    case REQUEST_UP: l->back++; return true;
    case REQUEST_DOWN: l->back--; return true;
    case REQUEST_PAGE_UP: l->back += l->rows - 1; return true;
    case REQUEST_PAGE_DOWN: l->back -= l->rows - 1; return true;
    case REQUEST_FIRST: l->back = UI_LOG_MAX; return true;
    case REQUEST_LAST: l->back = 0; return true;
    default: return false;
    }
}

static void
on_mouse(struct ui *ui, int y, int x, int turn, bool double_click)
{
    (void)y, (void)x, (void)double_click;
    ((struct log_view *)ui_state(ui, VIEW_LOG))->back -= 3 * turn;
}

static const enum request hints[] = {REQUEST_LAST, REQUEST_BACK, REQUEST_HELP, REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_LAST, "newest"},
    {REQUEST_NONE, NULL},
};

const struct view view_log = {
    .name = "log",
    .title = "messages of limn and its worker",
    .state_size = sizeof(struct log_view),
    .draw = draw_log,
    .request = on_request,
    .mouse = on_mouse,
    .hints = hints,
    .words = words,
};
