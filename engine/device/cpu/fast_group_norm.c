// SPDX-License-Identifier: MIT
// Group norm with its activation, and its backward pass; the formulas are in engine/ops/norm.c.
//
// A sample is read once for its statistics and again, still in the cache, to be normalised. If
// samples divide evenly among the threads or are many, or pictures are tiny, each thread has
// samples of its own; otherwise all threads share the positions of one sample after the other, and
// their partial sums are added in order.
//
// Statistics: sums of (x - k) and (x - k)^2 in f32 over short chunks, added up in double, where k
// is the channel's value at the first position. That keeps the variance exact to f32 even if the
// mean is large in comparison. Channels are joined to groups by the parallel-variance formula.
#include <math.h>

#include "engine/device/cpu/fast_math.h"

enum { CHUNK = 64, LANES = 256, DEPTH = 4 };

struct view {
    const struct cpu_step *step;
    enum dtype dtype;
    int64_t n, positions, c, groups, per_group;
    int64_t row;         // 1: gain and offset have one row per sample
    int64_t lanes, wide; // rows side by side and their channels: what inner loops run over
    int team;            // threads that share a sample
};

static struct view
view_of(const struct cpu_step *s)
{
    const struct node *n = s->node;
    const struct shape *x = &n->source[0]->shape;
    struct view v = {.step = s, .dtype = n->source[0]->dtype, .n = x->dim[0], .c = shape_last(x),
                     .groups = n->params.norm.groups};
    v.positions = shape_count(x) / (v.n * v.c);
    v.per_group = v.c / v.groups;
    v.row = n->source[1]->shape.dim[0] > 1;
    v.lanes = v.c < LANES ? LANES / v.c : 1;
    v.wide = v.lanes * v.c;
    int threads = cpu_threads();
    bool own = v.n % threads == 0 || v.n >= 4 * threads;
    v.team = own || v.positions < 2 * threads ? 1 : threads;
    return v;
}

enum { WIDE_ARRAYS = 10 };

// A worker's memory: its wide arrays and two sums for each channel.
static size_t
worker_bytes(const struct view *v)
{
    return (size_t)((WIDE_ARRAYS + DEPTH) * v->wide) * sizeof(float) + 64 * WIDE_ARRAYS +
           (size_t)(2 * v->c) * sizeof(double);
}

struct worker {
    float *wide[WIDE_ARRAYS];
    double *sums; // [2][c]
};

static struct worker
worker_of(const struct view *v, int64_t index)
{
    struct worker w;
    char *p = worker_memory(v->step, worker_bytes(v), index);
    w.sums = (double *)p;
    p += (size_t)(2 * v->c) * sizeof(double);
    for (int i = 0; i < WIDE_ARRAYS; i++) { // the last, BUFFER_X, is longer
        w.wide[i] = (float *)p;
        p += aligned_bytes((size_t)v->wide * sizeof(float));
    }
    return w;
}

// --- a pass over positions: two sums per channel

enum pass { PASS_STATISTICS, PASS_BACKWARD };

INLINE float
value_of(enum activation act, float z)
{
    return act == ACT_SILU ? silu_value(z) : act == ACT_GELU ? gelu_value(z) : z;
}

INLINE float
slope_of(enum activation act, float z)
{
    return act == ACT_SILU ? silu_slope(z) : act == ACT_GELU ? gelu_slope(z) : 1.0f;
}

// Channel constants, repeated over the lanes, and the wide sums. BUFFER_X is DEPTH times as long.
enum { SHIFT, GAIN, OFFSET, MEAN, RSTD, SUM_A, SUM_B, BUFFER_DY, BUFFER_Y, BUFFER_X };

INLINE void
sum_statistics(const struct worker *w, const float *x, int64_t n)
{
    const float *shift = w->wide[SHIFT];
    float *a = w->wide[SUM_A], *b = w->wide[SUM_B];
    SIMD for (int64_t i = 0; i < n; i++) {
        float d = x[i] - shift[i];
        a[i] += d;
        b[i] += d * d;
    }
}

