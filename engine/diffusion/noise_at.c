// SPDX-License-Identifier: MIT
// One seed, one composition at every size. The coarse part of the starting noise decides where
// things are placed, so noise of another size is derived from the noise of the model's own size.
//
// A cell of noise is white noise integrated over the cell's area, divided by the root of that area.
// Along one side, let A map fine cells to coarse ones, A_ij = overlap_ij / sqrt(width_i width_j),
// and A A' = L L' (L is lower bidiagonal, because neighbouring coarse cells share at most one fine
// cell). Then, with fresh white z,
//
//     finer:    x = z + A' (A A')^-1 (L b - A z)      the fine noise whose coarse part is b's
//     coarser:  x = L^-1 A b                          the coarse part of b
//
// are white again, exactly: E[x x'] = I - A'(AA')^-1 A + A'(AA')^-1 LL' (AA')^-1 A = I, and L^-1 A
// A' L^-T = I. If one size divides the other, L is I, and every coarse cell is the sum of its fine
// ones divided by the root of their number. Height first, then width.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/require.h"
#include "engine/base/rng.h"
#include "engine/diffusion/sampler.h"

// Streams that no sampler uses: step "-1", of which the enlarging pass has the first.
enum { STREAM_HEIGHT = RNG_STREAM_SAMPLER + 4, STREAM_WIDTH = RNG_STREAM_SAMPLER + 8 };

// One side divided into `coarse` cells and into `fine` ones.
struct axis {
    int coarse, fine;
    double *diagonal, *below; // of L
};

static double
overlap(const struct axis *s, int i, int j)
{
    double from = fmax((double)i / s->coarse, (double)j / s->fine);
    double to = fmin((i + 1.0) / s->coarse, (j + 1.0) / s->fine);
    return fmax(to - from, 0) * sqrt((double)s->coarse * s->fine);
}

// The fine cells that coarse cell i overlaps.
static void
fine_range(const struct axis *s, int i, int *first, int *last)
{
    *first = (int)((int64_t)i * s->fine / s->coarse);
    *last = (int)(((int64_t)(i + 1) * s->fine + s->coarse - 1) / s->coarse);
}

// The inner product of rows i and k of A.
static double
product(const struct axis *s, int i, int k)
{
    int first, last;
    double sum = 0;
    fine_range(s, i, &first, &last);
    for (int j = first; j < last; j++)
        sum += overlap(s, i, j) * overlap(s, k, j);
    return sum;
}

static bool
axis_init(struct axis *s, int coarse, int fine, struct err *err)
{
    *s = (struct axis){.coarse = coarse, .fine = fine};
    s->diagonal = mem_try_calloc((size_t)coarse, sizeof(double), "noise", err);
    s->below = s->diagonal ? mem_try_calloc((size_t)coarse, sizeof(double), "noise", err) : NULL;
    for (int i = 0; s->below && i < coarse; i++) {
        s->below[i] = i ? product(s, i, i - 1) / s->diagonal[i - 1] : 0;
        s->diagonal[i] = sqrt(product(s, i, i) - s->below[i] * s->below[i]);
    }
    return s->below != NULL;
}

static void
axis_finish(struct axis *s)
{
    free(s->diagonal);
    free(s->below);
}

// out (coarse) = A v, v (fine) with `step` floats between its cells.
static void
coarse_part(const struct axis *s, const float *v, size_t step, double *out)
{
    for (int i = 0; i < s->coarse; i++) {
        int first, last;
        fine_range(s, i, &first, &last);
        out[i] = 0;
        for (int j = first; j < last; j++)
            out[i] += overlap(s, i, j) * v[(size_t)j * step];
    }
}

// L^-1 in place.
static void
solve_lower(const struct axis *s, double *v)
{
    for (int i = 0; i < s->coarse; i++)
        v[i] = (v[i] - (i ? s->below[i] * v[i - 1] : 0)) / s->diagonal[i];
}

