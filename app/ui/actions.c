// SPDX-License-Identifier: MIT
// Carries out requests, and commands typed after ":".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/places.h"
#include "app/base/suggest.h"
#include "app/job/parameters.h"
#include "app/ui/entry.h"
#include "app/ui/files.h"
#include "app/ui/painter.h"
#include "app/ui/screen.h"
#include "app/ui/training.h"
#include "app/ui/ui_parts.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

void
ui_open_view(struct ui *ui, enum view_id view)
{
    screen_track_mouse(false); // a view that follows the mouse turns it on again
    if (view != ui->view && ui->view != VIEW_HELP)
        ui->previous_view = ui->view;
    ui->view = view;
    if (ui->first_frame > 0) // messages of the start stay readable
        ui->dialogue.message[0] = 0;
    if (views[view]->open)
        views[view]->open(ui);
    ui->dirty = true;
}

static void
quit_answered(struct ui *ui, char answer)
{
    if (answer == 's')
        for (int i = 0; i < ui->tasks->count; i++)
            task_cancel(ui, ui->tasks->items[i]);
    if (answer == 'f' || answer == 's')
        ui->quit = true;
}

static bool
quit(struct ui *ui)
{
    char question[200];
    int n = tasks_unfinished(ui);
    if (!n) {
        ui->quit = true;
        return true;
    }
    snprintf(question, sizeof question,
             "%d %s not finished. f: leave, and the worker finishes   s: stop and leave   "
             "any other key: stay",
             n, n == 1 ? "job is" : "jobs are");
    ui_ask(ui, question, "fs", quit_answered);
    return true;
}

static void
command_done(struct ui *ui, const char *text)
{
    if (!text || !*text)
        return;
    palette_add_history(ui, text);
    ui_command(ui, text);
}

// Opens the window with the frames so far of the job in the live view, or closes it.
static void
toggle_window(struct ui *ui)
{
    struct err err = {0};
    if (ui->window) {
        window_link_close(ui->window);
        ui->window = NULL;
        return;
    }
    ui->window = window_link_open(&err);
    const struct task *t = task_shown(ui);
    if (!ui->window)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    for (int i = 0; ui->window && t && i < t->frame_count; i++)
        window_link_frame(ui->window, t->frames[i], t->frame_steps[i], t->total);
}

static void
poll_mask(struct ui *ui)
{
    bool ended = false;
    struct image *white = window_link_painted(ui->window, &ended);
    painter_set_mask(ui, white, ended);
    image_unref(white);
}

void
ui_poll_window(struct ui *ui)
{
    struct err err = {0};
    if (!ui->window)
        return;
    bool open = window_link_turn(ui->window, &err);
    for (char *file; (file = window_link_dropped(ui->window)); free(file))
        session_add_picture(ui, file);
    poll_mask(ui);
    if (open)
        return;
    if (err.code != ERR_NONE)
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    window_link_close(ui->window);
    ui->window = NULL;
}

bool
ui_request(struct ui *ui, enum request request)
{
    if (views[ui->view]->request && views[ui->view]->request(ui, request))
        return true;
    static const enum request opens[VIEW_COUNT] = {
#define VIEW(id, variable, request) request,
#include "app/ui/views.def"
#undef VIEW
    };
    for (int i = 0; i < VIEW_COUNT; i++)
        if (opens[i] == request) {
            ui_open_view(ui, request == REQUEST_HELP && ui->view == VIEW_HELP ? ui->previous_view
                                                                              : (enum view_id)i);
            return true;
        }
    switch (request) {
    case REQUEST_QUIT:
        return quit(ui);
    case REQUEST_BACK:
        if (ui->view != VIEW_COMPOSE)
            ui_open_view(ui, ui->view == VIEW_HELP ? ui->previous_view : VIEW_COMPOSE);
        return true;
    case REQUEST_COMMAND:
        ui_prompt(ui, ":", "", command_done);
        ui->dialogue.palette = palette_open(ui);
        return true;
    case REQUEST_BELL:
        tasks_toggle_bell(ui);
        return true;
    case REQUEST_CURVE:
        training_toggle_curve(ui);
        return true;
    case REQUEST_REDRAW:
        screen_resized(ui);
        return true;
    case REQUEST_WINDOW:
        toggle_window(ui);
        return true;
    case REQUEST_DRAW:
        session_draw(ui);
        return true;
    default:
        return false;
    }
}

static bool
command_theme(struct ui *ui, const char *name)
{
    struct theme theme;
    struct err err = {0};
    if (!*name) {
        ui_say(ui, ROLE_STATUS, "theme: %s; Tab after 'theme ' lists the others",
               ui->screen.theme.name);
        return true;
    }
    if (!theme_find(&theme, name, &err)) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
        return false;
    }
    ui->screen.theme = theme;
    ui->screen.theme_automatic = false;
    theme_apply(&ui->screen.theme, ui->screen.mono);
    entry_text(ui, "theme", name);
    screen_resized(ui);
    return true;
}