// DEPTH wide rows at once: the sums stay in registers.
INLINE void
sum_statistics_deep(const struct worker *w, const float *x, int64_t n)
{
    const float *shift = w->wide[SHIFT];
    float *a = w->wide[SUM_A], *b = w->wide[SUM_B];
    SIMD for (int64_t i = 0; i < n; i++) {
        float d0 = x[i] - shift[i], d1 = x[n + i] - shift[i];
        float d2 = x[2 * n + i] - shift[i], d3 = x[3 * n + i] - shift[i];
        a[i] += (d0 + d1) + (d2 + d3);
        b[i] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3);
    }
}

static void
statistics_chunk(const struct view *v, const struct worker *w, int64_t n, int64_t first,
                 int64_t last)
{
    int64_t deep = DEPTH * v->lanes;
    for (int64_t p = first; p < last; p += deep) {
        int64_t count = MIN(deep, last - p) * v->c;
        const float *x = fetch(v->dtype, v->step->src[0], (n * v->positions + p) * v->c, count,
                               w->wide[BUFFER_X]);
        if (count == DEPTH * v->wide)
            sum_statistics_deep(w, x, v->wide);
        for (int64_t i = 0; i < count && count < DEPTH * v->wide; i += v->wide)
            sum_statistics(w, x + i, MIN(v->wide, count - i));
    }
}

INLINE void
sum_backward(const struct worker *w, enum activation act, const float *x, const float *dy,
             int64_t n)
{
    const float *gain = w->wide[GAIN], *offset = w->wide[OFFSET];
    const float *mean = w->wide[MEAN], *rstd = w->wide[RSTD];
    float *a = w->wide[SUM_A], *b = w->wide[SUM_B];
    SIMD for (int64_t i = 0; i < n; i++) {
        float xhat = (x[i] - mean[i]) * rstd[i];
        float dz = dy[i] * slope_of(act, xhat * gain[i] + offset[i]);
        a[i] += dz;
        b[i] += dz * xhat;
    }
}

// Fills w->sums over positions [first, last) of sample `n`.
static void
sum_pass(const struct view *v, const struct worker *w, enum pass pass, int64_t n, int64_t first,
         int64_t last)
{
    enum activation act = v->step->node->params.norm.act;
    for (int64_t i = 0; i < 2 * v->c; i++)
        w->sums[i] = 0;
    for (int64_t chunk = first; chunk < last; chunk += CHUNK * v->lanes) {
        int64_t stop = MIN(last, chunk + CHUNK * v->lanes);
        memset(w->wide[SUM_A], 0, (size_t)v->wide * sizeof(float));
        memset(w->wide[SUM_B], 0, (size_t)v->wide * sizeof(float));
        if (pass == PASS_STATISTICS)
            statistics_chunk(v, w, n, chunk, stop);
        for (int64_t p = chunk; p < stop && pass == PASS_BACKWARD; p += v->lanes) {
            int64_t at = (n * v->positions + p) * v->c, count = MIN(v->lanes, stop - p) * v->c;
            const float *x = fetch(v->dtype, v->step->src[0], at, count, w->wide[BUFFER_X]);
            const float *dy = fetch(v->dtype, v->step->src[3], at, count, w->wide[BUFFER_DY]);
            if (act == ACT_SILU)
                sum_backward(w, ACT_SILU, x, dy, count);
            else if (act == ACT_GELU)
                sum_backward(w, ACT_GELU, x, dy, count);
            else
                sum_backward(w, ACT_NONE, x, dy, count);
        }
        for (int64_t lane = 0; lane < v->lanes; lane++)
            for (int64_t c = 0; c < v->c; c++) {
                w->sums[c] += (double)w->wide[SUM_A][lane * v->c + c];
                w->sums[v->c + c] += (double)w->wide[SUM_B][lane * v->c + c];
            }
    }
}

// First row of `name`, then its copies.
static void
spread(const struct view *v, const struct worker *w, int name)
{
    float *wide = w->wide[name];
    for (int64_t lane = 1; lane < v->lanes; lane++)
        memcpy(wide + lane * v->c, wide, (size_t)v->c * sizeof *wide);
}

