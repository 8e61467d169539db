// SPDX-License-Identifier: MIT
// Every loader of ours on drawings whose answer is known.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "engine/base/mem.h"
#include "loaders/host.h"

static struct loader_host *host;

enum { SIDE = 256 };
static const double CX = 120, CY = 140, R = 70;

// A disc of one colour (0xRRGGBBAA) on another; its rim is drawn over one pixel.
static struct image *
disc(uint32_t inside, uint32_t outside)
{
    struct image *a = image_create(SIDE, SIDE, IMAGE_RGBA8, NULL);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double cover = fmin(1, fmax(0, R - hypot(x - CX, y - CY) + 0.5));
            for (int c = 0; c < 4; c++) {
                int in = inside >> (24 - 8 * c) & 255, out = outside >> (24 - 8 * c) & 255;
                image_row(a, y)[4 * x + c] = (uint8_t)lround(in * cover + out * (1 - cover));
            }
        }
    return a;
}

// A waxy photograph: a bright disc on a ground with a gradient, waves and noise.
static struct image *
photograph(void)
{
    struct image *a = disc(0xE0A030FF, 0);
    uint32_t state = 7;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            uint8_t *p = image_row(a, y) + 4 * x;
            for (int c = 0; c < 3; c++) {
                state = state * 1664525u + 1013904223u;
                double noise = (double)(state >> 24) / 255 * 12 - 6;
                double ground = 40 + 0.12 * x + 0.1 * y + 10 * sin(x / 9.0 + c) + noise;
                double v = p[3] / 255.0 * p[c] + (1 - p[3] / 255.0) * ground + noise / 2;
                p[c] = (uint8_t)fmin(255, fmax(0, v));
            }
            p[3] = 255;
        }
    return a;
}

static struct image *
run_loader(const char *name, const struct image *in, const char *const *settings)
{
    struct err err = {0};
    const struct loader_entry *e = loader_host_need(host, name, &err);
    if (!e)
        fail_msg("%s", err.text);
    struct loader_values v;
    loader_defaults(e->loader, &v);
    for (int i = 0; settings && settings[i]; i++)
        if (!loader_set(e->loader, &v, settings[i], &err))
            fail_msg("%s", err.text);
    const struct loader_limits limits = loader_limits_from_env(NULL);
    struct image *out = loader_run(e, in, &v, &limits, &err);
    if (!out)
        fail_msg("%s", err.text);
    return out;
}

static const uint8_t *
at(const struct image *a, int x, int y)
{
    return image_row(a, y) + 4 * x;
}

static void
assert_opaque_grey(const struct image *a)
{
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++) {
            const uint8_t *p = at(a, x, y);
            assert_true(p[0] == p[1] && p[1] == p[2] && p[3] == 255);
        }
}

// All ink lies within `far` pixels of the circle, and in each of 360 directions there is some
// within `near`. `white`: lines are white on black.
static void
assert_circle(const struct image *a, bool white, double near, double far)
{
    assert_int_equal(a->width, SIDE);
    assert_int_equal(a->height, SIDE);
    assert_opaque_grey(a);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            bool ink = white ? at(a, x, y)[0] >= 128 : at(a, x, y)[0] < 128;
            double off = fabs(hypot(x - CX, y - CY) - R);
            if (ink && off > far)
                fail_msg("ink at (%d,%d), %.2f pixels from the circle", x, y, off);
        }
    for (int i = 0; i < 360; i++) {
        bool found = false;
        for (double r = R - near; r <= R + near && !found; r += 0.25) {
            int x = (int)lround(CX + r * cos(i * M_PI / 180));
            int y = (int)lround(CY + r * sin(i * M_PI / 180));
            found = white ? at(a, x, y)[0] >= 128 : at(a, x, y)[0] < 128;
        }
        if (!found)
            fail_msg("no line at %d degrees", i);
    }
}

