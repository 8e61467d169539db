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
#include "engine/diffusion/spacing.h"

enum { C = 3, PIXELS = 64 * 64, N = 4, SIZE = N * PIXELS * C };

static const double MEAN = 0.3, DEVIATION = 0.5;
// The very first steps divide a prediction of the noise, rounded to f32, by alpha = 5e-5.
static const double LAMBDA_MIN = -5.1;
static const uint64_t seeds[N] = {1, 2, 3, 4};
static struct schedule *cosine, *flow;

enum answer {
    ANSWER_MEAN = 0, // E[x_0 | x_t], what training ends at
    ANSWER_END,      // where the probability flow from x_t ends, what distillation ends at
    ANSWER_GUIDED,   // as by guidance: a strong pull from one distribution to another
};

struct model {
    enum answer answer;
    enum prediction prediction;
    enum spacing spacing;
    const struct schedule *schedule; // NULL: cosine
    double lambda_min;
    const struct sampler_point *points; // of the run
    size_t size;
    int watch;                  // the step whose x and point are kept
    struct sampler_point watch_at, first; // out
    float *seen;                // out, NULL: nothing is kept
    int calls, step;            // out; step: the last one that asked
    int fail_at, nan_at;        // steps; 0: never (tests use later steps)
    atomic_int *cancel;
    int cancel_at;
};

static double
mean_of(double mean, double deviation, const struct sampler_point *p, double x)
{
    double variance = deviation * deviation, a = p->alpha, b = p->sigma;
    return mean + a * variance / (a * a * variance + b * b) * (x - a * mean);
}

static double
answer(enum answer kind, const struct sampler_point *p, double x)
{
    switch (kind) {
    case ANSWER_MEAN:
        return mean_of(MEAN, DEVIATION, p, x);
    case ANSWER_END:
        return MEAN + DEVIATION * (x - p->alpha * MEAN) / hypot(p->alpha * DEVIATION, p->sigma);
    case ANSWER_GUIDED:
        return 4 * mean_of(0.6, 0.3, p, x) - 3 * mean_of(-0.1, 0.6, p, x);
    }
    return NAN;
}

static const struct sampler_point *
point_of(const struct model *model, double t)
{
    const struct sampler_point *p = model->points;
    while (p->t != t)
        p++;
    return p;
}

