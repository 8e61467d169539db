// SPDX-License-Identifier: MIT
// Attention over blocks of queries; included once for each kind of matrix product. The formulas are
// in engine/ops/attention.c.
//
// The includer defines
//     KP       elements of k that one multiply-add takes: 1 (f32) or 2 (pairs of bf16)
//     VW       floats in a vector;  MR, NZ: rows and vectors of a register tile
//     struct   `word` (KP elements, 32 bits), `vec` (VW floats, 64-byte aligned or less)
//     madd(acc, word, B vector), pair(lo, hi) -> word, ATTENTION_TAKES(shape_of),
//     ATTENTION_NAME
//
// Products are C[rows][columns] (+)= A B. A lies in words with any two strides; B is packed in
// panels of VW columns: [panel][k][VW] words; C is f32, its pitch a multiple of VW. Rows are padded
// to MR, columns and keys to VW, with zeros, so that no loop has a tail.
//
// A block of queries against all keys at once: scores of some 10^5 elements live in the thread's
// memory, sized for the second-level cache, and are never a tensor. Each thread packs k and v of
// the head it is at. Forward splits heads and query blocks among threads; backward splits heads,
// as dk and dv of a head are added up by one thread.
#include "engine/device/cpu/fast_math.h"

struct shape_of {
    enum dtype dtype;
    int64_t n, heads, t, s, width, c; // batch, heads, queries, keys, head width, heads*width
    int64_t keys, columns, depth;     // padded: s to VW, width to VW, width in words
    int64_t block;                    // queries of a block, a multiple of MR and KP
    float scale;
    int bias; // source, 0: none
};

INLINE int64_t
round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

static struct shape_of
shape_of(const struct node *n, int bias)
{
    const struct shape *q = &n->source[0]->shape;
    int heads = n->params.attention.heads;
    struct shape_of v = {.dtype = n->source[0]->dtype, .n = q->dim[0], .heads = heads,
                         .t = q->dim[1], .s = n->source[1]->shape.dim[1], .c = q->dim[2],
                         .width = q->dim[2] / heads, .scale = (float)n->params.attention.scale,
                         .bias = bias};
    v.keys = round_up(v.s, VW);
    v.columns = round_up(v.width, VW);
    v.depth = round_up(v.width, KP) / KP;
    int64_t block = 65536 / v.keys / MR * MR;
    v.block = MIN(MAX(2 * MR, MIN(64, block)), round_up(v.t, 2 * MR));
    return v;
}

// --- the product

