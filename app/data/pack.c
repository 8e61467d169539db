// SPDX-License-Identifier: MIT
// Pictures are finished in any order, a pack holds them in order, and all of them may not fit in
// memory: so each tensor first goes to a nameless file beside the result, every picture to its own
// place in it, and the pack is put together from those. Workers are processes, each with a child
// in the sandbox that decodes and runs loaders: a picture on which one crashes costs only itself.
#include "app/data/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/data/roles.h"
#include "app/data/source.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/tensor/safetensors.h"
#include "loaders/look.h"
#include "renderer/image/resize.h"

enum { WORKER_MAX = 64, COLUMNS = 9 /* before the pictures */ };
enum { SPOOL_PICTURES = 0, SPOOL_ALPHA, SPOOL_ROLES, SPOOL_MAX = SPOOL_ROLES + LIMIT_PACK_ROLES };
enum record_state { RECORD_NONE = 0, RECORD_USABLE, RECORD_UNREADABLE };

// What the processes share.
struct shared {
    atomic_size_t next, done; // records
    atomic_int failed_claimed, unreadable_claimed;
    struct err failed;              // of the system: ends the work
    struct err unreadable;          // the first picture left out
    volatile size_t at[WORKER_MAX]; // what each worker is working on; SIZE_MAX: nothing
    volatile uint8_t state[];       // enum record_state, by record
};

struct pack_builder {
    const struct data_pack_params *p;
    struct data_source source;
    struct data_roles roles;
    int size;
    size_t pixels;        // of one picture
    int spool[SPOOL_MAX]; // -1: not open
    struct shared *shared;
    size_t shared_size;
    pid_t pid[WORKER_MAX];         // 0: gone
    struct look_child *look_child; // of each worker, where pictures are decoded and loaders run
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
load_picture(const struct pack_builder *b, const struct data_record *r, struct err *err)
{
    const struct look_options options = {.cover = 4 * b->size, .cover_least = b->size};
    if (r->data)
        return look_child_decode(b->look_child, r->data, r->size, r->name, &options, err);
    size_t size;
    char *data = file_read(r->name, LIMIT_PICTURE_BYTES, &size, err);
    struct image *in =
        data ? look_child_decode(b->look_child, data, size, r->name, &options, err) : NULL;
    free(data);
    return in;
}

// Bytes of one picture in spool k.
static size_t
spool_bytes(const struct pack_builder *b, int k)
{
    return b->pixels * (k == SPOOL_ALPHA ? 1 : 3);
}

// Reduces to the pack's size and writes to spool k. Takes over `in`; NULL is a failure passed on.
static bool
store_picture(struct pack_builder *b, int k, struct image *in, size_t record, struct err *err,
              struct err *io)
{
    struct image *small = in;
    if (in && (in->width != b->size || in->height != b->size)) {
        small = image_resize(in, b->size, b->size, IMAGE_STRETCH, 0xFFFFFF, err);
        image_unref(in);
    }
    if (!small)
        return false;
    size_t all = spool_bytes(b, k), row = all / (size_t)b->size;
    uint8_t *bytes = mem_alloc(all);
    for (int y = 0; y < b->size; y++)
        memcpy(bytes + (size_t)y * row, image_row(small, y), row);
    bool ok = spool_put(b->spool[k], bytes, all, record, io);
    free(bytes);
    image_unref(small);
    return ok;
}

// `err`: this picture cannot be used; `io`: nothing can go on.
static bool
make_record(struct pack_builder *b, size_t record, struct err *err, struct err *io)
{
    struct image *in = load_picture(b, &b->source.records[record], err);
    bool ok = in != NULL;
    ok = ok && store_picture(b, SPOOL_PICTURES, image_convert(in, IMAGE_RGB8, 0xFFFFFF, err),
                             record, err, io);
    ok = ok && store_picture(b, SPOOL_ALPHA, image_alpha(in, err), record, err, io);
    for (int k = 0; ok && k < b->roles.count; k++)
        ok = store_picture(b, SPOOL_ROLES + k,
                           data_roles_run(&b->roles, b->look_child, k, in, record, err), record,
                           err, io);
    image_unref(in);
    return ok;
}

// Takes records until there are no more. Runs in a process of its own.
_Noreturn static void
run_worker(struct pack_builder *b, int worker)
{
    struct shared *s = b->shared;
    bool stop = false;
    const struct loader_entry *loaders[LIMIT_PACK_ROLES + 1] = {0};
    for (int k = 0; k < b->roles.count; k++)
        loaders[k] = b->roles.roles[k].entry;
    b->look_child = look_child_open(loaders);
    while (!stop && !(b->p->cancel && atomic_load(b->p->cancel))) {
        size_t record = atomic_fetch_add(&s->next, 1);
        if (record >= b->source.count)
            break;
        struct err err = {0}, io = {0};
        s->at[worker] = record;
        bool ok = make_record(b, record, &err, &io);
        s->at[worker] = SIZE_MAX;
        s->state[record] = ok ? RECORD_USABLE : RECORD_UNREADABLE;
        if (!ok && io.code == ERR_NONE && !atomic_exchange(&s->unreadable_claimed, 1))
            s->unreadable = err;
        stop = io.code != ERR_NONE;
        if (stop && !atomic_exchange(&s->failed_claimed, 1))
            s->failed = io;
        atomic_fetch_add(&s->done, 1);
    }
    look_child_close(b->look_child);
    _exit(stop);
}

static bool
start_worker(struct pack_builder *b, int worker, struct err *err)
{
    fflush(NULL);
    b->shared->at[worker] = SIZE_MAX;
    pid_t parent = getpid();
    b->pid[worker] = fork();
    if (b->pid[worker] < 0)
        return err_errno(err, ERR_IO, "cannot start a process");
    if (b->pid[worker] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); // what it makes is of no use to anyone else
        if (getppid() != parent)
            _exit(1);
        run_worker(b, worker);
    }
    return true;
}

