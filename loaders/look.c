// SPDX-License-Identifier: MIT
#include "loaders/look.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"
#include "loaders/inside.h"
#include "loaders/place.h"
#include "renderer/image/codec.h"

enum { CHECK_SECONDS = 5 };

// In the keeper, so that children find libvips started. If it cannot start, each child says so.
static void
prepare(void)
{
    codec_start(NULL);
}

bool
look_start(struct err *err)
{
    return sandbox_start(inside_serve, prepare, err);
}

// --- talking to a child

void
inside_harmless(char *text)
{
    bool valid = utf8_valid(text, strlen(text));
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        bool second = valid && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0; // U+0080..9F
        if (*p < 0x20 || *p == 0x7F || (*p >= 0x80 && !valid))
            *p = '?';
        else if (second)
            p[0] = p[1] = '?';
    }
}

enum sandbox_state
inside_ask(struct sandbox *s, const struct inside_order *order, const void *bytes,
           struct inside_answer *answer, const struct sandbox_wait *wait)
{
    enum sandbox_state state = sandbox_write(s, order, sizeof *order, wait);
    if (state == SANDBOX_DONE)
        state = sandbox_write(s, bytes, order->size, wait);
    return state == SANDBOX_DONE ? inside_hear(s, answer, wait) : state;
}

enum sandbox_state
inside_hear(struct sandbox *s, struct inside_answer *answer, const struct sandbox_wait *wait)
{
    enum sandbox_state state = sandbox_read(s, answer, sizeof *answer, wait);
    answer->text[sizeof answer->text - 1] = 0;
    inside_harmless(answer->text);
    return state;
}

enum sandbox_state
inside_pixels(struct sandbox *s, const struct inside_answer *answer, struct image **image,
              const struct sandbox_wait *wait, struct err *err)
{
    enum image_format format = (enum image_format)answer->format;
    bool known = format == IMAGE_GRAY8 || format == IMAGE_RGB8 || format == IMAGE_RGBA8;
    *image = known ? image_create(answer->width, answer->height, format, err) : NULL;
    if (!*image) {
        err_set(err, ERR_INPUT, "a picture of impossible kind");
        return SANDBOX_DONE;
    }
    enum sandbox_state state =
        sandbox_read(s, (*image)->pixels, (*image)->stride * (size_t)(*image)->height, wait);
    if (state != SANDBOX_DONE) {
        image_unref(*image);
        *image = NULL;
    }
    return state;
}

int
inside_readable(const char *file, char *paths[INSIDE_READABLE_MAX + 1])
{
    int own = 0;
    while (paths[own])
        own++;
    if (own == INSIDE_READABLE_MAX)
        return -1;
    const char *slash = strrchr(file, '/');
    char *folder = mem_strndup(file, slash ? (size_t)(slash - file) : 0);
    DIR *d = slash ? opendir(folder) : NULL;
    int count = own;
    paths[count++] = mem_strdup(file);
    for (struct dirent *e; d && count < INSIDE_READABLE_MAX && (e = readdir(d));)
        if (strncmp(e->d_name, "lib", 3) == 0 && strstr(e->d_name, ".so")) {
            char *path = file_join(folder, e->d_name);
            char *real = place_resolve(path, PLACE_BUILT, NULL);
            free(path);
            if (real)
                paths[count++] = real;
        }
    if (d)
        closedir(d);
    free(folder);
    return own;
}

void
inside_free_readable(char *paths[INSIDE_READABLE_MAX + 1])
{
    for (int i = 0; i < INSIDE_READABLE_MAX && paths[i]; i++)
        free(paths[i]);
}

// --- pictures

static double
processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (double)n : 1;
}

static bool
is_letters(const struct inside_order *o)
{
    return o->what == INSIDE_TEXT || o->what == INSIDE_LETTER;
}

static const char *
maker(const struct inside_order *o)
{
    return is_letters(o) ? "the text renderer" : "its decoder";
}