// Dark on light, white on transparent (seen in alpha alone), colour of equal luma on colour.
static const uint32_t pairs[][2] = {
    {0x000000FF, 0xFFFFFFFF}, {0xFFFFFFFF, 0xFFFFFF00}, {0xC03020FF, 0x00000000},
    {0xB040B0FF, 0x408040FF},
};

static void
edges_lie_on_the_circle(void **state)
{
    static const char *const thinnest[] = {"thickness=1", NULL};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct image *a = disc(pairs[i][0], pairs[i][1]);
        struct image *b = run_loader("edge", a, thinnest);
        assert_circle(b, true, 1.0, 1.5); // 1 pixel, and half of the grid's
        image_unref(a);
        image_unref(b);
    }
}

static void
edges_are_as_thick_as_asked(void **state)
{
    struct image *a = disc(0x000000FF, 0xFFFFFFFF);
    static const double widths[] = {2, 5, 10};
    for (size_t i = 0; i < COUNT_OF(widths); i++) {
        char *setting = mem_printf("thickness=%g", widths[i] / SIDE * 1000);
        struct image *b = run_loader("edge", a, (const char *const[]){setting, NULL});
        double sum = 0;
        for (int k = 0; k < SIDE * SIDE; k++)
            sum += b->pixels[4 * k] / 255.0;
        double width = sum / (2 * M_PI * R);
        if (fabs(width - widths[i]) > 1)
            fail_msg("lines are %.2f pixels wide instead of %g", width, widths[i]);
        image_unref(b);
        free(setting);
    }
    image_unref(a);
}

static double
ink_share(const struct image *a, bool white)
{
    double n = 0;
    for (int i = 0; i < a->width * a->height; i++)
        n += white ? a->pixels[4 * i] >= 128 : a->pixels[4 * i] < 128;
    return n / (a->width * a->height);
}

static void
detail_shows_faint_edges(void **state)
{
    struct image *faint = disc(0x808080FF, 0x909090FF), *flat = disc(0x808080FF, 0x808080FF);
    struct image *b = run_loader("edge", faint, (const char *const[]){"detail=0", NULL});
    assert_true(ink_share(b, true) == 0);
    image_unref(b);
    b = run_loader("edge", faint, (const char *const[]){"detail=1", "thickness=1", NULL});
    assert_circle(b, true, 1.5, 2);
    image_unref(b);
    b = run_loader("edge", flat, (const char *const[]){"detail=1", NULL});
    assert_true(ink_share(b, true) == 0);
    image_unref(b);
    b = run_loader("sketch", flat, NULL);
    assert_true(ink_share(b, false) == 0);
    image_unref(b);
    image_unref(faint);
    image_unref(flat);
}

// One thick line: along each ray from the middle there is one run of ink, about as wide as the pen.
static void
sketch_draws_one_line(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct image *a = disc(pairs[i][0], pairs[i][1]), *b = run_loader("sketch", a, NULL);
        assert_circle(b, false, 1.0, 6);
        for (int angle = 0; angle < 360; angle += 7) {
            int runs = 0, width = 0;
            bool before = false;
            for (int k = 0; k < 4 * 110; k++) {
                int x = (int)lround(CX + k / 4.0 * cos(angle * M_PI / 180));
                int y = (int)lround(CY + k / 4.0 * sin(angle * M_PI / 180));
                bool ink = at(b, x, y)[0] < 128;
                runs += ink && !before;
                width += ink;
                before = ink;
            }
            assert_int_equal(runs, 1);
            assert_in_range(width, 4 * 4, 4 * 12);
        }
        image_unref(a);
        image_unref(b);
    }
}

static void
assert_area(const struct image *mask, bool white, double tolerance)
{
    assert_opaque_grey(mask);
    double expected = M_PI * R * R / (SIDE * SIDE), got = ink_share(mask, white);
    if (fabs(got / expected - 1) > tolerance)
        fail_msg("the object covers %.4f of the picture instead of %.4f", got, expected);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double d = hypot(x - CX, y - CY);
            if (tolerance <= 0.01 && fabs(d - R) > 1.5)
                assert_int_equal(at(mask, x, y)[0] >= 128, white == (d < R));
        }
}

