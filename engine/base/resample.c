// SPDX-License-Identifier: MIT
#include "engine/base/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

static double
cubic(double x)
{
    x = fabs(x);
    if (x < 1)
        return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static double
lanczos(double x)
{
    x = fabs(x) * M_PI;
    return x == 0 ? 1 : x < 3 * M_PI ? 3 * sin(x) * sin(x / 3) / (x * x) : 0;
}

static const struct filter {
    double (*value)(double x);
    double radius; // 0 from there on
} filters[] = {[RESAMPLE_CUBIC] = {cubic, 2}, [RESAMPLE_LANCZOS] = {lanczos, 3}};

// What each of `side` results is made of: source samples from `first` on, and their weights.
struct taps {
    int most; // of any result
    struct range {
        int first, count;
    } *range;  // (side)
    double *w; // (side,most)
};

static void
free_taps(struct taps *t)
{
    free(t->range);
    free(t->w);
}

static bool
make_taps(struct taps *t, const struct filter *f, int length, int side, struct err *err)
{
    double scale = (double)length / side, stretch = MAX(scale, 1.0), reach = f->radius * stretch;
    t->most = MIN(length, (int)ceil(2 * reach) + 2);
    t->range = mem_try_calloc((size_t)side, sizeof *t->range, "a picture", err);
    t->w = mem_try_calloc((size_t)side * (size_t)t->most, sizeof *t->w, "a picture", err);
    for (int i = 0; t->range && t->w && i < side; i++) {
        double centre = (i + 0.5) * scale, sum = 0, *w = t->w + (size_t)i * (size_t)t->most;
        int first = MAX((int)floor(centre - reach), 0);
        int count = MIN((int)ceil(centre + reach), length) - first;
        for (int k = 0; k < count; k++)
            sum += w[k] = f->value((first + k + 0.5 - centre) / stretch);
        for (int k = 0; k < count; k++)
            w[k] /= sum;
        t->range[i] = (struct range){first, count};
    }
    return t->range && t->w;
}

// A row of the part, its colours multiplied by their alpha.
static void
take_row(const struct resampling *r, int y, float *line)
{
    size_t channels = (size_t)r->channels, n = (size_t)r->columns * channels;
    const uint8_t *p =
        r->pixels + (size_t)(r->top + y) * r->stride + (size_t)r->left * channels;
    for (size_t i = 0; i < n; i++)
        line[i] = p[i];
    for (size_t i = 0; r->alpha && i < n; i += channels)
        for (size_t c = 0; c + 1 < channels; c++)
            line[i + c] *= line[i + channels - 1] / 255;
}

static void
resample_row(const struct resampling *r, const struct taps *t, const float *line, float *out)
{
    for (int x = 0; x < r->to_columns; x++) {
        const double *w = t->w + (size_t)x * (size_t)t->most;
        for (int c = 0; c < r->channels; c++) {
            const float *from = line + (size_t)t->range[x].first * (size_t)r->channels + c;
            double sum = 0;
            for (int k = 0; k < t->range[x].count; k++)
                sum += w[k] * from[(size_t)k * (size_t)r->channels];
            *out++ = (float)sum;
        }
    }
}

// rows x to_columns; NULL: no memory.
static float *
resample_rows(const struct resampling *r, const struct filter *f, struct err *err)
{
    struct taps t;
    size_t channels = (size_t)r->channels, n = (size_t)r->to_columns * channels;
    bool ok = make_taps(&t, f, r->columns, r->to_columns, err);
    float *line =
        ok ? mem_try_calloc((size_t)r->columns * channels, sizeof *line, "a picture", err) : NULL;
    float *wide =
        line ? mem_try_calloc((size_t)r->rows, n * sizeof *wide, "a picture", err) : NULL;
    for (int y = 0; wide && y < r->rows; y++) {
        take_row(r, y, line);
        resample_row(r, &t, line, wide + (size_t)y * n);
    }
    free(line);
    free_taps(&t);
    return wide;
}

static double
clamp(double v)
{
    return MIN(MAX(v, 0), 255);
}

// Colours that are multiplied by their alpha become themselves again.
static void
divide_by_alpha(double *row, size_t n, size_t channels)
{
    for (size_t i = 0; i < n; i += channels) {
        double alpha = clamp(row[i + channels - 1]);
        for (size_t c = 0; c + 1 < channels; c++)
            row[i + c] = alpha > 0 ? row[i + c] * 255 / alpha : 0;
    }
}

static void
put_row(const double *row, size_t n, float *out, uint8_t *bytes)
{
    for (size_t i = 0; out && i < n; i++)
        out[i] = (float)clamp(row[i]);
    for (size_t i = 0; bytes && i < n; i++)
        bytes[i] = (uint8_t)(clamp(row[i]) + 0.5);
}

// One of `out` and `bytes` is NULL.
static bool
run(const struct resampling *r, const struct filter *f, float *out, uint8_t *bytes,
    struct err *err)
{
    struct taps t = {0};
    size_t n = (size_t)r->to_columns * (size_t)r->channels;
    float *wide = resample_rows(r, f, err);
    double *row = wide ? mem_try_calloc(n, sizeof *row, "a picture", err) : NULL;
    bool ok = row && make_taps(&t, f, r->rows, r->to_rows, err);
    for (int y = 0; ok && y < r->to_rows; y++) {
        const double *w = t.w + (size_t)y * (size_t)t.most;
        memset(row, 0, n * sizeof *row);
        for (int k = 0; k < t.range[y].count; k++) {
            const float *from = wide + (size_t)(t.range[y].first + k) * n;
            for (size_t i = 0; i < n; i++)
                row[i] += w[k] * from[i];
        }
        if (r->alpha)
            divide_by_alpha(row, n, (size_t)r->channels);
        put_row(row, n, out ? out + (size_t)y * n : NULL, bytes ? bytes + (size_t)y * n : NULL);
    }
    free_taps(&t);
    free(row);
    free(wide);
    return ok;
}

bool
resample(const struct resampling *r, enum resample_filter filter, float *out, struct err *err)
{
    return run(r, &filters[filter], out, NULL, err);
}

bool
resample_bytes(const struct resampling *r, enum resample_filter filter, uint8_t *out,
               struct err *err)
{
    return run(r, &filters[filter], NULL, out, err);
}
