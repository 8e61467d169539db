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
            if (p[3] == 0) { // grain was taken for nothing
                assert_true(c >= 255 - ALPHA_GRAIN && a <= ALPHA_GRAIN);
                continue;
            }
            for (int k = 0; k < 3; k++) {
                assert_true(abs(rgb[k] - was[k]) <= 1);
                assert_true(fabs(rgb[k] - on_white(p[k], p[3])) <= 1);
            }
        }
}

// Where alpha says enough, it stays what it was but for the grain at its ends, and the colours come
// back as exactly as a byte can say them.
static void
colours_come_back(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c += 5)
        for (int a = 0; a < 256; a++) {
            double seen = on_white(c, a);
            uint8_t p[4] = {(uint8_t)(seen + 0.5), 255, 255, (uint8_t)a};
            alpha_take_off_white(p, 1);
            if (a <= ALPHA_GRAIN)
                assert_true(p[3] <= ALPHA_GRAIN);
            else if (a >= 255 - ALPHA_GRAIN)
                assert_int_equal(p[3], 255);
            else
                assert_true(p[3] > 0 && abs(p[3] - a) <= ALPHA_GRAIN + 1);
        }
    uint8_t clear[4] = {250, 248, 255, 3}, whole[4] = {10, 20, 30, 250},
            pale[4] = {255, 255, 255, 251};
    alpha_take_off_white(clear, 1);
    assert_int_equal(clear[3], 0);
    alpha_take_off_white(whole, 1);
    assert_true(whole[0] == 10 && whole[1] == 20 && whole[2] == 30 && whole[3] == 255);
    alpha_take_off_white(pale, 1); // white that is there
    assert_true(pale[0] == 255 && pale[3] == 255);
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
        cmocka_unit_test(colours_come_back),
        cmocka_unit_test(opaque_pictures_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
