// SPDX-License-Identifier: MIT
// The instruction being assembled: checked as it changes, kept in the library so that a crash, a
// hang-up or a power cut leaves it as it was, saved as a template, made into jobs.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/places.h"
#include "app/job/sweep_sheet.h"
#include "app/ui/ui.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/look.h"

#define KEEP_SECONDS 1.0

void
session_job(struct ui *ui, struct job *out)
{
    job_copy(out, &ui->compose);
    free(out->instruction);
    // Line breaks are for writing; the model reads one line.
    out->instruction = mem_strdup(ui->instruction.text);
    for (char *c = out->instruction; *c; c++)
        if (*c == '\n')
            *c = ' ';
    out->id[0] = 0;
}

void
session_check(struct ui *ui)
{
    struct job j;
    struct err err = {0};
    session_job(ui, &j);
    ui->fault[0] = 0;
    if (*j.instruction && !job_check(&j, &err))
        snprintf(ui->fault, sizeof ui->fault, "%s", err.text);
    job_finish(&j);
    ui->session_dirty = true;
    ui->dirty = true;
}

void
session_set(struct ui *ui, const struct job *j)
{
    job_finish(&ui->compose);
    job_copy(&ui->compose, j);
    field_set(&ui->instruction, j->instruction);
    session_check(ui);
}

void
session_keep(struct ui *ui, bool now)
{
    if (!ui->library || !ui->session_dirty || (!now && ui_now() < ui->session_kept + KEEP_SECONDS))
        return;
    free(ui->compose.instruction);
    ui->compose.instruction = mem_strdup(ui->instruction.text);
    struct jv *json = job_json(&ui->compose, true);
    char *text = jv_text(json, 0);
    struct err err = {0};
    if (!library_keep(ui->library, "compose", text, &err))
        ui_log(ui, ROLE_WARNING, err.text);
    free(text);
    jv_free(json);
    ui->session_dirty = false;
    ui->session_kept = ui_now();
}

void
session_restore(struct ui *ui)
{
    char *text = ui->library ? library_kept(ui->library, "compose", NULL) : NULL;
    struct jv *json = text ? jv_parse(text, strlen(text), "the last session", NULL) : NULL;
    struct job j = JOB_EMPTY;
    if (json && job_parse(&j, json, "the last session", NULL)) {
        // What a PNG held is not in the session: those references need their file again.
        for (int i = j.reference_count - 1; i >= 0; i--) {
            j.references[i].hash[0] = 0;
            if (j.references[i].embedded || j.references[i].processed || !j.references[i].file)
                job_remove(&j, i);
        }
        session_set(ui, &j);
    } else {
        field_set(&ui->instruction, "");
    }
    ui->session_dirty = false;
    job_finish(&j);
    jv_free(json);
    free(text);
}

bool
session_open_picture(struct ui *ui, const char *file)
{
    struct job j;
    struct err err = {0};
    bool ok = job_from_png(&j, file, &err);
    if (ok)
        session_set(ui, &j);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.code ? err.text : "limn did not make this picture");
    job_finish(&j);
    return ok;
}

