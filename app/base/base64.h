// SPDX-License-Identifier: MIT
// Base64 (RFC 4648, section 4), for pictures inside JSON.
#ifndef LIMN_APP_BASE_BASE64_H
#define LIMN_APP_BASE_BASE64_H

#include <stddef.h>

char *base64_encode(const void *data, size_t size); // freed with free()
// NULL for anything that is not proper base64; freed with free().
void *base64_decode(const char *text, size_t *size);

#endif
