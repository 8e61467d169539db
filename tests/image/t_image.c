// SPDX-License-Identifier: MIT
// Pictures in memory: limits, conversions with known values, crops, clipped pastes, other sizes.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/resize.h"
#include "tests/image/near.h"

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

// --- resizing

static void
resize_keeps_flat_colours(void **state)
{
    static const int sizes[][2] = {{1, 1}, {3, 200}, {64, 64}, {333, 17}};
    for (enum image_format f = IMAGE_GRAY8; f < IMAGE_FORMAT_COUNT; f++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            for (enum image_fit fit = IMAGE_STRETCH; fit <= IMAGE_COVER; fit++) {
                struct image *a = image_create(50, 30, f, NULL);
                memset(a->pixels, 77, a->stride * 30);
                struct err err = {0};
                struct image *b = image_resize(a, sizes[i][0], sizes[i][1], fit, 0, &err);
                if (!b)
                    fail_msg("%s", err.text);
                assert_int_equal(b->format, f);
                assert_int_equal(b->width, sizes[i][0]);
                assert_int_equal(b->height, sizes[i][1]);
                for (size_t k = 0; k < b->stride * (size_t)b->height; k++)
                    assert_in_range(b->pixels[k], 76, 78);
                image_unref(a);
                image_unref(b);
            }
}

// Red on transparent green: no green may show at the rim.
static void
resize_premultiplies_alpha(void **state)
{
    struct image *a = image_create(64, 64, IMAGE_RGBA8, NULL);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++)
            memcpy(image_row(a, y) + 4 * x, x < 31 ? "\xFF\0\0\xFF" : "\0\xFF\0\0", 4);
    struct image *b = image_resize(a, 16, 16, IMAGE_STRETCH, 0, NULL);
    bool mixed = false;
    for (int x = 0; x < 16; x++) {
        const uint8_t *p = image_row(b, 8) + 4 * x;
        mixed = mixed || (p[3] > 20 && p[3] < 235);
        if (p[3] > 8)
            assert_near(p, 255, 0, 0, 2);
    }
    assert_true(mixed);
    image_unref(a);
    image_unref(b);
}

static void
contain_pads_and_cover_cuts(void **state)
{
    struct image *a = image_create(40, 20, IMAGE_RGB8, NULL); // red, blue in the outer quarters
    for (int y = 0; y < 20; y++)
        for (int x = 0; x < 40; x++)
            image_row(a, y)[3 * x + (x < 10 || x >= 30 ? 2 : 0)] = 255;
    struct image *b = image_resize(a, 32, 32, IMAGE_CONTAIN, 0x102030, NULL);
    assert_near(image_row(b, 0) + 3 * 16, 0x10, 0x20, 0x30, 0);
    assert_near(image_row(b, 31) + 3 * 16, 0x10, 0x20, 0x30, 0);
    assert_near(image_row(b, 16) + 3 * 16, 255, 0, 0, 2);
    assert_near(image_row(b, 16) + 3 * 2, 0, 0, 255, 2);
    struct image *c = image_resize(a, 32, 32, IMAGE_COVER, 0, NULL);
    for (int x = 3; x < 29; x++) // the blue quarters lie outside
        assert_near(image_row(c, 16) + 3 * x, 255, 0, 0, 4);
    assert_null(image_resize(a, 0, 5, IMAGE_STRETCH, 0, NULL));
    assert_null(image_resize(a, 5, LIMIT_PICTURE_SIDE + 1, IMAGE_STRETCH, 0, NULL));
    // Both sides are allowed, the picture is not, and none of its gigabyte is made first.
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    struct err err = {0};
    assert_null(image_resize(a, LIMIT_PICTURE_SIDE, LIMIT_PICTURE_SIDE, IMAGE_STRETCH, 0, &err));
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(after.ru_maxrss - before.ru_maxrss < 100 << 10); // KiB
    image_unref(a);
    image_unref(b);
    image_unref(c);
}

// A wave in x and y in each of three channels; x and y from the corner, in a picture's sides.
static double
wave(double x, double y, int channel)
{
    return 127 + 60 * sin(6.3 * x * (channel + 1)) + 60 * cos(9.0 * y);
}

static struct image *
waves(int width, int height)
{
    struct image *a = image_create(width, height, IMAGE_RGB8, NULL);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++)
                image_row(a, y)[3 * x + c] =
                    (uint8_t)(wave((x + 0.5) / width, (y + 0.5) / height, c) + 0.5);
    return a;
}

// What is smooth is at each size what it would be had it been made at that size, but for the rim;
// and libvips, which reduces in the sandbox, reduces it to the same.
static void
waves_stay_waves(void **state)
{
    enum { RIM = 8 };
    static const int sizes[][2] = {{120, 80}, {60, 40}, {61, 90},
                                   {240, 160}, {363, 40}, {500, 500}};
    struct image *a = waves(120, 80);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        int w = sizes[i][0], h = sizes[i][1];
        struct image *b = image_resize(a, w, h, IMAGE_STRETCH, 0, NULL), *truth = waves(w, h);
        struct image *c = w <= 120 && h <= 80 ? codec_reduce(a, w, h, NULL) : image_ref(truth);
        assert_true(b && c && b->format == c->format && b->stride == c->stride);
        for (int y = RIM; y < h - RIM; y++)
            for (int x = 3 * RIM; x < 3 * (w - RIM); x++) {
                int ours = image_row(b, y)[x], wanted = image_row(truth, y)[x];
                if (abs(ours - wanted) > 2 || abs(ours - image_row(c, y)[x]) > 2)
                    fail_msg("%d x %d at %d,%d: %d, not %d (libvips %d)", w, h, x / 3, y, ours,
                             wanted, image_row(c, y)[x]);
            }
        image_unref(b);
        image_unref(c);
        image_unref(truth);
    }
    image_unref(a);
}

// A pattern finer than the result becomes its mean, not a moiré.
static void
reduction_does_not_alias(void **state)
{
    struct image *a = image_create(256, 256, IMAGE_GRAY8, NULL);
    for (int y = 0; y < 256; y++)
        for (int x = 0; x < 256; x++)
            image_row(a, y)[x] = (x + y) % 2 ? 255 : 0;
    struct image *b = image_resize(a, 60, 60, IMAGE_STRETCH, 0, NULL);
    for (int y = 4; y < 56; y++)
        for (int x = 4; x < 56; x++)
            assert_in_range(image_row(b, y)[x], 120, 135);
    image_unref(a);
    image_unref(b);
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
        cmocka_unit_test(resize_keeps_flat_colours),
        cmocka_unit_test(waves_stay_waves),
        cmocka_unit_test(resize_premultiplies_alpha),
        cmocka_unit_test(contain_pads_and_cover_cuts),
        cmocka_unit_test(reduction_does_not_alias),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