// Why there is no picture. `seconds`: how long it was waited for.
static void
say_end(const struct inside_order *o, enum sandbox_state state, int status, double seconds,
        const char *name, struct err *err)
{
    const char *who = maker(o);
    int number = WIFSIGNALED(status) && status >= 0 ? WTERMSIG(status) : 0;
    char limited[MEM_LIMITED_TEXT];
    if (state == SANDBOX_STOPPED)
        err_set(err, ERR_CANCELLED, "stopped");
    else if (state == SANDBOX_LATE)
        err_set(err, ERR_INPUT, "%s: %s took more than %g s and was stopped",
                name, who, seconds);
    else if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == SANDBOX_UNCONFINED)
        err_set(err, ERR_IO, "%s: its sandbox could not be created: too little "
                "memory, too few descriptors or processes, or the kernel refuses it", name);
    else if (status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == SANDBOX_NO_MEMORY)
        err_set(err, ERR_MEMORY, "%s: %s ran out of memory", name, who);
    else if (number == SIGPROF || number == SIGXCPU)
        err_set(err, ERR_INPUT, "%s: it takes more than %g s to draw; save it as a PNG", name,
                LIMIT_LOOK_VECTOR_MS / 1000.0);
    else
        err_set(err, ERR_INPUT,
                "%s: %s crashed, or needs more than %d MiB (signal %d)%s", name, who,
                LIMIT_LOOK_MEGABYTES, number, mem_limited(limited));
}

static bool
is_as_wanted(const struct inside_order *o, const struct image *i)
{
    int most = o->cover ? MAX(o->cover, o->cover_least) : o->side;
    if (is_letters(o))
        return i->width == o->width && i->height == o->height &&
               i->format == (o->what == INSIDE_TEXT ? IMAGE_RGB8 : IMAGE_GRAY8);
    return !most || MAX(i->width, i->height) <= most;
}

// Sends the child an order and waits for the answer. *s becomes NULL if the child can no longer be
// used.
static struct image *
ask(struct sandbox **s, const struct inside_order *o, const void *data, const char *name,
    double seconds, const atomic_int *stop, struct err *err)
{
    struct sandbox_wait wait = {clock_seconds() + seconds, stop};
    struct inside_answer a = {0};
    struct image *image = NULL;
    struct err own = {0};
    enum sandbox_state state = inside_ask(*s, o, data, &a, &wait);
    if (state == SANDBOX_DONE && !a.refused && (o->what == INSIDE_DECODE || is_letters(o)))
        state = inside_pixels(*s, &a, &image, &wait, &own);
    if (image && !is_as_wanted(o, image)) {
        image_unref(image);
        image = NULL;
        err_set(&own, ERR_INPUT, "a picture of impossible size");
    }
    bool strange = own.code != ERR_NONE;
    int status = -1;
    if (state != SANDBOX_DONE || strange) {
        status = sandbox_close(*s);
        *s = NULL;
    }
    if (state != SANDBOX_DONE)
        say_end(o, state, status, seconds, name, err);
    else if (strange)
        err_set(err, ERR_INPUT, "%s: %s gave %s", name, maker(o), own.text);
    else if (a.refused) // its messages begin with ": ", as it does not know the name
        err_set(err, ERR_INPUT, "%s%s%s", name, a.text[0] == ':' ? "" : ": ",
                *a.text ? a.text : "cannot be read as a picture");
    return image;
}

static struct inside_order
decode_order(size_t size, const struct look_want *w)
{
    int largest = w->side ? w->side : LIMIT_PICTURE_SIDE;
    struct inside_order o = {.what = INSIDE_DECODE, .size = size, .png = w->png, .side = largest,
                             .cover = w->cover, .cover_least = w->cover_least};
    // What is cut to a square loses some of its longer side.
    o.vector_least = w->cover ? 2 * MAX(w->cover, w->cover_least) : MIN(largest, LIMIT_VECTOR_SIDE);
    o.vector_most = w->cover ? LIMIT_PICTURE_SIDE : largest;
    return o;
}

