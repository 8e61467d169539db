// SPDX-License-Identifier: MIT
// What each message of a client does.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/cli/commands.h"
#include "app/worker/children.h"
#include "app/worker/lanes.h"
#include "app/worker/protocol.h"
#include "app/worker/records.h"
#include "app/worker/spool.h"
#include "app/worker/wire.h"
#include "app/worker/worker_parts.h"
#include "engine/base/limits.h"
#include "engine/base/log.h"
#include "engine/base/mem.h"

static void
add_spooled(const char *job, int index, void *ctx)
{
    struct jv *o = jv_object();
    jv_set(o, "job", jv_from_string(job));
    jv_set(o, "index", jv_from_integer(index));
    jv_append(ctx, o);
}

static void
on_hello(struct worker *w, struct wire_message *m)
{
    w->finish_jobs = strcmp(jv_string(jv_get(m->head, "hangup"), "stop"), "finish") == 0;
    struct jv *head = wire_head("hello"), *results = jv_array();
    char host[128] = "";
    gethostname(host, sizeof host - 1);
    jv_set(head, "protocol", jv_from_integer(WIRE_PROTOCOL));
    jv_set(head, "version", jv_from_string(LIMN_VERSION));
    jv_set(head, "host", jv_from_string(host));
    jv_set(head, "pid", jv_from_integer(getpid()));
    jv_set(head, "jobs", lanes_jobs(w->lanes));
    spool_each(add_spooled, results);
    jv_set(head, "results", results);
    jv_set(head, "commands", command_computing());
    worker_send(w, head, NULL, 0);
    if (jv_integer(jv_get(m->head, "protocol"), 0) != WIRE_PROTOCOL)
        w->quit = true; // the other side says why
}

static void
on_submit(struct worker *w, struct wire_message *m)
{
    struct err err = {0};
    struct pending *p = mem_zalloc(sizeof *p);
    p->previews = jv_bool(jv_get(m->head, "previews"), false);
    const struct jv *job = jv_get(m->head, "job");
    bool ok = job_parse(&p->job, job, "the job", &err) && job_check_complete(&p->job, &err);
    for (int i = 0; ok && i < p->job.reference_count; i++) {
        char name[60];
        job_reference_name(&p->job.references[i], name, sizeof name);
        if (!p->job.references[i].hash[0])
            ok = err_set(&err, ERR_INPUT, "%s has no picture", name);
    }
    if (ok) {
        job_resolve(&p->job);
        worker_add_pending(w, p);
        return;
    }
    worker_refuse(w, jv_string(jv_get(job, "id"), ""), err.code, err.text);
    worker_free_pending(p);
}

static void
on_load(struct worker *w, struct wire_message *m)
{
    struct err err = {0};
    const char *id = jv_string(jv_get(m->head, "id"), "");
    struct pending *p = mem_zalloc(sizeof *p);
    struct jv *wrapper = jv_object(), *list = jv_array();
    jv_set(wrapper, "instruction", jv_from_string(""));
    jv_append(list, jv_copy(jv_get(m->head, "reference")));
    jv_set(wrapper, "references", list);
    bool ok = job_parse(&p->job, wrapper, "the reference", &err) &&
              (p->job.references[0].hash[0] || err_set(&err, ERR_INPUT, "there is no picture"));
    jv_free(wrapper);
    if (ok) {
        p->kind = PENDING_LOAD;
        p->side = (int)MIN(MAX(jv_integer(jv_get(m->head, "side"), 512), 16), 16384);
        snprintf(p->id, sizeof p->id, "%s", id);
        worker_add_pending(w, p);
        return;
    }
    worker_refuse_load(w, id, &err);
    worker_free_pending(p);
}

static void
on_command(struct worker *w, struct wire_message *m)
{
    struct err err = {0};
    struct pending *p = mem_zalloc(sizeof *p);
    p->kind = PENDING_ORDER;
    if (order_parse(&p->order, m->head, &err)) {
        worker_add_pending(w, p);
        return;
    }
    children_refuse(w->children, jv_string(jv_get(m->head, "id"), ""), &err);
    worker_free_pending(p);
}