static bool
perfect(void *ctx, const float *x, double t, int step, float *out, struct err *err)
{
    struct model *model = ctx;
    const struct sampler_point *p = point_of(model, t);
    double a = p->alpha, b = p->sigma;
    if (model->calls++ == 0)
        model->first = *p;
    if (model->seen != NULL && step == model->watch && model->step != step) {
        model->watch_at = *p;
        memcpy(model->seen, x, model->size * sizeof *x);
    }
    model->step = step;
    if (model->fail_at != 0 && step == model->fail_at)
        return err_set(err, ERR_DEVICE, "the test's model is broken");
    if (model->cancel != NULL && step == model->cancel_at)
        atomic_store(model->cancel, 1);
    for (size_t i = 0; i < model->size; i++) {
        double x0 = answer(model->answer, p, x[i]), noise = (x[i] - a * x0) / b;
        out[i] = (float)(model->prediction == PREDICTION_V          ? a * noise - b * x0
                         : model->prediction == PREDICTION_EPSILON  ? noise
                         : model->prediction == PREDICTION_VELOCITY ? noise - x0
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
    struct sampler_point *points =
        spacing_points(model->schedule ? model->schedule : cosine,
                       &(struct spacing_params){.count = count,
                                                .spacing = model->spacing,
                                                .extra_point = p.sampler->extra_point,
                                                .lambda_min = model->lambda_min},
                       &p.count, err);
    assert_non_null(points);
    p.points = model->points = points;
    p.n = p.n == 0 ? N : p.n;
    p.pixels = PIXELS;
    p.channels = C;
    p.seeds = p.seeds == NULL ? seeds : p.seeds;
    if (model->prediction == PREDICTION_NONE)
        model->prediction = model->schedule == flow ? PREDICTION_VELOCITY : PREDICTION_V;
    p.prediction = model->prediction;
    p.denoise = perfect;
    p.denoise_ctx = model;
    model->step = -1;
    model->size = p.n * PIXELS * C;
    sampler_noise(x, p.n, PIXELS * C, p.seeds);
    bool ok = sampler_run(&p, x, err);
    free(points);
    return ok;
}

static void
check_moments(const char *name, int count, struct model model, enum variance variance)
{
    float *x = mem_alloc(SIZE * sizeof *x);
    struct err err = {0};
    struct sampler_params p = {.variance = variance};
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
    if (!(fabs(mean - MEAN) <= 0.01 && fabs(deviation / DEVIATION - 1) <= 0.03))
        fail_msg("%s, %d steps: mean %.4f, deviation %.4f", name, count, mean, deviation);
    free(x);
}

static void
test_moments(void **state)
{
    struct model cut = {.lambda_min = LAMBDA_MIN}, straight = {.schedule = flow};
    struct model karras = {.spacing = SPACING_KARRAS, .lambda_min = LAMBDA_MIN};
    struct model even = {.spacing = SPACING_EXPONENTIAL};
    check_moments("ddpm", 256, cut, VARIANCE_FIXED_SMALL);
    check_moments("ddpm", 256, cut, VARIANCE_FIXED_LARGE);
    check_moments("ddim", 100, cut, 0);
    check_moments("euler", 100, cut, 0);
    check_moments("euler-a", 256, cut, 0);
    check_moments("dpm++", 30, cut, 0);
    check_moments("dpm++sde", 100, cut, 0);
    check_moments("heun", 30, cut, 0);
    check_moments("unipc", 20, cut, 0);
    check_moments("dpm++", 20, karras, 0);
    check_moments("euler", 250, karras, 0);
    check_moments("heun", 40, even, 0);
    check_moments("euler", 60, straight, 0);
    check_moments("heun", 20, straight, 0);
    check_moments("dpm++", 20, straight, 0);
    check_moments("unipc", 20, straight, 0);
    check_moments("euler-a", 256, straight, 0);
    check_moments("ddpm", 256, straight, 0);
    // A model that jumps to the end of the path is right after any number of steps.
    struct model jumps = {.answer = ANSWER_END, .lambda_min = LAMBDA_MIN};
    for (int steps = 1; steps <= 8; steps++)
        check_moments("lcm", steps, jumps, 0);
    jumps.schedule = flow;
    check_moments("lcm", 4, jumps, 0);
}

// The largest error of x at a point against the exact path, in deviations.
static double
path_error(const float *x, const float *start, struct sampler_point first,
           struct sampler_point end)
{
    double spread = hypot(first.alpha * DEVIATION, first.sigma), worst = 0;
    double spread_end = hypot(end.alpha * DEVIATION, end.sigma);
    for (int i = 0; i < SIZE; i++) {
        double z = (start[i] - first.alpha * MEAN) / spread;
        worst = fmax(worst, fabs(x[i] - (end.alpha * MEAN + spread_end * z)));
    }
    return worst / DEVIATION;
}

// Errors half-way and at the end.
static void
path_errors(const char *name, int count, struct model model, double *half, double *end)
{
    float *x = mem_alloc(SIZE * sizeof *x), *start = mem_alloc(SIZE * sizeof *start);
    struct err err = {0};
    model.seen = mem_alloc(SIZE * sizeof *model.seen);
    model.watch = count / 2;
    sampler_noise(start, N, PIXELS * C, seeds);
    if (!run(name, count, &model, (struct sampler_params){0}, x, &err))
        fail_msg("%s: %s", name, err.text);
    // Whatever the count, half-way is the same place; LAMBDA_MIN moves it where it applies.
    if (model.schedule == NULL)
        assert_true(model.watch_at.t == (sampler_find(name)->extra_point ? 495 : 499));
    *half = path_error(model.seen, start, model.first, model.watch_at);
    *end = path_error(x, start, model.first, schedule_clean());
    free(x);
    free(start);
    free(model.seen);
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
        bool flow;
    } rows[] = {
        {"ddim", 0.45, 0.55, 0.1, false},  {"euler", 0.45, 0.55, 0.1, false},
        {"dpm++", 0.2, 0.3, 0.02, false},  {"heun", 0.2, 0.36, 0.02, false},
        {"unipc", 0.1, 0.3, 0.02, false},  {"euler", 0.45, 0.55, 0.1, true},
        {"heun", 0.2, 0.3, 0.02, true},    {"dpm++", 0.2, 0.3, 0.02, true},
        {"unipc", 0.1, 0.3, 0.02, true},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (enum prediction p = PREDICTION_EPSILON; p <= PREDICTION_VELOCITY; p++) {
            double half[2], end[2];
            struct model m = {.prediction = p, .lambda_min = LAMBDA_MIN};
            if (rows[i].flow)
                m = (struct model){.prediction = PREDICTION_VELOCITY, .schedule = flow};
            if (rows[i].flow && p != PREDICTION_VELOCITY)
                continue;
            path_errors(rows[i].name, 40, m, &half[0], &end[0]);
            path_errors(rows[i].name, 80, m, &half[1], &end[1]);
            double ratio = half[1] / half[0];
            if (ratio < rows[i].low || ratio > rows[i].high || end[1] > rows[i].end)
                fail_msg("%s %s%s: errors %g %g half-way, %g at the end", rows[i].name,
                         prediction_name(p), rows[i].flow ? " flow" : "", half[0], half[1],
                         end[1]);
        }
    }
}

// With guidance and a threshold that acts, all deterministic samplers must still be on their way to
// one picture, whichever they are.
static void
test_one_picture(void **state)
{
    float *want = mem_alloc(SIZE * sizeof *want), *x = mem_alloc(SIZE * sizeof *x);
    struct sampler_params p = {.threshold = THRESHOLD_DYNAMIC, .threshold_quantile = 0.9, .n = 1};
    struct model model = {.answer = ANSWER_GUIDED};
    assert_true(run("dpm++", 600, &model, p, want, NULL));
    for (size_t s = 0; s < sampler_count(); s++) {
        if (sampler_at(s)->stochastic)
            continue;
        static const int counts[2] = {100, 600};
        double distance[2];
        for (int k = 0; k < 2; k++) {
            model = (struct model){.answer = ANSWER_GUIDED};
            assert_true(run(sampler_at(s)->name, counts[k], &model, p, x, NULL));
            distance[k] = 0;
            for (size_t i = 0; i < model.size; i++)
                distance[k] = fmax(distance[k], fabs(x[i] - want[i]));
        }
        // Half a step of 8-bit colour.
        if (!(distance[1] < 0.5 / 127.5) || !(distance[0] < 0.05))
            fail_msg("%s is %g of 2 away after 100 steps, %g after 600", sampler_at(s)->name,
                     distance[0], distance[1]);
    }
    free(want);
    free(x);
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
        struct sampler_params p = {.n = 2, .seeds = pair};
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
        assert_int_equal(model.step, 11);
        if (strcmp(name, "heun") == 0) // not at the very start, nor at the end
            assert_int_equal(model.calls, 22);
        else
            assert_int_equal(model.calls, 12);

        // A single step is the estimate itself.
        model = (struct model){.lambda_min = LAMBDA_MIN};
        watch = (struct watch){.size = SIZE};
        assert_true(run(name, 1, &model, p, x, &err));
        assert_true(fabs(watch.mean - MEAN) < 0.05);

        atomic_int cancel = 0;
        model = (struct model){.prediction = PREDICTION_V, .cancel = &cancel, .cancel_at = 4};
        p = (struct sampler_params){.cancel = &cancel};
        assert_false(run(name, 12, &model, p, x, &err));
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(model.step, 4);

        err_clear(&err);
        model = (struct model){.prediction = PREDICTION_V, .fail_at = 3};
        assert_false(run(name, 12, &model, (struct sampler_params){0}, x, &err));
        assert_string_equal(err.text, "the test's model is broken");

        err_clear(&err);
        model = (struct model){.prediction = PREDICTION_V, .nan_at = 2};
        assert_false(run(name, 12, &model, (struct sampler_params){0}, x, &err));
        assert_int_equal(err.code, ERR_DEVICE);
        assert_int_equal(model.step, 2);
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
    float y[8], scratch[4];
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_DYNAMIC, 1, 0, y, 2, 4, scratch);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], whole[i], 1e-6);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_DYNAMIC, 1, 1.5, y, 2, 4, scratch);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], bounded[i], 1e-6);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_CLIP, 0, 0, y, 2, 4, scratch);
    for (int i = 0; i < 8; i++)
        assert_float_equal(y[i], fmin(fmax(x[i], -1), 1), 0);
    memcpy(y, x, sizeof y);
    sampler_threshold(THRESHOLD_NONE, 0, 0, y, 2, 4, scratch);
    assert_memory_equal(x, y, sizeof x);
}

