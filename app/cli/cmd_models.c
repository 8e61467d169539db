// SPDX-License-Identifier: MIT
// limn models list | check DIR: lists model folders, and checks that they are complete and
// reproduce the results of another implementation.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/base/loras.h"
#include "app/base/places.h"
#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "engine/draw/pipeline_defaults.h"
#include "engine/draw/pipeline_golden.h"
#include "engine/model/model_folder.h"
#include "engine/model/model_golden.h"

struct options {
    const char *folder, *golden, *device, *type, *lora;
    enum dtype dtype;
    double tolerance; // < 0: by dtype
    bool json;
};

// --- check ------------------------------------------------------------------------------------

static void
add_list(struct jv *o, const char *key, char **names, int count)
{
    struct jv *list = jv_array();
    for (int i = 0; i < count; i++)
        jv_append(list, jv_from_string(names[i]));
    jv_set(o, key, list);
}

static void
print_list(const char *what, char **names, int count)
{
    enum { SHOWN = 20 };
    for (int i = 0; i < count && i < SHOWN; i++)
        command_say(stdout, "    %s: %s", what, names[i]);
    if (count > SHOWN)
        printf("    … and %d more %s\n", count - SHOWN, what);
}

// One part against its weights; adds to the JSON or prints.
static bool
check_part(const struct model_folder *m, const struct part *part, struct jv *json, bool *complete,
           struct err *err)
{
    struct params_report r = {0};
    size_t parameters = 0;
    char text[256];
    part->net->describe(part->config, text, sizeof text);
    bool ok = model_folder_compare(m, part->name, &r, &parameters, err);
    if (ok && json) {
        struct jv *o = jv_object();
        jv_set(o, "is", jv_from_string(text));
        jv_set(o, "parameters", jv_from_integer((int64_t)parameters));
        jv_set(o, "whole", jv_from_bool(params_report_is_empty(&r)));
        add_list(o, "missing", r.missing, r.missing_count);
        add_list(o, "surplus", r.unexpected, r.unexpected_count);
        add_list(o, "misshapen", r.mismatched, r.mismatched_count);
        jv_set(json, part->name, o);
    } else if (ok) {
        printf("  %s: %s, %.1f M parameters, %s\n", part->name, text,
               (double)parameters / 1e6, params_report_is_empty(&r) ? "whole" : "NOT whole");
        print_list("missing", r.missing, r.missing_count);
        print_list("surplus", r.unexpected, r.unexpected_count);
        print_list("misshapen", r.mismatched, r.mismatched_count);
    }
    if (ok)
        *complete &= params_report_is_empty(&r);
    params_report_finish(&r);
    return ok;
}

static bool
check_golden(const struct model_folder *m, const struct options *o, struct jv *json, bool *within,
             struct err *err)
{
    struct model_golden_result result;
    struct device *d = device_open(o->device, err);
    struct model_golden_params p = {
        .folder = m, .golden = o->golden, .device = d, .dtype = o->dtype};
    bool complete = pipeline_golden_is(o->golden);
    bool ok = d && (complete ? pipeline_golden_run(&p, &result, err)
                             : model_golden_run(&p, &result, err));
    double tolerance = o->tolerance >= 0 ? o->tolerance : o->dtype == DTYPE_F32 ? 1e-4 : 2e-2;
    if (ok) {
        *within = result.relative_error <= tolerance; // false for NaN
        if (json) {
            jv_set(json, "part", jv_from_string(result.part));
            jv_set(json, "device", jv_from_string(device_limits(d)->name));
            jv_set(json, "dtype", jv_from_string(dtype_name(o->dtype)));
            jv_set(json, "relative_error", jv_from_number(result.relative_error));
            jv_set(json, "tolerance", jv_from_number(tolerance));
            jv_set(json, "within", jv_from_bool(*within));
            jv_set(json, "seconds", jv_from_number(result.seconds));
        } else {
            printf("  golden of %s: relative error %.3g, %s the tolerance of %g (%s, %s, %.3f s)\n",
                   result.part, result.relative_error,
                   *within ? "within" : "ABOVE", tolerance, device_limits(d)->name,
                   dtype_name(o->dtype), result.seconds);
        }
    }
    device_close(d);
    return ok;
}

