// SPDX-License-Identifier: MIT
// limn models list | check DIR: what model folders are, whether they are whole, and whether they
// compute what another implementation computed.
#include <dirent.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/base/places.h"
#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/model/model_folder.h"
#include "engine/model/model_golden.h"

static const char usage[] =
    "usage: limn models list [--json]\n"
    "       limn models check DIR [--golden FILE] [--device NAME] [--dtype f32|bf16|f16]\n"
    "                         [--tolerance X] [--json]\n"
    "\n"
    "list   the models in ~/.local/share/limn/models and the installed ones\n"
    "check  says what a folder is and whether its weights fit its configs. With --golden, runs "
    "the\n"
    "       part the file names on the inputs in it and prints the relative error |a-b|/|b|.\n"
    "       Exit code 1 when weights are missing, surplus or misshapen, or the error is above the\n"
    "       tolerance (1e-4 for f32, 2e-2 for the others).\n";

struct options {
    const char *folder, *golden, *device;
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
        printf("    %s: %s\n", what, names[i]);
    if (count > SHOWN)
        printf("    … and %d more %s\n", count - SHOWN, what);
}

static void
describe_unet(const struct unet_config *c, char *out, size_t size)
{
    int levels = 0;
    for (int i = 0; i < c->levels; i++)
        levels += c->context[i];
    snprintf(out, size, "U-Net, %dx%d pixels, %d levels of up to %d channels, %s", c->sample_size,
             c->sample_size, c->levels, c->block_out_channels[c->levels - 1],
             levels             ? "with multi-modal context"
             : c->class_timestep ? "super-resolution"
                                 : "text only");
}

static void
describe(const struct model_folder *m, enum model_part part, char *out, size_t size)
{
    const struct t5_config *t = model_folder_text(m);
    if (part == MODEL_TEXT_ENCODER)
        snprintf(out, size, "T5 v1.1 encoder, %d layers of width %d, %d tokens known",
                 t->num_layers, t->d_model, t->vocab_size);
    else
        describe_unet(part == MODEL_UNET ? model_folder_unet(m) : model_folder_super_resolution(m),
                      out, size);
}

// One part against its weights; adds to the JSON or prints.
static bool
check_part(const struct model_folder *m, enum model_part part, struct jv *json, bool *whole,
           struct err *err)
{
    struct params_report r = {0};
    size_t parameters = 0;
    char text[256];
    describe(m, part, text, sizeof text);
    bool ok = model_folder_compare(m, part, &r, &parameters, err);
    if (ok && json) {
        struct jv *o = jv_object();
        jv_set(o, "is", jv_from_string(text));
        jv_set(o, "parameters", jv_from_integer((int64_t)parameters));
        jv_set(o, "whole", jv_from_bool(params_report_whole(&r)));
        add_list(o, "missing", r.missing, r.missing_count);
        add_list(o, "surplus", r.surplus, r.surplus_count);
        add_list(o, "misshapen", r.misshapen, r.misshapen_count);
        jv_set(json, model_part_name(part), o);
    } else if (ok) {
        printf("  %s: %s, %.1f M parameters, %s\n", model_part_name(part), text,
               (double)parameters / 1e6, params_report_whole(&r) ? "whole" : "NOT whole");
        print_list("missing", r.missing, r.missing_count);
        print_list("surplus", r.surplus, r.surplus_count);
        print_list("misshapen", r.misshapen, r.misshapen_count);
    }
    if (ok)
        *whole &= params_report_whole(&r);
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
    bool ok = d && model_golden_run(&p, &result, err);
    double tolerance = o->tolerance >= 0 ? o->tolerance : o->dtype == DTYPE_F32 ? 1e-4 : 2e-2;
    if (ok) {
        *within = result.relative_error <= tolerance; // false for NaN
        if (json) {
            jv_set(json, "part", jv_from_string(model_part_name(result.part)));
            jv_set(json, "device", jv_from_string(device_limits(d)->name));
            jv_set(json, "dtype", jv_from_string(dtype_name(o->dtype)));
            jv_set(json, "relative_error", jv_from_number(result.relative_error));
            jv_set(json, "tolerance", jv_from_number(tolerance));
            jv_set(json, "within", jv_from_bool(*within));
            jv_set(json, "seconds", jv_from_number(result.seconds));
        } else {
            printf("  golden of %s: relative error %.3g, %s the tolerance of %g (%s, %s, %.3f s)\n",
                   model_part_name(result.part), result.relative_error,
                   *within ? "within" : "ABOVE", tolerance, device_limits(d)->name,
                   dtype_name(o->dtype), result.seconds);
        }
    }
    device_close(d);
    return ok;
}

