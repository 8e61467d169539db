// SPDX-License-Identifier: MIT
// A child of the sandbox that was taken over: whatever it answers, the program gets pictures of an
// allowed size, loaders that keep to the limits, or a sentence. The input is what the child says,
// behind four bytes: what it was asked, how it ends, and what is wanted of a picture.
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/inside.h"
#include "loaders/look.h"
#include "tests/fuzz/fuzz.h"

enum { HEAD = 4, GOES_ON = 0x80, ZEROS_MOST = 4 << 20 };

// The linker gives limn these instead of the sandbox.
bool __wrap_sandbox_start(sandbox_serve *serve, void (*prepare)(void), struct err *err);
struct sandbox *__wrap_sandbox_open(const struct sandbox_params *params, struct err *err);
enum sandbox_state __wrap_sandbox_write(struct sandbox *s, const void *data, size_t size,
                                        const struct sandbox_wait *wait);
enum sandbox_state __wrap_sandbox_read(struct sandbox *s, void *data, size_t size,
                                       const struct sandbox_wait *wait);
int __wrap_sandbox_close(struct sandbox *s);
void __wrap_sandbox_kill(struct sandbox *s);

static const uint8_t *said;
static size_t said_size;
static uint8_t ending; // what comes when all was said: GOES_ON zeros, else how it ends
static int children;
static char child; // its address stands for one

bool
__wrap_sandbox_start(sandbox_serve *serve, void (*prepare)(void), struct err *err)
{
    (void)serve, (void)prepare, (void)err;
    return true;
}

struct sandbox *
__wrap_sandbox_open(const struct sandbox_params *params, struct err *err)
{
    (void)params, (void)err;
    children++;
    return (struct sandbox *)&child;
}

enum sandbox_state
__wrap_sandbox_write(struct sandbox *s, const void *data, size_t size,
                     const struct sandbox_wait *wait)
{
    (void)s, (void)wait;
    fuzz_use(data, size);
    return SANDBOX_DONE;
}

enum sandbox_state
__wrap_sandbox_read(struct sandbox *s, void *data, size_t size, const struct sandbox_wait *wait)
{
    size_t n = MIN(size, said_size);
    (void)s, (void)wait;
    memcpy(data, said, n);
    said += n;
    said_size -= n;
    if (n < size &&
        (!(ending & GOES_ON) || size > ZEROS_MOST)) // large pictures take sanitizers too long
        return (enum sandbox_state)(1 + ending % 3);
    memset((char *)data + n, 0, size - n);
    return SANDBOX_DONE;
}

int
__wrap_sandbox_close(struct sandbox *s)
{
    static const int statuses[] = {-1,      0,      SANDBOX_UNCONFINED << 8, SIGKILL, SIGPROF,
                                   SIGXCPU, SIGSEGV};
    children -= s != NULL;
    return statuses[ending / 3 % COUNT_OF(statuses)];
}

void
__wrap_sandbox_kill(struct sandbox *s)
{
    children -= s != NULL;
}

// --- what is asked

static const struct limn_param params[] = {
    {.name = "n", .help = "n", .kind = LIMN_PARAM_INT, .maximum = 9}};
static const struct limn_loader loader = {.size = sizeof loader, .name = "edge", .role = "edge map",
                                          .summary = "s", .params = params, .param_count = 1};
static struct loader_entry entry = {.loader = &loader};
static const char picture[] = "P6 1 1 255 abc";

// Each pixel can be read, and there are no more of them than was wanted.
static void
take(struct image *image, const struct look_options *want, const struct err *err)
{
    int most = want->cover ? MAX(want->cover, want->cover_least) : want->side;
    fuzz_said(image, err);
    if (!image)
        return;
    if ((most && MAX(image->width, image->height) > most) || image->width < 1 ||
        image->height < 1 || (int64_t)image->width * image->height > LIMIT_PICTURE_PIXELS)
        abort();
    fuzz_use(image->pixels, image->stride * (size_t)image->height);
    image_unref(image);
}

