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
inside_sanitise(char *text)
{
    bool valid = utf8_valid(text, strlen(text));
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        bool c1 = valid && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0; // U+0080..9F
        if (*p < 0x20 || *p == 0x7F || (*p >= 0x80 && !valid))
            *p = '?';
        else if (c1)
            p[0] = p[1] = '?';
    }
}

enum sandbox_state
inside_ask(struct sandbox *s, const struct inside_request *request, const void *bytes,
           struct inside_answer *answer, const struct sandbox_wait *wait)
{
    enum sandbox_state state = sandbox_write(s, request, sizeof *request, wait);
    if (state == SANDBOX_DONE)
        state = sandbox_write(s, bytes, request->size, wait);
    return state == SANDBOX_DONE ? inside_receive(s, answer, wait) : state;
}

enum sandbox_state
inside_receive(struct sandbox *s, struct inside_answer *answer, const struct sandbox_wait *wait)
{
    enum sandbox_state state = sandbox_read(s, answer, sizeof *answer, wait);
    answer->text[sizeof answer->text - 1] = 0;
    inside_sanitise(answer->text);
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
is_text(const struct inside_request *r)
{
    return r->type == INSIDE_TEXT || r->type == INSIDE_GLYPH;
}

static const char *
producer(const struct inside_request *r)
{
    return is_text(r) ? "the text renderer" : "its decoder";
}

// Why there is no picture. `seconds`: how long it was waited for.
static void
set_failure(const struct inside_request *r, enum sandbox_state state, int status, double seconds,
            const char *name, struct err *err)
{
    const char *who = producer(r);
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
has_requested_size(const struct inside_request *r, const struct image *i)
{
    int most = r->cover ? MAX(r->cover, r->cover_least) : r->side;
    if (is_text(r))
        return i->width == r->width && i->height == r->height &&
               i->format == (r->type == INSIDE_TEXT ? IMAGE_RGB8 : IMAGE_GRAY8);
    return !most || MAX(i->width, i->height) <= most;
}

// Sends the child a request and waits for the answer. *s becomes NULL if the child can no longer be
// used.
static struct image *
ask_child(struct sandbox **s, const struct inside_request *r, const void *data, const char *name,
          double seconds, const atomic_int *stop, struct err *err)
{
    struct sandbox_wait wait = {clock_seconds() + seconds, stop};
    struct inside_answer a = {0};
    struct image *image = NULL;
    struct err own = {0};
    enum sandbox_state state = inside_ask(*s, r, data, &a, &wait);
    if (state == SANDBOX_DONE && !a.refused && (r->type == INSIDE_DECODE || is_text(r)))
        state = inside_pixels(*s, &a, &image, &wait, &own);
    if (image && !has_requested_size(r, image)) {
        image_unref(image);
        image = NULL;
        err_set(&own, ERR_INPUT, "a picture of impossible size");
    }
    bool invalid = own.code != ERR_NONE;
    int status = -1;
    if (state != SANDBOX_DONE || invalid) {
        status = sandbox_close(*s);
        *s = NULL;
    }
    if (state != SANDBOX_DONE)
        set_failure(r, state, status, seconds, name, err);
    else if (invalid)
        err_set(err, ERR_INPUT, "%s: %s gave %s", name, producer(r), own.text);
    else if (a.refused) // its messages begin with ": ", as it does not know the name
        err_set(err, ERR_INPUT, "%s%s%s", name, a.text[0] == ':' ? "" : ": ",
                *a.text ? a.text : "cannot be read as a picture");
    return image;
}

static struct inside_request
decode_request(size_t size, const struct look_options *options)
{
    int largest = options->side ? options->side : LIMIT_PICTURE_SIDE;
    struct inside_request r = {.type = INSIDE_DECODE,
                               .size = size,
                               .png = options->png,
                               .side = largest,
                               .cover = options->cover,
                               .cover_least = options->cover_least};
    // What is cut to a square loses some of its longer side.
    r.vector_least = options->cover ? 2 * MAX(options->cover, options->cover_least)
                                    : MIN(largest, LIMIT_VECTOR_SIDE);
    r.vector_most = options->cover ? LIMIT_PICTURE_SIDE : largest;
    return r;
}

// In a child of its own.
static bool
ask_new_child(const struct inside_request *r, const void *data, const char *name, double seconds,
              const atomic_int *stop, struct image **image, struct err *err)
{
    bool vector = codec_is_vector(data, r->size);
    const struct sandbox_params params = {
        .megabytes = LIMIT_LOOK_MEGABYTES,
        .processor_seconds = vector ? LIMIT_LOOK_VECTOR_MS / 1000.0 : seconds * processors()};
    struct err own = {0};
    struct sandbox *s = look_start(&own) ? sandbox_open(&params, &own) : NULL;
    *image = s ? ask_child(&s, r, data, name, seconds, stop, &own) : NULL;
    sandbox_kill(s);
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
look_decode(const void *data, size_t size, const char *name, const struct look_options *options,
            struct err *err)
{
    static const struct look_options defaults;
    options = options ? options : &defaults;
    const struct inside_request r = decode_request(size, options);
    struct image *image = NULL;
    if (size_allowed(size, name, err))
        ask_new_child(&r, data, name, options->seconds > 0 ? options->seconds : LIMIT_LOOK_SECONDS,
                      options->stop, &image, err);
    return image;
}

struct image *
look_decode_file(const char *path, const struct look_options *options, struct err *err)
{
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    struct image *image = data ? look_decode(data, size, path, options, err) : NULL;
    free(data);
    return image;
}

// Both in one child, of which only the loader's result comes back.
static struct image *
decode_and_run(const void *data, size_t size, const char *name, const struct loader_entry *e,
               const struct loader_values *values, const struct loader_limits *limits,
               struct err *err)
{
    char *paths[INSIDE_READABLE_MAX + 1] = {0};
    struct inside_request r = {.type = INSIDE_DECODE_RUN, .size = size,
                               .file = inside_readable(e->file, paths)};
    const struct sandbox_params params = {
        .readable = (const char *const *)paths, .megabytes = limits->megabytes,
        .processor_seconds = (LIMIT_LOOK_SECONDS + limits->seconds) * processors() + 1};
    struct image *out = NULL;
    struct err own = {0};
    memcpy(r.values, values->v, sizeof r.values);
    struct sandbox *s = look_start(&own) ? sandbox_open(&params, &own) : NULL;
    if (s)
        ask_child(&s, &r, data, name, LIMIT_LOOK_SECONDS, limits->stop, &own);
    if (s && own.code == ERR_NONE)
        out = loader_receive_result(&s, e, limits, &own);
    sandbox_kill(s);
    inside_free_readable(paths);
    if (!out)
        err_set(err, own.code, "%s", own.text);
    return out;
}

struct image *
look_decode_run(const void *data, size_t size, const char *name, const struct loader_entry *e,
                const struct loader_values *values, const struct loader_limits *limits,
                struct err *err)
{
    const struct look_options options = {.stop = limits->stop};
    if (!size_allowed(size, name, err))
        return NULL;
    // One child has one memory limit, and vector drawings have a limit of processor time.
    if (limits->megabytes == LIMIT_LOOK_MEGABYTES && !codec_is_vector(data, size))
        return decode_and_run(data, size, name, e, values, limits, err);
    struct image *image = look_decode(data, size, name, &options, err);
    struct image *out = image ? loader_run(e, image, values, limits, err) : NULL;
    image_unref(image);
    return out;
}

struct image *
look_decode_result(const void *png, size_t size, const char *name, const atomic_int *stop,
                   struct err *err)
{
    // The size in its head bounds the time, before anything is decoded.
    const unsigned char *p = png;
    static const unsigned char start[] = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR";
    const struct look_options options = {.png = true, .side = LIMIT_RESULT_SIDE,
                                         .seconds = LIMIT_RESULT_SECONDS, .stop = stop};
    if (size < 24 || memcmp(p, start, 16) != 0 || p[16] || p[17] || p[20] || p[21] ||
        (p[18] << 8 | p[19]) > LIMIT_RESULT_SIDE || (p[22] << 8 | p[23]) > LIMIT_RESULT_SIDE) {
        err_set(err, ERR_INPUT, "%s: not a PNG of at most %d pixels a side", name,
                LIMIT_RESULT_SIDE);
        return NULL;
    }
    return look_decode(png, size, name, &options, err);
}

bool
look_check(const char *path, const atomic_int *stop, struct err *err)
{
    struct inside_request r = {.type = INSIDE_CHECK};
    struct image *none;
    size_t size;
    char *data = file_read(path, LIMIT_PICTURE_BYTES, &size, err);
    if (!data)
        return false;
    r.size = size;
    bool ok = ask_new_child(&r, data, path, CHECK_SECONDS, stop, &none, err);
    free(data);
    return ok;
}

// --- many pictures

struct look_child {
    struct sandbox *s; // NULL: none has been started
    char *paths[INSIDE_READABLE_MAX + 1];
    const struct loader_entry *loaders[LIMIT_PACK_ROLES];
    int file[LIMIT_PACK_ROLES]; // of each in paths
    int count;
};

struct look_child *
look_child_open(const struct loader_entry *const *loaders)
{
    struct look_child *l = mem_zalloc(sizeof *l);
    for (; loaders && loaders[l->count] && l->count < LIMIT_PACK_ROLES; l->count++) {
        l->loaders[l->count] = loaders[l->count];
        l->file[l->count] = inside_readable(loaders[l->count]->file, l->paths);
    }
    return l;
}

void
look_child_close(struct look_child *l)
{
    if (!l)
        return;
    sandbox_kill(l->s);
    inside_free_readable(l->paths);
    free(l);
}

static bool
look_child_start(struct look_child *l, struct err *err)
{
    enum { UNLIMITED_SECONDS = 1000000 }; // each picture is limited by the clock
    const struct sandbox_params params = {(const char *const *)l->paths,
                                          LIMIT_LOOK_MEGABYTES, UNLIMITED_SECONDS};
    if (!l->s && look_start(err))
        l->s = sandbox_open(&params, err);
    return l->s != NULL;
}

struct image *
look_child_decode(struct look_child *l, const void *data, size_t size, const char *name,
                  const struct look_options *options, struct err *err)
{
    // A vector drawing, which can be short and yet costly, gets a child with a limit of its own.
    if (codec_is_vector(data, size))
        return look_decode(data, size, name, options, err);
    const struct inside_request r = decode_request(size, options);
    if (!size_allowed(size, name, err) || !look_child_start(l, err))
        return NULL;
    return ask_child(&l->s, &r, data, name,
                     options->seconds > 0 ? options->seconds : LIMIT_LOOK_SECONDS, options->stop,
                     err);
}

struct image *
look_child_run(struct look_child *l, const struct loader_entry *e, const struct image *in,
               const struct loader_values *values, struct err *err)
{
    const struct loader_limits limits = loader_limits_from_env(NULL);
    int i = 0;
    while (i < l->count && l->loaders[i] != e)
        i++;
    if (i == l->count || l->file[i] < 0 || !look_child_start(l, err)) {
        err_set(err, ERR_INPUT, "loader %s is none of this child's", e->loader->name);
        return NULL;
    }
    return loader_run_in(&l->s, l->file[i], e, in, values, &limits, err);
}

// --- letters

// Of a long text only both ends, which are all that a label shows of it.
static struct image *
draw_text(struct look_child *l, struct inside_request r, const char *text, struct err *err)
{
    enum { HALF = LIMIT_LETTERS_BYTES / 2 };
    size_t n = strlen(text);
    char *ends = n > LIMIT_LETTERS_BYTES ? mem_printf("%.*s%s", HALF, text, text + n - HALF) : NULL;
    const char *of = ends ? ends : text;
    r.size = strlen(of) + 1;
    struct image *image = look_child_start(l, err)
                              ? ask_child(&l->s, &r, of, "letters", LIMIT_LOOK_SECONDS, NULL, err)
                              : NULL;
    free(ends);
    return image;
}

struct image *
look_child_text(struct look_child *l, const char *text, int width, int height, struct err *err)
{
    return draw_text(l,
                     (struct inside_request){.type = INSIDE_TEXT, .width = width, .height = height},
                     text, err);
}

struct image *
look_child_glyph(struct look_child *l, const char *character, int width, int height, bool bold,
                 struct err *err)
{
    return draw_text(l,
                     (struct inside_request){.type = INSIDE_GLYPH, .width = width,
                                             .height = height, .bold = bold},
                     character, err);
}
