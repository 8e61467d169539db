// SPDX-License-Identifier: MIT
#include "app/worker/protocol.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/base/text.h"
#include "app/job/job.h"
#include "engine/base/mem.h"

// --- the table

#define YES true
#define NO false
#define LINE(name, needed, bytes) {name, PROTOCOL_LINE, needed, 0, bytes, NULL}
#define ID(name) {name, PROTOCOL_ID, YES, 0, 0, NULL}
#define HASH(name, needed) {name, PROTOCOL_HASH, needed, 0, 0, NULL}
#define INTEGER(name, needed, low, high) {name, PROTOCOL_INTEGER, needed, low, high, NULL}
#define NUMBER(name, low, high) {name, PROTOCOL_NUMBER, NO, low, high, NULL}
#define BOOL(name) {name, PROTOCOL_BOOL, NO, 0, 0, NULL}
#define LINES(name, count) {name, PROTOCOL_LINES, NO, 0, count, NULL}
#define TABLE(name, count) {name, PROTOCOL_TABLE, NO, 0, count, NULL}
#define OBJECT(name, fields) {name, PROTOCOL_OBJECT, NO, 0, 0, fields}
#define LIST(name, count, fields) {name, PROTOCOL_LIST, NO, 0, count, fields}
#define WHOLE(name) {name, PROTOCOL_WHOLE, NO, 0, 0, NULL}
#define END {NULL, PROTOCOL_END, NO, 0, 0, NULL}

#define EXACT 9007199254740991.0  // whole numbers that a double has
#define DATE_MAX 253402300799.0   // the year 9999, in seconds
#define SECONDS_MAX 1e9
#define REAL_MAX 1e300            // what parameters of loaders may be
#define STEPS INTEGER("step", NO, 0, LIMIT_HOST_STEPS), INTEGER("total", NO, 0, LIMIT_HOST_STEPS)
#define TROUBLE LINE("code", NO, 16), LINE("text", NO, LIMIT_HOST_LINE_BYTES)
#define INDEX INTEGER("index", YES, 0, LIMIT_JOB_PICTURES - 1)

typedef const struct protocol_field fields[];

static fields job_states = {ID("id"), LINE("state", YES, 16), STEPS, TROUBLE, END};
static fields spooled = {ID("job"), INTEGER("index", YES, 0, 9999), END};
static fields hello_of_worker = {INTEGER("protocol", YES, 0, 1000000), LINE("version", NO, 64),
                                 LINE("host", NO, 256), INTEGER("pid", NO, 0, EXACT),
                                 LIST("jobs", LIMIT_HOST_LIST, job_states),
                                 LIST("results", LIMIT_HOST_LIST, spooled), LINES("commands", 64),
                                 END};
static fields params = {LINE("name", YES, 64), LINE("help", NO, 512), LINE("kind", NO, 16),
                        NUMBER("minimum", -REAL_MAX, REAL_MAX),
                        NUMBER("maximum", -REAL_MAX, REAL_MAX),
                        NUMBER("fallback", -REAL_MAX, REAL_MAX), LINES("choices", 64), END};
static fields a_loader = {LINE("name", NO, 64), LINE("role", NO, 64), LINE("summary", NO, 512),
                          LIST("params", 64, params), LINE("refused", NO, LIMIT_HOST_LINE_BYTES),
                          END};
static fields loaders = {LIST("loaders", 256, a_loader), END};
static fields a_device = {LINE("name", YES, 256), LINE("text", NO, 512), LINE("reason", NO, 1024),
                          INTEGER("memory", NO, 0, EXACT), INTEGER("available", NO, 0, EXACT),
                          LINES("types", 8), BOOL("matrix"), BOOL("emulated"), END};
static fields memory_at = {INTEGER("size", NO, 0, 65536), LINE("quantise", NO, 16),
                           INTEGER("bytes", NO, 0, EXACT), END};
static fields a_model = {LINE("name", YES, LIMIT_HOST_LINE_BYTES),
                         LINE("folder", NO, LIMIT_HOST_LINE_BYTES),
                         INTEGER("size", NO, 0, 65536), INTEGER("final", NO, 0, 65536),
                         INTEGER("grain", NO, 0, 65536), LIST("memory", 16, memory_at),
                         INTEGER("bytes", NO, 0, EXACT), LINE("family", NO, 64),
                         INTEGER("references", NO, 0, 64), INTEGER("steps", NO, 0, 1000000),
                         LINE("sampler", NO, 64), LINE("guidance", NO, 64),
                         NUMBER("scale", -REAL_MAX, REAL_MAX), LINE("licence", NO, 256),
                         BOOL("index"), END};
