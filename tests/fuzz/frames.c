// SPDX-License-Identifier: MIT
#include "tests/fuzz/frames.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static const uint8_t picture[] = {0x89, 'P', 'N', 'G',  0x0D, 0x0A, 0x1A, 0x0A, 0,    0, 0, 13,
                                  'I',  'H', 'D', 'R',  0,    0,    0,    1,    0,    0, 0, 1,
                                  8,    0,   0,   0,    0,    0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0,
                                  10,   'I', 'D', 'A',  'T',  0x78, 0x9C, 0x63, 0x60, 0, 0, 0,
                                  2,    0,   1,   0x48, 0xAF, 0xA4, 0x71, 0,    0,    0, 0, 'I',
                                  'E',  'N', 'D', 0xAE, 0x42, 0x60, 0x82};

struct out {
    uint8_t *data;
    size_t size, capacity;
};

static void
add(struct out *o, const void *data, size_t size)
{
    if (o->size + size > o->capacity) {
        o->capacity = 2 * (o->size + size);
        o->data = mem_realloc(o->data, o->capacity);
    }
    if (size)
        memcpy(o->data + o->size, data, size);
    o->size += size;
}

static void
add_number(struct out *o, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        add(o, &(uint8_t){(uint8_t)value}, 1);
}

static void
add_line(struct out *o, const uint8_t *line, size_t size)
{
    const uint8_t *tab = memchr(line, '\t', size);
    size_t head = tab ? (size_t)(tab - line) : size;
    const uint8_t *payload = tab ? tab + 1 : line;
    size_t bytes = tab ? size - head - 1 : 0;
    if (bytes == 3 && memcmp(payload, "PNG", 3) == 0) {
        payload = picture;
        bytes = sizeof picture;
    }
    add(o, "LMN1", 4);
    add_number(o, head, 4);
    add_number(o, bytes, 8);
    add(o, line, head);
    add(o, payload, bytes);
}

uint8_t *
frames_of(const char *greeting, const uint8_t *data, size_t size, size_t *out)
{
    struct out o = {0};
    if (size && data[0] == 0) {
        add(&o, data + 1, size - 1);
    } else {
        add(&o, greeting, strlen(greeting));
        for (size_t at = 0; at < size;) {
            const uint8_t *end = memchr(data + at, '\n', size - at);
            size_t line = end ? (size_t)(end - data) - at : size - at;
            if (line)
                add_line(&o, data + at, line);
            at += line + 1;
        }
    }
    *out = o.size;
    return o.data;
}
