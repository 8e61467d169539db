// SPDX-License-Identifier: MIT
// Products of many rows with large matrices by the processor's matrix units (AMX), in bf16 or with
// quantised weights. oneDNN 2.6 reaches a quarter of the units' rate, because it waits for memory.
//
// The columns of the result are taken in stretches. The weights of a stretch are packed in the
// units' order once for all rows of the left side: in strips of 32 columns, where 32 x 32 elements
// are two tiles of 1 KB side by side. Then each thread takes blocks of 128 rows, brings them into
// the same order in its second-level cache, and multiplies them by strip after strip, 256 elements
// deep at a time: that much of a strip stays in the first-level cache while the rows go by. Sums
// are f32 and taken in the same order however many threads there are.
#include "engine/device/cpu/tiles.h"

#include <cpuid.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/base/mem.h"

enum {
    SIDE = 32,          // rows and columns multiplied at a time: 2 x 2 tiles
    TILE = 512,         // elements of a tile: 16 rows of 32, or 16 x 16 pairs of weights
    SUMS = SIDE * SIDE, // in four tiles of 16 x 16
    DEPTH = 256,        // depth multiplied at a time
    DEPTH_MAX = 3072,   // depth of a block of rows packed at a time
    ROWS = 128,         // of a block
    ROWS_MIN = 256,     // with fewer, packing weights does not pay
    WEIGHTS_MIN = 2 << 20,
    INNER_MAX = 1 << 19,
};

struct tiles_product {
    int64_t rows, columns, inner;
    int64_t stretch;        // columns
    int64_t blocks, groups; // of rows; of a stretch's columns, so that all threads have work
    int64_t workers;
    size_t worker;          // bytes per worker
    size_t strips;          // bytes of a stretch's weights, packed
};

static packed_rows_fn *unpack_rows;

// --- The units

struct units {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16]; // of a row
    uint8_t rows[16];
};

static void
units_begin(void)
{
    struct units u = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        u.bytes[i] = 64;
        u.rows[i] = 16;
    }
    __asm__ volatile("" : : "r"(&u) : "memory"); // GCC does not see that it is read
    _tile_loadconfig(&u);
}

static bool
units_available(void)
{
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18, HAS_BF16 = 1 << 22, HAS_TILES = 1 << 24 };
    unsigned a, b, c, d;
    bool has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && d & HAS_BF16 && d & HAS_TILES;
    return has && syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
}

// sums (four tiles) += rows x columns, `steps` times 32 deep; `first`: from zero. `next`: memory to
// prefetch.
static inline void
multiply(const uint16_t *a, const uint16_t *b, float *sums, int64_t steps, bool first,
         const char *next)
{
    enum { LINES = 8, LINE = 64 };
    __asm__ volatile("" : : : "memory"); // the units' loads and stores are none to the compiler
    if (first) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    } else {
        _tile_loadd(0, sums, 64);
        _tile_loadd(1, sums + 256, 64);
        _tile_loadd(2, sums + 512, 64);
        _tile_loadd(3, sums + 768, 64);
    }
    for (int64_t k = 0; k < steps; k++, a += 2 * TILE, b += 2 * TILE, next += LINES * LINE) {
        _tile_loadd(6, b, 64);
        _tile_loadd(4, a, 64);
        _tile_loadd(7, b + TILE, 64);
        _tile_loadd(5, a + TILE, 64);
        for (int i = 0; i < LINES; i++)
            _mm_prefetch(next + i * LINE, _MM_HINT_T1);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + 256, 64);
    _tile_stored(2, sums + 512, 64);
    _tile_stored(3, sums + 768, 64);
    __asm__ volatile("" : : : "memory");
}

// --- The units' order

// Transposes sixteen rows of sixteen words.
static inline void
transpose_words(uint32_t *to, const uint32_t *from, int64_t pitch)
{
    __m512i r[16], t[16];
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_loadu_si512(from + i * pitch);
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 2; k++) {
            r[i + 2 * k] = _mm512_unpacklo_epi64(t[i + k], t[i + k + 2]);
            r[i + 2 * k + 1] = _mm512_unpackhi_epi64(t[i + k], t[i + k + 2]);
        }
    for (int i = 0; i < 16; i += 8)
        for (int k = 0; k < 4; k++) {
            t[i + k] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0x88);
            t[i + k + 4] = _mm512_shuffle_i32x4(r[i + k], r[i + k + 4], 0xdd);
        }
    for (int k = 0; k < 8; k++) {
        _mm512_store_si512(to + 16 * k, _mm512_shuffle_i32x4(t[k], t[k + 8], 0x88));
        _mm512_store_si512(to + 16 * (k + 8), _mm512_shuffle_i32x4(t[k], t[k + 8], 0xdd));
    }
}

