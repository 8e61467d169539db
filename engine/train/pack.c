// SPDX-License-Identifier: MIT
#include "engine/train/pack.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"

const char *const pack_split_names[PACK_SPLIT_COUNT] = {"train", "held-out subject",
                                                        "held-out pair", "held-out style"};

struct texts {
    const char *bytes;
    int64_t *ends;
};

struct pack {
    struct safetensors *file;
    struct jv *styles;
    int count, size, subject_count;
    const uint8_t *images, *alpha; // alpha may be NULL
    uint8_t *split;
    int32_t *subject, *style, *clusters;
    int cluster_count, cluster_size;
    struct texts caption, keywords, source; // source.ends NULL: there are none
};

static const struct tensor_view *
find(const struct pack *p, const char *name, enum dtype dtype, int rank, const char *path,
     struct err *err)
{
    const struct tensor_view *v = safetensors_find(p->file, name);
    if (!v || v->dtype != dtype || v->shape.rank != rank ||
        (v->shape.rank && strncmp(name, "text.", 5) != 0 && v->shape.dim[0] != p->count)) {
        err_set(err, ERR_INPUT, "%s: not a pack, or damaged: tensor '%s' is missing or misshapen",
                path, name);
        return NULL;
    }
    if ((uintptr_t)v->data % dtype_size(dtype)) {
        err_set(err, ERR_INPUT, "%s: tensor '%s' is not aligned", path, name);
        return NULL;
    }
    return v;
}

// Numbers used as offsets or indices are copied before they are checked: if another program then
// changes the file, pictures change, but no read goes out of bounds.
static void *
copy_of(const struct tensor_view *v, const char *path, struct err *err)
{
    void *copy = mem_try_calloc(1, v->size + 1, path, err);
    if (copy && v->size)
        memcpy(copy, v->data, v->size);
    return copy;
}

// Well-formed UTF-8 without zero bytes (RFC 3629).
static bool
is_text(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)bytes[i];
        size_t length = c < 0x80   ? 1
                        : c < 0xC2 ? 0
                        : c < 0xE0 ? 2
                        : c < 0xF0 ? 3
                        : c < 0xF5 ? 4
                                   : 0;
        if (c == 0 || length == 0 || length > n - i)
            return false;
        uint32_t code = length == 1 ? c : c & (0x7Fu >> length);
        for (size_t k = 1; k < length; k++) {
            unsigned char d = (unsigned char)bytes[i + k];
            if ((d & 0xC0) != 0x80)
                return false;
            code = code << 6 | (d & 0x3Fu);
        }
        if ((length == 3 && code < 0x800) || (code >= 0xD800 && code < 0xE000) ||
            (length == 4 && code < 0x10000) || code > 0x10FFFF)
            return false;
        i += length;
    }
    return true;
}

static bool
read_texts(struct pack *p, struct texts *t, const char *name, const char *path, struct err *err)
{
    char full[64], ends_name[64];
    strcat(strcpy(full, "text."), name);
    strcat(strcpy(ends_name, full), ".ends");
    const struct tensor_view *bytes = find(p, full, DTYPE_U8, 1, path, err);
    const struct tensor_view *ends = bytes ? find(p, ends_name, DTYPE_I64, 1, path, err) : NULL;
    if (!ends || ends->shape.dim[0] != p->count)
        return err_set(err, ERR_INPUT, "%s: '%s' has no end for each record", path, full);
    t->bytes = bytes->data;
    t->ends = copy_of(ends, path, err);
    if (!t->ends)
        return false;
    for (int i = 0; i < p->count; i++) {
        int64_t first = i ? t->ends[i - 1] : 0;
        if (t->ends[i] < first || t->ends[i] > bytes->shape.dim[0])
            return err_set(err, ERR_INPUT, "%s: text %d of '%s' lies outside the file", path, i,
                           full);
        if (!is_text(t->bytes + first, (size_t)(t->ends[i] - first)))
            return err_set(err, ERR_INPUT, "%s: text %d of '%s' is not UTF-8", path, i, full);
    }
    return true;
}

static bool
read_roles(const struct pack *p, const char *path, struct err *err)
{
    for (size_t i = 0; i < safetensors_count(p->file); i++) {
        const struct tensor_view *v = safetensors_at(p->file, i);
        if (strncmp(v->name, "role.", 5) != 0)
            continue;
        struct shape want = SHAPE(p->count, p->size, p->size, 3);
        if (v->dtype != DTYPE_U8 || !shape_equal(&v->shape, &want))
            return err_set(err, ERR_INPUT, "%s: tensor '%s' is misshapen", path, v->name);
    }
    return true;
}