// A worker is gone. One that crashed leaves its picture out and is replaced.
static bool
end_worker(struct pack_builder *b, int worker, int status, struct err *err)
{
    struct shared *s = b->shared;
    size_t record = s->at[worker];
    b->pid[worker] = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (s->failed.code != ERR_NONE)
        return err_set(err, s->failed.code, "%s", s->failed.text);
    if (record >= b->source.count)
        return err_set(err, ERR_IO, "a process that made pictures ended early");
    s->state[record] = RECORD_UNREADABLE;
    atomic_fetch_add(&s->done, 1);
    if (!atomic_exchange(&s->unreadable_claimed, 1))
        err_set(&s->unreadable, ERR_INPUT, "%s: its loader or decoder crashed",
                b->source.records[record].name);
    return start_worker(b, worker, err);
}

static bool
make_all(struct pack_builder *b, struct err *err)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    int workers = MIN(b->p->workers > 0 ? b->p->workers : (int)MAX(online, 1), WORKER_MAX);
    bool ok = true;
    for (int i = 0; ok && i < workers; i++)
        ok = start_worker(b, i, err);
    for (int running = 1; running;) {
        running = 0;
        for (int i = 0; i < workers; i++) {
            int status;
            if (b->pid[i] <= 0)
                continue;
            if (!ok)
                kill(b->pid[i], SIGTERM);
            pid_t gone = waitpid(b->pid[i], &status, ok ? WNOHANG : 0);
            if (gone == b->pid[i] && !ok)
                b->pid[i] = 0;
            else if (gone == b->pid[i])
                ok = end_worker(b, i, status, err) && ok;
            running += b->pid[i] > 0;
        }
        if (b->p->progress && ok)
            b->p->progress(b->p->ctx, atomic_load(&b->shared->done), b->source.count);
        if (b->p->cancel && atomic_load(b->p->cancel))
            ok = err_set(err, ERR_CANCELLED, "stopped");
        if (running)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return ok;
}

static bool
map_shared(struct pack_builder *b, struct err *err)
{
    b->shared_size = sizeof *b->shared + b->source.count;
    b->shared =
        mmap(NULL, b->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b->shared != MAP_FAILED)
        return true;
    b->shared = NULL;
    return err_errno(err, ERR_MEMORY, "no shared memory for %zu records", b->source.count);
}

// FNV-1a over the bytes; never 0.
static uint64_t
digest(const uint8_t *bytes, size_t n)
{
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001B3u;
    return h ? h : 1;
}

static bool
hold_out_duplicates(struct pack_builder *b, struct err *err)
{
    uint64_t *pixels = mem_zalloc(b->source.count * sizeof *pixels);
    size_t all = spool_bytes(b, SPOOL_PICTURES);
    uint8_t *bytes = mem_alloc(all);
    bool ok = true;
    for (size_t i = 0; ok && i < b->source.count; i++) {
        if (b->shared->state[i] != RECORD_USABLE)
            continue;
        ok = spool_get(b->spool[SPOOL_PICTURES], bytes, all, i, err);
        pixels[i] = digest(bytes, all);
    }
    if (ok)
        data_source_hold_out_duplicates(&b->source, pixels);
    free(bytes);
    free(pixels);
    return ok;
}

