// SPDX-License-Identifier: MIT
#include "app/ui/history.h"

#include <stdlib.h>
#include <string.h>

void
history_finish(struct history *h)
{
    for (int i = 0; i < h->count; i++)
        job_finish(&h->items[i]);
    job_finish(&h->newest);
    *h = (struct history){0};
}

static bool
is_empty(const struct job *j)
{
    return (!j->instruction || !*j->instruction) && !j->reference_count;
}

static bool
same(const struct job *a, const struct job *b)
{
    struct jv *x = job_json(a, true), *y = job_json(b, true);
    char *one = jv_text(x, 0), *two = jv_text(y, 0);
    bool equal = strcmp(one, two) == 0;
    free(one);
    free(two);
    jv_free(x);
    jv_free(y);
    return equal;
}

void
history_put(struct history *h, const struct job *shown)
{
    bool known = h->count && (same(&h->items[h->count - 1], shown) ||
                              (h->at < h->count && same(&h->items[h->at], shown)));
    if (!is_empty(shown) && !known) {
        if (h->count == HISTORY_MAX) {
            job_finish(&h->items[0]);
            memmove(h->items, h->items + 1, (size_t)--h->count * sizeof *h->items);
        }
        job_copy(&h->items[h->count++], shown);
    }
    h->at = h->count;
}

const struct job *
history_step(struct history *h, const struct job *shown, int by)
{
    if (h->at + by < 0 || h->at + by > h->count)
        return NULL;
    struct job *kept = h->at == h->count ? &h->newest : &h->items[h->at], copy;
    job_copy(&copy, shown);
    job_finish(kept);
    *kept = copy;
    h->at += by;
    return h->at == h->count ? &h->newest : &h->items[h->at];
}