static bool
read_alpha(struct pack *p, const char *path, struct err *err)
{
    const struct tensor_view *v = safetensors_find(p->file, "alpha");
    struct shape want = SHAPE(p->count, p->size, p->size);
    if (v && (v->dtype != DTYPE_U8 || !shape_equal(&v->shape, &want)))
        return err_set(err, ERR_INPUT, "%s: tensor 'alpha' is misshapen", path);
    p->alpha = v ? v->data : NULL;
    return true;
}

// Different records, all of them for training.
static bool
is_cluster(const struct pack *p, const int32_t *rows)
{
    for (int i = 0; i < p->cluster_size; i++) {
        if (rows[i] < 0 || rows[i] >= p->count || p->split[rows[i]] != PACK_TRAIN)
            return false;
        for (int k = 0; k < i; k++)
            if (rows[k] == rows[i])
                return false;
    }
    return true;
}

static bool
read_clusters(struct pack *p, const char *path, struct err *err)
{
    const struct tensor_view *v = safetensors_find(p->file, "clusters");
    if (!v)
        return true;
    if (v->dtype != DTYPE_I32 || v->shape.rank != 2 || v->shape.dim[0] > INT32_MAX ||
        v->shape.dim[1] < 2 || v->shape.dim[1] > LIMIT_CLUSTER_PICTURES)
        return err_set(err, ERR_INPUT, "%s: tensor 'clusters' is misshapen", path);
    p->clusters = copy_of(v, path, err);
    p->cluster_count = (int)v->shape.dim[0];
    p->cluster_size = (int)v->shape.dim[1];
    for (int i = 0; p->clusters && i < p->cluster_count; i++)
        if (!is_cluster(p, pack_cluster(p, i)))
            return err_set(err, ERR_INPUT,
                           "%s: cluster %d does not name %d different pictures for training", path,
                           i, p->cluster_size);
    return p->clusters != NULL;
}

static bool
read_records(struct pack *p, const char *path, struct err *err)
{
    const struct tensor_view *images = safetensors_find(p->file, "images");
    if (!images || images->shape.rank != 4 || images->shape.dim[0] < 1 ||
        images->shape.dim[0] > INT32_MAX || images->shape.dim[1] != images->shape.dim[2] ||
        images->shape.dim[1] < 1 || images->shape.dim[1] > 4096 || images->shape.dim[3] != 3 ||
        images->dtype != DTYPE_U8)
        return err_set(err, ERR_INPUT, "%s: not a pack (no tensor 'images' u8 [n,S,S,3])", path);
    p->count = (int)images->shape.dim[0];
    p->size = (int)images->shape.dim[1];
    p->images = images->data;
    const struct tensor_view *subject = find(p, "subject", DTYPE_I32, 1, path, err);
    const struct tensor_view *style = find(p, "style", DTYPE_I32, 1, path, err);
    const struct tensor_view *split = find(p, "split", DTYPE_U8, 1, path, err);
    if (!subject || !style || !split)
        return false;
    p->subject = copy_of(subject, path, err);
    p->style = copy_of(style, path, err);
    p->split = copy_of(split, path, err);
    if (!p->subject || !p->style || !p->split)
        return false;
    for (int i = 0; i < p->count; i++) {
        if (p->subject[i] < -1 || p->subject[i] >= p->count || p->style[i] < -1 ||
            p->style[i] >= (int)jv_size(p->styles) || p->split[i] >= PACK_SPLIT_COUNT)
            return err_set(err, ERR_INPUT,
                           "%s: record %d has an impossible subject, style or split", path, i);
        p->subject_count = MAX(p->subject_count, p->subject[i] + 1);
    }
    return read_texts(p, &p->caption, "caption", path, err) &&
           read_texts(p, &p->keywords, "keywords", path, err) &&
           (!safetensors_find(p->file, "text.source") ||
            read_texts(p, &p->source, "source", path, err)) &&
           read_alpha(p, path, err) && read_roles(p, path, err) && read_clusters(p, path, err);
}