// The tensors behind the pictures, of the usable records only.
struct columns {
    size_t count;
    int32_t *subject, *style;
    uint8_t *split;
    char *caption, *keywords, *source;
    int64_t *caption_end, *keywords_end, *source_end;
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

// The name of a picture within what was packed: a folder's place on this machine goes no further.
static const char *
name_within(const struct pack_builder *b, const char *name)
{
    for (size_t i = 0; i < b->p->source_count; i++) {
        size_t n = strlen(b->p->sources[i]);
        if (strncmp(name, b->p->sources[i], n) == 0 && strspn(name + n, "/"))
            return name + n + strspn(name + n, "/");
    }
    return name;
}

static void
columns_fill(struct columns *c, const struct pack_builder *b)
{
    size_t n = b->source.count, caption_size = 0, keywords_size = 0, source_size = 0;
    c->subject = mem_zalloc(n * sizeof *c->subject);
    c->style = mem_zalloc(n * sizeof *c->style);
    c->split = mem_zalloc(n);
    c->caption_end = mem_zalloc(n * sizeof *c->caption_end);
    c->keywords_end = mem_zalloc(n * sizeof *c->keywords_end);
    c->source_end = mem_zalloc(n * sizeof *c->source_end);
    // Subjects are numbered anew, so that those that lost all their pictures leave no hole.
    int *number = mem_zalloc((b->source.subject_count + 1) * sizeof *number), subjects = 0;
    for (size_t i = 0; i < n; i++) {
        const struct data_record *r = &b->source.records[i];
        if (b->shared->state[i] != RECORD_USABLE)
            continue;
        if (r->subject >= 0 && number[r->subject] == 0)
            number[r->subject] = ++subjects;
        size_t k = c->count++;
        c->subject[k] = r->subject >= 0 ? number[r->subject] - 1 : -1;
        c->style[k] = r->style;
        c->split[k] = (uint8_t)r->split;
        append_text(&c->caption, &caption_size, r->caption, &c->caption_end[k]);
        append_text(&c->keywords, &keywords_size, r->keywords, &c->keywords_end[k]);
        char *source = data_source_words(name_within(b, r->name), LIMIT_CAPTION_BYTES);
        append_text(&c->source, &source_size, source ? source : "", &c->source_end[k]);
        free(source);
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
    free(c->source);
    free(c->source_end);
}

static bool
put_spool(const struct pack_builder *b, struct safetensors_writer *w, int k, struct err *err)
{
    size_t all = spool_bytes(b, k);
    uint8_t *bytes = mem_alloc(all);
    bool ok = true;
    for (size_t i = 0; ok && i < b->source.count; i++)
        if (b->shared->state[i] == RECORD_USABLE)
            ok = spool_get(b->spool[k], bytes, all, i, err) &&
                 safetensors_writer_put(w, bytes, all, err);
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
write_pack(const struct pack_builder *b, const struct columns *c, struct err *err)
{
    int64_t n = (int64_t)c->count, side = b->size;
    // Wide elements first: all stay aligned.
    struct tensor_view t[COLUMNS + SPOOL_MAX] = {
        {"text.caption.ends", DTYPE_I64, SHAPE(n), c->caption_end, c->count * 8},
        {"text.keywords.ends", DTYPE_I64, SHAPE(n), c->keywords_end, c->count * 8},
        {"text.source.ends", DTYPE_I64, SHAPE(n), c->source_end, c->count * 8},
        {"subject", DTYPE_I32, SHAPE(n), c->subject, c->count * 4},
        {"style", DTYPE_I32, SHAPE(n), c->style, c->count * 4},
        {"split", DTYPE_U8, SHAPE(n), c->split, c->count},
        {"text.caption", DTYPE_U8, SHAPE(c->caption_end[n - 1]), c->caption,
         (size_t)c->caption_end[n - 1]},
        {"text.keywords", DTYPE_U8, SHAPE(c->keywords_end[n - 1]), c->keywords,
         (size_t)c->keywords_end[n - 1]},
        {"text.source", DTYPE_U8, SHAPE(c->source_end[n - 1]), c->source,
         (size_t)c->source_end[n - 1]},
        {"images", DTYPE_U8, SHAPE(n, side, side, 3), NULL, 0},
        {"alpha", DTYPE_U8, SHAPE(n, side, side), NULL, 0},
    };
    const char *metadata[2 * (5 + LIMIT_PACK_ROLES) + 1];
    char *names[LIMIT_PACK_ROLES], *size = mem_printf("%d", b->size),
        *styles = style_list(&b->source);
    const char *licence = b->source.licence ? b->source.licence : "";
    const char *fixed[] = {"format", "limn pack 1", "size", size,
                           "styles", styles,        "licence", licence};
    size_t pairs = COUNT_OF(fixed);
    memcpy(metadata, fixed, sizeof fixed);
    for (int k = 0; k < b->roles.count; k++) {
        names[k] = mem_printf("role.%s", b->roles.roles[k].entry->loader->name);
        t[COLUMNS + SPOOL_ROLES + k] =
            (struct tensor_view){names[k], DTYPE_U8, SHAPE(n, side, side, 3), NULL, 0};
        metadata[pairs++] = names[k];
        metadata[pairs++] = b->roles.roles[k].described;
    }
    metadata[pairs] = NULL;
    struct safetensors_writer *w = safetensors_writer_open(
        b->p->out, t, (size_t)(COLUMNS + SPOOL_ROLES + b->roles.count), metadata, err);
    bool ok = w != NULL;
    for (int i = 0; ok && i < COLUMNS; i++)
        ok = safetensors_writer_put(w, t[i].data, t[i].size, err);
    for (int k = 0; ok && k < SPOOL_ROLES + b->roles.count; k++)
        ok = put_spool(b, w, k, err);
    if (ok)
        ok = safetensors_writer_commit(w, err);
    else
        safetensors_writer_abort(w);
    for (int k = 0; k < b->roles.count; k++)
        free(names[k]);
    free(size);
    free(styles);
    return ok;
}

bool
data_is_pack(const char *path, struct err *err)
{
    char head[9] = "";
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return false;
    int fd = file_open(path, O_RDONLY, err);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : 0;
    if (n < 0)
        err_errno(err, ERR_IO, "%s", path);
    if (fd >= 0)
        close(fd);
    return n == sizeof head && head[8] == '{';
}

// What is packed is not to be written over: neither the archive, whatever leads to it, nor a file
// of the folder that is no pack of an earlier time.
static bool
is_of_source(const char *out, const char *source)
{
    return file_same(source, out) || (file_is_below(out, source) && !data_is_pack(out, NULL));
}

static bool
check_output(const struct data_pack_params *p, struct err *err)
{
    for (size_t i = 0; i < p->source_count; i++)
        if (is_of_source(p->out, p->sources[i]))
            return err_set(err, ERR_INPUT,
                           "%s is an input: name another file to write", p->out);
    return true;
}

bool
data_pack_make(const struct data_pack_params *p, struct data_pack_report *report, struct err *err)
{
    struct pack_builder b = {.p = p, .size = p->size ? p->size : 64};
    struct columns c = {0};
    *report = (struct data_pack_report){0};
    if (b.size < 8 || b.size > LIMIT_PACK_SIDE)
        return err_set(err, ERR_INPUT, "size %d is not in 8..%d", b.size, LIMIT_PACK_SIDE);
    b.pixels = (size_t)b.size * (size_t)b.size;
    for (int k = 0; k < SPOOL_MAX; k++)
        b.spool[k] = -1;
    bool ok = check_output(p, err) && file_out_check(p->out, err) &&
              data_roles_open(&b.roles, p->roles, err) &&
              data_source_gather(&b.source, p->sources, p->source_count, p->names, err);
    for (int k = 0; ok && k < SPOOL_ROLES + b.roles.count; k++)
        ok = (b.spool[k] = spool_open(p->out, err)) >= 0;
    ok = ok && map_shared(&b, err) && make_all(&b, err) && data_source_check(&b.source, err) &&
         hold_out_duplicates(&b, err);
    if (ok) {
        report->first_unreadable = b.shared->unreadable;
        report->without_caption = b.source.without_caption;
        report->bad_captions = b.source.bad_captions;
        report->first_bad_caption = b.source.first_bad_caption;
        columns_fill(&c, &b);
        report->pictures = c.count;
        report->unreadable = b.source.count - c.count;
        if (c.count == 0)
            ok = err_set(err, ERR_INPUT, "%s: no picture of %zu can be used: %s", p->sources[0],
                         b.source.count, report->first_unreadable.text);
    }
    ok = ok && write_pack(&b, &c, err);
    columns_free(&c);
    for (int k = 0; k < SPOOL_MAX; k++)
        if (b.spool[k] >= 0)
            close(b.spool[k]);
    if (b.shared)
        munmap(b.shared, b.shared_size);
    data_source_close(&b.source);
    data_roles_close(&b.roles);
    return ok;
}
