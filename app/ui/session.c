// SPDX-License-Identifier: MIT
// The instruction being assembled: checks it as it changes, keeps it in the library in case of a
// crash, hang-up or power cut, saves it as a template, and makes jobs of it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/places.h"
#include "app/job/parameters.h"
#include "app/job/template.h"
#include "app/library/library.h"
#include "app/ui/arrivals.h"
#include "app/ui/entry.h"
#include "app/ui/field.h"
#include "app/ui/reading.h"
#include "app/ui/session.h"
#include "app/ui/tasks.h"
#include "app/ui/ui.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

#define SAVE_SECONDS  1.0
#define RETRY_SECONDS 10.0 // after a failure, as when another program has locked the library
#define SAMPLE        "styled-subject"

struct session *
session_new(void)
{
    struct session *s = mem_zalloc(sizeof *s);
    s->job = JOB_EMPTY;
    s->text.lines = true;
    s->text.limit = LIMIT_INSTRUCTION_BYTES;
    return s;
}

void
session_free(struct session *s)
{
    if (!s)
        return;
    field_finish(&s->text);
    job_finish(&s->job);
    history_finish(&s->history);
    free(s);
}

// Drops pictures retrieved from an index for words that are no longer in the text.
static void
drop_unmentioned(struct job *j)
{
    for (int i = j->reference_count - 1; i >= 0; i--) {
        const struct job_reference *r = &j->references[i];
        char label[JOB_KEY_TEXT];
        job_reference_label(r, label);
        if (r->use == JOB_REFERENCE && r->retrieved && !strstr(j->instruction, label))
            job_remove(j, i);
    }
}

void
session_job(struct ui *ui, struct job *out)
{
    struct session *session = session_of(ui);
    job_copy(out, &session->job);
    free(out->instruction);
    // Line breaks are for writing; the model reads one line.
    out->instruction = mem_strdup(session->text.text);
    for (char *c = out->instruction; *c; c++)
        if (*c == '\n')
            *c = ' ';
    drop_unmentioned(out);
    out->id[0] = 0;
}

void
session_check(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct job j;
    struct err err = {0};
    session_job(ui, &j);
    session->fault[0] = 0;
    if (*j.instruction && !job_check_complete(&j, &err))
        snprintf(session->fault, sizeof session->fault, "%s", err.text);
    job_finish(&j);
    session->dirty = true;
    ui_redraw(ui);
}

void
session_snapshot(struct ui *ui, struct job *out)
{
    struct session *session = session_of(ui);
    job_copy(out, &session->job);
    free(out->instruction);
    out->instruction = mem_strdup(session->text.text ? session->text.text : "");
}

void
session_show(struct ui *ui, const struct job *j)
{
    struct session *session = session_of(ui);
    struct job copy;
    job_copy(&copy, j);
    job_finish(&session->job);
    session->job = copy;
    field_set(&session->text, copy.instruction);
    session_check(ui);
}

void
session_set(struct ui *ui, const struct job *j)
{
    struct session *session = session_of(ui);
    struct job shown;
    session_snapshot(ui, &shown);
    history_put(&session->history, &shown);
    job_finish(&shown);
    session_show(ui, j);
}

bool
session_step(struct ui *ui, int by)
{
    struct session *session = session_of(ui);
    struct job shown;
    session_snapshot(ui, &shown);
    const struct job *j = history_step(&session->history, &shown, by);
    job_finish(&shown);
    if (j)
        session_show(ui, j);
    return j != NULL;
}

static void
store_text(struct session *session)
{
    free(session->job.instruction);
    session->job.instruction = mem_strdup(session->text.text);
}

static void
save_on(struct ui *ui, struct background *b)
{
    struct session *session = session_of(ui);
    store_text(session);
    entry_instruction(ui, b);
    session->saving = true;
    session->dirty = false;
}

void
session_save(struct ui *ui, bool now)
{
    struct session *session = session_of(ui);
    bool early = !now && ui_now() < session->saved_at + SAVE_SECONDS;
    if (!ui_library(ui) || !session->dirty || session->saving || early)
        return;
    save_on(ui, ui_chores(ui));
}

void
session_save_on_arrivals(struct ui *ui)
{
    const struct session *session = session_of(ui);
    if (ui_library(ui) && (session->dirty || session->saving))
        save_on(ui, ui_arrivals(ui));
}