static void
mask_is_the_disc(void **state)
{
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct image *a = disc(pairs[i][0], pairs[i][1]), *b = run_loader("mask", a, NULL);
        assert_area(b, true, 0.01);
        struct image *c = run_loader("mask", a, (const char *const[]){"invert=yes", NULL});
        assert_area(c, false, 0.01);
        image_unref(a);
        image_unref(b);
        image_unref(c);
    }
    struct image *photo = photograph(), *mask = run_loader("mask", photo, NULL);
    assert_area(mask, true, 0.25); // saliency finds it roughly …
    assert_true(at(mask, (int)CX, (int)CY)[0] == 255 && at(mask, 5, 5)[0] == 0);
    image_unref(mask);
    image_unref(photo);
}

// A white eye in the disc is not ground.
static void
enclosed_ground_is_object(void **state)
{
    struct image *a = disc(0x203080FF, 0xFFFFFFFF);
    for (int y = 130; y < 150; y++)
        for (int x = 110; x < 130; x++)
            memset(image_row(a, y) + 4 * x, 255, 4);
    struct image *b = run_loader("mask", a, (const char *const[]){"mode=border", NULL});
    assert_area(b, true, 0.01);
    image_unref(a);
    image_unref(b);
}

static void
subject_is_cut_out_and_centred(void **state)
{
    static const uint32_t colours[][2] = {{0xC03020FF, 0x00FF0000}, {0xC03020FF, 0x30C040FF}};
    for (size_t i = 0; i < COUNT_OF(colours); i++) {
        struct image *a = disc(colours[i][0], colours[i][1]);
        struct image *b = run_loader("subject", a, (const char *const[]){"margin=0.1", NULL});
        assert_int_equal(b->width, b->height);
        // The diameter, 140 pixels, is 80 % of the side, 175.
        assert_in_range(b->width, 173, 177);
        double sx = 0, sy = 0, n = 0;
        for (int y = 0; y < b->height; y++)
            for (int x = 0; x < b->width; x++) {
                const uint8_t *p = at(b, x, y);
                assert_int_equal(p[3], 255);
                double d = hypot(x - (b->width - 1) / 2.0, y - (b->height - 1) / 2.0);
                if (d < R - 3)
                    assert_true(p[0] == 0xC0 && p[1] == 0x30 && p[2] == 0x20);
                if (d > R + 3)
                    assert_true(p[0] == 255 && p[1] == 255 && p[2] == 255);
                if (p[1] < 128) {
                    sx += x;
                    sy += y;
                    n++;
                }
            }
        assert_true(fabs(sx / n - (b->width - 1) / 2.0) <= 1);
        assert_true(fabs(sy / n - (b->height - 1) / 2.0) <= 1);
        image_unref(b);
        b = run_loader("subject", a, (const char *const[]){"background=black", "centre=no", NULL});
        assert_int_equal(b->width, SIDE);
        assert_int_equal(at(b, 3, 3)[1], 0);
        assert_int_equal(at(b, (int)CX, (int)CY)[0], 0xC0);
        image_unref(a);
        image_unref(b);
    }
}

static int
by_pixel(const void *a, const void *b)
{
    return memcmp(a, b, 4);
}

