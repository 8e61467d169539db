// SPDX-License-Identifier: MIT
// The UI's start, its loop, the worker's events, and its end.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/base/threads.h"
#include "app/cli/commands.h"
#include "app/ui/screen.h"
#include "app/ui/ui_parts.h"
#include "app/ui/view.h"
#include "engine/base/mem.h"

enum { RESTARTS_MAX = 5, SETTLE_MS = 50, LAST_SECONDS = 10 };

const struct view *const views[VIEW_COUNT] = {
#define VIEW(id, variable, request) &variable,
#include "app/ui/views.def"
#undef VIEW
};

double
ui_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// --- the UI's parts, for the views

void
ui_redraw(struct ui *ui)
{
    ui->dirty = true;
}

void
ui_wake(struct ui *ui, double when)
{
    ui->wake = when;
}

enum view_id
ui_view(const struct ui *ui)
{
    return ui->view;
}

enum view_id
ui_previous_view(const struct ui *ui)
{
    return ui->previous_view;
}

void *
ui_state(const struct ui *ui, enum view_id view)
{
    return ui->state[view];
}

struct session *
session_of(const struct ui *ui)
{
    return ui->session;
}

struct tasks *
tasks_of(const struct ui *ui)
{
    return ui->tasks;
}

struct client *
ui_client(const struct ui *ui)
{
    return ui->worker.client;
}

const char *
ui_host(const struct ui *ui)
{
    return ui->worker.host;
}

const struct jv *
ui_loaders(const struct ui *ui)
{
    return ui->worker.loaders;
}

const struct jv *
ui_machine(const struct ui *ui)
{
    return ui->worker.machine;
}

struct library *
ui_library(const struct ui *ui)
{
    return ui->library;
}

struct background *
ui_arrivals(const struct ui *ui)
{
    return ui->arrivals;
}

struct background *
ui_chores(const struct ui *ui)
{
    return ui->chores;
}

int
ui_keys(const struct ui *ui)
{
    return ui->keys;
}

struct window_link *
ui_window(const struct ui *ui)
{
    return ui->window;
}

// --- the worker

static void
on_lost(struct ui *ui, const char *how)
{
    ui->worker.lost = true;
    ui->worker.failures++;
    ui->worker.restart =
        ui_now() + (ui->worker.failures > 1 ? MIN(1 << ui->worker.failures, 30) : 0.2);
    if (ui->worker.failures > RESTARTS_MAX) {
        ui->worker.restart = 1e300;
        ui_say(ui, ROLE_ERROR,
               "%s; it will not be restarted: quit limn and start it again", how);
    } else {
        ui_say(ui, ROLE_ERROR, "%s; restarting it%s", how,
               tasks_unfinished(ui) ? " and resubmitting its jobs" : "");
    }
}

static void
restart_worker(struct ui *ui)
{
    struct err err = {0};
    if (!ui->worker.lost || ui_now() < ui->worker.restart)
        return;
    ui->worker.lost = false;
    if (client_restart(ui->worker.client, &err))
        tasks_offer_lost(ui);
    else
        on_lost(ui, err.text);
}

void
ui_arrived(struct ui *ui, struct arrival *a)
{
    ui->dirty = true;
    if (a->kind == ARRIVAL_RESULT || a->kind == ARRIVAL_EARLIER)
        task_arrived(ui, a);
    if (a->kind == ARRIVAL_ADDED)
        a->kept = session_arrived(ui, a);
    for (int i = 0; i < VIEW_COUNT; i++)
        if (views[i]->arrived)
            views[i]->arrived(ui, a);
}

static void
finish_one(struct ui *ui, struct work *w)
{
    ui->dirty = true;
    w->done(ui, w);
    w->release(w);
}

void
ui_finish_work(struct ui *ui)
{
    struct work *w;
    // Take quick results before the next key, so that keys typed ahead find the expected state.
    background_wait(ui->chores, SETTLE_MS);
    while ((w = background_next(ui->chores)) || (w = background_next(ui->arrivals)))
        finish_one(ui, w);
}

static void
finish_work_until(struct ui *ui, double until)
{
    struct work *w;
    while ((w = background_drain(ui->arrivals, until)) ||
           (w = background_drain(ui->chores, until))) {
        finish_one(ui, w);
        if (!ui->session->save_failed) // it may have changed during the write
            session_save(ui, true);
    }
}

// Keeps at exit what has arrived, the changes to the library, and the composer's instruction. What
// then still waits is held up by a locked library or a disk that does not respond. False: something
// does.
static bool
finish_at_exit(struct ui *ui, struct err *err)
{
    double now = ui_now();
    session_save(ui, true);
    finish_work_until(ui, now + LAST_SECONDS / 2.0);
    if (background_busy(ui->chores))
        session_save_on_arrivals(ui);
    finish_work_until(ui, now + LAST_SECONDS);
    bool all = !background_busy(ui->arrivals) && !background_busy(ui->chores);
    if (session_check_saved(ui, all, err) && !all)
        err_set(err, ERR_IO, "limn exited with work unfinished: a disk does not respond");
    return all;
}