INLINE void
tile(int panels, const word *a, int64_t a_row, int64_t a_k, const word *b, int64_t k, float *c,
     int64_t pitch, bool add)
{
    vec sum[MR][NZ];
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
        for (int z = 0; z < panels; z++)
            sum[r][z] = add ? *(const vec *)(c + r * pitch + z * VW) : (vec){0};
    for (int64_t i = 0; i < k; i++) {
        vec row[NZ];
#pragma GCC unroll 4
        for (int z = 0; z < panels; z++)
            row[z] = *(const vec *)(b + (z * k + i) * VW);
#pragma GCC unroll 8
        for (int r = 0; r < MR; r++) {
            word w = a[r * a_row + i * a_k];
#pragma GCC unroll 4
            for (int z = 0; z < panels; z++)
                sum[r][z] = madd(sum[r][z], w, row[z]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++)
#pragma GCC unroll 4
        for (int z = 0; z < panels; z++)
            *(vec *)(c + r * pitch + z * VW) = sum[r][z];
}

#define TILE_OF(panels)                                                                            \
    static __attribute__((noinline)) void tile_##panels(const word *a, int64_t a_row, int64_t a_k, \
                                                        const word *b, int64_t k, float *c,        \
                                                        int64_t pitch, bool add)                   \
    {                                                                                              \
        tile(panels, a, a_row, a_k, b, k, c, pitch, add);                                          \
    }
TILE_OF(1)
TILE_OF(2)
TILE_OF(3)

// C[rows][columns] = or += A[rows][k] B[k][columns], rows a multiple of MR, columns of VW.
static void
product(const word *a, int64_t a_row, int64_t a_k, const word *b, int64_t k, float *c,
        int64_t rows, int64_t columns, bool add)
{
    int64_t panels = columns / VW, groups = (panels + NZ - 1) / NZ;
    for (int64_t g = 0; g < groups; g++) {
        int64_t p = panels * g / groups, count = panels * (g + 1) / groups - p;
        for (int64_t r = 0; r < rows; r += MR) {
            const word *ar = a + r * a_row, *bp = b + p * k * VW;
            float *cp = c + r * columns + p * VW;
            if (count == 3)
                tile_3(ar, a_row, a_k, bp, k, cp, columns, add);
            else if (count == 2)
                tile_2(ar, a_row, a_k, bp, k, cp, columns, add);
            else
                tile_1(ar, a_row, a_k, bp, k, cp, columns, add);
        }
    }
}

// --- from tensors to operands: `rows` rows of a head, from element `at` on, one every `pitch`

enum { WIDTH_MAX = 512 };

// A: row-major words, zero rows up to `padded`.
static void
load_rows(const struct shape_of *v, const void *base, int64_t at, int64_t rows, int64_t padded,
          word *to)
{
    element buffer[WIDTH_MAX + KP];
    for (int64_t r = 0; r < rows; r++) {
        const element *x = elements(v->dtype, base, at + r * v->c, v->width, buffer);
        memcpy(to + r * v->depth, x, (size_t)v->width * sizeof *x);
        if (v->width % KP)
            ((element *)(to + r * v->depth))[v->width] = 0;
    }
    memset(to + rows * v->depth, 0, (size_t)((padded - rows) * v->depth) * sizeof *to);
}

// B whose columns are the rows (keys) and whose k is the width.
static void
pack_transposed(const struct shape_of *v, const void *base, int64_t at, int64_t rows, word *to)
{
    word row[WIDTH_MAX + 1];
    for (int64_t r = 0; r < round_up(rows, VW); r++) {
        word *panel = to + r / VW * v->depth * VW + r % VW;
        if (r < rows)
            load_rows(v, base, at + r * v->c, 1, 1, row);
        else
            memset(row, 0, (size_t)v->depth * sizeof *row);
        for (int64_t k = 0; k < v->depth; k++)
            panel[k * VW] = row[k];
    }
}

// B whose k is the rows and whose columns are the width. `padded` rows, a multiple of KP.
static void
pack_rows(const struct shape_of *v, const void *base, int64_t at, int64_t rows, int64_t padded,
          word *to)
{
    element buffer[KP][WIDTH_MAX];
    static const element zeros[WIDTH_MAX];
    for (int64_t r = 0; r < padded; r += KP) {
        const element *x[KP];
        for (int i = 0; i < KP; i++)
            x[i] = r + i < rows ? elements(v->dtype, base, at + (r + i) * v->c, v->width, buffer[i])
                                : zeros;
        for (int64_t p = 0; p < v->columns; p += VW) {
            word *panel = to + p * (padded / KP) + r / KP * VW;
            for (int64_t i = 0; i < VW; i++)
                panel[i] = p + i < v->width ? pair(x[0][p + i], x[KP - 1][p + i]) : 0;
        }
    }
}

// --- scores

struct place {
    const struct cpu_step *step;
    const struct shape_of *v;
    int64_t n, head;
};

static const float *
bias_row(const struct place *p, int64_t i)
{
    const struct shape *b = &p->step->node->source[p->v->bias]->shape;
    int64_t at = b->dim[0] > 1 ? p->n : 0;
    at = at * b->dim[1] + (b->dim[1] > 1 ? p->head : 0);
    at = at * b->dim[2] + (b->dim[2] > 1 ? i : 0);
    return (const float *)p->step->src[p->v->bias] + at * b->dim[3];
}

// Turns row i of products into exp(score - largest), zeros after the last key. The sum of them. As
// operands to be (`round`) they are rounded first, so that the sum is of what is multiplied.
INLINE float
exponentials(const struct place *p, int64_t i, float *s, bool round)
{
    int64_t n = p->v->s;
    float scale = p->v->scale, top = -__builtin_inff(), total = 0;
    if (p->v->bias) {
        const float *bias = bias_row(p, i);
#pragma omp simd reduction(max : top)
        for (int64_t j = 0; j < n; j++) {
            s[j] = s[j] * scale + bias[j];
            top = s[j] > top ? s[j] : top;
        }
    } else {
#pragma omp simd reduction(max : top)
        for (int64_t j = 0; j < n; j++) {
            s[j] *= scale;
            top = s[j] > top ? s[j] : top;
        }
    }
#pragma omp simd reduction(+ : total)
    for (int64_t j = 0; j < n; j++) {
        float e = exp_softmax(s[j] - top);
        e = round ? rounded(e) : e;
        s[j] = e;
        total += e;
    }
    for (int64_t j = n; j < p->v->keys; j++)
        s[j] = 0;
    return total;
}

// Memory of a worker, handed out in order; all of it a multiple of 64 bytes.
struct arena {
    char *at;
    size_t used;
};

INLINE void *
take(struct arena *a, int64_t words)
{
    void *p = a->at ? a->at + a->used : NULL;
    a->used += aligned_bytes((size_t)words * 4);
    return p;
}

// --- forward

struct forward {
    word *k, *v, *q, *p;
    float *s, *o;
};

static size_t
forward_memory(const struct shape_of *v, char *at, struct forward *f)
{
    struct arena a = {at, 0};
    f->k = take(&a, v->keys * v->depth);
    f->v = take(&a, v->keys / KP * v->columns);
    f->q = take(&a, v->block * v->depth);
    f->s = take(&a, v->block * v->keys);
    f->p = KP > 1 ? take(&a, v->block * v->keys / KP) : (word *)f->s;
    f->o = take(&a, v->block * v->columns);
    return a.used;
}

static void
forward_block(const struct place *p, const struct forward *f, int64_t first)
{
    const struct shape_of *v = p->v;
    int64_t count = MIN(v->block, v->t - first), rows = round_up(count, MR);
    int64_t at = (p->n * v->t + first) * v->c + p->head * v->width;
    load_rows(v, p->step->src[0], at, count, rows, f->q);
    product(f->q, v->depth, 1, f->k, v->depth, f->s, rows, v->keys, false);
    float total[64];
    for (int64_t r = 0; r < rows; r++) {
        if (r < count)
            total[r] = exponentials(p, first + r, f->s + r * v->keys, true);
        narrow_row(f->p + r * v->keys / KP, f->s + r * v->keys, v->keys);
    }
    product(f->p, v->keys / KP, 1, f->v, v->keys / KP, f->o, rows, v->columns, false);
    for (int64_t r = 0; r < count; r++) {
        float *o = f->o + r * v->columns, scale = 1.0f / total[r];
        SIMD for (int64_t i = 0; i < v->width; i++)
            o[i] *= scale;
        commit(v->dtype, p->step->dst, at + r * v->c, v->width, o);
    }
}

static void
forward_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    struct shape_of v = shape_of(s->node, s->node->source_count == 4 ? 3 : 0);
    struct forward f;
    size_t bytes = forward_memory(&v, NULL, &f);
    int64_t blocks = (v.t + v.block - 1) / v.block, all = v.n * v.heads * blocks;
    int64_t threads = workers(s, bytes);
    for (int64_t t = first; t < last; t++) {
        forward_memory(&v, worker_memory(s, bytes, t), &f);
        int64_t packed = -1;
        for (int64_t item = all * t / threads; item < all * (t + 1) / threads; item++) {
            int64_t unit = item / blocks;
            struct place p = {s, &v, unit / v.heads, unit % v.heads};
            if (unit != packed) {
                int64_t at = p.n * v.s * v.c + p.head * v.width;
                pack_transposed(&v, s->src[1], at, v.s, f.k);
                pack_rows(&v, s->src[2], at, v.s, v.keys, f.v);
                packed = unit;
            }
            forward_block(&p, &f, item % blocks * v.block);
        }
    }
}