// Refines one line: b (coarse) to x (fine), which holds fresh noise before; both with `step` floats
// between cells.
static void
refine(const struct axis *s, const float *b, float *x, size_t step, double *work)
{
    coarse_part(s, x, step, work);
    for (int i = s->coarse - 1; i >= 0; i--) // L b - A z; then (L L')^-1 is applied
        work[i] = s->diagonal[i] * b[(size_t)i * step] +
                  (i ? s->below[i] * b[(size_t)(i - 1) * step] : 0) - work[i];
    solve_lower(s, work);
    for (int i = s->coarse - 1; i >= 0; i--)
        work[i] =
            (work[i] - (i + 1 < s->coarse ? s->below[i + 1] * work[i + 1] : 0)) / s->diagonal[i];
    for (int i = 0; i < s->coarse; i++) {
        int first, last;
        fine_range(s, i, &first, &last);
        for (int j = first; j < last; j++)
            x[(size_t)j * step] += (float)(overlap(s, i, j) * work[i]);
    }
}

static void
coarsen(const struct axis *s, const float *b, float *x, size_t step, double *work)
{
    coarse_part(s, b, step, work);
    solve_lower(s, work);
    for (int i = 0; i < s->coarse; i++)
        x[(size_t)i * step] = (float)work[i];
}

// b (outer,from,inner) -> x (outer,to,inner), white as b is.
static bool
resize(const float *b, float *x, size_t outer, int from, int to, size_t inner, uint64_t seed,
       uint64_t stream, struct err *err)
{
    struct axis s = {0};
    double *work = mem_try_calloc((size_t)MIN(from, to), sizeof *work, "noise", err);
    bool ok = work && axis_init(&s, MIN(from, to), MAX(from, to), err);
    if (ok && from < to)
        rng_fill_normal(seed, stream, 0, x, outer * (size_t)to * inner);
    for (size_t line = 0; ok && line < outer * inner; line++) {
        size_t o = line / inner, i = line % inner;
        (from < to ? refine : coarsen)(&s, b + o * (size_t)from * inner + i,
                                       x + o * (size_t)to * inner + i, inner, work);
    }
    axis_finish(&s);
    free(work);
    return ok;
}

// One picture. Sides of the base's own length are left as they are.
static bool
fill(float *x, const struct noise_shape *s, uint64_t seed, struct err *err)
{
    size_t c = (size_t)s->channels, base = (size_t)s->base_height * (size_t)s->base_width * c;
    size_t tall = (size_t)s->height * (size_t)s->base_width * c;
    bool higher = s->height != s->base_height, wider = s->width != s->base_width;
    float *b = higher || wider ? mem_try_calloc(base, sizeof *b, "noise", err) : NULL;
    float *t = higher && wider ? mem_try_calloc(tall, sizeof *t, "noise", err) : NULL;
    bool ok = (b || !(higher || wider)) && (t || !(higher && wider));
    if (ok)
        sampler_noise(b ? b : x, 1, base, &seed);
    if (ok && higher)
        ok = resize(b, t ? t : x, 1, s->base_height, s->height, (size_t)s->base_width * c, seed,
                    STREAM_HEIGHT, err);
    if (ok && wider)
        ok = resize(t ? t : b, x, (size_t)s->height, s->base_width, s->width, c, seed, STREAM_WIDTH,
                    err);
    free(b);
    free(t);
    return ok;
}

bool
sampler_noise_at(float *x, size_t n, const struct noise_shape *shape, const uint64_t *seeds,
                 struct err *err)
{
    size_t elements = (size_t)shape->height * (size_t)shape->width * (size_t)shape->channels;
    require(elements && shape->base_height > 0 && shape->base_width > 0);
    for (size_t i = 0; i < n; i++)
        if (!fill(x + i * elements, shape, seeds[i], err))
            return false;
    return true;
}
