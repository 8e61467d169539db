// SPDX-License-Identifier: MIT
// sum and max over axes, sum of squares.
//
// Axes are merged to one of two patterns: kept x reduced x kept (columns: bias gradients), and
// reduced x kept x reduced (rows). f32 sums stay short: a chunk of rows or a tile is summed in f32,
// chunks are added up in double. Work is split among threads by outer index where there are enough
// of them, otherwise over what is reduced, and the parts are added in order.
#include "engine/device/cpu/fast.h"

enum { COLUMN_BLOCK = 512, CHUNK_ROWS = 64, LANES = 64 };

enum reduction { SUM, MAXIMUM, SQUARES };

// [outer][middle][inner]: reduces the middle or, for rows, the other two.
struct view {
    bool rows;
    int64_t outer, middle, inner;
};

static bool
view_of(const struct node *n, struct view *v)
{
    const struct shape *s = &n->source[0]->shape;
    int64_t dim[SHAPE_RANK_MAX];
    bool reduced[SHAPE_RANK_MAX];
    int count = 0;
    for (int i = 0; i < s->rank; i++) {
        bool r = n->params.reduce.axes >> i & 1;
        if (s->dim[i] == 1)
            continue;
        if (count > 0 && reduced[count - 1] == r) {
            dim[count - 1] *= s->dim[i];
        } else {
            dim[count] = s->dim[i];
            reduced[count++] = r;
        }
    }
    if (count > 3)
        return false;
    *v = (struct view){count > 0 && reduced[count - 1], 1, 1, 1};
    if (count == 1) // columns: there is nothing to reduce
        v->inner = dim[0];
    else if (count == 2)
        v->middle = dim[0], v->inner = dim[1];
    else if (count == 3)
        v->outer = dim[0], v->middle = dim[1], v->inner = dim[2];
    return true;
}

INLINE double
start_of(enum reduction kind)
{
    return kind == MAXIMUM ? -__builtin_inf() : 0;
}

INLINE double
join(enum reduction kind, double a, double b)
{
    return kind == MAXIMUM ? (a > b ? a : b) : a + b;
}

INLINE float
reduce_tile(enum reduction kind, const float *x, int64_t n)
{
    float r = kind == MAXIMUM ? -__builtin_inff() : 0;
    if (kind == SUM) {
#pragma omp simd reduction(+ : r)
        for (int64_t i = 0; i < n; i++)
            r += x[i];
    } else if (kind == SQUARES) {
#pragma omp simd reduction(+ : r)
        for (int64_t i = 0; i < n; i++)
            r += x[i] * x[i];
    } else {
#pragma omp simd reduction(max : r)
        for (int64_t i = 0; i < n; i++)
            r = x[i] > r ? x[i] : r;
    }
    return r;
}

static double
reduce_run(enum reduction kind, enum dtype t, const void *base, int64_t at, int64_t n)
{
    float buffer[TILE];
    double total = start_of(kind);
    for (int64_t i = 0; i < n; i += TILE) {
        int64_t length = MIN(TILE, n - i);
        const float *x = fetch(t, base, at + i, length, buffer);
        float part = kind == SUM       ? reduce_tile(SUM, x, length)
                     : kind == SQUARES ? reduce_tile(SQUARES, x, length)
                                       : reduce_tile(MAXIMUM, x, length);
        total = join(kind, total, (double)part);
    }
    return total;
}

struct job {
    const struct cpu_step *step;
    struct view view;
    enum reduction kind;
    int64_t splits;        // pieces of what is reduced
    int64_t column_blocks; // columns only
    double *parts;         // [splits][results]
};

// --- rows

// Item: split * middle + row.
static void
rows_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct view *v = &j->view;
    enum dtype t = j->step->node->source[0]->dtype;
    for (int64_t item = first; item < last; item++) {
        int64_t split = item / v->middle, row = item % v->middle;
        int64_t begin = v->inner * split / j->splits, end = v->inner * (split + 1) / j->splits;
        double total = start_of(j->kind);
        for (int64_t o = 0; o < v->outer; o++)
            total = join(j->kind, total,
                         reduce_run(j->kind, t, j->step->src[0],
                                    (o * v->middle + row) * v->inner + begin, end - begin));
        j->parts[item] = total;
    }
}

// --- columns

INLINE void
join_row(enum reduction kind, float *restrict sum, const float *restrict x, int64_t n)
{
    if (kind == MAXIMUM) {
        SIMD for (int64_t i = 0; i < n; i++)
            sum[i] = x[i] > sum[i] ? x[i] : sum[i];
    } else {
        SIMD for (int64_t i = 0; i < n; i++)
            sum[i] += x[i];
    }
}

