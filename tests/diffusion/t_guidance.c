// SPDX-License-Identifier: MIT
// Guidance: the plans against their formulas, and the sums against plans.
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/diffusion/guidance.h"

enum { PIXELS = 11, C = 3 };

#define BIT(branch) (1u << GUIDANCE_##branch)

static float branches[GUIDANCE_BRANCH_COUNT][PIXELS * 2 * C];

static void
fill_branches(void)
{
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
        rng_fill_normal(7, RNG_STREAM_TEST + 16 * (uint64_t)b, 0, branches[b], PIXELS * 2 * C);
}

// What the formula of guidance.h says for one element, written from the four predictions.
static double
formula(const struct guidance *g, int step, double full, double no_context, double no_text,
        double uncond)
{
    double w = g->scale, c = g->context_scale;
    if (!g->has_context) {
        no_context = full;
        no_text = uncond;
    }
    switch (g->kind) {
    case GUIDANCE_KIND_NONE:
        return full;
    case GUIDANCE_KIND_CFG:
        return uncond + w * (full - uncond);
    case GUIDANCE_KIND_OSCILLATING:
        return step % 2 == 0 ? uncond + w * (full - uncond) : full;
    case GUIDANCE_KIND_SEPARATE:
        return uncond + w * (no_context - uncond) + c * (full - no_context);
    case GUIDANCE_KIND_INTERLEAVED:
        return step % 2 == 0 ? w * full - (w - 1) * no_text : c * full - (c - 1) * no_context;
    case GUIDANCE_KIND_COUNT:
        break;
    }
    return NAN;
}

static void
check(const struct guidance *g, int step, int model_channels)
{
    struct guidance_plan plan = guidance_plan(g, step);
    double sum = 0;
    int count = 0;
    // Branches outside the mask must not be touched: they are NULL here.
    const float *branch[GUIDANCE_BRANCH_COUNT] = {0};
    for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++) {
        sum += plan.weight[b];
        assert_int_equal(plan.weight[b] != 0, (plan.mask >> b) & 1);
        if (plan.mask & 1u << b) {
            branch[b] = branches[b];
            count++;
        }
    }
    assert_float_equal(sum, 1, 1e-12);
    assert_int_equal(count, plan.count);
    float out[PIXELS * 2 * C];
    guidance_combine(&plan, branch, PIXELS, C, model_channels, out);
    for (int i = 0; i < PIXELS * model_channels; i++) {
        double want = branches[GUIDANCE_FULL][i];
        if (i % model_channels < C)
            want = formula(g, step, branches[GUIDANCE_FULL][i], branches[GUIDANCE_NO_CONTEXT][i],
                           branches[GUIDANCE_NO_TEXT][i], branches[GUIDANCE_UNCOND][i]);
        else if (!(plan.mask & BIT(FULL)))
            continue;
        if (fabs(out[i] - want) > 1e-5 * (1 + fabs(want)))
            fail_msg("%s, step %d, element %d: %g, wanted %g", guidance_name(g->kind), step, i,
                     out[i], want);
    }
}

static void
test_formulas(void **state)
{
    static const double scales[] = {0, 0.5, 1, 7.5, 25};
    for (int kind = 0; kind < GUIDANCE_KIND_COUNT; kind++)
        for (size_t i = 0; i < COUNT_OF(scales); i++)
            for (size_t k = 0; k < COUNT_OF(scales); k++)
                for (int bits = 0; bits < 8; bits++)
                    check(&(struct guidance){.kind = (enum guidance_kind)kind,
                                             .scale = scales[i],
                                             .context_scale = scales[k],
                                             .has_context = bits & 1},
                          bits >> 1, bits & 1 ? 2 * C : C);
}

static void
test_only_what_is_needed(void **state)
{
    struct guidance g = {.kind = GUIDANCE_KIND_CFG, .scale = 1, .has_context = true};
    assert_int_equal(guidance_plan(&g, 0).mask, BIT(FULL));
    g.scale = 7;
    assert_int_equal(guidance_plan(&g, 0).mask, BIT(FULL) | BIT(UNCOND));
    g.kind = GUIDANCE_KIND_OSCILLATING;
    int evaluations = 0, most;
    for (int step = 0; step < 256; step++)
        evaluations += guidance_plan(&g, step).count;
    assert_int_equal(evaluations, 384); // one and a half a step
    assert_int_equal(guidance_mask(&g, 256, &most), BIT(FULL) | BIT(UNCOND));
    assert_int_equal(most, 2);
    assert_int_equal(guidance_plan(&g, 0).count, 2);
    g.kind = GUIDANCE_KIND_SEPARATE;
    g.context_scale = 3;
    assert_int_equal(guidance_plan(&g, 5).mask, BIT(FULL) | BIT(NO_CONTEXT) | BIT(UNCOND));
    g.context_scale = g.scale; // the same as cfg, and as cheap
    assert_int_equal(guidance_plan(&g, 5).mask, BIT(FULL) | BIT(UNCOND));
    g.kind = GUIDANCE_KIND_INTERLEAVED;
    assert_int_equal(guidance_mask(&g, 2, &most), BIT(FULL) | BIT(NO_CONTEXT) | BIT(NO_TEXT));
    assert_int_equal(most, 2);
    for (int kind = 0; kind < GUIDANCE_KIND_COUNT; kind++) {
        g.kind = (enum guidance_kind)kind;
        g.has_context = false;
        assert_int_equal(guidance_mask(&g, 9, NULL) & (BIT(NO_CONTEXT) | BIT(NO_TEXT)), 0);
    }
}