static void
load_shift(const struct view *v, const struct worker *w, int64_t n)
{
    float *shift = w->wide[SHIFT];
    const float *x = fetch(v->dtype, v->step->src[0], n * v->positions * v->c, v->c, shift);
    if (x != shift)
        memcpy(shift, x, (size_t)v->c * sizeof *shift);
    spread(v, w, SHIFT);
}

static void
load_gain(const struct view *v, const struct worker *w, int64_t n)
{
    size_t bytes = (size_t)v->c * sizeof(float);
    memcpy(w->wide[GAIN], (const float *)v->step->src[1] + n * v->row * v->c, bytes);
    memcpy(w->wide[OFFSET], (const float *)v->step->src[2] + n * v->row * v->c, bytes);
    spread(v, w, GAIN);
    spread(v, w, OFFSET);
}

// From a sample's sums (in w->sums) and shifts to mean and 1/sqrt(var + eps) per channel; SUM_A
// gets what the mean lost by rounding.
static void
finish_statistics(const struct view *v, const struct worker *w)
{
    double positions = (double)v->positions, per_group = (double)v->per_group;
    for (int64_t g = 0; g < v->groups; g++) {
        double mean = 0, square = 0;
        for (int64_t c = g * v->per_group; c < (g + 1) * v->per_group; c++)
            mean += (double)w->wide[SHIFT][c] + w->sums[c] / positions;
        mean /= per_group;
        for (int64_t c = g * v->per_group; c < (g + 1) * v->per_group; c++) {
            double d = w->sums[c] / positions;
            double off = (double)w->wide[SHIFT][c] + d - mean;
            square += w->sums[v->c + c] - w->sums[c] * d + positions * off * off;
        }
        double variance = square / (positions * per_group);
        double rstd = 1 / sqrt(MAX(variance, 0) + v->step->node->params.norm.eps);
        for (int64_t c = g * v->per_group; c < (g + 1) * v->per_group; c++) {
            w->wide[MEAN][c] = (float)mean;
            w->wide[RSTD][c] = (float)rstd;
            w->wide[SUM_A][c] = (float)(mean - (double)(float)mean);
        }
    }
    spread(v, w, MEAN);
    spread(v, w, RSTD);
}

// --- forward

INLINE void
apply(const struct worker *w, enum activation act, const float *x, float *y, int64_t n)
{
    const float *gain = w->wide[GAIN], *offset = w->wide[OFFSET], *mean = w->wide[MEAN];
    SIMD for (int64_t i = 0; i < n; i++)
        y[i] = value_of(act, (x[i] - mean[i]) * gain[i] + offset[i]);
}

// GAIN holds gain times 1/sqrt(var + eps) here.
static void
apply_pass(const struct view *v, const struct worker *w, int64_t n, int64_t first, int64_t last)
{
    enum activation act = v->step->node->params.norm.act;
    for (int64_t p = first; p < last; p += v->lanes) {
        int64_t at = (n * v->positions + p) * v->c, count = MIN(v->lanes, last - p) * v->c;
        const float *x = fetch(v->dtype, v->step->src[0], at, count, w->wide[BUFFER_X]);
        float *y = target(v->dtype, v->step->dst, at, w->wide[BUFFER_Y]);
        if (act == ACT_SILU)
            apply(w, ACT_SILU, x, y, count);
        else if (act == ACT_GELU)
            apply(w, ACT_GELU, x, y, count);
        else
            apply(w, ACT_NONE, x, y, count);
        commit(v->dtype, v->step->dst, at, count, y);
    }
}

static void
load_forward(const struct view *v, const struct worker *w, int64_t n)
{
    load_gain(v, w, n);
    spread(v, w, SUM_A);
    for (int64_t i = 0; i < v->wide; i++) {
        w->wide[GAIN][i] *= w->wide[RSTD][i];
        w->wide[OFFSET][i] -= w->wide[SUM_A][i] * w->wide[GAIN][i];
    }
}

// --- the sums of the backward pass

static void
write_sums(const struct view *v, const struct worker *w, int64_t n)
{
    float *row = (float *)v->step->dst + n * 4 * v->c;
    for (int64_t c = 0; c < v->c; c++) {
        row[c] = (float)w->sums[c];
        row[v->c + c] = (float)w->sums[v->c + c];
        row[2 * v->c + c] = w->wide[MEAN][c];
        row[3 * v->c + c] = w->wide[RSTD][c];
    }
}

