// SPDX-License-Identifier: MIT
// Where a key goes: it is part of pasted text or of a sequence that curses does not know, a mouse
// event, or for a question, a prompt, a form or the view; else it makes a request.
#include <stdlib.h>
#include <string.h>

#include "app/ui/key_names.h"
#include "app/ui/screen.h"
#include "app/ui/ui_parts.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { NEWS_SECONDS = 4, FAULT_SECONDS = 10 };

static void
prompt_key(struct ui *ui, wint_t key, bool code)
{
    struct dialogue *d = &ui->dialogue;
    ui->dirty = true;
    bool is_enter = code ? key == KEY_ENTER : key == '\r' || key == '\n';
    if (!is_enter && (code || key != 27)) {
        if (d->palette && palette_key(ui, key, code))
            return;
        field_key(&d->prompt, key, code);
        dialogue_line_changed(ui);
        return;
    }
    char *text = is_enter ? mem_strdup(d->prompt.text) : NULL;
    d->prompting = false;
    palette_free(d->palette);
    d->palette = NULL;
    d->prompt_done(ui, text);
    free(text);
}

static void
on_hint(struct ui *ui, int x)
{
    for (int i = 0; i < ui->screen.hint_count; i++) {
        const struct hint *h = &ui->screen.hints[i];
        if (x >= h->x && x < h->x + h->columns) {
            ui_request(ui, h->request);
            return;
        }
    }
}

static void
on_mouse(struct ui *ui)
{
    MEVENT m;
    if (getmouse(&m) != OK || ui->dialogue.prompting || ui->dialogue.asking)
        return;
    bool moves = m.bstate & REPORT_MOUSE_POSITION;
    screen_set_mouse_drags(moves);
    if (moves && (m.y == 0 || m.y == LINES - 1))
        return;
    int turn = m.bstate & BUTTON4_PRESSED ? -1 : m.bstate & BUTTON5_PRESSED ? 1 : 0;
    ui->dirty = true;
    if (ui->dialogue.form) {
        form_mouse(ui, m.y, m.x, turn, m.bstate & BUTTON1_DOUBLE_CLICKED);
    } else if (m.y == 0 && !turn) {
        int x = 1;
        for (int i = 0; i < VIEW_COUNT; i++) {
            int width = COLS >= 78 ? text_width(views[i]->name, SIZE_MAX) + 4 : 5;
            if (m.x >= x && m.x < x + width)
                ui_open_view(ui, (enum view_id)i);
            x += width;
        }
    } else if (m.y == LINES - 1 && !turn) {
        on_hint(ui, m.x);
    } else if (views[ui->view]->mouse) {
        views[ui->view]->mouse(ui, m.y, m.x, turn, m.bstate & BUTTON1_DOUBLE_CLICKED);
    }
}

// Handles an answer of the terminal that arrived after the wait for it, as over a slow line.
static void
handle_late_answer(struct ui *ui)
{
    struct term_info *now = &ui->screen.term, was = *now;
    if (!term_answer(ui->input.sequence, now))
        return;
    bool other_theme = screen_match_background(ui);
    if (other_theme)
        theme_apply(&ui->screen.theme, ui->screen.mono);
    bool same_cells =
        was.cell_width == now->cell_width && was.cell_height == now->cell_height;
    if (was.sixel == now->sixel && was.kitty == now->kitty && same_cells && !other_theme)
        return;
    canvas_destroy(ui->screen.canvas);
    ui->screen.canvas = NULL;
    screen_watch_focus(ui, true);
    screen_canvas(ui, ui->screen.preview);
    screen_resized(ui);
}

static void on_key(struct ui *ui, wint_t key, bool code);

