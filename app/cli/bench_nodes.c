// SPDX-License-Identifier: MIT
#include "app/cli/bench_nodes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/ops/op.h"

enum { MAX_NODES = 20000, SHOWN = 40 };

// Nodes that are one row: of one op, or of one op, element type and shape.
struct group {
    struct plan_time one; // any of them, with the seconds of all
    int count;
};

typedef bool (*alike_fn)(const struct plan_time *a, const struct plan_time *b);

static bool
same_op(const struct plan_time *a, const struct plan_time *b)
{
    return a->node->op == b->node->op && a->node->dtype == b->node->dtype && a->fast == b->fast;
}

static bool
same_work(const struct plan_time *a, const struct plan_time *b)
{
    return same_op(a, b) && shape_equal(&a->node->shape, &b->node->shape) && a->flops == b->flops;
}

static int
slower_first(const void *a, const void *b)
{
    double x = ((const struct group *)a)->one.seconds, y = ((const struct group *)b)->one.seconds;
    return (x < y) - (x > y);
}

// Returns how many groups there are; `groups` has room for n.
static int
group_times(const struct plan_time *times, int n, alike_fn alike, struct group *groups)
{
    int used = 0;
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < used && !alike(&groups[k].one, &times[i]))
            k++;
        if (k == used) {
            groups[used++] = (struct group){.one = times[i], .count = 1};
            continue;
        }
        groups[k].one.seconds += times[i].seconds;
        groups[k].count++;
    }
    qsort(groups, (size_t)used, sizeof *groups, slower_first);
    return used;
}

static const char *
plain_mark(const struct group *g)
{
    return g->one.fast ? "" : "  (plain)";
}

static void
print_ops(const struct group *groups, int count, double total, int runs)
{
    printf("%8s %6s %5s  %s\n", "ms", "share", "count", "op");
    for (int i = 0; i < count; i++) {
        const struct plan_time *t = &groups[i].one;
        printf("%8.2f %5.1f%% %5d  %s %s%s\n", 1e3 * t->seconds / runs, 100 * t->seconds / total,
               groups[i].count, op_rows[t->node->op].name, dtype_name(t->node->dtype),
               plain_mark(&groups[i]));
    }
}

static void
print_work(const struct group *g, const struct device_ceilings *ceilings, double total, int runs)
{
    char shape[SHAPE_TEXT_MAX];
    const struct plan_time *t = &g->one;
    double seconds = t->seconds / runs, flops = t->flops * g->count / seconds,
           bytes = (double)t->bytes * g->count / seconds;
    // An op can be no faster than the slower of its two ceilings allows.
    double ceiling = fmax(flops / ceilings->flops, bytes / ceilings->bytes);
    printf("%8.2f %5.1f%% %5d %9.1f %8.2f %6.1f%%  %s %s %s%s\n", 1e3 * seconds,
           100 * t->seconds / total, g->count, flops / 1e9, bytes / 1e9, 100 * ceiling,
           op_rows[t->node->op].name, dtype_name(t->node->dtype),
           shape_text(&t->node->shape, shape), plain_mark(g));
}

void
bench_nodes_print(const struct plan *p, const struct device_ceilings *ceilings, int runs)
{
    struct plan_time *times = mem_zalloc(MAX_NODES * sizeof *times);
    int n = plan_times(p, times, MAX_NODES);
    struct group *groups = mem_zalloc(((size_t)n + 1) * sizeof *groups);
    double total = 0;
    for (int i = 0; i < n; i++)
        total += times[i].seconds;
    print_ops(groups, group_times(times, n, same_op, groups), total, runs);
    int count = group_times(times, n, same_work, groups);
    printf("%8s %6s %5s %9s %8s %7s  %s\n", "ms", "share", "count", "GFLOP/s", "GB/s", "ceiling",
           "op and result");
    for (int i = 0; i < count && i < SHOWN; i++)
        print_work(&groups[i], ceilings, total, runs);
    free(groups);
    free(times);
}