// --- samples to threads

static void
sample_alone(const struct view *v, const struct worker *w, int64_t n)
{
    load_shift(v, w, n);
    sum_pass(v, w, PASS_STATISTICS, n, 0, v->positions);
    finish_statistics(v, w);
    if (v->step->node->op == OP_group_norm) {
        load_forward(v, w, n);
        apply_pass(v, w, n, 0, v->positions);
    } else {
        load_gain(v, w, n);
        sum_pass(v, w, PASS_BACKWARD, n, 0, v->positions);
        write_sums(v, w, n);
    }
}

struct job {
    const struct view *view;
    int64_t n;
    enum pass pass;
};

static void
samples_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    int64_t threads = workers(j->view->step, worker_bytes(j->view));
    for (int64_t t = first; t < last; t++) {
        struct worker w = worker_of(j->view, t);
        for (int64_t n = j->view->n * t / threads; n < j->view->n * (t + 1) / threads; n++)
            sample_alone(j->view, &w, n);
    }
}

static void
sums_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct view *v = j->view;
    for (int64_t t = first; t < last; t++) {
        struct worker w = worker_of(v, t), leader = worker_of(v, 0);
        if (j->pass == PASS_STATISTICS)
            load_shift(v, &w, j->n);
        else if (t > 0)
            for (int name = GAIN; name <= RSTD; name++)
                memcpy(w.wide[name], leader.wide[name], (size_t)v->wide * sizeof(float));
        sum_pass(v, &w, j->pass, j->n, v->positions * t / v->team,
                 v->positions * (t + 1) / v->team);
    }
}

static void
apply_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct view *v = j->view;
    for (int64_t t = first; t < last; t++) {
        struct worker w = worker_of(v, t), leader = worker_of(v, 0);
        if (t > 0)
            for (int name = GAIN; name <= RSTD; name++)
                memcpy(w.wide[name], leader.wide[name], (size_t)v->wide * sizeof(float));
        apply_pass(v, &w, j->n, v->positions * t / v->team, v->positions * (t + 1) / v->team);
    }
}

// All threads on one sample; the sums of all members are added to the first's.
static void
team_sums(const struct view *v, struct job *j, const struct worker *leader)
{
    cpu_parallel(v->team, 1, sums_range, j);
    for (int t = 1; t < v->team; t++) {
        struct worker w = worker_of(v, t);
        for (int64_t i = 0; i < 2 * v->c; i++)
            leader->sums[i] += w.sums[i];
    }
}

static void
run_forward(struct cpu_step *s)
{
    struct view v = view_of(s);
    struct job j = {&v, 0, PASS_STATISTICS};
    int64_t threads = workers(s, worker_bytes(&v));
    if (v.team == 1) {
        cpu_parallel(threads, 1, samples_range, &j);
        return;
    }
    v.team = (int)threads;
    struct worker leader = worker_of(&v, 0);
    for (j.n = 0; j.n < v.n; j.n++) {
        j.pass = PASS_STATISTICS;
        team_sums(&v, &j, &leader);
        finish_statistics(&v, &leader);
        if (s->node->op == OP_group_norm) {
            load_forward(&v, &leader, j.n);
            cpu_parallel(v.team, 1, apply_range, &j);
        } else {
            load_gain(&v, &leader, j.n);
            j.pass = PASS_BACKWARD;
            team_sums(&v, &j, &leader);
            write_sums(&v, &leader, j.n);
        }
    }
}

// --- dx: r a dz - r G1/M - xhat r G2/M, elementwise once the sums are known

INLINE void
grad_tile(const struct worker *w, enum activation act, const float *x, const float *dy, float *dx,
          int64_t n)
{
    const float *gain = w->wide[GAIN], *offset = w->wide[OFFSET];
    const float *mean = w->wide[MEAN], *rstd = w->wide[RSTD];
    const float *lift = w->wide[SUM_A], *tilt = w->wide[SUM_B];
    SIMD for (int64_t i = 0; i < n; i++) {
        float xhat = (x[i] - mean[i]) * rstd[i];
        float dz = dy[i] * slope_of(act, xhat * gain[i] + offset[i]);
        dx[i] = rstd[i] * (gain[i] * dz - lift[i] - xhat * tilt[i]);
    }
}

