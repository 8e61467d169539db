// SPDX-License-Identifier: MIT
#include "engine/base/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *
base64_encode(const void *data, size_t size, struct err *err)
{
    const uint8_t *p = data;
    char *out = mem_try_calloc((size + 2) / 3 * 4 + 1, 1, "base 64", err), *q = out;
    for (size_t i = 0; out && i < size; i += 3) {
        size_t n = MIN((size_t)3, size - i);
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (n > 2 ? p[i + 2] : 0);
        for (size_t k = 0; k < 4; k++)
            *q++ = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
    }
    return out; // its end is 0
}

void *
base64_decode(const char *text, size_t *size, struct err *err)
{
    size_t n = strlen(text), used = 0, pad = 0;
    if (n % 4) {
        err_set(err, ERR_INPUT, "not base 64");
        return NULL;
    }
    uint8_t *out = mem_try_calloc(n / 4 * 3 + 1, 1, "base 64", err);
    if (!out)
        return NULL;
    while (pad < 2 && pad < n && text[n - 1 - pad] == '=')
        pad++;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            char c = text[i + k];
            const char *at = c && i + k < n - pad ? strchr(alphabet, c) : NULL;
            if (!at && i + k < n - pad) {
                free(out);
                err_set(err, ERR_INPUT, "not base 64");
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
