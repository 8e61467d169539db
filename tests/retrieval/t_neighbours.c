// SPDX-License-Identifier: MIT
// Nearest neighbours against their definition in double, by looking at every pair; duplicates that
// were planted; clusters. "t_neighbours N" measures N vectors of 256 instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/retrieval/clusters.h"
#include "engine/retrieval/looks.h"

static struct device *device;

// Rows with a common direction, as features of pictures have, so that many are nearly as near as
// others.
static struct vectors
make_vectors(int64_t count, int dimension, uint64_t seed)
{
    float *v = mem_alloc((size_t)dimension * sizeof *v);
    int8_t *rows = mem_alloc((size_t)count * (size_t)dimension);
    for (int64_t i = 0; i < count; i++) {
        rng_fill_normal(seed, RNG_STREAM_TEST, (uint64_t)i << 32, v, (size_t)dimension);
        for (int k = 0; k < dimension; k++)
            v[k] += 3;
        vectors_pack(v, dimension, rows + i * dimension);
    }
    free(v);
    return (struct vectors){rows, count, dimension};
}

static double
distance(const float *q, const int8_t *row, int n)
{
    double product = 0, qq = 0, rr = 0;
    for (int i = 0; i < n; i++) {
        product += (double)q[i] * (double)row[i];
        qq += (double)q[i] * (double)q[i];
        rr += (double)row[i] * (double)row[i];
    }
    return 1 - product / sqrt(qq * rr);
}

static int
compare(const void *a, const void *b)
{
    const struct neighbour *x = a, *y = b;
    return x->distance < y->distance   ? -1
           : x->distance > y->distance ? 1
           : x->row < y->row           ? -1
                                       : 1;
}

static void
check_against_every_pair(int64_t count, int dimension, int queries, int k)
{
    struct vectors v = make_vectors(count, dimension, 7);
    float *q = mem_alloc((size_t)queries * (size_t)dimension * sizeof *q);
    rng_fill_normal(8, RNG_STREAM_TEST, 0, q, (size_t)queries * (size_t)dimension);
    for (int i = 0; i < queries * dimension; i++)
        q[i] = 5 * (q[i] + 3);
    struct neighbour *out = mem_alloc((size_t)queries * (size_t)k * sizeof *out);
    struct neighbour *all = mem_alloc((size_t)count * sizeof *all);
    struct err err = {0};
    if (!neighbours_find(device, &v, q, queries, k, out, &err))
        fail_msg("%s", err.text);
    for (int i = 0; i < queries; i++) {
        for (int64_t r = 0; r < count; r++)
            all[r] = (struct neighbour){
                r, distance(q + i * dimension, v.rows + r * dimension, dimension)};
        qsort(all, (size_t)count, sizeof *all, compare);
        for (int n = 0; n < k; n++) {
            const struct neighbour *got = &out[i * k + n];
            assert_int_equal(got->row, n < count ? all[n].row : -1);
            if (n < count)
                assert_true(fabs(got->distance - all[n].distance) < 1e-12);
        }
    }
    free((void *)(uintptr_t)v.rows);
    free(q);
    free(out);
    free(all);
}

static void
exact(void **state)
{
    (void)state;
    check_against_every_pair(9000, 64, 9, 12); // more than two blocks
    check_against_every_pair(4096, 5, 131, 7); // one block to the last row; two rounds of queries
    check_against_every_pair(3, 288, 2, 5);    // fewer than were asked for
}

// Where many are at one distance, the first of them are the nearest.
static void
ties(void **state)
{
    (void)state;
    enum { COUNT = 5000, DIM = 8, K = 10 };
    static int8_t rows[COUNT][DIM];
    float q[DIM] = {1};
    struct neighbour out[K];
    for (int i = 0; i < COUNT; i++)
        rows[i][0] = 100;
    memset(rows[17], 0, sizeof rows[17]); // no direction: at distance 1
    rows[40][0] = -3;
    const struct vectors v = {rows[0], COUNT, DIM};
    assert_true(neighbours_find(device, &v, q, 1, K, out, NULL));
    for (int i = 0; i < K; i++) {
        assert_int_equal(out[i].row, i);
        assert_true(out[i].distance == 0);
    }
    const struct vectors few = {rows[17], 24, DIM};
    struct neighbour all[24];
    assert_true(neighbours_find(device, &few, q, 1, 24, all, NULL));
    assert_int_equal(all[22].row, 0);
    assert_true(all[22].distance == 1);
    assert_int_equal(all[23].row, 23);
    assert_true(fabs(all[23].distance - 2) < 1e-12);
}

