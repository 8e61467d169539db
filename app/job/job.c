// SPDX-License-Identifier: MIT
#include "app/job/job.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "app/base/base64.h"
#include "engine/base/beneath.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { FORMAT = 1 }; // of the text in pictures

#define SEED_MAX ((int64_t)1 << 53) // what JSON numbers carry exactly

static char *
copy_text(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static void
finish_reference(struct job_reference *r)
{
    free(r->words);
    free(r->file);
    free(r->within);
    free(r->where);
    free(r->loader);
    for (int i = 0; i < r->setting_count; i++)
        free(r->settings[i]);
    free(r->data);
    *r = (struct job_reference){0};
}

void
job_finish(struct job *j)
{
    for (int i = 0; i < j->reference_count; i++)
        finish_reference(&j->references[i]);
    free(j->instruction);
    free(j->guidance);
    free(j->sampler);
    free(j->model_hash);
    free(j->model);
    free(j->device);
    free(j->dtype);
    *j = JOB_EMPTY;
}

void
job_copy(struct job *out, const struct job *j)
{
    *out = *j;
    out->instruction = copy_text(j->instruction);
    out->guidance = copy_text(j->guidance);
    out->sampler = copy_text(j->sampler);
    out->model_hash = copy_text(j->model_hash);
    out->model = copy_text(j->model);
    out->device = copy_text(j->device);
    out->dtype = copy_text(j->dtype);
    for (int i = 0; i < j->reference_count; i++) {
        const struct job_reference *from = &j->references[i];
        struct job_reference *r = &out->references[i];
        r->words = copy_text(from->words);
        r->file = copy_text(from->file);
        r->within = copy_text(from->within);
        r->where = copy_text(from->where);
        r->loader = copy_text(from->loader);
        for (int k = 0; k < from->setting_count; k++)
            r->settings[k] = mem_strdup(from->settings[k]);
        if (from->data) {
            r->data = mem_alloc(from->size ? from->size : 1);
            memcpy(r->data, from->data, from->size);
        }
    }
}

struct job_reference *
job_add(struct job *j, int marker)
{
    if (j->reference_count == LIMIT_INSTRUCTION_REFERENCES)
        return NULL;
    struct job_reference *r = &j->references[j->reference_count++];
    *r = (struct job_reference){.marker = marker};
    return r;
}

void
job_remove(struct job *j, int index)
{
    finish_reference(&j->references[index]);
    j->reference_count--;
    memmove(&j->references[index], &j->references[index + 1],
            (size_t)(j->reference_count - index) * sizeof *j->references);
    j->references[j->reference_count] = (struct job_reference){0};
}

struct job_reference *
job_find(struct job *j, int marker)
{
    for (int i = 0; i < j->reference_count; i++)
        if (j->references[i].marker == marker)
            return &j->references[i];
    return NULL;
}

const char *const job_parameters[] = {"seed", "steps", "scale", "context_scale", NULL};

static int
parameter_index(const char *name)
{
    for (int i = 0; job_parameters[i]; i++)
        if (strcmp(job_parameters[i], name) == 0)
            return i;
    return -1;
}

bool
job_has_parameter(const char *name)
{
    return parameter_index(name) >= 0;
}

bool
job_set_parameter(struct job *j, const char *name, const char *value, struct err *err)
{
    static const struct {
        double low, high;
        bool whole;
    } limits[] = {{0, SEED_MAX, true}, {1, 1000, true}, {0, 100, false}, {0, 100, false}};
    int which = parameter_index(name);
    if (which < 0)
        return false;
    char *end;
    double v = strtod(value, &end);
    int64_t exact = 0;
    bool ok = end != value && !*end && v >= limits[which].low && v <= limits[which].high;
    if (ok && limits[which].whole) { // as a double, 2^53 + 1 would be 2^53
        exact = strtoll(value, &end, 10);
        ok = !*end && exact <= SEED_MAX;
    }
    if (!ok)
        return err_set(err, ERR_INPUT, "%s is '%.40s', it must be a%s number in %.16g..%.16g", name,
                       value, limits[which].whole ? " whole" : "", limits[which].low,
                       limits[which].high);
    if (which == 0)
        j->seed = exact;
    else if (which == 1)
        j->steps = (int)exact;
    else
        *(which == 2 ? &j->scale : &j->context_scale) = v;
    return true;
}

void
job_settle(struct job *j)
{
    if (!j->id[0])
        job_name(j);
    j->count = MAX(j->count, 1);
    if (j->seed < 0) {
        uint32_t chosen = 1;
        if (getrandom(&chosen, sizeof chosen, 0) != sizeof chosen)
            chosen = (uint32_t)getpid();
        j->seed = chosen;
    }
}

// The name of its file from the folder that it must lie below.
static const char *
name_within(const struct job_reference *r)
{
    size_t n = strlen(r->within);
    if (!n || strncmp(r->file, r->within, n) != 0)
        return r->file;
    return r->file + n + strspn(r->file + n, "/");
}

static bool
read_file(struct job_reference *r, struct err *err)
{
    if (r->embedded)
        return err_set(err, ERR_INPUT,
                       "reference %d came inside a picture that is not open: choose its picture",
                       r->marker);
    if (!r->file)
        return err_set(err, ERR_INPUT, "reference %d has no picture", r->marker);
    char *data = r->within ? beneath_read(r->within, name_within(r), LIMIT_PICTURE_BYTES, &r->size, err)
                           : file_read(r->file, LIMIT_PICTURE_BYTES, &r->size, err);
    r->data = (uint8_t *)data;
    if (!data || codec_recognise(data, r->size, r->file, err))
        return data != NULL;
    free(data);
    r->data = NULL;
    return false;
}

bool
job_read(struct job *j, struct err *err)
{
    for (int i = 0; i < j->reference_count; i++) {
        struct job_reference *r = &j->references[i];
        struct err own = {0};
        if (!r->data && !read_file(r, &own)) {
            if (r->where)
                err_prefix(&own, "%s", r->where);
            return err_set(err, ERR_INPUT, "%s", own.text); // a missing file is the user's to mend
        }
        if (!r->hash[0])
            job_hash(r->data, r->size, r->hash);
    }
    return true;
}

bool
job_check(const struct job *j, struct err *err)
{
    struct instruction n = {.text = copy_text(j->instruction ? j->instruction : "")};
    bool ok = true;
    for (int i = 0; ok && i < j->reference_count; i++) {
        const struct job_reference *r = &j->references[i];
        const char *words = r->words && *r->words ? r->words : "image";
        ok = instruction_add(&n, r->marker, words, 1, 1, NULL, err);
    }
    ok = ok && instruction_check(&n, err);
    instruction_finish(&n);
    if (ok && (j->steps < 0 || j->steps > 1000))
        ok = err_set(err, ERR_INPUT, "steps is %d, it must lie in 1..1000", j->steps);
    if (ok && (j->count < 0 || j->count > LIMIT_JOB_PICTURES))
        ok = err_set(err, ERR_INPUT, "count is %d, it must lie in 1..%d", j->count,
                     LIMIT_JOB_PICTURES);
    if (ok && j->size && (j->size < 8 || j->size > 4096))
        ok = err_set(err, ERR_INPUT, "size is %d, it must lie in 8..4096", j->size);
    int64_t last = j->seed + MAX(j->count, 1) - 1; // several have seeds one after the other
    if (ok && last > SEED_MAX)
        ok = err_set(err, ERR_INPUT, "the %sseed is %" PRId64 ", it must be at most %" PRId64,
                     last > j->seed ? "last picture's " : "", last, SEED_MAX);
    if (ok && (j->scale > 100 || j->context_scale > 100))
        ok = err_set(err, ERR_INPUT, "a guidance scale is over 100");
    return ok;
}

// --- templates

static bool
reference_from_template(struct job *j, const struct template *t,
                        const struct template_reference *ref, struct err *err)
{
    struct job_reference *r = job_add(j, ref->marker);
    r->file = template_image(t, ref, err);
    if (r->file && !template_image_typed(t, ref))
        r->within = mem_strdup(t->folder);
    r->words = r->file ? template_fill(t, ref->text, ref->line, ref->column, err) : NULL;
    bool ok = r->words != NULL;
    if (ok && ref->loader) {
        r->loader = template_fill(t, ref->loader, ref->line, ref->column, err);
        ok = r->loader != NULL;
    }
    for (int i = 0; ok && i < ref->setting_count; i++) {
        char *setting = template_fill(t, ref->settings[i], ref->line, ref->column, err);
        ok = setting != NULL;
        if (ok)
            r->settings[r->setting_count++] = setting;
    }
    if (r->words && !*r->words) {
        free(r->words);
        r->words = NULL;
    }
    r->where = mem_printf("%s:%d:%d", t->path, ref->line, ref->column);
    return ok;
}

bool
job_from_template(struct job *j, const struct template *t, struct err *err)
{
    *j = JOB_EMPTY;
    j->seed = t->seed;
    j->steps = t->steps;
    j->count = t->count;
    j->size = t->size;
    j->scale = t->scale;
    j->context_scale = t->context_scale;
    j->guidance = copy_text(t->guidance);
    j->sampler = copy_text(t->sampler);
    j->instruction = template_fill(t, t->text, t->text_line, t->text_column, err);
    bool ok = j->instruction != NULL;
    for (int i = 0; ok && i < t->reference_count; i++)
        ok = reference_from_template(j, t, &t->references[i], err);
    struct err fault = {0};
    if (ok && !job_check(j, &fault))
        ok = err_set(err, ERR_INPUT, "%s:%d:%d: %s", t->path, t->text_line, t->text_column,
                     fault.text);
    return ok;
}

// --- JSON

static void
set_text(struct jv *o, const char *key, const char *value)
{
    if (value)
        jv_set(o, key, jv_from_string(value));
}

static struct jv *
reference_json(const struct job_reference *r, bool full)
{
    struct jv *o = jv_object();
    const char *slash = r->file && !full ? strrchr(r->file, '/') : NULL;
    jv_set(o, "marker", jv_from_integer(r->marker));
    set_text(o, "text", r->words);
    set_text(o, "file", slash ? slash + 1 : r->file);
    if (full || r->where)
        set_text(o, "where", r->where);
    set_text(o, "loader", r->loader);
    if (r->hash[0])
        jv_set(o, "hash", jv_from_string(r->hash));
    if (r->processed)
        jv_set(o, "processed", jv_from_bool(true));
    if (full)
        set_text(o, "within", r->within);
    if (r->embedded && full)
        jv_set(o, "embedded", jv_from_bool(true));
    struct jv *settings = jv_array();
    for (int i = 0; i < r->setting_count; i++)
        jv_append(settings, jv_from_string(r->settings[i]));
    jv_set(o, "settings", settings);
    return o;
}

struct jv *
job_json(const struct job *j, bool full)
{
    struct jv *o = jv_object(), *references = jv_array();
    jv_set(o, "id", jv_from_string(j->id));
    jv_set(o, "instruction", jv_from_string(j->instruction ? j->instruction : ""));
    for (int i = 0; i < j->reference_count; i++)
        jv_append(references, reference_json(&j->references[i], full));
    jv_set(o, "references", references);
    jv_set(o, "seed", jv_from_integer(j->seed));
    jv_set(o, "steps", jv_from_integer(j->steps));
    jv_set(o, "count", jv_from_integer(j->count));
    jv_set(o, "size", jv_from_integer(j->size));
    jv_set(o, "scale", jv_from_number(j->scale));
    jv_set(o, "context_scale", jv_from_number(j->context_scale));
    set_text(o, "guidance", j->guidance);
    set_text(o, "sampler", j->sampler);
    set_text(o, "model_hash", j->model_hash);
    set_text(o, "model", j->model);
    set_text(o, "device", j->device);
    set_text(o, "dtype", j->dtype);
    if (j->offload)
        jv_set(o, "offload", jv_from_bool(true));
    return o;
}

static char *
text_of(const struct jv *o, const char *key)
{
    return copy_text(jv_string(jv_get(o, key), NULL));
}

// A short word; anything longer is not one and is left out.
static char *
word_of(const struct jv *o, const char *key)
{
    const char *text = jv_string(jv_get(o, key), NULL);
    return text && *text && strlen(text) < 128 ? mem_strdup(text) : NULL;
}

static bool
is_hash(const char *text)
{
    return strlen(text) == JOB_HASH_TEXT - 1 && strspn(text, "0123456789abcdef") == strlen(text);
}

enum type { TYPE_TEXT = 0, TYPE_WHOLE, TYPE_NUMBER, TYPE_SWITCH, TYPE_LIST };

struct key {
    const char *name;
    enum type type;
};

static const struct key job_keys[] = {
    {"id", TYPE_TEXT},           {"instruction", TYPE_TEXT}, {"references", TYPE_LIST},
    {"seed", TYPE_WHOLE},        {"steps", TYPE_WHOLE},      {"count", TYPE_WHOLE},
    {"size", TYPE_WHOLE},        {"scale", TYPE_NUMBER},     {"context_scale", TYPE_NUMBER},
    {"guidance", TYPE_TEXT},     {"sampler", TYPE_TEXT},     {"model", TYPE_TEXT},
    {"model_hash", TYPE_TEXT},   {"device", TYPE_TEXT},      {"dtype", TYPE_TEXT},
    {"offload", TYPE_SWITCH},
};
static const struct key reference_keys[] = {
    {"marker", TYPE_WHOLE},   {"text", TYPE_TEXT},        {"file", TYPE_TEXT},
    {"where", TYPE_TEXT},     {"within", TYPE_TEXT},      {"loader", TYPE_TEXT},
    {"hash", TYPE_TEXT},      {"processed", TYPE_SWITCH}, {"embedded", TYPE_SWITCH},
    {"settings", TYPE_LIST},
};

// What is there has the type it must have; null is as if it were not there.
static bool
check_types(const struct jv *o, const struct key *keys, size_t count, const char *name,
            struct err *err)
{
    static const char *const words[] = {"a text", "a whole number", "a number", "true or false",
                                        "a list"};
    for (size_t i = 0; i < count; i++) {
        const struct jv *v = jv_get(o, keys[i].name);
        const bool fits[] = {jv_is_string(v), jv_is_integer(v), jv_is_number(v), jv_is_bool(v),
                             jv_is_array(v)};
        if (!jv_is_null(v) && !fits[keys[i].type])
            return err_set(err, ERR_INPUT, "%s: its %s must be %s", name, keys[i].name,
                           words[keys[i].type]);
    }
    return true;
}

static bool
parse_reference(struct job *j, const struct jv *v, const char *name, struct err *err)
{
    if (!check_types(v, reference_keys, COUNT_OF(reference_keys), name, err))
        return false;
    int64_t marker = jv_integer(jv_get(v, "marker"), 0);
    const char *hash = jv_string(jv_get(v, "hash"), "");
    const struct jv *settings = jv_get(v, "settings");
    if (marker < 1 || marker > LIMIT_INSTRUCTION_MARKER || (*hash && !is_hash(hash)) ||
        jv_size(settings) > LIMIT_TEMPLATE_SETTINGS)
        return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", name);
    struct job_reference *r = job_add(j, (int)marker);
    if (!r)
        return err_set(err, ERR_INPUT, "%s: more than %d references", name,
                       LIMIT_INSTRUCTION_REFERENCES);
    r->words = text_of(v, "text");
    r->file = text_of(v, "file");
    r->within = text_of(v, "within");
    r->embedded = jv_bool(jv_get(v, "embedded"), false);
    r->where = text_of(v, "where");
    r->loader = word_of(v, "loader");
    r->processed = jv_bool(jv_get(v, "processed"), false);
    snprintf(r->hash, sizeof r->hash, "%s", hash);
    for (size_t i = 0; i < jv_size(settings); i++)
        r->settings[r->setting_count++] = mem_strdup(jv_string(jv_at(settings, i), ""));
    return true;
}

static bool
in_range(const struct jv *o, const char *key, int64_t low, int64_t high, int64_t absent,
         int64_t *out, const char *name, struct err *err)
{
    *out = jv_integer(jv_get(o, key), absent);
    if (*out < low || *out > high)
        return err_set(err, ERR_INPUT, "%s: its %s is %" PRId64 ", it must lie in %" PRId64
                       "..%" PRId64, name, key, *out, low, high);
    return true;
}

bool
job_parse(struct job *j, const struct jv *v, const char *name, struct err *err)
{
    *j = JOB_EMPTY;
    const struct jv *said = jv_get(v, "instruction");
    const char *instruction = jv_string(said, NULL);
    if (!instruction && jv_is_null(said))
        return err_set(err, ERR_INPUT, "%s: there is no instruction in it", name);
    int64_t seed = -1, steps = 0, count = 0, size = 0;
    if (!check_types(v, job_keys, COUNT_OF(job_keys), name, err) ||
        !in_range(v, "seed", -1, SEED_MAX, -1, &seed, name, err) ||
        !in_range(v, "steps", 0, 1000, 0, &steps, name, err) ||
        !in_range(v, "count", 0, LIMIT_JOB_PICTURES, 0, &count, name, err) ||
        !in_range(v, "size", 0, 4096, 0, &size, name, err))
        return false;
    j->instruction = mem_strdup(instruction);
    j->seed = seed;
    j->steps = (int)steps;
    j->count = (int)count;
    j->size = (int)size;
    j->scale = jv_number(jv_get(v, "scale"), -1);
    j->context_scale = jv_number(jv_get(v, "context_scale"), -1);
    j->guidance = word_of(v, "guidance");
    j->sampler = word_of(v, "sampler");
    j->model_hash = word_of(v, "model_hash");
    j->model = text_of(v, "model");
    j->device = word_of(v, "device");
    j->dtype = word_of(v, "dtype");
    j->offload = jv_bool(jv_get(v, "offload"), false);
    const char *id = jv_string(jv_get(v, "id"), "");
    snprintf(j->id, sizeof j->id, "%s", id);
    if (*id && !job_is_id(id))
        return err_set(err, ERR_INPUT, "%s: its id is damaged", name);
    const struct jv *references = jv_get(v, "references");
    for (size_t i = 0; i < jv_size(references); i++)
        if (!parse_reference(j, jv_at(references, i), name, err))
            return false;
    return true;
}

// --- PNG

void
job_disobey(struct job *j)
{
    free(j->model);
    free(j->device);
    free(j->dtype);
    j->model = j->device = j->dtype = NULL;
    j->offload = false;
}

bool
job_check_format(const struct jv *root, const char *name, struct err *err)
{
    const struct jv *format = jv_get(root, "format");
    if (!format || jv_integer(format, 0) == FORMAT)
        return true;
    if (jv_integer(format, 0) > FORMAT)
        return err_set(err, ERR_INPUT,
                       "%s: a later limn wrote it, in format %" PRId64 "; this one reads format %d",
                       name, jv_integer(format, 0), FORMAT);
    return err_set(err, ERR_INPUT, "%s: its format must be %d", name, FORMAT);
}

// References in a picture are whole: their PNG data in base 64, after the loader.
static bool
unpack_reference(struct job_reference *r, const struct jv *v, const char *path, struct err *err)
{
    const char *text = jv_string(jv_get(v, "png"), NULL);
    r->data = text ? base64_decode(text, &r->size) : NULL;
    if (!r->data)
        return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", path);
    r->processed = true;
    job_embed(r, path);
    job_hash(r->data, r->size, r->hash);
    return codec_recognise(r->data, r->size, path, err);
}

void
job_embed(struct job_reference *r, const char *path)
{
    const char *slash = r->file ? strrchr(r->file, '/') : NULL;
    char *name = copy_text(slash ? slash + 1 : r->file);
    free(r->file);
    free(r->within);
    free(r->where);
    r->file = name;
    r->within = NULL;
    r->where = mem_strdup(path);
    r->embedded = true;
}

// From the text of a picture; takes it over. NULL: there was none, or it was an error.
static bool
job_from_text(struct job *j, char *text, const char *path, struct err *err)
{
    *j = JOB_EMPTY;
    if (!text)
        return false;
    struct jv *root = jv_parse_within(text, strlen(text), LIMIT_PICTURE_VALUES, path, err);
    bool ok = root && job_check_format(root, path, err) && job_parse(j, root, path, err);
    const struct jv *references = jv_get(root, "references");
    for (int i = 0; ok && i < j->reference_count; i++)
        ok = unpack_reference(&j->references[i], jv_at(references, (size_t)i), path, err);
    if (ok) {
        // "model" in a picture is a name for people; what draws is the user's to say.
        job_disobey(j);
        j->count = 1;
        j->id[0] = 0;
        j->seed = MAX(j->seed, 0);
        ok = job_check(j, err) || err_prefix(err, "%s", path);
    }
    jv_free(root);
    free(text);
    return ok;
}

bool
job_is_png(const char *path)
{
    static const char head[] = {'\x89', 'P', 'N', 'G', '\r', '\n', '\x1A', '\n'};
    char have[8] = "";
    FILE *f = file_stream(path, "r", NULL);
    size_t n = f ? fread(have, 1, 8, f) : 0;
    if (f)
        fclose(f);
    return n == 8 && memcmp(head, have, 8) == 0;
}

bool
job_from_png(struct job *j, const char *path, struct err *err)
{
    return job_from_text(j, codec_png_text(path, "limn", err), path, err);
}

bool
job_from_png_in(struct job *j, const void *png, size_t size, const char *name, struct err *err)
{
    return job_from_text(j, codec_png_text_in(png, size, name, "limn", err), name, err);
}