static void
load_grad(const struct view *v, const struct worker *w, int64_t n)
{
    const float *sums = (const float *)v->step->src[4] + n * 4 * v->c;
    double count = (double)(v->positions * v->per_group);
    load_gain(v, w, n);
    memcpy(w->wide[MEAN], sums + 2 * v->c, (size_t)v->c * sizeof(float));
    memcpy(w->wide[RSTD], sums + 3 * v->c, (size_t)v->c * sizeof(float));
    for (int64_t g = 0; g < v->groups; g++) {
        double g1 = 0, g2 = 0;
        for (int64_t c = g * v->per_group; c < (g + 1) * v->per_group; c++) {
            g1 += (double)w->wide[GAIN][c] * (double)sums[c];
            g2 += (double)w->wide[GAIN][c] * (double)sums[v->c + c];
        }
        for (int64_t c = g * v->per_group; c < (g + 1) * v->per_group; c++) {
            w->wide[SUM_A][c] = (float)(g1 / count);
            w->wide[SUM_B][c] = (float)(g2 / count);
        }
    }
    for (int name = MEAN; name <= SUM_B; name++)
        spread(v, w, name);
}

static void
grad_pass(const struct view *v, const struct worker *w, int64_t n, int64_t first, int64_t last)
{
    const struct cpu_step *s = v->step;
    enum activation act = s->node->params.norm.act;
    for (int64_t p = first; p < last; p += v->lanes) {
        int64_t at = (n * v->positions + p) * v->c, count = MIN(v->lanes, last - p) * v->c;
        const float *x = fetch(v->dtype, s->src[0], at, count, w->wide[BUFFER_X]);
        const float *dy = fetch(v->dtype, s->src[3], at, count, w->wide[BUFFER_DY]);
        float *dx = target(v->dtype, s->dst, at, w->wide[BUFFER_Y]);
        if (act == ACT_SILU)
            grad_tile(w, ACT_SILU, x, dy, dx, count);
        else if (act == ACT_GELU)
            grad_tile(w, ACT_GELU, x, dy, dx, count);
        else
            grad_tile(w, ACT_NONE, x, dy, dx, count);
        commit(v->dtype, s->dst, at, count, dx);
    }
}

// The positions of all samples in one sequence, split among the threads.
static void
grad_range(void *ctx, int64_t first, int64_t last)
{
    const struct view *v = ctx;
    int64_t threads = workers(v->step, worker_bytes(v)), all = v->n * v->positions;
    for (int64_t t = first; t < last; t++) {
        struct worker w = worker_of(v, t);
        int64_t begin = all * t / threads, end = all * (t + 1) / threads;
        while (begin < end) {
            int64_t n = begin / v->positions, p = begin % v->positions;
            int64_t stop = MIN(v->positions, p + end - begin);
            load_grad(v, &w, n);
            grad_pass(v, &w, n, p, stop);
            begin += stop - p;
        }
    }
}

static void
run_grad(struct cpu_step *s)
{
    struct view v = view_of(s);
    cpu_parallel(workers(s, worker_bytes(&v)), 1, grad_range, &v);
}

static bool
prepare(struct cpu_step *s)
{
    const struct node *n = s->node;
    if (!all_fast(n) || n->source[1]->dtype != DTYPE_F32 || n->source[2]->dtype != DTYPE_F32 ||
        (n->source_count > 4 && n->source[4]->dtype != DTYPE_F32))
        return false;
    struct view v = view_of(s);
    return reserve(s, worker_bytes(&v));
}

static const struct cpu_kernel forward_kernel = {"group_norm", prepare, run_forward, NULL};
static const struct cpu_kernel grad_kernel = {"group_norm_grad", prepare, run_grad, NULL};

void
FAST(fast_add_group_norm)(struct cpu_table *t)
{
    cpu_table_add(t, OP_group_norm, &forward_kernel);
    cpu_table_add(t, OP_group_norm_sums, &forward_kernel);
    cpu_table_add(t, OP_group_norm_grad, &grad_kernel);
}
