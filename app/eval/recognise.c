// SPDX-License-Identifier: MIT
#include "app/eval/recognise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"

enum {
    CELLS = 8,
    DIRECTIONS = 8,
    COARSE = 4,
    SUBJECT_FEATURES = CELLS * CELLS * (DIRECTIONS + 1) + COARSE * COARSE * 3,
    COLOURS = 64,
    PATTERNS = 256,
    BINS = 8,
    STYLE_FEATURES = COLOURS + PATTERNS + 3 * BINS + 1 + 1, // the last is always 1
    OFTEN = 3, // pictures that a subject needs to count in the scatter
};

struct recogniser {
    const struct pack *pack;
    int side, styles, subjects;
    // Style: mean and scale of the features, and the weights of each style.
    double style_mean[STYLE_FEATURES], style_scale[STYLE_FEATURES];
    double *style_weights; // (styles,STYLE_FEATURES)
    // Subject: mean, the Cholesky factor that whitens features, each picture's whitened features,
    // and their sums by subject.
    double mean[SUBJECT_FEATURES];
    double *lower;   // (SUBJECT_FEATURES,SUBJECT_FEATURES)
    float *pictures; // (records,SUBJECT_FEATURES), of length 1
    float *sums;     // (subjects,SUBJECT_FEATURES)
    int *counts;
};

// --- Linear algebra -----------------------------------------------------------------------------

// a (n,n), symmetric and positive definite: its lower triangle becomes L, with L L' = a.
static void
cholesky(double *a, int n)
{
    for (int j = 0; j < n; j++) {
        double *row = a + (size_t)j * (size_t)n, sum = row[j];
        for (int k = 0; k < j; k++)
            sum -= row[k] * row[k];
        row[j] = sqrt(fmax(sum, 1e-12));
        for (int i = j + 1; i < n; i++) {
            double *other = a + (size_t)i * (size_t)n, v = other[j];
            for (int k = 0; k < j; k++)
                v -= other[k] * row[k];
            other[j] = v / row[j];
        }
    }
}

// x = L^-1 x
static void
solve_lower(const double *l, int n, double *x)
{
    for (int i = 0; i < n; i++) {
        const double *row = l + (size_t)i * (size_t)n;
        double v = x[i];
        for (int k = 0; k < i; k++)
            v -= row[k] * x[k];
        x[i] = v / row[i];
    }
}

// x = L'^-1 x
static void
solve_upper(const double *l, int n, double *x)
{
    for (int i = n - 1; i >= 0; i--) {
        x[i] /= l[(size_t)i * (size_t)n + (size_t)i];
        for (int k = 0; k < i; k++)
            x[k] -= l[(size_t)i * (size_t)n + (size_t)k] * x[i];
    }
}

// a += w x x', the lower triangle.
static void
add_outer(double *a, int n, const double *x, double w)
{
    for (int i = 0; i < n; i++) {
        double v = w * x[i], *row = a + (size_t)i * (size_t)n;
        for (int k = 0; k <= i && v != 0; k++)
            row[k] += v * x[k];
    }
}

static void
add_ridge(double *a, int n, double share)
{
    double trace = 0;
    for (int i = 0; i < n; i++)
        trace += a[(size_t)i * (size_t)n + (size_t)i];
    for (int i = 0; i < n; i++)
        a[(size_t)i * (size_t)n + (size_t)i] += share * trace / n + 1e-9;
}

// --- Features -----------------------------------------------------------------------------------

// A picture as numbers in 0..1: grey, its gradient, and what is not ground.
struct view {
    int side;
    const uint8_t *rgb;
    float *grey, *strength, *direction;
    bool *ink;
};

static bool
view_open(struct view *v, const uint8_t *rgb, int side)
{
    size_t n = (size_t)side * (size_t)side;
    *v = (struct view){.side = side, .rgb = rgb};
    v->grey = mem_zalloc(n * sizeof *v->grey);
    v->strength = mem_zalloc(n * sizeof *v->strength);
    v->direction = mem_zalloc(n * sizeof *v->direction);
    v->ink = mem_zalloc(n);
    for (size_t i = 0; i < n; i++) {
        v->grey[i] = (float)(rgb[3 * i] + rgb[3 * i + 1] + rgb[3 * i + 2]) / 765;
        v->ink[i] = MIN(MIN(rgb[3 * i], rgb[3 * i + 1]), rgb[3 * i + 2]) < 240;
    }
    for (int y = 1; y < side - 1; y++)
        for (int x = 1; x < side - 1; x++) {
            const float *g = v->grey + y * side + x;
            float dx = g[1] - g[-1], dy = g[side] - g[-side];
            v->strength[y * side + x] = hypotf(dx, dy);
            v->direction[y * side + x] = atan2f(dy, dx);
        }
    return true;
}