// Weights of 32 columns, each a row of `inner` elements.
static void
pack_weights(uint16_t *to, const uint16_t *from, int64_t inner)
{
    for (int64_t k = 0; k < inner; k += 32)
        for (int half = 0; half < 2; half++, to += TILE)
            transpose_words((uint32_t *)(void *)to,
                            (const uint32_t *)(const void *)(from + half * 16 * inner + k),
                            inner / 2);
}

// 32 rows; those beyond `rows` become zeros.
static void
pack_rows(uint16_t *to, const uint16_t *from, int64_t pitch, int64_t rows, int64_t depth)
{
    for (int64_t k = 0; k < depth; k += 32)
        for (int64_t r = 0; r < SIDE; r++, to += 32)
            _mm512_store_si512(to, r < rows ? _mm512_loadu_si512(from + r * pitch + k)
                                            : _mm512_setzero_si512());
}

// --- Running

struct job {
    const struct cpu_step *step;
    const struct tiles_product *p;
    int64_t first, count; // columns of this stretch
    char *workers;
};

static char *
memory_of(const struct job *j, int64_t worker)
{
    return j->workers + (size_t)worker * j->p->worker;
}

static void
pack_weights_range(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct node *w = j->step->node->source[1];
    int64_t inner = j->p->inner, strips = j->count / SIDE;
    for (int64_t worker = first; worker < last; worker++)
        for (int64_t s = strips * worker / j->p->workers;
             s < strips * (worker + 1) / j->p->workers; s++) {
            int64_t at = (j->first + s * SIDE) * inner;
            const void *from = (const char *)j->step->src[1] + dtype_bytes(w->dtype, at);
            uint16_t *to = (uint16_t *)j->step->scratch + s * SIDE * inner;
            if (w->dtype != DTYPE_BF16) {
                void *wide = memory_of(j, worker);
                unpack_rows(DTYPE_BF16, wide, w->dtype, from, SIDE * inner);
                from = wide;
            }
            pack_weights(to, from, inner);
        }
}

