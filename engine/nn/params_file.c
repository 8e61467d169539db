// SPDX-License-Identifier: MIT
// Parameters and safetensors files.
#include <stdlib.h>
#include <string.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/nn/params.h"
#include "engine/tensor/packed.h"
#include "engine/tensor/scales.h"

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

// A parameter in a file: its tensor and where in it.
struct found {
    const struct tensor_view *tensor; // NULL: not there
    struct param_place place;
    struct scales scales;
    const struct params_change *change; // NULL: nothing is added
    const void *added;                  // of it
};

static const struct tensor_view *
find_prefixed(const struct safetensors *file, const struct params_spelling *spelling,
              const char *name)
{
    if (!spelling || !*spelling->prefix)
        return find_tensor(file, name);
    char *full = mem_printf("%s%s", spelling->prefix, name);
    const struct tensor_view *t = find_tensor(file, full);
    free(full);
    return t;
}

static struct found
find_param(const struct safetensors *file, const char *name, const struct params_spelling *spelling)
{
    struct found f = {.tensor = find_prefixed(file, spelling, name)};
    for (int way = 0; !f.tensor && spelling && spelling->place; way++) {
        f.place = (struct param_place){0};
        if (!spelling->place(spelling->config, name, way, &f.place))
            break;
        f.tensor = find_prefixed(file, spelling, f.place.name);
    }
    if (f.tensor)
        f.scales = scales_find(file, f.tensor);
    return f;
}

// [K,C,1,1] is [K,C]: products that other files keep as convolutions.
static struct shape
squeeze(struct shape s)
{
    while (s.rank > 2 && s.dim[s.rank - 1] == 1)
        s.rank--;
    return s;
}

static bool
fits(const struct param *q, const struct found *f)
{
    struct shape has = squeeze(f->tensor->shape), want = squeeze(q->shape);
    bool fused = f->place.rows != 0;
    if (fused && (has.rank == 0 || has.dim[0] != f->place.rows))
        return false;
    if (fused)
        has.dim[0] = want.dim[0];
    bool same = f->place.name[0] ? shape_equal(&has, &want)
                                 : shape_equal(&f->tensor->shape, &q->shape);
    int64_t row = shape_count(&q->shape) / MAX(q->shape.rank ? q->shape.dim[0] : 1, 1);
    const struct packed_type *packed = f->tensor->packed;
    bool whole = !packed || row % packed->weights == 0 ||
                 (!f->place.rows && !f->place.swap_halves);
    return (dtype_is_float(f->tensor->dtype) || packed) && same && whole && scales_fit(&f->scales);
}

static char *
misfit(const struct param *q, const struct found *f)
{
    char has[SHAPE_TEXT_MAX], needs[SHAPE_TEXT_MAX];
    const struct tensor_view *t = f->tensor;
    struct shape want = q->shape;
    if (f->place.rows)
        want.dim[0] = f->place.rows;
    bool other = f->place.name[0];
    const char *type = t->dtype == DTYPE_NONE && t->type ? t->type : dtype_name(t->dtype);
    char *scale = scales_fit(&f->scales) ? NULL : scales_misfit(&f->scales);
    char *text = scale ? mem_printf("%s, %s", q->name, scale)
                       : mem_printf("%s%s%s is %.32s %s, needs a float %s", q->name,
                                    other ? ", in the file " : "", other ? t->name : "", type,
                                    shape_text(&t->shape, has), shape_text(&want, needs));
    free(scale);
    return text;
}

static bool
is_known(const struct params *p, const char *part, const struct params_spelling *spelling,
         const struct tensor_view *t, const struct tensor_view *const *used, int used_count)
{
    const char *prefix = spelling ? spelling->prefix : "";
    size_t n = strlen(prefix);
    for (int i = 0; i < used_count; i++)
        if (used[i] == t)
            return true;
    if (strncmp(t->name, prefix, n) != 0)
        return true; // another network's
    const char *name = t->name + n;
    char *full = mem_printf("%s%s", part, canonical(name));
    bool known = params_find(p, full);
    free(full);
    return known || scales_is_scale(name) ||
           (spelling && spelling->ignored && spelling->ignored(spelling->config, name));
}