static void
view_close(struct view *v)
{
    free(v->grey);
    free(v->strength);
    free(v->direction);
    free(v->ink);
}

static void
subject_features(const uint8_t *rgb, int side, double *out)
{
    enum { GROUND = CELLS * CELLS * DIRECTIONS, COLOUR = GROUND + CELLS * CELLS };
    struct view v;
    double norm = 0, cell = (double)side * side / (CELLS * CELLS),
           coarse = (double)side * side / (COARSE * COARSE);
    memset(out, 0, SUBJECT_FEATURES * sizeof *out);
    view_open(&v, rgb, side);
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int i = y * side + x, at = y * CELLS / side * CELLS + x * CELLS / side;
            double turn = v.direction[i] < 0 ? v.direction[i] + M_PI : v.direction[i];
            int k = MIN((int)(turn / M_PI * DIRECTIONS), DIRECTIONS - 1);
            out[at * DIRECTIONS + k] += v.strength[i];
            out[GROUND + at] += 0.5 * v.ink[i] / cell;
            int c = y * COARSE / side * COARSE + x * COARSE / side;
            for (int ch = 0; ch < 3; ch++)
                out[COLOUR + 3 * c + ch] += 0.5 * rgb[3 * i + ch] / 255. / coarse;
        }
    for (int i = 0; i < GROUND; i++)
        norm += out[i];
    for (int i = 0; i < GROUND; i++) // square roots of values that sum to 1: a unit vector
        out[i] = 3 * sqrt(out[i] / fmax(norm, 1e-6));
    view_close(&v);
}

static int
bin_of(float value, const float edges[BINS - 1])
{
    int i = 0;
    while (i < BINS - 1 && value >= edges[i])
        i++;
    return i;
}

static int
pattern_of(const struct view *v, int i)
{
    const int around[8] = {-v->side - 1, -v->side, -v->side + 1, 1,
                           v->side + 1,  v->side,  v->side - 1,  -1};
    int code = 0;
    for (int k = 0; k < 8; k++)
        code |= (v->grey[i + around[k]] - v->grey[i] > 0.015f) << k;
    return code;
}

static void
style_features(const uint8_t *rgb, int side, double *out)
{
    static const float strengths[BINS - 1] = {0.01f, 0.03f, 0.06f, 0.1f, 0.2f, 0.35f, 0.6f};
    static const float saturations[BINS - 1] = {0.02f, 0.1f, 0.2f, 0.3f, 0.45f, 0.6f, 0.8f};
    static const float darks[BINS - 1] = {0.02f, 0.05f, 0.1f, 0.2f, 0.4f, 0.6f, 0.8f};
    enum {
        PATTERN = COLOURS,
        STRENGTH = PATTERN + PATTERNS,
        SATURATION = STRENGTH + BINS,
        DARK = SATURATION + BINS,
        INK = DARK + BINS
    };
    struct view v;
    double count = 0;
    memset(out, 0, STYLE_FEATURES * sizeof *out);
    view_open(&v, rgb, side);
    for (int y = 1; y < side - 1; y++)
        for (int x = 1; x < side - 1; x++) {
            int i = y * side + x;
            const uint8_t *p = rgb + 3 * i;
            int most = MAX(MAX(p[0], p[1]), p[2]), least = MIN(MIN(p[0], p[1]), p[2]);
            if (!v.ink[i])
                continue;
            count++;
            out[p[0] / 64 * 16 + p[1] / 64 * 4 + p[2] / 64]++;
            out[PATTERN + pattern_of(&v, i)]++;
            out[STRENGTH + bin_of(v.strength[i], strengths)]++;
            out[SATURATION + bin_of((float)(most - least) / 255, saturations)]++;
            out[DARK + bin_of((float)least / 255, darks)]++;
        }
    for (int i = 0; i < INK; i++)
        out[i] = sqrt(out[i] / fmax(count, 1));
    out[INK] = count / ((double)side * side);
    out[INK + 1] = 1;
    view_close(&v);
}

// --- Style --------------------------------------------------------------------------------------

static bool
is_training(const struct pack *p, int record)
{
    return pack_split(p, record) == PACK_TRAIN && pack_style(p, record) >= 0;
}

static void
standardise(const struct recogniser *r, double *x)
{
    for (int i = 0; i < STYLE_FEATURES - 1; i++)
        x[i] = (x[i] - r->style_mean[i]) / r->style_scale[i];
}