static void
style_takes_the_telling_part(void **state)
{
    // Everything happens in the lower right quarter.
    struct image *a = image_create(SIDE, SIDE, IMAGE_RGBA8, NULL);
    memset(a->pixels, 255, a->stride * SIDE);
    for (int y = SIDE / 2; y < SIDE; y++)
        for (int x = SIDE / 2; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                image_row(a, y)[4 * x + c] = (uint8_t)((x / 8 * 53 + y / 8 * 91) * (c + 3));
    struct image *b = run_loader("style", a, (const char *const[]){"crop=0.5", NULL});
    assert_int_equal(b->width, SIDE / 2);
    assert_int_equal(b->height, SIDE / 2);
    for (int y = 0; y < SIDE / 2; y++)
        assert_memory_equal(at(b, 0, y), at(a, SIDE / 2, SIDE / 2 + y), 4 * SIDE / 2);
    // A shuffled picture has the same pixels at other places.
    struct image *c = run_loader(
        "style", a, (const char *const[]){"crop=0.5", "destroy-layout=yes", "patches=8", NULL});
    assert_int_equal(c->width, SIDE / 2);
    size_t n = (size_t)(SIDE / 2) * (SIDE / 2);
    assert_true(memcmp(b->pixels, c->pixels, 4 * n) != 0);
    qsort(b->pixels, n, 4, by_pixel);
    qsort(c->pixels, n, 4, by_pixel);
    assert_memory_equal(b->pixels, c->pixels, 4 * n);
    image_unref(a);
    image_unref(b);
    image_unref(c);
}

// Pictures of one pixel, one row, one column: every loader answers, none crashes.
static void
smallest_pictures(void **state)
{
    static const char *const names[] = {"edge", "mask", "sketch", "style", "subject"};
    static const int sizes[][2] = {{1, 1}, {1, 9}, {300, 1}, {2, 2}, {3, 50}};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (size_t k = 0; k < COUNT_OF(sizes); k++) {
            struct image *a = image_create(sizes[k][0], sizes[k][1], IMAGE_RGBA8, NULL);
            for (size_t at = 0; at < a->stride * (size_t)a->height; at++)
                a->pixels[at] = (uint8_t)(at * 73);
            image_unref(run_loader(names[i], a, NULL));
            image_unref(a);
        }
}

// The size of a picture does not change what is drawn, only how finely: wide blurs take another
// road than narrow ones.
static void
large_pictures_give_the_same(void **state)
{
    struct image *small = disc(0x000000FF, 0xFFFFFFFF);
    struct image *large = image_create(8 * SIDE, 8 * SIDE, IMAGE_RGBA8, NULL);
    for (int y = 0; y < 8 * SIDE; y++)
        for (int x = 0; x < 8 * SIDE; x++)
            memcpy(image_row(large, y) + 4 * x, at(small, x / 8, y / 8), 4);
    struct image *a = run_loader("sketch", small, NULL), *b = run_loader("sketch", large, NULL);
    double sum = 0, worst = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double mean = 0;
            for (int k = 0; k < 64; k++)
                mean += at(b, 8 * x + k % 8, 8 * y + k / 8)[0] / 64.0;
            double d = fabs(mean - at(a, x, y)[0]);
            sum += d;
            worst = fmax(worst, d);
        }
    if (sum / (SIDE * SIDE) > 1 || worst > 60)
        fail_msg("mean difference %.3f, largest %.1f of 255", sum / (SIDE * SIDE), worst);
    image_unref(small);
    image_unref(large);
    image_unref(a);
    image_unref(b);
}

// What counts as an edge does not depend on the size of the picture, although the blur does: a step
// of 30 % is drawn at every size and one of 10 % at none.
static void
edges_are_the_same_at_every_size(void **state)
{
    static const int sides[] = {48, 256, 700, 1300};
    for (size_t i = 0; i < COUNT_OF(sides); i++)
        for (int strong = 0; strong < 2; strong++) {
            int side = sides[i];
            struct image *a = image_create(side, side, IMAGE_RGBA8, NULL);
            for (int y = 0; y < side; y++)
                for (int x = 0; x < side; x++) {
                    uint8_t grey = x < side / 2 ? 100 : strong ? 176 : 126;
                    memcpy(image_row(a, y) + 4 * x, (uint8_t[4]){grey, grey, grey, 255}, 4);
                }
            struct image *b = run_loader("edge", a, (const char *const[]){"thickness=20", NULL});
            double ink = 0;
            for (int y = 0; y < side; y++)
                for (int x = 0; x < side; x++)
                    ink += at(b, x, y)[0] / 255.0;
            ink /= (double)side * side;
            // A line from top to bottom, 2 % wide or one pixel more.
            if (strong ? ink < 0.018 || ink > 0.02 + 1.5 / side : ink > 0)
                fail_msg("side %d, step of %d %%: %.4f of it is ink", side, strong ? 30 : 10, ink);
            image_unref(a);
            image_unref(b);
        }
}

