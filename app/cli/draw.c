// SPDX-License-Identifier: MIT
#include "app/cli/draw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/library/library.h"
#include "app/job/sweep_sheet.h"
#include "app/window/window_link.h"
#include "app/worker/client.h"
#include "app/worker/spool.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "loaders/look.h"
#include "renderer/preview.h"

struct drawing {
    const struct draw_item *items;
    int count, current;
    const struct job *job; // the current one's
    struct sweep_sheet sheet; // a cell an item; none: no sheet
    const struct draw_params *params;
    struct client *client;
    struct preview *preview;
    struct window_link *window; // NULL: none
    bool terminal;              // progress on standard error
    bool standard;              // the picture goes to standard output
    struct library *library;    // NULL: none
    char *last_notice;          // the last notice that was said
    bool finished, stopping;
    int written;
};

static void
clear_progress(const struct drawing *d)
{
    if (d->terminal && !d->params->quiet && !d->params->json)
        fputs("\r\033[K", stderr);
}

static bool
on_progress(struct drawing *d, const struct client_event *e, struct err *err)
{
    struct err gone = {0}; // a window that is closed is no reason to stop
    if (d->preview && e->image && !preview_frame(d->preview, e->image, e->step, e->total, err))
        return false;
    if (d->window && e->image)
        window_link_frame(d->window, e->image, e->step, e->total);
    if (d->window && !window_link_turn(d->window, &gone)) {
        window_link_close(d->window);
        d->window = NULL;
    }
    if (d->params->json) {
        printf("{\"event\":\"progress\",\"step\":%d,\"total\":%d,\"seconds\":%.3f}\n", e->step,
               e->total, e->seconds);
        fflush(stdout);
    } else if (!d->params->quiet && d->terminal) {
        double left = e->step ? e->seconds / e->step * (e->total - e->step) : 0;
        fprintf(stderr, "\r\033[K%d/%d  %.1f steps/s  %.1f s left", e->step, e->total,
                e->seconds > 0 ? e->step / e->seconds : 0, left);
    }
    return true;
}

static size_t
stem_length(const char *path)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    return dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
}

static char *
numbered_name(const char *path, int number)
{
    size_t stem = stem_length(path);
    return mem_printf("%.*s-%d%s", (int)stem, path, number, path + stem);
}

// STEM-SEED.png, or STEM-SEED-2.png and so on, which nothing has, not even a link to nowhere.
static char *
unused_name(const char *stem, int64_t seed)
{
    char *name = mem_printf("%s-%" PRId64 ".png", stem, seed);
    for (int k = 2; file_is_taken(name); k++) {
        free(name);
        name = mem_printf("%s-%" PRId64 "-%d.png", stem, seed, k);
    }
    return name;
}

// FILE, or FILE-1.png, FILE-2.png … for several; without -o limn-SEED.png, made unique.
static char *
output_name(const struct drawing *d, int i)
{
    const char *output = d->params->output;
    int64_t seed = d->job->seed + i;
    if (!output)
        return unused_name("limn", seed);
    if (d->job->count == 1 && !d->sheet.count)
        return mem_strdup(output);
    return numbered_name(output, (d->sheet.count ? d->current : i) + 1);
}

// FILE-sheet.png; without -o limn-sheet-SEED.png, made unique.
static char *
sheet_name(const struct drawing *d)
{
    const char *output = d->params->output;
    size_t stem = output ? stem_length(output) : 0;
    if (output)
        return mem_printf("%.*s-sheet%s", (int)stem, output, output + stem);
    return unused_name("limn-sheet", d->items[0].job.seed);
}

static bool
check_file(const struct drawing *d, const char *name, struct err *err)
{
    const char *typed = d->params->output;
    char to[1];
    bool ok = output_check(name, d->params->source, err);
    if (ok && !(typed && strcmp(name, typed) == 0) && readlink(name, to, sizeof to) >= 0)
        ok = err_set(err, ERR_INPUT,
                     "%s is a symbolic link, and its name was not given: remove it, or name "
                     "another file",
                     name);
    for (int i = 0; ok && i < d->job->reference_count; i++) {
        const char *file = d->job->references[i].file;
        if (file && file_same(name, file))
            ok = err_set(err, ERR_INPUT,
                         "%s is a reference of the instruction: name another file to "
                         "write",
                         name);
    }
    return ok;
}

