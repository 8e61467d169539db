// SPDX-License-Identifier: MIT
// The noise between two seeds: its ends are theirs bit for bit, and between them it is as long as
// noise is and turned by that part of the angle.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/diffusion/sampler.h"

enum { N = 2, SIDE = 64, ELEMENTS = SIDE * SIDE * 3 };
static const struct noise_shape shape = {SIDE, SIDE, 3, SIDE, SIDE};

static double
angle(const float *a, const float *b)
{
    double ab = 0, aa = 0, bb = 0;
    for (int i = 0; i < ELEMENTS; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    return acos(ab / sqrt(aa * bb));
}

static double
length(const float *a)
{
    double aa = 0;
    for (int i = 0; i < ELEMENTS; i++)
        aa += (double)a[i] * a[i];
    return sqrt(aa);
}

static void
between_two_seeds(void **state)
{
    static const double amounts[] = {0.05, 0.3, 0.5, 0.9};
    uint64_t seeds[N] = {7, 8}, other = 1000;
    float *from = malloc(sizeof(float) * N * ELEMENTS), *x = malloc(sizeof(float) * N * ELEMENTS);
    float *to = malloc(sizeof(float) * ELEMENTS);
    (void)state;
    sampler_noise(from, N, ELEMENTS, seeds);
    sampler_noise(to, 1, ELEMENTS, &other);
    memcpy(x, from, sizeof(float) * N * ELEMENTS);
    assert_true(sampler_vary(x, N, &shape, other, 0, NULL));
    assert_memory_equal(x, from, sizeof(float) * N * ELEMENTS);
    assert_true(sampler_vary(x, N, &shape, other, 1, NULL));
    for (int i = 0; i < N; i++)
        assert_memory_equal(x + i * ELEMENTS, to, sizeof(float) * ELEMENTS);
    for (size_t k = 0; k < sizeof amounts / sizeof *amounts; k++) {
        memcpy(x, from, sizeof(float) * N * ELEMENTS);
        assert_true(sampler_vary(x, N, &shape, other, amounts[k], NULL));
        for (int i = 0; i < N; i++) {
            const float *a = from + i * ELEMENTS, *b = x + i * ELEMENTS;
            assert_true(fabs(angle(a, b) / angle(a, to) - amounts[k]) < 0.01);
            assert_true(fabs(length(b) / sqrt(ELEMENTS) - 1) < 0.03);
        }
    }
    // Towards itself nothing happens that could be seen.
    memcpy(x, from, sizeof(float) * ELEMENTS);
    assert_true(sampler_vary(x, 1, &shape, seeds[0], 0.5, NULL));
    for (int i = 0; i < ELEMENTS; i++)
        assert_true(fabsf(x[i] - from[i]) <= 1e-6f * fabsf(from[i]));
    free(from);
    free(x);
    free(to);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(between_two_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