// Collects sequences that curses does not know (late answers, keys that the terminfo entry lacks),
// so that they are not taken for text, or for Esc and letters. True: the key was part of one.
static bool
consume_sequence(struct ui *ui, wint_t key, bool code)
{
    struct input *in = &ui->input;
    // How many seconds the rest may take; longer for answers, which no one types.
    size_t n = strlen(in->sequence);
    bool string = in->sequence[1] == '_' || in->sequence[1] == ']';
    bool answer = string || in->sequence[2] == '?';
    double timeout = answer ? 3 : 0.5;
    if (code)
        return false; // known keys may come in between
    if (n && ((key == 27 && !string) || n + 1 == sizeof in->sequence ||
              ui_now() - in->sequence_began > timeout))
        in->sequence[n = 0] = 0;
    // Answers to private queries end with one of few letters; any other letter is a key.
    if (n && answer && !string && key >= 0x40 && !(key < 128 && strchr("cSnuy", (int)key)))
        in->sequence[n = 0] = 0;
    if (!n) {
        wint_t next = 0;
        if (key != 27)
            return false;
        int kind = input_key(ui, &next); // nothing follows the Esc key at once
        // If no answer is expected, Esc and ] may be two keys.
        const char *begins = ui->screen.term.outstanding > 0 ? "[_]O" : "[_O";
        if (kind == OK && next < 128 && strchr(begins, (int)next)) {
            snprintf(in->sequence, sizeof in->sequence, "\033%c", (char)next);
            in->sequence_began = ui_now();
            return true;
        }
        if (kind == OK)
            input_unget(ui, next);
        else if (kind == KEY_CODE_YES)
            ungetch((int)next);
        return false;
    }
    in->sequence[n] = key < 128 ? (char)key : '?';
    in->sequence[n + 1] = 0;
    bool ends = (key == '\\' && in->sequence[n - 1] == '\033') ||
                (key == '\a' && in->sequence[1] == ']');
    bool whole = string ? ends : key >= 0x40 && key < 0x7F;
    if (whole) {
        char sequence[sizeof in->sequence];
        snprintf(sequence, sizeof sequence, "%s", in->sequence);
        handle_late_answer(ui);
        in->sequence[0] = 0;
        // Perhaps a key pressed before curses started, pushed back byte by byte, which curses does
        // not assemble. Cursor keys were still sent with [ then.
        int known = key_defined(sequence);
        if (known <= 0 && n == 2 && sequence[1] == '[') {
            sequence[1] = 'O';
            known = key_defined(sequence);
        }
        if (known > 0)
            on_key(ui, (wint_t)known, true);
    }
    return true;
}

// True: the key is part of pasted text.
static bool
consume_paste(struct ui *ui, wint_t key, bool code)
{
    if (code && key == PASTE_KEY)
        input_paste_begin(ui);
    else if (code && key == PASTED_KEY)
        input_paste_end(ui);
    else if (ui->input.paste && !code)
        input_paste_key(ui, key);
    else
        return ui->input.paste != NULL;
    return true;
}

// Says that a key does nothing, unless a more important message is shown.
static void
report_unused(struct ui *ui, wint_t key, bool code, enum request request)
{
    char name[KEY_NAME_TEXT];
    key_to_name(key, code, name);
    if (!*name || (ui->dialogue.message[0] && ui->dialogue.message_role != ROLE_STATUS))
        return;
    char help[80];
    snprintf(help, sizeof help, "%s", request_keys(ui->view, REQUEST_HELP));
    help[strcspn(help, " ")] = 0;
    ui_say(ui, ROLE_STATUS, "%s does nothing here; %s lists the keys", name, help);
}

static void
on_key(struct ui *ui, wint_t key, bool code)
{
    struct dialogue *d = &ui->dialogue;
    if (consume_paste(ui, key, code) || consume_sequence(ui, key, code))
        return;
    if (code && key == ANSWER_KEY) {
        canvas_answer(ui->screen.canvas);
        return;
    }
    if (code && (key == KEY_RESIZE || key == FOCUS_KEY)) {
        screen_resized(ui);
        return;
    }
    if (code && key == BLUR_KEY)
        return;
    if (code && key == KEY_MOUSE) {
        on_mouse(ui);
        return;
    }
    const struct view *view = views[ui->view];
    bool typing = view->typing && view->typing(ui);
    enum request request = key_request(ui->view, key, code, typing);
    ui->dirty = true;
    ui->keys++;
    // A key clears an old message; errors and warnings stay longer.
    bool news = d->message_role == ROLE_GOOD || d->message_role == ROLE_STATUS;
    if (ui_now() - d->message_time > (news ? NEWS_SECONDS : FAULT_SECONDS))
        d->message[0] = 0;
    if (d->asking) {
        d->asking = false;
        bool known = !code && key && key < 128 && strchr(d->answers, (int)key);
        d->answered(ui, known ? (char)key : 0);
    } else if (d->prompting) {
        prompt_key(ui, key, code);
    } else if (d->form) {
        form_key(ui, key, code, request);
    } else if (!(typing && view->key(ui, key, code))) {
        double shown_at = d->message_time;
        if (!(request && ui_request(ui, request)) && !typing && d->message_time == shown_at)
            report_unused(ui, key, code, request);
    }
}

void
keys_press(struct ui *ui, wint_t key, bool code)
{
    on_key(ui, key, code);
    ui_finish_work(ui);
}

bool
keys_read(struct ui *ui)
{
    for (int i = 0; i < 256 && !ui->quit; i++) { // then draw, however fast keys come
        wint_t key = 0;
        int kind = input_key(ui, &key);
        if (kind == ERR)
            break;
        keys_press(ui, key, kind == KEY_CODE_YES);
    }
    return true;
}
