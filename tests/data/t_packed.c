// SPDX-License-Identifier: MIT
// Weights in blocks and in 8 bits against the gguf package and PyTorch, bit for bit; GGUF files
// that are cut short or lie. Takes tests/reference/golden.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/tensor/gguf.h"
#include "engine/tensor/packed.h"
#include "engine/tensor/safetensors.h"

static const char *golden;

static char *
in_golden(const char *name)
{
    return mem_printf("%s/%s", golden, name);
}

static struct safetensors *
opened(const char *name)
{
    struct err err = {0};
    char *path = in_golden(name);
    struct safetensors *st = safetensors_open(path, &err);
    if (!st)
        fail_msg("%s", err.text);
    free(path);
    return st;
}

// Every half number, converted in runs: its sign, 5 bits of exponent and 10 of fraction give the
// value (IEEE 754), which f32 has exactly and bf16 rounded.
static void
halves_are_converted_in_runs(void **state)
{
    (void)state;
    enum { ALL = 1 << 16 };
    uint16_t *half = mem_alloc(ALL * sizeof *half), *rounded = mem_alloc(ALL * sizeof *rounded);
    float *wide = mem_alloc(ALL * sizeof *wide);
    for (int i = 0; i < ALL; i++)
        half[i] = (uint16_t)i;
    dtype_convert(DTYPE_F32, wide, DTYPE_F16, half, ALL);
    dtype_convert(DTYPE_BF16, rounded, DTYPE_F16, half, ALL);
    for (int i = 0; i < ALL; i++) {
        int exponent = i >> 10 & 31, fraction = i & 1023;
        double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                      : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                     : ldexp(fraction, -24);
        float want = (float)(i >> 15 ? -size : size);
        assert_true(isnan(want) ? isnan(wide[i]) : wide[i] == want);
        assert_true(!signbit(wide[i]) == !(i >> 15));
        assert_int_equal(rounded[i], bf16_from_f32(wide[i]));
    }
    free(half);
    free(rounded);
    free(wide);
}

// Both are numbers, or neither is.
static bool
same_bits(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (memcmp(&a[i], &b[i], sizeof *a) != 0 && !(a[i] != a[i] && b[i] != b[i]))
            return false;
    return true;
}

static void
compare(const struct tensor_view *t, const struct tensor_view *want)
{
    int64_t n = shape_count(&want->shape);
    float *got = mem_alloc((size_t)n * sizeof *got);
    assert_true(shape_equal(&t->shape, &want->shape));
    if (t->packed)
        packed_unpack(t->packed, t->data, 0, n, got);
    else
        dtype_convert(DTYPE_F32, got, t->dtype, t->data, n);
    if (!same_bits(got, want->data, n))
        fail_msg("%s has other numbers", t->name);
    free(got);
}

static void
every_type_of_gguf(void **state)
{
    (void)state;
    struct safetensors *file = opened("packed.gguf"), *want = opened("packed.safetensors");
    assert_int_equal(safetensors_count(file), 15);
    for (size_t i = 0; i < safetensors_count(file); i++) {
        const struct tensor_view *t = safetensors_at(file, i);
        if (t->packed)
            assert_string_equal(t->packed->name, t->name);
        compare(t, safetensors_find(want, t->name));
    }
    safetensors_close(file);
    safetensors_close(want);
}

// What the reference makes of the same numbers, and the way back.
static void
numbers_into_blocks(void **state)
{
    (void)state;
    static const char *const names[] = {"Q8_0", "Q4_0"};
    struct safetensors *file = opened("packed.gguf");
    const struct tensor_view *from = safetensors_find(file, "F32");
    int64_t n = shape_count(&from->shape);
    for (int i = 0; i < 2; i++) {
        const struct tensor_view *want = safetensors_find(file, names[i]);
        enum dtype t = dtype_from_quantised(i ? "q4_0" : "q8_0");
        assert_true(t == want->packed->dtype && dtype_bytes(t, n) == want->size);
        unsigned char *got = mem_alloc(want->size);
        dtype_convert(t, got, DTYPE_F32, from->data, n);
        assert_memory_equal(got, want->data, want->size);
        float one;
        dtype_convert(DTYPE_F32, &one, DTYPE_F32, from->data, 1);
        double step = fabs(dtype_load(t, got, 0) - one);
        assert_true(step < (i ? 0.5 : 0.02));
        free(got);
    }
    assert_null(dtype_quantised(2));
    assert_int_equal(dtype_from_quantised("q4_k"), DTYPE_NONE); // read, never made
    safetensors_close(file);
}

