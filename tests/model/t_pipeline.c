// SPDX-License-Identifier: MIT
// From instruction to picture with a small random model: what must hold whatever it draws.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drawing.h"
#include "engine/base/mem.h"
#include "engine/diffusion/sampler.h"
#include "engine/diffusion/spacing.h"
#include "engine/draw/pipeline_parts.h"
#include "engine/draw/resize.h"

static void
same_seed_same_picture(void **state)
{
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct pipeline_request r = request(&n);
    size_t size = BASE * BASE * 3;
    uint8_t *a = draw(p, &r), *b = draw(p, &r);
    assert_memory_equal(a, b, size);
    r.seed = 43;
    uint8_t *c = draw(p, &r);
    assert_true(differ(a, c, size, 8));
    // Picture i of a batch is the picture of seed + i.
    r.seed = 42;
    r.count = 2;
    uint8_t *both = draw(p, &r);
    assert_false(differ(both, a, size, 1));
    assert_false(differ(both + size, c, size, 1));
    struct pipeline *q = open_or_fail(trained, DTYPE_F32);
    r.count = 1;
    uint8_t *d = draw(q, &r);
    assert_memory_equal(a, d, size);
    free(a);
    free(b);
    free(c);
    free(d);
    free(both);
    pipeline_close(q);
}

// All ways of guidance with every weight 1 are the plain prediction.
static void
weights_of_one_are_no_guidance(void **state)
{
    static const char *const names[] = {"none", "cfg", "oscillating", "separate", "interleaved"};
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct pipeline_request r = request(&n);
    uint8_t *first = NULL;
    r.scale = r.context_scale = 1;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        r.guidance = names[i];
        uint8_t *rgb = draw(p, &r);
        if (first)
            assert_memory_equal(first, rgb, BASE * BASE * 3);
        if (first)
            free(rgb);
        else
            first = rgb;
    }
    r.guidance = "separate";
    r.scale = 3;
    uint8_t *strong = draw(p, &r);
    assert_true(differ(first, strong, BASE * BASE * 3, 8));
    free(strong);
    free(first);
}

static void
references_matter_once_trained(void **state)
{
    for (int k = 0; k < 2; k++) {
        struct pipeline *p = k ? open_or_fail(fresh, DTYPE_F32) : shared;
        struct instruction n = instruction(2), bare = n;
        bare.reference_count = 0;
        struct pipeline_request with = request(&n), without = request(&bare);
        uint8_t *a = draw(p, &with), *b = draw(p, &without);
        if (k)
            assert_memory_equal(a, b, BASE * BASE * 3);
        else
            assert_true(differ(a, b, BASE * BASE * 3, 8));
        free(a);
        free(b);
        if (k)
            pipeline_close(p);
    }
}

// What a text becomes when retrieved references stand for their words.
static void
texts_by_markers(void **state)
{
    static const struct {
        const char *text, *own, *other, *by_markers;
    } cases[] = {
        {"a red [ref#1] fox on a hill", "[ref#1] fox", NULL, "a red [ref#1] on a hill"},
        {"[ref#1] fox", "[ref#1] fox", NULL, "[ref#1]"},
        {"[ref#1] fox, [ref#2] old hut.", "[ref#1] fox", "[ref#2] old hut", "[ref#1], [ref#2]."},
        {"[ref#1] [ref#2] fox", "[ref#1] fox", "[ref#2] fox", "[ref#1] [ref#2]"},
        {"[ref#1] foxglove", "[ref#1] fox", NULL, "[ref#1] foxglove"},
        {"[ref#1] fox\xc3\xa9", "[ref#1] fox", NULL, "[ref#1] fox\xc3\xa9"},
        {"[ref#1] Fox", "[ref#1] fox", NULL, "[ref#1] Fox"},
        {"fox [ref#1]", "[ref#1] fox", NULL, "fox [ref#1]"},
        {"[ref#1] fox", "[ref#1]", NULL, "[ref#1] fox"},
        {"[ref#1]", "[ref#1] fox", NULL, "[ref#1]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct instruction n = {.text = (char *)cases[i].text,
                                .reference_count = cases[i].other ? 2 : 1};
        n.references[0] = (struct instruction_reference){.marker = 1, .text = (char *)cases[i].own};
        n.references[1] = (struct instruction_reference){.marker = 2,
                                                         .text = (char *)cases[i].other};
        assert_null(instruction_by_markers(&n)); // a reference that a person gave
        n.references[0].retrieved = n.references[1].retrieved = true;
        char *text = instruction_by_markers(&n);
        assert_string_equal(text, cases[i].by_markers);
        free(text);
    }
}

