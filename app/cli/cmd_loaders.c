// SPDX-License-Identifier: MIT
// limn loaders: lists the loaders. limn load: runs one loader on one picture.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/cli/output.h"
#include "app/job/job.h"
#include "app/worker/client.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/host.h"

// --- limn loaders

static void
print_param(const struct limn_param *p)
{
    char range[160] = "";
    switch (p->kind) {
    case LIMN_PARAM_INT:
    case LIMN_PARAM_FLOAT:
        snprintf(range, sizeof range, "%g..%g, default %g", p->minimum, p->maximum, p->fallback);
        break;
    case LIMN_PARAM_BOOL:
        snprintf(range, sizeof range, "yes or no, default %s", p->fallback != 0 ? "yes" : "no");
        break;
    case LIMN_PARAM_CHOICE: {
        const char *choice = p->choices;
        for (int i = 0; i < (int)p->fallback; i++)
            choice = strchr(choice, '|') + 1;
        snprintf(range, sizeof range, "%s, default %.*s", p->choices, (int)strcspn(choice, "|"),
                 choice);
        break;
    }
    default:
        break;
    }
    printf("    %-14s %s\n    %-14s (%s)\n", p->name, p->help, "", range);
}

static struct jv *
param_json(const struct limn_param *p)
{
    static const char *const kinds[] = {[LIMN_PARAM_INT] = "int", [LIMN_PARAM_FLOAT] = "float",
                                        [LIMN_PARAM_BOOL] = "bool", [LIMN_PARAM_CHOICE] = "choice"};
    struct jv *o = jv_object();
    jv_set(o, "name", jv_from_string(p->name));
    jv_set(o, "kind", jv_from_string(kinds[p->kind])); // the host lets no other kind in
    jv_set(o, "help", jv_from_string(p->help));
    if (p->kind == LIMN_PARAM_CHOICE) {
        struct jv *choices = jv_array();
        for (const char *c = p->choices; *c; c += *c == '|') {
            size_t n = strcspn(c, "|");
            char *name = mem_strndup(c, n);
            jv_append(choices, jv_from_string(name));
            free(name);
            c += n;
        }
        jv_set(o, "default", jv_copy(jv_at(choices, (size_t)p->fallback)));
        jv_set(o, "choices", choices);
    } else if (p->kind == LIMN_PARAM_BOOL) {
        jv_set(o, "default", jv_from_bool(p->fallback != 0));
    } else {
        jv_set(o, "default", jv_from_number(p->fallback));
        jv_set(o, "minimum", jv_from_number(p->minimum));
        jv_set(o, "maximum", jv_from_number(p->maximum));
    }
    return o;
}

static void
print_json(const struct loader_host *h)
{
    struct jv *o = jv_object(), *loaders = jv_array(), *refused = jv_array();
    for (int i = 0; i < loader_host_count(h); i++) {
        const struct loader_entry *e = loader_host_at(h, i);
        struct jv *l = jv_object(), *params = jv_array();
        jv_set(l, "name", jv_from_string(e->loader->name));
        jv_set(l, "role", jv_from_string(e->loader->role));
        jv_set(l, "summary", jv_from_string(e->loader->summary));
        jv_set(l, "path", jv_from_string(e->path));
        for (uint32_t k = 0; k < e->loader->param_count; k++)
            jv_append(params, param_json(&e->loader->params[k]));
        jv_set(l, "params", params);
        jv_append(loaders, l);
    }
    for (int i = 0; i < loader_host_refusal_count(h); i++)
        jv_append(refused, jv_from_string(loader_host_refusal(h, i)));
    jv_set(o, "loaders", loaders);
    jv_set(o, "refused", refused);
    char *text = jv_text(o, 2);
    puts(text);
    free(text);
    jv_free(o);
}

struct listing {
    bool json;
};