static void
packing(void **state)
{
    (void)state;
    int8_t row[4];
    vectors_pack((const float[]){0.5f, -1, 0.25f, 0}, 4, row);
    assert_memory_equal(row, ((const int8_t[]){64, -127, 32, 0}), 4);
    vectors_pack((const float[]){NAN, INFINITY, 1, 0}, 4, row);
    assert_memory_equal(row, ((const int8_t[]){0, 0, 0, 0}), 4);
}

// --- duplicates

struct pairs {
    int64_t of[64], row[64];
    int count;
};

static void
on_pair(void *ctx, int64_t of, const struct neighbour *n)
{
    struct pairs *p = ctx;
    if (n->row != of && p->count < 64) {
        p->of[p->count] = of;
        p->row[p->count++] = n->row;
    }
}

enum { PLANTED = 12, PLANT_STEP = 331 };

// Copies of row 100 + i at i*331 + 50, off by one step of a component.
static struct vectors
plant(int64_t count, int dimension)
{
    struct vectors v = make_vectors(count, dimension, 21);
    int8_t *rows = (int8_t *)(uintptr_t)v.rows;
    for (int i = 0; i < PLANTED; i++) {
        int8_t *to = rows + (200 + i * PLANT_STEP) * dimension;
        memcpy(to, rows + (100 + i) * dimension, (size_t)dimension);
        to[i] = (int8_t)(to[i] > 0 ? to[i] - 1 : to[i] + 1);
    }
    return v;
}

static void
planted_duplicates(void **state)
{
    (void)state;
    enum { COUNT = 6000, DIM = 96 };
    struct vectors v = plant(COUNT, DIM);
    static int64_t rows[COUNT];
    for (int64_t i = 0; i < COUNT; i++)
        rows[i] = i;
    struct pairs found = {0};
    assert_true(neighbours_within(device, &v, rows, COUNT, 1e-4, on_pair, &found, NULL));
    assert_int_equal(found.count, 2 * PLANTED);
    for (int i = 0; i < PLANTED; i++) {
        assert_int_equal(found.of[i], 100 + i);
        assert_int_equal(found.row[i], 200 + i * PLANT_STEP);
    }
    free((void *)(uintptr_t)v.rows);
}

// --- clusters

// Ten bunches of rows about ten directions: six of each, in two of them two rows the same, in one
// two of one source.
static void
clusters(void **state)
{
    (void)state;
    enum { BUNCHES = 10, EACH = 6, DIM = 64, COUNT = BUNCHES * EACH };
    static int8_t rows[COUNT][DIM];
    static int64_t source[COUNT];
    float v[DIM], noise[DIM];
    for (int i = 0; i < COUNT; i++) {
        rng_fill_normal(5, RNG_STREAM_TEST, (uint64_t)(i % BUNCHES) << 32, v, DIM);
        rng_fill_normal(6, RNG_STREAM_TEST, (uint64_t)i << 32, noise, DIM);
        for (int k = 0; k < DIM; k++)
            v[k] += 0.2f * noise[k];
        vectors_pack(v, DIM, rows[i]);
        source[i] = i;
    }
    memcpy(rows[13], rows[3], DIM); // of bunch 3: five are left, enough
    memcpy(rows[14], rows[4], DIM); // of bunch 4: five
    source[44] = source[34];        // and one less: four
    const struct vectors all = {rows[0], COUNT, DIM};
    struct clusters_params p = {.nearest = EACH, .duplicate = 1e-6, .source = source};
    struct clusters c;
    assert_true(clusters_make(device, &all, &p, &c, NULL));
    assert_int_equal(c.keep, 5);
    assert_int_equal(c.count, COUNT - EACH); // each row but those of bunch 4
    for (int64_t i = 0; i < c.count; i++) {
        const int64_t *of = c.rows + i * c.keep;
        bool three = false, thirteen = false;
        for (int k = 0; k < c.keep; k++) {
            assert_int_equal(of[k] % BUNCHES, of[0] % BUNCHES);
            assert_int_not_equal(of[k] % BUNCHES, 4);
            three |= of[k] == 3;
            thirteen |= of[k] == 13;
            for (int m = 0; m < k; m++)
                assert_int_not_equal(of[m], of[k]);
        }
        assert_false(three && thirteen);
    }
    clusters_finish(&c);
}