static fields described = {LIST("devices", 64, a_device), LIST("models", 1024, a_model),
                           LINE("model", NO, LIMIT_HOST_LINE_BYTES), END};
static fields queued = {ID("job"), INTEGER("ahead", NO, 0, 1000000), END};
static fields started = {ID("job"), LINE("model", NO, 256), LINE("model_hash", NO, 256),
                         LINE("device", NO, 256), END};
static fields progress = {ID("job"), STEPS, NUMBER("seconds", 0, SECONDS_MAX),
                          INTEGER("width", NO, 1, 4096), INTEGER("height", NO, 1, 4096),
                          INTEGER("count", NO, 1, LIMIT_JOB_PICTURES),
                          INTEGER("channels", NO, 3, 4), END};
static fields result = {ID("job"), INDEX, INTEGER("count", NO, 1, LIMIT_JOB_PICTURES),
                        INTEGER("seed", NO, 0, JOB_SEED_MAX), BOOL("late"), END};
static fields done = {ID("job"), INTEGER("steps", NO, 0, LIMIT_HOST_STEPS), LINE("sampler", NO, 64),
                      LINE("spacing", NO, 64), LINE("guidance", NO, 64),
                      NUMBER("text_seconds", 0, SECONDS_MAX),
                      NUMBER("reference_seconds", 0, SECONDS_MAX),
                      NUMBER("denoise_seconds", 0, SECONDS_MAX),
                      INTEGER("peak_bytes", NO, 0, EXACT), END};
static fields failed = {ID("job"), TROUBLE, END};
static fields loaded = {LINE("id", YES, 63), HASH("hash", NO), TROUBLE, END};
static fields log_line = {LINE("level", NO, 16), LINE("module", NO, 64),
                          LINE("text", YES, LIMIT_HOST_LINE_BYTES), END};
static fields running = {ID("id"), INTEGER("pid", NO, 0, EXACT), END};
static fields output = {ID("id"), INTEGER("stream", NO, 1, 2), END};
static fields file = {ID("id"), INTEGER("index", YES, 0, 7), END};
static fields ended = {ID("id"), INTEGER("code", NO, 0, 255), INTEGER("signal", NO, 0, 255),
                       LINE("text", NO, LIMIT_HOST_LINE_BYTES), END};
static fields about = {LINE("recipe", NO, LIMIT_HOST_LINE_BYTES),
                       LINE("output", NO, LIMIT_HOST_LINE_BYTES), INTEGER("steps", NO, 0, EXACT),
                       END};
static fields a_command = {ID("id"), LINE("state", YES, 16), INTEGER("started", NO, 0, DATE_MAX),
                           INTEGER("ended", NO, 0, DATE_MAX), INTEGER("code", NO, 0, 255),
                           INTEGER("signal", NO, 0, 255), LINE("text", NO, LIMIT_HOST_LINE_BYTES),
                           OBJECT("about", about), LINE("folder", NO, LIMIT_HOST_LINE_BYTES),
                           LINE("where", NO, 256), LINE("process", NO, 256), LINES("words", 512),
                           TABLE("environment", 64), END};
static fields commands = {{"jobs", PROTOCOL_LIST, YES, 0, 512, a_command}, END};
static fields piece = {ID("id"), LINE("name", YES, 200), INTEGER("from", YES, 0, EXACT),
                       INTEGER("size", YES, 0, EXACT), LINES("sheets", LIMIT_HOST_LIST), END};
static fields want = {HASH("hash", YES), END};

static fields hello_of_limn = {INTEGER("protocol", YES, 0, 1000000), LINE("version", NO, 64),
                               LINE("hangup", NO, 16), END};
static fields submit = {WHOLE("job"), BOOL("previews"), END};
static fields blob = {HASH("hash", YES), END};
static fields of_job = {ID("job"), END};
static fields load = {LINE("id", YES, 63), WHOLE("reference"), INTEGER("side", NO, 1, 1000000),
                      END};
static fields command = {WHOLE("id"), WHOLE("words"), WHOLE("folder"), WHOLE("environment"),
                         WHOLE("terminal"), BOOL("detach"), WHOLE("where"), WHOLE("about"), END};
