// SPDX-License-Identifier: MIT
// What a second pass is given: a ramp enlarged is the ramp, level beyond the outermost centres; a
// window is that part of the whole, bit for bit.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/diffusion/cascade.h"

// Two channels: 3 x + 1 and -y, x and y counted in small pixels from the first one's centre.
static void
test_ramps_stay_ramps(void **state)
{
    (void)state;
    enum { FROM = 8, TO = 32 };
    float low[FROM * FROM * 2], out[TO * TO * 2];
    for (int y = 0; y < FROM; y++)
        for (int x = 0; x < FROM; x++) {
            low[2 * (y * FROM + x)] = (float)(3 * x + 1);
            low[2 * (y * FROM + x) + 1] = (float)-y;
        }
    cascade_enlarge(low, FROM, TO, 2, (struct cascade_window){0, 0, TO}, out);
    for (int y = 0; y < TO; y++)
        for (int x = 0; x < TO; x++) {
            double at_x = fmin(fmax((x - 1.5) / 4, 0), FROM - 1);
            double at_y = fmin(fmax((y - 1.5) / 4, 0), FROM - 1);
            assert_true(fabs(out[2 * (y * TO + x)] - (3 * at_x + 1)) < 1e-5);
            assert_true(fabs(out[2 * (y * TO + x) + 1] + at_y) < 1e-5);
        }
}

static void
test_windows_are_parts(void **state)
{
    (void)state;
    enum { FROM = 5, TO = 20, SIDE = 7 };
    float low[FROM * FROM * 3], whole[TO * TO * 3], part[SIDE * SIDE * 3];
    rng_fill_normal(1, RNG_STREAM_TEST, 0, low, COUNT_OF(low));
    cascade_enlarge(low, FROM, TO, 3, (struct cascade_window){0, 0, TO}, whole);
    for (int top = 0; top + SIDE <= TO; top++)
        for (int left = 0; left + SIDE <= TO; left++) {
            cascade_enlarge(low, FROM, TO, 3, (struct cascade_window){top, left, SIDE}, part);
            for (int y = 0; y < SIDE; y++)
                assert_memory_equal(part + y * SIDE * 3, whole + ((top + y) * TO + left) * 3,
                                    SIDE * 3 * sizeof(float));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ramps_stay_ramps),
                                       cmocka_unit_test(test_windows_are_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
