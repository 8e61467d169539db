// SPDX-License-Identifier: MIT
// The composer: files on the left; on the right the instruction's text, its references, and the
// selected reference before and after its loader.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/library/library.h"
#include "app/ui/browser.h"
#include "app/ui/compose.h"
#include "app/ui/editor.h"
#include "app/ui/field.h"
#include "app/ui/painter.h"
#include "app/ui/session.h"
#include "app/ui/templates.h"
#include "app/ui/view.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

struct compose *
compose_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_COMPOSE);
}

void
compose_focus(struct compose *c, enum pane pane)
{
    c->pane = pane;
    c->written = false;
}

struct job_reference *
compose_chosen(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    return c->reference < session->job.reference_count ? &session->job.references[c->reference]
                                                      : NULL;
}

static bool
is_empty(struct library *library)
{
    const struct library_filter any = {.limit = 1};
    struct library_list list = {0};
    bool empty = library_query(library, &any, &list, NULL) && !list.count;
    library_list_free(&list);
    return empty;
}

static void
open_compose(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct err err = {0};
    if (c->browser.folder)
        return;
    c->first_run = ui_library(ui) && is_empty(ui_library(ui)); // until something is drawn
    char *kept = ui_library(ui) ? library_get_value(ui_library(ui), "folder", NULL) : NULL;
    char here[4096];
    if (!getcwd(here, sizeof here))
        snprintf(here, sizeof here, "/");
    char *home = xdg_home();
    bool is_home = kept && strcmp(here, home) == 0;
    free(home);
    if (!(is_home && browser_open(&c->browser, kept, NULL)) &&
        !browser_open(&c->browser, here, &err))
        browser_open(&c->browser, "/", NULL);
    free(kept);
}

static void
close_compose(struct ui *ui)
{
    struct compose *c = compose_of(ui);
    struct job holder = JOB_EMPTY;
    if (ui_library(ui) && c->browser.folder)
        library_put_value(ui_library(ui), "folder", c->browser.folder, NULL);
    holder.references[0] = c->removed;
    holder.reference_count = c->has_removed;
    job_finish(&holder);
    job_finish(&c->before);
    browser_finish(&c->browser);
    painter_free(c->painter);
    free(c->bookmarks);
    free(c->chosen_in);
    image_unref(c->painted);
    image_unref(c->after);
}

// --- requests

static void
save_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (!text)
        return;
    if (session_save_template(ui, text, &err))
        ui_say(ui, ROLE_GOOD, "saved: limn generate %s draws it, and it is among the templates",
               text);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static void
remove_reference(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    struct job_reference *r = compose_chosen(ui);
    struct job holder = JOB_EMPTY;
    if (!r)
        return;
    holder.references[0] = c->removed;
    holder.reference_count = c->has_removed;
    job_finish(&holder);
    char name[JOB_KEY_TEXT];
    job_reference_label(r, name);
    c->removed = *r;
    c->removed_at = c->reference;
    c->has_removed = true;
    *r = (struct job_reference){0}; // its parts belong to `removed` now
    job_remove(&session->job, c->reference);
    session_check(ui);
    ui_say(ui, ROLE_STATUS, "removed %s; u brings it back", name);
}

static void
undo_remove(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    enum job_use use = c->removed.use;
    struct job_reference *r =
        c->has_removed && !job_find_for(&session->job, use, c->removed.marker)
            ? job_add_for(&session->job, use, 0)
            : NULL;
    if (!r) {
        if (!session_step(ui, -1))
            ui_say(ui, ROLE_STATUS, "there is no instruction before this one");
        return;
    }
    // Back into its place; later ones move up by one.
    struct job *j = &session->job;
    int at = MIN(c->removed_at, j->reference_count - 1);
    memmove(&j->references[at + 1], &j->references[at],
            (size_t)(j->reference_count - 1 - at) * sizeof *j->references);
    j->references[at] = c->removed;
    c->reference = at;
    c->has_removed = false;
    c->removed = (struct job_reference){0};
    session_check(ui);
    ui_clear_message(ui);
}

// Steps through the composer's earlier instructions.
static void
step(struct ui *ui, int by)
{
    if (!session_step(ui, by))
        ui_say(ui, ROLE_STATUS, by < 0 ? "there is no instruction before this one"
                                       : "this is the last instruction");
}