void
params_compare(const struct params *p, const char *part, const struct safetensors *file,
               const struct params_spelling *spelling, struct params_report *report)
{
    const struct tensor_view **used = NULL;
    int used_count = 0, capacity = 0;
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        const char *name = file_name(q, part);
        if (!name)
            continue;
        struct found f = find_param(file, name, spelling);
        if (!f.tensor)
            ARRAY_PUSH(report->missing, report->missing_count, report->missing_capacity,
                       mem_strdup(q->name));
        else if (!fits(q, &f))
            ARRAY_PUSH(report->mismatched, report->mismatched_count, report->mismatched_capacity,
                       misfit(q, &f));
        if (f.tensor)
            ARRAY_PUSH(used, used_count, capacity, f.tensor);
    }
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct tensor_view *t = safetensors_at(file, i);
        if (!is_known(p, part, spelling, t, used, used_count))
            ARRAY_PUSH(report->unexpected, report->unexpected_count, report->unexpected_capacity,
                       mem_printf("%s%s", part, t->name));
    }
    free(used);
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
    free_list(r->unexpected, r->unexpected_count);
    free_list(r->mismatched, r->mismatched_count);
    *r = (struct params_report){0};
}

bool
params_report_is_empty(const struct params_report *r)
{
    return !r->missing_count && !r->unexpected_count && !r->mismatched_count;
}

char *
params_report_text(const struct params_report *r)
{
    const struct {
        const char *what;
        char **list;
        int count;
    } rows[] = {{"missing", r->missing, r->missing_count},
                {"misshapen", r->mismatched, r->mismatched_count},
                {"surplus", r->unexpected, r->unexpected_count}};
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

// The blocks that a matrix is to be in; DTYPE_NONE: none.
static enum dtype
blocks_of(const struct found *f, const struct params_change *change, const char *name,
          enum dtype wish)
{
    const struct packed_type *packed = f->tensor ? f->tensor->packed : NULL;
    enum dtype has = packed ? packed->dtype : DTYPE_NONE;
    if (!has)
        return wish;
    bool changed = change && change->find(change->ctx, name);
    return changed && !packed->pack ? DTYPE_Q8_0 : has;
}

void
params_choose_blocks(struct params *p, const char *part, const struct safetensors *file,
                     const struct params_spelling *spelling, enum dtype wish)
{
    for (int i = 0; i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        const char *name = file_name(q, part);
        struct found f = {0};
        if (!name || q->kind != PARAM_MATRIX)
            continue;
        if (file)
            f = find_param(file, name, spelling);
        enum dtype blocks = blocks_of(&f, spelling ? spelling->change : NULL, q->name, wish);
        if (blocks)
            params_pack(p, i, blocks);
    }
}

// Where what is loaded goes: into a block, or, of one parameter, to memory.
struct sink {
    struct buffer *block;
    char *memory; // NULL: the block
    size_t first; // offset in the block of what lies there
};

static bool
sink_write(const struct sink *to, size_t offset, const void *data, size_t size, struct err *err)
{
    if (!to->memory)
        return buffer_write(to->block, offset, data, size, err);
    memcpy(to->memory + (offset - to->first), data, size);
    return true;
}

// To the parameter's type by way of f32, in `piece`: packed weights, and what is added to.
static bool
load_converted(const struct param *q, const struct found *f, int64_t at, int64_t to, int64_t count,
               void *piece, const struct sink *sink, struct err *err)
{
    const struct tensor_view *t = f->tensor;
    float *wide = (float *)piece + PIECE; // behind what is narrowed
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t n = MIN(count - done, PIECE);
        if (t->packed)
            packed_unpack(t->packed, t->data, at + done, n, wide);
        else
            dtype_convert(DTYPE_F32, wide, t->dtype,
                          (const char *)t->data + dtype_bytes(t->dtype, at + done), n);
        if (f->scales.by)
            scales_apply(&f->scales, at + done, n, wide);
        if (f->added)
            f->change->add(f->change->ctx, f->added, to + done, n, wide);
        dtype_convert(q->dtype, piece, DTYPE_F32, wide, n);
        if (!sink_write(sink, q->offset + dtype_bytes(q->dtype, to + done), piece,
                        dtype_bytes(q->dtype, n), err))
            return false;
    }
    return true;
}

