// SPDX-License-Identifier: MIT
// limn train: runs a recipe, shows progress, saves the state it needs to resume.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/base/config.h"
#include "app/base/launched.h"
#include "app/base/places.h"
#include "app/job/sheet.h"
#include "app/cli/train.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/train/state.h"
#include "engine/train/trainer.h"

struct train {
    const char *recipe_path, *device;
    struct sheet_params sheet; // path set: draw a sheet and stop
    bool resume, force, json, print;
    struct value_list sets;
    struct jv *settings; // of `sets`
    int64_t until;       // stop after this step; 0: the recipe's own end
    double minutes;      // stop after this long; 0: never
    const struct group *group; // that trains together; NULL: alone. Its rank 0 writes and prints
};

static bool
add_setting(struct train *t, const char *text, struct err *err)
{
    const char *equals = strchr(text, '=');
    if (!equals)
        return err_set(err, ERR_INPUT, "--set is '%.60s', but must be KEY=VALUE", text);
    char *key = mem_strndup(text, (size_t)(equals - text));
    struct jv *value = config_value(equals + 1, key, err);
    if (value)
        jv_set(t->settings, key, value);
    free(key);
    return value != NULL;
}

// Options that say something of a sheet, without one; those that have a default are not told apart.
static bool
check_sheet(const struct train *t, struct err *err)
{
    const struct {
        const char *name;
        bool given;
    } options[] = {{"model", t->sheet.model},        {"task", t->sheet.only_task},
                   {"texts", t->sheet.texts_path}, {"first", t->sheet.first > 0},
                   {"scale", t->sheet.scale > 0},  {"styles", t->sheet.styles}};
    for (size_t i = 0; i < COUNT_OF(options) && !t->sheet.path; i++)
        if (options[i].given)
            return err_set(err, ERR_INPUT, "--%s is for a sheet, and there is no --sheet: it would "
                           "change nothing in the training", options[i].name);
    return true;
}

// What the command line says, with its settings read; those are to be freed.
static bool
parse_line(struct train *t, const struct command_line *line, struct err *err)
{
    *t = *(const struct train *)line->values;
    t->recipe_path = line->words[0];
    t->settings = jv_object();
    bool ok = true;
    for (int i = 0; ok && i < t->sets.count; i++)
        ok = add_setting(t, t->sets.items[i], err);
    return ok && check_sheet(t, err);
}

// A model may be called by its name, as limn models lists it, where there is no such folder.
static char *
named_model(const char *given, const char *path)
{
    bool name = given && !strchr(given, '/') && access(path, F_OK) != 0;
    return name ? places_model(given, NULL) : NULL;
}

// What a recipe names is relative to it and lies below its folder: it may be a stranger's.
static bool
resolve_key(const char *file, struct jv *recipe, const char *key, struct err *err)
{
    const char *path = jv_string(jv_get(recipe, key), NULL);
    if (!path)
        return true;
    char *full = config_path(file, key, path, err);
    char *model = full && strcmp(key, "model") == 0 ? named_model(path, full) : NULL;
    if (full)
        jv_set(recipe, key, jv_from_string(model ? model : full));
    free(model);
    free(full);
    return full != NULL;
}