static void
learn_scales(struct recogniser *r, const double *all, int n)
{
    double square[STYLE_FEATURES] = {0};
    for (int k = 0; k < n; k++)
        for (int i = 0; i < STYLE_FEATURES; i++) {
            double v = all[(size_t)k * STYLE_FEATURES + (size_t)i];
            r->style_mean[i] += v / n;
            square[i] += v * v / n;
        }
    for (int i = 0; i < STYLE_FEATURES; i++)
        r->style_scale[i] = sqrt(fmax(square[i] - r->style_mean[i] * r->style_mean[i], 0)) + 1e-3;
}

// Ridge regression on 1 for a picture's style and -1 for the others, with rare styles weighted up.
static void
learn_style(struct recogniser *r, const int *records, int n)
{
    double *all = mem_alloc((size_t)n * STYLE_FEATURES * sizeof *all);
    double *gram = mem_zalloc((size_t)STYLE_FEATURES * STYLE_FEATURES * sizeof *gram);
    int *counts = mem_zalloc((size_t)r->styles * sizeof *counts);
    for (int k = 0; k < n; k++) {
        style_features(pack_image(r->pack, records[k]), r->side, all + (size_t)k * STYLE_FEATURES);
        counts[pack_style(r->pack, records[k])]++;
    }
    learn_scales(r, all, n);
    for (int k = 0; k < n; k++) {
        double *x = all + (size_t)k * STYLE_FEATURES;
        int style = pack_style(r->pack, records[k]);
        double w = 1 / sqrt(1. + counts[style]);
        standardise(r, x);
        add_outer(gram, STYLE_FEATURES, x, w);
        for (int s = 0; s < r->styles; s++)
            for (int i = 0; i < STYLE_FEATURES; i++)
                r->style_weights[s * STYLE_FEATURES + i] += (s == style ? w : -w) * x[i];
    }
    add_ridge(gram, STYLE_FEATURES, 0.01);
    cholesky(gram, STYLE_FEATURES);
    for (int s = 0; s < r->styles; s++) {
        solve_lower(gram, STYLE_FEATURES, r->style_weights + (size_t)s * STYLE_FEATURES);
        solve_upper(gram, STYLE_FEATURES, r->style_weights + (size_t)s * STYLE_FEATURES);
    }
    free(all);
    free(gram);
    free(counts);
}

int
recognise_style(const struct recogniser *r, const uint8_t *rgb)
{
    double x[STYLE_FEATURES], most = -HUGE_VAL;
    int best = 0;
    style_features(rgb, r->side, x);
    standardise(r, x);
    for (int s = 0; s < r->styles; s++) {
        double v = 0;
        for (int i = 0; i < STYLE_FEATURES; i++)
            v += r->style_weights[s * STYLE_FEATURES + i] * x[i];
        best = v > most ? s : best;
        most = fmax(v, most);
    }
    return best;
}

// --- Subject ------------------------------------------------------------------------------------

static void
whitened(const struct recogniser *r, const uint8_t *rgb, float *out)
{
    double x[SUBJECT_FEATURES], square = 0;
    subject_features(rgb, r->side, x);
    for (int i = 0; i < SUBJECT_FEATURES; i++)
        x[i] -= r->mean[i];
    solve_lower(r->lower, SUBJECT_FEATURES, x);
    for (int i = 0; i < SUBJECT_FEATURES; i++)
        square += x[i] * x[i];
    for (int i = 0; i < SUBJECT_FEATURES; i++)
        out[i] = (float)(x[i] / sqrt(fmax(square, 1e-12)));
}

// The scatter of pictures about their subject's mean, replaced by its Cholesky factor.
static void
learn_scatter(struct recogniser *r, const int *records, int n)
{
    double *all = mem_alloc((size_t)n * SUBJECT_FEATURES * sizeof *all);
    double *centre = mem_zalloc((size_t)r->subjects * SUBJECT_FEATURES * sizeof *centre);
    int *counts = mem_zalloc((size_t)r->subjects * sizeof *counts);
    for (int k = 0; k < n; k++) {
        double *x = all + (size_t)k * SUBJECT_FEATURES;
        int s = pack_subject(r->pack, records[k]);
        subject_features(pack_image(r->pack, records[k]), r->side, x);
        counts[MAX(s, 0)] += s >= 0;
        for (int i = 0; i < SUBJECT_FEATURES; i++) {
            r->mean[i] += x[i] / n;
            centre[(size_t)MAX(s, 0) * SUBJECT_FEATURES + (size_t)i] += s >= 0 ? x[i] : 0;
        }
    }
    for (int k = 0; k < n; k++) {
        double *x = all + (size_t)k * SUBJECT_FEATURES;
        int s = pack_subject(r->pack, records[k]);
        if (s < 0 || counts[s] < OFTEN)
            continue;
        for (int i = 0; i < SUBJECT_FEATURES; i++)
            x[i] -= centre[(size_t)s * SUBJECT_FEATURES + (size_t)i] / counts[s];
        add_outer(r->lower, SUBJECT_FEATURES, x, 1);
    }
    add_ridge(r->lower, SUBJECT_FEATURES, 0.02);
    cholesky(r->lower, SUBJECT_FEATURES);
    free(all);
    free(centre);
    free(counts);
}

