// SPDX-License-Identifier: MIT
// Pictures in memory: limits, conversions with known values, crops, clipped pastes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "renderer/image/image.h"

static void
limits_are_sentences(void **state)
{
    static const int bad[][2] = {{0, 1}, {1, 0}, {-1, 5}, {LIMIT_PICTURE_SIDE + 1, 1},
                                 {1, LIMIT_PICTURE_SIDE + 1}, {16384, 4097}, {INT32_MAX,
                                                                              INT32_MAX}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        assert_null(image_create(bad[i][0], bad[i][1], IMAGE_RGB8, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_non_null(strstr(err.text, "limit"));
    }
    struct image *largest = image_create(16384, 4096, IMAGE_GRAY8, NULL); // 64 Mpx exactly
    assert_non_null(largest);
    image_unref(largest);
}

static void
last_reference_frees(void **state)
{
    struct image *a = image_create(3, 2, IMAGE_RGBA8, NULL);
    assert_int_equal(a->stride, 12);
    assert_ptr_equal(image_ref(a), a);
    image_unref(a);
    assert_int_equal(a->references, 1);
    for (int i = 0; i < 24; i++)
        assert_int_equal(a->pixels[i], 0);
    image_unref(a); // the sanitizers see a leak or a second free
    image_unref(NULL);
}

static void
alpha_is_composed_on_the_colour(void **state)
{
    struct image *a = image_create(3, 1, IMAGE_RGBA8, NULL);
    static const uint8_t pixels[12] = {255, 0, 0, 255, 255, 0, 0, 0, 200, 100, 0, 128};
    memcpy(a->pixels, pixels, 12);
    struct image *b = image_convert(a, IMAGE_RGB8, 0x0000FF, NULL);
    // 200*128/255 = 100.39, 100*128/255 = 50.2, 255*127/255 = 127
    static const uint8_t expected[9] = {255, 0, 0, 0, 0, 255, 100, 50, 127};
    assert_memory_equal(b->pixels, expected, 9);
    struct image *grey = image_convert(b, IMAGE_GRAY8, 0, NULL);
    // Rec. 709: 0.2126 red, 0.0722 blue.
    assert_int_equal(grey->pixels[0], 54);
    assert_int_equal(grey->pixels[1], 18);
    struct image *back = image_convert(grey, IMAGE_RGBA8, 0, NULL);
    static const uint8_t four[4] = {54, 54, 54, 255};
    assert_memory_equal(back->pixels, four, 4);
    image_unref(a);
    image_unref(b);
    image_unref(grey);
    image_unref(back);
}

// A picture whose pixel (x,y) is 16*y + x.
static struct image *
numbered(int width, int height)
{
    struct image *a = image_create(width, height, IMAGE_GRAY8, NULL);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            image_row(a, y)[x] = (uint8_t)(16 * y + x);
    return a;
}

static void
crop_copies_the_part(void **state)
{
    struct image *a = numbered(7, 5), *b = image_crop(a, 2, 1, 4, 3, NULL);
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 4; x++)
            assert_int_equal(image_row(b, y)[x], 16 * (y + 1) + x + 2);
    image_unref(a);
    image_unref(b);
}

static void
paste_is_clipped(void **state)
{
    static const int at[][2] = {{0, 0}, {-2, -1}, {3, 2}, {-9, 0}, {0, 9}, {-1, -1}};
    for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
        struct image *into = image_create(5, 4, IMAGE_GRAY8, NULL), *from = numbered(4, 3);
        image_paste(into, from, at[k][0], at[k][1]);
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 5; x++) {
                int fx = x - at[k][0], fy = y - at[k][1];
                bool covered = fx >= 0 && fy >= 0 && fx < 4 && fy < 3;
                assert_int_equal(image_row(into, y)[x], covered ? 16 * fy + fx : 0);
            }
        image_unref(into);
        image_unref(from);
    }
}

// A board below what is transparent; alpha alone; pictures without alpha are opaque.
static void
transparent_pictures_are_seen(void **state)
{
    struct image *a = image_create(4, 4, IMAGE_RGBA8, NULL);
    for (int i = 0; i < 16; i++)
        memcpy(a->pixels + 4 * i, (const uint8_t[4]){10, 20, 30, (uint8_t)(i < 8 ? 0 : 255)}, 4);
    struct image *shown = image_shown(a, 2, NULL), *white = image_shown(a, 0, NULL);
    assert_int_equal(shown->format, IMAGE_RGB8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(shown->pixels[3 * i], i % 4 < 2 ? 255 : 232);
        assert_int_equal(white->pixels[3 * i], 255);
    }
    for (int i = 8; i < 16; i++)
        assert_memory_equal(shown->pixels + 3 * i, ((const uint8_t[3]){10, 20, 30}), 3);
    struct image *alpha = image_alpha(a, NULL), *opaque = image_alpha(shown, NULL);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(alpha->pixels[i], i < 8 ? 0 : 255);
        assert_int_equal(opaque->pixels[i], 255);
    }
    image_unref(a);
    image_unref(shown);
    image_unref(white);
    image_unref(alpha);
    image_unref(opaque);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_sentences),
        cmocka_unit_test(last_reference_frees),
        cmocka_unit_test(alpha_is_composed_on_the_colour),
        cmocka_unit_test(crop_copies_the_part),
        cmocka_unit_test(paste_is_clipped),
        cmocka_unit_test(transparent_pictures_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