// Columns [column, column+width) of rows [begin, end) of one outer index. If whole rows are short,
// several are summed side by side, so that the loop is as wide as the registers.
static void
reduce_columns(const struct job *j, int64_t outer, int64_t begin, int64_t end, int64_t column,
               int64_t width, double *total)
{
    const struct view *v = &j->view;
    enum dtype t = j->step->node->source[0]->dtype;
    int64_t lanes = width == v->inner && width < LANES ? LANES / width : 1, wide = lanes * width;
    float sum[COLUMN_BLOCK], buffer[COLUMN_BLOCK];
    for (int64_t c = 0; c < width; c++)
        total[c] = start_of(j->kind);
    for (int64_t chunk = begin; chunk < end; chunk += CHUNK_ROWS * lanes) {
        int64_t stop = MIN(end, chunk + CHUNK_ROWS * lanes);
        for (int64_t c = 0; c < wide; c++)
            sum[c] = (float)start_of(j->kind);
        for (int64_t row = chunk; row < stop; row += lanes) {
            int64_t n = MIN(lanes, stop - row) * width;
            const float *x = fetch(t, j->step->src[0],
                                   (outer * v->middle + row) * v->inner + column, n, buffer);
            if (j->kind == MAXIMUM)
                join_row(MAXIMUM, sum, x, n);
            else
                join_row(SUM, sum, x, n);
        }
        for (int64_t c = 0; c < wide; c++)
            total[c % width] = join(j->kind, total[c % width], (double)sum[c]);
    }
}

// Item: (split * outer + outer index) * column_blocks + block.
static void
columns_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct view *v = &j->view;
    for (int64_t item = first; item < last; item++) {
        int64_t block = item % j->column_blocks, rest = item / j->column_blocks;
        int64_t outer = rest % v->outer, split = rest / v->outer;
        int64_t column = block * COLUMN_BLOCK;
        reduce_columns(j, outer, v->middle * split / j->splits,
                       v->middle * (split + 1) / j->splits, column,
                       MIN(COLUMN_BLOCK, v->inner - column),
                       j->parts + (split * v->outer + outer) * v->inner + column);
    }
}

// --- both

static int64_t
results_of(const struct view *v)
{
    return v->rows ? v->middle : v->outer * v->inner;
}

static int64_t
splits_of(const struct view *v)
{
    int64_t threads = cpu_threads();
    if (v->outer * v->middle * v->inner < 2 * FAST_GRAIN_BYTES / 4)
        return 1;
    if (v->rows)
        return v->middle >= threads ? 1 : threads;
    int64_t items = v->outer * ((v->inner + COLUMN_BLOCK - 1) / COLUMN_BLOCK);
    return items >= threads ? 1 : MIN(threads, v->middle);
}

static bool
prepare(struct cpu_step *s)
{
    struct view v;
    if (!all_fast(s->node) || s->node->source_count != 1)
        return false;
    if (s->node->op == OP_sumsq)
        v = (struct view){true, 1, 1, shape_count(&s->node->source[0]->shape)};
    else if (!view_of(s->node, &v))
        return false;
    s->scratch_size = (size_t)(splits_of(&v) * results_of(&v)) * sizeof(double);
    return true;
}

static void
run(struct cpu_step *s)
{
    struct job j = {.step = s, .parts = s->scratch};
    struct view *v = &j.view;
    j.kind = s->node->op == OP_max ? MAXIMUM : s->node->op == OP_sum ? SUM : SQUARES;
    if (s->node->op == OP_sumsq)
        *v = (struct view){true, 1, 1, shape_count(&s->node->source[0]->shape)};
    else
        view_of(s->node, v);
    int64_t results = results_of(v);
    j.splits = (int64_t)(s->scratch_size / sizeof(double)) / results;
    j.column_blocks = (v->inner + COLUMN_BLOCK - 1) / COLUMN_BLOCK;
    int64_t all = v->outer * v->middle * v->inner;
    if (v->rows) {
        int64_t items = j.splits * v->middle;
        cpu_parallel(items, grain_of(4 * all / items), rows_range, &j);
    } else {
        int64_t items = j.splits * v->outer * j.column_blocks;
        cpu_parallel(items, grain_of(4 * all / items), columns_range, &j);
    }
    for (int64_t i = 0; i < results; i++) {
        double total = j.parts[i];
        for (int64_t k = 1; k < j.splits; k++)
            total = join(j.kind, total, j.parts[k * results + i]);
        float value = (float)total;
        commit(s->node->dtype, s->dst, i, 1, &value);
    }
}

static const struct cpu_kernel kernel = {"reduce", prepare, run, NULL};

void
FAST(fast_add_reduce)(struct cpu_table *t)
{
    cpu_table_add(t, OP_sum, &kernel);
    cpu_table_add(t, OP_max, &kernel);
    cpu_table_add(t, OP_sumsq, &kernel);
}