bool
session_open_sheet(struct ui *ui, const char *file, bool draw)
{
    struct sweep_sheet sheet;
    struct err err = {0};
    struct job fresh = JOB_EMPTY;
    char why[ERR_TEXT_MAX];
    const char *slash = strrchr(file, '/');
    bool found = sweep_sheet_read(&sheet, file, &err);
    struct jv *sweep = jv_object();
    int first = ui->task_count, started = 0;
    job_settle(&fresh); // a name for the sweep, and its new seed
    snprintf(why, sizeof why, "from %s", slash ? slash + 1 : file);
    jv_set(sweep, "id", jv_from_string(fresh.id));
    jv_set(sweep, "columns", jv_from_integer(found ? sheet.columns : 1));
    jv_set(sweep, "about", found ? jv_copy(sheet.about) : jv_object());
    for (int i = 0; found && i < sheet.count; i++) {
        struct job *j = &sheet.cells[i].job;
        if (draw && !sweep_sheet_has(&sheet, "seed"))
            j->seed = fresh.seed;
        job_settle(j);
        jv_set(sweep, "label", jv_from_string(sheet.cells[i].label));
        started += draw ? task_start(ui, j, sweep) : task_offer(ui, j, sweep, why) != NULL;
    }
    if (found && sheet.asked) {
        char *text = mem_printf("%s asks for %s: not followed, p chooses them", file, sheet.asked);
        ui_log(ui, ROLE_WARNING, text);
        free(text);
    }
    if (started) {
        ui->task_shown = MIN(first, ui->task_count - 1);
        ui_open_view(ui, VIEW_LIVE);
        ui_say(ui, ROLE_GOOD, draw ? "%d pictures of a sweep, with another seed"
                                   : "a sweep of %d pictures: R draws them all, o opens one",
               started);
    } else if (err.code != ERR_NONE) {
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    }
    jv_free(sweep);
    sweep_sheet_finish(&sheet);
    return started > 0;
}

static int
free_marker(const struct ui *ui)
{
    for (int k = 1; k <= LIMIT_INSTRUCTION_MARKER; k++) {
        bool used = false;
        for (int i = 0; i < ui->compose.reference_count; i++)
            used = used || ui->compose.references[i].marker == k;
        if (!used)
            return k;
    }
    return LIMIT_INSTRUCTION_MARKER;
}

bool
session_add_picture(struct ui *ui, const char *file)
{
    struct err err = {0};
    if (!look_check(file, &err)) { // without its folder, which would push the reason off the line
        const char *slash = strrchr(file, '/');
        bool named = slash && strncmp(err.text, file, strlen(file)) == 0;
        ui_say(ui, ROLE_ERROR, "%s", err.text + (named ? slash + 1 - file : 0));
        return false;
    }
    int marker = free_marker(ui);
    struct job_reference *r = job_add(&ui->compose, marker);
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
    if (!strstr(ui->instruction.text, text)) {
        // Into the text where the cursor is, with a space to each side.
        size_t at = ui->instruction.cursor;
        bool left = at > 0 && !strchr(" \n", ui->instruction.text[at - 1]);
        bool right = ui->instruction.text[at] && !strchr(" \n.,:;!?)", ui->instruction.text[at]);
        char *padded = mem_printf("%s%s%s", left ? " " : "", text, right ? " " : "");
        field_insert(&ui->instruction, padded);
        free(padded);
    }
    session_check(ui);
    ui_say(ui, ROLE_GOOD, "%s is %s: Enter on it chooses its role and loader", text,
           strrchr(r->file, '/') ? strrchr(r->file, '/') + 1 : r->file);
    return true;
}

// --- parameters

static void
set_word(char **text, const char *value)
{
    free(*text);
    *text = *value && strcmp(value, "auto") != 0 ? mem_strdup(value) : NULL;
}

static void
parameters_done(struct ui *ui, struct form *f, bool taken)
{
    struct job *j = &ui->compose;
    if (!taken)
        return;
    const char *seed = form_value(f, "seed"), *scale = form_value(f, "guidance scale");
    const char *context = form_value(f, "reference scale");
    j->seed = *seed ? strtoll(seed, NULL, 10) : -1;
    j->steps = atoi(form_value(f, "steps"));
    j->count = atoi(form_value(f, "pictures"));
    j->size = atoi(form_value(f, "size"));
    j->scale = *scale ? strtod(scale, NULL) : -1;
    j->context_scale = *context ? strtod(context, NULL) : -1;
    set_word(&j->guidance, form_value(f, "guidance"));
    set_word(&j->sampler, form_value(f, "sampler"));
    set_word(&j->device, form_value(f, "device"));
    set_word(&j->dtype, form_value(f, "type"));
    set_word(&j->model, form_value(f, "model"));
    free(j->model_hash);
    j->model_hash = NULL;
    session_check(ui);
}