// --- looks

// What all pictures have in common goes: vectors of features about one far-off point, whose angles
// are nearly nothing, get the angles that they have about that point, within what 1024 random signs
// leave (a deviation of 1/32 at most).
static void
looks(void **state)
{
    (void)state;
    enum { COUNT = 40, FEATURES = 2000, DIM = 1024 };
    static float x[COUNT][FEATURES], true_x[COUNT][FEATURES], y[COUNT][DIM];
    float shared[FEATURES];
    for (int i = 0; i < COUNT; i++) {
        rng_fill_normal(9, RNG_STREAM_TEST, (uint64_t)(i % 4) << 32, shared, FEATURES);
        rng_fill_normal(10, RNG_STREAM_TEST, (uint64_t)i << 32, true_x[i], FEATURES);
        for (int f = 0; f < FEATURES; f++) {
            true_x[i][f] += shared[f];
            x[i][f] = 50 + (float)(1 + f % 5) * true_x[i][f];
        }
    }
    for (int i = 0; i < COUNT; i++)
        x[i][7] = 6; // says nothing
    struct looks l;
    assert_true(looks_open(&l, FEATURES, DIM, NULL));
    looks_accumulate(&l, x[0], COUNT / 2);
    looks_accumulate(&l, x[COUNT / 2], COUNT / 2);
    looks_finish_statistics(&l);
    for (int i = 0; i < COUNT; i++)
        looks_of(&l, x[i], y[i]);
    looks_close(&l);
    double mean[FEATURES] = {0}, square[FEATURES] = {0};
    for (int i = 0; i < COUNT; i++)
        for (int f = 0; f < FEATURES; f++) {
            mean[f] += x[i][f] / (double)COUNT;
            square[f] += (double)x[i][f] * x[i][f] / COUNT;
        }
    for (int i = 1; i < COUNT; i++) {
        double ab = 0, aa = 0, bb = 0, AB = 0, AA = 0, BB = 0;
        for (int f = 0; f < FEATURES; f++) {
            double d = sqrt(square[f] - mean[f] * mean[f]);
            double a = f == 7 ? 0 : (x[0][f] - mean[f]) / d,
                   b = f == 7 ? 0 : (x[i][f] - mean[f]) / d;
            ab += a * b, aa += a * a, bb += b * b;
        }
        for (int k = 0; k < DIM; k++) {
            AB += (double)y[0][k] * y[i][k], AA += (double)y[0][k] * y[0][k];
            BB += (double)y[i][k] * y[i][k];
        }
        double want = ab / sqrt(aa * bb), got = AB / sqrt(AA * BB);
        assert_true(fabs(want - got) < 5. / 32);
        assert_true(i % 4 ? want < 0.1 : want > 0.3); // the angles are there to be found
    }
}

// --- speed

static int
measure(int64_t count)
{
    enum { DIM = 256, QUERIES = 100, K = 10 };
    int8_t *rows = mem_alloc((size_t)count * DIM);
    uint64_t x = 88172645463325252u;
    for (int64_t i = 0; i < count * DIM; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        rows[i] = (int8_t)(x >> 32);
    }
    static float q[QUERIES * DIM];
    static struct neighbour out[QUERIES * K];
    const struct vectors v = {rows, count, DIM};
    rng_fill_normal(1, RNG_STREAM_TEST, 0, q, QUERIES * DIM);
    for (int i = 0; i < 3; i++) {
        double start = clock_seconds();
        bool ok = neighbours_find(device, &v, q, QUERIES, K, out, NULL);
        printf("%s%lld x %d, %d queries: %.2f s\n", ok ? "" : "FAILED ", (long long)count, DIM,
               QUERIES, clock_seconds() - start);
    }
    free(rows);
    return 0;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact),   cmocka_unit_test(ties),     cmocka_unit_test(packing),
        cmocka_unit_test(planted_duplicates), cmocka_unit_test(clusters),
        cmocka_unit_test(looks),
    };
    device = device_open("cpu", NULL);
    int rc = argc > 1 ? measure(atoll(argv[1]))
                      : cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
    device_close(device);
    return rc;
}
