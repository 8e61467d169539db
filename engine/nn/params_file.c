// SPDX-License-Identifier: MIT
// Parameters and safetensors files.
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/nn/params.h"

enum { PIECE = 1 << 18 }; // elements converted at a time

// Files of whole T5 models hold the token table under two names (it is one tensor there).
static const struct {
    const char *name, *also;
} aliases[] = {{"shared.weight", "encoder.embed_tokens.weight"}};

// Name inside the file, NULL when the parameter is not of this part.
static const char *
file_name(const struct param *q, const char *part)
{
    size_t n = strlen(part);
    return strncmp(q->name, part, n) == 0 ? q->name + n : NULL;
}

static const struct tensor_view *
find_tensor(const struct safetensors *file, const char *name)
{
    const struct tensor_view *t = safetensors_find(file, name);
    for (size_t i = 0; !t && i < COUNT_OF(aliases); i++)
        if (strcmp(aliases[i].name, name) == 0)
            t = safetensors_find(file, aliases[i].also);
    return t;
}

static const char *
canonical(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        if (strcmp(aliases[i].also, name) == 0)
            return aliases[i].name;
    return name;
}

static bool
fits(const struct param *q, const struct tensor_view *t)
{
    return dtype_is_float(t->dtype) && shape_equal(&q->shape, &t->shape);
}

void
params_compare(const struct params *p, const char *part, const struct safetensors *file,
               struct params_report *report)
{
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        const char *name = file_name(q, part);
        const struct tensor_view *t = name ? find_tensor(file, name) : NULL;
        if (name && !t) {
            ARRAY_PUSH(report->missing, report->missing_count, report->missing_capacity,
                       mem_strdup(q->name));
        } else if (name && !fits(q, t)) {
            char has[SHAPE_TEXT_MAX], needs[SHAPE_TEXT_MAX];
            const char *type = t->dtype == DTYPE_NONE && t->type ? t->type : dtype_name(t->dtype);
            char *text = mem_printf("%s is %.32s %s, needs a float %s", q->name, type,
                                    shape_text(&t->shape, has), shape_text(&q->shape, needs));
            ARRAY_PUSH(report->misshapen, report->misshapen_count, report->misshapen_capacity,
                       text);
        }
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        char *full = mem_printf("%s%s", part, canonical(name));
        bool known = params_find(p, full);
        free(full);
        if (!known)
            ARRAY_PUSH(report->surplus, report->surplus_count, report->surplus_capacity,
                       mem_printf("%s%s", part, name));
    }
}

static void
free_list(char **list, int count)
{
    for (int i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void
params_report_finish(struct params_report *r)
{
    free_list(r->missing, r->missing_count);
    free_list(r->surplus, r->surplus_count);
    free_list(r->misshapen, r->misshapen_count);
    *r = (struct params_report){0};
}

bool
params_report_whole(const struct params_report *r)
{
    return !r->missing_count && !r->surplus_count && !r->misshapen_count;
}

char *
params_report_text(const struct params_report *r)
{
    const struct {
        const char *what;
        char **list;
        int count;
    } rows[] = {{"missing", r->missing, r->missing_count},
                {"misshapen", r->misshapen, r->misshapen_count},
                {"surplus", r->surplus, r->surplus_count}};
    char *text = mem_strdup("");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!rows[i].count)
            continue;
        char *longer = mem_printf("%s%s%d %s (%s%s)", text, *text ? ", " : "", rows[i].count,
                                  rows[i].what, rows[i].count > 1 ? "first: " : "",
                                  rows[i].list[0]);
        free(text);
        text = longer;
    }
    return text;
}

static bool
load_one(const struct param *q, const struct tensor_view *t, void *piece, struct buffer *block,
         struct err *err)
{
    if (q->dtype == t->dtype)
        return buffer_write(block, q->offset, t->data, q->size, err);
    int64_t n = shape_count(&q->shape);
    size_t from = dtype_size(t->dtype), to = dtype_size(q->dtype);
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t count = MIN(n - at, PIECE);
        const char *source = (const char *)t->data + (size_t)at * from;
        dtype_convert(q->dtype, piece, t->dtype, source, count);
        if (!buffer_write(block, q->offset + (size_t)at * to, piece, (size_t)count * to, err))
            return false;
    }
    return true;
}

bool
params_load(const struct params *p, const char *part, const struct safetensors *file,
            struct buffer *block, struct err *err)
{
    void *piece = mem_alloc(PIECE * sizeof(double));
    bool ok = true;
    for (int i = 0; ok && i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        const char *name = file_name(q, part);
        const struct tensor_view *t = name ? find_tensor(file, name) : NULL;
        if (t && fits(q, t))
            ok = load_one(q, t, piece, block, err);
    }
    free(piece);
    return ok;
}

static bool
save_one(const struct param *q, enum dtype dtype, struct buffer *block, void *stored, void *piece,
         struct safetensors_writer *w, struct err *err)
{
    int64_t n = shape_count(&q->shape);
    size_t from = dtype_size(q->dtype);
    for (int64_t at = 0; at < n; at += PIECE) {
        int64_t count = MIN(n - at, PIECE);
        if (!buffer_read(block, q->offset + (size_t)at * from, stored, (size_t)count * from, err))
            return false;
        dtype_convert(dtype, piece, q->dtype, stored, count);
        if (!safetensors_writer_put(w, piece, dtype_bytes(dtype, count), err))
            return false;
    }
    return true;
}

bool
params_save(const struct params *p, const char *part, struct buffer *block, enum dtype dtype,
            const char *path, const char *const *metadata, struct err *err)
{
    struct tensor_view *views = mem_zalloc((size_t)(params_entries(p) + 1) * sizeof *views);
    size_t count = 0;
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        const char *name = file_name(q, part);
        if (!name)
            continue;
        enum dtype t = q->kind == PARAM_VECTOR ? DTYPE_F32 : dtype;
        views[count++] = (struct tensor_view){
            .name = name,
            .dtype = t,
            .shape = q->shape,
            .size = dtype_bytes(t, shape_count(&q->shape)),
        };
    }
    void *stored = mem_alloc(PIECE * sizeof(double)), *piece = mem_alloc(PIECE * sizeof(double));
    struct safetensors_writer *w = safetensors_writer_open(path, views, count, metadata, err);
    bool ok = w;
    for (int i = 0; ok && i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        if (file_name(q, part))
            ok = save_one(q, q->kind == PARAM_VECTOR ? DTYPE_F32 : dtype, block, stored, piece, w,
                          err);
    }
    if (ok)
        ok = safetensors_writer_commit(w, err);
    else
        safetensors_writer_abort(w);
    free(views);
    free(stored);
    free(piece);
    return ok;
}
