// SPDX-License-Identifier: MIT
// Schedules, timesteps and the scheduler's configuration file: formulas and refusals.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/diffusion/scheduler_config.h"

// The product of (1 - beta) telescopes to the cosine curve itself, but for the capped last step.
static void
test_cosine_is_the_curve(void **state)
{
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    assert_int_equal(schedule_train_steps(s), 1000);
    for (int t = 0; t < 999; t++) {
        double want = schedule_cosine_alpha_bar((t + 1) / 1000.0);
        assert_true(fabs(schedule_alpha_bar(s, t) - want) <= 1e-12);
        assert_true(schedule_alpha_bar(s, t) < schedule_alpha_bar(s, t - 1));
        double a = schedule_alpha(s, t), b = schedule_sigma(s, t);
        assert_true(fabs(a * a + b * b - 1) < 1e-15);
        assert_true(fabs(exp(schedule_lambda(s, t)) - a / b) < 1e-9 * a / b);
    }
    assert_true(schedule_beta(s, 999) == 0.999);
    assert_true(schedule_alpha(s, -1) == 1 && schedule_sigma(s, -1) == 0);
    assert_true(fabs(schedule_cosine_alpha_bar(1)) < 1e-12);
    schedule_destroy(s);
}

// epsilon, v and x_0 are three views of one thing: x_0 = alpha x_t - sigma v and
// epsilon = sigma x_t + alpha v.
static void
test_targets_agree(void **state)
{
    enum { SIZE = 5 };
    static const float x0[SIZE] = {-1, -0.3f, 0, 0.7f, 1}, noise[SIZE] = {0.4f, -2, 1, 0, 3};
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    for (int t = 0; t < 1000; t += 111) {
        float x[SIZE], v[SIZE], e[SIZE], y[SIZE];
        schedule_add_noise(s, t, x0, noise, x, SIZE);
        schedule_target(s, t, PREDICTION_V, x0, noise, v, SIZE);
        schedule_target(s, t, PREDICTION_EPSILON, x0, noise, e, SIZE);
        schedule_target(s, t, PREDICTION_SAMPLE, x0, noise, y, SIZE);
        double a = schedule_alpha(s, t), b = schedule_sigma(s, t);
        for (int i = 0; i < SIZE; i++) {
            assert_float_equal(a * x[i] - b * v[i], x0[i], 1e-6);
            assert_float_equal(b * x[i] + a * v[i], noise[i], 1e-6);
            assert_true(e[i] == noise[i] && y[i] == x0[i]);
        }
    }
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
    static const struct timesteps_params rows[] = {
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
        if (schedule_timesteps(s, &rows[i], &count, &err) != NULL)
            fail_msg("row %zu was not refused", i);
        assert_int_equal(err.code, ERR_INPUT);
    }
    int count, *t = schedule_timesteps(s, &(struct timesteps_params){.count = 1000}, &count, NULL);
    assert_int_equal(count, 1000);
    for (int i = 0; i < count; i++)
        assert_int_equal(t[i], 999 - i);
    free(t);
    t = schedule_timesteps(s, &(struct timesteps_params){.sections = "500,2"}, &count, NULL);
    assert_int_equal(count, 502);
    assert_int_equal(t[0], 999);
    assert_int_equal(t[1], 500);
    assert_int_equal(t[2], 499);
    assert_int_equal(t[501], 0);
    free(t);
    schedule_destroy(s);
}

static void
test_names(void **state)
{
    for (int i = 1; i < SCHEDULE_KIND_COUNT; i++)
        assert_int_equal(schedule_kind_from_name(schedule_kind_name((enum schedule_kind)i)), i);
    for (int i = 1; i < PREDICTION_COUNT; i++)
        assert_int_equal(prediction_from_name(prediction_name((enum prediction)i)), i);
    for (int i = 1; i < SPACING_COUNT; i++)
        assert_int_equal(spacing_from_name(spacing_name((enum spacing)i)), i);
    for (int i = 0; i < VARIANCE_COUNT; i++)
        assert_int_equal(variance_from_name(variance_name((enum variance)i)), i);
    for (size_t i = 0; i < sampler_count(); i++)
        assert_ptr_equal(sampler_find(sampler_at(i)->name), sampler_at(i));
    assert_null(sampler_find("ddpmm"));
    assert_null(sampler_find(NULL));
    assert_int_equal(prediction_from_name("none"), PREDICTION_NONE);
    assert_int_equal(variance_from_name("learned"), VARIANCE_COUNT);
}

