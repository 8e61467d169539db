// SPDX-License-Identifier: MIT
// limn jobs: lists, follows, stops and resumes commands that run in the background (limn train
// --detach), here or on another machine.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/time_text.h"
#include "app/cli/commands.h"
#include "app/cli/through.h"
#include "engine/base/mem.h"

struct context {
    const char *host, *id;
    bool json;
    struct client *client;
    struct jv *jobs; // as the worker listed them
};

// Waits for the list of jobs.
static bool
fetch(struct context *a, struct err *err)
{
    client_commands(a->client);
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
            bool info = e.type == CLIENT_LOG &&
                        strcmp(jv_string(jv_get(e.data, "level"), ""), "info") == 0;
            if (e.type == CLIENT_LOG && !info) { // such as of records that are ignored
                char *text = mem_strdup(jv_string(jv_get(e.data, "text"), ""));
                fprintf(stderr, "limn: %s\n", command_sanitise(text));
                free(text);
            }
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
find_job(const struct context *a, const char *id)
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
list(struct context *a, struct err *err)
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
        char date[TIME_TEXT_MAX];
        time_text(jv_integer(jv_get(job, "started"), 0), "%Y-%m-%d %H:%M", date);
        char *line = mem_printf("%-26s %-8s %s  %s -> %s%s%s", jv_string(jv_get(job, "id"), "?"),
                                jv_string(jv_get(job, "state"), "?"), date,
                                jv_string(jv_get(about, "recipe"), "?"),
                                jv_string(jv_get(about, "output"), "?"),
                                jv_get(job, "text") ? "  " : "",
                                jv_string(jv_get(job, "text"), ""));
        puts(command_sanitise(line));
        free(line);
    }
    if (!jv_size(a->jobs))
        puts("no jobs (limn train RECIPE.yaml --detach begins one)");
    return true;
}

static bool
attach(struct context *a, struct err *err)
{
    int code = through_follow(a->client, a->host, a->id, err);
    // Its own words have said why it failed.
    return code == 0 || err->code != ERR_NONE ||
           err_set(err, ERR_DEVICE, "%s ended with exit code %d", a->id, code);
}

static bool
stop(struct context *a, struct err *err)
{
    const struct jv *job = find_job(a, a->id);
    if (!is_running(job))
        return err_set(err, ERR_INPUT, "%s is not running: it is %s", a->id,
                       jv_string(jv_get(job, "state"), "?"));
    client_interrupt(a->client, a->id);
    while (is_running(find_job(a, a->id)))
        if (!fetch(a, err))
            return false;
        else
            client_wait(a->client, 300);
    printf("%s: %s\n", a->id, jv_string(jv_get(find_job(a, a->id), "state"), "?"));
    return true;
}

static bool
resume(struct context *a, struct err *err)
{
    const struct jv *job = find_job(a, a->id);
    if (is_running(job))
        return err_set(err, ERR_INPUT, "%s runs", a->id);
    client_resume(a->client, a->id);
    if (!fetch(a, err))
        return false;
    job = find_job(a, a->id);
    if (!is_running(job))
        return err_set(err, ERR_DEVICE, "%s: %s", a->id,
                       jv_string(jv_get(job, "text"),
                                 "it ended at once (limn jobs attach shows why)"));
    printf("%s continues\n", a->id);
    return true;
}

static bool
forget(struct context *a, struct err *err)
{
    if (is_running(find_job(a, a->id)))
        return err_set(err, ERR_INPUT, "%s is running: stop it with limn jobs stop %s", a->id,
                       a->id);
    client_remove(a->client, a->id);
    return fetch(a, err);
}

// --- the commands

// `one`: of the job that is named.
static int
run(const struct command_line *line, bool (*verb)(struct context *a, struct err *err), bool one)
{
    struct err err = {0};
    struct context *a = line->values;
    a->id = one ? line->words[0] : NULL;
    // What goes on needs a worker that does; a look needs none that others may be waiting for.
    struct client_params p = {.host = a->host, .alone = verb != resume};
    a->client = client_open(&p, &err);
    bool ok = a->client && fetch(a, &err);
    if (ok && one && !find_job(a, a->id))
        ok = err_set(&err, ERR_INPUT, "there is no job '%.40s' (limn jobs lists them)", a->id);
    ok = ok && verb(a, &err);
    client_close(a->client);
    jv_free(a->jobs);
    return ok ? 0 : command_failed(&err);
}

#define RUN(verb, one)                                                                             \
    static int run_##verb(const struct command_line *line)                                         \
    {                                                                                              \
        return run(line, verb, one);                                                               \
    }
RUN(list, false)
RUN(attach, true)
RUN(stop, true)
RUN(resume, true)
RUN(forget, true)
#undef RUN

static const struct option list_options[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct context, host, "on another machine, through ssh"),
     .complete = COMPLETE_HOST},
    {OPTION_SWITCH("json", struct context, json, "as JSON on standard output")},
    {0},
};

static const struct option one_options[] = {
    {OPTION_TEXT("host", "[USER@]HOST", struct context, host, "on another machine, through ssh"),
     .complete = COMPLETE_HOST},
    {0},
};

static const struct argument one_job[] = {
    {"ID", "a job (limn jobs lists them)", COMPLETE_JOB},
    {0},
};

#define JOB_COMMAND(verb, text)                                                                    \
    static const struct command verb##_command = {                                                 \
        .name = #verb, .summary = text, .options = one_options, .arguments = one_job,              \
        .size = sizeof(struct context), .run = run_##verb}
JOB_COMMAND(attach, "show its output until it ends; Ctrl-C detaches, and the job continues");
JOB_COMMAND(stop, "save and stop");
JOB_COMMAND(resume, "continue from what was saved");
JOB_COMMAND(forget, "remove an ended job from the list");

static const struct command list_command = {
    .name = "list",
    .summary = "list the jobs, running and ended",
    .options = list_options,
    .size = sizeof(struct context),
    .run = run_list,
};

const struct command command_jobs = {
    .name = "jobs",
    .summary = "list, attach to, and stop background training runs",
    .about = "List background training runs, attach to one, stop or resume it. limn train "
             "RECIPE.yaml --detach starts one; the training view of the UI (6) shows them too.",
    .commands = (const struct command *const[]){&list_command, &attach_command, &stop_command,
                                                &resume_command, &forget_command, NULL},
    .default_command = &list_command,
};