bool
compose_references_request(struct ui *ui, enum request request)
{
    struct session *session = session_of(ui);
    struct compose *c = compose_of(ui);
    struct job_reference *r = compose_chosen(ui);
    switch (request) {
    case REQUEST_UP: c->reference = MAX(0, c->reference - 1); return true;
    case REQUEST_DOWN:
        c->reference = MAX(0, MIN(c->reference + 1, session->job.reference_count - 1));
        return true;
    case REQUEST_ENTER:
        if (r)
            compose_open_reference_form(ui, r, 0);
        return true;
    case REQUEST_REMOVE: remove_reference(ui); return true;
    default: return false;
    }
}

// Opens the instruction's text in $EDITOR, which gets the screen meanwhile.
static void
edit_in_editor(struct ui *ui)
{
    struct session *session = session_of(ui);
    char path[] = "/tmp/limn-instruction-XXXXXX";
    int fd = mkstemp(path);
    struct err err = {0};
    if (fd < 0) {
        ui_say(ui, ROLE_ERROR, "cannot create a file for the editor in /tmp");
        return;
    }
    bool ok = write(fd, session->text.text, strlen(session->text.text)) >= 0;
    close(fd);
    ok = ok && editor_run(ui, path);
    char *text = ok ? file_read(path, LIMIT_INSTRUCTION_BYTES, NULL, &err) : NULL;
    unlink(path);
    if (text) {
        size_t n = strlen(text);
        while (n && text[n - 1] == '\n')
            text[--n] = 0;
        if (strcmp(text, session->text.text) != 0) {
            session->text.cursor = 0;
            field_replace(&session->text, 0, strlen(session->text.text), "");
            field_insert(&session->text, text);
        }
        session_check(ui);
    } else {
        ui_say(ui, ROLE_ERROR, "%s",
               err.code ? err.text : "the editor failed: the text is unchanged");
    }
    free(text);
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct compose *c = compose_of(ui);
    switch (request) {
    case REQUEST_NEXT_PANE: compose_focus(c, (c->pane + 1) % PANE_COUNT); return true;
    case REQUEST_PREVIOUS_PANE:
        compose_focus(c, (c->pane + PANE_COUNT - 1) % PANE_COUNT);
        return true;
    case REQUEST_INSTRUCTION: compose_focus(c, PANE_TEXT); return true;
    case REQUEST_PARAMETERS: session_parameters(ui); return true;
    case REQUEST_SWEEP: templates_sweep_composed(ui); return true;
    case REQUEST_EDITOR: edit_in_editor(ui); return true;
    case REQUEST_MASK:
        if (c->pane == PANE_FILES && !job_find_for(&session_of(ui)->job, JOB_START, 0))
            return compose_files_request(ui, request);
        painter_open(ui);
        return true;
    case REQUEST_ADD: return compose_files_request(ui, request); // wherever the keys go
    case REQUEST_UNDO: undo_remove(ui); return true;
    case REQUEST_EARLIER: step(ui, -1); return true;
    case REQUEST_LATER: step(ui, 1); return true;
    case REQUEST_SAVE: ui_prompt(ui, "name of the template: ", "", save_done); return true;
    case REQUEST_NEW: {
        struct job empty = JOB_EMPTY;
        session_set(ui, &empty);
        compose_focus(c, PANE_TEXT);
        ui_say(ui, ROLE_STATUS, "an empty instruction; what was here comes back with [");
        return true;
    }
    case REQUEST_BACK:
        compose_focus(c, c->pane == PANE_TEXT && compose_chosen(ui) ? PANE_REFERENCES
                                                                    : PANE_FILES);
        if (c->pane == PANE_FILES && *c->browser.filter)
            browser_filter(&c->browser, "");
        return true;
    default: break;
    }
    return c->pane == PANE_FILES        ? compose_files_request(ui, request)
           : c->pane == PANE_REFERENCES ? compose_references_request(ui, request)
                                        : false;
}

static const enum request hints[] = {
    REQUEST_DRAW, REQUEST_NEXT_PANE, REQUEST_ADD,  REQUEST_INSTRUCTION, REQUEST_PARAMETERS,
    REQUEST_QUIT, REQUEST_FILTER,    REQUEST_SAVE, REQUEST_HELP,        REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_NEXT_PANE, "pane"},
    {REQUEST_INSTRUCTION, "write"},
    {REQUEST_NONE, NULL},
};

const struct view view_compose = {
    .name = "compose",
    .title = "assemble an instruction",
    .state_size = sizeof(struct compose),
    .open = open_compose,
    .close = close_compose,
    .draw = compose_draw,
    .request = on_request,
    .typing = compose_is_typing,
    .typing_hint = compose_typing_hint,
    .paste = compose_on_paste,
    .key = compose_on_key,
    .event = compose_on_event,
    .arrived = compose_on_arrival,
    .mouse = compose_on_mouse,
    .hints = hints,
    .words = words,
};
