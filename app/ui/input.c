// SPDX-License-Identifier: MIT
// Turns bytes into keys and pasted text. curses decodes characters by the locale, and after an
// invalid byte drops the following ones, too; here such a byte costs only its own character.
#include <curses.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "app/ui/ui_parts.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { PASTE_MAX = 64 << 10 };
#define PASTE_SECONDS 2.0 // without input; then a paste counts as ended

void
input_unget(struct ui *ui, wint_t key)
{
    ui->input.pushed = key;
}

// Adds a byte of a multi-byte character; true: *key is complete.
static bool
add_byte(struct ui *ui, int byte, wint_t *key)
{
    struct input *in = &ui->input;
    wchar_t c = 0;
    bool continues = (byte & 0xC0) == 0x80;
    if (!continues)
        in->partial_count = 0; // the previous character was incomplete
    if (continues && !in->partial_count)
        return false;
    in->partial[in->partial_count++] = (char)byte;
    in->partial[in->partial_count] = 0;
    text_char(in->partial, &c);
    if (c || in->partial_count == 4)
        in->partial_count = 0;
    *key = (wint_t)c;
    return c != 0;
}

// Whether the locale's characters are single bytes. Not C or POSIX: a terminal that sends more than
// ASCII there sends UTF-8.
static bool
has_bytes(void)
{
    return MB_CUR_MAX == 1 && strcmp(nl_langinfo(CODESET), "ANSI_X3.4-1968") != 0;
}

int
input_key(struct ui *ui, wint_t *key)
{
    struct input *in = &ui->input;
    if (in->pushed) {
        *key = in->pushed;
        in->pushed = 0;
        return OK;
    }
    for (int byte; (byte = getch()) != ERR;) {
        wint_t of_locale = has_bytes() && byte < 256 ? btowc(byte) : WEOF;
        bool code = byte > 255;
        *key = of_locale != WEOF ? of_locale : (wint_t)byte;
        if (code || byte < 0x80 || of_locale != WEOF)
            in->partial_count = 0;
        else if (!add_byte(ui, byte, key))
            continue;
        return code ? KEY_CODE_YES : OK;
    }
    return ERR;
}

// --- pasted text (CSI ? 2004 h), which is never taken for keys

void
input_paste_begin(struct ui *ui)
{
    struct input *in = &ui->input;
    free(in->paste);
    in->paste = mem_zalloc(PASTE_MAX + 8);
    in->paste_size = 0;
    in->paste_came = ui_now();
}

void
input_paste_key(struct ui *ui, wint_t key)
{
    struct input *in = &ui->input;
    in->paste_came = ui_now();
    if (in->paste_size < PASTE_MAX)
        in->paste_size += text_put((wchar_t)(key == '\r' ? '\n' : key), in->paste + in->paste_size);
}

bool
input_paste_is_late(const struct ui *ui)
{
    return ui->input.paste && ui_now() - ui->input.paste_came > PASTE_SECONDS;
}

// Inserts the text, as a whole, into the text that is being written, if any.
void
input_paste_end(struct ui *ui)
{
    struct dialogue *d = &ui->dialogue;
    struct input *in = &ui->input;
    char *text = in->paste;
    const struct view *view = views[ui->view];
    if (!text)
        return;
    in->paste = NULL;
    ui->dirty = true;
    text[in->paste_size] = 0;
    if (d->prompting) {
        field_insert(&d->prompt, text);
        dialogue_line_changed(ui);
    } else if (d->form)
        form_paste(ui, text);
    else if (!d->asking && view->paste && view->typing && view->typing(ui))
        view->paste(ui, text);
    else
        ui_say(ui, ROLE_STATUS, "pasting works while you write: i starts writing");
    free(text);
}
