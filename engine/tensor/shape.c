// SPDX-License-Identifier: MIT
#include "engine/tensor/shape.h"

#include <stdio.h>

int64_t
shape_count(const struct shape *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

bool
shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

int64_t
shape_last(const struct shape *s)
{
    return s->rank ? s->dim[s->rank - 1] : 1;
}

int64_t
shape_leading(const struct shape *s)
{
    int64_t n = 1;
    for (int i = 0; i + 1 < s->rank; i++)
        n *= s->dim[i];
    return n;
}

bool
shape_broadcast(const struct shape *a, const struct shape *b, struct shape *out)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;
    struct shape s = {.rank = rank};
    for (int i = 1; i <= rank; i++) {
        int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1;
        int64_t db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        s.dim[rank - i] = da > db ? da : db;
    }
    *out = s;
    return true;
}

const char *
shape_text(const struct shape *s, char buf[SHAPE_TEXT_MAX])
{
    size_t used = (size_t)snprintf(buf, SHAPE_TEXT_MAX, "[");
    for (int i = 0; i < s->rank; i++)
        used += (size_t)snprintf(buf + used, SHAPE_TEXT_MAX - used, "%s%lld", i ? "," : "",
                                 (long long)s->dim[i]);
    snprintf(buf + used, SHAPE_TEXT_MAX - used, "]");
    return buf;
}