// `seed 7`, `steps=20`, `pictures 3`; `seed` alone resets it: a new seed each time. False: the line
// names no parameter.
static bool
command_set(struct ui *ui, const char *line)
{
    struct err err = {0};
    const char *value;
    const struct parameter *p = parameter_named(line, &value);
    bool ok = true;
    if (!p)
        return false;
    if (*value)
        ok = session_offers(ui, p, value, &err) &&
             parameter_read(p, &ui->session->job, p->label, value, &err);
    else
        parameter_clear(p, &ui->session->job);
    session_check(ui);
    char *now = ok ? parameter_text(p, &ui->session->job) : NULL;
    const char *of = ui->view == VIEW_TEMPLATES ? "the instruction of 1; a template has its own"
                                                : "the next drawing";
    if (ok)
        ui_say(ui, ROLE_GOOD, "%s: %s, for %s", p->label, now ? now : "limn chooses", of);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    free(now);
    return true;
}

// The only request whose name starts with `name`, as `q` for quit; REQUEST_NONE: none, or several.
static enum request
request_by_prefix(const char *name)
{
    enum request found = REQUEST_NONE;
    for (int r = 1; r < REQUEST_COUNT; r++)
        if (*name && strncmp(request_name((enum request)r), name, strlen(name)) == 0) {
            if (found)
                return REQUEST_NONE;
            found = (enum request)r;
        }
    return found;
}

static void
report_unknown(struct ui *ui, const char *name, enum request request)
{
    enum { NAMES_MAX = REQUEST_COUNT + 100 };
    const char *names[NAMES_MAX] = {0};
    int n = 0;
    for (int r = 1; r < REQUEST_COUNT; r++)
        names[n++] = request_name((enum request)r);
    for (const struct parameter *p = parameters; p->name && n + 2 < NAMES_MAX; p++) {
        names[n++] = p->name;
        names[n++] = p->label;
    }
    const char *near = suggest(name, names);
    if (request)
        ui_say(ui, ROLE_ERROR, "%s does nothing here", request_name(request));
    else if (near)
        ui_say(ui, ROLE_ERROR, "unknown command '%s'; did you mean '%s'?", name, near);
    else
        ui_say(ui, ROLE_ERROR, "unknown command '%s'; Tab after the colon lists them", name);
}

// What people of other programs type.
static const char *
resolve_alias(const char *name)
{
    static const struct {
        const char *typed, *name;
    } aliases[] = {{"e", "open"}, {"h", "help"}, {"q!", "quit"}, {"w", "save"}, {"wq", "quit"}};
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (strcmp(name, aliases[i].typed) == 0)
            return aliases[i].name;
    return name;
}

static bool
takes_value(enum request request)
{
    switch (request) {
    case REQUEST_ADD:
    case REQUEST_CONTACT:
    case REQUEST_COPY:
    case REQUEST_DUPLICATE:
    case REQUEST_EXPORT:
    case REQUEST_FILTER:
    case REQUEST_GO:
    case REQUEST_NEW:
    case REQUEST_RATE:
    case REQUEST_RENAME:
    case REQUEST_SAVE:
    case REQUEST_TAG: return true;
    default: return false;
    }
}

// Makes the request, and gives `value` to what it asks for: `tag fox`, `rate 4`.
static bool
request_with_value(struct ui *ui, enum request request, const char *value)
{
    struct dialogue *d = &ui->dialogue;
    if (*value && !takes_value(request)) {
        ui_say(ui, ROLE_ERROR, "%s takes no value", request_name(request));
        return true;
    }
    if (!ui_request(ui, request))
        return false;
    if (*value && d->asking) {
        if (!value[1] && strchr(d->answers, *value)) {
            d->asking = false;
            d->answered(ui, *value);
        } // else the question stays, with its answers
    } else if (*value && d->prompting) {
        field_set(&d->prompt, value);
        dialogue_line_changed(ui);
        d->prompting = false;
        d->prompt_done(ui, value);
    }
    return true;
}

bool
ui_command(struct ui *ui, const char *line)
{
    char typed[40];
    line += strspn(line, " ");
    if (strncmp(line, "set ", 4) == 0)
        line += 4 + strspn(line + 4, " ");
    size_t n = strcspn(line, " ");
    snprintf(typed, sizeof typed, "%.*s", (int)MIN(n, sizeof typed - 1), line);
    const char *rest = line + n + strspn(line + n, " "), *name = resolve_alias(typed);
    enum request request = request_find(name);
    struct err err = {0};
    if (strcmp(name, "theme") == 0)
        return command_theme(ui, rest);
    if (strcmp(name, "cd") == 0) {
        ui_open_view(ui, VIEW_COMPOSE);
        files_go(ui, *rest ? rest : "~");
        return true;
    }
    if (strcmp(name, "train") == 0)
        return training_command(ui, rest);
    if (command_set(ui, line))
        return true;
    if ((strcmp(name, "open") == 0 || strcmp(name, "add") == 0) && *rest) {
        char *file = places_expand(rest);
        if (*name == 'a')
            session_add_picture(ui, file);
        else
            session_open(ui, file, false);
        free(file);
        return true;
    }
    if (strcmp(name, "save") == 0 && *rest) {
        if (session_save_template(ui, rest, &err))
            ui_say(ui, ROLE_GOOD, "saved as template %s", rest);
        else
            ui_say(ui, ROLE_ERROR, "%s", err.text);
        return true;
    }
    if (!request)
        request = request_by_prefix(name);
    if (request && request_with_value(ui, request, rest))
        return true;
    report_unknown(ui, name, request);
    return false;
}