// What a picture from text takes, by size and by how matrices are kept.
static bool
print_memory(const struct model_folder *m, const struct options *o, struct jv *json,
             struct err *err)
{
    static const enum dtype blocks[] = {DTYPE_NONE, DTYPE_Q8_0, DTYPE_Q4_0};
    static const int sides[] = {512, 1024, 2048};
    struct jv *list = json ? jv_array() : NULL;
    struct device *d = device_open(o->device, err);
    bool ok = d != NULL;
    for (size_t i = 0; ok && i < COUNT_OF(sides) * COUNT_OF(blocks); i++) {
        int side = sides[i / COUNT_OF(blocks)];
        enum dtype kept = blocks[i % COUNT_OF(blocks)];
        struct pipeline_need need;
        char least[MEM_TEXT], most[MEM_TEXT];
        ok = pipeline_need_of(m->path, d, kept, side, side, 0, &need, err);
        if (ok && json) {
            struct jv *one = jv_object();
            jv_set(one, "size", jv_from_integer(side));
            jv_set(one, "quantise", kept ? jv_from_string(dtype_name(kept)) : jv_null_value());
            jv_set(one, "least", jv_from_integer((int64_t)need.least));
            jv_set(one, "most", jv_from_integer((int64_t)need.most));
            jv_append(list, one);
        } else if (ok && !kept) {
            printf("  memory at %dx%d: %s (%s where all of it stays)", side, side,
                   mem_text(need.least, least), mem_text(need.most, most));
        } else if (ok) {
            printf(", %s %s%s", dtype_name(kept), mem_text(need.least, least),
                   kept == DTYPE_Q4_0 ? "\n" : "");
        }
    }
    if (json)
        jv_set(json, "memory", list);
    device_close(d);
    return ok;
}

static bool
apply_loras(struct model_folder *m, const char *lora, struct err *err)
{
    struct loras loras = {0};
    bool ok = loras_find(&loras, lora, err) &&
              (!loras.count || model_folder_change(m, loras.files, loras.count, err));
    loras_finish(&loras);
    return ok;
}

static int
check(const struct options *o)
{
    struct err err = {0};
    // A folder, or a name as --model takes it.
    bool named = !strchr(o->folder, '/') && !file_exists(o->folder);
    char *path = named ? places_model(o->folder, &err) : mem_strdup(o->folder);
    struct model_folder *m = path ? model_folder_open(path, &err) : NULL;
    free(path);
    if (!m)
        return command_failed(&err);
    struct jv *json = o->json ? jv_object() : NULL, *parts = o->json ? jv_object() : NULL;
    struct pipeline_defaults defaults;
    bool ok = apply_loras(m, o->lora, &err) &&
              (!m->family->defaults || !m->has_scheduler ||
               pipeline_defaults_read(&defaults, m, &err));
    bool complete = true, within = true;
    char hash[17];
    if (!json)
        command_say(stdout, "%s", m->path);
    for (int i = 0; ok && i < m->parts.count; i++)
        ok = check_part(m, &m->parts.at[i], parts, &complete, &err);
    ok = ok && model_folder_hash(m, hash, &err);
    if (ok && !json)
        printf("  tokenizer: %s, scheduler: %s, hash %s\n", m->tokenizer ? "yes" : "none",
               m->has_scheduler ? "yes" : "none", hash);
    if (ok && complete && m->family->grain && m->tokenizer && m->parts.count > 1)
        ok = print_memory(m, o, json, &err);
    if (ok && o->golden)
        ok = check_golden(m, o, json, &within, &err);
    if (ok && json) {
        jv_set(json, "path", jv_from_string(m->path));
        jv_set(json, "hash", jv_from_string(hash));
        jv_set(json, "whole", jv_from_bool(complete));
        jv_set(json, "parts", parts);
        jv_set(json, "tokenizer", jv_from_bool(m->tokenizer));
        jv_set(json, "scheduler", jv_from_bool(m->has_scheduler));
        char *text = jv_text(json, 0);
        printf("%s\n", text);
        free(text);
        parts = NULL;
    }
    jv_free(parts);
    jv_free(json);
    model_folder_close(m);
    int code = ok ? 0 : command_failed(&err);
    // Where weights do not fit, that is the news, not that the golden could not be run.
    return complete && within ? code : 1;
}

// --- list -------------------------------------------------------------------------------------

struct listing {
    struct jv *json;
    int found;
};

