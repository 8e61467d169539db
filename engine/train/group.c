// SPDX-License-Identifier: MIT
#include "engine/train/group.h"

#include <stdint.h>
#include <stdlib.h>

#include "engine/base/mem.h"

int
group_rank(const struct group *g)
{
    return g ? g->rank : 0;
}

int
group_size(const struct group *g)
{
    return g ? g->size : 1;
}

int
group_first(const struct group *g, bool here)
{
    int size = group_size(g), first = -1;
    if (!g)
        return here ? 0 : -1;
    double *failed = mem_zalloc((size_t)size * sizeof *failed); // by rank
    failed[g->rank] = here;
    g->add_doubles(failed, (size_t)size);
    for (int i = size - 1; i >= 0; i--)
        first = failed[i] > 0 ? i : first;
    free(failed);
    return first;
}

bool
group_all_ok(const struct group *g, bool ok, struct err *err)
{
    int first = g ? group_first(g, !ok) : -1;
    if (first < 0)
        return ok;
    if (first != g->rank)
        err_clear(err);
    return err_set(err, ERR_CANCELLED, "process %d of %d has failed", first + 1, g->size);
}

// FNV-1a.
static uint64_t
digest(const unsigned char *data, size_t bytes)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < bytes; i++)
        h = (h ^ data[i]) * 0x100000001b3u;
    return h;
}

bool
group_same(const struct group *g, const void *data, size_t bytes)
{
    if (!g)
        return true;
    uint64_t own = digest(data, bytes), first = own;
    g->share(&first, sizeof first);
    return group_first(g, own != first) < 0;
}