// The weight of a text's words beside what was retrieved for them, from nothing to all of it.
static void
words_beside_what_was_retrieved(void **state)
{
    struct pipeline *p = shared;
    struct instruction n = instruction(2), bare = n;
    struct pipeline_request r = request(&n), without = request(&bare);
    const double before = p->defaults.retrieved_words;
    size_t size = BASE * BASE * 3;
    n.text = "a [ref#1] fox, [ref#3]";
    bare.text = "a [ref#1], [ref#3]";
    r.scale = without.scale = 3;
    uint8_t *given = draw(p, &r), *markers = draw(p, &without);
    assert_true(differ(given, markers, size, 1));
    n.references[0].retrieved = true;
    for (int k = 0; k < 3; k++) {
        p->defaults.retrieved_words = k; // nothing, one, and more than the scale
        if (k == 2)
            p->defaults.retrieved_words = before;
        uint8_t *rgb = draw(p, &r);
        if (k != 1)
            assert_memory_equal(rgb, k ? given : markers, size);
        else
            assert_true(differ(rgb, given, size, 0) && differ(rgb, markers, size, 0));
        free(rgb);
    }
    free(given);
    free(markers);
}

struct seen {
    int calls, last, total, sizes[2];
    atomic_int *stop;
    uint8_t final[LARGE * LARGE * 3];
};

static void
progress(void *ctx, int step, int total, double seconds,
         const struct pipeline_pictures *now)
{
    struct seen *s = ctx;
    assert_int_equal(step, s->last + 1);
    assert_true(seconds >= 0);
    s->last = step;
    s->total = total;
    s->calls++;
    s->sizes[now->width == LARGE && now->height == LARGE]++;
    memcpy(s->final, now->pixels, (size_t)now->width * (size_t)now->height * 3);
    if (s->stop && step == 2)
        atomic_store(s->stop, 1);
}

static void
both_stages_report_each_step(void **state)
{
    struct pipeline *p = open_or_fail(trained, DTYPE_NONE);
    struct pipeline_info info;
    pipeline_info(p, &info);
    assert_int_equal(info.size, BASE);
    assert_int_equal(info.final_size, LARGE);
    assert_true(info.reference_max >= 3 && info.marker_max >= 3);
    assert_int_equal(strlen(info.hash), 16);
    struct instruction n = instruction(1);
    struct seen seen = {0};
    struct pipeline_request r = request(&n);
    r.width = r.height = 0;
    r.progress = progress;
    r.ctx = &seen;
    r.sampler = "ddim";
    uint8_t *rgb = draw(p, &r);
    assert_int_equal(seen.calls, 6);
    assert_int_equal(seen.total, 6);
    assert_int_equal(seen.sizes[0], 4);
    assert_int_equal(seen.sizes[1], 2);
    assert_memory_equal(rgb, seen.final, sizeof seen.final); // the last estimate is the picture
    free(rgb);
    pipeline_close(p);
}

