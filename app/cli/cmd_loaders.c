// SPDX-License-Identifier: MIT
// limn loaders: what there is. limn load: one loader on one picture.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cli/commands.h"
#include "app/job/job.h"
#include "app/worker/client.h"
#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/host.h"

static const char loaders_help[] =
    "usage: limn loaders [--json]\n\n"
    "Lists the loaders with their roles and parameters, and what was refused.\n"
    "Looked for in: $LIMN_LOADER_PATH, $XDG_DATA_HOME/limn/loaders, the installed folder.\n\n"
    "  --json    one JSON object on stdout\n";

static const char load_help[] =
    "usage: limn load [--host [USER@]HOST] LOADER IN OUT.png [KEY=VALUE ...]\n\n"
    "Runs a loader on a picture: edge, mask, sketch, style, subject and whatever else\n"
    "`limn loaders` shows. IN is a file of any usual picture format.\n\n"
    "  limn load edge cat.png edges.png thickness=12\n";

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

int
cmd_loaders(int argc, char **argv)
{
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(loaders_help, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--json") != 0) {
            fprintf(stderr, "limn: loaders takes no '%.60s' (see: limn loaders --help)\n", argv[i]);
            return 2;
        }
        json = true;
    }
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
            fprintf(stderr, "limn: refused: %s\n", loader_host_refusal(h, i));
    }
    int rc = fflush(stdout) == 0 ? 0 : 1;
    if (loader_host_count(h) == 0) {
        fprintf(stderr, "limn: there are no loaders\n");
        rc = 1;
    }
    loader_host_close(h);
    return rc;
}

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
                ok = file_write(file, e.png, e.png_size, err);
            }
            client_event_free(&e);
        }
    }
    client_close(c);
    return ok;
}

int
cmd_load(int argc, char **argv)
{
    const char *words[3] = {NULL}, *host = NULL;
    struct job j = JOB_EMPTY;
    struct job_reference *ref = job_add(&j, 1);
    struct err err = {0};
    int count = 0;
    bool ok = true;
    for (int i = 1; ok && i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(load_help, stdout);
            job_finish(&j);
            return 0;
        }
        if (strcmp(argv[i], "--host") == 0) {
            host = i + 1 < argc ? argv[++i] : NULL;
            ok = host || err_set(&err, ERR_INPUT, "--host needs a value");
        } else if (count < 3) {
            words[count++] = argv[i];
        } else if (ref->setting_count == LIMIT_TEMPLATE_SETTINGS) {
            ok =
                err_set(&err, ERR_INPUT, "a loader has at most %d settings",
                        LIMIT_TEMPLATE_SETTINGS);
        } else {
            ref->settings[ref->setting_count++] = mem_strdup(argv[i]);
        }
    }
    if (ok && count < 3)
        ok = err_set(&err, ERR_INPUT,
                     "load needs a loader, a picture and a file to write (see: limn load --help)");
    if (ok) {
        ref->loader = mem_strdup(words[0]);
        ref->file = mem_strdup(words[1]);
        ok = job_read(&j, &err) && load(ref, host, words[2], &err);
    }
    job_finish(&j);
    return ok ? 0 : command_failed(&err);
}