// Whether the file holds the parameter's numbers as the block does.
static bool
same_format(const struct param *q, const struct found *f)
{
    const struct tensor_view *t = f->tensor;
    return !f->added && (t->packed ? t->packed->dtype == q->dtype : t->dtype == q->dtype);
}

// `count` elements of a tensor from `at` on, to element `to` of the parameter.
static bool
load_run(const struct param *q, const struct found *f, int64_t at, int64_t to, int64_t count,
         void *piece, const struct sink *sink, struct err *err)
{
    const struct tensor_view *t = f->tensor;
    if (!count)
        return true;
    size_t offset = q->offset + dtype_bytes(q->dtype, to);
    if (same_format(q, f))
        return sink_write(sink, offset, (const char *)t->data + dtype_bytes(q->dtype, at),
                          dtype_bytes(q->dtype, count), err);
    if (t->packed || f->added || dtype_is_packed(q->dtype))
        return load_converted(q, f, at, to, count, piece, sink, err);
    size_t from_size = dtype_size(t->dtype), to_size = dtype_size(q->dtype);
    const char *source = (const char *)t->data + (size_t)at * from_size;
    for (int64_t done = 0; done < count; done += PIECE) {
        int64_t n = MIN(count - done, PIECE);
        dtype_convert(q->dtype, piece, t->dtype, source + (size_t)done * from_size, n);
        if (!sink_write(sink, offset + (size_t)done * to_size, piece, (size_t)n * to_size, err))
            return false;
    }
    return true;
}

// The element of the tensor at which the parameter starts.
static int64_t
first_element(const struct param *q, const struct found *f)
{
    int64_t rows = q->shape.rank ? q->shape.dim[0] : 1;
    return f->place.first * (shape_count(&q->shape) / MAX(rows, 1));
}

// `count` elements of the parameter from `from` on.
static bool
load_range(const struct param *q, const struct found *f, int64_t from, int64_t count, void *piece,
           const struct sink *sink, struct err *err)
{
    int64_t n = shape_count(&q->shape), half = n / 2, first = first_element(q, f),
            end = from + count;
    if (!f->place.swap_halves)
        return load_run(q, f, first + from, from, count, piece, sink, err);
    int64_t cut = MIN(MAX(n - half, from), end); // from there on what comes first in the tensor
    return load_run(q, f, first + half + from, from, cut - from, piece, sink, err) &&
           load_run(q, f, first + cut - (n - half), cut, end - cut, piece, sink, err);
}

// Where a parameter is in the file, and what is added to it; no tensor: it cannot be loaded.
static struct found
find_loadable(const struct param *q, const char *part, const struct safetensors *file,
              const struct params_spelling *spelling)
{
    const char *name = file_name(q, part);
    struct found f = {0};
    if (name)
        f = find_param(file, name, spelling);
    if (name && spelling && spelling->change) {
        f.change = spelling->change;
        f.added = f.change->find(f.change->ctx, q->name);
    }
    if (f.tensor && !fits(q, &f))
        f.tensor = NULL;
    return f;
}