// --- backward

struct backward {
    word *kt, *vt, *k, *q, *dy, *q_packed, *dy_packed, *p_pairs, *ds_pairs, *ds_rows;
    float *s, *dp, *dq, *dk, *dv;
};

static size_t
backward_memory(const struct shape_of *v, char *at, bool bias_only, struct backward *b)
{
    struct arena a = {at, 0};
    b->kt = take(&a, v->keys * v->depth);
    b->vt = take(&a, v->keys * v->depth);
    b->q = take(&a, v->block * v->depth);
    b->dy = take(&a, v->block * v->depth);
    b->s = take(&a, v->block * v->keys);
    b->dp = take(&a, v->block * v->keys);
    if (bias_only)
        return a.used;
    b->k = take(&a, v->keys / KP * v->columns);
    b->q_packed = take(&a, v->block / KP * v->columns);
    b->dy_packed = take(&a, v->block / KP * v->columns);
    b->p_pairs = KP > 1 ? take(&a, v->block / KP * v->keys) : (word *)b->s;
    b->ds_pairs = KP > 1 ? take(&a, v->block / KP * v->keys) : (word *)b->dp;
    b->ds_rows = KP > 1 ? take(&a, v->block / KP * v->keys) : (word *)b->dp;
    b->dq = take(&a, v->block * v->columns);
    b->dk = take(&a, v->keys * v->columns);
    b->dv = take(&a, v->keys * v->columns);
    return a.used;
}

