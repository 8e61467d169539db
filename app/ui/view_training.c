// SPDX-License-Identifier: MIT
// The view of training runs, running or finished. The library keeps their folders; curves follow
// logs as they grow. Runs in the background (limn train --detach) are listed by the worker, and
// started, stopped and resumed here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/library/library.h"
#include "app/ui/entry.h"
#include "app/ui/session.h"
#include "app/ui/training.h"
#include "app/worker/client.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

enum { RUNNING_SECONDS = 120 }; // since its log last changed

struct training *
training_of(const struct ui *ui)
{
    return ui_state(ui, VIEW_TRAINING);
}

struct run *
training_chosen(const struct ui *ui)
{
    struct training *t = training_of(ui);
    t->selected = MAX(0, MIN(t->selected, t->count - 1));
    return t->count ? &t->runs[t->selected] : NULL;
}

static void
save_runs(struct ui *ui)
{
    struct training *t = training_of(ui);
    char *all = mem_strdup("");
    for (int i = 0; i < t->count; i++) {
        if (t->runs[i].copied || !t->runs[i].log.folder)
            continue;
        char *longer = mem_printf("%s%s\n", all, t->runs[i].folder);
        free(all);
        all = longer;
    }
    entry_text(ui, "trainings", all);
    free(all);
}

static void
free_run(struct run *r)
{
    if (r->log.folder)
        trainlog_close(&r->log);
    free(r->folder);
    free(r->requested);
    jv_free(r->job);
    *r = (struct run){0};
}

static void
remove_at(struct ui *ui, int at)
{
    struct training *t = training_of(ui);
    free_run(&t->runs[at]);
    memmove(&t->runs[at], &t->runs[at + 1], (size_t)(--t->count - at) * sizeof *t->runs);
    t->runs[t->count] = (struct run){0};
    save_runs(ui);
}

// The run in a folder, added at the end of the list if it is new; NULL: the list is full.
static struct run *
find_or_add_run(struct ui *ui, const char *folder, struct err *err)
{
    struct training *t = training_of(ui);
    char *real = realpath(folder, NULL);
    const char *name = real ? real : folder;
    struct run *found = NULL;
    for (int i = 0; i < t->count && !found; i++)
        if (strcmp(t->runs[i].folder, name) == 0)
            found = &t->runs[i];
    if (!found && t->count == TRAININGS_MAX) {
        err_set(err, ERR_INPUT, "at most %d training runs are shown; x takes one off the list",
                TRAININGS_MAX);
    } else if (!found) {
        found = &t->runs[t->count++];
        found->folder = mem_strdup(name);
    }
    free(real);
    return found;
}

static bool
add(struct ui *ui, const char *folder, struct err *err)
{
    struct training *t = training_of(ui);
    struct run *r = find_or_add_run(ui, folder, err);
    if (!r)
        return false;
    if (!r->log.folder && !trainlog_open(&r->log, r->folder, err)) {
        if (!r->job)
            remove_at(ui, (int)(r - t->runs));
        return false;
    }
    t->selected = (int)(r - t->runs);
    return true;
}

void
training_request_jobs(struct ui *ui)
{
    training_of(ui)->requested_at = ui_now();
    client_commands(ui_client(ui));
}

void
training_load(struct ui *ui)
{
    struct training *t = training_of(ui);
    if (t->loaded)
        return;
    t->loaded = true;
    training_restore_curve(ui);
    if (ui_host(ui))
        training_sweep_copies(ui);
    struct library *library = ui_library(ui);
    char *kept = library ? library_get_value(library, "trainings", NULL) : NULL, *left = NULL;
    for (char *line = kept ? strtok_r(kept, "\n", &left) : NULL; line;
         line = strtok_r(NULL, "\n", &left))
        add(ui, line, NULL); // missing ones are left out
    free(kept);
    add(ui, "run", NULL); // limn train's default output, in the current folder
    t->selected = 0;
}

static void
open_training(struct ui *ui)
{
    training_request_jobs(ui);
    training_load(ui);
}

static void
close_training(struct ui *ui)
{
    struct training *t = training_of(ui);
    if (t->loaded)
        save_runs(ui);
    for (int i = 0; i < t->count; i++)
        free_run(&t->runs[i]);
}

// --- the worker's runs

// The folder of a job's log on this machine; NULL: unknown.
static char *
folder_of(const struct ui *ui, const struct jv *job)
{
    const char *id = jv_string(jv_get(job, "id"), "");
    const char *output = jv_string(jv_get(jv_get(job, "about"), "output"), NULL);
    if (!job_is_id(id) || !output)
        return NULL;
    if (ui_host(ui))
        return training_copy_folder(ui, id);
    return output[0] == '/' ? mem_strdup(output)
                            : file_join(jv_string(jv_get(job, "folder"), "/"), output);
}

struct run *
training_run(const struct ui *ui, const char *id)
{
    struct training *t = training_of(ui);
    for (int i = 0; i < t->count; i++)
        if (t->runs[i].job && strcmp(jv_string(jv_get(t->runs[i].job, "id"), ""), id) == 0)
            return &t->runs[i];
    return NULL;
}