// Nothing but zeros, and numbers that f16 scales cannot hold.
static void
blocks_at_the_edges(void **state)
{
    (void)state;
    float in[32] = {0}, out[32];
    unsigned char block[34];
    for (int i = 0; i < 2; i++) {
        enum dtype t = i ? DTYPE_Q4_0 : DTYPE_Q8_0;
        memset(in, 0, sizeof in);
        dtype_convert(t, block, DTYPE_F32, in, 32);
        dtype_convert(DTYPE_F32, out, t, block, 32);
        for (int k = 0; k < 32; k++)
            assert_true(out[k] == 0);
        in[3] = -1e-9f; // the scale is 0 in f16
        dtype_convert(t, block, DTYPE_F32, in, 32);
        dtype_convert(DTYPE_F32, out, t, block, 32);
        assert_true(out[3] == 0 && out[4] == 0);
    }
}

static void
numbers_of_8_bits(void **state)
{
    (void)state;
    struct safetensors *file = opened("packed.safetensors");
    compare(safetensors_find(file, "F8_E4M3"), safetensors_find(file, "f32.F8_E4M3"));
    compare(safetensors_find(file, "F8_E5M2"), safetensors_find(file, "f32.F8_E5M2"));
    safetensors_close(file);
}

// Whether bytes in memory of just that size are taken for a file; its tensors then lie inside.
static bool
takes(const char *data, size_t size)
{
    struct err err = {0};
    struct gguf g = {0};
    char *just = mem_alloc(MAX(size, 1)); // what is read behind it a sanitizer sees
    memcpy(just, data, size);
    bool ok = gguf_is(just, size) && gguf_read(&g, just, size, "a file", &err);
    for (size_t i = 0; ok && i < g.count; i++) {
        const char *at = g.tensors[i].data;
        assert_true(at >= just && g.tensors[i].size <= size - (size_t)(at - just));
    }
    assert_true(ok || err.code == ERR_INPUT || size < 4);
    gguf_finish(&g);
    free(just);
    return ok;
}

static void
files_that_lie(void **state)
{
    (void)state;
    enum { HEADER = 1024 };
    static const char values[] = {0, 1, 0x7F, (char)0x80, (char)0xFF};
    struct err err = {0};
    size_t size;
    char *path = in_golden("packed.gguf"), *data = file_read(path, 1 << 20, &size, &err);
    for (size_t n = 0; n < size; n++)
        if (n + 32 < size) // the last tensor may be padded
            assert_false(takes(data, n));
    for (size_t i = 4; i < HEADER; i++) {
        char old = data[i];
        for (size_t k = 0; k < sizeof values; k++) {
            data[i] = values[k];
            takes(data, size);
        }
        data[i] = old;
    }
    assert_true(takes(data, size));
    free(data);
    free(path);
}

// --- shapes that tensors had before their rows were cut for the blocks

struct bytes {
    unsigned char *data;
    size_t size;
};

static void
put(struct bytes *b, uint64_t number, int count)
{
    for (int i = 0; i < count; i++)
        b->data[b->size++] = (unsigned char)(number >> 8 * i);
}

static void
put_text(struct bytes *b, const char *before, size_t number)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%s%zu", before, number);
    put(b, (uint64_t)n, 8);
    memcpy(b->data + b->size, text, (size_t)n);
    b->size += (size_t)n;
}

