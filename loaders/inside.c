// SPDX-License-Identifier: MIT
// The child's side. It is confined already, so this code need not defend itself: it only has to
// give honest loaders and decoders correct answers.
#include "loaders/inside.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"

#if defined(__SANITIZE_ADDRESS__)
// A failed allocation returns NULL, as without the sanitizer, instead of ending the process.
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}
#endif

static bool
write_all(int fd, const void *data, size_t size)
{
    for (const char *p = data; size > 0;) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool
read_all(int fd, void *data, size_t size)
{
    for (char *p = data; size > 0;) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static bool
send_answer(int fd, const struct image *image, const struct err *err)
{
    struct inside_answer a = {.refused = err->code != ERR_NONE};
    snprintf(a.text, sizeof a.text, "%s", err->text);
    if (!image || a.refused)
        return write_all(fd, &a, sizeof a);
    a.width = image->width;
    a.height = image->height;
    a.format = (int32_t)image->format;
    return write_all(fd, &a, sizeof a) &&
           write_all(fd, image->pixels, image->stride * (size_t)image->height);
}

// --- loaders

static bool
is_name(const char *name)
{
    size_t n = name ? strnlen(name, LIMIT_LOADER_NAME_BYTES + 1) : 0;
    return n > 0 && n <= LIMIT_LOADER_NAME_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

static bool
fits(const char *text, size_t limit)
{
    return text && strnlen(text, limit + 1) <= limit;
}

static int
choice_count(const char *choices)
{
    int n = choices && *choices ? 1 : 0;
    for (const char *p = choices; p && *p; p++)
        n += *p == '|';
    return n;
}

static const char *
check_param(const struct limn_param *p)
{
    if (!is_name(p->name) || !fits(p->help, LIMIT_LOADER_SUMMARY_BYTES))
        return "a parameter without a proper name or help";
    switch (p->kind) {
    case LIMN_PARAM_INT:
    case LIMN_PARAM_FLOAT:
        if (p->minimum <= p->fallback && p->fallback <= p->maximum && isfinite(p->minimum) &&
            isfinite(p->maximum))
            return NULL;
        return "a parameter whose default lies outside its range";
    case LIMN_PARAM_BOOL:
        return p->fallback == 0 || p->fallback == 1 ? NULL : "a switch that is neither on nor off";
    case LIMN_PARAM_CHOICE:
        return fits(p->choices, LIMIT_LOADER_CHOICES_BYTES) && choice_count(p->choices) > 0 &&
                       p->fallback >= 0 && p->fallback < choice_count(p->choices)
                   ? NULL
                   : "a choice without its choices";
    default:
        return "a parameter of unknown kind";
    }
}

const char *
loader_check(const struct limn_loader *l)
{
    if (l->size < sizeof *l || l->size > 4096)
        return "its description has an impossible size; it needs to be rebuilt";
    if (!is_name(l->name))
        return "it has no proper name";
    if (!l->role || !*l->role || !l->summary)
        return "it has no role or no summary";
    if (!fits(l->role, LIMIT_LOADER_ROLE_BYTES) || !fits(l->summary, LIMIT_LOADER_SUMMARY_BYTES))
        return "its role or summary is too long";
    if (l->param_count > LIMIT_LOADER_PARAMS || (l->param_count && !l->params))
        return "its table of parameters is broken";
    for (uint32_t i = 0; i < l->param_count; i++) {
        const char *fault = check_param(&l->params[i]);
        if (fault)
            return fault;
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(l->params[i].name, l->params[k].name) == 0)
                return "it has two parameters of the same name";
    }
    return NULL;
}

// The loader's description, whose size is checked against the symbol's in the file.
static const struct limn_loader *
open_loader(const char *path, struct err *err)
{
    Dl_info info;
    ElfW(Sym) *symbol = NULL;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *message = handle ? NULL : dlerror();
    const size_t n = strlen(path);
    if (!handle) { // the linker's messages start with the path
        bool named =
            message && strncmp(message, path, n) == 0 && strncmp(message + n, ": ", 2) == 0;
        err_set(err, ERR_INPUT, "%.400s",
                message ? message + (named ? n + 2 : 0) : "cannot be loaded");
        return NULL;
    }
    const struct limn_loader *l = dlsym(handle, LIMN_LOADER_SYMBOL);
    const char *fault = NULL;
    if (!l)
        fault = "no " LIMN_LOADER_SYMBOL ": not a loader, or built for another version of limn";
    // Reading past the end of a short description would read whatever follows it.
    else if (dladdr1(l, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
             (symbol->st_size < sizeof l->size || l->size > symbol->st_size))
        fault = "its description is smaller than it says; it needs to be rebuilt";
    else
        fault = loader_check(l);
    if (!fault && (!l->run || !l->release))
        fault = "it lacks the function run or release";
    if (!fault)
        return l;
    err_set(err, ERR_INPUT, "%s", fault);
    return NULL;
}

static void
copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from ? from : "");
}

static bool
describe(int fd, const char *path)
{
    struct err err = {0};
    const struct limn_loader *l = open_loader(path, &err);
    if (!l)
        return send_answer(fd, NULL, &err);
    struct inside_description *c = mem_zalloc(sizeof *c);
    copy(c->name, sizeof c->name, l->name);
    copy(c->role, sizeof c->role, l->role);
    copy(c->summary, sizeof c->summary, l->summary);
    c->param_count = l->param_count;
    for (uint32_t i = 0; i < l->param_count; i++) {
        const struct limn_param *p = &l->params[i];
        copy(c->params[i].name, sizeof c->params[i].name, p->name);
        copy(c->params[i].help, sizeof c->params[i].help, p->help);
        if (p->kind == LIMN_PARAM_CHOICE)
            copy(c->params[i].choices, sizeof c->params[i].choices, p->choices);
        c->params[i].kind = p->kind;
        c->params[i].minimum = p->minimum;
        c->params[i].maximum = p->maximum;
        c->params[i].fallback = p->fallback;
    }
    bool ok = send_answer(fd, NULL, &err) && write_all(fd, c, sizeof *c);
    free(c);
    return ok;
}

static bool
is_valid_picture(const struct limn_picture *p)
{
    return p->pixels && p->width >= 1 && p->height >= 1 && p->width <= LIMIT_PICTURE_SIDE &&
           p->height <= LIMIT_PICTURE_SIDE &&
           (int64_t)p->width * p->height <= LIMIT_PICTURE_PIXELS &&
           p->stride >= 4 * (size_t)p->width;
}

static struct image *
run(const struct limn_loader *l, const struct inside_request *r, uint8_t *pixels, struct err *err)
{
    struct limn_picture from = {r->width, r->height, 4 * (size_t)r->width, pixels}, out = {0};
    struct image *result = NULL;
    char error[256] = "";
    if (l->run(&from, r->values, &out, error, sizeof error) != 0) {
        error[sizeof error - 1] = 0;
        err_set(err, ERR_INPUT, "loader %s: %s", l->name, *error ? error : "failed");
    } else if (!is_valid_picture(&out)) {
        err_set(err, ERR_INPUT, "loader %s gave a picture of impossible size", l->name);
    } else {
        result = image_create(out.width, out.height, IMAGE_RGBA8, err);
        for (int y = 0; result && y < out.height; y++)
            memcpy(image_row(result, y), out.pixels + (size_t)y * out.stride,
                   4 * (size_t)out.width);
        l->release(&out);
    }
    return result;
}

static bool
run_loader(int fd, const char *path, const struct inside_request *r, uint8_t *pixels)
{
    struct err err = {0};
    const struct limn_loader *l = open_loader(path, &err);
    struct image *out = l ? run(l, r, pixels, &err) : NULL;
    bool ok = send_answer(fd, out, &err);
    image_unref(out);
    return ok;
}

// --- pictures

// The square in the middle, resized to `side`.
static struct image *
centre_square(const struct image *image, int side, struct err *err)
{
    int w = image->width, h = image->height, shorter = MIN(w, h);
    struct image *part =
        image_crop(image, (w - shorter) / 2, (h - shorter) / 2, shorter, shorter, err);
    struct image *out = part ? codec_reduce(part, side, side, err) : NULL;
    image_unref(part);
    return out;
}

// Brings the picture to the wanted size, if it has another; only squares are enlarged. Takes over
// `image`.
static struct image *
reduce(struct image *image, const struct inside_request *r, struct err *err)
{
    int w = image->width, h = image->height, longer = MAX(w, h);
    int square = MAX(r->cover_least, MIN(r->cover, MIN(w, h)));
    struct image *out = NULL;
    if (r->cover ? w == square && h == square : !r->side || longer <= r->side)
        return image;
    double f = (double)r->side / longer;
    if (r->cover)
        out = centre_square(image, square, err);
    else
        out = codec_reduce(image, MAX(1, (int)lround(w * f)), MAX(1, (int)lround(h * f)), err);
    image_unref(image);
    return out;
}

static bool
decode(int fd, const struct inside_request *r, const uint8_t *bytes)
{
    const struct codec_options options = {.png = r->png != 0, .vector_least = r->vector_least,
                                          .vector_most = r->vector_most};
    struct err err = {0};
    struct image *image = codec_decode(bytes, r->size, "", &options, &err);
    image = image ? reduce(image, r, &err) : NULL;
    bool ok = send_answer(fd, image, &err);
    image_unref(image);
    return ok;
}

static bool
decode_and_run(int fd, const char *path, struct inside_request r, const uint8_t *bytes)
{
    const struct codec_options options = {.png = r.png != 0};
    struct err err = {0};
    struct image *image = codec_decode(bytes, r.size, "", &options, &err);
    struct image *rgba = image ? image_convert(image, IMAGE_RGBA8, 0xFFFFFF, &err) : NULL;
    image_unref(image);
    bool ok = send_answer(fd, NULL, &err);
    if (rgba && ok) {
        r.width = rgba->width;
        r.height = rgba->height;
        ok = run_loader(fd, path, &r, rgba->pixels);
    }
    image_unref(rgba);
    return ok;
}

static bool
check(int fd, const struct inside_request *r, const uint8_t *bytes)
{
    struct err err = {0};
    codec_check_in(bytes, r->size, "", &err);
    return send_answer(fd, NULL, &err);
}

// --- letters

static bool
draw_text(int fd, const struct inside_request *r, const char *text)
{
    struct err err = {0};
    struct image *image = r->type == INSIDE_TEXT
                              ? codec_text(text, r->width, r->height, &err)
                              : codec_glyph(text, r->width, r->height, r->bold != 0, &err);
    bool ok = send_answer(fd, image, &err);
    image_unref(image);
    return ok;
}

static bool
handle(int fd, const struct inside_request *r, const char *const *readable, uint8_t *bytes)
{
    switch ((enum inside_type)r->type) {
    case INSIDE_CHECK:
        return check(fd, r, bytes);
    case INSIDE_DECODE:
        return decode(fd, r, bytes);
    case INSIDE_DESCRIBE:
        return describe(fd, readable[r->file]);
    case INSIDE_RUN:
        return run_loader(fd, readable[r->file], r, bytes);
    case INSIDE_DECODE_RUN:
        return decode_and_run(fd, readable[r->file], *r, bytes);
    case INSIDE_TEXT:
    case INSIDE_GLYPH:
        return draw_text(fd, r, (const char *)bytes);
    }
    return false;
}

void
inside_serve(int fd, const char *const *readable)
{
    struct inside_request r;
    bool ok = true;
    while (ok && read_all(fd, &r, sizeof r)) {
        struct err err = {0};
        uint8_t *bytes = mem_try_calloc(MAX(r.size, 1), 1, "the picture", &err);
        ok = bytes ? read_all(fd, bytes, r.size) && handle(fd, &r, readable, bytes)
                   : send_answer(fd, NULL, &err) && false;
        free(bytes);
    }
}