static fields of_command = {ID("id"), END};
static fields paused = {ID("id"), BOOL("on"), END};
static fields follow = {ID("id"), INTEGER("from", NO, 0, EXACT), END};
static fields read_piece = {ID("id"), LINE("name", YES, 200), INTEGER("from", NO, 0, EXACT), END};
static fields nothing = {END};

#define WORKER(type, fields, payload, room, ends) \
    {PROTOCOL_FROM_WORKER, type, fields, payload, room, ends}
#define LIMN(type, fields) {PROTOCOL_FROM_LIMN, type, fields, PAYLOAD_NONE, 0, NO}

const struct protocol_message protocol_messages[] = {
    WORKER("hello", hello_of_worker, PAYLOAD_NONE, 0, YES),
    WORKER("loaders", loaders, PAYLOAD_NONE, 0, NO),
    WORKER("described", described, PAYLOAD_NONE, 0, NO),
    WORKER("want", want, PAYLOAD_NONE, 0, NO),
    WORKER("queued", queued, PAYLOAD_NONE, 0, NO),
    WORKER("started", started, PAYLOAD_NONE, 0, NO),
    WORKER("progress", progress, PAYLOAD_PIXELS, LIMIT_HOST_PREVIEW_BYTES, NO),
    WORKER("result", result, PAYLOAD_PNG, LIMIT_HOST_PICTURE_BYTES, YES),
    WORKER("done", done, PAYLOAD_NONE, 0, YES),
    WORKER("failed", failed, PAYLOAD_NONE, 0, YES),
    WORKER("loaded", loaded, PAYLOAD_PNG, LIMIT_HOST_PICTURE_BYTES, YES),
    WORKER("log", log_line, PAYLOAD_NONE, 0, NO),
    WORKER("running", running, PAYLOAD_NONE, 0, NO),
    WORKER("output", output, PAYLOAD_BYTES, LIMIT_HOST_PIECE_BYTES, NO),
    WORKER("file", file, PAYLOAD_BYTES, LIMIT_ORDER_RESULT_BYTES, YES),
    WORKER("ended", ended, PAYLOAD_NONE, 0, YES),
    WORKER("commands", commands, PAYLOAD_NONE, 0, YES),
    WORKER("changed", nothing, PAYLOAD_NONE, 0, NO),
    WORKER("piece", piece, PAYLOAD_BYTES, LIMIT_HOST_PIECE_BYTES, NO),
    LIMN("hello", hello_of_limn),
    LIMN("submit", submit),
    {PROTOCOL_FROM_LIMN, "blob", blob, PAYLOAD_BYTES, LIMIT_PICTURE_BYTES, NO},
    LIMN("seen", of_job),
    LIMN("stored", spooled),
    LIMN("fetch", spooled),
    LIMN("cancel", of_job),
    LIMN("load", load),
    LIMN("describe", nothing),
    LIMN("command", command),
    LIMN("interrupt", of_command),
    LIMN("pause", paused),
    LIMN("commands", nothing),
    LIMN("follow", follow),
    LIMN("again", of_command),
    LIMN("remove", of_command),
    LIMN("read", read_piece),
    LIMN("quit", nothing),
    {PROTOCOL_FROM_LIMN, NULL, NULL, PAYLOAD_NONE, 0, NO},
};

static const struct protocol_message *
find(enum protocol_side from, const char *type)
{
    for (const struct protocol_message *m = protocol_messages; m->type; m++)
        if (m->from == from && strcmp(m->type, type) == 0)
            return m;
    return NULL;
}

size_t
protocol_payload_limit_of_limn(const char *type)
{
    const struct protocol_message *m = find(PROTOCOL_FROM_LIMN, type);
    return m ? m->max_payload : LIMIT_HOST_PIECE_BYTES;
}

size_t
protocol_payload_limit_of_worker(const char *type)
{
    const struct protocol_message *m = find(PROTOCOL_FROM_WORKER, type);
    return m ? m->max_payload : LIMIT_HOST_PIECE_BYTES;
}

// --- a field

