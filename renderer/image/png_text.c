// SPDX-License-Identifier: MIT
#include "renderer/image/png_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "engine/base/mem.h"

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

static uint32_t
get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void
put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static bool
is_ascii(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text >= 0x80)
            return false;
    return true;
}

// A zTXt chunk if the text is ASCII, because more programs keep those: keyword 0, method 0, deflate
// data. Else iTXt: keyword 0, compressed 1, method 0, language 0, translated keyword 0, deflate
// data.
static unsigned char *
make_chunk(const char *keyword, const char *text, size_t *size, struct err *err)
{
    uLong n = strlen(text);
    uLongf packed = compressBound(n);
    bool ascii = is_ascii(text);
    size_t head = strlen(keyword) + (ascii ? 2 : 5);
    if (n > INT32_MAX / 2 || strlen(keyword) < 1 || strlen(keyword) > 79) {
        err_set(err, ERR_INPUT, "the text '%.79s' is too long for a PNG", keyword);
        return NULL;
    }
    unsigned char *chunk = mem_try_calloc(12 + head + packed, 1, keyword, err);
    if (!chunk)
        return NULL;
    memcpy(chunk + 4, ascii ? "zTXt" : "iTXt", 4);
    memcpy(chunk + 8, keyword, strlen(keyword));
    chunk[8 + strlen(keyword) + 1] = !ascii; // the method of zTXt, the flag of iTXt
    if (compress2(chunk + 8 + head, &packed, (const Bytef *)text, n, 9) != Z_OK) {
        free(chunk);
        err_set(err, ERR_MEMORY, "the text '%s' cannot be compressed", keyword);
        return NULL;
    }
    put32(chunk, (uint32_t)(head + packed));
    put32(chunk + 8 + head + packed, (uint32_t)crc32(0, chunk + 4, (uInt)(4 + head + packed)));
    *size = 12 + head + packed;
    return chunk;
}

void *
png_text_insert(const void *png, size_t size, const char *const *texts, size_t *out_size,
                struct err *err)
{
    enum { AFTER_IHDR = 8 + 12 + 13 };
    if (size < AFTER_IHDR || memcmp(png, signature, 8) != 0) {
        err_set(err, ERR_IO, "texts can be put only into a PNG");
        return NULL;
    }
    unsigned char *out = mem_try_calloc(size, 1, "a PNG", err);
    size_t used = AFTER_IHDR;
    if (!out)
        return NULL;
    memcpy(out, png, AFTER_IHDR);
    for (int i = 0; texts && texts[i]; i += 2) {
        size_t n;
        unsigned char *chunk = make_chunk(texts[i], texts[i + 1], &n, err);
        unsigned char *larger = chunk ? realloc(out, used + n + size) : NULL;
        if (!larger) {
            if (chunk)
                err_set(err, ERR_MEMORY, "not enough memory for a PNG of %zu bytes",
                        used + n + size);
            free(chunk);
            free(out);
            return NULL;
        }
        out = larger;
        memcpy(out + used, chunk, n);
        used += n;
        free(chunk);
    }
    memcpy(out + used, (const unsigned char *)png + AFTER_IHDR, size - AFTER_IHDR);
    *out_size = used + size - AFTER_IHDR;
    return out;
}

static char *
inflate_text(const unsigned char *data, size_t size, size_t limit, const char *name,
             struct err *err)
{
    size_t capacity = 4 * size + 64;
    capacity = MIN(capacity, limit);
    for (;;) {
        char *text = mem_try_calloc(capacity + 1, 1, name, err);
        uLongf n = capacity;
        if (!text)
            return NULL;
        int rc = uncompress((Bytef *)text, &n, data, size);
        if (rc == Z_OK) {
            text[n] = 0;
            return text;
        }
        free(text);
        if (rc != Z_BUF_ERROR || capacity == limit) {
            err_set(err, ERR_INPUT, "%s: its text is damaged or over %zu bytes", name, limit);
            return NULL;
        }
        capacity = capacity > limit / 2 ? limit : 2 * capacity;
    }
}

// From Latin-1, as in tEXt and zTXt, to UTF-8. Takes over `text`.
static char *
from_latin1(char *text, const char *name, struct err *err)
{
    char *out = text ? mem_try_calloc(2 * strlen(text) + 1, 1, name, err) : NULL, *o = out;
    for (const unsigned char *p = (const unsigned char *)text; out && *p; p++) {
        if (*p >= 0x80)
            *o++ = (char)(0xC0 | *p >> 6);
        *o++ = (char)(*p >= 0x80 ? 0x80 | (*p & 0x3F) : *p);
    }
    free(text);
    return out; // zeroed, so it ends with 0
}

