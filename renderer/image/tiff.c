// SPDX-License-Identifier: MIT
#include "renderer/image/tiff.h"

#include <stdint.h>
#include <string.h>

enum {
    COMPRESSION = 259,
    PHOTOMETRIC = 262,
    YCBCR = 6,
    JPEG_OLD = 6,
    JPEG = 7,
    ENTRIES_MAX = 4096
};

struct tiff {
    const uint8_t *data;
    size_t size;
    bool big_endian, big; // big: BigTIFF, with offsets of 8 bytes
};

// 0 beyond the end.
static uint64_t
number(const struct tiff *t, uint64_t at, int bytes)
{
    uint64_t v = 0;
    if (at > t->size || t->size - at < (uint64_t)bytes)
        return 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | t->data[at + (uint64_t)(t->big_endian ? i : bytes - 1 - i)];
    return v;
}

static bool
is_tiff(struct tiff *t)
{
    if (t->size < 8 || (memcmp(t->data, "II", 2) != 0 && memcmp(t->data, "MM", 2) != 0))
        return false;
    t->big_endian = t->data[0] == 'M';
    uint64_t version = number(t, 2, 2);
    t->big = version == 43;
    return version == 42 || version == 43;
}

// A tag of the first directory whose value is a short number; 0: it has none.
static uint64_t
tag(const struct tiff *t, unsigned wanted)
{
    uint64_t at = t->big ? number(t, 8, 8) : number(t, 4, 4);
    uint64_t count = number(t, at, t->big ? 8 : 2);
    at += t->big ? 8 : 2;
    for (uint64_t i = 0; i < count && i < ENTRIES_MAX; i++, at += t->big ? 20 : 12)
        if (number(t, at, 2) == wanted)
            return number(t, at + (t->big ? 12 : 8), 2);
    return 0;
}

bool
tiff_is_readable(const void *data, size_t size, const char *name, struct err *err)
{
    struct tiff t = {.data = data, .size = size};
    if (!is_tiff(&t) || tag(&t, PHOTOMETRIC) != YCBCR)
        return true;
    uint64_t compression = tag(&t, COMPRESSION);
    return compression == JPEG || compression == JPEG_OLD ||
           err_set(
               err, ERR_INPUT,
               "%s: a TIFF in YCbCr colours without JPEG compression cannot be read correctly: "
               "save it in RGB",
               name);
}
