// SPDX-License-Identifier: MIT
#include "app/job/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "app/job/parameters.h"
#include "engine/base/beneath.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

const struct job job_empty = {
#define PARAMETER(kind, field, empty, low, high, names, argument, names_a, where, group, label,    \
                  help)                                                                            \
    .field = empty,
#include "app/job/parameters.def"
#undef PARAMETER
};

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
    free(r->credit);
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
    free(j->model_hash);
    free(j->drawn_by);
    free(j->template);
    for (const struct parameter *p = parameters; p->name; p++)
        parameter_clear(p, j);
    *j = JOB_EMPTY;
}

void
job_copy(struct job *out, const struct job *j)
{
    struct job fresh = JOB_EMPTY; // `out` may be uninitialised
    for (const struct parameter *p = parameters; p->name; p++)
        parameter_copy(p, &fresh, j);
    memcpy(fresh.id, j->id, sizeof fresh.id);
    memcpy(fresh.references, j->references, sizeof fresh.references);
    fresh.reference_count = j->reference_count;
    fresh.instruction = copy_text(j->instruction);
    fresh.model_hash = copy_text(j->model_hash);
    fresh.drawn_by = copy_text(j->drawn_by);
    fresh.template = copy_text(j->template);
    *out = fresh;
    for (int i = 0; i < j->reference_count; i++) {
        const struct job_reference *from = &j->references[i];
        struct job_reference *r = &out->references[i];
        r->words = copy_text(from->words);
        r->file = copy_text(from->file);
        r->within = copy_text(from->within);
        r->where = copy_text(from->where);
        r->loader = copy_text(from->loader);
        r->credit = copy_text(from->credit);
        for (int k = 0; k < from->setting_count; k++)
            r->settings[k] = mem_strdup(from->settings[k]);
        // Without memory it becomes a reference whose picture has not been read (job_read()).
        r->data = from->data ? mem_try_calloc(from->size, 1, "a reference", NULL) : NULL;
        r->size = r->data ? from->size : 0;
        if (r->data)
            memcpy(r->data, from->data, from->size);
        else if (from->data)
            r->hash[0] = 0;
    }
}

static const struct {
    const char *name;
    int limit;
} uses[JOB_USE_COUNT] = {
    [JOB_REFERENCE] = {"reference", LIMIT_INSTRUCTION_REFERENCES},
    [JOB_AWAY] = {"away", LIMIT_JOB_AWAY},
    [JOB_START] = {"start", 1},
    [JOB_MASK] = {"mask", 1},
};

const char *
job_use_name(enum job_use use)
{
    return uses[use].name;
}

int
job_use_limit(enum job_use use)
{
    return uses[use].limit;
}

enum job_use
job_use_from_name(const char *name)
{
    int i = 0;
    while (i < JOB_USE_COUNT && strcmp(uses[i].name, name) != 0)
        i++;
    return (enum job_use)i;
}

void
job_reference_name(const struct job_reference *r, char *out, size_t size)
{
    switch (r->use) {
    case JOB_START: snprintf(out, size, "the picture to start from"); break;
    case JOB_MASK: snprintf(out, size, "the mask"); break;
    case JOB_AWAY: snprintf(out, size, "picture %d to steer away from", r->marker); break;
    case JOB_REFERENCE:
    case JOB_USE_COUNT: snprintf(out, size, "reference %d", r->marker); break;
    }
}

void
job_reference_key(const struct job_reference *r, char out[JOB_KEY_TEXT])
{
    if (r->use == JOB_REFERENCE)
        snprintf(out, JOB_KEY_TEXT, "%d", r->marker);
    else if (r->use == JOB_AWAY)
        snprintf(out, JOB_KEY_TEXT, "%s-%d", uses[r->use].name, r->marker);
    else
        snprintf(out, JOB_KEY_TEXT, "%s", uses[r->use].name);
}

void
job_reference_label(const struct job_reference *r, char out[JOB_KEY_TEXT])
{
    if (r->use == JOB_REFERENCE)
        snprintf(out, JOB_KEY_TEXT, "[ref#%d]", r->marker);
    else
        job_reference_key(r, out);
}

bool
job_read_key(const char *key, enum job_use *use, int *marker)
{
    struct job_reference r = {0};
    size_t away = strlen(uses[JOB_AWAY].name);
    char back[JOB_KEY_TEXT];
    r.use = job_use_from_name(key);
    if (r.use != JOB_START && r.use != JOB_MASK) {
        bool is_away = strncmp(key, uses[JOB_AWAY].name, away) == 0 && key[away] == '-';
        r.use = is_away ? JOB_AWAY : JOB_REFERENCE;
        long k = strtol(is_away ? key + away + 1 : key, NULL, 10);
        if (k < 1 || k > LIMIT_INSTRUCTION_MARKER)
            return false;
        r.marker = (int)k;
    }
    job_reference_key(&r, back); // "1x", "+1" and "01" are no keys
    *use = r.use;
    *marker = r.marker;
    return strcmp(back, key) == 0;
}

int
job_count(const struct job *j, enum job_use use)
{
    int n = 0;
    for (int i = 0; i < j->reference_count; i++)
        n += j->references[i].use == use;
    return n;
}