// The text of a chunk whose keyword matched; p points past the keyword's 0.
static char *
chunk_text(const unsigned char *type, const unsigned char *p, const unsigned char *end,
           const char *name, size_t limit, struct err *err)
{
    bool packed = memcmp(type, "zTXt", 4) == 0, latin1 = memcmp(type, "iTXt", 4) != 0;
    if (packed) {
        p += 1; // method
    } else if (!latin1) {
        packed = end - p >= 2 && p[0] == 1;
        p += 2;
        for (int i = 0; i < 2 && p < end; i++) { // language, translated keyword
            const unsigned char *zero = memchr(p, 0, (size_t)(end - p));
            p = zero ? zero + 1 : end + 1;
        }
    }
    if (p > end) {
        err_set(err, ERR_INPUT, "%s: a text chunk is damaged", name);
        return NULL;
    }
    if (packed) {
        char *text = inflate_text(p, (size_t)(end - p), limit, name, err);
        return latin1 ? from_latin1(text, name, err) : text;
    }
    if ((size_t)(end - p) > limit) {
        err_set(err, ERR_INPUT, "%s: its text is over %zu bytes", name, limit);
        return NULL;
    }
    size_t n = strnlen((const char *)p, (size_t)(end - p));
    char *text = mem_try_calloc(n + 1, 1, name, err);
    if (text)
        memcpy(text, p, n);
    return latin1 ? from_latin1(text, name, err) : text;
}

char *
png_text_find(const void *png, size_t size, const char *name, const char *keyword, size_t limit,
              struct err *err)
{
    const unsigned char *p = png, *end = p + size;
    if (size < 8 || memcmp(p, signature, 8) != 0)
        return NULL;
    for (p += 8; p < end;) {
        if (end - p < 12 || get32(p) > (size_t)(end - p) - 12) {
            err_set(err, ERR_INPUT, "%s: the PNG is cut off or damaged", name);
            return NULL;
        }
        size_t n = get32(p);
        const unsigned char *type = p + 4, *data = p + 8;
        bool is_text = memcmp(type, "tEXt", 4) == 0 || memcmp(type, "zTXt", 4) == 0 ||
                       memcmp(type, "iTXt", 4) == 0;
        size_t key = strlen(keyword);
        if (is_text && n > key && memcmp(data, keyword, key + 1) == 0) {
            if (crc32(0, type, (uInt)(n + 4)) != get32(data + n)) {
                err_set(err, ERR_INPUT, "%s: the text chunk '%s' is damaged", name, keyword);
                return NULL;
            }
            return chunk_text(type, data + key + 1, data + n, name, limit, err);
        }
        if (memcmp(type, "IEND", 4) == 0)
            break;
        p += 12 + n;
    }
    return NULL;
}

// The bytes of the whole chunk at `at`; 0: it reaches past the end.
static size_t
chunk_bytes(const unsigned char *png, size_t size, size_t at)
{
    if (size - at < 12)
        return 0;
    size_t n = get32(png + at);
    return n <= size - at - 12 ? n + 12 : 0;
}

void *
png_text_remove(const void *png, size_t size, size_t *out_size, struct err *err)
{
    const unsigned char *in = png;
    if (size < 8 || memcmp(png, signature, 8) != 0) {
        err_set(err, ERR_INPUT, "texts can be removed only from a PNG");
        return NULL;
    }
    unsigned char *out = mem_try_calloc(size, 1, "a PNG", err);
    size_t used = 8;
    if (!out)
        return NULL;
    memcpy(out, in, 8);
    for (size_t at = 8, n; at < size; at += n) {
        const unsigned char *kind = in + at + 4;
        n = chunk_bytes(in, size, at);
        if (n == 0) {
            free(out);
            err_set(err, ERR_INPUT, "a chunk of the PNG reaches past its end");
            return NULL;
        }
        if (memcmp(kind, "tEXt", 4) != 0 && memcmp(kind, "zTXt", 4) != 0 &&
            memcmp(kind, "iTXt", 4) != 0) {
            memcpy(out + used, in + at, n);
            used += n;
        }
    }
    *out_size = used;
    return out;
}
