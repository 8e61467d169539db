// SPDX-License-Identifier: MIT
#include "app/base/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode(const void *data, size_t size)
{
    const uint8_t *p = data;
    char *out = mem_alloc((size + 2) / 3 * 4 + 1), *q = out;
    for (size_t i = 0; i < size; i += 3) {
        size_t n = MIN((size_t)3, size - i);
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (n > 2 ? p[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            *q++ = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
    }
    *q = 0;
    return out;
}

void *
base64_decode(const char *text, size_t *size)
{
    size_t n = strlen(text), used = 0, pad = 0;
    if (n % 4)
        return NULL;
    uint8_t *out = mem_alloc(n / 4 * 3 + 1);
    while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            char c = text[i + k];
            const char *at = c && i + k < n - pad ? strchr(alphabet, c) : NULL;
            if (!at && i + k < n - pad) {
                free(out);
                return NULL;
            }
            v = v << 6 | (at ? (uint32_t)(at - alphabet) : 0);
        }
        for (int k = 0; k < 3; k++)
            out[used++] = (uint8_t)(v >> (16 - 8 * k));
    }
    *size = used - pad;
    return out;
}
