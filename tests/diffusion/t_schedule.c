// SPDX-License-Identifier: MIT
// Schedules, predictions and spacings: formulas and refusals.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/spacing.h"

static double
cosine(double u)
{
    double at = cos((u + 0.008) / 1.008 * M_PI / 2), start = cos(0.008 / 1.008 * M_PI / 2);
    return at * at / (start * start);
}

// The product of (1 - beta) telescopes to the cosine curve itself, but for the capped last step.
static void
test_cosine_is_the_curve(void **state)
{
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    assert_int_equal(schedule_train_steps(s), 1000);
    for (int t = 0; t < 999; t++) {
        double want = cosine((t + 1) / 1000.0);
        assert_true(fabs(schedule_alpha_bar(s, t) - want) <= 1e-12);
        assert_true(schedule_alpha_bar(s, t) < schedule_alpha_bar(s, t - 1));
        double a = schedule_point(s, t).alpha, b = schedule_point(s, t).sigma;
        assert_true(fabs(a * a + b * b - 1) < 1e-15);
        assert_true(fabs(exp(schedule_lambda(s, t)) - a / b) < 1e-9 * a / b);
    }
    assert_true(schedule_alpha_bar(s, 999) == schedule_alpha_bar(s, 998) * (1 - 0.999));
    assert_true(schedule_alpha_bar(s, -1) == 1);
    schedule_destroy(s);
}

// epsilon, v, x_0 and velocity are four views of one thing, in schedules of both families (v in
// those it is for): the estimate made from each target is the picture, and cost is how it moves.
static void
test_targets_agree(void **state)
{
    enum { SIZE = 5 };
    static const float x0[SIZE] = {-1, -0.3f, 0, 0.7f, 1}, noise[SIZE] = {0.4f, -2, 1, 0, 3};
    static const enum schedule_kind kinds[] = {SCHEDULE_COSINE, SCHEDULE_FLOW};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        struct schedule *s = schedule_create(&(struct schedule_params){.kind = kinds[k]}, NULL);
        for (int t = 1; t < 1000; t += 111) {
            struct sampler_point at = schedule_point(s, t);
            float x[SIZE], y[SIZE];
            schedule_add_noise(at, x0, noise, x, SIZE);
            for (enum prediction p = PREDICTION_EPSILON; p < PREDICTION_COUNT; p++) {
                if (p == PREDICTION_V && kinds[k] == SCHEDULE_FLOW)
                    continue;
                prediction_target(p, at, x0, noise, y, SIZE);
                for (int i = 0; i < SIZE; i++) {
                    double got = prediction_x0(p, &at, x[i], y[i]);
                    assert_float_equal(got, x0[i], 1e-6 / at.alpha);
                    double moved = prediction_x0(p, &at, x[i], y[i] + 1);
                    double cost = prediction_loss_scale(p, schedule_snr(s, t));
                    assert_float_equal(fabs(moved - got), 1 / sqrt(cost), 2e-6 / at.alpha);
                }
            }
            assert_float_equal(schedule_snr(s, t), pow(at.alpha / at.sigma, 2),
                               1e-9 * schedule_snr(s, t));
        }
        schedule_destroy(s);
    }
}

// Between the steps of a table the ratio is met exactly, and time lies between.
static void
test_points_between(void **state)
{
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    for (int t = 0; t + 1 < 1000; t += 37) {
        struct sampler_point a = schedule_point(s, t), b = schedule_point(s, t + 1);
        double low = a.sigma / a.alpha, high = b.sigma / b.alpha, ratio = sqrt(low * high);
        struct sampler_point m = schedule_point_at_ratio(s, ratio);
        assert_float_equal(m.t, t + 0.5, 1e-6);
        assert_float_equal(m.sigma / m.alpha, ratio, 1e-12 * ratio);
        assert_float_equal(m.alpha * m.alpha + m.sigma * m.sigma, 1, 1e-12);
        assert_float_equal(schedule_point_at_ratio(s, low).t, t, 1e-6);
    }
    assert_true(schedule_point_at_ratio(s, 1e9).t == 999);
    assert_true(schedule_point_at_ratio(s, 1e-9).t == 0);
    schedule_destroy(s);
}

