// SPDX-License-Identifier: MIT
// A painted mask: areas that geometry knows, what lies outside, undo, and its bytes as a file.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/image/mask.h"

static struct mask *
mask_of(int width, int height)
{
    struct image *picture = image_create(width, height, IMAGE_RGB8, NULL);
    struct mask *m = mask_new(picture, NULL);
    assert_non_null(m);
    image_unref(picture);
    return m;
}

static double
white_pixels(const struct mask *m)
{
    return mask_coverage(m) * m->white->width * m->white->height;
}

static void
it_has_the_pictures_shape(void **state)
{
    static const int sizes[][4] = {{64, 64, 64, 64}, {512, 100, 512, 100}, {1024, 512, 512, 256},
                                   {3, 4096, 1, 512}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct mask *m = mask_of(sizes[i][0], sizes[i][1]);
        assert_int_equal(m->white->width, sizes[i][2]);
        assert_int_equal(m->white->height, sizes[i][3]);
        assert_true(mask_coverage(m) == 0);
        mask_free(m);
    }
    mask_free(NULL);
}

static void
areas_are_as_geometry_has_them(void **state)
{
    struct mask *m = mask_of(200, 200);
    mask_disc(m, 100, 100, 50, true);
    assert_true(fabs(white_pixels(m) - M_PI * 2500) < 60);
    mask_disc(m, 100, 100, 25, false);
    assert_true(fabs(white_pixels(m) - M_PI * 1875) < 90);
    mask_fill(m, false);
    const double a[2] = {30, 60}, b[2] = {10, 20}, c[2] = {150, 60};
    mask_rectangle(m, a, b, true); // from any corner to the other
    assert_true(white_pixels(m) == 20 * 40);
    assert_int_equal(image_row(m->white, 20)[10], 255);
    assert_int_equal(image_row(m->white, 60)[29], 0);
    mask_fill(m, false);
    mask_stroke(m, a, c, 10, true); // a stadium
    assert_true(fabs(white_pixels(m) - (M_PI * 100 + 120 * 20)) < 60);
    mask_free(m);
}

static void
what_lies_outside_is_cut_off(void **state)
{
    struct mask *m = mask_of(100, 50);
    const double a[2] = {-1e9, -5}, b[2] = {50, 1e9}, far[2] = {1e6, 1e6};
    mask_rectangle(m, a, b, true);
    assert_true(white_pixels(m) == 50 * 50);
    mask_fill(m, false);
    mask_disc(m, 0, 0, 20, true); // a quarter of it
    assert_true(fabs(white_pixels(m) - M_PI * 100) < 25);
    mask_disc(m, far[0], far[1], 3, true);
    mask_disc(m, 50, 25, 0, true);
    mask_disc(m, 50, 25, 1e9, true);
    assert_true(mask_coverage(m) == 1);
    mask_free(m);
}

static void
undo_brings_back_each_step(void **state)
{
    struct mask *m = mask_of(20, 10);
    assert_false(mask_undo(m));
    for (int i = 0; i < MASK_UNDO_MAX + 5; i++) {
        const double from[2] = {0, 0}, to[2] = {i + 1, 1};
        mask_push_undo(m);
        mask_rectangle(m, from, to, true);
    }
    mask_push_undo(m);
    mask_invert(m);
    assert_true(white_pixels(m) == 180);
    assert_true(mask_undo(m));
    assert_true(white_pixels(m) == 20);
    int steps = 0;
    while (mask_undo(m))
        steps++;
    assert_int_equal(steps, MASK_UNDO_MAX - 1); // the oldest are forgotten
    assert_true(white_pixels(m) == 6);
    mask_free(m);
}

static void
its_file_is_what_was_painted(void **state)
{
    struct mask *m = mask_of(64, 48), *other = mask_of(64, 48);
    size_t size;
    mask_disc(m, 20, 20, 13, true);
    void *png = mask_png(m, &size, NULL);
    struct image *read = codec_decode(png, size, "mask", NULL, NULL);
    assert_non_null(read);
    assert_true(mask_replace(other, read, NULL));
    assert_memory_equal(other->white->pixels, m->white->pixels, 64 * 48);
    image_unref(read);
    free(png);
    mask_free(m);
    mask_free(other);
}

static void
the_rest_of_the_picture_is_seen(void **state)
{
    struct image *picture = image_create(128, 64, IMAGE_RGB8, NULL);
    memset(picture->pixels, 100, picture->stride * 64);
    struct mask *m = mask_new(picture, NULL);
    const double from[2] = {0, 0}, to[2] = {64, 64};
    mask_rectangle(m, from, to, true);
    struct image *seen = mask_overlay(m, picture, NULL);
    int changed = 0;
    assert_int_equal(seen->format, IMAGE_RGBA8);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 128; x++) {
            bool same = memcmp(image_row(seen, y) + 4 * x, picture->pixels, 3) == 0;
            assert_true(same || x < 64);
            changed += !same;
        }
    assert_int_equal(changed, 64 * 64);
    image_unref(seen);
    image_unref(picture);
    mask_free(m);
}

// The ground of what is transparent belongs to the screen, whose pixels may be larger or smaller.
static void
what_is_transparent_stays_so_until_painted(void **state)
{
    struct image *picture = image_create(64, 64, IMAGE_RGBA8, NULL);
    struct mask *m = mask_new(picture, NULL);
    const double from[2] = {0, 0}, to[2] = {32, 64};
    mask_rectangle(m, from, to, true);
    struct image *seen = mask_overlay(m, picture, NULL);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++) {
            const uint8_t *p = image_row(seen, y) + 4 * x;
            assert_int_equal(p[3], x < 32 ? 255 : 0);
            assert_true(x >= 32 || MIN(MIN(p[0], p[1]), p[2]) >= 127); // a stripe on white
        }
    image_unref(seen);
    image_unref(picture);
    mask_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_the_pictures_shape),
        cmocka_unit_test(areas_are_as_geometry_has_them),
        cmocka_unit_test(what_lies_outside_is_cut_off),
        cmocka_unit_test(undo_brings_back_each_step),
        cmocka_unit_test(its_file_is_what_was_painted),
        cmocka_unit_test(the_rest_of_the_picture_is_seen),
        cmocka_unit_test(what_is_transparent_stays_so_until_painted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
