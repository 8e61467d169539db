// SPDX-License-Identifier: MIT
// The training objective of every prediction type in the schedules it is for: the picture can be
// had back from sample and answer, an answer that is off by d is off by the weight's share in the
// picture, and the steps cover the schedule.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/train/objective.h"

enum { SIZE = 5 };
static const float picture[SIZE] = {-1, -0.3f, 0, 0.7f, 1}, noise[SIZE] = {0.4f, -2, 1, 0, 3};

static const struct {
    enum schedule_kind kind;
    enum prediction prediction;
} rows[] = {
    {SCHEDULE_COSINE, PREDICTION_EPSILON}, {SCHEDULE_COSINE, PREDICTION_V},
    {SCHEDULE_LINEAR, PREDICTION_SAMPLE},  {SCHEDULE_SCALED_LINEAR, PREDICTION_V},
    {SCHEDULE_FLOW, PREDICTION_VELOCITY},
};

static void
check(const struct objective *o, int t)
{
    float answer[SIZE], sample[SIZE];
    memcpy(answer, picture, sizeof answer);
    double told = objective_apply(o, t, answer, noise, sample, SIZE);
    struct sampler_point at = schedule_point(o->schedule, t);
    assert_true(told == at.t);
    double snr = pow(at.alpha / at.sigma, 2), d = 0.25;
    for (int i = 0; i < SIZE; i++) {
        assert_float_equal(sample[i], at.alpha * picture[i] + at.sigma * noise[i], 1e-6);
        double x0 = prediction_x0(o->prediction, &at, sample[i], answer[i]);
        assert_float_equal(x0, picture[i], 1e-6 / at.alpha);
        // min-SNR: the weighted error of the answer is that of the picture, times min(snr, gamma).
        double off = prediction_x0(o->prediction, &at, sample[i], answer[i] + d) - x0;
        double want = off * off * fmin(snr, o->snr_gamma);
        assert_float_equal(d * d * objective_weight(o, t), want, 1e-5 * want + 1e-9);
    }
}

static void
test_answers(void **state)
{
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        struct schedule *s =
            schedule_create(&(struct schedule_params){.kind = rows[r].kind}, NULL);
        struct objective o = {s, rows[r].prediction, 5};
        for (int t = 7; t < 1000; t += 71)
            check(&o, t);
        o.snr_gamma = 0;
        assert_true(objective_weight(&o, 500) == 1);
        schedule_destroy(s);
    }
}

static void
test_steps(void **state)
{
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        struct schedule *s =
            schedule_create(&(struct schedule_params){.kind = rows[r].kind}, NULL);
        struct objective o = {.schedule = s, .prediction = rows[r].prediction};
        int first = objective_step(&o, 0), last = objective_step(&o, nextafter(1, 0));
        assert_int_equal(last - first, 999);
        for (int t = first; t <= last; t += 111)
            assert_true(schedule_point(s, t).sigma > 0 &&
                        isfinite(objective_weight(&(struct objective){s, o.prediction, 5}, t)));
        schedule_destroy(s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