struct job_reference *
job_add_for(struct job *j, enum job_use use, int marker)
{
    if (job_count(j, use) == uses[use].limit)
        return NULL;
    struct job_reference *r = &j->references[j->reference_count++];
    *r = (struct job_reference){.use = use, .marker = marker};
    return r;
}

struct job_reference *
job_add(struct job *j, int marker)
{
    return job_add_for(j, JOB_REFERENCE, marker);
}

void
job_drop_data(struct job_reference *r)
{
    free(r->data);
    r->data = NULL;
    r->size = 0;
    r->hash[0] = 0;
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
job_find_for(struct job *j, enum job_use use, int marker)
{
    for (int i = 0; i < j->reference_count; i++)
        if (j->references[i].use == use && j->references[i].marker == marker)
            return &j->references[i];
    return NULL;
}

struct job_reference *
job_find(struct job *j, int marker)
{
    return job_find_for(j, JOB_REFERENCE, marker);
}

void
job_resolve(struct job *j)
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

// The file's name relative to the folder that it must lie below.
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
    char name[60];
    job_reference_name(r, name, sizeof name);
    if (r->embedded)
        return err_set(err, ERR_INPUT,
                       "%s came inside a picture that is not open: choose its picture", name);
    if (!r->file)
        return err_set(err, ERR_INPUT, "%s has no file", name);
    char *data = r->within
                     ? beneath_read(r->within, name_within(r), LIMIT_PICTURE_BYTES, &r->size, err)
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
            return err_set(err, ERR_INPUT, "%s", own.text); // a missing file is for the user to fix
        }
        if (!r->hash[0])
            job_hash(r->data, r->size, r->hash);
    }
    return true;
}

// What to steer away from: the text, and a marker for each picture that it does not name.
static char *
negative_text(const struct job *j)
{
    char *text = mem_strdup(j->negative ? j->negative : "");
    for (int i = 0; i < j->reference_count; i++) {
        char marker[20];
        snprintf(marker, sizeof marker, "[ref#%d]", j->references[i].marker);
        if (j->references[i].use != JOB_AWAY || strstr(text, marker))
            continue;
        char *longer = mem_printf("%s%s%s", text, *text ? " " : "", marker);
        free(text);
        text = longer;
    }
    return text;
}

bool
job_instruction(const struct job *j, enum job_use use, struct instruction *out, struct err *err)
{
    *out = (struct instruction){.text = use == JOB_AWAY
                                            ? negative_text(j)
                                            : mem_strdup(j->instruction ? j->instruction : "")};
    for (int i = 0; i < j->reference_count; i++) {
        const struct job_reference *r = &j->references[i];
        const char *words = r->words && *r->words ? r->words : "image";
        if (r->use == use && !instruction_add(out, r->marker, words, 1, 1, NULL, err))
            return false;
    }
    return true;
}

static bool
check_instruction(const struct job *j, enum job_use use, struct err *err)
{
    struct instruction n;
    bool ok = job_instruction(j, use, &n, err) && instruction_check(&n, err);
    instruction_finish(&n);
    return ok;
}

bool
job_check(const struct job *j, struct err *err)
{
    bool ok = check_instruction(j, JOB_REFERENCE, err);
    for (const struct parameter *p = parameters; ok && p->name; p++)
        ok = parameter_check(p, j, p->name, err);
    if (ok && j->negative && strlen(j->negative) > LIMIT_INSTRUCTION_BYTES)
        ok = err_set(err, ERR_INPUT, "negative has %zu bytes, the limit is %d", strlen(j->negative),
                     LIMIT_INSTRUCTION_BYTES);
    if (ok && (j->negative || job_count(j, JOB_AWAY)) && !check_instruction(j, JOB_AWAY, err))
        ok = err_prefix(err, "negative");
    int64_t last = j->seed + MAX(j->count, 1) - 1; // several have consecutive seeds
    if (ok && last > JOB_SEED_MAX)
        ok = err_set(err, ERR_INPUT, "the %sseed is %" PRId64 ", but must be at most %" PRId64,
                     last > j->seed ? "last picture's " : "", last, JOB_SEED_MAX);
    return ok;
}

// Parameters that apply to pictures need those pictures.
bool
job_check_complete(const struct job *j, struct err *err)
{
    struct value_weight w[LIMIT_INSTRUCTION_REFERENCES];
    bool start = job_count(j, JOB_START), mask = job_count(j, JOB_MASK);
    if (!job_check(j, err))
        return false;
    if (!start && (mask || j->strength >= 0))
        return err_set(err, ERR_INPUT, "a %s needs a picture to start from (start)",
                       mask ? "mask" : "strength");
    bool filled = j->retrieve <= 0; // else references are still to come
    for (int i = 0, n = j->ref_weight && filled ? value_weights(j->ref_weight, w) : 0; i < n; i++)
        if (!job_find((struct job *)(uintptr_t)j, w[i].number))
            return err_set(err, ERR_INPUT, "ref_weight is '%.60s', but there is no reference %d",
                           j->ref_weight, w[i].number);
    return true;
}