// In a child of its own.
static bool
ask_once(const struct inside_order *o, const void *data, const char *name, double seconds,
         const atomic_int *stop, struct image **image, struct err *err)
{
    bool vector = codec_is_vector(data, o->size);
    const struct sandbox_params params = {
        .megabytes = LIMIT_LOOK_MEGABYTES,
        .processor_seconds = vector ? LIMIT_LOOK_VECTOR_MS / 1000.0 : seconds * processors()};
    struct err own = {0};
    struct sandbox *s = look_start(&own) ? sandbox_open(&params, &own) : NULL;
    *image = s ? ask(&s, o, data, name, seconds, stop, &own) : NULL;
    sandbox_let_go(s);
    return own.code == ERR_NONE || err_set(err, own.code, "%s", own.text);
}

static bool
size_allowed(size_t size, const char *name, struct err *err)
{
    return size <= LIMIT_PICTURE_BYTES ||
           err_set(err, ERR_INPUT, "%s: %zu bytes, the limit of a picture file is %d", name, size,
                   LIMIT_PICTURE_BYTES);
}

struct image *
look_at(const void *data, size_t size, const char *name, const struct look_want *want,
        struct err *err)
{
    static const struct look_want anything;
    want = want ? want : &anything;
    const struct inside_order o = decode_order(size, want);
    struct image *image = NULL;
    if (size_allowed(size, name, err))
        ask_once(&o, data, name, want->seconds > 0 ? want->seconds : LIMIT_LOOK_SECONDS, want->stop,
                 &image, err);
    return image;
}

struct image *
look_file(const char *path, const struct look_want *want, struct err *err)
{
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    struct image *image = data ? look_at(data, size, path, want, err) : NULL;
    free(data);
    return image;
}

// Both in one child, of which only the loader's result comes back.
static struct image *
run_together(const void *data, size_t size, const char *name, const struct loader_entry *e,
             const struct loader_values *values, const struct loader_limits *limits,
             struct err *err)
{
    char *paths[INSIDE_READABLE_MAX + 1] = {0};
    struct inside_order o = {.what = INSIDE_DECODE_RUN, .size = size,
                             .file = inside_readable(e->file, paths)};
    const struct sandbox_params params = {
        .readable = (const char *const *)paths, .megabytes = limits->megabytes,
        .processor_seconds = (LIMIT_LOOK_SECONDS + limits->seconds) * processors() + 1};
    struct image *out = NULL;
    struct err own = {0};
    memcpy(o.values, values->v, sizeof o.values);
    struct sandbox *s = look_start(&own) ? sandbox_open(&params, &own) : NULL;
    if (s)
        ask(&s, &o, data, name, LIMIT_LOOK_SECONDS, limits->stop, &own);
    if (s && own.code == ERR_NONE)
        out = loader_run_heard(&s, e, limits, &own);
    sandbox_let_go(s);
    inside_free_readable(paths);
    if (!out)
        err_set(err, own.code, "%s", own.text);
    return out;
}

struct image *
look_run(const void *data, size_t size, const char *name, const struct loader_entry *e,
         const struct loader_values *values, const struct loader_limits *limits, struct err *err)
{
    const struct look_want want = {.stop = limits->stop};
    if (!size_allowed(size, name, err))
        return NULL;
    // One child has one memory limit, and vector drawings have a limit of processor time.
    if (limits->megabytes == LIMIT_LOOK_MEGABYTES && !codec_is_vector(data, size))
        return run_together(data, size, name, e, values, limits, err);
    struct image *image = look_at(data, size, name, &want, err);
    struct image *out = image ? loader_run(e, image, values, limits, err) : NULL;
    image_unref(image);
    return out;
}

struct image *
look_result(const void *png, size_t size, const char *name, const atomic_int *stop, struct err *err)
{
    // The size in its head bounds the time, before anything is decoded.
    const unsigned char *p = png;
    static const unsigned char start[] = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR";
    const struct look_want want = {.png = true, .side = LIMIT_RESULT_SIDE,
                                   .seconds = LIMIT_RESULT_SECONDS, .stop = stop};
    if (size < 24 || memcmp(p, start, 16) != 0 || p[16] || p[17] || p[20] || p[21] ||
        (p[18] << 8 | p[19]) > LIMIT_RESULT_SIDE || (p[22] << 8 | p[23]) > LIMIT_RESULT_SIDE) {
        err_set(err, ERR_INPUT, "%s: not a PNG of at most %d pixels a side", name,
                LIMIT_RESULT_SIDE);
        return NULL;
    }
    return look_at(png, size, name, &want, err);
}