static void
on_interrupt(struct worker *w, struct wire_message *m)
{
    children_interrupt(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_pause(struct worker *w, struct wire_message *m)
{
    children_pause(w->children, jv_string(jv_get(m->head, "id"), ""),
                   jv_bool(jv_get(m->head, "on"), false));
}

static void
on_commands(struct worker *w, struct wire_message *m)
{
    (void)m;
    struct jv *head = wire_head("commands");
    jv_set(head, "jobs", records_list());
    worker_send(w, head, NULL, 0);
}

static void
on_follow(struct worker *w, struct wire_message *m)
{
    children_follow(w->children, jv_string(jv_get(m->head, "id"), ""),
                    jv_integer(jv_get(m->head, "from"), 0));
}

static void
on_again(struct worker *w, struct wire_message *m)
{
    children_resume(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_remove(struct worker *w, struct wire_message *m)
{
    children_remove(w->children, jv_string(jv_get(m->head, "id"), ""));
}

static void
on_read(struct worker *w, struct wire_message *m)
{
    children_read(w->children, m->head);
}

// Takes over the payload.
static void
on_blob(struct worker *w, struct wire_message *m)
{
    char hash[JOB_HASH_TEXT];
    job_hash(m->payload, m->size, hash);
    if (strcmp(hash, jv_string(jv_get(m->head, "hash"), "")) == 0) {
        worker_store_blob(w, hash, m->payload, m->size);
        m->payload = NULL;
        worker_start_ready(w);
    }
}

static void
on_fetch(struct worker *w, struct wire_message *m)
{
    const char *job = jv_string(jv_get(m->head, "job"), "");
    int index = (int)jv_integer(jv_get(m->head, "index"), 0);
    struct err err = {0};
    size_t size = 0;
    void *png = job_is_id(job) ? spool_get(job, index, &size, &err) : NULL;
    if (png) {
        struct jv *head = wire_head("result");
        jv_set(head, "job", jv_from_string(job));
        jv_set(head, "index", jv_from_integer(index));
        jv_set(head, "late", jv_from_bool(true));
        worker_send(w, head, png, size);
    }
    free(png);
}

static void
on_stored(struct worker *w, struct wire_message *m)
{
    (void)w;
    const char *job = jv_string(jv_get(m->head, "job"), "");
    if (job_is_id(job))
        spool_drop(job, (int)jv_integer(jv_get(m->head, "index"), 0));
}

static void
on_cancel(struct worker *w, struct wire_message *m)
{
    const char *job = jv_string(jv_get(m->head, "job"), "");
    for (struct pending **at = &w->pending; *at; at = &(*at)->next)
        if ((*at)->kind == PENDING_JOB && strcmp((*at)->job.id, job) == 0) {
            struct pending *p = *at;
            *at = p->next;
            worker_free_pending(p);
            struct jv *head = wire_head("failed");
            jv_set(head, "job", jv_from_string(job));
            jv_set(head, "code", jv_from_string("cancelled"));
            jv_set(head, "text", jv_from_string("stopped"));
            worker_send(w, head, NULL, 0);
            return;
        }
    lanes_cancel(w->lanes, job);
}

static void
on_seen(struct worker *w, struct wire_message *m)
{
    lanes_seen(w->lanes, jv_string(jv_get(m->head, "job"), ""));
}

static void
on_describe(struct worker *w, struct wire_message *m)
{
    (void)m;
    lanes_describe(w->lanes);
}

static void
on_quit(struct worker *w, struct wire_message *m)
{
    (void)m;
    w->quit = true;
}

static const struct {
    const char *type;
    void (*handle)(struct worker *w, struct wire_message *m);
} handlers[] = {
    {"hello", on_hello}, {"submit", on_submit}, {"load", on_load}, {"fetch", on_fetch},
    {"stored", on_stored}, {"cancel", on_cancel}, {"seen", on_seen}, {"describe", on_describe},
    {"command", on_command}, {"interrupt", on_interrupt}, {"pause", on_pause},
    {"commands", on_commands}, {"follow", on_follow}, {"again", on_again}, {"remove", on_remove},
    {"read", on_read}, {"blob", on_blob}, {"quit", on_quit},
};

static void
handle(struct worker *w, struct wire_message *m)
{
    for (size_t i = 0; i < COUNT_OF(handlers); i++)
        if (strcmp(m->type, handlers[i].type) == 0)
            handlers[i].handle(w, m);
    // Messages of a later version that this one does not know are left alone.
}

void
worker_log_to_client(enum log_level level, const char *module, const char *text, void *data)
{
    struct jv *head = wire_head("log");
    jv_set(head, "level", jv_from_string(level <= LOG_ERROR    ? "error"
                                         : level == LOG_NOTICE ? "notice"
                                         : level == LOG_WARN   ? "warning"
                                                               : "info"));
    char *cut = mem_strndup(text, strnlen(text, LIMIT_HOST_LINE_BYTES / 4)); // U+FFFD is longer
    jv_set(head, "module", jv_from_string(module));
    jv_set(head, "text", jv_from_string(cut));
    free(cut);
    worker_post(data, head, NULL, 0);
}

// A refused message is logged, and nothing else happens.
void
worker_handle(struct worker *w, struct wire_message *m)
{
    struct err err = {0};
    enum protocol_verdict verdict = protocol_check(PROTOCOL_FROM_LIMN, m, &err);
    if (verdict == PROTOCOL_TAKEN)
        handle(w, m);
    else if (verdict != PROTOCOL_UNKNOWN)
        worker_log_to_client(LOG_WARN, "worker", err.text, w);
}