// Leaves probabilities in b->s and ds in b->dp, zeros in the padding. Returns the padded rows.
static int64_t
backward_scores(const struct place *p, const struct backward *b, int64_t first, int64_t count)
{
    const struct shape_of *v = p->v;
    int64_t rows = round_up(count, MR), at = (p->n * v->t + first) * v->c + p->head * v->width;
    load_rows(v, p->step->src[0], at, count, rows, b->q);
    load_rows(v, p->step->src[3], at, count, rows, b->dy);
    product(b->q, v->depth, 1, b->kt, v->depth, b->s, rows, v->keys, false);
    product(b->dy, v->depth, 1, b->vt, v->depth, b->dp, rows, v->keys, false);
    for (int64_t r = 0; r < count; r++) {
        float *s = b->s + r * v->keys, *dp = b->dp + r * v->keys, dot = 0;
        float scale = 1.0f / exponentials(p, first + r, s, false);
#pragma omp simd reduction(+ : dot)
        for (int64_t j = 0; j < v->keys; j++) {
            s[j] *= scale;
            dot += s[j] * dp[j];
        }
        SIMD for (int64_t j = 0; j < v->keys; j++)
            dp[j] = s[j] * (dp[j] - dot);
    }
    for (int64_t r = count; r < rows; r++) {
        memset(b->s + r * v->keys, 0, (size_t)v->keys * sizeof(float));
        memset(b->dp + r * v->keys, 0, (size_t)v->keys * sizeof(float));
    }
    return rows;
}

static void
pack_backward(const struct place *p, const struct backward *b)
{
    const struct shape_of *v = p->v;
    int64_t at = p->n * v->s * v->c + p->head * v->width;
    pack_transposed(v, p->step->src[1], at, v->s, b->kt);
    pack_transposed(v, p->step->src[2], at, v->s, b->vt);
}

static void
write_scaled(const struct shape_of *v, void *dst, int64_t at, float *x, int64_t rows, float scale)
{
    for (int64_t r = 0; r < rows; r++) {
        float *row = x + r * v->columns;
        SIMD for (int64_t i = 0; i < v->width; i++)
            row[i] *= scale;
        commit(v->dtype, dst, at + r * v->c, v->width, row);
    }
}

static void
backward_head(const struct place *p, const struct backward *b)
{
    const struct shape_of *v = p->v;
    int64_t k_at = p->n * v->s * v->c + p->head * v->width;
    pack_backward(p, b);
    pack_rows(v, p->step->src[1], k_at, v->s, v->keys, b->k);
    for (int64_t first = 0; first < v->t; first += v->block) {
        int64_t count = MIN(v->block, v->t - first);
        int64_t q_at = (p->n * v->t + first) * v->c + p->head * v->width;
        int64_t rows = backward_scores(p, b, first, count);
        pack_rows(v, p->step->src[0], q_at, count, rows, b->q_packed);
        pack_rows(v, p->step->src[3], q_at, count, rows, b->dy_packed);
        for (int64_t r = 0; r < rows; r += KP) {
            narrow_pair(b->p_pairs + r / KP * v->keys, b->s + r * v->keys, v->keys);
            narrow_pair(b->ds_pairs + r / KP * v->keys, b->dp + r * v->keys, v->keys);
        }
        for (int64_t r = 0; r < rows && KP > 1; r++)
            narrow_row(b->ds_rows + r * v->keys / KP, b->dp + r * v->keys, v->keys);
        product(b->ds_rows, v->keys / KP, 1, b->k, v->keys / KP, b->dq, rows, v->columns, false);
        product(b->p_pairs, 1, v->keys, b->dy_packed, rows / KP, b->dv, v->keys, v->columns,
                first > 0);
        product(b->ds_pairs, 1, v->keys, b->q_packed, rows / KP, b->dk, v->keys, v->columns,
                first > 0);
        write_scaled(v, p->step->dst, q_at, b->dq, count, v->scale);
    }
    int64_t q_count = v->n * v->t * v->c, k_count = v->n * v->s * v->c;
    write_scaled(v, p->step->dst, q_count + k_at, b->dk, v->s, v->scale);
    write_scaled(v, p->step->dst, q_count + k_count + k_at, b->dv, v->s, 1.0f);
}

