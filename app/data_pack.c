// SPDX-License-Identifier: MIT
// Pictures are finished in any order, a pack holds them in order, and all of them may not fit in
// memory: so each tensor first goes to a nameless file beside the result, every picture to its own
// place in it, and the pack is put together from those.
#include "app/data_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/data_roles.h"
#include "app/data_source.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"
#include "renderer/image/codec.h"

enum { THREAD_MAX = 64, SPOOL_MAX = 1 + DATA_ROLE_MAX };

struct maker {
    const struct data_pack_params *p;
    struct data_source source;
    struct data_roles roles;
    int size;
    size_t pixels;        // bytes of one picture
    int spool[SPOOL_MAX]; // pictures, then roles
    bool *usable;         // by record
    pthread_mutex_t lock; // of what follows
    size_t next, done;
    bool stop;
    struct err failed; // of the system: ends the work
    struct data_pack_report *report;
};

static int
spool_open(const char *out, struct err *err)
{
    char *name = mem_printf("%s.spool.XXXXXX", out);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        err_errno(err, ERR_IO, "%s: cannot create", name);
    else
        unlink(name);
    free(name);
    return fd;
}

static bool
spool_put(int fd, const uint8_t *data, size_t size, size_t record, struct err *err)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pwrite(fd, data + at, size - at, (off_t)(record * size + at));
        if (n < 0 && errno != EINTR)
            return err_errno(err, ERR_IO, "cannot write temporary data");
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool
spool_get(int fd, uint8_t *data, size_t size, size_t record, struct err *err)
{
    for (size_t at = 0; at < size;) {
        ssize_t n = pread(fd, data + at, size - at, (off_t)(record * size + at));
        if (n == 0 || (n < 0 && errno != EINTR))
            return err_errno(err, ERR_IO, "cannot read temporary data back");
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

// The picture as loaders see it: square, at most four times the pack's size, its alpha kept.
static struct image *
load(const struct maker *m, const struct data_record *r, struct err *err)
{
    struct image *in = r->data ? codec_decode(r->data, r->size, r->name, err)
                               : codec_read(r->name, err);
    if (!in)
        return NULL;
    int side = MAX(m->size, MIN(4 * m->size, MIN(in->width, in->height)));
    if (in->width == side && in->height == side)
        return in;
    struct image *square = codec_resize(in, side, side, CODEC_COVER, 0xFFFFFF, err);
    image_unref(in);
    return square;
}

// Reduces to the pack's size and writes to spool k. Takes over `rgb`; NULL is a failure passed on.
static bool
store(struct maker *m, int k, struct image *rgb, size_t record, struct err *err, struct err *io)
{
    struct image *small = rgb;
    if (rgb && (rgb->width != m->size || rgb->height != m->size)) {
        small = codec_resize(rgb, m->size, m->size, CODEC_STRETCH, 0xFFFFFF, err);
        image_unref(rgb);
    }
    if (!small)
        return false;
    uint8_t *bytes = mem_alloc(m->pixels);
    size_t row = 3 * (size_t)m->size;
    for (int y = 0; y < m->size; y++)
        memcpy(bytes + (size_t)y * row, image_row(small, y), row);
    bool ok = spool_put(m->spool[k], bytes, m->pixels, record, io);
    free(bytes);
    image_unref(small);
    return ok;
}

// `err`: this picture cannot be used; `io`: nothing can go on.
static bool
make_record(struct maker *m, size_t record, struct err *err, struct err *io)
{
    struct image *in = load(m, &m->source.records[record], err);
    bool ok = in != NULL;
    ok = ok && store(m, 0, image_convert(in, IMAGE_RGB8, 0xFFFFFF, err), record, err, io);
    for (int k = 0; ok && k < m->roles.count; k++)
        ok = store(m, 1 + k, data_roles_run(&m->roles, k, in, record, err), record, err, io);
    image_unref(in);
    return ok;
}

static void *
work(void *data)
{
    struct maker *m = data;
    for (;;) {
        pthread_mutex_lock(&m->lock);
        bool more = !m->stop && m->next < m->source.count;
        size_t record = m->next;
        m->next += more;
        pthread_mutex_unlock(&m->lock);
        if (!more)
            return NULL;
        struct err err = {0}, io = {0};
        bool ok = make_record(m, record, &err, &io);
        pthread_mutex_lock(&m->lock);
        m->usable[record] = ok;
        m->done++;
        if (m->p->cancel && atomic_load(m->p->cancel))
            err_set(&io, ERR_CANCELLED, "stopped");
        if (err.code == ERR_MEMORY && io.code == ERR_NONE)
            io = err;
        if (io.code != ERR_NONE) {
            m->stop = true;
            if (m->failed.code == ERR_NONE)
                m->failed = io;
        } else if (!ok && m->report->unreadable++ == 0) {
            m->report->first_unreadable = err;
        }
        if (m->p->progress)
            m->p->progress(m->p->ctx, m->done, m->source.count);
        pthread_mutex_unlock(&m->lock);
    }
}

static bool
make_all(struct maker *m, struct err *err)
{
    pthread_t threads[THREAD_MAX];
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int want = m->p->threads > 0 ? m->p->threads : (int)MAX(online, 1), started = 0;
    want = MIN(want, THREAD_MAX);
    while (started < want && pthread_create(&threads[started], NULL, work, m) == 0)
        started++;
    if (started == 0)
        work(m);
    for (int i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    if (m->failed.code != ERR_NONE)
        return err_set(err, m->failed.code, "%s", m->failed.text);
    return true;
}

// The tensors behind the pictures, of the usable records only.
struct columns {
    size_t count;
    int32_t *subject, *style;
    uint8_t *split;
    char *caption, *keywords;
    int64_t *caption_end, *keywords_end;
};

static void
append_text(char **all, size_t *size, const char *text, int64_t *end)
{
    size_t n = strlen(text);
    *all = mem_realloc(*all, *size + n + 1);
    memcpy(*all + *size, text, n + 1);
    *size += n;
    *end = (int64_t)*size;
}

static void
columns_fill(struct columns *c, const struct maker *m)
{
    size_t n = m->source.count, caption_size = 0, keywords_size = 0;
    c->subject = mem_zalloc(n * sizeof *c->subject);
    c->style = mem_zalloc(n * sizeof *c->style);
    c->split = mem_zalloc(n);
    c->caption_end = mem_zalloc(n * sizeof *c->caption_end);
    c->keywords_end = mem_zalloc(n * sizeof *c->keywords_end);
    // Subjects are numbered anew, so that those that lost all their pictures leave no hole.
    int *number = mem_zalloc((m->source.subject_count + 1) * sizeof *number), subjects = 0;
    for (size_t i = 0; i < n; i++) {
        const struct data_record *r = &m->source.records[i];
        if (!m->usable[i])
            continue;
        if (r->subject >= 0 && number[r->subject] == 0)
            number[r->subject] = ++subjects;
        size_t k = c->count++;
        c->subject[k] = r->subject >= 0 ? number[r->subject] - 1 : -1;
        c->style[k] = r->style;
        c->split[k] = (uint8_t)r->split;
        append_text(&c->caption, &caption_size, r->caption, &c->caption_end[k]);
        append_text(&c->keywords, &keywords_size, r->keywords, &c->keywords_end[k]);
    }
    free(number);
}

static void
columns_free(struct columns *c)
{
    free(c->subject);
    free(c->style);
    free(c->split);
    free(c->caption);
    free(c->keywords);
    free(c->caption_end);
    free(c->keywords_end);
}

static bool
put_spool(const struct maker *m, struct safetensors_writer *w, int k, struct err *err)
{
    uint8_t *bytes = mem_alloc(m->pixels);
    bool ok = true;
    for (size_t i = 0; ok && i < m->source.count; i++)
        if (m->usable[i])
            ok = spool_get(m->spool[k], bytes, m->pixels, i, err) &&
                 safetensors_writer_put(w, bytes, m->pixels, err);
    free(bytes);
    return ok;
}

static char *
style_list(const struct data_source *s)
{
    struct jv *list = jv_array();
    for (size_t i = 0; i < s->style_count; i++)
        jv_append(list, jv_from_string(s->styles[i]));
    char *text = jv_text(list, 0);
    jv_free(list);
    return text;
}

static bool
write_pack(const struct maker *m, const struct columns *c, struct err *err)
{
    int64_t n = (int64_t)c->count, side = m->size;
    // Wide elements first: all stay aligned.
    struct tensor_view t[7 + SPOOL_MAX] = {
        {"text.caption.ends", DTYPE_I64, SHAPE(n), c->caption_end, c->count * 8},
        {"text.keywords.ends", DTYPE_I64, SHAPE(n), c->keywords_end, c->count * 8},
        {"subject", DTYPE_I32, SHAPE(n), c->subject, c->count * 4},
        {"style", DTYPE_I32, SHAPE(n), c->style, c->count * 4},
        {"split", DTYPE_U8, SHAPE(n), c->split, c->count},
        {"text.caption", DTYPE_U8, SHAPE(c->caption_end[n - 1]), c->caption,
         (size_t)c->caption_end[n - 1]},
        {"text.keywords", DTYPE_U8, SHAPE(c->keywords_end[n - 1]), c->keywords,
         (size_t)c->keywords_end[n - 1]},
        {"images", DTYPE_U8, SHAPE(n, side, side, 3), NULL, 0},
    };
    const char *metadata[2 * (5 + DATA_ROLE_MAX) + 1];
    char *names[DATA_ROLE_MAX], *size = mem_printf("%d", m->size), *styles = style_list(&m->source);
    const char *licence = m->source.licence ? m->source.licence : "";
    const char *fixed[] = {"format", "limn pack 1", "size", size,
                           "styles", styles,        "licence", licence};
    size_t pairs = COUNT_OF(fixed);
    memcpy(metadata, fixed, sizeof fixed);
    for (int k = 0; k < m->roles.count; k++) {
        names[k] = mem_printf("role.%s", m->roles.roles[k].entry->loader->name);
        t[8 + k] = (struct tensor_view){names[k], DTYPE_U8, SHAPE(n, side, side, 3), NULL, 0};
        metadata[pairs++] = names[k];
        metadata[pairs++] = m->roles.roles[k].described;
    }
    metadata[pairs] = NULL;
    struct safetensors_writer *w =
        safetensors_writer_open(m->p->out, t, (size_t)(8 + m->roles.count), metadata, err);
    bool ok = w != NULL;
    for (int i = 0; ok && i < 7; i++)
        ok = safetensors_writer_put(w, t[i].data, t[i].size, err);
    for (int k = 0; ok && k <= m->roles.count; k++)
        ok = put_spool(m, w, k, err);
    if (ok)
        ok = safetensors_writer_commit(w, err);
    else
        safetensors_writer_abort(w);
    for (int k = 0; k < m->roles.count; k++)
        free(names[k]);
    free(size);
    free(styles);
    return ok;
}

bool
data_pack_make(const struct data_pack_params *p, struct data_pack_report *report, struct err *err)
{
    struct maker m = {.p = p, .size = p->size ? p->size : 64, .report = report};
    struct columns c = {0};
    *report = (struct data_pack_report){0};
    if (m.size < 8 || m.size > DATA_PACK_SIZE_MAX)
        return err_set(err, ERR_INPUT, "size %d is not in 8..%d", m.size, DATA_PACK_SIZE_MAX);
    m.pixels = 3 * (size_t)m.size * (size_t)m.size;
    for (int k = 0; k < SPOOL_MAX; k++)
        m.spool[k] = -1;
    pthread_mutex_init(&m.lock, NULL);
    bool ok = data_roles_open(&m.roles, p->roles, err) &&
              data_source_open(&m.source, p->source, err);
    for (int k = 0; ok && k <= m.roles.count; k++)
        ok = (m.spool[k] = spool_open(p->out, err)) >= 0;
    if (ok) {
        m.usable = mem_zalloc(m.source.count * sizeof *m.usable);
        ok = make_all(&m, err);
    }
    if (ok) {
        report->without_caption = m.source.without_caption;
        columns_fill(&c, &m);
        report->pictures = c.count;
        if (c.count == 0)
            ok = err_set(err, ERR_INPUT, "%s: no picture of %zu can be used: %s", p->source,
                         m.source.count, report->first_unreadable.text);
    }
    ok = ok && write_pack(&m, &c, err);
    columns_free(&c);
    for (int k = 0; k < SPOOL_MAX; k++)
        if (m.spool[k] >= 0)
            close(m.spool[k]);
    free(m.usable);
    pthread_mutex_destroy(&m.lock);
    data_source_close(&m.source);
    data_roles_close(&m.roles);
    return ok;
}
