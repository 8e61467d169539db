// SPDX-License-Identifier: MIT
// The user's own templates: create, edit, copy, rename, remove.
#include "app/ui/templates.h"

#include <stdlib.h>
#include <string.h>

#include "app/job/template.h"
#include "app/ui/editor.h"
#include "app/ui/ui.h"
#include "engine/base/mem.h"

// Selects a template that was changed, and says `what`; NULL: reports the error. Takes ownership of
// `path`.
static void
show(struct ui *ui, char *path, const struct err *err, const char *what)
{
    if (path) {
        char *stem = template_stem(path);
        templates_reload(ui, path);
        ui_say(ui, ROLE_GOOD, "%s %s", stem, what);
        free(stem);
    } else {
        ui_say(ui, ROLE_ERROR, "%s", err->text);
    }
    free(path);
}

static void
edit(struct ui *ui, const char *path)
{
    struct template t = {0};
    struct err err = {0};
    if (!template_is_own(path)) {
        ui_say(ui, ROLE_ERROR, "it comes with limn: %s makes a copy that you can edit",
               request_keys(ui_view(ui), REQUEST_DUPLICATE));
        return;
    }
    char *kept = mem_strdup(path); // reading the list again frees `path`
    bool ok = editor_run(ui, kept);
    templates_reload(ui, kept);
    if (!ok)
        ui_say(ui, ROLE_ERROR, "the editor failed");
    else if (!template_read(&t, kept, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    template_finish(&t);
    free(kept);
}

static void
on_new_name(struct ui *ui, const char *name)
{
    struct err err = {0};
    if (!name || !*name)
        return;
    char *path = template_begin(name, &err);
    if (path) {
        templates_reload(ui, path);
        edit(ui, path);
        free(path);
    } else {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    }
}

static void
duplicate_done(struct ui *ui, const char *name)
{
    struct err err = {0};
    if (name && *name)
        show(ui, template_duplicate(templates_own_of(ui)->subject, name, &err), &err,
             "is yours: e edits it");
}

static void
rename_done(struct ui *ui, const char *name)
{
    struct err err = {0};
    if (name && *name)
        show(ui, template_rename(templates_own_of(ui)->subject, name, &err), &err,
             "is its new name");
}

static void
remove_template(struct ui *ui, const char *path)
{
    struct templates_own *own = templates_own_of(ui);
    struct err err = {0};
    if (!template_remove(path, &err)) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return;
    }
    free(own->removed);
    own->removed = mem_strdup(path);
    ui_say(ui, ROLE_STATUS, "removed; u brings it back, %s~ keeps it", own->removed);
    templates_reload(ui, NULL);
}

static void
undo_remove(struct ui *ui)
{
    struct templates_own *own = templates_own_of(ui);
    struct err err = {0};
    char *path = own->removed && template_restore(own->removed, &err) ? own->removed : NULL;
    if (!own->removed) {
        ui_say(ui, ROLE_STATUS, "no template was removed");
        return;
    }
    if (path)
        own->removed = NULL;
    show(ui, path, &err, "is back");
}

static void
ask_name(struct ui *ui, const char *label, const char *path,
         void (*done)(struct ui *ui, const char *text))
{
    struct templates_own *own = templates_own_of(ui);
    char *stem = path ? template_stem(path) : mem_strdup("");
    char *name = done == duplicate_done ? mem_printf("my-%s", stem) : mem_strdup(stem);
    free(own->subject);
    own->subject = path ? mem_strdup(path) : NULL;
    ui_prompt(ui, label, name, done);
    free(name);
    free(stem);
}

bool
templates_own_request(struct ui *ui, enum request request, const char *path)
{
    if (request == REQUEST_NEW)
        ask_name(ui, "name of the new template: ", NULL, on_new_name);
    else if (request == REQUEST_UNDO)
        undo_remove(ui);
    else if (!path)
        return false;
    else if (request == REQUEST_EDITOR)
        edit(ui, path);
    else if (request == REQUEST_DUPLICATE)
        ask_name(ui, "name of the copy: ", path, duplicate_done);
    else if (request == REQUEST_RENAME)
        ask_name(ui, "new name: ", path, rename_done);
    else if (request == REQUEST_REMOVE)
        remove_template(ui, path);
    else
        return false;
    return true;
}