static void
on_event(struct ui *ui, struct client_event *e)
{
    ui->dirty = true;
    task_event(ui, e);
    if (e->type == CLIENT_LOADERS || e->type == CLIENT_DESCRIBED) {
        bool loaders = e->type == CLIENT_LOADERS;
        struct jv **keep = loaders ? &ui->worker.loaders : &ui->worker.machine;
        jv_free(*keep);
        *keep = jv_copy(loaders ? jv_get(e->data, "loaders") : e->data);
        if (!loaders) {
            material_described(ui);
            session_described(ui);
        }
    }
    if (e->type == CLIENT_LOG) {
        const char *level = jv_string(jv_get(e->data, "level"), "");
        const char *text = jv_string(jv_get(e->data, "text"), "");
        if (strcmp(level, "notice") == 0)
            ui_say(ui, ROLE_WARNING, "%s", text);
        else
            ui_log(ui, strcmp(level, "error") == 0 ? ROLE_ERROR : ROLE_DIM, text);
    }
    if (e->type == CLIENT_DONE)
        ui->worker.failures = 0;
    if (e->type == CLIENT_LOST)
        on_lost(ui, e->err.text);
    for (int i = 0; i < VIEW_COUNT; i++)
        if (views[i]->event && ui->state[i])
            views[i]->event(ui, e);
}

// --- the loop

static int
timeout_of(const struct ui *ui)
{
    double wait = 3600;
    int canvas = canvas_wait(ui->screen.canvas);
    if (canvas >= 0)
        wait = canvas * 1e-3;
    if (ui->session->dirty || ui->input.paste)
        wait = MIN(wait, 1);
    if (script_wait(ui->script) >= 0)
        wait = MIN(wait, script_wait(ui->script));
    if (ui->worker.lost)
        wait = MIN(wait, MAX(ui->worker.restart - ui_now(), 0));
    if (ui->wake > 0)
        wait = MIN(wait, MAX(ui->wake - ui_now(), 0));
    return wait > 3000 ? -1 : (int)(wait * 1e3 + 0.999);
}

// Whether the worker's events must wait, because enough work is queued.
static bool
is_full(const struct ui *ui)
{
    return background_full(ui->arrivals) || ui->tasks->recovering;
}

static bool
wait_for_events(struct ui *ui)
{
    int keys = script_is_headless(ui->script) ? -1 : STDIN_FILENO;
    struct pollfd fds[4 + CLIENT_FDS + 1] = {{.fd = keys, .events = POLLIN},
                                             {.fd = pictures_fd(ui->pictures), .events = POLLIN},
                                             {.fd = background_fd(ui->arrivals), .events = POLLIN},
                                             {.fd = background_fd(ui->chores), .events = POLLIN}};
    bool full = is_full(ui);
    int count = 4 + (full ? 0 : client_fds(ui->worker.client, fds + 4));
    if (ui->window)
        fds[count++] = (struct pollfd){.fd = window_link_fd(ui->window), .events = POLLIN};
    bool now = ui->dirty || (!full && client_has_buffered(ui->worker.client));
    if (poll(fds, (nfds_t)count, now ? 0 : timeout_of(ui)) < 0)
        return true; // a signal, which the loop handles
    if (fds[1].revents) {
        pictures_ready(ui->pictures);
        ui->dirty = true;
    }
    return !(fds[0].revents & (POLLHUP | POLLERR));
}

static bool
loop(struct ui *ui, struct err *err)
{
    while (!ui->quit) {
        struct client_event e;
        if (!frame_show(ui, err) || (ui->script && !script_turn(ui->script, ui, err)))
            return false;
        if (!wait_for_events(ui) || screen_gone())
            return false;
        keys_read(ui);
        if (input_paste_is_late(ui))
            input_paste_end(ui);
        screen_suspend_if_requested(ui);
        if (atomic_exchange(&command_interrupted, 0))
            ui_request(ui, REQUEST_QUIT);
        ui_finish_work(ui);
        while (!is_full(ui) && client_next(ui->worker.client, &e)) {
            on_event(ui, &e);
            client_event_free(&e);
        }
        ui_poll_window(ui);
        restart_worker(ui);
        session_save(ui, false);
        ui->dirty = ui->dirty || (ui->wake > 0 && ui_now() >= ui->wake);
    }
    return true;
}

static void
finish(struct ui *ui)
{
    window_link_close(ui->window);
    form_free(ui->dialogue.form);
    for (int i = 0; i < VIEW_COUNT; i++) {
        if (views[i]->close)
            views[i]->close(ui);
        free(ui->state[i]);
    }
    tasks_free(ui->tasks);
    session_free(ui->session);
    for (int i = 0; i < ui->dialogue.log_count; i++)
        free(ui->dialogue.log[i].text);
    jv_free(ui->worker.loaders);
    jv_free(ui->worker.machine);
    palette_free(ui->dialogue.palette);
    field_finish(&ui->dialogue.prompt);
    pictures_close(ui->pictures);
    background_close(ui->arrivals);
    background_close(ui->chores);
    library_close(ui->library);
    free(ui->input.paste);
    script_close(ui->script);
    material_free(ui->material);
    free(ui->worker.host);
    free(ui);
}

