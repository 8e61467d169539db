// SPDX-License-Identifier: MIT
// limn eval: scores a model on pictures held out from training, or compares two models.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/base/config.h"
#include "app/base/places.h"
#include "app/cli/commands.h"
#include "app/eval/eval.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/diffusion/sampler.h"
#include "loaders/look.h"

struct eval_options {
    const char *tasks, *only, *split, *sampler, *device;
    int examples, steps, seed, retrieve;
    double scale;
    bool quick, json;
};

static const char *
split_name(int i)
{
    static const char *const names[] = {"pair", "subject", "style"};
    return i < (int)COUNT_OF(names) ? names[i] : NULL;
}

static const char *
sampler_name(int i)
{
    struct choice c;
    return sampler_choice((size_t)i, &c) ? c.name : NULL;
}

static void
show_progress(void *ctx, int done, int total)
{
    (void)ctx;
    fprintf(stderr, "\r%d of %d pictures\033[K%s", done, total, done == total ? "\r\033[K" : "");
}

// --- What comes out

static const char *const who_names[EVAL_WHO_COUNT] = {"truth", "copy", "mean", "model", "other"};
static const char *const who_words[EVAL_WHO_COUNT] = {
    "the true picture", "a copied reference", "the mean picture", "the model", "the other model"};

static struct jv *
measured_json(const struct measured *m)
{
    struct jv *o = jv_object();
    jv_set(o, "n", jv_from_integer(m->n));
    jv_set(o, "mean", jv_from_number(m->mean));
    jv_set(o, "low", jv_from_number(m->low));
    jv_set(o, "high", jv_from_number(m->high));
    return o;
}

static struct jv *
task_json(const struct eval_task *t, bool two, bool retrieve)
{
    struct jv *o = jv_object();
    jv_set(o, "task", jv_from_string(t->name));
    jv_set(o, "examples", jv_from_integer(t->examples));
    if (retrieve) {
        struct jv *retrieved = jv_object();
        for (int k = 0; k < 1 + two; k++)
            jv_set(retrieved, who_names[EVAL_MODEL + k], jv_from_integer(t->retrieved[k]));
        jv_set(o, "retrieved", retrieved);
    }
    for (int m = 0; m < EVAL_MEASURE_COUNT; m++) {
        struct jv *measure = jv_object();
        for (int who = 0; who < EVAL_WHO_COUNT; who++)
            if (t->of[who][m].n)
                jv_set(measure, who_names[who], measured_json(&t->of[who][m]));
        if (two) {
            jv_set(measure, "difference", measured_json(&t->difference[m]));
            jv_set(measure, "worse", jv_from_bool(eval_is_worse(t, (enum eval_measure)m)));
        }
        jv_set(o, eval_measure_names[m], measure);
    }
    return o;
}

static void
print_json(const struct eval_report *r, bool two, bool retrieve)
{
    struct jv *list = jv_array();
    for (int i = 0; i < r->count; i++)
        jv_append(list, task_json(&r->tasks[i], two, retrieve));
    char *text = jv_text(list, 2);
    puts(text);
    free(text);
    jv_free(list);
}

static void
print_cell(const struct measured *m)
{
    if (m->n)
        printf("  %5.3f [%5.3f %5.3f]", m->mean, m->low, m->high);
    else
        printf("  %-19s", "");
}

static void
print_task(const struct eval_task *t, bool two, bool retrieve)
{
    command_say(stdout, "%s, %d examples", t->name, t->examples);
    for (int k = 0; retrieve && k < 1 + two; k++)
        printf("  %s: %d with pictures that were retrieved\n", who_words[EVAL_MODEL + k],
               t->retrieved[k]);
    for (int who = 0; who < EVAL_WHO_COUNT; who++) {
        if (!t->of[who][EVAL_EDGES].n)
            continue;
        printf("  %-19s", who_words[who]);
        for (int m = 0; m < EVAL_MEASURE_COUNT; m++)
            print_cell(&t->of[who][m]);
        putchar('\n');
    }
    for (int m = 0; two && m < EVAL_MEASURE_COUNT; m++)
        if (eval_is_worse(t, (enum eval_measure)m))
            printf("  the other model is worse: %s by %.3f [%.3f %.3f]\n", eval_measure_names[m],
                   t->difference[m].mean, t->difference[m].low, t->difference[m].high);
}

static void
print_words(const struct eval_report *r, bool two, bool retrieve)
{
    printf("%-21s", "");
    for (int m = 0; m < EVAL_MEASURE_COUNT; m++)
        printf("  %-19s", eval_measure_names[m]);
    putchar('\n');
    for (int i = 0; i < r->count; i++)
        print_task(&r->tasks[i], two, retrieve);
}

static bool
any_worse(const struct eval_report *r)
{
    bool worse = false;
    for (int i = 0; i < r->count; i++)
        for (int m = 0; m < EVAL_MEASURE_COUNT; m++)
            worse |= eval_is_worse(&r->tasks[i], (enum eval_measure)m);
    return worse;
}

// --- The command

static enum pack_split
split_of(const char *name)
{
    return strcmp(name, "subject") == 0 ? PACK_HELDOUT_SUBJECT
         : strcmp(name, "style") == 0   ? PACK_HELDOUT_STYLE
                                        : PACK_HELDOUT_PAIR;
}

