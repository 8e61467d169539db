// SPDX-License-Identifier: MIT
// Requests to the worker.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/worker/client_parts.h"
#include "app/worker/wire.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

void
client_offer_blob(struct client *c, const void *data, size_t size, const char *hash)
{
    struct client_blob *blob = c->blobs; // the oldest
    for (int i = 0; i < LIMIT_CLIENT_BLOBS; i++) {
        struct client_blob *one = &c->blobs[i];
        if (one->data && strcmp(one->hash, hash) == 0) {
            one->wanted = one->sent = false;
            one->sequence = ++c->last_sequence;
            return;
        }
        blob = one->sequence < blob->sequence ? one : blob;
    }
    if (!data)
        return;
    free(blob->data);
    *blob = (struct client_blob){.data = mem_try_calloc(size, 1, "a file for the worker", &c->lost),
                                 .size = size,
                                 .sequence = ++c->last_sequence};
    if (!blob->data) // c->lost ends the connection: the worker would wait for it
        return;
    memcpy(blob->data, data, size);
    snprintf(blob->hash, sizeof blob->hash, "%s", hash);
}

static void
send(struct client *c, struct jv *head)
{
    if (client_alive(c)) {
        wire_send(c->wire, head, NULL, 0);
        wire_flush(c->wire);
    } else {
        jv_free(head);
    }
}

// {"type": type, key: id}
static struct jv *
head_of(const char *type, const char *key, const char *id)
{
    struct jv *head = wire_head(type);
    jv_set(head, key, jv_from_string(id));
    return head;
}

void
client_submit(struct client *c, const struct job *j, bool previews)
{
    for (int i = 0; i < j->reference_count; i++)
        client_offer_blob(c, j->references[i].data, j->references[i].size, j->references[i].hash);
    struct jv *head = wire_head("submit");
    jv_set(head, "job", job_json(j, false));
    jv_set(head, "previews", jv_from_bool(previews));
    client_expect(c, j->id, j->count);
    send(c, head);
}

void
client_expect(struct client *c, const char *job, int count)
{
    client_add_expected(c, EXPECT_JOB, job, 0, MAX(count, 1));
}

static void
send_index(struct client *c, const char *type, const char *job, int index)
{
    struct jv *head = head_of(type, "job", job);
    jv_set(head, "index", jv_from_integer(index));
    send(c, head);
}

void
client_fetch(struct client *c, const char *job, int index)
{
    client_add_expected(c, EXPECT_SPOOLED, job, index, 1);
    send_index(c, "fetch", job, index);
}

void
client_cancel(struct client *c, const char *job)
{
    send(c, head_of("cancel", "job", job));
}

void
client_stored(struct client *c, const char *job, int index)
{
    send_index(c, "stored", job, index);
}

void
client_load(struct client *c, const char *id, const struct job_reference *ref, int side)
{
    client_offer_blob(c, ref->data, ref->size, ref->hash);
    struct job wrapper = JOB_EMPTY;
    wrapper.references[0] = *ref; // borrowed
    wrapper.reference_count = 1;
    struct jv *json = job_json(&wrapper, false), *head = head_of("load", "id", id);
    jv_set(head, "side", jv_from_integer(side));
    jv_set(head, "reference", jv_copy(jv_at(jv_get(json, "references"), 0)));
    jv_free(json);
    client_add_expected(c, EXPECT_LOAD, id, 0, 1);
    send(c, head);
}

void
client_describe(struct client *c)
{
    c->describe_pending = true;
    send(c, wire_head("describe"));
}

// --- commands

void
client_command(struct client *c, const char *id, const struct client_command *command)
{
    struct jv *head = head_of("command", "id", id), *terminal = jv_array();
    jv_set(head, "words", jv_copy(command->words));
    jv_set(head, "environment", jv_copy(command->environment));
    jv_set(head, "about", jv_copy(command->about));
    if (command->folder)
        jv_set(head, "folder", jv_from_string(command->folder));
    if (command->where)
        jv_set(head, "where", jv_from_string(command->where));
    for (int fd = 1; fd <= 2; fd++)
        if (command->terminal[fd])
            jv_append(terminal, jv_from_integer(fd));
    jv_set(head, "terminal", terminal);
    jv_set(head, "detach", jv_from_bool(command->detach));
    client_add_expected(c, EXPECT_COMMAND, id, 0, 1);
    send(c, head);
}

void
client_interrupt(struct client *c, const char *id)
{
    send(c, head_of("interrupt", "id", id));
}

void
client_pause(struct client *c, const char *id, bool on)
{
    struct jv *head = head_of("pause", "id", id);
    jv_set(head, "on", jv_from_bool(on));
    send(c, head);
}

void
client_commands(struct client *c)
{
    if (c->commands_pending) {
        c->commands_repeat = true;
        return;
    }
    c->commands_pending = client_alive(c);
    send(c, wire_head("commands"));
}

void
client_follow(struct client *c, const char *id)
{
    client_add_expected(c, EXPECT_COMMAND, id, 0, 1);
    send(c, head_of("follow", "id", id));
}

void
client_resume(struct client *c, const char *id)
{
    client_add_expected(c, EXPECT_COMMAND, id, 0, 1);
    send(c, head_of("again", "id", id));
}

void
client_remove(struct client *c, const char *id)
{
    send(c, head_of("remove", "id", id));
}

void
client_read(struct client *c, const char *id, const char *name, int64_t from)
{
    struct jv *head = head_of("read", "id", id);
    jv_set(head, "name", jv_from_string(name));
    jv_set(head, "from", jv_from_integer(from));
    client_add_expected(c, EXPECT_PIECE, id, 0, 1);
    send(c, head);
}
