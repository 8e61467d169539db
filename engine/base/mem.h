// SPDX-License-Identifier: MIT
// Memory. Small host allocations end the process when they fail (there is nothing sensible left to
// do); anything whose size comes from a user, a file or a model goes through mem_try_*(), which
// checks the multiplication and returns an error.
#ifndef LIMN_ENGINE_BASE_MEM_H
#define LIMN_ENGINE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

// Sets the function called instead of abort() when a small allocation fails: it must not allocate
// or return, and may be called from any thread. For programs, at startup.
void mem_end_with(void (*end)(void));
// Makes failed allocations inside libraries, which raise uncaught C++ exceptions or GLib's trap
// (SIGTRAP), end the process in the same way.
void mem_end_uncaught(void);

// What to append to an error about a library that failed without a reason: "; ulimit -v leaves limn
// N MiB of memory", the same for a small stack (ulimit -s), or "" if neither is limited.
enum { MEM_LIMITED_TEXT = 80 };
const char *mem_limited(char out[MEM_LIMITED_TEXT]);

// Ends the process because a library had no memory for something small.
__attribute__((noreturn)) void mem_failed(void);

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_realloc(void *old, size_t size) __attribute__((returns_nonnull, warn_unused_result));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull, warn_unused_result));
char *mem_strndup(const char *text, size_t n)
    __attribute__((malloc, returns_nonnull, warn_unused_result));
__attribute__((format(printf, 1, 2))) char *mem_printf(const char *format, ...);

// count*size bytes, zeroed; NULL and an error that names `what` if the product overflows or the
// system lacks the memory. Freed with free().
void *mem_try_calloc(size_t count, size_t size, const char *what, struct err *err);

// Zeroed memory aligned to `alignment` (a power of two), rounded up. Freed with mem_aligned_free().
void *mem_try_aligned(size_t size, size_t alignment, const char *what, struct err *err);
void mem_aligned_free(void *p);

size_t mem_resident(void); // bytes of this process in memory now; 0: not known

// For people: "9.31 GB", "84.2 MB", "0.3 MB".
enum { MEM_TEXT = 24 };
const char *mem_text(size_t bytes, char out[MEM_TEXT]);

// False when a*b does not fit.
static inline bool
mem_mul(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

// Growable array: ARRAY_PUSH(items, count, capacity, value).
#define ARRAY_PUSH(items, count, capacity, value)                                                  \
    do {                                                                                           \
        if ((count) == (capacity)) {                                                               \
            (capacity) = (capacity) ? 2 * (capacity) : 8;                                          \
            (items) = mem_realloc((items), (size_t)(capacity) * sizeof *(items));                  \
        }                                                                                          \
        (items)[(count)++] = (value);                                                              \
    } while (0)

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