// Writes up to 32 rows of sums with a strip to the result, and adds the bias of its columns.
static void
write_sums(const struct job *j, const float *sums, int64_t row, int64_t rows, int64_t column)
{
    const struct node *n = j->step->node;
    const float *bias = n->source_count == 3 ? (const float *)j->step->src[2] + column : NULL;
    __m512 low_bias = bias ? _mm512_loadu_ps(bias) : _mm512_setzero_ps();
    __m512 high_bias = bias ? _mm512_loadu_ps(bias + 16) : _mm512_setzero_ps();
    for (int64_t r = 0; r < MIN(rows, SIDE); r++) {
        const float *from = sums + r / 16 * 512 + r % 16 * 16;
        __m512 low = _mm512_add_ps(_mm512_load_ps(from), low_bias);
        __m512 high = _mm512_add_ps(_mm512_load_ps(from + 256), high_bias);
        int64_t at = (row + r) * j->p->columns + column;
        if (n->dtype == DTYPE_F32) {
            _mm512_storeu_ps((float *)j->step->dst + at, low);
            _mm512_storeu_ps((float *)j->step->dst + at + 16, high);
        } else {
            _mm512_storeu_si512((uint16_t *)j->step->dst + at,
                                (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
    }
}

struct block {
    uint16_t *rows;       // packed
    float *sums;          // of the block with one strip, or with all of a group
    int64_t first, count; // rows
    int64_t at, depth;    // the part of the inner dimension
};

// Multiplies a block of rows, to the depth that is packed, by one strip of columns; after the
// last part of the inner dimension writes the result.
static void
multiply_strip(const struct job *j, const struct block *b, int64_t column, float *sums)
{
    const uint16_t *strip =
        (const uint16_t *)j->step->scratch + (column - j->first) * j->p->inner + b->at * SIDE;
    int64_t strips = (b->count + SIDE - 1) / SIDE;
    for (int64_t k = 0; k < b->depth; k += DEPTH) {
        int64_t depth = MIN(DEPTH, b->depth - k);
        const char *next = (const char *)(strip + (k + depth) * SIDE);
        for (int64_t s = 0; s < strips; s++)
            multiply(b->rows + (s * b->depth + k) * SIDE, strip + k * SIDE, sums + s * SUMS,
                     depth / 32, b->at + k == 0, next + s * depth / 32 * 512);
    }
    for (int64_t s = 0; s < strips && b->at + b->depth == j->p->inner; s++)
        write_sums(j, sums + s * SUMS, b->first + s * SIDE, b->count - s * SIDE, column);
}

static void
pack_block(const struct job *j, const struct block *b)
{
    const uint16_t *from = (const uint16_t *)j->step->src[0] + b->first * j->p->inner + b->at;
    for (int64_t s = 0; s * SIDE < b->count; s++)
        pack_rows(b->rows + s * SIDE * b->depth, from + s * SIDE * j->p->inner, j->p->inner,
                  b->count - s * SIDE, b->depth);
}

// Multiplies a block of rows by a group of the stretch's columns.
static void
run_item(const struct job *j, int64_t item, char *memory)
{
    const struct tiles_product *p = j->p;
    int64_t strips = j->count / SIDE, group = item % p->groups;
    int64_t first = strips * group / p->groups, last = strips * (group + 1) / p->groups;
    struct block b = {.rows = (uint16_t *)memory, .first = item / p->groups * ROWS};
    b.count = MIN(ROWS, p->rows - b.first);
    b.sums = (float *)(memory + (size_t)ROWS * (size_t)MIN(p->inner, DEPTH_MAX) * 2);
    bool once = p->inner <= DEPTH_MAX;
    for (b.at = 0; b.at < p->inner; b.at += b.depth) {
        b.depth = MIN(DEPTH_MAX, p->inner - b.at);
        pack_block(j, &b);
        for (int64_t s = first; s < last; s++)
            multiply_strip(j, &b, j->first + s * SIDE,
                           b.sums + (once ? 0 : (s - first) * ROWS * SIDE));
    }
}

static void
run_some(void *ctx, int64_t first, int64_t last)
{
    const struct job *j = ctx;
    const struct tiles_product *p = j->p;
    int64_t items = p->blocks * p->groups;
    units_begin();
    for (int64_t w = first; w < last; w++)
        for (int64_t i = items * w / p->workers; i < items * (w + 1) / p->workers; i++)
            run_item(j, i, memory_of(j, w));
    _tile_release();
}

static void
run(struct cpu_step *s)
{
    const struct tiles_product *p = s->state;
    struct job j = {.step = s, .p = p, .workers = (char *)s->scratch + p->strips};
    for (j.first = 0; j.first < p->columns; j.first += p->stretch) {
        j.count = MIN(p->stretch, p->columns - j.first);
        cpu_parallel(p->workers, 1, pack_weights_range, &j);
        cpu_parallel(p->workers, 1, run_some, &j);
    }
}

// --- Preparing

static size_t
padded(size_t bytes)
{
    return (bytes + 4095) / 4096 * 4096;
}

static void
lay_out(struct tiles_product *p)
{
    size_t inner = (size_t)p->inner, depth = (size_t)MIN(p->inner, DEPTH_MAX);
    int64_t most = (int64_t)(tiles_stretch_bytes / (2 * inner)) / SIDE * SIDE;
    p->stretch = MIN(p->columns, MAX(most, SIDE));
    p->blocks = (p->rows + ROWS - 1) / ROWS;
    p->workers = cpu_threads();
    // Some four items per thread; one group if the blocks divide evenly among the threads.
    bool even = p->blocks % p->workers == 0;
    p->groups = even ? 1 : (4 * p->workers + p->blocks - 1) / p->blocks;
    p->groups = MAX(1, MIN(p->groups, p->stretch / SIDE));
    size_t columns = p->inner <= DEPTH_MAX
                         ? SIDE
                         : (size_t)(p->stretch / SIDE + p->groups - 1) / (size_t)p->groups * SIDE;
    size_t block = ROWS * depth * 2 + ROWS * columns * 4;
    p->worker = padded(MAX(block, SIDE * inner * 2));
    p->strips = padded((size_t)p->stretch * inner * 2);
}

static bool
supports(const struct node *n)
{
    const struct node *a = n->source[0], *b = n->source[1];
    bool sides = !n->params.matmul.transpose_a && n->params.matmul.transpose_b &&
                 b->shape.rank == 2 && a->dtype == DTYPE_BF16 &&
                 (b->dtype == DTYPE_BF16 || dtype_is_packed(b->dtype));
    bool result = (n->dtype == DTYPE_BF16 || n->dtype == DTYPE_F32) &&
                  (n->source_count < 3 || n->source[2]->dtype == DTYPE_F32);
    return sides && result && b->shape.dim[0] % SIDE == 0 && b->shape.dim[1] % 32 == 0 &&
           shape_count(&b->shape) >= WEIGHTS_MIN && b->shape.dim[1] <= INNER_MAX &&
           shape_count(&n->shape) / shape_last(&n->shape) >= ROWS_MIN;
}

static bool
prepare(struct cpu_step *s)
{
    const struct node *n = s->node, *b = n->source[1];
    if (!supports(n))
        return false;
    struct tiles_product *p = s->state = mem_zalloc(sizeof *p);
    p->columns = b->shape.dim[0];
    p->inner = b->shape.dim[1];
    p->rows = shape_count(&n->shape) / p->columns;
    lay_out(p);
    s->scratch_size = p->strips + (size_t)p->workers * p->worker;
    return true;
}

static void
release(struct cpu_step *s)
{
    free(s->state);
    s->state = NULL;
}

static const struct cpu_kernel kernel = {"matrix units", prepare, run, release, NULL};

void
tiles_add(struct cpu_table *t, packed_rows_fn *unpack)
{
    unpack_rows = unpack;
    if (units_available())
        cpu_table_first(t, OP_matmul, &kernel);
}