// `count` tensors of 2 x 3 numbers that were 6 once, and one of none that claims 2^64; the last
// first.
static struct bytes
with_shapes_of_old(size_t count)
{
    struct bytes b = {mem_alloc(count * 160 + 1000), 0};
    put(&b, 0x46554747, 4);
    put(&b, 3, 4);
    put(&b, count + 1, 8);
    put(&b, count + 1, 8);
    for (size_t i = count + 1; i-- > 0;) {
        put_text(&b, "comfy.gguf.orig_shape.t", i);
        put(&b, 9, 4); // an array
        put(&b, 5, 4); // of whole numbers
        put(&b, i == count ? 4 : 1, 8);
        for (int k = 0; k < (i == count ? 4 : 1); k++)
            put(&b, i == count ? 65536 : 6, 4);
    }
    for (size_t i = 0; i <= count; i++) {
        put_text(&b, "t", i);
        put(&b, 2, 4);
        put(&b, i == count ? 0 : 3, 8);
        put(&b, 2, 8);
        put(&b, 0, 4); // f32
        put(&b, 0, 8);
    }
    for (int i = 0; i < 64 + 24; i++)
        b.data[b.size++] = 0;
    return b;
}

static double
seconds_of_shapes(size_t count)
{
    struct bytes b = with_shapes_of_old(count);
    struct gguf g = {0};
    struct err err = {0};
    clock_t began = clock(); // of this process alone
    bool ok = gguf_read(&g, b.data, b.size, "a file", &err);
    double took = (double)(clock() - began) / CLOCKS_PER_SEC;
    if (!ok)
        fail_msg("%s", err.text);
    assert_int_equal(g.count, count + 1);
    for (size_t i = 0; i < count; i++)
        assert_true(g.tensors[i].shape.rank == 1 && g.tensors[i].shape.dim[0] == 6);
    assert_int_equal(g.tensors[count].shape.rank, 2); // that product is no 0
    gguf_finish(&g);
    free(b.data);
    return took;
}

static void
shapes_of_old(void **state)
{
    (void)state;
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 3; i++) {
        few = fmin(few, seconds_of_shapes(10000));
        many = fmin(many, seconds_of_shapes(40000));
    }
    if (many > 9 * few)
        fail_msg("%.3f s for 10000 shapes, %.3f s for 40000", few, many);
}

// Shapes of tensors that the file does not have take memory all the same: as many as tensors.
static void
shapes_of_none(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        size_t count = LIMIT_SAFETENSORS_TENSORS + over;
        struct bytes b = {mem_alloc(count * 60 + 100), 0};
        struct gguf g = {0};
        struct err err = {0};
        put(&b, 0x46554747, 4);
        put(&b, 3, 4);
        put(&b, 0, 8);
        put(&b, count, 8);
        for (size_t i = 0; i < count; i++) {
            put_text(&b, "comfy.gguf.orig_shape.t", i);
            put(&b, 9, 4);
            put(&b, 5, 4);
            put(&b, 0, 8);
        }
        for (int i = 0; i < 4; i++)
            put(&b, 0, 8);
        assert_int_equal(gguf_read(&g, b.data, b.size, "a file", &err), !over);
        assert_int_equal(strstr(err.text, "more than 100000 tensors") != NULL, over);
        gguf_finish(&g);
        free(b.data);
    }
}

// What is no number, and what has no end, in a stranger's weights: the other blocks are as they
// were.
static void
no_numbers_into_blocks(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_Q8_0, DTYPE_Q4_0};
    const float wrong[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (size_t k = 0; k < COUNT_OF(dtypes); k++)
        for (size_t w = 0; w < COUNT_OF(wrong); w++) {
            const struct packed_type *t = packed_type_of(dtypes[k]);
            float in[64], out[64];
            unsigned char blocks[2 * 34];
            for (int i = 0; i < 64; i++)
                in[i] = (float)(i % 32 - 16);
            in[5] = wrong[w];
            packed_pack(t, in, 64, blocks);
            packed_unpack(t, blocks, 0, 64, out);
            for (int i = 32; i < 64; i++)
                assert_true(fabsf(out[i] - in[i]) <= 16.0f / 7);
        }
}

int
main(int argc, char **argv)
{
    golden = argc > 1 ? argv[1] : "tests/reference/golden";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(halves_are_converted_in_runs),
        cmocka_unit_test(every_type_of_gguf),
        cmocka_unit_test(numbers_into_blocks),
        cmocka_unit_test(blocks_at_the_edges),
        cmocka_unit_test(numbers_of_8_bits),
        cmocka_unit_test(files_that_lie),
        cmocka_unit_test(shapes_of_old),
        cmocka_unit_test(shapes_of_none),
        cmocka_unit_test(no_numbers_into_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