static void
test_bad_schedules(void **state)
{
    static const struct schedule_params rows[] = {
        {.train_steps = -1},
        {.train_steps = 1000000},
        {.kind = SCHEDULE_LINEAR, .beta_start = 0.5, .beta_end = 0.1},
        {.kind = SCHEDULE_LINEAR, .beta_end = 1},
        {.kind = SCHEDULE_LINEAR, .beta_start = NAN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        assert_null(schedule_create(&rows[i], &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static void
test_bad_timesteps(void **state)
{
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    static const struct spacing_params rows[] = {
        {.count = 0},
        {.count = 1001},
        {.count = 1000, .spacing = SPACING_LEADING, .extra_point = true},
        {.count = 10, .spacing = SPACING_LEADING, .offset = 100},
        {.sections = ""},
        {.sections = "smart"},
        {.sections = "10,,3"},
        {.sections = "10,3,"},
        {.sections = "10, 3"},
        {.sections = "-4"},
        {.sections = "0"},
        {.sections = "1001"},
        {.sections = "501,500"},
        {.sections = "99999999999999999999"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct err err = {0};
        int count;
        if (spacing_points(s, &rows[i], &count, &err) != NULL)
            fail_msg("row %zu was not refused", i);
        assert_int_equal(err.code, ERR_INPUT);
    }
    int count;
    struct sampler_point *t =
        spacing_points(s, &(struct spacing_params){.count = 1000}, &count, NULL);
    assert_int_equal(count, 1000);
    for (int i = 0; i < count; i++)
        assert_true(t[i].t == 999 - i);
    free(t);
    t = spacing_points(s, &(struct spacing_params){.sections = "500,2"}, &count, NULL);
    assert_int_equal(count, 502);
    assert_true(t[0].t == 999);
    assert_true(t[1].t == 500);
    assert_true(t[2].t == 499);
    assert_true(t[501].t == 0);
    free(t);
    schedule_destroy(s);
}

static void
test_names(void **state)
{
    static const char *const schedules[] = {"squaredcos_cap_v2", "linear", "scaled_linear", "flow"};
    for (int i = 1; i < SCHEDULE_KIND_COUNT; i++)
        assert_int_equal(schedule_kind_from_name(schedules[i - 1]), i);
    for (int i = 1; i < PREDICTION_COUNT; i++)
        assert_int_equal(prediction_from_name(prediction_name((enum prediction)i)), i);
    struct choice c;
    for (size_t i = 0; spacing_choice(i, &c); i++)
        assert_true(spacing_from_name(c.name) != SPACING_NONE && strlen(c.help) > 10);
    for (size_t i = 0; sampler_choice(i, &c); i++)
        assert_true(strcmp(sampler_at(i)->name, c.name) == 0 && strlen(c.help) > 10);
    for (int i = 1; i < SPACING_COUNT; i++)
        assert_int_equal(spacing_from_name(spacing_name((enum spacing)i)), i);
    static const char *const variances[] = {"fixed_small", "fixed_large", "learned_range"};
    for (int i = 0; i < VARIANCE_COUNT; i++)
        assert_int_equal(variance_from_name(variances[i]), i);
    for (size_t i = 0; i < sampler_count(); i++)
        assert_ptr_equal(sampler_find(sampler_at(i)->name), sampler_at(i));
    assert_null(sampler_find("ddpmm"));
    assert_null(sampler_find(NULL));
    assert_int_equal(prediction_from_name("none"), PREDICTION_NONE);
    assert_int_equal(variance_from_name("learned"), VARIANCE_COUNT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine_is_the_curve), cmocka_unit_test(test_targets_agree),
        cmocka_unit_test(test_points_between),      cmocka_unit_test(test_bad_schedules),
        cmocka_unit_test(test_bad_timesteps),       cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