static void
cancel_stops(void **state)
{
    struct err err = {0};
    atomic_int stop = 0;
    struct pipeline *p = shared;
    struct instruction n = instruction(2);
    struct seen seen = {.stop = &stop};
    struct pipeline_request r = request(&n);
    struct pipeline_result result;
    r.progress = progress;
    r.ctx = &seen;
    r.cancel = &stop;
    assert_false(pipeline_run(p, &r, &result, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_null(result.pictures.pixels);
    assert_int_equal(seen.calls, 2);
}

static void
wrong_requests_are_refused(void **state)
{
    struct pipeline *p = shared;
    struct instruction n = instruction(2), high = n;
    high.references[1].marker = 99;
    struct pipeline_picture wide = {20, 30, picture}, square = {16, 16, picture};
    struct pipeline_weight nobody = {9, 1, 0, 1}, backwards = {1, 1, 0.5, 0.5};
    struct pipeline_request r[13];
    for (int i = 0; i < 13; i++)
        r[i] = request(&n);
    r[0].width = r[0].height = 48;
    r[12].width = LARGE;
    r[1].count = 1000;
    r[2].sampler = "magic";
    r[3].guidance = "magic";
    r[4].steps = -1;
    r[5].instruction = &high;
    r[6].spacing = "magic";
    r[7].mask = &square;
    r[8].start = &square;
    r[8].strength = 1.5;
    r[9].start = &wide;
    r[9].mask = &square;
    for (int i = 10; i < 12; i++) {
        r[i].weights = i == 10 ? &nobody : &backwards;
        r[i].weight_count = 1;
    }
    for (int i = 0; i < 13; i++) {
        struct err err = {0};
        struct pipeline_result result;
        assert_false(pipeline_run(p, &r[i], &result, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_null(result.pictures.pixels);
    }
}

// A constant picture stays itself; the centre square of a wide one is taken; halving a checker
// board of single pixels gives its mean.
static void
resizing(void **state)
{
    uint8_t rgb[8 * 16 * 3];
    float out[4 * 4 * 3];
    memset(rgb, 200, sizeof rgb);
    for (int side = 3; side <= 4; side++) {
        assert_true(resize_square(rgb, 16, 8, side, out, NULL));
        for (int i = 0; i < side * side * 3; i++)
            assert_float_equal(out[i], 200 / 127.5 - 1, 1e-5);
    }
    for (int y = 0; y < 8; y++) // left and right quarters black, centre white
        for (int x = 0; x < 16; x++)
            memset(rgb + (y * 16 + x) * 3, x >= 4 && x < 12 ? 255 : 0, 3);
    assert_true(resize_square(rgb, 16, 8, 4, out, NULL));
    for (int i = 0; i < 4 * 4 * 3; i++)
        assert_float_equal(out[i], 1, 1e-5);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 8; x++)
            memset(rgb + (y * 8 + x) * 3, (x + y) % 2 ? 255 : 0, 3);
    assert_true(resize_square(rgb, 8, 8, 2, out, NULL));
    for (int i = 0; i < 2 * 2 * 3; i++)
        assert_float_equal(out[i], 0, 0.02);
    for (int y = 0; y < 8; y++) // top and bottom quarters black, centre white: 2 to 1 of it is cut
        for (int x = 0; x < 8; x++)
            memset(rgb + (y * 8 + x) * 3, y >= 2 && y < 6 ? 255 : 0, 3);
    assert_true(resize_part(rgb, 8, 8, 4, 2, out, NULL));
    for (int i = 0; i < 4 * 2 * 3; i++)
        assert_float_equal(out[i], 1, 1e-5);
    const float corner[2 * 2 * 3] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3};
    float large[3 * 3 * 3];
    resize_bilinear(corner, 2, 3, 3, large);
    for (int i = 0; i < 9; i++) // corners stay, the rest lies between
        assert_float_equal(large[3 * i], 0.5 * (i % 3) + i / 3, 1e-6);
}

// --- starting from a picture

static struct pipeline_picture
start_picture(int side)
{
    return (struct pipeline_picture){side, side, picture};
}

// Strength 0 is the picture, in every size it may have and however many are drawn; 1 is as if it
// were not there.
static void
strength_has_two_ends(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE);
    struct pipeline_request r = request(&n);
    uint8_t *without = draw(shared, &r);
    r.start = &start;
    r.strength = 1;
    uint8_t *ignored = draw(shared, &r);
    assert_memory_equal(without, ignored, BASE * BASE * 3);
    r.strength = 0;
    r.count = 2;
    uint8_t *given = draw(shared, &r);
    assert_memory_equal(given, picture, BASE * BASE * 3);
    assert_memory_equal(given + BASE * BASE * 3, picture, BASE * BASE * 3);
    free(without);
    free(ignored);
    free(given);
}

static double
distance(const uint8_t *a, const uint8_t *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum / (double)n);
}

// The more of the steps are left out, the nearer it stays: with one of the four, nearest.
static void
strength_lies_between(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE);
    double before = 0;
    for (int steps = 1; steps <= 4; steps++) {
        struct pipeline_request r = request(&n);
        struct seen seen = {0};
        r.start = &start;
        r.steps = 4;
        r.strength = steps / 4.0;
        r.progress = progress;
        r.ctx = &seen;
        uint8_t *rgb = draw(shared, &r);
        double now = distance(rgb, picture, BASE * BASE * 3);
        assert_int_equal(seen.calls, steps);
        assert_true(now > before);
        before = now;
        free(rgb);
    }
}

// A mask that is white changes no bit; what is black comes back to the bit, with every sampler.
static void
masks_keep_what_is_black(void **state)
{
    static uint8_t white[BASE * BASE * 3], half[BASE * BASE * 3];
    struct instruction n = instruction(2);
    struct pipeline_picture start = start_picture(BASE), mask = {BASE, BASE, white};
    struct pipeline_request r = request(&n);
    memset(white, 255, sizeof white);
    memset(half, 255, sizeof half / 2);
    uint8_t *without = draw(shared, &r);
    r.start = &start;
    r.strength = -1;
    r.mask = &mask;
    uint8_t *all = draw(shared, &r);
    assert_memory_equal(without, all, BASE * BASE * 3);
    free(all);
    mask.rgb = half;
    for (size_t i = 0; i < sampler_count(); i++) {
        r.sampler = sampler_at(i)->name;
        uint8_t *rgb = draw(shared, &r);
        size_t kept = sizeof half / 2;
        assert_memory_equal(rgb + kept, picture + kept, kept);
        assert_true(differ(rgb, picture, kept, 8));
        free(rgb);
    }
    free(without);
}