// Paths given with --set are a person's: any, from the current folder.
static bool
resolve(const char *file, struct jv *recipe, const struct jv *settings, struct err *err)
{
    static const char *const keys[] = {"model", "tokenizer", "pack", "output", "tasks"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (!jv_get(settings, keys[i]) && !resolve_key(file, recipe, keys[i], err))
            return false;
    for (size_t i = 0; i < jv_size(settings); i++)
        jv_set(recipe, jv_key_at(settings, i), jv_copy(jv_value_at(settings, i)));
    const char *model = jv_string(jv_get(settings, "model"), NULL);
    char *named = named_model(model, model);
    if (named)
        jv_set(recipe, "model", jv_from_string(named));
    free(named);
    return true;
}

// The recipe, its tasks in it, its paths from the current folder; NULL on failure.
static struct jv *
load_recipe(const struct train *t, struct err *err)
{
    struct jv *json = config_read(t->recipe_path, err);
    bool ok = json != NULL;
    if (ok && !jv_is_object(json))
        ok = err_set(err, ERR_INPUT, "%s: a recipe is a list of KEY: VALUE", t->recipe_path);
    ok = ok && resolve(t->recipe_path, json, t->settings, err);
    const char *tasks = jv_string(jv_get(json, "tasks"), NULL);
    if (ok && tasks) {
        struct jv *described = config_read(tasks, err);
        ok = jv_is_object(described);
        if (ok)
            jv_set(json, "tasks", described);
        else if (described)
            err_set(err, ERR_INPUT, "%s: tasks are a list of KEY: VALUE", tasks);
        if (!ok)
            jv_free(described);
    }
    if (ok)
        return json;
    jv_free(json);
    return NULL;
}

static bool
read_recipe(const struct train *t, struct recipe *r, struct err *err)
{
    struct jv *json = load_recipe(t, err);
    bool ok = json && recipe_read(r, json, t->recipe_path, err);
    jv_free(json);
    return ok;
}

// As JSON, for limn-engine, its paths from the root.
static bool
print_recipe(const struct train *t, struct err *err)
{
    static const char *const keys[] = {"model", "tokenizer", "pack", "output"};
    struct recipe r = {0};
    struct jv *json = load_recipe(t, err);
    bool ok = json && recipe_read(&r, json, t->recipe_path, err);
    char *here = getcwd(NULL, 0);
    for (size_t i = 0; ok && i < COUNT_OF(keys); i++) {
        const char *path = jv_string(jv_get(json, keys[i]), NULL);
        char *full = path && here ? file_join(here, path) : NULL;
        if (full)
            jv_set(json, keys[i], jv_from_string(full));
        free(full);
    }
    free(here);
    char *text = ok ? jv_text(json, 1) : NULL;
    if (ok)
        puts(text);
    free(text);
    jv_free(json);
    recipe_finish(&r);
    return ok;
}

bool
train_inspect(struct train_inspection *look, const struct command_line *line, struct err *err)
{
    struct train t;
    *look = (struct train_inspection){0};
    bool ok = parse_line(&t, line, err) && read_recipe(&t, &look->recipe, err);
    look->file = t.recipe_path;
    look->sheet = t.sheet.path;
    look->settings = t.settings;
    look->until = t.until;
    return ok;
}

void
train_inspection_finish(struct train_inspection *look)
{
    recipe_finish(&look->recipe);
    jv_free(look->settings);
    *look = (struct train_inspection){0};
}

// --- training

// One line of log.jsonl.
static char *
log_text(const struct trainer_step *s)
{
    struct jv *line = jv_object(), *tasks = jv_object();
    jv_set(line, "step", jv_from_integer(s->step));
    jv_set(line, "loss", jv_from_number(s->loss));
    jv_set(line, "lr", jv_from_number(s->lr));
    jv_set(line, "grad_norm", jv_from_number(s->grad_norm));
    jv_set(line, "seconds", jv_from_number(s->seconds));
    for (int k = 0; k < s->task_count; k++)
        if (s->task_examples[k])
            jv_set(tasks, s->task_name[k], jv_from_number(s->task_loss[k]));
    jv_set(line, "tasks", tasks);
    char *text = jv_text(line, 0);
    jv_free(line);
    return text;
}

static void
print_step(const struct trainer_step *s, const struct recipe *r, double smooth, double rate,
           bool terminal)
{
    int64_t left = (int64_t)((double)(r->steps - s->step) / fmax(rate, 1e-9));
    printf("%sstep %lld  loss %.4f  lr %.2e  |g| %.2f  %.1f examples/s  %lldh%02lldm left%s",
           terminal ? "\r\033[K" : "", (long long)s->step, smooth, s->lr, s->grad_norm,
           s->examples / s->seconds, (long long)(left / 3600), (long long)(left / 60 % 60),
           terminal ? "" : "\n");
    fflush(stdout);
}

// The averaged model as a folder, and a sheet of held-out examples drawn with it.
static bool
export_and_draw(struct trainer *t, const struct recipe *r, struct device *d, bool sheet,
                struct err *err)
{
    char *model = file_join(r->output, "model");
    char *adapters = file_join(r->output, "lora.safetensors");
    bool ok = trainer_export(t, model, err) && trainer_export_adapters(t, adapters, err);
    double validation;
    if (ok && sheet && !sheet_can_draw()) {
        ok = trainer_validate(t, 64, &validation, err);
        if (ok)
            printf("\nstep %lld: held-out loss %.4f\n", (long long)trainer_done(t), validation);
    } else if (ok && sheet) {
        char name[64];
        snprintf(name, sizeof name, "sheet-%06lld.png", (long long)trainer_done(t));
        char *path = file_join(r->output, name);
        struct sheet_params p = {.model = model,
                                 .pack = r->pack,
                                 .tasks = r->tasks,
                                 .device = d,
                                 .columns = 6,
                                 .steps = 20,
                                 .seed = 1,
                                 .styles = true,
                                 .path = path};
        ok = sheet_draw(&p, err) && trainer_validate(t, 64, &validation, err);
        if (ok)
            printf("\nstep %lld: held-out loss %.4f, %s\n", (long long)trainer_done(t), validation,
                   path);
        free(path);
    }
    free(adapters);
    free(model);
    return ok;
}

// A run that was killed has logged steps that no checkpoint has, and the last line may be cut: all
// from there on goes, for those steps are made again.
static bool
truncate_log(const char *path, int64_t done, struct err *err)
{
    FILE *log = file_exists(path) ? file_stream(path, "r+", err) : NULL;
    char *line = NULL;
    size_t room = 0;
    off_t kept = 0;
    long long step;
    if (!log)
        return !file_exists(path);
    for (ssize_t n; (n = getline(&line, &room, log)) > 0 && line[n - 1] == '\n'; kept += n)
        if (sscanf(line, "{\"step\":%lld", &step) == 1 && step > done)
            break;
    bool ok = !ferror(log) && ftruncate(fileno(log), kept) == 0;
    ok = ok || err_errno(err, ERR_IO, "%s", path);
    free(line);
    fclose(log);
    return ok;
}

// The log is appended to by a run that goes on. Of a run that begins anew, what an earlier one said
// is kept beside it.
static FILE *
open_log(const struct train *o, const struct recipe *r, int64_t done, struct err *err)
{
    char *path = file_join(r->output, "log.jsonl");
    char *previous = file_join(r->output, "log.previous.jsonl");
    FILE *log = NULL;
    if (!o->resume && file_exists(path) && rename(path, previous) != 0)
        err_errno(err, ERR_IO, "%s", previous);
    else if (!o->resume || truncate_log(path, done, err))
        log = file_stream(path, "a", err);
    free(path);
    free(previous);
    return log;
}

// The log is on its way before the checkpoint is: a checkpoint whose steps no log has would be gone
// on with, whatever ends the process between them.
static bool
save(struct trainer *t, const struct recipe *r, FILE *log, struct err *err)
{
    return (fflush(log) == 0 || err_errno(err, ERR_IO, "%s/log.jsonl", r->output)) &&
           trainer_save(t, err);
}

// A step that could not read what it needs, here or in another process of the group, has changed
// nothing: all steps before it are saved.
static void
save_completed(struct trainer *t, const struct recipe *r, FILE *log, struct err *err)
{
    bool kept = (err->code == ERR_IO || err->code == ERR_CANCELLED) && trainer_done(t) > 0 &&
                save(t, r, log, NULL);
    if (kept && err->code == ERR_CANCELLED)
        fprintf(stderr, "limn: step %lld is saved; --resume continues from it\n",
                (long long)trainer_done(t));
    else if (kept)
        err_prefix(err, "step %lld is saved; --resume continues from it",
                   (long long)trainer_done(t));
}

// How a run goes, for people.
struct progress {
    double start, smooth, rate; // seconds; a running mean of the loss; steps a second
    bool terminal;
};

// Whether any process has been told to stop.
static bool
should_stop(const struct train *o, const struct progress *m)
{
    bool late = o->minutes > 0 && clock_seconds() - m->start >= 60 * o->minutes;
    return group_first(o->group, late || atomic_load(&command_interrupted)) >= 0;
}

// A step is done: what the process that writes makes of it.
static bool
record(const struct train *o, struct trainer *t, const struct recipe *r, struct device *d,
       const struct trainer_step *s, struct progress *m, FILE *log, struct err *err)
{
    m->smooth = isnan(m->smooth) ? s->loss : 0.98 * m->smooth + 0.02 * s->loss;
    m->rate = m->rate > 0 ? 0.95 * m->rate + 0.05 / s->seconds : 1 / s->seconds;
    char *line = log_text(s);
    fprintf(log, "%s\n", line);
    if (o->json)
        puts(line);
    else if (m->terminal || s->step % 10 == 0)
        print_step(s, r, m->smooth, m->rate, m->terminal);
    free(line);
    bool ok = !r->save_every || s->step % r->save_every != 0 || save(t, r, log, err);
    if (ok && r->sheet_every && s->step % r->sheet_every == 0)
        ok = export_and_draw(t, r, d, true, err);
    return ok;
}

// One step of all processes, as it is written by the first.
static bool
step(const struct train *o, struct trainer *t, const struct recipe *r, struct device *d,
     struct progress *m, FILE *log, struct err *err)
{
    bool writes = group_rank(o->group) == 0;
    struct trainer_step s;
    bool ok = trainer_step(t, &s, err);
    if (!ok && writes)
        save_completed(t, r, log, err);
    ok = group_all_ok(o->group, ok, err);
    if (ok && r->save_every && s.step % r->save_every == 0)
        ok = trainer_in_sync(t, err);
    if (ok && writes)
        ok = record(o, t, r, d, &s, m, log, err);
    return group_all_ok(o->group, ok, err);
}

static bool
run(const struct train *o, struct trainer *t, const struct recipe *r, struct device *d,
    struct err *err)
{
    bool writes = group_rank(o->group) == 0;
    FILE *log = writes ? open_log(o, r, trainer_done(t), err) : NULL;
    bool ok = group_all_ok(o->group, log || !writes, err);
    struct progress m = {clock_seconds(), NAN, 0, command_terminal(STDOUT_FILENO)};
    int64_t end = o->until ? MIN(o->until, r->steps) : r->steps;
    while (ok && trainer_done(t) < end && !should_stop(o, &m))
        ok = step(o, t, r, d, &m, log, err);
    if (m.terminal && writes && !o->json)
        putchar('\n');
    if (ok && writes)
        ok = save(t, r, log, err) && export_and_draw(t, r, d, false, err);
    if (log && fclose(log) != 0 && ok)
        ok = err_errno(err, ERR_IO, "%s/log.jsonl", r->output);
    return ok;
}

static bool
draw_sheet(const struct train *o, const struct recipe *r, struct device *d, struct err *err)
{
    struct sheet_params p = o->sheet;
    char *own = file_join(r->output, "model");
    p.model = p.model ? p.model : own;
    p.pack = r->pack;
    p.tasks = r->tasks;
    p.device = d;
    p.seed = r->seed;
    bool ok = sheet_draw(&p, err);
    free(own);
    return ok;
}

static bool
has_file(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    bool there = file_exists(path);
    free(path);
    return there;
}

// The folder of a run: made, without what dead ones left, and not that of another training that
// would be lost. It may have come with a stranger's recipe: no link in it leads elsewhere.
static bool
prepare_folder(const struct train *o, const struct recipe *r, struct err *err)
{
    enum { RUN_DEPTH = 4 }; // of the model's parts, and one more
    if (o->resume && o->force)
        return err_set(err, ERR_INPUT,
                       "--resume continues a training run, --force starts over: give "
                       "one of them");
    if (!o->resume && !o->force &&
        (train_state_exists(r->output) || has_file(r->output, "model/model_index.json")))
        return err_set(err, ERR_INPUT, "%s already holds a training run: --resume continues it, "
                       "--force starts over and loses it, --set output=FOLDER writes elsewhere",
                       r->output);
    if (!file_make_folders(r->output, err) || !file_no_links(r->output, RUN_DEPTH, err))
        return false;
    file_sweep(r->output);
    return true;
}

static int
print(struct train *o)
{
    struct err err = {0};
    bool ok = print_recipe(o, &err);
    jv_free(o->settings);
    return ok ? 0 : command_failed(&err);
}

static bool
draw(const struct train *o, const struct recipe *r, struct err *err)
{
    struct device *d = NULL;
    bool ok = file_out_check(o->sheet.path, err) &&
              (!o->sheet.texts_path || file_out_check(o->sheet.texts_path, err)) &&
              (d = device_open(o->device, err)) && draw_sheet(o, r, d, err);
    device_close(d);
    return ok;
}

static void
print_header(const struct train *o, const struct trainer *t, const struct device *d)
{
    printf("%s\n%s\n", device_limits(d)->name, trainer_describe(t));
    if (o->group)
        printf("%d processes, each with a share of every step's micro-batches\n", o->group->size);
}

static bool
train(const struct train *o, const struct recipe *r, struct err *err)
{
    bool writes = group_rank(o->group) == 0;
    bool ok = group_all_ok(o->group, !writes || prepare_folder(o, r, err), err);
    struct device *d = ok ? device_open(o->device, err) : NULL;
    struct trainer *t = d ? trainer_create(r, d, o->resume && writes, err) : NULL;
    ok = group_all_ok(o->group, t != NULL, err) && trainer_join(t, o->group, err);
    if (ok && writes && !o->json)
        print_header(o, t, d);
    ok = ok && run(o, t, r, d, err);
    trainer_destroy(t);
    device_close(d);
    return ok;
}

static int
run_train(const struct command_line *line)
{
    struct err err = {0};
    struct train o;
    struct recipe r = {0};
    bool ok = parse_line(&o, line, &err);
    if (ok && o.print)
        return print(&o);
    if (!o.sheet.path)
        ok = ok && launched_join(&o.group, &err);
    ok = group_all_ok(o.group, ok && read_recipe(&o, &r, &err), &err);
    if (ok)
        ok = o.sheet.path ? draw(&o, &r, &err) : train(&o, &r, &err);
    recipe_finish(&r);
    jv_free(o.settings);
    int code = ok ? 0 : command_failed(&err);
    if (o.group)
        o.group->leave();
    return ok && atomic_load(&command_interrupted) ? 130 : code;
}

static const struct option options[] = {
    {OPTION_LIST("set", "KEY=VALUE", struct train, sets, "another value for a key of the recipe"),
     .group = "Training"},
    {OPTION_SWITCH("resume", struct train, resume, "continue exactly from the checkpoint")},
    {OPTION_SWITCH("force", struct train, force, "start over; the training run that is there is "
                                                 "lost")},
    {OPTION_LONG("until", "STEP", 1, 1000000000, struct train, until, "stop after this step")},
    {OPTION_REAL("minutes", "M", 0, 1e6, struct train, minutes, "stop after M minutes")},
    {OPTION_TEXT("device", "NAME", struct train, device, "device to compute on (see limn devices)"),
     .fallback = "auto"},
    {OPTION_SWITCH("json", struct train, json, "print the lines of log.jsonl on standard output")},
    {OPTION_SWITCH("print", struct train, print,
                   "print the whole recipe as JSON, as limn-engine reads it, and do not train")},
    {OPTION_TEXT("sheet", "FILE.png", struct train, sheet.path,
                 "draw a sheet of held-out examples and do not train"),
     .complete = COMPLETE_FILE, .file = OPTION_FETCHED, .group = "Sheets of held-out examples"},
    {OPTION_TEXT("model", "FOLDER", struct train, sheet.model,
                 "the model to draw with; default: the one in the recipe's output"),
     .complete = COMPLETE_MODEL},
    {OPTION_TEXT("task", "NAME", struct train, sheet.only_task, "only examples of this task")},
    {OPTION_WHOLE("columns", "N", 1, 60, struct train, sheet.columns, "examples in a row"),
     .fallback = "6"},
    {OPTION_WHOLE("first", "N", 0, 100000, struct train, sheet.first,
                  "skip the first N examples")},
    {OPTION_WHOLE("steps", "N", 1, 1000, struct train, sheet.steps, "denoising steps"),
     .fallback = "30"},
    {OPTION_REAL("scale", "X", 0, 100, struct train, sheet.scale, "guidance scale")},
    {OPTION_SWITCH("styles", struct train, sheet.styles, "include styles that were held out")},
    {OPTION_TEXT("texts", "FILE", struct train, sheet.texts_path,
                 "write the instructions of the sheet there"),
     .complete = COMPLETE_FILE, .file = OPTION_FETCHED},
    {0},
};

static const struct argument words[] = {
    {"RECIPE.yaml", "what is trained, and how (docs/training.md)", COMPLETE_FILE},
    {0},
};

const struct command command_train = {
    .name = "train",
    .summary = "train a model from a recipe",
    .about = "Train a model from a recipe, and write OUTPUT/log.jsonl, checkpoints, sheets of "
             "held-out examples and OUTPUT/model. Ctrl-C saves and stops; --resume continues "
             "exactly. An OUTPUT that holds a training run is not touched without --resume or "
             "--force. Processes that mpirun or srun starts share every step; the first of them "
             "writes (docs/training.md).",
    .options = options,
    .arguments = words,
    .size = sizeof(struct train),
    .run = run_train,
    .together = true,
    .computes = true,
    .detaches = true,
    .away = "the recipe, its tasks and tokenizer are sent, sheets come here; model, pack and "
            "output are that machine's",
};