void
session_saved(struct ui *ui, const struct err *err)
{
    struct session *session = session_of(ui);
    bool ok = err->code == ERR_NONE;
    if (!ok && !session->save_failed)
        ui_log(ui, ROLE_WARNING, err->text);
    session->saving = false;
    session->save_failed = !ok;
    session->save_error = *err;
    session->dirty = session->dirty || !ok;
    session->saved_at = ui_now() + (ok ? 0 : RETRY_SECONDS);
}

bool
session_check_saved(struct ui *ui, bool all, struct err *err)
{
    struct session *session = session_of(ui);
    if (!ui_library(ui) || !(session->dirty || session->saving))
        return true;
    if (session->saving || !all)
        return err_set(err, ERR_IO, "the current instruction was not saved: the disk does not "
                       "respond");
    return err_set(err, session->save_error.code, "the current instruction was not saved: %s",
                   session->save_error.text);
}

// A reference with a file of its own is read again from it; another one needs its data, or is
// dropped.
static void
refresh_reference(struct job *j, int i)
{
    struct job_reference *r = &j->references[i];
    bool has_file = r->file && !r->embedded && !r->processed;
    if (has_file)
        job_drop_data(r);
    else if (!r->data)
        job_remove(j, i);
}

void
session_restore(struct ui *ui)
{
    struct session *session = session_of(ui);
    struct job j = JOB_EMPTY;
    if (ui_library(ui) && library_load_instruction(ui_library(ui), &j)) {
        for (int i = j.reference_count - 1; i >= 0; i--)
            refresh_reference(&j, i);
        session_set(ui, &j);
    } else {
        field_set(&session->text, "");
    }
    session->dirty = false;
    job_finish(&j);
}

static int
free_marker(const struct ui *ui)
{
    struct session *session = session_of(ui);
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER; k++) {
        bool used = false;
        for (int i = 0; i < session->job.reference_count; i++)
            used = used || (session->job.references[i].use == JOB_REFERENCE &&
                            session->job.references[i].marker == k);
        if (!used)
            return k;
    }
    return LIMIT_INSTRUCTION_MARKER;
}

void
session_add_picture(struct ui *ui, const char *file)
{
    struct arrival *a = arrival_new(ARRIVAL_ADDED);
    a->file = mem_strdup(file);
    background_put(ui_arrivals(ui), &a->work);
}

bool
session_arrived(struct ui *ui, const struct arrival *a)
{
    struct session *session = session_of(ui);
    const char *file = a->file;
    if (!a->kept) { // without the folder, which would push the reason off the line
        const char *slash = strrchr(file, '/'), *why = a->refused.text;
        bool named = slash && strncmp(why, file, strlen(file)) == 0;
        ui_say(ui, ROLE_ERROR, "%s", why + (named ? slash + 1 - file : 0));
        return false;
    }
    int marker = free_marker(ui);
    struct job_reference *r = job_add(&session->job, marker);
    if (!r) {
        ui_say(ui, ROLE_ERROR, "an instruction has at most %d references",
               LIMIT_INSTRUCTION_REFERENCES);
        return false;
    }
    r->file = realpath(file, NULL);
    if (!r->file)
        r->file = mem_strdup(file);
    char text[24];
    snprintf(text, sizeof text, "[ref#%d]", marker);
    if (!strstr(session->text.text, text)) {
        // Insert it at the cursor, with spaces around it.
        size_t at = session->text.cursor;
        bool left = at > 0 && !strchr(" \n", session->text.text[at - 1]);
        bool right = session->text.text[at] && !strchr(" \n.,:;!?)", session->text.text[at]);
        char *padded = mem_printf("%s%s%s", left ? " " : "", text, right ? " " : "");
        field_insert(&session->text, padded);
        free(padded);
    }
    session_check(ui);
    ui_say(ui, ROLE_GOOD, "%s is %s; its loader is set in the references", text,
           strrchr(r->file, '/') ? strrchr(r->file, '/') + 1 : r->file);
    return true;
}

// --- drawing

