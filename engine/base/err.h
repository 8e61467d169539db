// SPDX-License-Identifier: MIT
// Errors: one code and one sentence that a user can act on.
//
// A fallible function takes `struct err *err` last and returns false or NULL after filling it.
// `err` may be NULL when the caller only needs to know that something failed. The first error
// wins: err_set() on an error that is already set keeps the older, more specific sentence.
#ifndef LIMN_ENGINE_BASE_ERR_H
#define LIMN_ENGINE_BASE_ERR_H

#include <stdbool.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

enum err_code {
    ERR_NONE = 0,    // no error
    ERR_INPUT,       // what the user gave is wrong: file, value, template (exit code 2)
    ERR_IO,          // the system refused: open, read, write, no space (exit code 1)
    ERR_MEMORY,      // an allocation of a user-driven size failed or is over a limit (exit 1)
    ERR_DEVICE,      // the compute device failed or is missing (exit 1)
    ERR_UNSUPPORTED, // understood, but this build or device cannot do it (exit 1)
    ERR_CANCELLED,   // the user stopped it (exit 130)
    ERR_COUNT
};

enum { ERR_TEXT_MAX = 512 };

struct err {
    enum err_code code;
    char text[ERR_TEXT_MAX]; // one sentence, no newline, no final period
};

// Fills `err` (if not NULL and not already set) and returns false, so that a failure is one line:
//     return err_set(err, ERR_INPUT, "%s:%d: unknown key '%s'", file, line, key);
__attribute__((format(printf, 3, 4))) bool err_set(struct err *err, enum err_code code,
                                                   const char *format, ...);

// Like err_set(), and appends ": " and strerror(errno). If errno says that memory, descriptors or
// disk space ran out, the code becomes ERR_MEMORY or ERR_IO.
__attribute__((format(printf, 3, 4))) bool err_errno(struct err *err, enum err_code code,
                                                     const char *format, ...);

// Puts "text: " before the sentence, for callers that know more (a file name).
__attribute__((format(printf, 2, 3))) bool err_prefix(struct err *err, const char *format, ...);

void err_clear(struct err *err);

// The process exit code for an error: 2 for ERR_INPUT, 130 for ERR_CANCELLED, otherwise 1.
int err_exit_code(const struct err *err);

#ifdef __cplusplus
}
#endif

#endif
