// SPDX-License-Identifier: MIT
// limn jobs: commands that go on by themselves (limn train --detach), here or on another machine:
// listed, looked at, stopped, gone on with.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app/cli/commands.h"
#include "app/base/suggest.h"
#include "app/cli/through.h"
#include "app/worker/wire.h"
#include "engine/base/mem.h"

struct ask {
    const char *host, *id;
    bool json;
    struct client *client;
    struct jv *jobs; // as the worker listed them
};

static int
usage(FILE *out)
{
    fputs("usage: limn jobs [list] [--json]      trainings that go on by themselves, or did\n"
          "       limn jobs attach ID            what it said, and says until it ends; Ctrl-C\n"
          "                                      ends the looking, not the training\n"
          "       limn jobs stop ID              save and stop\n"
          "       limn jobs resume ID            go on from what was saved\n"
          "       limn jobs forget ID            take one that has ended off the list\n\n"
          "  --host [USER@]HOST   those of another machine\n"
          "limn train RECIPE.yaml --detach begins one; the UI's training view (6) shows them.\n",
          out);
    return out == stdout ? 0 : 2;
}

static void
send(const struct ask *a, const char *type)
{
    struct jv *head = wire_head(type);
    if (a->id)
        jv_set(head, "id", jv_from_string(a->id));
    client_send(a->client, head);
}

// Waits for the list of jobs.
static bool
fetch(struct ask *a, struct err *err)
{
    send(a, "commands");
    jv_free(a->jobs);
    a->jobs = NULL;
    while (!a->jobs) {
        struct client_event e;
        if (atomic_load(&command_interrupted))
            return err_set(err, ERR_CANCELLED, "stopped");
        client_wait(a->client, 200);
        while (!a->jobs && client_next(a->client, &e)) {
            bool lost = e.type == CLIENT_LOST;
            if (lost)
                err_set(err, e.err.code, "%s", e.err.text);
            if (e.type == CLIENT_HELLO && !jv_size(jv_get(e.data, "commands")))
                lost = !err_set(err, ERR_UNSUPPORTED,
                                "%s runs limn %s, which has no jobs; this is limn %s: install the "
                                "same version on both sides",
                                a->host ? a->host : "the worker",
                                jv_string(jv_get(e.data, "version"), "?"), LIMN_VERSION);
            if (e.type == CLIENT_COMMANDS)
                a->jobs = jv_copy(jv_get(e.data, "jobs"));
            client_event_free(&e);
            if (lost)
                return false;
        }
    }
    return true;
}

static const struct jv *
find_job(const struct ask *a, const char *id)
{
    for (size_t i = 0; i < jv_size(a->jobs); i++)
        if (strcmp(jv_string(jv_get(jv_at(a->jobs, i), "id"), ""), id) == 0)
            return jv_at(a->jobs, i);
    return NULL;
}

static bool
is_running(const struct jv *job)
{
    return strcmp(jv_string(jv_get(job, "state"), ""), "running") == 0;
}

static bool
list(struct ask *a, struct err *err)
{
    (void)err;
    if (a->json) {
        char *text = jv_text(a->jobs, 2);
        puts(text);
        free(text);
        return true;
    }
    for (size_t i = 0; i < jv_size(a->jobs); i++) {
        const struct jv *job = jv_at(a->jobs, i), *about = jv_get(job, "about");
        char date[32];
        time_t t = (time_t)jv_integer(jv_get(job, "started"), 0);
        struct tm day;
        localtime_r(&t, &day);
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &day);
        char *line = mem_printf("%-26s %-8s %s  %s -> %s%s%s", jv_string(jv_get(job, "id"), "?"),
                                jv_string(jv_get(job, "state"), "?"), date,
                                jv_string(jv_get(about, "recipe"), "?"),
                                jv_string(jv_get(about, "output"), "?"),
                                jv_get(job, "text") ? "  " : "",
                                jv_string(jv_get(job, "text"), ""));
        puts(command_harmless(line));
        free(line);
    }
    if (!jv_size(a->jobs))
        puts("no jobs (limn train RECIPE.yaml --detach begins one)");
    return true;
}