static void
backward_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    struct shape_of v = shape_of(s->node, s->node->source_count == 5 ? 4 : 0);
    struct backward b;
    size_t bytes = backward_memory(&v, NULL, false, &b);
    int64_t threads = workers(s, bytes), all = v.n * v.heads;
    for (int64_t t = first; t < last; t++) {
        backward_memory(&v, worker_memory(s, bytes, t), false, &b);
        for (int64_t unit = all * t / threads; unit < all * (t + 1) / threads; unit++)
            backward_head(&(struct place){s, &v, unit / v.heads, unit % v.heads}, &b);
    }
}

// --- d bias: threads own what is not summed over (samples, heads), and add in order over the rest

static void
bias_head(const struct place *p, const struct backward *b)
{
    const struct shape_of *v = p->v;
    pack_backward(p, b);
    for (int64_t first = 0; first < v->t; first += v->block) {
        int64_t count = MIN(v->block, v->t - first);
        backward_scores(p, b, first, count);
        for (int64_t r = 0; r < count; r++) {
            int64_t at = bias_row(p, first + r) - (const float *)p->step->src[v->bias];
            float *to = (float *)p->step->dst + at, *ds = b->dp + r * v->keys;
            SIMD for (int64_t j = 0; j < v->s; j++)
                to[j] += ds[j];
        }
    }
}

static void
bias_range(void *ctx, int64_t first, int64_t last)
{
    const struct cpu_step *s = ctx;
    const struct shape *d = &s->node->shape;
    struct shape_of v = shape_of(s->node, 4);
    struct backward b;
    size_t bytes = backward_memory(&v, NULL, true, &b);
    int64_t threads = workers(s, bytes), all = d->dim[0] * d->dim[1];
    int64_t samples = d->dim[0] > 1 ? 1 : v.n, heads = d->dim[1] > 1 ? 1 : v.heads;
    int64_t part = d->dim[2] * d->dim[3];
    for (int64_t t = first; t < last; t++) {
        backward_memory(&v, worker_memory(s, bytes, t), true, &b);
        for (int64_t unit = all * t / threads; unit < all * (t + 1) / threads; unit++) {
            memset((float *)s->dst + unit * part, 0, (size_t)part * sizeof(float));
            for (int64_t n = 0; n < samples; n++)
                for (int64_t h = 0; h < heads; h++)
                    bias_head(&(struct place){s, &v, unit / d->dim[1] + n, unit % d->dim[1] + h},
                              &b);
        }
    }
}

// --- kernels

static bool
takes(const struct cpu_step *s, int bias)
{
    const struct node *n = s->node;
    struct shape_of v = shape_of(n, bias);
    return ATTENTION_TAKES(v) && v.width <= WIDTH_MAX &&
           (bias == 0 || n->source[bias]->dtype == DTYPE_F32);
}

static bool
prepare_forward(struct cpu_step *s)
{
    int bias = s->node->source_count == 4 ? 3 : 0;
    struct shape_of v = shape_of(s->node, bias);
    struct forward f;
    return takes(s, bias) && reserve(s, forward_memory(&v, NULL, &f));
}

static bool
prepare_backward(struct cpu_step *s)
{
    int bias = s->node->source_count == 5 ? 4 : 0;
    struct shape_of v = shape_of(s->node, bias);
    struct backward b;
    bool bias_only = s->node->op == OP_attention_grad_bias;
    return takes(s, bias) && reserve(s, backward_memory(&v, NULL, bias_only, &b));
}

static void
run_forward(struct cpu_step *s)
{
    struct shape_of v = shape_of(s->node, 0);
    struct forward f;
    cpu_parallel(workers(s, forward_memory(&v, NULL, &f)), 1, forward_range, s);
}

static void
run_backward(struct cpu_step *s)
{
    struct shape_of v = shape_of(s->node, 0);
    struct backward b;
    bool bias_only = s->node->op == OP_attention_grad_bias;
    cpu_parallel(workers(s, backward_memory(&v, NULL, bias_only, &b)), 1,
                 bias_only ? bias_range : backward_range, s);
}

static const struct cpu_kernel forward_kernel = {ATTENTION_NAME, prepare_forward, run_forward, NULL};
static const struct cpu_kernel backward_kernel = {ATTENTION_NAME "_grad", prepare_backward,
                                                  run_backward, NULL};

void
FAST(fast_add_attention)(struct cpu_table *t)
{
    cpu_table_add(t, OP_attention, &forward_kernel);
    cpu_table_add(t, OP_attention_grad, &backward_kernel);
    cpu_table_add(t, OP_attention_grad_bias, &backward_kernel);
}