// The mixture that comes with limn; freed with free().
static char *
tasks_path(const struct eval_options *o, struct err *err)
{
    if (o->tasks)
        return mem_strdup(o->tasks);
    char **places = places_of("recipes"), *found = NULL;
    for (int i = 0; places[i] && !found; i++) {
        char *path = file_join(places[i], "tasks.yaml");
        if (file_exists(path))
            found = path;
        else
            free(path);
    }
    places_free(places);
    if (!found)
        err_set(err, ERR_INPUT, "recipes/tasks.yaml was not found: name a mixture of tasks with "
                                "--tasks");
    return found;
}

static int
run_eval(const struct command_line *line)
{
    const struct eval_options *o = line->values;
    struct err err = {0};
    int models = line->word_count - 1;
    struct eval_report report = {0};
    char *path = models > 2 ? NULL : tasks_path(o, &err), *folders[2] = {0};
    bool ok = models <= 2 ||
              err_set(&err, ERR_INPUT, "give one or two models, and a pack: %d arguments are too "
                                       "many",
                      line->word_count);
    for (int k = 0; ok && k < models; k++)
        ok = (folders[k] = places_model(line->words[k], &err)) != NULL;
    struct jv *tasks = ok && path ? config_read(path, &err) : NULL;
    const struct eval_params p = {
        .models = {folders[0], folders[1]}, .pack = line->words[models], .device = o->device,
        .tasks = tasks, .only = o->only, .examples = o->examples, .steps = o->steps,
        .sampler = o->sampler, .scale = o->scale,
        .seed = o->seed, .retrieve = o->retrieve, .split = split_of(o->split),
        .cancel = &command_interrupted,
        .progress = command_terminal(STDERR_FILENO) ? show_progress : NULL,
    };
    ok = tasks && (!o->retrieve || look_start(&err)) && eval_run(&p, &report, &err);
    if (ok)
        (o->json ? print_json : print_words)(&report, models == 2, o->retrieve > 0);
    int code = !ok ? command_failed(&err) : models == 2 && any_worse(&report) ? 1 : 0;
    eval_finish(&report);
    jv_free(tasks);
    free(path);
    free(folders[0]);
    free(folders[1]);
    return code;
}

static const struct option eval_options[] = {
    {OPTION_SWITCH("quick", struct eval_options, quick,
                   "use recognisers made from the pack (the only kind so far)")},
    {OPTION_TEXT("tasks", "FILE", struct eval_options, tasks,
                 "the mixture of tasks; default: limn's own"),
     .complete = COMPLETE_FILE, .group = "What is drawn"},
    {OPTION_TEXT("task", "NAME", struct eval_options, only, "only this task")},
    {OPTION_WHOLE("examples", "N", 1, 10000, struct eval_options, examples,
                  "examples of each task, spread over all of them"),
     .fallback = "40"},
    {OPTION_WHOLE("retrieve", "N", 0, LIMIT_INSTRUCTION_REFERENCES, struct eval_options,
                  retrieve,
                  "give sentences without references up to N pictures of the model's index"),
     .fallback = "0"},
    {OPTION_CHOICE("split", "KIND", split_name, struct eval_options, split,
                   "which held-out pictures: of pairs, subjects or styles"),
     .fallback = "pair"},
    {OPTION_WHOLE("steps", "N", 0, 1000, struct eval_options, steps,
                  "denoising steps; 0: the model's own"),
     .fallback = "0"},
    {OPTION_CHOICE("sampler", "NAME", sampler_name, struct eval_options, sampler,
                   "how noise becomes a picture; default: the model's own")},
    {OPTION_REAL("scale", "X", 0, 100, struct eval_options, scale,
                 "guidance scale; default: the model's own")},
    {OPTION_WHOLE("seed", "N", 0, 1000000000, struct eval_options, seed,
                  "seed of the first picture of a task"),
     .fallback = "1"},
    {OPTION_TEXT("device", "NAME", struct eval_options, device, "device to compute on"),
     .fallback = "auto", .complete = COMPLETE_DEVICE},
    {OPTION_SWITCH("json", struct eval_options, json, "as JSON"), .group = "Output"},
    {0},
};

static const struct eval_options eval_initial = {.scale = -1};

static const struct argument eval_words[] = {
    {"MODEL", "a name from limn models, or a folder; two are compared", COMPLETE_MODEL},
    {"[MODEL] PACK", "a pack that limn data pack made", COMPLETE_FILE, .many = true},
    {0},
};

const struct command command_eval = {
    .name = "eval",
    .summary = "measure how well a model draws what was held out of training",
    .about = "Draw held-out examples of each task and measure them: F1 of edges within a pixel, "
             "overlap of areas, whether the style is recognised, whether the subject is among the "
             "five most likely, the squared difference of thumbnails (lower is better), and the "
             "overlap of alpha where a model draws it. Each figure has a 95 % bootstrap interval "
             "and is shown with those of the true picture, of a copy of the first reference and of "
             "the mean picture. The recognisers are linear and made from the training part of the "
             "pack each time. The same seed gives the same figures on the same device.\n\n"
             "With two models, the exit code is 1 if the second is worse than the first in any "
             "measure of any task by more than the interval of the difference, which is widened "
             "for the number of comparisons.\n\n"
             "  limn eval limn-icons icons.pack --quick\n"
             "  limn eval limn-icons run/model icons.pack --quick --task subject",
    .options = eval_options,
    .arguments = eval_words,
    .size = sizeof(struct eval_options),
    .initial = &eval_initial,
    .run = run_eval,
    .computes = true,
    .away = "models and pack are that machine's",
};
