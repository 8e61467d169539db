// SPDX-License-Identifier: MIT
// scheduler_config.json: what diffusers' keys mean, and what is refused.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/model/scheduler_config.h"

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
    assert_true(read_text("{\"_class_name\": \"DPMSolverMultistepScheduler\","
                          " \"algorithm_type\": \"sde-dpmsolver++\", \"use_karras_sigmas\": true}",
                          &c, &err));
    assert_ptr_equal(c.sampler, sampler_find("dpm++sde"));
    assert_int_equal(c.spacing, SPACING_KARRAS);
    assert_int_equal(c.ends, SPACING_LINSPACE);
    assert_true(read_text("{\"_class_name\": \"EulerDiscreteScheduler\","
                          " \"timestep_spacing\": \"leading\", \"use_exponential_sigmas\": true}",
                          &c, &err));
    assert_ptr_equal(c.sampler, sampler_find("euler"));
    assert_int_equal(c.spacing, SPACING_EXPONENTIAL);
    assert_int_equal(c.ends, SPACING_LEADING);
    assert_int_equal(c.threshold, THRESHOLD_NONE);
    assert_true(read_text("{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"shift\": 3.0}",
                          &c, &err));
    assert_int_equal(c.schedule.kind, SCHEDULE_FLOW);
    assert_int_equal(c.prediction, PREDICTION_VELOCITY);
    assert_true(c.shift == 3 && !c.dynamic_shift);
    assert_true(read_text("{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\","
                          " \"use_dynamic_shifting\": true}", &c, &err) && c.dynamic_shift);

    static const char *const refused[] = {
        "[]",
        "{\"rescale_betas_zero_snr\": true}",
        "{\"trained_betas\": [0.1]}",
        "{\"solver_order\": 3}",
        "{\"algorithm_type\": \"sde-dpmsolver++\"}",
        "{\"algorithm_type\": \"dpmsolver\"}",
        "{\"beta_schedule\": \"sigmoid\"}",
        "{\"prediction_type\": \"flow_prediction\"}",
        "{\"beta_schedule\": \"flow\"}",
        "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"time_shift_type\": \"linear\"}",
        "{\"_class_name\": \"FlowMatchEulerDiscreteScheduler\", \"prediction_type\": \"epsilon\"}",
        "{\"final_sigmas_type\": \"sigma_min\"}",
        "{\"_class_name\": \"UniPCMultistepScheduler\", \"solver_type\": \"bh1\"}",
        "{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_type\": \"heun\"}",
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
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_config_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