static struct form_field *
add_number(struct form *f, enum field_kind kind, const char *label, double value, bool unset,
           double low, double high, const char *help)
{
    char text[40] = "";
    if (!unset)
        snprintf(text, sizeof text, "%.12g", value);
    struct form_field *d = form_add(f, kind, label, text, help);
    d->minimum = low;
    d->maximum = high;
    return d;
}

static void
add_names(struct form *f, const char *label, const char *value, const struct jv *list,
          const char *help)
{
    struct form_field *d = form_add(f, FIELD_CHOICE, label, value ? value : "auto", help);
    const char *names[66] = {"auto"};
    int n = 1;
    for (size_t i = 0; i < jv_size(list) && n < 64; i++) {
        const struct jv *o = jv_at(list, i);
        if (!*jv_string(jv_get(o, "reason"), ""))
            names[n++] = jv_string(jv_get(o, "name"), "?");
    }
    bool known = !value;
    for (int i = 0; i < n; i++)
        known = known || strcmp(names[i], value) == 0;
    if (!known)
        names[n++] = value;
    form_choices(d, names);
}

void
session_parameters(struct ui *ui)
{
    static const char *const guidances[] = {"auto",     "cfg",         "oscillating",
                                            "separate", "interleaved", NULL};
    static const char *const samplers[] = {"auto", "dpm++", "ddim", "ddpm", NULL};
    static const char *const types[] = {"auto", "f32", "bf16", "f16", NULL};
    const struct job *j = &ui->compose;
    struct form *f = form_new("parameters");
    if (!ui->machine)
        client_describe(ui->client);
    add_number(f, FIELD_INT, "seed", (double)j->seed, j->seed < 0, 0, 9007199254740992.0,
               "the same seed gives the same picture; empty: a new one each time");
    add_number(f, FIELD_INT, "steps", j->steps, !j->steps, 1, 1000, "more: finer, slower");
    add_number(f, FIELD_INT, "pictures", j->count, !j->count, 1, LIMIT_JOB_PICTURES,
               "with seeds N, N+1, …");
    add_number(f, FIELD_INT, "size", j->size, !j->size, 8, 4096,
               "pixels a side; empty: the model's");
    form_choices(form_add(f, FIELD_CHOICE, "guidance", j->guidance ? j->guidance : "auto",
                          "how the instruction's pull is reckoned"), guidances);
    add_number(f, FIELD_FLOAT, "guidance scale", j->scale, j->scale < 0, 0, 100,
               "how hard the instruction pulls; 1: not at all");
    add_number(f, FIELD_FLOAT, "reference scale", j->context_scale, j->context_scale < 0, 0, 100,
               "how hard the references pull (separate, interleaved)");
    form_choices(form_add(f, FIELD_CHOICE, "sampler", j->sampler ? j->sampler : "auto",
                          "how noise is taken away"), samplers);
    add_names(f, "model", j->model, jv_get(ui->machine, "models"), "which model draws");
    add_names(f, "device", j->device, jv_get(ui->machine, "devices"), "what computes");
    form_choices(form_add(f, FIELD_CHOICE, "type", j->dtype ? j->dtype : "auto", "of the numbers"),
                 types);
    f->done = parameters_done;
    form_open(ui, f);
}

// --- drawing

bool
session_draw(struct ui *ui)
{
    struct job j;
    struct err err = {0};
    session_job(ui, &j);
    bool ok =
        *j.instruction || err_set(&err, ERR_INPUT, "there is no instruction yet: i to write one");
    if (ok) {
        job_settle(&j);
        ok = job_check(&j, &err) && job_read(&j, &err);
    }
    if (ok)
        ok = task_start(ui, &j, NULL);
    else
        ui_say(ui, ROLE_ERROR, "%s", err.text);
    job_finish(&j);
    session_keep(ui, true);
    return ok;
}

// --- templates

// A scalar in YAML's double quotes.
static void
put_scalar(FILE *out, const char *text)
{
    fputc('"', out);
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if ((unsigned char)*p < 32)
            fprintf(out, "\\x%02x", *p);
        else
            fputc(*p, out);
    }
    fputc('"', out);
}

