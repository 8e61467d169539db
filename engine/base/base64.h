// SPDX-License-Identifier: MIT
// Base64 (RFC 4648, section 4), for pictures inside JSON and for terminals.
#ifndef LIMN_ENGINE_BASE_BASE64_H
#define LIMN_ENGINE_BASE_BASE64_H

#include <stddef.h>

#include "engine/base/err.h"

// Results are freed with free(). NULL: ERR_MEMORY, or ERR_INPUT for what is not valid base64.
char *base64_encode(const void *data, size_t size, struct err *err);
void *base64_decode(const char *text, size_t *size, struct err *err);

#endif