void
protocol_rule(const struct protocol_field *f, char *out, size_t size)
{
    switch (f->kind) {
    case PROTOCOL_LINE: snprintf(out, size, "a line of at most %.0f bytes", f->high); break;
    case PROTOCOL_ID: snprintf(out, size, "the id of a job"); break;
    case PROTOCOL_HASH: snprintf(out, size, "a SHA-256"); break;
    case PROTOCOL_INTEGER:
        snprintf(out, size, "a whole number in %.0f..%.0f", f->low, f->high);
        break;
    case PROTOCOL_NUMBER: snprintf(out, size, "a number in %g..%g", f->low, f->high); break;
    case PROTOCOL_BOOL: snprintf(out, size, "true or false"); break;
    case PROTOCOL_LINES: snprintf(out, size, "a list of at most %.0f lines", f->high); break;
    case PROTOCOL_TABLE:
        snprintf(out, size, "at most %.0f names, each with a line", f->high);
        break;
    case PROTOCOL_OBJECT: snprintf(out, size, "an object"); break;
    case PROTOCOL_LIST: snprintf(out, size, "a list of at most %.0f objects", f->high); break;
    case PROTOCOL_WHOLE: snprintf(out, size, "checked where it is used"); break;
    case PROTOCOL_END: snprintf(out, size, "nothing"); break;
    }
}

static struct jv *
line_of(const struct jv *v, double bytes)
{
    const char *text = jv_string(v, NULL);
    if (!text || strlen(text) > (size_t)bytes)
        return NULL;
    char *copy = text_line(mem_strdup(text));
    struct jv *out = jv_from_string(copy);
    free(copy);
    return out;
}

static struct jv *
lines_of(const struct jv *v, double count)
{
    struct jv *out = jv_is_array(v) ? jv_array() : NULL;
    for (size_t i = 0; out && i < jv_size(v) && i < (size_t)count; i++) {
        struct jv *line = line_of(jv_at(v, i), LIMIT_HOST_LINE_BYTES);
        if (line)
            jv_append(out, line);
    }
    return out;
}

static struct jv *
table_of(const struct jv *v, double count)
{
    struct jv *out = jv_is_object(v) ? jv_object() : NULL;
    size_t n = 0;
    for (void *it = jv_iterator(v); out && it && n < (size_t)count; it = jv_next(v, it), n++) {
        char *name = text_line(mem_strdup(jv_iterator_key(it)));
        struct jv *line = line_of(jv_iterator_value(it), LIMIT_HOST_LINE_BYTES);
        if (line)
            jv_set(out, name, line);
        free(name);
    }
    return out;
}

static struct jv *
number_of(const struct protocol_field *f, const struct jv *v)
{
    bool whole = f->kind == PROTOCOL_INTEGER;
    if (whole ? !jv_is_integer(v) : !jv_is_number(v))
        return NULL;
    double value = jv_number(v, NAN);
    return isfinite(value) && value >= f->low && value <= f->high ? jv_copy(v) : NULL;
}

static struct jv *object_of(const struct protocol_field *f, const struct jv *v, struct err *err);

// Those that are refused are left out: one damaged record does not hide the others.
static struct jv *
list_of(const struct protocol_field *f, const struct jv *v, struct err *err)
{
    struct jv *out = jv_is_array(v) ? jv_array() : NULL;
    for (size_t i = 0; out && i < jv_size(v) && i < (size_t)f->high; i++) {
        struct err own = {0};
        struct jv *one = jv_is_object(jv_at(v, i)) ? object_of(f->inside, jv_at(v, i), &own) : NULL;
        if (one)
            jv_append(out, one);
        else
            err_set(err, ERR_IO, "%s[%zu] was left out: %s", f->name, i,
                    own.code ? own.text : "it must be an object");
        if (one && own.code) // of a list within it
            err_set(err, ERR_IO, "%s[%zu]: %s", f->name, i, own.text);
    }
    return out;
}

// A checked copy; NULL: refused.
static struct jv *
value_of(const struct protocol_field *f, const struct jv *v, struct err *err)
{
    const char *text = jv_string(v, "");
    switch (f->kind) {
    case PROTOCOL_LINE: return line_of(v, f->high);
    case PROTOCOL_ID: return job_is_id(text) ? jv_copy(v) : NULL;
    case PROTOCOL_HASH: return job_is_hash(text) ? jv_copy(v) : NULL;
    case PROTOCOL_INTEGER:
    case PROTOCOL_NUMBER: return number_of(f, v);
    case PROTOCOL_BOOL: return jv_is_bool(v) ? jv_copy(v) : NULL;
    case PROTOCOL_LINES: return lines_of(v, f->high);
    case PROTOCOL_TABLE: return table_of(v, f->high);
    case PROTOCOL_OBJECT: return jv_is_object(v) ? object_of(f->inside, v, err) : NULL;
    case PROTOCOL_LIST: return list_of(f, v, err);
    case PROTOCOL_WHOLE: return jv_copy(v);
    case PROTOCOL_END: break;
    }
    return NULL;
}