static bool
check_standard_output(const struct drawing *d, struct err *err)
{
    if (d->params->json)
        return err_set(err, ERR_INPUT, "--json and a picture cannot both go to standard output");
    if (d->sheet.count || d->job->count > 1)
        return err_set(err, ERR_INPUT,
                       "standard output takes one picture: name a file for several");
    return output_check(d->params->output, NULL, err);
}

// All that will be written, before anything is drawn.
static bool
check_outputs(struct drawing *d, struct err *err)
{
    bool ok = true;
    if (d->standard)
        return check_standard_output(d, err);
    for (d->current = 0; ok && d->current < d->count; d->current++) {
        d->job = &d->items[d->current].job;
        for (int i = 0; ok && i < d->job->count; i++) {
            char *name = output_name(d, i);
            ok = check_file(d, name, err);
            free(name);
        }
    }
    char *sheet = ok && d->sheet.count ? sheet_name(d) : NULL;
    ok = ok && (!sheet || check_file(d, sheet, err));
    free(sheet);
    d->current = 0;
    d->job = &d->items[0].job;
    return ok;
}

// It is drawn, and cannot be written: it still lies where the worker put it.
static bool
report_kept(const struct drawing *d, const struct client_event *e, const struct err *why,
            struct err *err)
{
    const char *host = d->params->host;
    char *file = spool_file(e->job, e->index);
    bool here = !host && file_exists(file);
    if (here || host)
        err_set(err, why->code, "%s; the picture is kept %s %s", why->text,
                here ? "as" : "by the worker on", here ? file : host);
    else
        err_set(err, why->code, "%s", why->text);
    free(file);
    return false;
}

// A line of --json, at once; `key` is what `text` is; `seed` < 0: it has none.
static void
print_event(const char *type, const char *key, const char *text, int64_t seed)
{
    struct jv *event = jv_object();
    jv_set(event, "event", jv_from_string(type));
    jv_set(event, key, jv_from_string(text));
    if (seed >= 0)
        jv_set(event, "seed", jv_from_integer(seed));
    char *line = jv_text(event, 0);
    puts(line);
    fflush(stdout);
    free(line);
    jv_free(event);
}

// The cell as its picture has it: what the model chose, and references as it saw them.
static void
keep_cell(struct drawing *d, const struct client_event *e, const char *name)
{
    struct sheet_cell *cell = &d->sheet.cells[d->current];
    struct job made;
    const struct look_options options = {.png = true};
    cell->image = look_decode(e->png, e->png_size, name, &options, NULL);
    if (job_from_png_in(&made, e->png, e->png_size, name, NULL)) {
        job_finish(&cell->job);
        cell->job = made;
    } else {
        job_finish(&made);
    }
}

static bool
on_result(struct drawing *d, const struct client_event *e, struct err *err)
{
    if (e->index < 0 || e->index >= d->job->count || !e->png)
        return err_set(err, ERR_IO, "the worker sent a picture that was not requested");
    struct err why = {0};
    char *name = d->standard ? mem_strdup(d->params->output) : output_name(d, e->index);
    bool ok = output_write(name, e->png, e->png_size, &why) || report_kept(d, e, &why, err);
    if (ok) {
        d->written++;
        if (d->sheet.count)
            keep_cell(d, e, name);
        // What is said to be there is recorded: whoever is ended from here on has lost nothing.
        if (d->library && library_picture_import(d->library, name, d->job->id, NULL) < 0)
            command_say(stderr, "limn: %s could not be recorded in the library", name);
        client_stored(d->client, e->job, e->index);
        clear_progress(d);
        if (d->params->json)
            print_event("result", "file", name, d->job->seed + e->index);
        else if (!d->params->quiet && d->preview && d->current + 1 == d->count)
            preview_close(d->preview), d->preview = NULL;
        if (!d->params->json && !d->params->quiet && !d->standard)
            command_say(stdout, "%s  (%s%sseed %" PRId64 ")", name,
                   d->items[d->current].label ? d->items[d->current].label : "",
                   d->items[d->current].label ? "  " : "", d->job->seed + e->index);
    }
    free(name);
    return ok;
}