static void
use_loaders(void)
{
    struct loader_host *host = loader_host_open();
    for (int i = 0; i < loader_host_count(host); i++) {
        const struct limn_loader *l = loader_host_at(host, i)->loader;
        struct loader_values values;
        loader_defaults(l, &values);
        fuzz_use_text(l->name);
        fuzz_use_text(l->role);
        fuzz_use_text(l->summary);
        if (l->param_count > LIMIT_LOADER_PARAMS || strpbrk(l->summary, "\n\033"))
            abort();
        for (uint32_t k = 0; k < l->param_count; k++) {
            struct err err = {0};
            bool ok = loader_set_value(l, &values, l->params[k].name, "1", &err);
            fuzz_said(ok ? "" : NULL, &err);
            fuzz_use_text(l->params[k].help);
            fuzz_use_text(l->params[k].choices);
        }
    }
    for (int i = 0; i < loader_host_refusal_count(host); i++)
        fuzz_use_text(loader_host_refusal(host, i));
    loader_host_close(host);
}

// A child that is kept for several pictures.
static void
look_twice(const struct look_options *want)
{
    const struct loader_entry *const loaders[] = {&entry, NULL};
    struct look_child *l = look_child_open(loaders);
    struct loader_values values;
    loader_defaults(&loader, &values);
    for (int i = 0; i < 2; i++) {
        struct err err = {0}, more = {0};
        struct image *image =
            look_child_decode(l, picture, sizeof picture, "a picture", want, &err);
        struct image *out = image ? look_child_run(l, &entry, image, &values, &more) : NULL;
        if (image)
            take(out, &(struct look_options){0}, &more);
        take(image, want, &err);
    }
    look_child_close(l);
}

static void
take_letters(struct image *image, int width, int height, const struct err *err)
{
    if (image && (image->width != width || image->height != height))
        abort();
    take(image, &(struct look_options){0}, err);
}

// A label of some size, and a letter in the child that is left, or in another.
static void
write_letters(int width, int height)
{
    struct look_child *l = look_child_open(NULL);
    struct err err = {0}, more = {0};
    take_letters(look_child_text(l, "a label", width, height, &err), width, height, &err);
    take_letters(look_child_glyph(l, "x", width, height, true, &more), width, height, &more);
    look_child_close(l);
}

static void
run_loader(void)
{
    const struct loader_limits limits = {.seconds = 1, .megabytes = LIMIT_LOOK_MEGABYTES};
    struct err err = {0};
    struct loader_values values;
    loader_defaults(&loader, &values);
    struct image *out =
        look_decode_run(picture, sizeof picture, "a picture", &entry, &values, &limits, &err);
    take(out, &(struct look_options){0}, &err);
}

void
fuzz_begin(void)
{
    setenv("LIMN_LOADER_PATH", fuzz_path(""), 1);
    fuzz_file("p.ppm", picture, sizeof picture);
    entry.path = entry.file = mem_strdup(fuzz_file("l.so", "\177ELF", 4));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { LOOK = 0, CHECK, RUN, DESCRIBE, KEPT, RESULT, LETTERS, KINDS };
    struct err err = {0};
    if (size < HEAD)
        return 0;
    const struct look_options want = {.side = data[2], .cover = data[3] % 64,
                                      .cover_least = data[3] / 64 * 20};
    said = data + HEAD;
    said_size = size - HEAD;
    ending = data[1];
    children = 0;
    switch (data[0] % KINDS) {
    case LOOK:
        take(look_decode(picture, sizeof picture, "a picture", &want, &err), &want, &err);
        break;
    case CHECK: fuzz_said(look_check(fuzz_path("p.ppm"), NULL, &err) ? "" : NULL, &err); break;
    case RUN: run_loader(); break;
    case DESCRIBE: use_loaders(); break;
    case KEPT: look_twice(&want); break;
    case LETTERS: write_letters(1 + data[2], 1 + data[3]); break;
    default: {
        static const unsigned char png[24] = "\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\0\1\0\0\0";
        struct look_options most = {.side = LIMIT_RESULT_SIDE};
        take(look_decode_result(png, sizeof png, "a result", NULL, &err), &most, &err);
    }
    }
    if (children)
        abort(); // one was not let go
    return 0;
}
