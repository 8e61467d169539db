// SPDX-License-Identifier: MIT
// Uses nettle, which allocates nothing, so a checksum cannot fail once begun.
#include "app/base/digest.h"

#include <nettle/base16.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdlib.h>

#include "engine/base/mem.h"

struct digest {
    enum digest_kind kind;
    union {
        struct sha1_ctx sha1;
        struct sha256_ctx sha256;
    };
};

struct digest *
digest_begin(enum digest_kind kind)
{
    struct digest *d = mem_zalloc(sizeof *d);
    d->kind = kind;
    if (kind == DIGEST_SHA1)
        sha1_init(&d->sha1);
    else
        sha256_init(&d->sha256);
    return d;
}

void
digest_add(struct digest *d, const void *data, size_t size)
{
    if (d->kind == DIGEST_SHA1)
        sha1_update(&d->sha1, size, data);
    else
        sha256_update(&d->sha256, size, data);
}

void
digest_end(struct digest *d, char out[DIGEST_TEXT])
{
    uint8_t sum[SHA256_DIGEST_SIZE];
    size_t size = d->kind == DIGEST_SHA1 ? SHA1_DIGEST_SIZE : SHA256_DIGEST_SIZE;
    if (out && d->kind == DIGEST_SHA1)
        sha1_digest(&d->sha1, size, sum);
    else if (out)
        sha256_digest(&d->sha256, size, sum);
    if (out) {
        base16_encode_update(out, size, sum);
        out[BASE16_ENCODE_LENGTH(size)] = 0;
    }
    free(d);
}