// A template names files below its own folder only, so a saved one takes its pictures with it: NAME/1.png
// beside NAME.yaml. Freed with free().
static char *
kept_name(const char *name, const struct job_reference *r)
{
    const char *dot = r->file ? strrchr(r->file, '.') : NULL;
    size_t n = dot ? strspn(dot + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") : 0;
    bool suffix = n > 0 && n < 6 && !dot[1 + n];
    return mem_printf("%s/%d%s", name, r->marker, suffix ? dot : "");
}

static bool
keep_pictures(const char *folder, const char *name, struct job *j, struct err *err)
{
    char *own = mem_printf("%s/%s", folder, name);
    bool ok = job_read(j, err) && (!j->reference_count || file_make_folders(own, err));
    for (int i = 0; ok && i < j->reference_count; i++) {
        struct job_reference *r = &j->references[i];
        char *kept = kept_name(name, r), *path = file_join(folder, kept);
        ok = file_write(path, r->data, r->size, err);
        free(path);
        free(kept);
    }
    free(own);
    return ok;
}

static void
put_reference(FILE *out, const char *name, const struct job_reference *r)
{
    char *kept = kept_name(name, r);
    fprintf(out, "  %d:\n    image: ", r->marker);
    put_scalar(out, kept);
    free(kept);
    if (r->words) {
        fputs("\n    text: ", out);
        put_scalar(out, r->words);
    }
    if (r->loader) {
        fputs("\n    loader:\n      name: ", out);
        put_scalar(out, r->loader);
    }
    for (int i = 0; r->loader && i < r->setting_count; i++) {
        const char *equals = strchr(r->settings[i], '=');
        if (!equals)
            continue;
        fprintf(out, "\n      %.*s: ", (int)(equals - r->settings[i]), r->settings[i]);
        put_scalar(out, equals + 1);
    }
    fputc('\n', out);
}

bool
session_save_template(struct ui *ui, const char *name, struct err *err)
{
    struct job j;
    char **places = places_of("templates"), *text = NULL;
    size_t size = 0;
    session_job(ui, &j);
    bool ok = *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(name);
    if (!ok)
        err_set(err, ERR_INPUT,
                "'%.40s' is no name for a template: small letters, digits and dashes", name);
    for (int i = 0; ok && i < j.reference_count; i++)
        if (!j.references[i].file || j.references[i].embedded)
            ok = err_set(err, ERR_INPUT,
                         "reference %d has no file of its own: it came out of a picture",
                         j.references[i].marker);
    ok = ok && job_check(&j, err) && file_make_folders(places[0], err);
    char *path = mem_printf("%s/%s.yaml", places[0], name);
    if (ok && file_exists(path))
        ok = err_set(err, ERR_INPUT, "there is a template %s already", name);
    ok = ok && keep_pictures(places[0], name, &j, err);
    FILE *out = ok ? open_memstream(&text, &size) : NULL;
    if (out) {
        fprintf(out, "name: %s\nsummary: saved from the composer\ninstruction: ", name);
        put_scalar(out, j.instruction);
        fputs(j.reference_count ? "\nreferences:\n" : "\n", out);
        for (int i = 0; i < j.reference_count; i++)
            put_reference(out, name, &j.references[i]);
        if (j.seed >= 0 || j.steps || j.scale >= 0 || j.guidance || j.sampler || j.count)
            fputs("parameters:\n", out);
        if (j.seed >= 0)
            fprintf(out, "  seed: %" PRId64 "\n", j.seed);
        if (j.steps)
            fprintf(out, "  steps: %d\n", j.steps);
        if (j.count)
            fprintf(out, "  count: %d\n", j.count);
        if (j.scale >= 0)
            fprintf(out, "  scale: %g\n", j.scale);
        if (j.guidance)
            fprintf(out, "  guidance: %s\n", j.guidance);
        if (j.sampler)
            fprintf(out, "  sampler: %s\n", j.sampler);
        fclose(out);
        ok = file_write(path, text, size, err);
    }
    free(text);
    free(path);
    places_free(places);
    job_finish(&j);
    return ok;
}
