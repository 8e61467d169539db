// SPDX-License-Identifier: MIT
// Downloads over https, through libcurl: one address, from a given byte on, passed to a callback.
// Redirections are followed to https addresses only, and the token is sent only to the host of the
// given address.
#ifndef LIMN_APP_HUB_HTTP_H
#define LIMN_APP_HUB_HTTP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/err.h"

struct http_request {
    const char *url;
    const char *token; // bearer token; NULL: none
    int64_t from;      // bytes that exist already: only the rest is requested
    int timeout;       // seconds without data after which it gives up
    const atomic_int *cancel;
    // The body as it arrives; `from`: its first byte, 0 if the server sends all of it again.
    bool (*take)(void *ctx, int64_t from, const void *bytes, size_t size, struct err *err);
    void *ctx;
};

struct http_answer {
    int status;      // of HTTP; 0: no answer
    bool transient;  // a temporary failure: the same request may be retried
    int retry_after; // seconds that the server asks the client to wait; 0: none
    int64_t size;    // of the whole file; -1: the server does not say
    char sha256[65]; // of the whole file; "": the hub does not say
};

// False if not everything was taken: ERR_IO with the host and its answer; ERR_CANCELLED; or the
// error that `take` set.
bool http_get(const struct http_request *r, struct http_answer *answer, struct err *err);
// The body, of at most `limit` bytes, followed by a 0 byte; freed with free().
char *http_text(const struct http_request *r, size_t limit, size_t *size,
                struct http_answer *answer, struct err *err);

// "https://HOST" of an address, freed with free(); NULL: not an https address.
char *http_host(const char *url);

#endif