// --- weights

// Weights of 1 change no bit; 0 is what the reference's absence is, whatever the sentence says of
// it.
static void
weights_of_references(void **state)
{
    struct instruction n = instruction(2), one = n;
    one.reference_count = 1;
    struct pipeline_weight w[] = {{3, 1, 0, 1}};
    struct pipeline_request r = request(&n), other = request(&one);
    uint8_t *plain = draw(shared, &r), *alone = draw(shared, &other);
    assert_true(differ(plain, alone, BASE * BASE * 3, 8));
    r.weights = w;
    r.weight_count = 1;
    uint8_t *same = draw(shared, &r);
    assert_memory_equal(plain, same, BASE * BASE * 3);
    w[0].weight = 0;
    uint8_t *left_out = draw(shared, &r);
    assert_false(differ(left_out, alone, BASE * BASE * 3, 1));
    // Through the graph that weighs, 1 is the plain one but for rounding.
    w[0] = (struct pipeline_weight){3, 1 + 1e-9, 0, 1};
    uint8_t *near = draw(shared, &r);
    assert_false(differ(near, plain, BASE * BASE * 3, 1));
    w[0].weight = 0.3;
    uint8_t *less = draw(shared, &r);
    assert_true(differ(less, plain, BASE * BASE * 3, 2) && differ(less, alone, BASE * BASE * 3, 2));
    uint8_t *const drawn[] = {plain, alone, same, left_out, near, less};
    for (size_t i = 0; i < COUNT_OF(drawn); i++)
        free(drawn[i]);
}

// In none of the steps is nowhere, in all is everywhere; half of them lies between.
static void
weights_act_in_their_steps(void **state)
{
    struct instruction n = instruction(2);
    struct pipeline_weight w[] = {{3, 1, 0, 0.001}, {1, 1, 0.5, 1}};
    struct pipeline_request r = request(&n);
    uint8_t *plain = draw(shared, &r);
    r.weights = w;
    r.weight_count = 2;
    r.steps = 4;
    uint8_t *some = draw(shared, &r);
    w[0].to = 0.25; // the same first step of four
    uint8_t *same = draw(shared, &r);
    assert_memory_equal(some, same, BASE * BASE * 3);
    assert_true(differ(plain, some, BASE * BASE * 3, 2));
    w[0].to = 0.26; // and the second
    uint8_t *more = draw(shared, &r);
    assert_true(differ(more, some, BASE * BASE * 3, 0));
    free(plain);
    free(some);
    free(same);
    free(more);
}

// What is to be kept away from, when it is the instruction itself, leaves guidance nothing to do.
static void
away_from_itself_is_no_guidance(void **state)
{
    struct instruction n = instruction(2), one = n;
    one.reference_count = 1;
    struct pipeline_request r = request(&n);
    r.guidance = "cfg";
    r.scale = 1;
    uint8_t *plain = draw(shared, &r);
    r.scale = 5;
    r.negative = &n;
    uint8_t *itself = draw(shared, &r);
    assert_false(differ(plain, itself, BASE * BASE * 3, 1));
    r.negative = &one;
    uint8_t *other = draw(shared, &r);
    assert_true(differ(plain, other, BASE * BASE * 3, 8));
    free(plain);
    free(itself);
    free(other);
}

static void
every_sampler_and_spacing_draws(void **state)
{
    struct instruction n = instruction(1);
    struct choice c;
    for (size_t i = 0; sampler_choice(i, &c); i++) {
        struct pipeline_request r = request(&n);
        r.sampler = c.name;
        free(draw(shared, &r));
    }
    for (size_t i = 0; spacing_choice(i, &c); i++) {
        struct pipeline_request r = request(&n);
        r.spacing = c.name;
        free(draw(shared, &r));
    }
}

int
main(int argc, char **argv)
{
    spiece = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_picture),
        cmocka_unit_test(weights_of_one_are_no_guidance),
        cmocka_unit_test(references_matter_once_trained),
        cmocka_unit_test(texts_by_markers),
        cmocka_unit_test(words_beside_what_was_retrieved),
        cmocka_unit_test(both_stages_report_each_step),
        cmocka_unit_test(cancel_stops),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(strength_has_two_ends),
        cmocka_unit_test(strength_lies_between),
        cmocka_unit_test(masks_keep_what_is_black),
        cmocka_unit_test(weights_of_references),
        cmocka_unit_test(weights_act_in_their_steps),
        cmocka_unit_test(away_from_itself_is_no_guidance),
        cmocka_unit_test(every_sampler_and_spacing_draws),
        cmocka_unit_test(resizing),
    };
    return argc > 1 ? cmocka_run_group_tests(tests, drawing_setup, drawing_teardown) : 2;
}