static void
list_one(struct listing *l, const struct model_folder *m, const char *name)
{
    char text[256] = "nothing that draws";
    int size, final_size;
    const struct part *denoiser = parts_find(&m->parts, m->family->denoiser);
    if (denoiser)
        denoiser->net->describe(denoiser->config, text, sizeof text);
    m->family->sizes(&m->parts, &size, &final_size);
    l->found++;
    if (l->json) {
        struct jv *o = jv_object();
        jv_set(o, "name", jv_from_string(name));
        jv_set(o, "path", jv_from_string(m->path));
        jv_set(o, "is", jv_from_string(text));
        jv_append(l->json, o);
    } else if (final_size > size) {
        command_say(stdout, "%s: %s, then to %dx%d (%s)", name, text, final_size, final_size,
                    m->path);
    } else {
        command_say(stdout, "%s: %s (%s)", name, text, m->path);
    }
}

static void
visit_model(void *ctx, const char *name, const char *folder, const struct err *why)
{
    struct listing *l = ctx;
    struct err err = {0};
    struct model_folder *m = folder ? model_folder_open(folder, &err) : NULL;
    if (m)
        list_one(l, m, name);
    else
        command_say(stderr, "limn: %s", why ? why->text : err.text);
    model_folder_close(m);
}

static int
list(bool as_json)
{
    struct listing l = {.json = as_json ? jv_array() : NULL};
    places_each_model(visit_model, &l);
    if (l.json) {
        char *text = jv_text(l.json, 0);
        printf("%s\n", text);
        free(text);
    } else if (!l.found) {
        char **places = places_of("models");
        fputs("no models found; they are looked for in", stdout);
        for (int i = 0; places[i]; i++)
            printf("%s %s", i ? "," : "", places[i]);
        putchar('\n');
        places_free(places);
    }
    jv_free(l.json);
    return 0;
}

// --- the command

static int
run_list(const struct command_line *line)
{
    const struct options *o = line->values;
    return list(o->json);
}

static int
run_check(const struct command_line *line)
{
    struct options *o = line->values;
    o->folder = line->words[0];
    o->dtype = dtype_from_name(o->type);
    char *named = access(o->folder, F_OK) == 0 ? NULL : places_model(o->folder, NULL);
    o->folder = named ? named : o->folder;
    int code = check(o);
    free(named);
    return code;
}

static const struct option list_options[] = {
    {OPTION_SWITCH("json", struct options, json, "as JSON on standard output")},
    {0},
};

static const struct option check_options[] = {
    {OPTION_TEXT("golden", "FILE", struct options, golden,
                 "compare with another implementation's numbers in FILE"),
     .complete = COMPLETE_FILE, .file = OPTION_SENT},
    {OPTION_TEXT("lora", "FILE[:WEIGHT]", struct options, lora,
                 "LoRAs to apply to the denoiser before it is compared"),
     .complete = COMPLETE_FILE},
    {OPTION_TEXT("device", "NAME", struct options, device,
                 "device to compute on (see limn devices)"),
     .fallback = "auto"},
    {OPTION_CHOICE("dtype", "TYPE", dtype_compute, struct options, type, "element type"),
     .fallback = "f32"},
    {OPTION_REAL("tolerance", "X", 0, 1e6, struct options, tolerance,
                 "largest relative error that passes; default: 1e-4 for f32, else 2e-2")},
    {OPTION_SWITCH("json", struct options, json, "as JSON on standard output")},
    {0},
};

static const struct argument check_words[] = {
    {"FOLDER", "the model's folder, or its name as --model takes it", COMPLETE_FOLDER},
    {0},
};

static const struct command list_command = {
    .name = "list",
    .summary = "list the models of limn's own folders",
    .about = "List the models in $XDG_DATA_HOME/limn/models and the installed ones.",
    .options = list_options,
    .size = sizeof(struct options),
    .run = run_list,
    .computes = true,
    .away = "they are that machine's",
};

static const struct command check_command = {
    .name = "check",
    .summary = "describe a folder and check that it is complete",
    .about = "Describe a model folder and check that its weights fit its configs. With --golden, "
             "run the part that the file names on the inputs in it, and print the relative "
             "error |a-b|/|b|. The exit code is 1 if weights are missing, surplus or misshapen, "
             "or if the error is above the tolerance.",
    .options = check_options,
    .arguments = check_words,
    .size = sizeof(struct options),
    .initial = &(const struct options){.tolerance = -1},
    .run = run_check,
    .computes = true,
    .away = "the golden is sent there; the folder is that machine's",
};

const struct command command_models = {
    .name = "models",
    .summary = "list, check, fetch, merge and assemble models",
    .commands = (const struct command *const[]){&list_command, &check_command, &command_models_get,
                                                &command_models_add, &command_models_merge,
                                                &command_models_fit, NULL},
    .default_command = &list_command,
    .computes = true,
};
