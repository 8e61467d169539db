// SPDX-License-Identifier: MIT
// One bad loader for each value of BAD; BAD_NONE is a good one, which shows that the others are
// refused for what makes them bad.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loaders/loader.h"

#define BAD_NONE          0
#define BAD_ABI           1
#define BAD_RUN           2
#define BAD_SIZE_SMALL    3
#define BAD_SIZE_LARGE    4
#define BAD_CRASH_ON_LOAD 5
#define BAD_EXIT_ON_LOAD  6
#define BAD_HANG_ON_LOAD  7
#define BAD_NAME          8
#define BAD_RANGE         9
#define BAD_CHOICE        10
#define BAD_TWICE         11
#define BAD_TABLE         12
#define BAD_SYMBOL        13
#define BAD_DUPLICATE     14

#define STRING(x)  #x
#define STRING2(x) STRING(x)

#if BAD == BAD_SYMBOL
void nobody_defines_this(void);
#endif

static const struct limn_param params[] = {
    {"do", "What to do.", LIMN_PARAM_CHOICE, 0, 0, 0,
     BAD == BAD_CHOICE ? "" : "copy|crash|hang|eat|size|null|stride|fail|shout|exit|print"},
    {BAD == BAD_TWICE ? "do" : "level", "A number.", LIMN_PARAM_FLOAT, -1,
     BAD == BAD_RANGE ? -2 : 1, 0.5, NULL},
    {"count", "A whole number.", LIMN_PARAM_INT, 1, 9, 3, NULL},
    {"flag", "A switch.", LIMN_PARAM_BOOL, 0, 1, 0, NULL},
};

static void
crash(void)
{
    raise(SIGSEGV);
}

#if BAD == BAD_CRASH_ON_LOAD || BAD == BAD_EXIT_ON_LOAD || BAD == BAD_HANG_ON_LOAD
__attribute__((constructor)) static void
on_load(void)
{
    puts("a loader that prints while it is loaded");
    fflush(stdout);
    if (BAD == BAD_CRASH_ON_LOAD)
        crash();
    if (BAD == BAD_EXIT_ON_LOAD)
        _exit(0);
    for (;;)
        pause();
}
#endif

static int32_t
run(const struct limn_picture *in, const double *values, struct limn_picture *out, char *error,
    size_t error_size)
{
    out->width = in->width;
    out->height = in->height;
    out->stride = in->stride;
#if BAD == BAD_SYMBOL
    nobody_defines_this();
#endif
    switch ((int)values[0]) {
    case 1:
        crash();
        break;
    case 2:
        for (;;)
            ;
    case 3:
        for (size_t n = 0; n < 100000; n++) {
            char *p = malloc(1 << 20);
            if (!p) {
                snprintf(error, error_size, "no memory after %zu MiB", n);
                return 1;
            }
            memset(p, 1, 1 << 20);
        }
        break;
    case 4:
        out->width = 1 << 30;
        break;
    case 5:
        return 0; // no pixels
    case 6:
        out->stride = 1;
        break;
    case 7:
        snprintf(error, error_size, "the picture is not to its taste");
        return 7;
    case 8: // fills the buffer without an end
        memset(error, 'x', error_size);
        return 1;
    case 9:
        exit(0);
    case 10:
        puts("a loader that prints");
        fflush(stdout);
        break;
    default:
        break;
    }
    out->pixels = malloc(in->stride * (size_t)in->height);
    memcpy(out->pixels, in->pixels, in->stride * (size_t)in->height);
    return 0;
}

static void
release(struct limn_picture *out)
{
    free(out->pixels);
}

#if BAD == BAD_ABI
#define SYMBOL limn_loader_v99
#else
#define SYMBOL limn_loader_v1
#endif

LIMN_LOADER_EXPORT extern const struct limn_loader SYMBOL;
const struct limn_loader SYMBOL = {
    .size = BAD == BAD_SIZE_SMALL   ? 24
            : BAD == BAD_SIZE_LARGE ? 2000
                                    : sizeof(struct limn_loader),
    .name = BAD == BAD_NAME ? "Not A Name" : BAD == BAD_DUPLICATE ? "bad-none" : STRING2(BAD_AS),
    .role = "test",
    .summary = "Behaves as told.",
    .params = params,
    .param_count = BAD == BAD_TABLE ? 1000000 : sizeof params / sizeof *params,
    .run = BAD == BAD_RUN ? NULL : run,
    .release = release,
};
