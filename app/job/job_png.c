// SPDX-License-Identifier: MIT
// The job inside a picture that limn drew.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/base64.h"
#include "app/base/loras.h"
#include "app/job/parameters.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

enum { FORMAT = 1 }; // of the text in pictures

void
job_clear_local(struct job *j)
{
    for (const struct parameter *p = parameters; p->name; p++)
        if (!(p->where & (PARAMETER_PICTURE | PARAMETER_TEMPLATE)))
            parameter_clear(p, j);
    char *names = loras_names(j->lora);
    free(j->lora);
    j->lora = names;
}

bool
job_check_format(const struct jv *root, const char *name, struct err *err)
{
    const struct jv *format = jv_get(root, "format");
    if (!format || jv_integer(format, 0) == FORMAT)
        return true;
    if (jv_integer(format, 0) > FORMAT)
        return err_set(err, ERR_INPUT,
                       "%s: written by a later limn, in format %" PRId64 "; this one reads format "
                                                                         "%d",
                       name, jv_integer(format, 0), FORMAT);
    return err_set(err, ERR_INPUT, "%s: its format must be %d", name, FORMAT);
}

// In a picture a reference's text begins with its marker, which is also stored by itself.
static void
strip_marker(struct job_reference *r)
{
    char marker[20];
    int n = snprintf(marker, sizeof marker, "[ref#%d] ", r->marker);
    if (r->words && strncmp(r->words, marker, (size_t)n) == 0)
        memmove(r->words, r->words + n, strlen(r->words + n) + 1);
}

// References in a picture are complete: the loader's result as a PNG, in base 64.
static bool
unpack_reference(struct job_reference *r, const struct jv *v, const char *path, struct err *err)
{
    const char *text = jv_string(jv_get(v, "png"), NULL);
    struct err own = {0};
    r->data = text ? base64_decode(text, &r->size, &own) : NULL;
    if (own.code == ERR_MEMORY)
        return err_set(err, own.code, "%s: %s", path, own.text);
    if (!r->data)
        return err_set(err, ERR_INPUT, "%s: a reference in it is damaged", path);
    r->processed = true;
    job_embed(r, path);
    job_hash(r->data, r->size, r->hash);
    strip_marker(r);
    return codec_recognise(r->data, r->size, path, err);
}

void
job_embed(struct job_reference *r, const char *path)
{
    char *name = r->file ? mem_strdup(file_basename(r->file)) : NULL;
    free(r->file);
    free(r->within);
    free(r->where);
    r->file = name;
    r->within = NULL;
    r->where = mem_strdup(path);
    r->embedded = true;
}

// From a picture's text, which it frees; NULL: there was none, or it could not be read.
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
        // "model" in a picture is a name for people; which model draws is for the user to say.
        j->drawn_by = j->model ? mem_strdup(j->model) : NULL;
        job_clear_local(j);
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
