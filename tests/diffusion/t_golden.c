// SPDX-License-Identifier: MIT
// Schedules, timesteps, thresholds and whole chains against diffusers: the numbers are made by
// tests/reference/schedulers.py, which also says what the pseudo model is.
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
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/spacing.h"
#include "engine/tensor/safetensors.h"

enum { N = 2, SIDE = 4, C = 3, SIZE = N * SIDE * SIDE * C };

static struct safetensors *golden;

static const struct tensor_view *
find(const char *a, const char *b)
{
    char name[128];
    snprintf(name, sizeof name, "%s/%s", a, b);
    const struct tensor_view *v = safetensors_find(golden, name);
    if (v == NULL)
        fail_msg("no tensor %s in the golden file", name);
    return v;
}

// Whole timesteps are equal; those between steps are f32 in the file.
static void
check_timesteps(const char *name, const struct tensor_view *want, const struct sampler_point *p,
                int count)
{
    int64_t n = shape_count(&want->shape);
    if (n != count)
        fail_msg("%s: %d timesteps, wanted %lld", name, count, (long long)n);
    double allowed = want->dtype == DTYPE_I64 ? 0 : 2e-3;
    for (int i = 0; i < count; i++) {
        double w = dtype_load(want->dtype, want->data, i);
        if (!(fabs(w - p[i].t) <= allowed))
            fail_msg("%s: timestep %d is %g, wanted %g", name, i, p[i].t, w);
    }
}

// --- Tables ----------------------------------------------------------------------------------

static void
test_alphas(void **state)
{
    static const struct schedule_params rows[] = {
        {.kind = SCHEDULE_COSINE},
        {.kind = SCHEDULE_LINEAR},
        {.kind = SCHEDULE_SCALED_LINEAR, .beta_start = 0.00085, .beta_end = 0.012},
    };
    static const char *const names[] = {"cosine", "linear", "scaled_linear"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct schedule *s = schedule_create(&rows[i], NULL);
        const float *exact = find("alphas_cumprod", names[i])->data;
        const float *f32 = find("alphas_cumprod_f32", names[i])->data;
        for (int t = 0; t < 1000; t++) {
            double got = schedule_alpha_bar(s, t);
            if (fabs(got - exact[t]) > 1e-7 * exact[t])
                fail_msg("%s: alpha_bar(%d) is %.9g, wanted %.9g", names[i], t, got, exact[t]);
            // What f32 tables lose: up to 1e-4 at the end of the cosine schedule.
            if (fabs(got - f32[t]) > (t < 990 ? 1e-5 : 2e-4) * got)
                fail_msg("%s: alpha_bar(%d) is %.9g, f32 %.9g", names[i], t, got, f32[t]);
        }
        schedule_destroy(s);
    }
}

static void
test_timesteps(void **state)
{
    struct schedule *s = schedule_create(&(struct schedule_params){0}, NULL);
    static const int counts[] = {1, 7, 30, 256};
    for (enum spacing spacing = SPACING_NONE + 1; spacing <= SPACING_LINSPACE; spacing++) {
        for (size_t i = 0; i < COUNT_OF(counts); i++) {
            for (int kind = 0; kind < 3; kind++) {
                struct spacing_params p = {.count = counts[i],
                                             .spacing = spacing,
                                             .extra_point = kind > 0,
                                             .lambda_min = kind == 2 ? -5.1 : 0};
                char name[64];
                snprintf(name, sizeof name, "%s_%s_%d%s", kind > 0 ? "dpm" : "ddpm",
                         spacing_name(spacing), counts[i], kind == 2 ? "_clipped" : "");
                struct err err = {0};
                int count;
                struct sampler_point *t = spacing_points(s, &p, &count, &err);
                if (t == NULL)
                    fail_msg("%s: %s", name, err.text);
                check_timesteps(name, find("timesteps", name), t, count);
                free(t);
            }
        }
    }
    static const char *const respacings[] = {"fast27",   "smart27", "smart50", "smart100",
                                             "smart185", "super27", "super40", "super100"};
    for (size_t i = 0; i < COUNT_OF(respacings); i++) {
        struct err err = {0};
        int count;
        struct sampler_point *t = spacing_points(
            s, &(struct spacing_params){.sections = respacings[i]}, &count, &err);
        if (t == NULL)
            fail_msg("%s: %s", respacings[i], err.text);
        check_timesteps(respacings[i], find("timesteps", respacings[i]), t, count);
        free(t);
    }
    schedule_destroy(s);
}

