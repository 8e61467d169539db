// SPDX-License-Identifier: MIT
// Samplers on data whose answer is known: every element is drawn from N(MEAN, DEVIATION^2), for
// which the perfect model is a formula. With x_t = a x_0 + b noise,
//     E[x_0 | x_t] = m + a s^2 / (a^2 s^2 + b^2) * (x_t - a m)
// Stochastic samplers must give back mean and deviation. Deterministic ones follow the probability
// flow, whose solution keeps the place in the distribution: (x_t - a m) / sqrt(a^2 s^2 + b^2) stays
// what it was at the start, so each element has a known end.
// The other tests here are about running: seeds, cancelling, failing models.
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

enum { C = 3, PIXELS = 64 * 64, N = 4, SIZE = N * PIXELS * C };

static const double MEAN = 0.3, DEVIATION = 0.5;
// The very first steps divide a prediction of the noise, rounded to f32, by alpha = 5e-5.
static const double LAMBDA_MIN = -5.1;
static const uint64_t seeds[N] = {1, 2, 3, 4};
static struct schedule *schedule;

struct model {
    enum prediction prediction;
    size_t size;
    int first;   // out: the first timestep
    int watch;   // the step whose x and timestep are kept
    int watch_t; // out
    float *seen; // out, NULL: nothing is kept
    int calls, fail_at, nan_at; // steps; 0: never (tests use later steps)
    atomic_int *cancel;
    int cancel_at;
};

static bool
perfect(void *ctx, const float *x, double t, int step, float *out, struct err *err)
{
    struct model *model = ctx;
    if (model->calls++ == 0)
        model->first = (int)t;
    if (model->seen != NULL && step == model->watch) {
        model->watch_t = (int)t;
        memcpy(model->seen, x, model->size * sizeof *x);
    }
    if (model->fail_at != 0 && step == model->fail_at)
        return err_set(err, ERR_DEVICE, "the test's model is broken");
    if (model->cancel != NULL && step == model->cancel_at)
        atomic_store(model->cancel, 1);
    double a = schedule_alpha(schedule, (int)t), b = schedule_sigma(schedule, (int)t);
    double pull = a * DEVIATION * DEVIATION / (a * a * DEVIATION * DEVIATION + b * b);
    for (size_t i = 0; i < model->size; i++) {
        double x0 = MEAN + pull * (x[i] - a * MEAN), noise = (x[i] - a * x0) / b;
        out[i] = (float)(model->prediction == PREDICTION_V         ? a * noise - b * x0
                         : model->prediction == PREDICTION_EPSILON ? noise
                                                                   : x0);
    }
    if (model->nan_at != 0 && step == model->nan_at)
        out[model->size / 2] = NAN;
    return true;
}

// Runs from the noise of `seeds`; x (N,PIXELS,C).
static bool
run(const char *name, int count, struct model *model, struct sampler_params p, float *x,
    struct err *err)
{
    p.sampler = sampler_find(name);
    int *t = schedule_timesteps(
        schedule,
        &(struct timesteps_params){.count = count,
                                   .extra_point = p.sampler->extra_point,
                                   .lambda_min = LAMBDA_MIN},
        &p.count, err);
    assert_non_null(t);
    p.schedule = schedule;
    p.timesteps = t;
    p.n = p.n == 0 ? N : p.n;
    p.pixels = PIXELS;
    p.channels = C;
    p.seeds = p.seeds == NULL ? seeds : p.seeds;
    p.prediction = model->prediction;
    p.denoise = perfect;
    p.denoise_ctx = model;
    model->size = p.n * PIXELS * C;
    sampler_noise(x, p.n, PIXELS * C, p.seeds);
    bool ok = sampler_run(&p, x, err);
    free(t);
    return ok;
}