static void
open_library(struct ui *ui)
{
    struct err err = {0};
    char *notice = NULL;
    ui->library = library_open(NULL, &notice, &err);
    if (notice || !ui->library)
        ui_say(ui, ROLE_WARNING, "%s%s", notice ? notice : err.text,
               notice ? "" : " (limn continues without its library)");
    free(notice);
}

static bool
start_background(struct ui *ui, struct err *err)
{
    ui->arrivals = background_open(ui->library, err);
    ui->chores = ui->arrivals ? background_open(ui->library, err) : NULL;
    return ui->chores != NULL;
}

// The threads open the library for themselves; if they cannot, limn continues without it.
static bool
open_background(struct ui *ui, struct err *err)
{
    struct err own = {0};
    if (start_background(ui, &own))
        return true;
    if (!ui->library)
        return err_set(err, own.code, "%s", own.text);
    ui_say(ui, ROLE_WARNING, "%s (limn continues without its library)", own.text);
    background_close(ui->arrivals);
    library_close(ui->library);
    ui->library = NULL;
    return start_background(ui, err);
}

// Before the screen is taken over, so that ssh can ask for a password.
static bool
connect_worker(struct ui *ui, struct err *err)
{
    struct client_params p = {.host = ui->worker.host};
    ui->worker.client = client_open(&p, err);
    if (!ui->worker.client || !ui->worker.host)
        return ui->worker.client != NULL;
    fprintf(stderr, "limn: connecting to %s …\n", ui->worker.host);
    while (!client_ready(ui->worker.client)) {
        struct client_event e;
        client_wait(ui->worker.client, -1);
        while (!is_full(ui) && client_next(ui->worker.client, &e)) {
            bool lost = e.type == CLIENT_LOST;
            if (lost)
                err_set(err, e.err.code, "%s", e.err.text);
            else
                on_event(ui, &e);
            client_event_free(&e);
            if (lost)
                return false;
        }
        if (atomic_load(&command_interrupted))
            return err_set(err, ERR_CANCELLED, "stopped");
    }
    return true;
}

// By $COLORFGBG, which some terminals set: "15;0", foreground and background; 7 and 15 are white.
static bool
background_is_light(void)
{
    const char *value = getenv("COLORFGBG"), *background = value ? strrchr(value, ';') : NULL;
    return background && (strcmp(background, ";7") == 0 || strcmp(background, ";15") == 0);
}

// The option, else $LIMN_THEME, else the last one set, else one that suits the terminal.
static bool
choose_theme(struct ui *ui, const char *option, struct err *err)
{
    char *kept = ui->library ? library_get_value(ui->library, "theme", NULL) : NULL;
    const char *environment = getenv("LIMN_THEME");
    const char *name = option                        ? option
                       : environment && *environment ? environment
                       : kept                        ? kept
                                                     : background_is_light() ? "light" : "dark";
    ui->screen.theme_automatic = name != option && name != environment && name != kept;
    bool ok = theme_find(&ui->screen.theme, name, err);
    if (!ok && !option) { // a missing theme must not keep limn from starting
        err_clear(err);
        ok = theme_find(&ui->screen.theme, "dark", err);
    }
    free(kept);
    return ok;
}

static void
load_keys(struct ui *ui)
{
    struct err err = {0};
    if (!keys_load(&err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
}

static bool
open_script(struct ui *ui, const char *file, struct err *err)
{
    ui->script = file ? script_open(file, err) : NULL;
    return !file || ui->script;
}

int
ui_run(const struct ui_params *params)
{
    struct ui *ui = mem_zalloc(sizeof *ui);
    struct err err = {0};
    threads_shorten_slice();
    ui->screen.preview = params->plain ? "none" : params->preview;
    draw_set_plain(params->plain);
    ui->worker.host = params->host ? mem_strdup(params->host) : NULL;
    ui->session = session_new();
    ui->material = material_new();
    ui->tasks = mem_zalloc(sizeof *ui->tasks);
    for (int i = 0; i < VIEW_COUNT; i++)
        ui->state[i] = mem_zalloc(MAX(1, views[i]->state_size));
    ui->pictures = pictures_open(&err);
    open_library(ui);
    bool threads = ui->pictures && open_background(ui, &err);
    session_restore(ui);
    load_keys(ui);
    tasks_restore(ui);
    bool all = true, ok = threads && open_script(ui, params->script, &err) &&
                          choose_theme(ui, params->theme, &err) && connect_worker(ui, &err) &&
                          screen_start(ui, ui->screen.preview, &err);
    if (ok) {
        struct err last = {0};
        ui_open_view(ui, VIEW_COMPOSE);
        loop(ui, &err);
        all = finish_at_exit(ui, &last);
        screen_stop(ui);
        if (screen_gone())
            err_clear(&err);
        else if (err.code == ERR_NONE)
            err = last;
    }
    client_close(ui->worker.client);
    int code = err.code == ERR_NONE ? 0 : command_failed(&err);
    if (!all) // joining a thread that waits for a disk could take forever
        _exit(code);
    finish(ui);
    return code;
}
