// SPDX-License-Identifier: MIT
// The composer's requests on files: add, mark, open, start from.
#include <stdlib.h>

#include "app/ui/compose.h"
#include "app/ui/files.h"
#include "app/ui/material.h"
#include "app/ui/painter.h"
#include "app/ui/session.h"

// Makes the selected picture the one the drawing starts from, in place of any other.
static void
start_from(struct ui *ui, enum request request)
{
    struct job j = JOB_EMPTY;
    const struct browser_entry *e = browser_chosen(&compose_of(ui)->browser);
    if (!e || e->folder) {
        ui_say(ui, ROLE_STATUS, "choose a picture to start from");
        return;
    }
    session_snapshot(ui, &j);
    for (int i = j.reference_count - 1; i >= 0; i--)
        if (j.references[i].use == JOB_START || j.references[i].use == JOB_MASK)
            job_remove(&j, i);
    struct job_reference *r = job_add_for(&j, JOB_START, 0);
    if (r) {
        r->file = browser_path(&compose_of(ui)->browser);
        j.strength = request == REQUEST_MASK ? -1 : MATERIAL_STRENGTH;
        session_set(ui, &j);
    }
    job_finish(&j);
    if (request == REQUEST_MASK)
        painter_open(ui);
    else
        ui_say(ui, ROLE_GOOD,
               "the drawing starts from it, strength %g: i and write what to draw, then F9; u "
               "undoes this",
               MATERIAL_STRENGTH);
}

// --- requests

static void
add(struct ui *ui, struct browser *b)
{
    char *path = b->mark_count ? browser_next_marked(b) : browser_path(b);
    do {
        session_add_picture(ui, path);
        free(path);
    } while ((path = browser_next_marked(b)));
}

static bool
act(struct ui *ui, struct browser *b, enum request request, struct err *err)
{
    const struct browser_entry *e = browser_chosen(b);
    switch (request) {
    case REQUEST_START:
    case REQUEST_MASK: start_from(ui, request); return true;
    case REQUEST_MARK:
        browser_mark(b);
        b->selected++;
        return true;
    case REQUEST_ENTER:
    case REQUEST_ADD:
        if (e && e->folder && !(request == REQUEST_ADD && b->mark_count))
            browser_enter(b, err);
        else if (e || b->mark_count)
            add(ui, b);
        return true;
    case REQUEST_OPEN:
        if (e && !e->folder) {
            char *path = browser_path(b);
            session_open(ui, path, false);
            free(path);
        }
        return true;
    default: return false;
    }
}

bool
compose_files_request(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    struct browser *b = &c->browser;
    struct err err = {0};
    if (!files_request(ui, b, c->files.rows, request, &err) && !act(ui, b, request, &err))
        return false;
    browser_clamp(b);
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    return true;
}