static int
check(const struct options *o)
{
    struct err err = {0};
    struct model_folder *m = model_folder_open(o->folder, &err);
    if (!m)
        return command_failed(&err);
    struct jv *json = o->json ? jv_object() : NULL, *parts = o->json ? jv_object() : NULL;
    bool ok = true, whole = true, within = true;
    char hash[17];
    if (!json)
        printf("%s\n", m->path);
    for (int i = 1; ok && i < MODEL_PART_COUNT; i++)
        if (m->has[i])
            ok = check_part(m, (enum model_part)i, parts, &whole, &err);
    ok = ok && model_folder_hash(m, hash, &err);
    if (ok && !json)
        printf("  tokenizer: %s, scheduler: %s, hash %s\n", m->tokenizer ? "yes" : "none",
               m->has_scheduler ? "yes" : "none", hash);
    if (ok && o->golden)
        ok = check_golden(m, o, json, &within, &err);
    if (ok && json) {
        jv_set(json, "path", jv_from_string(m->path));
        jv_set(json, "hash", jv_from_string(hash));
        jv_set(json, "whole", jv_from_bool(whole));
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
    return whole && within ? code : 1;
}

// --- list -------------------------------------------------------------------------------------

static bool
list_one(const char *folder, const char *name, struct jv *json)
{
    char *path = mem_printf("%s/%s", folder, name), *index = file_join(path, "model_index.json");
    struct err err = {0};
    bool is = name[0] != '.' && file_exists(index);
    struct model_folder *m = is ? model_folder_open(path, &err) : NULL;
    if (m) {
        char text[256] = "no U-Net";
        if (model_folder_unet(m))
            describe_unet(model_folder_unet(m), text, sizeof text);
        const struct unet_config *s = model_folder_super_resolution(m);
        if (json) {
            struct jv *o = jv_object();
            jv_set(o, "name", jv_from_string(m->name));
            jv_set(o, "path", jv_from_string(path));
            jv_set(o, "is", jv_from_string(text));
            jv_append(json, o);
        } else if (s) {
            printf("%s: %s, then to %dx%d (%s)\n", m->name, text, s->sample_size, s->sample_size,
                   path);
        } else {
            printf("%s: %s (%s)\n", m->name, text, path);
        }
    } else if (is) {
        fprintf(stderr, "limn: %s\n", err.text);
    }
    model_folder_close(m);
    free(index);
    free(path);
    return is;
}

static int
list_folder(const char *folder, struct jv *json)
{
    struct dirent **entries = NULL;
    int found = 0, n = scandir(folder, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        found += list_one(folder, entries[i]->d_name, json);
        free(entries[i]);
    }
    free(entries);
    return found;
}

static int
list(bool as_json)
{
    struct jv *json = as_json ? jv_array() : NULL;
    char **places = places_of("models");
    int found = 0;
    for (int i = 0; places[i]; i++)
        found += list_folder(places[i], json);
    if (json) {
        char *text = jv_text(json, 0);
        printf("%s\n", text);
        free(text);
    } else if (!found) {
        fputs("no models found; they are looked for in", stdout);
        for (int i = 0; places[i]; i++)
            printf("%s %s", i ? "," : "", places[i]);
        putchar('\n');
    }
    jv_free(json);
    places_free(places);
    return 0;
}

static int
bad_usage(const char *text)
{
    fprintf(stderr, "limn models: %s\n%s", text, usage);
    return 2;
}

int
cmd_models(int argc, char **argv)
{
    enum { GOLDEN = 256, DEVICE, DTYPE, TOLERANCE, JSON, HELP };
    static const struct option longs[] = {
        {"golden", required_argument, NULL, GOLDEN},
        {"device", required_argument, NULL, DEVICE},
        {"dtype", required_argument, NULL, DTYPE},
        {"tolerance", required_argument, NULL, TOLERANCE},
        {"json", no_argument, NULL, JSON},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    struct options o = {.device = "auto", .dtype = DTYPE_F32, .tolerance = -1};
    char *end;
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "h", longs, NULL)) != -1;) {
        switch (c) {
        case GOLDEN:
            o.golden = optarg;
            break;
        case DEVICE:
            o.device = optarg;
            break;
        case DTYPE:
            o.dtype = dtype_from_name(optarg);
            if (o.dtype != DTYPE_F32 && o.dtype != DTYPE_BF16 && o.dtype != DTYPE_F16)
                return bad_usage("--dtype must be f32, bf16 or f16");
            break;
        case TOLERANCE:
            o.tolerance = strtod(optarg, &end);
            if (end == optarg || *end || !(o.tolerance >= 0) || isinf(o.tolerance))
                return bad_usage("--tolerance must be a number that is not negative");
            break;
        case JSON:
            o.json = true;
            break;
        case 'h':
        case HELP:
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return 2;
        }
    }
    const char *verb = optind < argc ? argv[optind] : "list";
    int rest = argc - optind - 1;
    if (strcmp(verb, "list") == 0 && rest <= 0)
        return o.golden ? bad_usage("list takes no --golden") : list(o.json);
    if (strcmp(verb, "check") == 0 && rest == 1) {
        o.folder = argv[optind + 1];
        return check(&o);
    }
    return bad_usage(strcmp(verb, "check") == 0 ? "check takes one folder" : "unknown command");
}
