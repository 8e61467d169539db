// SPDX-License-Identifier: MIT
// Picking the file of a form's field from a list in place of the view. Its keys are those of the
// composer's files.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/ui/compose.h"
#include "app/ui/files.h"
#include "app/ui/ui_parts.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

struct browser *
form_browser(const struct ui *ui)
{
    return ui->dialogue.form ? ui->dialogue.form->browser : NULL;
}

void
form_browse_end(struct form *f)
{
    if (f->browser)
        browser_finish(f->browser);
    free(f->browser);
    f->browser = NULL;
}

// Opens the folder of the field's file, else that of the last file picked, else the composer's.
static bool
open_folder(struct ui *ui, struct browser *b, const struct form_field *d, struct err *err)
{
    const struct compose *c = compose_of(ui);
    char *typed = places_expand(d->value);
    char *path = *typed == '/' ? mem_strdup(typed) : file_join(d->folder ? d->folder : ".", typed);
    char *slash = strrchr(path, '/');
    bool ok = false;
    if (*typed && slash) {
        char *name = mem_strdup(slash + 1);
        slash[slash == path] = 0;
        ok = browser_open(b, path, NULL);
        browser_select(b, name);
        free(name);
    }
    ok = ok || (c->chosen_in && browser_open(b, c->chosen_in, NULL)) ||
         (c->browser.folder && browser_open(b, c->browser.folder, NULL)) ||
         browser_open(b, ".", NULL) || browser_open(b, "/", err);
    free(typed);
    free(path);
    return ok;
}

void
form_browse(struct ui *ui, struct form *f)
{
    struct err err = {0};
    const struct form_field *d = &f->fields[f->selected];
    form_browse_end(f);
    f->browser = mem_zalloc(sizeof *f->browser);
    f->browser->suffixes = d->files == browser_pictures ? NULL : d->files;
    if (open_folder(ui, f->browser, d, &err))
        return;
    ui_say(ui, ROLE_ERROR, "%s", err.text);
    form_browse_end(f);
}

static void
accept_file(struct ui *ui, struct form *f)
{
    struct compose *c = compose_of(ui);
    char *path = browser_path(f->browser);
    free(c->chosen_in);
    c->chosen_in = mem_strdup(f->browser->folder);
    form_browse_end(f);
    form_set(ui, f, path);
    free(path);
}

static void
act(struct ui *ui, struct form *f, enum request request)
{
    struct browser *b = f->browser;
    const struct browser_entry *e = browser_chosen(b);
    struct err err = {0};
    switch (request) {
    case REQUEST_ENTER:
    case REQUEST_ADD:
    case REQUEST_MARK:
        if (e && e->folder)
            browser_enter(b, &err);
        else if (e)
            accept_file(ui, f);
        break;
    case REQUEST_BACK:
    case REQUEST_QUIT:
        if (*b->filter)
            browser_filter(b, "");
        else
            form_browse_end(f);
        break;
    default: files_request(ui, b, f->lines.rows, request, &err); break;
    }
    if (f == ui->dialogue.form && f->browser)
        browser_clamp(f->browser);
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

void
form_browse_key(struct ui *ui, struct form *f, wint_t key, bool code)
{
    act(ui, f, key_request(VIEW_COMPOSE, key, code, false));
}

void
form_browse_mouse(struct ui *ui, struct form *f, int y, int x, int turn, bool double_click)
{
    struct browser *b = f->browser;
    int row = b->top + y - f->lines.y;
    if (turn)
        act(ui, f, turn < 0 ? REQUEST_UP : REQUEST_DOWN);
    else if (x < f->lines.x + f->lines.columns && y >= f->lines.y &&
             y < f->lines.y + f->lines.rows && row < b->count)
        b->selected = row;
    else
        return;
    if (double_click)
        act(ui, f, REQUEST_ENTER);
}

void
form_browse_draw(struct ui *ui, const struct area *a)
{
    struct form *f = ui->dialogue.form;
    char title[300];
    snprintf(title, sizeof title, "%s: %s", f->title, f->fields[f->selected].label);
    draw_text(a->y, a->x + 1, a->columns - 2, ROLE_FOCUS, title);
    struct area files = {a->y + 1, a->x, a->rows - 1, a->columns};
    f->lines = files_draw(ui, f->browser, true, &files);
}
