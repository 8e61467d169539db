// SPDX-License-Identifier: MIT
#include "engine/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/require.h"

_Noreturn void
require_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "limn: internal error: %s (%s:%d)\n", expression, file, line);
    abort();
}

static void (*failure_hook)(void);

void
mem_end_with(void (*end)(void))
{
    failure_hook = end;
}

void
mem_failed(void)
{
    if (failure_hook)
        failure_hook();
    fputs("limn: out of memory\n", stderr);
    abort();
}

enum { STACK_MIN = 1 << 20 }; // libraries may overflow it

const char *
mem_limited(char out[MEM_LIMITED_TEXT])
{
    struct rlimit memory, stack;
    out[0] = 0;
    if (getrlimit(RLIMIT_STACK, &stack) == 0 && stack.rlim_cur < STACK_MIN)
        snprintf(out, MEM_LIMITED_TEXT, "; ulimit -s leaves limn %llu KiB of stack",
                 (unsigned long long)stack.rlim_cur >> 10);
    if (getrlimit(RLIMIT_AS, &memory) == 0 && memory.rlim_cur != RLIM_INFINITY)
        snprintf(out, MEM_LIMITED_TEXT, "; ulimit -v leaves limn %llu MiB of memory",
                 (unsigned long long)memory.rlim_cur >> 20);
    return out;
}

static void *
checked(void *p)
{
    if (!p)
        mem_failed();
    return p;
}

void *
mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *
mem_zalloc(size_t size)
{
    return checked(calloc(1, size ? size : 1));
}

void *
mem_realloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

char *
mem_strndup(const char *text, size_t n)
{
    size_t len = strnlen(text, n);
    char *copy = mem_alloc(len + 1);
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

char *
mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *
mem_printf(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    require(n >= 0);
    char *text = mem_alloc((size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}

void *
mem_try_calloc(size_t count, size_t size, const char *what, struct err *err)
{
    size_t total;
    if (!mem_mul(count, size, &total)) {
        err_set(err, ERR_MEMORY, "%s: %zu x %zu bytes is more than can be addressed", what, count,
                size);
        return NULL;
    }
    void *p = calloc(1, total ? total : 1);
    if (!p)
        err_set(err, ERR_MEMORY, "%s: cannot allocate %zu bytes", what, total);
    return p;
}

// What is large begins a huge page, and asks for them: products walk along rows that lie pages
// apart, and with pages of 4 KiB they wait for the processor's table of pages.
static void *
allocate(size_t size, size_t alignment)
{
    enum { HUGE = 2 << 20, LARGE = 2 * HUGE };
    if (size < LARGE)
        return aligned_alloc(alignment, size);
    void *p = aligned_alloc(MAX(alignment, (size_t)HUGE), (size + HUGE - 1) / HUGE * HUGE);
    if (p)
        madvise(p, size / HUGE * HUGE, MADV_HUGEPAGE);
    return p;
}

void *
mem_try_aligned(size_t size, size_t alignment, const char *what, struct err *err)
{
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    if (rounded < size) {
        err_set(err, ERR_MEMORY, "%s: %zu bytes is more than can be addressed", what, size);
        return NULL;
    }
    void *p = allocate(rounded ? rounded : alignment, alignment);
    if (!p) {
        err_set(err, ERR_MEMORY, "%s: cannot allocate %zu bytes", what, size);
        return NULL;
    }
    memset(p, 0, rounded ? rounded : alignment);
    return p;
}

void
mem_aligned_free(void *p)
{
    free(p);
}

const char *
mem_text(size_t bytes, char out[MEM_TEXT])
{
    if (bytes >= 1000000000)
        snprintf(out, MEM_TEXT, "%.2f GB", (double)bytes / 1e9);
    else
        snprintf(out, MEM_TEXT, "%.1f MB", (double)bytes / 1e6);
    return out;
}

size_t
mem_resident(void)
{
    unsigned long long all, resident = 0;
    FILE *f = file_stream("/proc/self/statm", "r", NULL);
    if (f && fscanf(f, "%llu %llu", &all, &resident) != 2)
        resident = 0;
    if (f)
        fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
