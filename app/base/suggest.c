// SPDX-License-Identifier: MIT
#include "app/base/suggest.h"

#include <string.h>

#include "engine/base/mem.h"

// Letters to insert, delete or change to get from a to b (Levenshtein); names up to 47 letters.
static int
distance(const char *a, const char *b)
{
    int row[48], n = (int)strnlen(b, 47);
    for (int k = 0; k <= n; k++)
        row[k] = k;
    for (int i = 0; a[i] && i < 47; i++) {
        int corner = row[0]++;
        for (int k = 0; k < n; k++) {
            int cost = corner + (a[i] != b[k]);
            corner = row[k + 1];
            row[k + 1] = MIN(cost, MIN(row[k], row[k + 1]) + 1);
        }
    }
    return row[n];
}

const char *
suggest(const char *word, const char *const *names)
{
    const char *near = NULL;
    int best = strlen(word) <= 3 ? 2 : 3;
    for (int i = 0; names[i]; i++) {
        int d = distance(word, names[i]);
        if (d < best) {
            best = d;
            near = names[i];
        }
    }
    return near;
}