static void
gather_subjects(struct recogniser *r)
{
    for (int k = 0; k < pack_count(r->pack); k++) {
        float *x = r->pictures + (size_t)k * SUBJECT_FEATURES;
        int s = pack_subject(r->pack, k);
        whitened(r, pack_image(r->pack, k), x);
        if (s < 0)
            continue;
        r->counts[s]++;
        for (int i = 0; i < SUBJECT_FEATURES; i++)
            r->sums[(size_t)s * SUBJECT_FEATURES + (size_t)i] += x[i];
    }
}

// The cosine with a subject's mean, leaving out one of its pictures; < -1: there is no other.
static double
cosine_to_subject(const struct recogniser *r, const float *x, int subject, int without)
{
    const float *sum = r->sums + (size_t)subject * SUBJECT_FEATURES;
    const float *own = without >= 0 && pack_subject(r->pack, without) == subject
                           ? r->pictures + (size_t)without * SUBJECT_FEATURES
                           : NULL;
    double product = 0, square = 0;
    if (r->counts[subject] - (own != NULL) < 1)
        return -2;
    for (int i = 0; i < SUBJECT_FEATURES; i++) {
        double m = (double)sum[i] - (own ? own[i] : 0);
        product += m * x[i];
        square += m * m;
    }
    return product / sqrt(fmax(square, 1e-12));
}

int
recognise_rank(const struct recogniser *r, const uint8_t *rgb, int record)
{
    float x[SUBJECT_FEATURES];
    int subject = pack_subject(r->pack, record), rank = 0;
    whitened(r, rgb, x);
    double own = subject < 0 ? -2 : cosine_to_subject(r, x, subject, record);
    if (own < -1)
        return -1;
    for (int s = 0; s < r->subjects; s++)
        rank += s != subject && cosine_to_subject(r, x, s, record) > own;
    return rank;
}

// --- Both ---------------------------------------------------------------------------------------

// Allocates what is learned from a pack, which may be large.
static bool
allocate(struct recogniser *r, struct err *err)
{
    size_t styles = (size_t)r->styles, subjects = (size_t)r->subjects, of = SUBJECT_FEATURES;
    size_t pictures = (size_t)pack_count(r->pack);
    const char *what = "what tells subjects and styles apart";
    r->style_weights = mem_try_calloc(styles * STYLE_FEATURES, sizeof *r->style_weights, what, err);
    r->lower = mem_try_calloc(of * of, sizeof *r->lower, what, err);
    r->pictures = mem_try_calloc(pictures * of, sizeof *r->pictures, what, err);
    r->sums = mem_try_calloc(subjects * of, sizeof *r->sums, what, err);
    r->counts = mem_try_calloc(subjects, sizeof *r->counts, what, err);
    return r->style_weights && r->lower && r->pictures && r->sums && r->counts;
}

struct recogniser *
recogniser_make(const struct pack *pack, struct err *err)
{
    int side = pack_size(pack), styles = pack_style_count(pack), n = 0;
    int *records = mem_try_calloc((size_t)pack_count(pack), sizeof *records, "records", err);
    if (!records)
        return NULL;
    for (int i = 0; i < pack_count(pack); i++)
        if (is_training(pack, i))
            records[n++] = i;
    if (n < 2 || styles < 2 || pack_subject_count(pack) < 2 || side % CELLS)
        err_set(err, ERR_INPUT,
                side % CELLS
                    ? "the pack's pictures have %d pixels a side, a multiple of 8 can "
                      "be measured"
                    : "the pack's training part (%d pictures) does not have styles and subjects "
                      "to tell apart",
                side % CELLS ? side : n);
    struct recogniser *r = err->code == ERR_NONE ? mem_zalloc(sizeof *r) : NULL;
    if (r) {
        *r = (struct recogniser){
            .pack = pack, .side = side, .styles = styles, .subjects = pack_subject_count(pack)};
    }
    if (r && allocate(r, err)) {
        learn_style(r, records, n);
        learn_scatter(r, records, n);
        gather_subjects(r);
    } else {
        recogniser_free(r);
        r = NULL;
    }
    free(records);
    return r;
}

void
recogniser_free(struct recogniser *r)
{
    if (!r)
        return;
    free(r->style_weights);
    free(r->lower);
    free(r->pictures);
    free(r->sums);
    free(r->counts);
    free(r);
}
