// SPDX-License-Identifier: MIT
// Noise of any size: at the base's own it is the base's bit for bit; where sizes divide, sums of
// cells are the base's cells; at every size it is white, by its covariance over many seeds, and its
// coarse part is the base's.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/diffusion/sampler.h"

static float *
noise(const struct noise_shape *s, const uint64_t *seeds, size_t n)
{
    float *x = malloc(n * (size_t)(s->height * s->width * s->channels) * sizeof *x);
    assert_true(sampler_noise_at(x, n, s, seeds, NULL));
    return x;
}

static void
own_size_is_the_base(void **state)
{
    const struct noise_shape s = {9, 7, 3, 9, 7};
    uint64_t seeds[2] = {5, 6};
    float plain[2 * 9 * 7 * 3], *x = noise(&s, seeds, 2);
    (void)state;
    sampler_noise(plain, 2, 9 * 7 * 3, seeds);
    assert_memory_equal(x, plain, sizeof plain);
    free(x);
}

// Twice as high and three times as wide: six cells sum to one of the base, by the root of their
// number.
static void
cells_sum_to_the_base(void **state)
{
    enum { H = 6, W = 5, C = 2, UP = 2, ACROSS = 3 };
    const struct noise_shape s = {UP * H, ACROSS * W, C, H, W};
    uint64_t seed = 11;
    float base[H * W * C], *x = noise(&s, &seed, 1);
    (void)state;
    sampler_noise(base, 1, H * W * C, &seed);
    for (int i = 0; i < H * W * C; i++) {
        int y = i / (W * C), column = i / C % W, c = i % C;
        double sum = 0;
        for (int k = 0; k < UP * ACROSS; k++)
            sum += x[((y * UP + k / ACROSS) * ACROSS * W + column * ACROSS + k % ACROSS) * C + c];
        assert_true(fabs(sum / sqrt(UP * ACROSS) - base[i]) < 1e-5);
    }
    free(x);
}

// A coarse cell from fine ones, by the areas that they share.
static double
area(const float *x, int height, int width, int y, int column, int rows, int columns)
{
    double sum = 0;
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++) {
            double h = fmin((i + 1.0) / height, (y + 1.0) / rows) -
                       fmax((double)i / height, (double)y / rows);
            double w = fmin((j + 1.0) / width, (column + 1.0) / columns) -
                       fmax((double)j / width, (double)column / columns);
            sum += h > 0 && w > 0
                       ? h * w * sqrt((double)height * width * rows * columns) * x[i * width + j]
                       : 0;
        }
    return sum;
}

static void
white_and_of_one_composition(void **state)
{
    enum { SEEDS = 6000, BASE = 4, MOST = 42 };
    static const int sizes[][2] = {{4, 6}, {5, 4}, {7, 6}, {3, 3}, {2, 7}, {6, 3}};
    static double moment[MOST][MOST];
    (void)state;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const struct noise_shape s = {sizes[k][0], sizes[k][1], 1, BASE, BASE};
        int n = s.height * s.width, rows = s.height < BASE ? s.height : BASE,
            columns = s.width < BASE ? s.width : BASE;
        double same = 0, one = 0, two = 0;
        memset(moment, 0, sizeof moment);
        for (uint64_t seed = 0; seed < SEEDS; seed++) {
            float base[BASE * BASE], *x = noise(&s, &seed, 1);
            sampler_noise(base, 1, BASE * BASE, &seed);
            for (int i = 0; i < n; i++)
                for (int j = 0; j <= i; j++)
                    moment[i][j] += (double)x[i] * x[j] / SEEDS;
            for (int i = 0; i < rows * columns && seed < 500; i++) {
                double a = area(x, s.height, s.width, i / columns, i % columns, rows, columns);
                double b = area(base, BASE, BASE, i / columns, i % columns, rows, columns);
                same += a * b;
                one += a * a;
                two += b * b;
            }
            free(x);
        }
        // Five deviations of a mean of so many products; of a variance it is twice as much.
        for (int i = 0; i < n; i++)
            for (int j = 0; j <= i; j++)
                assert_true(fabs(moment[i][j] - (i == j)) < 5 * sqrt((i == j ? 2.0 : 1.0) / SEEDS));
        assert_true(same / sqrt(one * two) > 0.93);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_size_is_the_base),
        cmocka_unit_test(cells_sum_to_the_base),
        cmocka_unit_test(white_and_of_one_composition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