bool
look_check(const char *path, const atomic_int *stop, struct err *err)
{
    struct inside_order o = {.what = INSIDE_CHECK};
    struct image *none;
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    if (!data)
        return false;
    o.size = size;
    bool ok = ask_once(&o, data, path, CHECK_SECONDS, stop, &none, err);
    free(data);
    return ok;
}

// --- many pictures

struct looker {
    struct sandbox *s; // NULL: none has been started
    char *paths[INSIDE_READABLE_MAX + 1];
    const struct loader_entry *loaders[LIMIT_PACK_ROLES];
    int file[LIMIT_PACK_ROLES]; // of each in paths
    int count;
};

struct looker *
looker_open(const struct loader_entry *const *loaders)
{
    struct looker *l = mem_zalloc(sizeof *l);
    for (; loaders && loaders[l->count] && l->count < LIMIT_PACK_ROLES; l->count++) {
        l->loaders[l->count] = loaders[l->count];
        l->file[l->count] = inside_readable(loaders[l->count]->file, l->paths);
    }
    return l;
}

void
looker_close(struct looker *l)
{
    if (!l)
        return;
    sandbox_let_go(l->s);
    inside_free_readable(l->paths);
    free(l);
}

static bool
looker_begin(struct looker *l, struct err *err)
{
    enum { LIFE_SECONDS = 1000000 }; // each picture is limited by the clock
    const struct sandbox_params params = {(const char *const *)l->paths,
                                          LIMIT_LOOK_MEGABYTES, LIFE_SECONDS};
    if (!l->s && look_start(err))
        l->s = sandbox_open(&params, err);
    return l->s != NULL;
}

struct image *
looker_at(struct looker *l, const void *data, size_t size, const char *name,
          const struct look_want *want, struct err *err)
{
    // A vector drawing, which can be short and yet costly, gets a child with a limit of its own.
    if (codec_is_vector(data, size))
        return look_at(data, size, name, want, err);
    const struct inside_order o = decode_order(size, want);
    if (!size_allowed(size, name, err) || !looker_begin(l, err))
        return NULL;
    return ask(&l->s, &o, data, name, want->seconds > 0 ? want->seconds : LIMIT_LOOK_SECONDS,
               want->stop, err);
}

struct image *
looker_run(struct looker *l, const struct loader_entry *e, const struct image *in,
           const struct loader_values *values, struct err *err)
{
    const struct loader_limits limits = loader_limits_here(NULL);
    int i = 0;
    while (i < l->count && l->loaders[i] != e)
        i++;
    if (i == l->count || l->file[i] < 0 || !looker_begin(l, err)) {
        err_set(err, ERR_INPUT, "loader %s is none of this child's", e->loader->name);
        return NULL;
    }
    return loader_run_in(&l->s, l->file[i], e, in, values, &limits, err);
}

// --- letters

// Of a long text only both ends, which are all that a label shows of it.
static struct image *
write_letters(struct looker *l, struct inside_order o, const char *text, struct err *err)
{
    enum { HALF = LIMIT_LETTERS_BYTES / 2 };
    size_t n = strlen(text);
    char *both = n > LIMIT_LETTERS_BYTES ? mem_printf("%.*s%s", HALF, text, text + n - HALF) : NULL;
    const char *of = both ? both : text;
    o.size = strlen(of) + 1;
    struct image *image = looker_begin(l, err)
                              ? ask(&l->s, &o, of, "letters", LIMIT_LOOK_SECONDS, NULL, err)
                              : NULL;
    free(both);
    return image;
}

struct image *
looker_text(struct looker *l, const char *text, int width, int height, struct err *err)
{
    return write_letters(
        l, (struct inside_order){.what = INSIDE_TEXT, .width = width, .height = height}, text, err);
}

struct image *
looker_letter(struct looker *l, const char *character, int width, int height, bool bold,
              struct err *err)
{
    return write_letters(l,
                         (struct inside_order){.what = INSIDE_LETTER, .width = width,
                                               .height = height, .bold = bold},
                         character, err);
}
