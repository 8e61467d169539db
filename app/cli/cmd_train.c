// SPDX-License-Identifier: MIT
// limn train: runs a recipe, shows how it goes, saves what it needs to go on.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/base/config.h"
#include "app/base/places.h"
#include "app/job/sheet.h"
#include "app/cli/train.h"
#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/train/trainer.h"

struct train {
    const char *recipe_path, *device;
    struct sheet_params sheet; // path set: draw a sheet and stop
    bool resume, json, print;
    struct jv *settings; // --set
    int64_t until;       // stop after this step; 0: the recipe's own end
    double minutes;      // stop after this long; 0: never
};

static int
usage(FILE *out)
{
    fputs(
        "usage: limn train RECIPE.yaml [--resume] [--set KEY=VALUE]... [--until STEP]\n"
        "                  [--minutes M] [--device D] [--json]\n"
        "       limn train RECIPE.yaml --sheet FILE.png [--model DIR] [--task NAME] [--columns N]\n"
        "                  [--first N] [--steps N] [--scale X] [--styles] [--texts FILE]\n"
        "       limn train RECIPE.yaml [--set KEY=VALUE]... --print\n\n"
        "Trains by a recipe (docs/training.md). Writes OUTPUT/log.jsonl, checkpoints, sheets of\n"
        "held-out examples and OUTPUT/model. Ctrl-C saves and stops; --resume goes on exactly.\n"
        "With --sheet nothing is trained: a sheet of held-out examples is drawn. With --print the\n"
        "whole recipe is printed as JSON, as limn-engine reads it.\n",
        out);
    return out == stdout ? 0 : 2;
}

static bool
add_setting(struct train *t, const char *text, struct err *err)
{
    const char *equals = text ? strchr(text, '=') : NULL;
    if (!equals)
        return err_set(err, ERR_INPUT, "--set needs KEY=VALUE");
    char *key = mem_strndup(text, (size_t)(equals - text));
    struct jv *value = config_value(equals + 1, key, err);
    if (value)
        jv_set(t->settings, key, value);
    free(key);
    return value != NULL;
}

static int
clamped(const char *text, long low, long high)
{
    long v = strtol(text, NULL, 10);
    return (int)MAX(low, MIN(high, v));
}

static bool
parse(struct train *t, int argc, char **argv, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--resume") == 0) {
            t->resume = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            t->json = true;
        } else if (strcmp(argv[i], "--print") == 0) {
            t->print = true;
        } else if (strcmp(argv[i], "--set") == 0) {
            if (!add_setting(t, value, err))
                return false;
            i++;
        } else if (strcmp(argv[i], "--sheet") == 0 && value) {
            t->sheet.path = argv[++i];
        } else if (strcmp(argv[i], "--styles") == 0) {
            t->sheet.styles = true;
        } else if (strcmp(argv[i], "--model") == 0 && value) {
            t->sheet.model = argv[++i];
        } else if (strcmp(argv[i], "--task") == 0 && value) {
            t->sheet.only_task = argv[++i];
        } else if (strcmp(argv[i], "--texts") == 0 && value) {
            t->sheet.texts_path = argv[++i];
        } else if (strcmp(argv[i], "--columns") == 0 && value) {
            t->sheet.columns = clamped(argv[++i], 1, 60);
        } else if (strcmp(argv[i], "--first") == 0 && value) {
            t->sheet.first = clamped(argv[++i], 0, 100000);
        } else if (strcmp(argv[i], "--steps") == 0 && value) {
            t->sheet.steps = clamped(argv[++i], 1, 1000);
        } else if (strcmp(argv[i], "--scale") == 0 && value) {
            t->sheet.scale = strtod(argv[++i], NULL);
        } else if (strcmp(argv[i], "--device") == 0 && value) {
            t->device = argv[++i];
        } else if (strcmp(argv[i], "--until") == 0 && value) {
            t->until = strtoll(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--minutes") == 0 && value) {
            t->minutes = strtod(argv[++i], NULL);
        } else if (argv[i][0] == '-' || t->recipe_path) {
            return err_set(err, ERR_INPUT, "train does not understand '%s'", argv[i]);
        } else {
            t->recipe_path = argv[i];
        }
    }
    return t->recipe_path || err_set(err, ERR_INPUT, "train needs a recipe");
}

static char *
folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup("");
}

// A model may be called by its name, as limn models lists it, where there is no such folder.
static void
name_model(struct jv *recipe, const char *given, const char *path)
{
    if (!given || strchr(given, '/') || access(path, F_OK) == 0)
        return;
    char *found = places_model(given, NULL);
    if (found)
        jv_set(recipe, "model", jv_from_string(found));
    free(found);
}

// Recipe paths are relative to the recipe; those given with --set to the current folder.
static void
resolve(struct jv *recipe, const struct jv *settings, const char *folder)
{
    static const char *const keys[] = {"model", "tokenizer", "pack", "output", "tasks"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *path = jv_string(jv_get(recipe, keys[i]), NULL);
        if (!path || jv_get(settings, keys[i]))
            continue;
        char *full = file_join(folder, path), *given = mem_strdup(path);
        jv_set(recipe, keys[i], jv_from_string(full));
        if (strcmp(keys[i], "model") == 0)
            name_model(recipe, given, full);
        free(given);
        free(full);
    }
    for (size_t i = 0; i < jv_size(settings); i++)
        jv_set(recipe, jv_key_at(settings, i), jv_copy(jv_value_at(settings, i)));
    const char *model = jv_string(jv_get(settings, "model"), NULL);
    name_model(recipe, model, model);
}

