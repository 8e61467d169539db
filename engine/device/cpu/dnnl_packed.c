// SPDX-License-Identifier: MIT
// Matrix products with quantised weights on the right: all threads unpack a tile of rows of the
// weights into the type of the product, and oneDNN multiplies with it. So only some 24 MiB are
// unpacked at a time, however large the model, and each weight once for all rows of the left side,
// which makes it cheap: with a thousand rows it takes a few hundredths of the product's time. If
// the result is bf16, the tile is the whole matrix if that is not too large: for a part of the
// columns of a wider bf16 result oneDNN 2.6 sums in a separate f32 buffer, which takes as much
// memory and a tenth of the time.
#include <stdlib.h>

#include "engine/base/mem.h"
#include "engine/device/cpu/dnnl.h"
#include "engine/device/cpu/packed_rows.h"

// Limits of the unpacked tile. The whole left side is read for each tile, so it must not be too
// narrow.
enum { TILE_BYTES = 24 << 20, TILE_COLUMNS = 2048, WHOLE_BYTES = 128 << 20 };

struct packed_product {
    struct onednn_call *whole, *rest; // for a tile; for the last one if it is narrower, or NULL
    int64_t tile;                     // columns
    size_t offset;                    // of the calls' memory in scratch, after the tile
};

static packed_rows_fn *unpack_rows;

static struct onednn_arg
matrix(int64_t rows, int64_t columns, int64_t down, int64_t right, enum dtype dtype)
{
    return (struct onednn_arg){
        .rank = 2, .dim = {rows, columns}, .stride = {down, right}, .dtype = dtype};
}

// The product of `tile` columns of the result.
static struct onednn_call *
make_call(const struct node *n, int64_t tile)
{
    enum dtype type = n->source[0]->dtype;
    int64_t inner = n->source[1]->shape.dim[1], columns = shape_last(&n->shape);
    int64_t rows = shape_count(&n->shape) / columns;
    struct onednn_params p = {
        .kind = ONEDNN_MATMUL,
        .arg = {[ONEDNN_SOURCE] = matrix(rows, inner, inner, 1, type),
                [ONEDNN_WEIGHTS] = matrix(inner, tile, 1, inner, type),
                [ONEDNN_RESULT] = matrix(rows, tile, columns, 1, n->dtype)}};
    if (n->source_count == 3)
        p.arg[ONEDNN_BIAS] = matrix(1, tile, tile, 1, DTYPE_F32);
    return onednn_call_create(&p);
}

static void
release(struct cpu_step *s)
{
    struct packed_product *p = s->state;
    if (!p)
        return;
    onednn_call_destroy(p->whole);
    onednn_call_destroy(p->rest);
    free(p);
    s->state = NULL;
}

static size_t
scratch_of(const struct onednn_call *c)
{
    return c ? onednn_call_scratch(c) : 0;
}

static bool
prepare(struct cpu_step *s)
{
    const struct node *n = s->node, *a = n->source[0], *b = n->source[1];
    if (!dtype_is_packed(b->dtype) || (a->dtype != DTYPE_F32 && a->dtype != DTYPE_BF16) ||
        (n->dtype != a->dtype && n->dtype != DTYPE_F32) ||
        (n->source_count == 3 && n->source[2]->dtype != DTYPE_F32))
        return false;
    int64_t columns = shape_last(&n->shape), inner = b->shape.dim[1];
    size_t row = dtype_bytes(a->dtype, inner);
    struct packed_product *p = mem_zalloc(sizeof *p);
    s->state = p;
    p->tile = MIN(columns, MIN(TILE_COLUMNS, MAX(64, (int64_t)(TILE_BYTES / row) / 64 * 64)));
    if (n->dtype == DTYPE_BF16 && (size_t)columns * row <= WHOLE_BYTES)
        p->tile = columns;
    p->whole = make_call(n, p->tile);
    if (columns % p->tile)
        p->rest = make_call(n, columns % p->tile);
    if (!p->whole || (columns % p->tile && !p->rest)) {
        release(s);
        return false;
    }
    p->offset = ((size_t)p->tile * row + 63) / 64 * 64;
    s->scratch_size = p->offset + MAX(scratch_of(p->whole), scratch_of(p->rest));
    return true;
}

struct unpacking {
    enum dtype to, from;
    char *dst;
    const char *src;
    int64_t inner; // weights per row
};

static void
unpack_some(void *ctx, int64_t first, int64_t last)
{
    const struct unpacking *u = ctx;
    int64_t at = first * u->inner, count = (last - first) * u->inner;
    unpack_rows(u->to, u->dst + dtype_bytes(u->to, at), u->from,
                u->src + dtype_bytes(u->from, at), count);
}

static void
run(struct cpu_step *s)
{
    const struct packed_product *p = s->state;
    const struct node *n = s->node, *b = n->source[1];
    int64_t columns = shape_last(&n->shape), inner = b->shape.dim[1];
    void *rest = (char *)s->scratch + p->offset;
    for (int64_t at = 0; at < columns; at += p->tile) {
        int64_t count = MIN(columns - at, p->tile);
        struct unpacking u = {n->source[0]->dtype, b->dtype, s->scratch,
                              (const char *)s->src[1] + dtype_bytes(b->dtype, at * inner), inner};
        const float *bias = n->source_count == 3 ? (const float *)s->src[2] + at : NULL;
        void *data[ONEDNN_ARGS] = {(void *)s->src[0], s->scratch, (void *)bias,
                                   (char *)s->dst + dtype_bytes(n->dtype, at)};
        cpu_parallel(count, MAX(1, (1 << 16) / inner), unpack_some, &u);
        onednn_call_run(count == p->tile ? p->whole : p->rest, data, rest);
    }
}

static const struct cpu_kernel kernel = {"onednn, unpacked by tiles", prepare, run, release};

void
onednn_add_packed(struct cpu_table *t, packed_rows_fn *unpack)
{
    unpack_rows = unpack;
    if (onednn_available())
        cpu_table_add(t, OP_matmul, &kernel);
}