static void
check_moments(const char *name, int count, struct sampler_params p)
{
    float *x = mem_alloc(SIZE * sizeof *x);
    struct err err = {0};
    struct model model = {.prediction = PREDICTION_V};
    if (!run(name, count, &model, p, x, &err))
        fail_msg("%s: %s", name, err.text);
    double sum = 0, squares = 0;
    for (int i = 0; i < SIZE; i++)
        sum += x[i];
    double mean = sum / SIZE;
    for (int i = 0; i < SIZE; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double deviation = sqrt(squares / SIZE);
    // Chance alone: 0.0023 and 0.0016. The rest is what finitely many steps may cost.
    if (fabs(mean - MEAN) > 0.01 || fabs(deviation / DEVIATION - 1) > 0.03)
        fail_msg("%s, %d steps: mean %.4f, deviation %.4f", name, count, mean, deviation);
    free(x);
}

static void
test_moments(void **state)
{
    check_moments("ddpm", 256, (struct sampler_params){0});
    check_moments("ddpm", 256, (struct sampler_params){.variance = VARIANCE_FIXED_LARGE});
    check_moments("ddim", 100, (struct sampler_params){0});
    check_moments("ddim", 256, (struct sampler_params){.eta = 0.5});
    check_moments("ddim", 256, (struct sampler_params){.eta = 1});
    check_moments("dpm++", 30, (struct sampler_params){0});
}

// The largest error of x at timestep t (-1: the end) against the exact path, in deviations.
static double
path_error(const float *x, const float *start, int first, int t)
{
    double a = schedule_alpha(schedule, first), b = schedule_sigma(schedule, first);
    double a_end = schedule_alpha(schedule, t), b_end = schedule_sigma(schedule, t), worst = 0;
    double spread = hypot(a * DEVIATION, b), spread_end = hypot(a_end * DEVIATION, b_end);
    for (int i = 0; i < SIZE; i++) {
        double z = (start[i] - a * MEAN) / spread;
        worst = fmax(worst, fabs(x[i] - (a_end * MEAN + spread_end * z)));
    }
    return worst / DEVIATION;
}

// Errors half-way and at the end.
static void
path_errors(const char *name, int count, enum prediction prediction, double *half, double *end)
{
    float *x = mem_alloc(SIZE * sizeof *x), *start = mem_alloc(SIZE * sizeof *start);
    struct err err = {0};
    float *seen = mem_alloc(SIZE * sizeof *seen);
    struct model model = {.prediction = prediction, .watch = count / 2, .seen = seen};
    sampler_noise(start, N, PIXELS * C, seeds);
    if (!run(name, count, &model, (struct sampler_params){0}, x, &err))
        fail_msg("%s: %s", name, err.text);
    // Whatever the count, half-way is the same place; LAMBDA_MIN moves it where it applies.
    assert_int_equal(model.watch_t, sampler_find(name)->extra_point ? 495 : 499);
    *half = path_error(seen, start, model.first, model.watch_t);
    *end = path_error(x, start, model.first, -1);
    free(x);
    free(start);
    free(seen);
}

// First order: half the error for twice the steps; second order: a quarter. That is measured
// half-way: towards the end the steps of log-SNR do not shrink with their number, and the last step
// jumps to the estimate, which costs (sigma/deviation)^2/2 on these data.
static void
test_paths(void **state)
{
    static const struct {
        const char *name;
        double low, high; // ratio of errors, 40 to 80 steps
        double end;       // error at the end of 80 steps
    } rows[] = {{"ddim", 0.45, 0.55, 0.1}, {"dpm++", 0.2, 0.3, 0.02}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (enum prediction p = PREDICTION_EPSILON; p < PREDICTION_COUNT; p++) {
            double half[2], end[2];
            path_errors(rows[i].name, 40, p, &half[0], &end[0]);
            path_errors(rows[i].name, 80, p, &half[1], &end[1]);
            double ratio = half[1] / half[0];
            if (ratio < rows[i].low || ratio > rows[i].high || end[1] > rows[i].end)
                fail_msg("%s %s: errors %g %g half-way, %g at the end", rows[i].name,
                         prediction_name(p), half[0], half[1], end[1]);
        }
    }
}

// A picture depends on its own seed, not on its neighbours in the batch.
static void
test_seeds(void **state)
{
    for (size_t s = 0; s < sampler_count(); s++) {
        const char *name = sampler_at(s)->name;
        float *both = mem_alloc(SIZE * sizeof *both), *one = mem_alloc(SIZE * sizeof *one);
        static const uint64_t pair[2] = {11, 12};
        struct model model = {.prediction = PREDICTION_V};
        struct sampler_params p = {.n = 2, .seeds = pair, .eta = 0.7};
        assert_true(run(name, 10, &model, p, both, NULL));
        p.n = 1;
        p.seeds = pair + 1;
        assert_true(run(name, 10, &model, p, one, NULL));
        assert_memory_equal(both + PIXELS * C, one, PIXELS * C * sizeof *one);
        assert_memory_not_equal(both, one, PIXELS * C * sizeof *one);
        free(both);
        free(one);
    }
}

struct watch {
    int last, total;
    size_t size;
    double mean;
};

static void
watch_progress(void *ctx, int step, int total, const float *x0)
{
    struct watch *w = ctx;
    assert_int_equal(step, w->last + 1);
    w->last = step;
    w->total = total;
    w->mean = 0;
    for (size_t i = 0; i < w->size; i++)
        w->mean += x0[i] / (double)w->size;
    assert_true(fabs(w->mean - MEAN) < 0.05); // an estimate of the clean picture from step 1 on
}

static void
test_running(void **state)
{
    float *x = mem_alloc(SIZE * sizeof *x);
    for (size_t s = 0; s < sampler_count(); s++) {
        const char *name = sampler_at(s)->name;
        struct watch watch = {.size = SIZE};
        struct sampler_params p = {.progress = watch_progress, .progress_ctx = &watch};
        struct err err = {0};
        struct model model = {.prediction = PREDICTION_V};
        assert_true(run(name, 12, &model, p, x, &err));
        assert_int_equal(watch.last, 12);
        assert_int_equal(watch.total, 12);
        assert_int_equal(model.calls, 12);

        atomic_int cancel = 0;
        model = (struct model){.prediction = PREDICTION_V, .cancel = &cancel, .cancel_at = 4};
        p = (struct sampler_params){.cancel = &cancel};
        assert_false(run(name, 12, &model, p, x, &err));
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(model.calls, 5);

        err_clear(&err);
        model = (struct model){.prediction = PREDICTION_V, .fail_at = 3};
        assert_false(run(name, 12, &model, (struct sampler_params){0}, x, &err));
        assert_string_equal(err.text, "the test's model is broken");

        err_clear(&err);
        model = (struct model){.prediction = PREDICTION_V, .nan_at = 2};
        assert_false(run(name, 12, &model, (struct sampler_params){0}, x, &err));
        assert_int_equal(err.code, ERR_DEVICE);
        assert_int_equal(model.calls, 3);
    }
    free(x);
}

static int
ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// The quantile by sorting, on values with many ties (flat pictures), sorted, reversed and random.
static void
test_quantile(void **state)
{
    enum { MAX_COUNT = 301 };
    static const double shares[] = {0, 0.001, 0.25, 0.5, 0.95, 0.995, 1};
    for (int kind = 0; kind < 5; kind++) {
        for (int n = 1; n <= MAX_COUNT; n += n < 20 ? 1 : 47) {
            float values[MAX_COUNT], sorted[MAX_COUNT];
            for (int i = 0; i < n; i++)
                values[i] = kind == 0   ? 1.0f
                            : kind == 1 ? (float)i
                            : kind == 2 ? (float)(n - i)
                            : kind == 3 ? (float)(i * 7919 % 5)
                                        : (float)sin(i * 12.9898) * 43758.5f;
            memcpy(sorted, values, sizeof sorted);
            qsort(sorted, (size_t)n, sizeof *sorted, ascending);
            for (size_t k = 0; k < COUNT_OF(shares); k++) {
                double at = shares[k] * (n - 1), low = floor(at), high = fmin(low + 1, n - 1);
                double want =
                    sorted[(int)low] + (at - low) * (sorted[(int)high] - sorted[(int)low]);
                double got = sampler_quantile(values, (size_t)n, shares[k]);
                if (fabs(got - want) > 1e-6 * (1 + fabs(want)))
                    fail_msg("kind %d, n %d, share %g: %g, wanted %g", kind, n, shares[k], got,
                             want);
            }
        }
    }
}

static void
test_threshold(void **state)
{
    // Two pictures of four: the first stays inside, the second has s = 3 at share 1, or its bound.
    float x[8] = {-0.5f, 0.2f, 1, 0.9f, -3, 1.5f, 0.3f, 3};
    static const float whole[8] = {-0.5f, 0.2f, 1, 0.9f, -1, 0.5f, 0.1f, 1};
    static const float bounded[8] = {-0.5f, 0.2f, 1, 0.9f, -1, 1, 0.2f, 1};
    float y[8];
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_DYNAMIC, 1, 0, y, 2, 4);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], whole[i], 1e-6);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_DYNAMIC, 1, 1.5, y, 2, 4);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], bounded[i], 1e-6);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_CLIP, 0, 0, y, 2, 4);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], fmin(fmax(x[i], -1), 1), 0);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_NONE, 0, 0, y, 2, 4);
    assert_memory_equal(x, y, sizeof x);
}

int
main(void)
{
    schedule = schedule_create(&(struct schedule_params){0}, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),  cmocka_unit_test(test_paths),
        cmocka_unit_test(test_seeds),    cmocka_unit_test(test_running),
        cmocka_unit_test(test_quantile), cmocka_unit_test(test_threshold),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    schedule_destroy(schedule);
    return failed;
}
