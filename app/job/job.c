// SPDX-License-Identifier: MIT
#include "app/job/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
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
    *out = fresh;
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
    for (const struct parameter *p = parameters; ok && p->name; p++)
        ok = parameter_check(p, j, p->name, err);
    if (ok && j->negative && strlen(j->negative) > LIMIT_INSTRUCTION_BYTES)
        ok = err_set(err, ERR_INPUT, "negative has %zu bytes, the limit is %d", strlen(j->negative),
                     LIMIT_INSTRUCTION_BYTES);
    int64_t last = j->seed + MAX(j->count, 1) - 1; // several have seeds one after the other
    if (ok && last > JOB_SEED_MAX)
        ok = err_set(err, ERR_INPUT, "the %sseed is %" PRId64 ", it must be at most %" PRId64,
                     last > j->seed ? "last picture's " : "", last, JOB_SEED_MAX);
    return ok;
}