// Assigns a job to the run in its folder, unless that has a newer one.
static void
assign_job(struct ui *ui, const struct jv *job)
{
    struct training *t = training_of(ui);
    const char *id = jv_string(jv_get(job, "id"), "");
    char *folder = folder_of(ui, job);
    struct run *r = training_run(ui, id);
    if (!r && folder)
        r = find_or_add_run(ui, folder, NULL);
    const char *known = r ? jv_string(jv_get(r->job, "id"), "") : "";
    if (r && strcmp(known, id) <= 0) {
        bool first = !r->job;
        jv_free(r->job);
        r->job = jv_copy(job);
        r->copied = ui_host(ui) && folder && training_is_copy(ui, r);
        if (!r->log.folder)
            trainlog_open(&r->log, r->folder, NULL);
        if (first && strcmp(t->started_id, id) == 0)
            t->selected = (int)(r - t->runs);
    }
    free(folder);
}

static const char *
id_of(const struct run *r)
{
    return jv_string(jv_get(r->job, "id"), "");
}

// Sorts the newest first (ids begin with the time), in a stable order across sessions; runs without
// a job come last, in their previous order. The selection stays.
static void
sort_runs(struct training *t)
{
    for (int i = 1; i < t->count; i++)
        for (int k = i; k > 0 && strcmp(id_of(&t->runs[k - 1]), id_of(&t->runs[k])) < 0; k--) {
            struct run moved = t->runs[k];
            t->runs[k] = t->runs[k - 1];
            t->runs[k - 1] = moved;
            t->selected = t->selected == k ? k - 1 : t->selected == k - 1 ? k : t->selected;
        }
}

static void
assign_jobs(struct ui *ui, const struct jv *jobs)
{
    struct training *t = training_of(ui);
    for (size_t i = 0; i < jv_size(jobs); i++) // the newest first
        assign_job(ui, jv_at(jobs, i));
    // A job that the worker no longer lists leaves a mere folder, or nothing.
    for (int i = t->count - 1; i >= 0; i--) {
        bool listed = false;
        for (size_t k = 0; t->runs[i].job && k < jv_size(jobs); k++)
            listed = listed || strcmp(jv_string(jv_get(jv_at(jobs, k), "id"), ""),
                                      jv_string(jv_get(t->runs[i].job, "id"), "")) == 0;
        if (!t->runs[i].job || listed)
            continue;
        jv_free(t->runs[i].job);
        t->runs[i].job = NULL;
        if (t->runs[i].copied || !t->runs[i].log.folder)
            remove_at(ui, i);
    }
    sort_runs(t);
}

const char *
training_state(const struct run *r)
{
    return jv_string(jv_get(r->job, "state"), "");
}

bool
training_is_running(const struct run *r)
{
    if (r->job)
        return strcmp(training_state(r), "running") == 0;
    return r->log.folder && time(NULL) - r->log.changed < RUNNING_SECONDS;
}

static void
on_event(struct ui *ui, struct client_event *e)
{
    struct training *t = training_of(ui);
    bool ours = *t->started_id && strcmp(e->id, t->started_id) == 0;
    const struct jv *names = e->type == CLIENT_HELLO ? jv_get(e->data, "commands") : NULL;
    for (size_t i = 0; i < jv_size(names); i++)
        t->able = t->able || strcmp(jv_string(jv_at(names, i), ""), "train") == 0;
    if (e->type == CLIENT_COMMANDS)
        assign_jobs(ui, jv_get(e->data, "jobs"));
    if (e->type == CLIENT_CHANGED || e->type == CLIENT_RUNNING || e->type == CLIENT_ENDED ||
        (e->type == CLIENT_HELLO && t->loaded))
        training_request_jobs(ui);
    if (e->type == CLIENT_RUNNING && ours)
        ui_say(ui, ROLE_GOOD,
               "running in the background, even after limn exits: x stops it");
    if (e->type == CLIENT_ENDED && ours)
        ui_say(ui, ROLE_ERROR, "%s", jv_string(jv_get(e->data, "text"), "it could not start"));
    if (e->type == CLIENT_LOST)
        for (int i = 0; i < t->count; i++)
            free(t->runs[i].requested), t->runs[i].requested = NULL;
    if (e->type == CLIENT_PIECE)
        training_on_piece(ui, e);
}

// --- results

// Of another machine's run only the output folder is known, and whether the run is done.
static char *
remote_result(const struct run *r)
{
    const char *output = jv_string(jv_get(jv_get(r->job, "about"), "output"), NULL);
    if (!output || strcmp(training_state(r), "done") != 0)
        return NULL;
    const char *folder = jv_string(jv_get(r->job, "folder"), "/");
    return output[0] == '/' ? mem_printf("%s/model", output)
                            : mem_printf("%s/%s/model", folder, output);
}