static void
test_threshold(void **state)
{
    const struct tensor_view *x = find("threshold", "x"), *shares = find("threshold", "shares");
    const float *quantiles = find("threshold", "quantiles")->data;
    enum { PICTURES = 3, ELEMENTS = 75 };
    assert_int_equal(x->size, sizeof(float) * PICTURES * ELEMENTS);
    size_t share_count = shares->size / sizeof(float);
    for (size_t q = 0; q < share_count; q++) {
        for (size_t i = 0; i < PICTURES; i++) {
            float magnitude[ELEMENTS];
            for (size_t k = 0; k < ELEMENTS; k++)
                magnitude[k] = fabsf(((const float *)x->data)[i * ELEMENTS + k]);
            double got = sampler_quantile(magnitude, ELEMENTS, ((const float *)shares->data)[q]);
            assert_float_equal(got, quantiles[q * PICTURES + i], 1e-6);
        }
    }
    float got[PICTURES * ELEMENTS], scratch[ELEMENTS];
    const float *want = find("threshold", "dynamic")->data;
    memcpy(got, x->data, sizeof got);
    sampler_threshold(THRESHOLD_DYNAMIC, 0.95, 1.5, got, PICTURES, ELEMENTS, scratch);
    for (size_t i = 0; i < COUNT_OF(got); i++)
        assert_float_equal(got[i], want[i], 1e-6);
}

// --- Chains ----------------------------------------------------------------------------------

#define COSINE .kind = SCHEDULE_COSINE
#define LINEAR .kind = SCHEDULE_LINEAR
#define FLOW .kind = SCHEDULE_FLOW
#define CLIP .threshold = THRESHOLD_CLIP
#define DYNAMIC                                                                                    \
    .threshold = THRESHOLD_DYNAMIC, .threshold_max = 1.5, .threshold_quantile = 0.95

static const struct chain {
    const char *name, *sampler;
    struct schedule_params schedule;
    struct spacing_params timesteps;
    struct sampler_params sampling;
} chains[] = {
    {"ddpm_v_leading", "ddpm", {COSINE}, {10, SPACING_LEADING}, {.prediction = PREDICTION_V, CLIP}},
    {"ddpm_v_large",
     "ddpm",
     {COSINE},
     {8, SPACING_LEADING},
     {.prediction = PREDICTION_V, .variance = VARIANCE_FIXED_LARGE, DYNAMIC}},
    {"ddpm_eps_if",
     "ddpm",
     {COSINE},
     {.sections = "smart27"},
     {.prediction = PREDICTION_EPSILON,
      .variance = VARIANCE_LEARNED_RANGE,
      .model_channels = 2 * C,
      DYNAMIC}},
    {"ddpm_eps_linear",
     "ddpm",
     {.kind = SCHEDULE_LINEAR},
     {20, SPACING_LINSPACE},
     {.prediction = PREDICTION_EPSILON, CLIP}},
    {"ddim_v_trailing", "ddim", {COSINE}, {10, SPACING_TRAILING}, {.prediction = PREDICTION_V}},
    {"ddim_v_leading", "ddim", {COSINE}, {20, SPACING_LEADING}, {.prediction = PREDICTION_V, CLIP}},
    {"ddim_eps_dynamic",
     "ddim",
     {COSINE},
     {20, SPACING_TRAILING},
     {.prediction = PREDICTION_EPSILON, DYNAMIC}},
    {"ddim_sample_scaled",
     "ddim",
     {.kind = SCHEDULE_SCALED_LINEAR, .beta_start = 0.00085, .beta_end = 0.012},
     {10, SPACING_LEADING},
     {.prediction = PREDICTION_SAMPLE}},
    {"dpm_v_linspace", "dpm++", {COSINE}, {12, SPACING_LINSPACE}, {.prediction = PREDICTION_V}},
    {"dpm_v_trailing",
     "dpm++",
     {COSINE},
     {20, SPACING_TRAILING, .lambda_min = -5.1},
     {.prediction = PREDICTION_V}},
    {"dpm_eps_leading",
     "dpm++",
     {COSINE},
     {20, SPACING_LEADING, .offset = 1, .lambda_min = -5.1},
     {.prediction = PREDICTION_EPSILON, DYNAMIC}},
    {"dpm_eps_linear",
     "dpm++",
     {.kind = SCHEDULE_LINEAR},
     {16, SPACING_LINSPACE},
     {.prediction = PREDICTION_EPSILON}},
    {"dpm_sde_v_trailing",
     "dpm++sde",
     {COSINE},
     {12, SPACING_TRAILING, .lambda_min = -5.1},
     {.prediction = PREDICTION_V}},
    {"dpm_sde_eps_linear",
     "dpm++sde",
     {LINEAR},
     {20, SPACING_LEADING},
     {.prediction = PREDICTION_EPSILON, DYNAMIC}},
    {"unipc_v_linspace", "unipc", {COSINE}, {10, SPACING_LINSPACE}, {.prediction = PREDICTION_V}},
    {"unipc_eps_linear",
     "unipc",
     {LINEAR},
     {8, SPACING_LEADING},
     {.prediction = PREDICTION_EPSILON, DYNAMIC}},
    {"lcm_v", "lcm", {COSINE}, {4, SPACING_TRAILING}, {.prediction = PREDICTION_V}},
    {"lcm_eps_leading", "lcm", {LINEAR}, {4, SPACING_LEADING}, {.prediction = PREDICTION_EPSILON}},
    {"euler_v_trailing", "euler", {COSINE}, {10, SPACING_TRAILING}, {.prediction = PREDICTION_V}},
    {"euler_eps_karras",
     "euler",
     {LINEAR},
     {12, SPACING_KARRAS, .ends = SPACING_LEADING},
     {.prediction = PREDICTION_EPSILON}},
    {"euler_v_exponential",
     "euler",
     {COSINE},
     {9, SPACING_EXPONENTIAL},
     {.prediction = PREDICTION_V}},
    {"euler_a_v_trailing",
     "euler-a",
     {COSINE},
     {12, SPACING_TRAILING},
     {.prediction = PREDICTION_V}},
    {"euler_a_eps_leading",
     "euler-a",
     {LINEAR},
     {10, SPACING_LEADING},
     {.prediction = PREDICTION_EPSILON}},
    {"heun_v_leading", "heun", {COSINE}, {8, SPACING_LEADING}, {.prediction = PREDICTION_V}},
    {"heun_eps_karras",
     "heun",
     {LINEAR},
     {10, SPACING_KARRAS, .ends = SPACING_LEADING},
     {.prediction = PREDICTION_EPSILON, CLIP}},
    {"flow_euler", "euler", {FLOW}, {6, .shift = 3}, {.prediction = PREDICTION_VELOCITY}},
    {"flow_euler_mu",
     "euler",
     {FLOW},
     {4, .shift = 7.614086358779973},
     {.prediction = PREDICTION_VELOCITY}},
    {"flow_euler_karras",
     "euler",
     {FLOW},
     {7, SPACING_KARRAS},
     {.prediction = PREDICTION_VELOCITY}},
    {"flow_heun", "heun", {FLOW}, {5, .shift = 2}, {.prediction = PREDICTION_VELOCITY}},
};