static void
on_done(struct drawing *d, const struct client_event *e)
{
    d->finished = true;
    if (d->params->quiet || d->params->json || d->standard)
        return;
    printf(
        "%d steps of %s, %s guidance: text %.2f s, references %.2f s, denoising %.2f s, %.0f MiB\n",
        (int)jv_integer(jv_get(e->data, "steps"), 0), jv_string(jv_get(e->data, "sampler"), "?"),
        jv_string(jv_get(e->data, "guidance"), "?"), jv_number(jv_get(e->data, "text_seconds"), 0),
        jv_number(jv_get(e->data, "reference_seconds"), 0),
        jv_number(jv_get(e->data, "denoise_seconds"), 0),
        jv_number(jv_get(e->data, "peak_bytes"), 0) / 0x1p20);
}

static void
on_started(const struct drawing *d, const struct client_event *e)
{
    const char *hash = jv_string(jv_get(e->data, "model_hash"), "");
    if (d->job->model_hash && strcmp(d->job->model_hash, hash) != 0 && !d->params->quiet)
        command_say(stderr, "limn: the picture was made by another model (%s, this is %s): it will "
                        "differ", d->job->model_hash, hash);
}

// A notice is said in any case, once for all pictures that it holds for.
static void
on_log(struct drawing *d, const struct client_event *e)
{
    const char *text = jv_string(jv_get(e->data, "text"), "");
    bool notice = strcmp(jv_string(jv_get(e->data, "level"), ""), "notice") == 0 &&
                  (!d->last_notice || strcmp(d->last_notice, text) != 0);
    if (notice) {
        free(d->last_notice);
        d->last_notice = mem_strdup(text);
    }
    if (notice && d->params->json)
        print_event("notice", "text", text, -1);
    if (getenv("LIMN_LOG") || (notice && !d->params->json && !d->params->quiet)) {
        clear_progress(d);
        command_say(stderr, "limn: %s", text);
    }
}

static bool
on_event(struct drawing *d, const struct client_event *e, struct err *err)
{
    bool mine = strcmp(e->job, d->job->id) == 0;
    if (e->type == CLIENT_LOST)
        return err_set(err, e->err.code, "%s", e->err.text);
    if (e->type == CLIENT_LOG)
        on_log(d, e);
    if (!mine)
        return true;
    if (e->type == CLIENT_FAILED)
        return err_set(err, e->err.code == ERR_NONE ? ERR_DEVICE : e->err.code, "%s", e->err.text);
    if (e->type == CLIENT_STARTED)
        on_started(d, e);
    if (e->type == CLIENT_DONE)
        on_done(d, e);
    return e->type == CLIENT_PROGRESS ? on_progress(d, e, err)
         : e->type == CLIENT_RESULT   ? on_result(d, e, err)
                                      : true;
}

// The picture is worth more than its entry: a library that cannot be used is a warning.
static void
open_library(struct drawing *d)
{
    struct err err = {0};
    char *notice = NULL;
    if (d->params->no_library || d->standard)
        return;
    d->library = library_open(NULL, &notice, &err);
    if ((notice || err.code != ERR_NONE) && !d->params->quiet)
        command_say(stderr, "limn: %s%s", notice ? notice : "the library records nothing: ",
                    notice ? "" : err.text);
    free(notice);
}

static void
record_job(struct drawing *d)
{
    struct err err = {0};
    if (d->library && !library_job_add(d->library, d->job, d->params->host, NULL, &err) &&
        !d->params->quiet)
        command_say(stderr, "limn: %s", err.text);
}