char *
training_result(const struct ui *ui, const struct run *r, bool *is_lora)
{
    *is_lora = false;
    if (ui_host(ui) || r->copied)
        return ui_host(ui) ? remote_result(r) : NULL;
    char *lora = file_join(r->folder, "lora.safetensors"), *model = file_join(r->folder, "model");
    char *index = file_join(model, "model_index.json");
    *is_lora = file_exists(lora);
    char *found = *is_lora ? mem_strdup(lora) : file_exists(index) ? mem_strdup(model) : NULL;
    free(index);
    free(model);
    free(lora);
    return found;
}

int
training_models(struct ui *ui, char **out, int room)
{
    struct training *t = training_of(ui);
    int n = 0;
    training_load(ui);
    for (int i = 0; i < t->count && n < room; i++) {
        bool is_lora;
        char *made = training_result(ui, &t->runs[i], &is_lora);
        if (made && !is_lora)
            out[n++] = made;
        else
            free(made);
    }
    return n;
}

void
training_use(struct ui *ui, const struct run *r)
{
    struct job *j = &session_of(ui)->job;
    bool is_lora;
    char *made = training_result(ui, r, &is_lora);
    char **field = is_lora ? &j->lora : &j->model;
    if (!made) {
        ui_say(ui, ROLE_STATUS, "it has no model yet: it saves one with its first sheet and at its "
                                "end");
        return;
    }
    bool same = *field && strcmp(*field, made) == 0;
    free(*field);
    *field = same ? NULL : made;
    if (same) {
        free(made);
        ui_say(ui, ROLE_GOOD, "the next drawing is made without it");
    } else {
        ui_say(ui, ROLE_GOOD, "the next drawing is made with it: 1 and write, or 4 for a template");
    }
    session_check(ui);
}

// --- requests

static void
add_done(struct ui *ui, const char *text)
{
    struct err err = {0};
    if (text && *text && !add(ui, text, &err))
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    save_runs(ui);
}

static void
stop_answered(struct ui *ui, char answer)
{
    struct run *r = training_chosen(ui);
    if (answer != 'y' || !r || !r->job)
        return;
    client_interrupt(ui_client(ui), id_of(r));
    ui_say(ui, ROLE_STATUS, "it saves and stops after this step");
}

static void
remove_run(struct ui *ui, struct run *r)
{
    if (r->job && training_is_running(r)) {
        ui_ask(ui, "save and stop this training run? y", "y", stop_answered);
        return;
    }
    if (r->job)
        client_remove(ui_client(ui), id_of(r));
    if (r->copied)
        training_remove_copy(r->folder);
    remove_at(ui, training_of(ui)->selected);
}

static void
resume(struct ui *ui, struct run *r)
{
    if (!r->job) {
        ui_say(ui, ROLE_ERROR, "limn's worker did not start it: start one with n and `resume`");
    } else if (training_is_running(r)) {
        ui_say(ui, ROLE_ERROR, "it is already running");
    } else {
        snprintf(training_of(ui)->started_id, JOB_ID_TEXT, "%s",
                 jv_string(jv_get(r->job, "id"), ""));
        client_resume(ui_client(ui), id_of(r));
    }
}

static bool
on_request(struct ui *ui, enum request request)
{
    struct training *t = training_of(ui);
    struct run *r = training_chosen(ui);
    switch (request) {
    case REQUEST_UP: t->selected--; break;
    case REQUEST_DOWN: t->selected++; break;
    case REQUEST_FIRST: t->selected = 0; break;
    case REQUEST_LAST: t->selected = t->count - 1; break;
    case REQUEST_LEFT:
    case REQUEST_EARLIER: t->back++; break;
    case REQUEST_RIGHT:
    case REQUEST_LATER: t->back--; break;
    case REQUEST_ADD: ui_prompt(ui, "folder of a training run: ", "", add_done); break;
    case REQUEST_NEW: training_form(ui); break;
    case REQUEST_REMOVE:
        if (r)
            remove_run(ui, r);
        break;
    case REQUEST_RESUME:
        if (r)
            resume(ui, r);
        break;
    case REQUEST_ENTER:
        if (r)
            training_use(ui, r);
        break;
    default: return false;
    }
    return true;
}

static const enum request hints[] = {REQUEST_NEW,  REQUEST_ENTER, REQUEST_ADD, REQUEST_REMOVE,
                                     REQUEST_RESUME, REQUEST_EARLIER, REQUEST_LATER,
                                     REQUEST_BACK, REQUEST_HELP,  REQUEST_NONE};

static const struct view_word words[] = {
    {REQUEST_ENTER, "draw with it"},
    {REQUEST_ADD, "add folder"},
    {REQUEST_REMOVE, "stop"},
    {REQUEST_EARLIER, "sheet before"},
    {REQUEST_LATER, "sheet after"},
    {REQUEST_NONE, NULL},
};

const struct view view_training = {
    .name = "training",
    .title = "training runs and their curves",
    .state_size = sizeof(struct training),
    .open = open_training,
    .close = close_training,
    .draw = training_draw,
    .request = on_request,
    .event = on_event,
    .hints = hints,
    .words = words,
};
