// SPDX-License-Identifier: MIT
#include "engine/nets/guess.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/mem.h"

enum { NAME_MAX_HERE = 160 + PARAMS_PREFIX_MAX, BLOCKS_MAX = 1000 };

static const struct tensor_view *
find_one(const struct guess *from, const char *name)
{
    char full[NAME_MAX_HERE];
    snprintf(full, sizeof full, "%s%s", from->prefix, name ? name : "");
    return name ? safetensors_find(from->file, full) : NULL;
}

const struct tensor_view *
guess_find(const struct guess *from, const char *a, const char *b)
{
    const struct tensor_view *t = find_one(from, a);
    return t ? t : find_one(from, b);
}

int64_t
guess_dim(const struct guess *from, int dim, const char *a, const char *b)
{
    const struct tensor_view *t = guess_find(from, a, b);
    return t && dim < t->shape.rank ? t->shape.dim[dim] : 0;
}

int
guess_count(const struct guess *from, const char *a, const char *b)
{
    int n = 0;
    for (; n < BLOCKS_MAX; n++) {
        char first[NAME_MAX_HERE], second[NAME_MAX_HERE];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(first, sizeof first, a, n);
        snprintf(second, sizeof second, b, n);
#pragma GCC diagnostic pop
        if (!guess_find(from, first, second))
            break;
    }
    return n;
}

void
guess_set(struct jv *config, const char *key, int64_t value)
{
    if (value > 0 && value <= INT_MAX)
        jv_set(config, key, jv_from_integer(value));
}
