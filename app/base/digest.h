// SPDX-License-Identifier: MIT
// Checksums of data that arrives in pieces.
#ifndef LIMN_APP_BASE_DIGEST_H
#define LIMN_APP_BASE_DIGEST_H

#include <stddef.h>

enum digest_kind { DIGEST_SHA256 = 0, DIGEST_SHA1 };
enum { DIGEST_TEXT = 64 + 1 };

struct digest;
struct digest *digest_begin(enum digest_kind kind);
void digest_add(struct digest *d, const void *data, size_t size);
// The checksum in lower-case hexadecimal; frees `d`. out may be NULL.
void digest_end(struct digest *d, char out[DIGEST_TEXT]);

#endif
