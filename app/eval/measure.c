// SPDX-License-Identifier: MIT
#include "app/eval/measure.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"

enum { EDGE = 60, GROUND = 235, THUMBNAIL = 8, RESAMPLES = 1000 };

static double
grey_at(const uint8_t *rgb, int side, int y, int x)
{
    const uint8_t *p = rgb + 3 * (y * side + x);
    return (p[0] + p[1] + p[2]) / 3.;
}

static bool *
edges_of(const uint8_t *rgb, int side)
{
    bool *out = mem_zalloc((size_t)side * (size_t)side);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            bool inner_x = x > 0 && x<side - 1, inner_y = y> 0 && y < side - 1;
            double dx = inner_x ? grey_at(rgb, side, y, x + 1) - grey_at(rgb, side, y, x - 1) : 0;
            double dy = inner_y ? grey_at(rgb, side, y + 1, x) - grey_at(rgb, side, y - 1, x) : 0;
            out[y * side + x] = hypot(dx, dy) > EDGE;
        }
    return out;
}

static bool
is_near(const bool *edges, int side, int y, int x)
{
    for (int v = MAX(y - 1, 0); v <= MIN(y + 1, side - 1); v++)
        for (int u = MAX(x - 1, 0); u <= MIN(x + 1, side - 1); u++)
            if (edges[v * side + u])
                return true;
    return false;
}

// The share of a's edge pixels that are near one of b's; *count: how many a has.
static double
found(const bool *a, const bool *b, int side, int *count)
{
    int near = 0;
    *count = 0;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            if (a[y * side + x]) {
                ++*count;
                near += is_near(b, side, y, x);
            }
    return *count ? (double)near / *count : 0;
}

double
measure_edges(const uint8_t *a, const uint8_t *b, int side)
{
    bool *ea = edges_of(a, side), *eb = edges_of(b, side);
    int na, nb;
    double precision = found(ea, eb, side, &na), recall = found(eb, ea, side, &nb);
    free(ea);
    free(eb);
    if (!na && !nb)
        return 1;
    return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

double
measure_areas(const uint8_t *a, const uint8_t *b, int side)
{
    int both = 0, either = 0;
    for (int i = 0; i < side * side; i++) {
        const uint8_t *p = a + 3 * i, *q = b + 3 * i;
        bool ia = MIN(MIN(p[0], p[1]), p[2]) < GROUND, ib = MIN(MIN(q[0], q[1]), q[2]) < GROUND;
        both += ia && ib;
        either += ia || ib;
    }
    return either ? (double)both / either : 1;
}

double
measure_thumbnails(const uint8_t *a, const uint8_t *b, int side)
{
    double difference[THUMBNAIL * THUMBNAIL * 3] = {0}, sum = 0;
    double pixels = (double)side * side / (THUMBNAIL * THUMBNAIL) * 255;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++)
            for (int c = 0; c < 3; c++) {
                int at = y * THUMBNAIL / side * THUMBNAIL + x * THUMBNAIL / side,
                    i = 3 * (y * side + x) + c;
                difference[3 * at + c] += (a[i] - b[i]) / pixels;
            }
    for (size_t i = 0; i < COUNT_OF(difference); i++)
        sum += difference[i] * difference[i];
    return sum / COUNT_OF(difference);
}

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double
measure_alpha(const uint8_t *a, const uint8_t *b, size_t n)
{
    int64_t both = 0, either = 0;
    for (size_t i = 0; i < n; i++) {
        both += MIN(a[i], b[i]);
        either += MAX(a[i], b[i]);
    }
    return either ? (double)both / (double)either : 1;
}

struct measured
measure_mean(const double *values, int n, uint64_t seed)
{
    double means[RESAMPLES] = {0}, mean = 0;
    struct rng rng;
    if (n <= 0)
        return (struct measured){0};
    rng_init(&rng, seed, RNG_STREAM_DATA);
    for (int i = 0; i < n; i++)
        mean += values[i] / n;
    for (int k = 0; k < RESAMPLES; k++)
        for (int i = 0; i < n; i++)
            means[k] += values[rng_below(&rng, (uint64_t)n)] / n;
    qsort(means, RESAMPLES, sizeof *means, by_value);
    return (struct measured){n, mean, means[RESAMPLES / 40 - 1], means[RESAMPLES - RESAMPLES / 40]};
}