bool
params_load(const struct params *p, const char *part, const struct safetensors *file,
            const struct params_spelling *spelling, struct buffer *block, struct err *err)
{
    void *piece = mem_alloc(PIECE * sizeof(double));
    const struct sink sink = {.block = block};
    bool ok = true;
    for (int i = 0; ok && i < params_entries(p); i++) {
        const struct param *q = params_at(p, i);
        struct found f = find_loadable(q, part, file, spelling);
        if (!f.tensor)
            continue;
        ok = load_range(q, &f, 0, shape_count(&q->shape), piece, &sink, err);
        file_map_forget(f.tensor->data, f.tensor->size);
    }
    free(piece);
    return ok;
}

// --- Weights that stay in their file ------------------------------------------------------------

struct params_reader {
    const struct params *params;
    const struct safetensors *file;
    struct found *found; // by parameter
    void *piece;
    struct weights_source source;
};

// The parameter in which bytes of the block lie, -1: none.
static int
param_at_offset(const struct params_reader *r, size_t offset, size_t size)
{
    int low = 0, high = params_entries(r->params);
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (params_at(r->params, middle)->offset <= offset)
            low = middle;
        else
            high = middle;
    }
    const struct param *q = high ? params_at(r->params, low) : NULL;
    bool inside = q && offset >= q->offset && offset - q->offset <= q->size &&
                  size <= q->size - (offset - q->offset);
    return inside && r->found[low].tensor ? low : -1;
}

static const void *
reader_find(void *ctx, size_t offset, size_t size)
{
    const struct params_reader *r = ctx;
    int i = param_at_offset(r, offset, size);
    const struct found *f = i < 0 ? NULL : &r->found[i];
    const struct param *q = f ? params_at(r->params, i) : NULL;
    if (!f || !same_format(q, f) || f->place.swap_halves)
        return NULL;
    const char *data = f->tensor->data;
    size_t element = dtype_is_packed(q->dtype) ? 1 : dtype_size(q->dtype);
    data += dtype_bytes(q->dtype, first_element(q, f)) + (offset - q->offset);
    return (uintptr_t)data % element == 0 ? data : NULL;
}

// Elements in so many bytes of a type.
static int64_t
elements(enum dtype t, size_t bytes)
{
    int64_t block = dtype_block(t);
    return (int64_t)(bytes / dtype_bytes(t, block)) * block;
}

static bool
reader_load(void *ctx, size_t offset, size_t size, void *to, struct err *err)
{
    const struct params_reader *r = ctx;
    int i = param_at_offset(r, offset, size);
    if (i < 0)
        return err_set(err, ERR_INPUT, "no weights are at bytes %zu..%zu", offset, offset + size);
    const struct param *q = params_at(r->params, i);
    const struct sink sink = {.memory = to, .first = offset};
    bool ok = load_range(q, &r->found[i], elements(q->dtype, offset - q->offset),
                         elements(q->dtype, size), r->piece, &sink, err);
    if (size == q->size)
        file_map_forget(r->found[i].tensor->data, r->found[i].tensor->size);
    return ok;
}

static bool
reader_check(void *ctx, struct err *err)
{
    const struct params_reader *r = ctx;
    return safetensors_unchanged(r->file, err);
}

struct params_reader *
params_reader_create(const struct params *p, const char *part, const struct safetensors *file,
                     const struct params_spelling *spelling)
{
    struct params_reader *r = mem_zalloc(sizeof *r);
    r->params = p;
    r->file = file;
    r->found = mem_zalloc((size_t)(params_entries(p) + 1) * sizeof *r->found);
    r->piece = mem_alloc(PIECE * sizeof(double));
    for (int i = 0; i < params_entries(p); i++)
        r->found[i] = find_loadable(params_at(p, i), part, file, spelling);
    r->source = (struct weights_source){r, reader_find, reader_load, reader_check};
    return r;
}

void
params_reader_destroy(struct params_reader *r)
{
    if (!r)
        return;
    free(r->found);
    free(r->piece);
    free(r);
}

const struct weights_source *
params_reader_source(const struct params_reader *r)
{
    return &r->source;
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
        if (!name || q->is_adapter)
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
        if (file_name(q, part) && !q->is_adapter)
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