// The recipe, its tasks in it, its paths from the current folder; NULL on failure.
static struct jv *
whole_recipe(const struct train *t, struct err *err)
{
    struct jv *json = config_read(t->recipe_path, err);
    char *folder = folder_of(t->recipe_path);
    bool ok = json != NULL;
    if (ok && !jv_is_object(json))
        ok = err_set(err, ERR_INPUT, "%s: a recipe is a list of KEY: VALUE", t->recipe_path);
    if (ok)
        resolve(json, t->settings, folder);
    const char *tasks = jv_string(jv_get(json, "tasks"), NULL);
    if (ok && tasks) {
        struct jv *described = jv_read(tasks, err);
        ok = described != NULL;
        if (ok)
            jv_set(json, "tasks", described);
    }
    free(folder);
    if (ok)
        return json;
    jv_free(json);
    return NULL;
}

static bool
read_recipe(const struct train *t, struct recipe *r, struct err *err)
{
    struct jv *json = whole_recipe(t, err);
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
    struct jv *json = whole_recipe(t, err);
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
train_look(struct train_look *look, int argc, char **argv, struct err *err)
{
    struct train t = {.settings = jv_object()};
    *look = (struct train_look){0};
    bool ok = parse(&t, argc, argv, err) && read_recipe(&t, &look->recipe, err);
    look->file = t.recipe_path;
    look->sheet = t.sheet.path;
    look->texts = t.sheet.texts_path;
    look->settings = t.settings;
    look->until = t.until;
    return ok;
}

void
train_look_finish(struct train_look *look)
{
    recipe_finish(&look->recipe);
    jv_free(look->settings);
    *look = (struct train_look){0};
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
show(const struct trainer_step *s, const struct recipe *r, double smooth, double rate,
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
    bool ok = trainer_export(t, model, err);
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
    free(model);
    return ok;
}

static bool
run(const struct train *o, struct trainer *t, const struct recipe *r, struct device *d,
    struct err *err)
{
    char *path = file_join(r->output, "log.jsonl");
    FILE *log = fopen(path, "ae");
    bool ok = log || err_errno(err, ERR_IO, "%s", path), terminal = command_terminal(STDOUT_FILENO);
    double start = clock_seconds(), smooth = NAN, rate = 0;
    int64_t end = o->until ? MIN(o->until, r->steps) : r->steps;
    while (ok && trainer_done(t) < end && !atomic_load(&command_interrupted) &&
           (o->minutes <= 0 || clock_seconds() - start < 60 * o->minutes)) {
        struct trainer_step s;
        ok = trainer_step(t, &s, err);
        if (!ok)
            break;
        smooth = isnan(smooth) ? s.loss : 0.98 * smooth + 0.02 * s.loss;
        rate = rate > 0 ? 0.95 * rate + 0.05 / s.seconds : 1 / s.seconds;
        char *line = log_text(&s);
        fprintf(log, "%s\n", line);
        if (o->json)
            puts(line);
        else if (terminal || s.step % 10 == 0)
            show(&s, r, smooth, rate, terminal);
        free(line);
        if (r->save_every && s.step % r->save_every == 0) {
            fflush(log);
            ok = trainer_save(t, err);
        }
        if (ok && r->sheet_every && s.step % r->sheet_every == 0)
            ok = export_and_draw(t, r, d, true, err);
    }
    if (terminal)
        putchar('\n');
    ok = ok && trainer_save(t, err) && export_and_draw(t, r, d, false, err);
    if (log)
        fclose(log);
    free(path);
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

int
cmd_train(int argc, char **argv)
{
    struct err err = {0};
    struct train o = {.device = "auto", .settings = jv_object(),
                      .sheet = {.columns = 6, .steps = 30}};
    struct recipe r = {0};
    struct device *d = NULL;
    struct trainer *t = NULL;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        jv_free(o.settings);
        return usage(stdout);
    }
    bool ok = parse(&o, argc, argv, &err);
    if (ok && o.print) {
        ok = print_recipe(&o, &err);
        jv_free(o.settings);
        return ok ? 0 : command_failed(&err);
    }
    ok = ok && read_recipe(&o, &r, &err);
    ok = ok && (o.sheet.path || file_make_folders(r.output, &err));
    d = ok ? device_open(o.device, &err) : NULL;
    if (d && o.sheet.path) {
        ok = draw_sheet(&o, &r, d, &err);
    } else {
        t = d ? trainer_create(&r, d, o.resume, &err) : NULL;
        if (t && !o.json)
            printf("%s\n%s\n", device_limits(d)->name, trainer_describe(t));
        ok = t && run(&o, t, &r, d, &err);
    }
    trainer_destroy(t);
    device_close(d);
    recipe_finish(&r);
    jv_free(o.settings);
    if (!ok)
        return command_failed(&err);
    return atomic_load(&command_interrupted) ? 130 : 0;
}