static int
run_loaders(const struct command_line *line)
{
    bool json = ((const struct listing *)line->values)->json;
    struct loader_host *h = loader_host_open();
    if (json) {
        print_json(h);
    } else {
        for (int i = 0; i < loader_host_count(h); i++) {
            const struct limn_loader *l = loader_host_at(h, i)->loader;
            printf("%s%s (makes: %s)\n  %s\n", i ? "\n" : "", l->name, l->role, l->summary);
            for (uint32_t k = 0; k < l->param_count; k++)
                print_param(&l->params[k]);
        }
        for (int i = 0; i < loader_host_refusal_count(h); i++)
            command_say(stderr, "limn: refused: %s", loader_host_refusal(h, i));
    }
    int rc = fflush(stdout) == 0 ? 0 : 1;
    if (loader_host_count(h) == 0) {
        fprintf(stderr, "limn: there are no loaders\n");
        rc = 1;
    }
    loader_host_close(h);
    return rc;
}

static const struct option loaders_options[] = {
    {OPTION_SWITCH("json", struct listing, json, "one JSON object on standard output")},
    {0},
};

const struct command command_loaders = {
    .name = "loaders",
    .summary = "list the loaders and their parameters",
    .about = "List the loaders with their roles and parameters, and those that were refused. They "
             "are looked for in $LIMN_LOADER_PATH, $XDG_DATA_HOME/limn/loaders and the "
             "installed folder.",
    .options = loaders_options,
    .size = sizeof(struct listing),
    .run = run_loaders,
};

// --- limn load: through a worker, like all that computes a picture

static bool
load(const struct job_reference *ref, const char *host, const char *file, struct err *err)
{
    struct client_params p = {.host = host, .alone = true};
    struct client *c = client_open(&p, err);
    bool ok = c != NULL, answered = false;
    if (ok)
        client_load(c, "load", ref, LIMIT_PICTURE_SIDE);
    while (ok && !answered) {
        struct client_event e;
        if (atomic_load(&command_interrupted))
            ok = err_set(err, ERR_CANCELLED, "stopped");
        client_wait(c, 200);
        while (ok && !answered && client_next(c, &e)) {
            if (e.type == CLIENT_LOST || (e.type == CLIENT_LOADED && !e.png)) {
                ok = err_set(err, e.err.code, "%s", e.err.text);
            } else if (e.type == CLIENT_LOADED) {
                answered = true;
                ok = output_write(file, e.png, e.png_size, err);
            }
            client_event_free(&e);
        }
    }
    client_close(c);
    return ok;
}

struct load_options {
    const char *host;
};

static int
run_load(const struct command_line *line)
{
    const struct load_options *o = line->values;
    struct job j = JOB_EMPTY;
    struct job_reference *ref = job_add(&j, 1);
    struct err err = {0};
    bool ok = true;
    ref->loader = mem_strdup(line->words[0]);
    ref->file = mem_strdup(line->words[1]);
    for (int i = 3; ok && i < line->word_count; i++) {
        ok = ref->setting_count < LIMIT_TEMPLATE_SETTINGS ||
             err_set(&err, ERR_INPUT, "a loader has at most %d settings", LIMIT_TEMPLATE_SETTINGS);
        if (ok)
            ref->settings[ref->setting_count++] = mem_strdup(line->words[i]);
    }
    ok = ok && job_read(&j, &err) && output_check(line->words[2], line->words[1], &err) &&
         load(ref, o->host, line->words[2], &err);
    job_finish(&j);
    return ok ? 0 : command_failed(&err);
}

static const struct option load_options[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct load_options, host, "run it there, through ssh"),
     .complete = COMPLETE_HOST},
    {0},
};

static const struct argument load_words[] = {
    {"LOADER", "edge, mask, sketch, subject, style, or another of limn loaders", COMPLETE_LOADER},
    {"IN", "a picture in any common format", COMPLETE_FILE},
    {"OUT.png",
     "where the picture goes: a new name or a regular file; - is standard output",
     COMPLETE_FILE},
    {"KEY=VALUE", "parameters of the loader", .optional = true, .many = true},
    {0},
};

const struct command command_load = {
    .name = "load",
    .summary = "run a loader on a picture: edges, a mask, a sketch …",
    .about = "Run a loader on a picture, to see what a model would be given.\n\n"
             "  limn load edge cat.png edges.png thickness=12",
    .options = load_options,
    .arguments = load_words,
    .size = sizeof(struct load_options),
    .run = run_load,
};
