// SPDX-License-Identifier: MIT
// Colours that may differ a little.
#ifndef LIMN_TESTS_IMAGE_NEAR_H
#define LIMN_TESTS_IMAGE_NEAR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

// Each channel of an RGB pixel, in [0,255], is within `tolerance` of what is expected.
static inline void
assert_near(const uint8_t *pixel, int r, int g, int b, int tolerance)
{
    const int expected[3] = {r, g, b};
    for (int i = 0; i < 3; i++)
        if (abs(pixel[i] - expected[i]) > tolerance)
            fail_msg("(%d,%d,%d) instead of (%d,%d,%d)", pixel[0], pixel[1], pixel[2], r, g, b);
}

#endif