// Drawn from an empty composer: a template that shows what limn is for, with the parameters that
// have been set.
static bool
sample_job(const struct ui *ui, struct job *j, struct err *err)
{
    char *path = template_locate(SAMPLE, err);
    struct template t = {0};
    bool ok = path && template_read(&t, path, err) && template_job(&t, j, err);
    for (const struct parameter *p = parameters; p->name; p++)
        if (parameter_is_set(p, &session_of(ui)->job))
            parameter_copy(p, j, &session_of(ui)->job);
    template_finish(&t);
    free(path);
    return ok;
}

void
session_begin(struct ui *ui, struct reading *r)
{
    if (r->err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", r->err.text);
        return;
    }
    if (task_start(ui, &r->jobs[0], NULL) && reading_is_current(ui, r)) {
        ui_open_view(ui, VIEW_LIVE);
        if (tasks_of(ui)->paused)
            ui_say(ui, ROLE_WARNING, "it waits: the queue is paused, %s continues",
                   request_keys(ui_view(ui), REQUEST_PAUSE));
    }
}

static void
begin_sample(struct ui *ui, struct reading *r)
{
    session_begin(ui, r);
    if (r->err.code == ERR_NONE)
        ui_say(ui, ROLE_GOOD, "a sample: 4 lists templates, 1 is where you write your own");
}

// Removes the braces of {{variables}}: without a template or a sweep they are plain words.
static void
strip_braces(char *text)
{
    char *out = text;
    for (const char *p = text; *p;) {
        bool braces = strncmp(p, "{{", 2) == 0 || strncmp(p, "}}", 2) == 0;
        if (!braces)
            *out++ = *p;
        p += braces ? 2 : 1;
    }
    *out = 0;
}

const char *
session_model_name(const struct ui *ui)
{
    const char *given = session_of(ui)->job.model;
    const char *here = ui_host(ui) ? PLACES_OWN_MODEL : places_model_name(NULL);
    return given ? given : jv_string(jv_get(ui_machine(ui), "model"), here);
}

const struct jv *
session_model(const struct ui *ui)
{
    const char *name = session_model_name(ui);
    const struct jv *models = jv_get(ui_machine(ui), "models");
    for (size_t i = 0; i < jv_size(models); i++) {
        const struct jv *m = jv_at(models, i);
        if (strcmp(jv_string(jv_get(m, "name"), ""), name) == 0 ||
            strcmp(jv_string(jv_get(m, "folder"), ""), name) == 0)
            return m;
    }
    return NULL;
}

// Small models follow pictures better than words. limn's own model is known to have an index even
// before the worker has described it.
void
session_enable_retrieval(const struct ui *ui, struct job *j)
{
    bool own = !ui_machine(ui) && strcmp(session_model_name(ui), PLACES_OWN_MODEL) == 0;
    if (j->retrieve < 0 && !job_count(j, JOB_REFERENCE) && *j->instruction &&
        jv_bool(jv_get(session_model(ui), "index"), own))
        j->retrieve = 1;
}

void
session_draw(struct ui *ui)
{
    struct reading *r = reading_new(1, session_begin);
    struct job *j = &r->jobs[0];
    struct err err = {0};
    session_job(ui, j);
    strip_braces(j->instruction);
    session_enable_retrieval(ui, j);
    bool ok = true;
    if (!*j->instruction && !j->reference_count) {
        job_finish(j);
        ok = sample_job(ui, j, &err);
        r->then = begin_sample;
    } else if (!*j->instruction) {
        ok = err_set(&err, ERR_INPUT, "there is no instruction yet; press i to write one");
    }
    if (ok) {
        job_resolve(j);
        ok = job_check_complete(j, &err);
    }
    if (ok) {
        reading_put(ui, r);
    } else {
        bool shown = ui_view(ui) == VIEW_COMPOSE && strcmp(session_of(ui)->fault, err.text) == 0;
        ui_say(ui, ROLE_ERROR, "%s",
               shown ? "not drawn: the reason is below the instruction" : err.text);
        r->work.release(&r->work);
    }
    session_save(ui, true);
}

// --- templates

bool
session_save_template(struct ui *ui, const char *name, struct err *err)
{
    struct job j;
    char **places = places_of("templates");
    session_job(ui, &j);
    bool ok = template_save(&j, places[0], name, "saved from the composer", err);
    places_free(places);
    job_finish(&j);
    return ok;
}