static void
record_end(struct drawing *d, bool ok, const struct err *err)
{
    if (d->library)
        library_job_state(d->library, d->job->id,
                          ok            ? LIBRARY_DONE
                          : d->stopping ? LIBRARY_CANCELLED
                                        : LIBRARY_FAILED,
                          ok || !err ? NULL : err->text, NULL);
}

static bool
draw_current(struct drawing *d, struct err *err)
{
    bool ok = true;
    d->job = &d->items[d->current].job;
    d->finished = false;
    record_job(d);
    client_submit(d->client, d->job, d->window || strcmp(preview_name(d->preview), "none") != 0);
    while (ok && !d->finished) {
        if (atomic_load(&command_interrupted) && !d->stopping) {
            d->stopping = true;
            client_cancel(d->client, d->job->id);
            if (!client_ready(d->client)) // ssh may be asking for a password
                ok = err_set(err, ERR_CANCELLED, "stopped");
        }
        struct client_event e;
        if (ok)
            client_wait(d->client, d->stopping ? 100 : -1);
        while (ok && client_next(d->client, &e)) {
            ok = on_event(d, &e, err);
            client_event_free(&e);
        }
    }
    record_end(d, ok, err);
    return ok;
}

static bool
write_sheet(const struct drawing *d, struct err *err)
{
    char *name = sheet_name(d);
    bool ok = sweep_sheet_write(&d->sheet, name, err);
    if (ok && d->params->json)
        print_event("sheet", "file", name, -1);
    else if (ok && !d->params->quiet)
        command_say(stdout, "%s", name);
    if (ok && d->library && library_picture_import(d->library, name, NULL, NULL) < 0)
        command_say(stderr, "limn: %s could not be recorded in the library", name);
    free(name);
    return ok;
}

// Nothing between lines of JSON; and with -q no more than was asked for.
static const char *
preview_choice(const struct draw_params *params)
{
    const char *name = params->preview;
    bool automatic = strcmp(name, "auto") == 0;
    bool on_terminal = automatic || strcmp(name, "kitty") == 0 || strcmp(name, "sixel") == 0 ||
                       strcmp(name, "cells") == 0;
    return (params->json && on_terminal) || (params->quiet && automatic) ? "none" : name;
}

bool
draw(const struct draw_item *items, int count, int columns, const struct jv *about,
     const struct draw_params *params, struct err *err)
{
    struct drawing d = {.items = items,
                        .count = count,
                        .job = &items[0].job,
                        .params = params,
                        .terminal = isatty(STDERR_FILENO),
                        .standard = output_is_standard(params->output)};
    struct client_params p = {.host = params->host, .alone = true};
    bool window = strcmp(params->preview, "sdl") == 0;
    bool steps = !window && !(d.standard && strncmp(params->preview, "file", 4) != 0);
    bool ok = preview_open(&d.preview, steps ? preview_choice(params) : "none", err);
    if (ok && window)
        ok = (d.window = window_link_open(err)) != NULL;
    if (items[0].label) {
        sweep_sheet_begin(&d.sheet, count, columns);
        d.sheet.about = jv_copy(about);
    }
    for (int i = 0; i < d.sheet.count; i++) {
        job_copy(&d.sheet.cells[i].job, &items[i].job);
        d.sheet.cells[i].label = mem_strdup(items[i].label);
    }
    ok = ok && check_outputs(&d, err);
    d.client = ok ? client_open(&p, err) : NULL;
    ok = d.client != NULL;
    if (ok)
        open_library(&d);
    for (d.current = 0; ok && d.current < count; d.current++)
        ok = draw_current(&d, err);
    if (!ok && d.stopping && err)
        *err = (struct err){.code = ERR_CANCELLED, .text = "stopped"};
    clear_progress(&d);
    preview_close(d.preview);
    if (ok && d.window && isatty(STDIN_FILENO))
        window_link_detach(d.window); // stays to be looked at
    else
        window_link_close(d.window);
    client_close(d.client);
    if (ok && d.sheet.count)
        ok = write_sheet(&d, err);
    library_close(d.library);
    sweep_sheet_finish(&d.sheet);
    free(d.last_notice);
    return ok;
}