static bool
read_text(const char *text, struct scheduler_config *c, struct err *err)
{
    struct jv *json = jv_parse(text, strlen(text), "test.json", err);
    assert_non_null(json);
    bool ok = scheduler_config_read(json, "test.json", c, err);
    jv_free(json);
    return ok;
}

static void
test_config(void **state)
{
    struct scheduler_config c;
    struct err err = {0};
    // As IF's stage I writes it.
    assert_true(read_text(
        "{\"_class_name\": \"DDPMScheduler\", \"beta_schedule\": \"squaredcos_cap_v2\","
        " \"clip_sample\": true, \"dynamic_thresholding_ratio\": 0.95, \"thresholding\": true,"
        " \"prediction_type\": \"epsilon\", \"sample_max_value\": 1.5, \"trained_betas\": null,"
        " \"variance_type\": \"learned_range\"}", &c, &err));
    assert_ptr_equal(c.sampler, sampler_find("ddpm"));
    assert_int_equal(c.schedule.kind, SCHEDULE_COSINE);
    assert_int_equal(c.schedule.train_steps, 1000);
    assert_int_equal(c.prediction, PREDICTION_EPSILON);
    assert_int_equal(c.variance, VARIANCE_LEARNED_RANGE);
    assert_int_equal(c.threshold, THRESHOLD_DYNAMIC);
    assert_int_equal(c.spacing, SPACING_LEADING);
    assert_true(c.threshold_max == 1.5 && c.threshold_quantile == 0.95 && c.lambda_min == 0);
    assert_true(read_text("{}", &c, &err));
    assert_int_equal(c.schedule.kind, SCHEDULE_LINEAR);
    assert_int_equal(c.threshold, THRESHOLD_CLIP);
    assert_true(read_text("{\"_class_name\": \"DPMSolverMultistepScheduler\","
                          " \"lambda_min_clipped\": -5.1, \"variance_type\": null,"
                          " \"prediction_type\": \"v_prediction\"}", &c, &err));
    assert_ptr_equal(c.sampler, sampler_find("dpm++"));
    assert_int_equal(c.threshold, THRESHOLD_NONE);
    assert_int_equal(c.spacing, SPACING_LINSPACE);
    assert_true(c.lambda_min == -5.1);

    static const char *const refused[] = {
        "[]",
        "{\"rescale_betas_zero_snr\": true}",
        "{\"trained_betas\": [0.1]}",
        "{\"solver_order\": 3}",
        "{\"algorithm_type\": \"sde-dpmsolver++\"}",
        "{\"beta_schedule\": \"sigmoid\"}",
        "{\"prediction_type\": \"flow_prediction\"}",
        "{\"variance_type\": \"learned\"}",
        "{\"timestep_spacing\": \"log\"}",
        "{\"num_train_timesteps\": 0}",
        "{\"dynamic_thresholding_ratio\": 2}",
    };
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        err_clear(&err);
        if (read_text(refused[i], &c, &err))
            fail_msg("%s was not refused", refused[i]);
        assert_int_equal(err.code, ERR_INPUT);
        assert_memory_equal(err.text, "test.json: ", 11);
    }
}

static void
test_config_file(void **state)
{
    char path[] = "/tmp/limn-scheduler-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *f = fdopen(fd, "w");
    fputs("{\"lambda_min_clipped\": -Infinity, \"steps_offset\": 1}\n", f);
    fclose(f);
    struct scheduler_config c = {0};
    struct err err = {0};
    bool ok = scheduler_config_load(path, &c, &err);
    remove(path);
    if (!ok)
        fail_msg("%s", err.text);
    assert_true(c.lambda_min == 0);
    assert_int_equal(c.offset, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine_is_the_curve), cmocka_unit_test(test_targets_agree),
        cmocka_unit_test(test_bad_schedules),       cmocka_unit_test(test_bad_timesteps),
        cmocka_unit_test(test_names),               cmocka_unit_test(test_config),
        cmocka_unit_test(test_config_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
