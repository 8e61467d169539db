// SPDX-License-Identifier: MIT
// Colours on white and their alpha against the formula C = a c + (1 - a), over all bytes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <math.h>
#include <cmocka.h>

#include "engine/draw/alpha.h"

// What c at alpha a looks like on white, by the formula.
static double
on_white(int c, int a)
{
    return (a / 255.0 * c / 255.0 + 1 - a / 255.0) * 255;
}

// On white a picture stays as it was drawn, whatever alpha came with it.
static void
white_shows_what_was_drawn(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++)
        for (int a = 0; a < 256; a++) {
            uint8_t p[4] = {(uint8_t)c, 255, (uint8_t)((c + 255) / 2), (uint8_t)a}, rgb[3];
            const uint8_t was[3] = {p[0], p[1], p[2]};
            alpha_take_off_white(p, 1);
            alpha_lay_on_white(p, 1, 4, rgb);
            assert_true(p[3] >= a);
            for (int k = 0; k < 3; k++) {
                assert_true(abs(rgb[k] - was[k]) <= 1);
                assert_true(fabs(rgb[k] - on_white(p[k], p[3])) <= 1);
            }
        }
}

// What is transparent comes back as it was: alpha to the bit, colours as exactly as they can be.
static void
pictures_come_back(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c += 5)
        for (int a = 0; a < 256; a++) {
            uint8_t p[4] = {(uint8_t)(on_white(c, a) + 0.5), 255, 255, (uint8_t)a};
            alpha_take_off_white(p, 1);
            assert_int_equal(p[3], a);
            assert_true(a == 0 || fabs((double)p[0] - c) <= 0.5 * 255 / a + 0.5);
        }
    uint8_t opaque[4] = {10, 20, 30, 255};
    alpha_take_off_white(opaque, 1);
    assert_true(opaque[0] == 10 && opaque[1] == 20 && opaque[2] == 30 && opaque[3] == 255);
}

// Grain is taken away at both ends; white that is there stays.
static void
grain_goes(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++) {
        uint8_t p[4] = {0, 0, 0, (uint8_t)a};
        alpha_clean(p, 1);
        assert_true(abs(p[3] - a) <= ALPHA_GRAIN && p[0] == 0);
        assert_true(p[3] == (a <= ALPHA_GRAIN ? 0 : a >= 255 - ALPHA_GRAIN ? 255 : p[3]));
    }
    uint8_t clear[4] = {250, 248, 255, 3}, seen[4] = {220, 248, 255, 3};
    uint8_t pale[4] = {255, 250, 255, 251};
    alpha_clean(clear, 1);
    assert_true(clear[0] == 255 && clear[1] == 255 && clear[3] == 0);
    alpha_clean(seen, 1); // too dark for grain: alpha is missing there, not colour
    assert_true(seen[0] == 220);
    alpha_clean(pale, 1);
    assert_true(pale[1] == 250 && pale[3] == 255);
}

// Parted and joined again a picture is the same; its shape is dark on white.
static void
parts_join(void **state)
{
    (void)state;
    float x[8] = {0.5f, -0.25f, 1, 1, -1, 0, 0.125f, -1}, colours[6], shape[6], back[8];
    alpha_part(x, 2, colours, shape);
    assert_true(shape[0] == -1 && shape[2] == -1 && shape[3] == 1);
    assert_true(colours[0] == 0.5f && colours[3] == -1 && colours[5] == 0.125f);
    alpha_join(colours, shape, 2, back);
    for (int i = 0; i < 8; i++)
        assert_true(back[i] == x[i]);
}

// A square of 3 x 3 in 5 x 5 becomes its middle; past the picture's edge there is nothing to count.
static void
shapes_are_drawn_in(void **state)
{
    (void)state;
    uint8_t p[5 * 5 * 4] = {0};
    for (int y = 1; y < 4; y++)
        for (int x = 1; x < 4; x++)
            p[4 * (5 * y + x) + 3] = 200;
    assert_true(alpha_draw_in(p, 5, 5, NULL));
    for (int i = 0; i < 25; i++)
        assert_int_equal(p[4 * i + 3], i == 12 ? 200 : 0);
    uint8_t full[2 * 2 * 4];
    for (int i = 0; i < 16; i++)
        full[i] = 255;
    assert_true(alpha_draw_in(full, 2, 2, NULL));
    assert_true(full[3] == 255 && full[15] == 255);
}

static void
opaque_pictures_stay(void **state)
{
    (void)state;
    uint8_t rgb[6] = {1, 2, 3, 4, 5, 6}, out[6];
    alpha_lay_on_white(rgb, 2, 3, out);
    for (int i = 0; i < 6; i++)
        assert_int_equal(out[i], rgb[i]);
    uint8_t rgba[8] = {0, 0, 0, 255, 0, 0, 0, 0}; // in place
    alpha_lay_on_white(rgba, 2, 4, rgba);
    assert_true(rgba[0] == 0 && rgba[3] == 255 && rgba[5] == 255);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_shows_what_was_drawn),
        cmocka_unit_test(pictures_come_back),
        cmocka_unit_test(grain_goes),
        cmocka_unit_test(parts_join),
        cmocka_unit_test(shapes_are_drawn_in),
        cmocka_unit_test(opaque_pictures_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
