// SPDX-License-Identifier: MIT
// Getting what lies behind an https address, through libcurl: one address, from a byte on, to
// whoever takes it. Redirections are followed to other https addresses only, and the token goes to
// the host that was asked and to no other.
#ifndef LIMN_APP_HUB_HTTP_H
#define LIMN_APP_HUB_HTTP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct http_request {
    const char *url;
    const char *token; // of the bearer; NULL: none
    int64_t from;      // bytes that are there already: only the rest is asked for
    int patience;      // seconds without a byte until it is given up
    const atomic_int *cancel;
    // The body as it comes; `from`: where it begins, 0 where the server sends all of it again.
    bool (*take)(void *ctx, int64_t from, const void *bytes, size_t size, struct err *err);
    void *ctx;
};

struct http_answer {
    int status;       // 0: there was none
    bool passing;     // a failure that may pass: the same may be tried again
    int retry_after;  // seconds that the server asks for; 0: it does not
    int64_t size;     // of the whole, where the server says it; -1: it does not
    char sha256[65];  // of the whole, where the hub says it; else ""
};

// False: nothing, or not all, was taken. ERR_IO with the host and what it said; ERR_CANCELLED;
// what `take` set.
bool http_get(const struct http_request *r, struct http_answer *answer, struct err *err);
// A body of at most `limit` bytes, with a 0 byte behind it; freed with free().
char *http_text(const struct http_request *r, size_t limit, size_t *size,
                struct http_answer *answer, struct err *err);

// "https://HOST" of an address, freed with free(); NULL: it is not an https address.
char *http_host(const char *url);

#endif
