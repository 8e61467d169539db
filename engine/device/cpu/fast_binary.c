// SPDX-License-Identifier: MIT
// add, sub, mul, div and broadcast, with any broadcasting.
//
// First, adjacent axes that both operands step through evenly are merged. The last two axes left,
// rows and columns, are cut into tiles; each operand is laid out as a full f32 tile (used in place
// if it is contiguous f32; otherwise widened, repeated or broadcast), so that the arithmetic sees
// only full tiles. A tile that repeats, like a bias row or a scalar, is laid out once per thread.
#include "engine/device/cpu/fast.h"

enum { OPERANDS = 2 };

struct layout {
    int rank; // at least 2; the last two are rows and columns
    int64_t dim[SHAPE_RANK_MAX + 2];
    int64_t stride[OPERANDS][SHAPE_RANK_MAX + 2]; // elements; 0: broadcast
};

static struct layout
layout_of(const struct node *n)
{
    struct layout l = {0};
    int64_t dim[SHAPE_RANK_MAX], stride[OPERANDS][SHAPE_RANK_MAX] = {{0}};
    for (int k = 0; k < n->source_count; k++) {
        const struct shape *s = &n->source[k]->shape;
        int64_t step = 1;
        for (int axis = n->shape.rank - 1, at = s->rank - 1; at >= 0; axis--, at--) {
            stride[k][axis] = s->dim[at] > 1 ? step : 0;
            step *= s->dim[at];
        }
    }
    int count = 0;
    for (int axis = 0; axis < n->shape.rank; axis++) {
        if (n->shape.dim[axis] == 1)
            continue;
        bool merge = count > 0;
        for (int k = 0; merge && k < OPERANDS; k++)
            merge = l.stride[k][count - 1] == stride[k][axis] * n->shape.dim[axis];
        if (!merge)
            dim[count++] = 1;
        dim[count - 1] *= n->shape.dim[axis];
        for (int k = 0; k < OPERANDS; k++)
            l.stride[k][count - 1] = stride[k][axis];
    }
    // at least rows and columns, both of size 1 if need be
    int pad = MAX(0, 2 - count);
    l.rank = count + pad;
    for (int axis = l.rank - 1; axis >= 0; axis--) {
        l.dim[axis] = axis >= pad ? dim[axis - pad] : 1;
        for (int k = 0; k < OPERANDS; k++)
            l.stride[k][axis] = axis >= pad ? l.stride[k][axis - pad] : 0;
    }
    return l;
}

// One operand's tile, and which one the buffer holds, so that it can be used again.
struct operand {
    enum dtype dtype;
    const void *base;
    int64_t row, column; // strides
    int64_t held_at, held_rows, held_columns;
    float buffer[TILE];
};

static const float *
lay_out(struct operand *o, int64_t at, int64_t rows, int64_t columns)
{
    if (o->column == 1 && (rows == 1 || o->row == columns))
        return fetch(o->dtype, o->base, at, rows * columns, o->buffer);
    if (o->row == 0 && o->held_at == at && o->held_rows >= rows && o->held_columns == columns)
        return o->buffer;
    for (int64_t r = 0; r < rows; r++) {
        float *to = o->buffer + r * columns;
        if (r > 0 && o->row == 0) {
            memcpy(to, o->buffer, (size_t)columns * sizeof *to);
        } else if (o->column == 1) {
            const float *from = fetch(o->dtype, o->base, at + r * o->row, columns, to);
            if (from != to)
                memcpy(to, from, (size_t)columns * sizeof *to);
        } else {
            float one;
            float value = *fetch(o->dtype, o->base, at + r * o->row, 1, &one);
            for (int64_t i = 0; i < columns; i++)
                to[i] = value;
        }
    }
    o->held_at = at;
    o->held_rows = rows;
    o->held_columns = columns;
    return o->buffer;
}