static double
seconds_of_edges(const struct image *a, const char *thickness)
{
    double best = 1e9;
    for (int i = 0; i < 3; i++) {
        struct timespec t[2];
        clock_gettime(CLOCK_MONOTONIC, &t[0]);
        image_unref(run_loader("edge", a, (const char *const[]){thickness, NULL}));
        clock_gettime(CLOCK_MONOTONIC, &t[1]);
        best = fmin(best, (double)(t[1].tv_sec - t[0].tv_sec) +
                              1e-9 * (double)(t[1].tv_nsec - t[0].tv_nsec));
    }
    return best;
}

// A chequered picture, full of edges: lines of 40 pixels may not cost much more than lines of one.
static void
thick_lines_cost_what_thin_ones_cost(void **state)
{
    enum { LARGE = 800 };
    struct image *a = image_create(LARGE, LARGE, IMAGE_RGBA8, NULL);
    for (int y = 0; y < LARGE; y++)
        for (int x = 0; x < LARGE; x++)
            memcpy(image_row(a, y) + 4 * x,
                   (x / 40 + y / 40) % 2 ? "\xFF\xFF\xFF\xFF" : "\x00\x00\x00\xFF", 4);
    double thin = seconds_of_edges(a, "thickness=1"), thick = seconds_of_edges(a, "thickness=50");
    if (thick > 3 * thin)
        fail_msg("%.3f s for thin lines, %.3f s for thick ones", thin, thick);
    image_unref(a);
}

// A long picture in a square with a margin would be over the limit of pictures: it is reduced.
static void
subject_of_a_long_picture_fits(void **state)
{
    struct image *a = image_create(1800, 20, IMAGE_RGBA8, NULL);
    for (int y = 0; y < a->height; y++)
        for (int x = 0; x < a->width; x++)
            memcpy(image_row(a, y) + 4 * x, x % 2 ? "\x40\x80\xC0\xFF" : "\x60\xA0\xE0\xFF", 4);
    static const char *const settings[] = {"cut=none", "margin=0.4", NULL};
    struct image *b = run_loader("subject", a, settings);
    assert_int_equal(b->width, 4500); // 1800 / (1 - 2 * 0.4) = 9000, two pixels make one
    assert_int_equal(b->height, 4500);
    // The subject covers 1800..2699 by 2245..2254.
    const uint8_t *p = at(b, 2250, 2250), *q = at(b, 2250, 2235), *r = at(b, 1790, 2250);
    assert_true(p[0] == 0x50 && p[1] == 0x90 && p[2] == 0xD0 && p[3] == 255); // the mean of two
    assert_true(q[0] == 255 && q[1] == 255 && q[2] == 255 && q[3] == 255);
    assert_true(r[0] == 255 && r[3] == 255);
    assert_int_equal(at(b, 1801, 2250)[0], 0x50);
    image_unref(a);
    image_unref(b);
}

int
main(void)
{
    host = loader_host_open();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_lie_on_the_circle),
        cmocka_unit_test(edges_are_as_thick_as_asked),
        cmocka_unit_test(detail_shows_faint_edges),
        cmocka_unit_test(sketch_draws_one_line),
        cmocka_unit_test(mask_is_the_disc),
        cmocka_unit_test(enclosed_ground_is_object),
        cmocka_unit_test(subject_is_cut_out_and_centred),
        cmocka_unit_test(style_takes_the_telling_part),
        cmocka_unit_test(smallest_pictures),
        cmocka_unit_test(large_pictures_give_the_same),
        cmocka_unit_test(edges_are_the_same_at_every_size),
        cmocka_unit_test(thick_lines_cost_what_thin_ones_cost),
        cmocka_unit_test(subject_of_a_long_picture_fits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    loader_host_close(host);
    return failed;
}
