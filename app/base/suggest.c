// SPDX-License-Identifier: MIT
#include "app/base/suggest.h"

#include <string.h>

#include "engine/base/mem.h"

enum { LETTERS = 47 }; // that are compared

// Letters to insert, delete, change or swap with their neighbour to get from a to b (optimal string
// alignment).
static int
distance(const char *a, const char *b)
{
    int rows[3][LETTERS + 1], n = (int)strnlen(b, LETTERS), m = (int)strnlen(a, LETTERS);
    for (int k = 0; k <= n; k++)
        rows[0][k] = k;
    for (int i = 1; i <= m; i++) {
        int *row = rows[i % 3], *last = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (int k = 1; k <= n; k++) {
            int change = last[k - 1] + (a[i - 1] != b[k - 1]);
            row[k] = MIN(change, MIN(row[k - 1], last[k]) + 1);
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                row[k] = MIN(row[k], before[k - 2] + 1);
        }
    }
    return rows[m % 3][n];
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