struct job {
    const struct cpu_step *step;
    const struct layout *layout;
    int64_t tile_rows, tile_columns, row_tiles, column_tiles;
};

INLINE void
arithmetic(enum op op, const float *a, const float *b, float *y, int64_t n)
{
#define LOOP(expression)                                                                           \
    SIMD for (int64_t i = 0; i < n; i++)                                                           \
        y[i] = expression
    if (op == OP_add)
        LOOP(a[i] + b[i]);
    else if (op == OP_sub)
        LOOP(a[i] - b[i]);
    else if (op == OP_mul)
        LOOP(a[i] * b[i]);
    else
        LOOP(a[i] / b[i]);
#undef LOOP
}

static void
run_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct cpu_step *s = j->step;
    const struct layout *l = j->layout;
    const struct node *n = s->node;
    int64_t rows_all = l->dim[l->rank - 2], columns_all = l->dim[l->rank - 1];
    float y_buffer[TILE];
    struct operand operands[OPERANDS];
    for (int k = 0; k < n->source_count; k++) {
        operands[k].dtype = n->source[k]->dtype;
        operands[k].base = s->src[k];
        operands[k].row = l->stride[k][l->rank - 2];
        operands[k].column = l->stride[k][l->rank - 1];
        operands[k].held_at = -1;
    }
    for (int64_t tile = first; tile < last; tile++) {
        int64_t rest = tile / j->column_tiles;
        int64_t column = tile % j->column_tiles * j->tile_columns;
        int64_t row = rest % j->row_tiles * j->tile_rows, outer = rest / j->row_tiles;
        int64_t rows = MIN(j->tile_rows, rows_all - row);
        int64_t columns = MIN(j->tile_columns, columns_all - column);
        int64_t at = (outer * rows_all + row) * columns_all + column, length = rows * columns;
        const float *in[OPERANDS] = {NULL, NULL};
        for (int k = 0; k < n->source_count; k++) {
            int64_t from = row * operands[k].row + column * operands[k].column, index = outer;
            for (int axis = l->rank - 3; axis >= 0; axis--) {
                from += index % l->dim[axis] * l->stride[k][axis];
                index /= l->dim[axis];
            }
            in[k] = lay_out(&operands[k], from, rows, columns);
        }
        if (n->source_count == 1) {
            commit(n->dtype, s->dst, at, length, in[0]);
        } else {
            float *y = target(n->dtype, s->dst, at, y_buffer);
            arithmetic(n->op, in[0], in[1], y, length);
            commit(n->dtype, s->dst, at, length, y);
        }
    }
}

static void
run(struct cpu_step *s)
{
    struct layout l = layout_of(s->node);
    int64_t rows = l.dim[l.rank - 2], columns = l.dim[l.rank - 1], outer = 1;
    for (int axis = 0; axis < l.rank - 2; axis++)
        outer *= l.dim[axis];
    struct job j = {.step = s, .layout = &l};
    // Tiles of several rows are whole rows, so that the result is contiguous.
    j.tile_columns = MIN(columns, TILE);
    j.tile_rows = columns <= TILE ? MIN(rows, TILE / columns) : 1;
    j.row_tiles = (rows + j.tile_rows - 1) / j.tile_rows;
    j.column_tiles = (columns + j.tile_columns - 1) / j.tile_columns;
    cpu_parallel(outer * j.row_tiles * j.column_tiles, 8, run_range, &j);
}

static bool
prepare(struct cpu_step *s)
{
    return all_fast(s->node);
}

static const struct cpu_kernel kernel = {"binary", prepare, run, NULL};

void
FAST(fast_add_binary)(struct cpu_table *t)
{
    cpu_table_add(t, OP_add, &kernel);
    cpu_table_add(t, OP_sub, &kernel);
    cpu_table_add(t, OP_mul, &kernel);
    cpu_table_add(t, OP_div, &kernel);
    cpu_table_add(t, OP_broadcast, &kernel);
}