#ifdef LIMN_DUMMY_SAMPLER
// One row more in the table: the other tests of this file have tried it like the others. Its step
// is Euler's, written as the slope of x.
static bool
dummy_step(const struct sampler_step *s, struct err *err)
{
    (void)err;
    for (size_t i = 0; i < s->size; i++) {
        double noise = (s->x[i] - s->at.alpha * s->x0[i]) / s->at.sigma;
        s->x[i] = (float)(s->next.alpha * s->x0[i] + s->next.sigma * noise);
    }
    return true;
}

const struct sampler sampler_dummy = {
    .name = "dummy", .help = "a row that only a test has", .step = dummy_step};

static void
test_a_row_is_all_there_is_to_add(void **state)
{
    struct choice c = {0};
    size_t i = 0;
    (void)state;
    while (sampler_choice(i, &c) && strcmp(c.name, "dummy") != 0)
        i++;
    assert_true(i + 1 == sampler_count() && sampler_at(i) == &sampler_dummy);
    assert_string_equal(c.help, sampler_dummy.help);
    assert_ptr_equal(sampler_find("dummy"), &sampler_dummy);
    assert_ptr_not_equal(sampler_find("euler"), NULL);
}
#endif

int
main(void)
{
    cosine = schedule_create(&(struct schedule_params){0}, NULL);
    flow = schedule_create(&(struct schedule_params){.kind = SCHEDULE_FLOW}, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_one_picture), cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_running), cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_threshold),
#ifdef LIMN_DUMMY_SAMPLER
        cmocka_unit_test(test_a_row_is_all_there_is_to_add),
#endif
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    schedule_destroy(cosine);
    schedule_destroy(flow);
    return failed;
}