static bool
refuse(const struct protocol_field *f, const struct jv *v, struct err *err)
{
    char rule[80], *text = v ? jv_text(v, 0) : NULL;
    protocol_rule(f, rule, sizeof rule);
    if (v)
        err_set(err, ERR_IO, "%s is %.40s, but must be %s", f->name, text_line(text), rule);
    else
        err_set(err, ERR_IO, "%s is missing; it must be %s", f->name, rule);
    free(text);
    return false;
}

static struct jv *
object_of(const struct protocol_field *f, const struct jv *v, struct err *err)
{
    struct jv *out = jv_object();
    for (; f->kind != PROTOCOL_END; f++) {
        struct jv *value = jv_get(v, f->name), *checked = NULL;
        struct err inside = {0};
        bool absent = !value || (jv_is_null(value) && !f->needed);
        if (absent && !f->needed)
            continue;
        checked = absent ? NULL : value_of(f, value, &inside);
        if (!checked) {
            if (inside.code != ERR_NONE)
                err_set(err, ERR_IO, "%s: %s", f->name, inside.text);
            refuse(f, value, err);
            jv_free(out);
            return NULL;
        }
        if (inside.code != ERR_NONE)
            err_set(err, ERR_IO, "%s", inside.text);
        jv_set(out, f->name, checked);
    }
    return out;
}

// --- a message

bool
protocol_is_png(const void *data, size_t size)
{
    static const uint8_t signature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
    const uint8_t *p = data;
    size_t at = sizeof signature;
    bool pixels = false;
    if (size < at + 25 || memcmp(p, signature, at) != 0 || memcmp(p + at, "\0\0\0\rIHDR", 8) != 0)
        return false;
    while (size - at >= 12) {
        size_t n =
            (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 | p[at + 3];
        if (n > size - at - 12)
            return false;
        pixels = pixels || memcmp(p + at + 4, "IDAT", 4) == 0;
        if (memcmp(p + at + 4, "IEND", 4) == 0)
            return pixels && n == 0 && at + 12 == size;
        at += n + 12;
    }
    return false;
}

// Checks fields against each other, and the payload.
static bool
check_whole(const struct protocol_message *row, const struct wire_message *m, struct err *err)
{
    int64_t step = jv_integer(jv_get(m->head, "step"), 0),
            total = jv_integer(jv_get(m->head, "total"), 0);
    int64_t width = jv_integer(jv_get(m->head, "width"), 0),
            height = jv_integer(jv_get(m->head, "height"), 0),
            count = jv_integer(jv_get(m->head, "count"), 0),
            channels = jv_integer(jv_get(m->head, "channels"), 3);
    if (row->payload == PAYLOAD_PIXELS && step > total)
        return err_set(err, ERR_IO, "step is %lld of %lld", (long long)step, (long long)total);
    if (row->payload == PAYLOAD_PIXELS && m->size &&
        (int64_t)m->size != width * height * count * channels)
        return err_set(err, ERR_IO, "%lld pictures of %lld x %lld came as %zu bytes",
                       (long long)count, (long long)width, (long long)height, m->size);
    if (m->size > row->max_payload)
        return err_set(err, ERR_IO, "%zu bytes follow it; at most %zu are allowed", m->size,
                       row->max_payload);
    bool has_error = jv_get(m->head, "code") != NULL; // then no picture has to follow
    if (row->payload == PAYLOAD_PNG && !(has_error && !m->size) &&
        !protocol_is_png(m->payload, m->size))
        return err_set(err, ERR_IO, "what follows it is not a PNG");
    return true;
}

enum protocol_verdict
protocol_check(enum protocol_side from, struct wire_message *m, struct err *err)
{
    const struct protocol_message *row = find(from, m->type);
    struct err own = {0};
    if (!row)
        return PROTOCOL_UNKNOWN;
    struct jv *head = jv_is_object(m->head) ? object_of(row->fields, m->head, &own) : NULL;
    if (head) {
        jv_free(m->head);
        m->head = head;
    }
    m->type = row->type;
    struct err whole = {0};
    bool ok = head && check_whole(row, m, &whole);
    const struct err *why = head ? &whole : &own;
    if (ok && own.code == ERR_NONE)
        return PROTOCOL_TAKEN;
    err_set(err, ERR_IO, ok ? "in a message '%s' %s" : "a message '%s' was refused: %s", row->type,
            ok ? own.text : why->text);
    return ok ? PROTOCOL_TAKEN : row->ends ? PROTOCOL_BROKEN : PROTOCOL_REFUSED;
}
