// SPDX-License-Identifier: MIT
// Runs a script.
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "app/ui/compose.h"
#include "app/ui/screenshot.h"
#include "app/ui/screen.h"
#include "app/ui/script_parts.h"
#include "app/ui/ui_parts.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

// --- the screen as text

static size_t
put_line(int y, char *out)
{
    wchar_t cells[1024];
    char *p = out, *end = out; // after the last non-blank character
    int n = mvinnwstr(y, 0, cells, MIN(COLS, (int)COUNT_OF(cells) - 1));
    for (int i = 0; i < n; i++) {
        wchar_t c = cells[i] == 0xA0 ? L' ' : cells[i]; // reserved for a picture
        p += text_put(c, p);
        if (c != L' ')
            end = p;
    }
    *end++ = '\n';
    return (size_t)(end - out);
}

// The screen's lines without trailing blanks; freed with free().
static char *
screen_text(void)
{
    char *text = mem_alloc((size_t)LINES * ((size_t)COLS * 4 * CCHARW_MAX + 1) + 1);
    size_t n = 0;
    int y, x;
    getyx(stdscr, y, x);
    for (int row = 0; row < LINES; row++)
        n += put_line(row, text + n);
    move(y, x);
    text[n] = 0;
    return text;
}

static bool
is_picture(const char *file)
{
    const char *dot = strrchr(file, '.');
    return dot && strcasecmp(dot, ".png") == 0;
}

static bool
save_picture(const struct ui *ui, const char *file, struct err *err)
{
    struct image *picture = screenshot_take(ui, err);
    bool ok = picture && codec_write_png(picture, file, NULL, err);
    image_unref(picture);
    return ok;
}

static bool
save_screen(const struct script *s, const struct ui *ui, const struct step *step, struct err *err)
{
    if (is_picture(step->text))
        return save_picture(ui, step->text, err);
    char *text = screen_text();
    bool ok = true;
    if (strcmp(step->text, "-") != 0)
        ok = file_write(step->text, text, strlen(text), err);
    else if (s->headless)
        ok = (fputs(text, stdout) >= 0 && fflush(stdout) == 0) ||
             err_errno(err, ERR_IO, "standard output");
    else
        ok = err_set(err, ERR_INPUT,
                     "%s:%d: a screen cannot be saved to standard output, which is the terminal",
                     s->file, step->line);
    free(text);
    return ok;
}

// --- steps

static void
type(struct ui *ui, const char *text)
{
    wchar_t c;
    for (size_t n; (n = text_char(text, &c)); text += n)
        keys_press(ui, (wint_t)c, false);
}

static void
paste(struct ui *ui, const char *text)
{
    wchar_t c;
    input_paste_begin(ui);
    for (size_t n; (n = text_char(text, &c)); text += n)
        input_paste_key(ui, (wint_t)c);
    input_paste_end(ui);
}

// Nothing is being drawn, read or decoded, and no loader's picture is still to come.
static bool
is_settled(struct ui *ui)
{
    return !tasks_unfinished(ui) && client_ready(ui->worker.client) && !compose_waits(ui) &&
           !background_busy(ui->arrivals) && !background_busy(ui->chores) &&
           !pictures_busy(ui->pictures) && !canvas_pending(ui->screen.canvas);
}

static bool
is_satisfied(struct ui *ui, const struct step *step)
{
    if (step->kind == STEP_SETTLE)
        return is_settled(ui);
    char *text = screen_text();
    bool found = regexec(&step->pattern, text, 0, NULL, 0) == 0;
    free(text);
    return found == (step->kind == STEP_WAIT);
}

static bool
is_wait(const struct step *step)
{
    return step->kind == STEP_WAIT || step->kind == STEP_GONE || step->kind == STEP_SETTLE;
}

// The last warning or error, "" if none: it may explain why what a script waits for does not come.
static const char *
last_warning(const struct ui *ui)
{
    int count;
    const struct log_entry *log = ui_log_entries(ui, &count);
    while (count > 0 && log[count - 1].role != ROLE_WARNING && log[count - 1].role != ROLE_ERROR)
        count--;
    return count > 0 ? log[count - 1].text : "";
}

// Continues waiting; false once the time is up.
static bool
keep_waiting(struct script *s, const struct ui *ui, const struct step *step, struct err *err)
{
    const char *warning = last_warning(ui);
    if (s->until <= 0)
        s->until = ui_now() + s->limit;
    if (ui_now() < s->until)
        return true;
    s->failed_on = screen_text();
    return err_set(err, ERR_INPUT, "%s:%d: after %g s the screen %s%s%s%s%s", s->file,
                   step->line, s->limit,
                   step->kind == STEP_WAIT   ? "does not have '"
                   : step->kind == STEP_GONE ? "still has '"
                                             : "is not settled",
                   step->text ? step->text : "", step->text ? "'" : "",
                   *warning ? "; limn said: " : "", warning);
}

// Performs a step other than a wait.
static bool
run_step(struct script *s, struct ui *ui, const struct step *step, struct err *err)
{
    switch (step->kind) {
    case STEP_KEYS: keys_press(ui, step->key, step->code); break;
    case STEP_TYPE: type(ui, step->text); break;
    case STEP_PASTE: paste(ui, step->text); break;
    case STEP_SAVE: return save_screen(s, ui, step, err);
    case STEP_LIMIT: s->limit = step->number; break;
    case STEP_QUIT: ui->quit = true; break;
    case STEP_SIZE:
        if (!s->headless) // a terminal keeps its size
            break;
        resizeterm(step->rows, (int)step->number);
        screen_resized(ui);
        break;
    default: break;
    }
    return true;
}

bool
script_turn(struct script *s, struct ui *ui, struct err *err)
{
    while (s->at < s->count && !ui->dirty && !ui->quit) {
        const struct step *step = &s->steps[s->at];
        if (is_wait(step) && !is_satisfied(ui, step))
            return keep_waiting(s, ui, step, err);
        s->at++;
        s->until = 0;
        if (!run_step(s, ui, step, err))
            return false;
    }
    if (s->at == s->count && s->headless && !ui->dirty)
        ui->quit = true;
    ui->dirty = ui->dirty || ui->quit; // so that the loop does not wait
    return true;
}

double
script_wait(const struct script *s)
{
    return s && s->until > 0 ? MAX(s->until - ui_now(), 0) : -1;
}