struct pack *
pack_open(const char *path, struct err *err)
{
    struct pack *p = mem_zalloc(sizeof *p);
    p->file = safetensors_open(path, err);
    bool ok = p->file != NULL;
    if (ok) {
        const char *format = safetensors_metadata(p->file, "format");
        const char *styles = safetensors_metadata(p->file, "styles");
        if (!format || strcmp(format, "limn pack 1") != 0 || !styles)
            ok = err_set(err, ERR_INPUT, "%s: not a pack (format is '%.40s')", path,
                         format ? format : "missing");
        else
            p->styles = jv_parse(styles, strlen(styles), path, err);
        ok = ok && p->styles != NULL;
        for (size_t i = 0; ok && i < jv_size(p->styles); i++)
            if (!jv_is_string(jv_at(p->styles, i)))
                ok = err_set(err, ERR_INPUT, "%s: style %zu has no name", path, i);
    }
    if (ok && read_records(p, path, err) && pack_check(p, err))
        return p;
    pack_close(p);
    return NULL;
}

void
pack_close(struct pack *p)
{
    if (!p)
        return;
    safetensors_close(p->file);
    jv_free(p->styles);
    free(p->subject);
    free(p->style);
    free(p->split);
    free(p->clusters);
    free(p->caption.ends);
    free(p->keywords.ends);
    free(p->source.ends);
    free(p);
}

bool
pack_check(const struct pack *p, struct err *err)
{
    return safetensors_check(p->file, err);
}

int
pack_count(const struct pack *p)
{
    return p->count;
}

int
pack_size(const struct pack *p)
{
    return p->size;
}

const uint8_t *
pack_image(const struct pack *p, int record)
{
    return p->images + (size_t)record * (size_t)p->size * (size_t)p->size * 3;
}

const uint8_t *
pack_alpha(const struct pack *p, int record)
{
    return p->alpha ? p->alpha + (size_t)record * (size_t)p->size * (size_t)p->size : NULL;
}

const uint8_t *
pack_role(const struct pack *p, const char *role, int record)
{
    char name[64] = "role.";
    if (strlen(role) > 40)
        return NULL;
    const struct tensor_view *v = safetensors_find(p->file, strcat(name, role));
    return v ? (const uint8_t *)v->data + (size_t)record * (size_t)p->size * (size_t)p->size * 3
             : NULL;
}

int
pack_subject(const struct pack *p, int record)
{
    return p->subject[record];
}

int
pack_style(const struct pack *p, int record)
{
    return p->style[record];
}

enum pack_split
pack_split(const struct pack *p, int record)
{
    return (enum pack_split)p->split[record];
}

int
pack_style_count(const struct pack *p)
{
    return (int)jv_size(p->styles);
}

const char *
pack_style_name(const struct pack *p, int style)
{
    return jv_string(jv_at(p->styles, (size_t)MAX(style, 0)), "");
}

int
pack_subject_count(const struct pack *p)
{
    return p->subject_count;
}

int
pack_cluster_count(const struct pack *p)
{
    return p->cluster_count;
}

int
pack_cluster_size(const struct pack *p)
{
    return p->cluster_size;
}

const int32_t *
pack_cluster(const struct pack *p, int cluster)
{
    return p->clusters + (size_t)cluster * (size_t)p->cluster_size;
}

static char *
copy_text(const struct texts *t, int record, char *text, size_t size)
{
    int64_t first = record ? t->ends[record - 1] : 0;
    size_t whole = (size_t)(t->ends[record] - first), n = MIN(whole, size - 1);
    while (n < whole && n > 0 && ((unsigned char)t->bytes[first + (int64_t)n] & 0xC0) == 0x80)
        n--; // not inside a character
    memcpy(text, t->bytes + first, n);
    text[n] = 0;
    return text;
}

char *
pack_caption(const struct pack *p, int record, char *text, size_t size)
{
    return copy_text(&p->caption, record, text, size);
}

char *
pack_keywords(const struct pack *p, int record, char *text, size_t size)
{
    return copy_text(&p->keywords, record, text, size);
}

char *
pack_source(const struct pack *p, int record, char *text, size_t size)
{
    *text = 0;
    return p->source.ends ? copy_text(&p->source, record, text, size) : text;
}

const char *
pack_metadata(const struct pack *p, const char *key)
{
    return safetensors_metadata(p->file, key);
}

const char *
pack_metadata_at(const struct pack *p, size_t i, const char **value)
{
    return i < safetensors_metadata_count(p->file) ? safetensors_metadata_at(p->file, i, value)
                                                   : NULL;
}