// By markers: the pull of what was retrieved, and on top of it that of the words.
static void
test_markers(void **state)
{
    static const double scales[] = {0, 0.5, 1, 3, 25}, words[] = {0, 0.75, 1, 2, 1000};
    for (size_t i = 0; i < COUNT_OF(scales); i++)
        for (size_t k = 0; k < COUNT_OF(words); k++) {
            double w = scales[i], c = words[k] < w ? words[k] : w;
            struct guidance g = {.kind = GUIDANCE_KIND_CFG, .scale = w, .has_context = true,
                                 .by_markers = true, .words = words[k]};
            struct guidance_plan plan = guidance_plan(&g, 0);
            const float *branch[GUIDANCE_BRANCH_COUNT];
            float out[PIXELS * C];
            for (int b = 0; b < GUIDANCE_BRANCH_COUNT; b++)
                branch[b] = branches[b];
            guidance_combine(&plan, branch, PIXELS, C, C, out);
            for (int e = 0; e < PIXELS * C; e++) {
                double none = branches[GUIDANCE_UNCOND][e], by = branches[GUIDANCE_MARKERS][e],
                       full = branches[GUIDANCE_FULL][e];
                assert_float_equal(out[e], none + w * (by - none) + c * (full - by), 1e-4);
            }
            assert_int_equal(plan.mask & BIT(MARKERS), w > words[k] ? BIT(MARKERS) : 0);
            g.has_context = false; // without references there are no markers
            assert_int_equal(guidance_mask(&g, 2, NULL) & BIT(MARKERS), 0);
        }
    // The other kinds give up the same share.
    for (int kind = 0; kind < GUIDANCE_KIND_COUNT; kind++)
        for (int step = 0; step < 2; step++) {
            struct guidance g = {.kind = (enum guidance_kind)kind, .scale = 5, .context_scale = 4,
                                 .has_context = true};
            struct guidance_plan plain = guidance_plan(&g, step), plan;
            g.by_markers = true;
            g.words = 1;
            plan = guidance_plan(&g, step);
            assert_float_equal(plan.weight[GUIDANCE_FULL], 1, 0);
            assert_float_equal(plan.weight[GUIDANCE_FULL] + plan.weight[GUIDANCE_MARKERS],
                               plain.weight[GUIDANCE_FULL], 0);
            for (int b = GUIDANCE_NO_CONTEXT; b < GUIDANCE_BRANCH_COUNT; b++)
                assert_float_equal(plan.weight[b], plain.weight[b], 0);
        }
}

static void
test_in_place(void **state)
{
    struct guidance g = {.kind = GUIDANCE_KIND_CFG, .scale = 4};
    struct guidance_plan plan = guidance_plan(&g, 0);
    float apart[PIXELS * 2 * C], in_place[PIXELS * 2 * C];
    const float *branch[GUIDANCE_BRANCH_COUNT] = {[GUIDANCE_FULL] = branches[GUIDANCE_FULL],
                                                  [GUIDANCE_UNCOND] = branches[GUIDANCE_UNCOND]};
    guidance_combine(&plan, branch, PIXELS, C, 2 * C, apart);
    memcpy(in_place, branches[GUIDANCE_UNCOND], sizeof in_place);
    branch[GUIDANCE_UNCOND] = in_place;
    guidance_combine(&plan, branch, PIXELS, C, 2 * C, in_place);
    assert_memory_equal(apart, in_place, sizeof apart);
    for (int p = 0; p < PIXELS; p++)
        assert_memory_equal(apart + p * 2 * C + C, branches[GUIDANCE_FULL] + p * 2 * C + C,
                            C * sizeof(float));
}

static void
test_names(void **state)
{
    struct choice c;
    for (size_t i = 0; guidance_choice(i, &c); i++) {
        assert_int_equal(guidance_from_name(c.name), i);
        assert_true(strlen(c.help) > 10);
    }
    assert_false(guidance_choice(GUIDANCE_KIND_COUNT, &c));
    assert_int_equal(guidance_from_name("strong"), GUIDANCE_KIND_COUNT);
    assert_int_equal(guidance_from_name(NULL), GUIDANCE_KIND_COUNT);
}

int
main(void)
{
    fill_branches();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas), cmocka_unit_test(test_only_what_is_needed),
        cmocka_unit_test(test_markers), cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