static bool
attach(struct ask *a, struct err *err)
{
    int code = through_follow(a->client, a->host, a->id, err);
    // Its own words have said why it failed.
    return code == 0 || err->code != ERR_NONE ||
           err_set(err, ERR_DEVICE, "%s ended with exit code %d", a->id, code);
}

static bool
stop(struct ask *a, struct err *err)
{
    const struct jv *job = find_job(a, a->id);
    if (!is_running(job))
        return err_set(err, ERR_INPUT, "%s does not run, it is %s", a->id,
                       jv_string(jv_get(job, "state"), "?"));
    send(a, "interrupt");
    while (is_running(find_job(a, a->id)))
        if (!fetch(a, err))
            return false;
        else
            client_wait(a->client, 300);
    printf("%s: %s\n", a->id, jv_string(jv_get(find_job(a, a->id), "state"), "?"));
    return true;
}

static bool
resume(struct ask *a, struct err *err)
{
    const struct jv *job = find_job(a, a->id);
    if (is_running(job))
        return err_set(err, ERR_INPUT, "%s runs", a->id);
    send(a, "again");
    if (!fetch(a, err))
        return false;
    job = find_job(a, a->id);
    if (!is_running(job))
        return err_set(err, ERR_DEVICE, "%s: %s", a->id,
                       jv_string(jv_get(job, "text"),
                                 "it ended at once (limn jobs attach says more)"));
    printf("%s goes on\n", a->id);
    return true;
}

static bool
forget(struct ask *a, struct err *err)
{
    if (is_running(find_job(a, a->id)))
        return err_set(err, ERR_INPUT, "%s runs: limn jobs stop %s", a->id, a->id);
    send(a, "remove");
    return fetch(a, err);
}

static const struct {
    const char *name;
    bool (*run)(struct ask *a, struct err *err);
    bool one; // of a job
} verbs[] = {
    {"list", list, false},    {"attach", attach, true}, {"stop", stop, true},
    {"resume", resume, true}, {"forget", forget, true},
};

static bool
parse(struct ask *a, int argc, char **argv, size_t *verb, struct err *err)
{
    const char *names[COUNT_OF(verbs) + 1] = {0}, *word = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            a->json = true;
        else if (strcmp(argv[i], "--host") == 0 && i + 1 < argc)
            a->host = argv[++i];
        else if (strncmp(argv[i], "--host=", 7) == 0)
            a->host = argv[i] + 7;
        else if (argv[i][0] == '-')
            return err_set(err, ERR_INPUT, "there is no option '%.40s' (see: limn jobs --help)",
                           argv[i]);
        else if (!word)
            word = argv[i];
        else if (!a->id)
            a->id = argv[i];
        else
            return err_set(err, ERR_INPUT, "'%.40s' is one word too many", argv[i]);
    }
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (strcmp(word ? word : "list", verbs[i].name) == 0) {
            *verb = i;
            return !verbs[i].one || a->id ||
                   err_set(err, ERR_INPUT, "which job? (limn jobs lists them)");
        }
    }
    const char *near = suggest(word, names);
    return err_set(err, ERR_INPUT, "limn jobs cannot '%.40s'%s%s%s", word,
                   near ? ", did you mean '" : " (see: limn jobs --help)", near ? near : "",
                   near ? "'?" : "");
}

int
cmd_jobs(int argc, char **argv)
{
    struct err err = {0};
    struct ask a = {0};
    size_t verb = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return usage(stdout);
    bool ok = parse(&a, argc, argv, &verb, &err);
    // What goes on needs a worker that does; a look needs none that others may be waiting for.
    struct client_params p = {.host = a.host, .visit = true, .alone = verbs[verb].run != resume};
    a.client = ok ? client_open(&p, &err) : NULL;
    ok = a.client && fetch(&a, &err);
    if (ok && verbs[verb].one && !find_job(&a, a.id))
        ok = err_set(&err, ERR_INPUT, "there is no job '%.40s' (limn jobs lists them)", a.id);
    ok = ok && verbs[verb].run(&a, &err);
    client_close(a.client);
    jv_free(a.jobs);
    return ok ? 0 : command_failed(&err);
}