struct recording {
    const float *noise; // [step][SIZE]
    int model_channels, steps;
    float x[64][SIZE]; // what the model saw in each step
};

static bool
pseudo_model(void *ctx, const float *x, double t, int step, float *out, struct err *err)
{
    struct recording *r = ctx;
    if (r->steps == step) // not in a second evaluation of the step
        memcpy(r->x[r->steps++], x, sizeof r->x[step]);
    for (int i = 0; i < SIZE; i++) {
        int pixel = i / C, c = i % C;
        float *at = out + (ptrdiff_t)pixel * r->model_channels + c;
        *at = (float)(tanh(0.9 * x[i] + 0.3 * (c - 1)) + 0.1 * sin(t / 137));
        if (r->model_channels > C)
            at[C] = (float)sin(3.0 * x[i] + t / 200);
    }
    return true;
}

static void
recorded_noise(void *ctx, int step, float *out)
{
    struct recording *r = ctx;
    memcpy(out, r->noise + (ptrdiff_t)step * SIZE, SIZE * sizeof *out);
}

static void
check_chain(const struct chain *row)
{
    struct err err = {0};
    struct recording *r = mem_zalloc(sizeof *r);
    struct schedule *schedule = schedule_create(&row->schedule, &err);
    struct sampler_params p = row->sampling;
    struct spacing_params steps = row->timesteps;
    p.sampler = sampler_find(row->sampler);
    steps.extra_point = p.sampler->extra_point;
    struct sampler_point *t = spacing_points(schedule, &steps, &p.count, &err);
    if (t == NULL)
        fail_msg("%s: %s", row->name, err.text);
    check_timesteps(row->name, find(row->name, "timesteps"), t, p.count);
    r->noise = safetensors_find(golden, "noise")->data;
    r->model_channels = p.model_channels != 0 ? p.model_channels : C;
    p.points = t;
    p.n = N;
    p.pixels = SIDE * SIDE;
    p.channels = C;
    p.denoise = pseudo_model;
    p.noise = recorded_noise;
    p.denoise_ctx = p.noise_ctx = r;
    float x[SIZE];
    memcpy(x, safetensors_find(golden, "start")->data, sizeof x);
    if (!sampler_run(&p, x, &err))
        fail_msg("%s: %s", row->name, err.text);
    memcpy(r->x[p.count], x, sizeof x);
    const float *want = find(row->name, "x")->data;
    for (int step = 0; step < p.count; step++) {
        double worst = 0, largest = 0;
        for (int i = 0; i < SIZE; i++) {
            double w = want[step * SIZE + i];
            worst = fmax(worst, fabs(r->x[step + 1][i] - w));
            largest = fmax(largest, fabs(w));
        }
        if (!(worst <= 1e-5 * largest))
            fail_msg("%s: step %d is off by %.3g of %.3g", row->name, step + 1, worst, largest);
    }
    free(t);
    free(r);
    schedule_destroy(schedule);
}

static void
test_chains(void **state)
{
    for (size_t i = 0; i < COUNT_OF(chains); i++)
        check_chain(&chains[i]);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    golden = safetensors_open(argc > 1 ? argv[1] : "schedulers.safetensors", &err);
    if (golden == NULL) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alphas),
        cmocka_unit_test(test_timesteps),
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_chains),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    safetensors_close(golden);
    return failed;
}
