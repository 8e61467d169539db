// SPDX-License-Identifier: MIT
// The measures against answers that are known: squares that were moved, tosses of a coin. The
// recognisers on a pack of drawn shapes whose subjects and styles are different by construction,
// and on one whose labels mean nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/eval/measure.h"
#include "app/eval/recognise.h"
#include "engine/base/mem.h"
#include "engine/base/rng.h"
#include "engine/tensor/safetensors.h"

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

static void
square(uint8_t *rgb, int left, int top, int size, uint8_t level)
{
    memset(rgb, 255, BYTES);
    for (int y = top; y < top + size; y++)
        memset(rgb + 3 * (y * SIDE + left), level, (size_t)size * 3);
}

static void
moved_squares(void **state)
{
    (void)state;
    static uint8_t a[BYTES], b[BYTES], white[BYTES];
    memset(white, 255, BYTES);
    square(a, 16, 16, 32, 0);
    assert_true(measure_edges(a, a, SIDE) == 1 && measure_areas(a, a, SIDE) == 1);
    assert_true(measure_thumbnails(a, a, SIDE) == 0);
    assert_true(measure_edges(white, white, SIDE) == 1 && measure_areas(white, white, SIDE) == 1);
    assert_true(measure_edges(a, white, SIDE) == 0 && measure_areas(a, white, SIDE) == 0);
    square(b, 17, 17, 32, 0); // by one pixel: all edges are near
    assert_true(measure_edges(a, b, SIDE) == 1);
    square(b, 26, 26, 32, 0); // by ten: 22 x 22 in common
    assert_true(fabs(measure_areas(a, b, SIDE) - 484. / (2 * 1024 - 484)) < 1e-12);
    assert_true(measure_edges(a, b, SIDE) < 0.3);
    // A quarter of the cells differ by 1 in all channels.
    assert_true(fabs(measure_thumbnails(a, white, SIDE) - 0.25) < 1e-12);
    square(b, 16, 16, 32, 236); // too faint for an edge, and ground
    assert_true(measure_areas(b, white, SIDE) == 1 && measure_edges(b, white, SIDE) == 1);
}

static void
overlap_of_alpha(void **state)
{
    (void)state;
    static const uint8_t none[4], half[4] = {255, 255}, other[4] = {0, 255, 255},
                                  faint[4] = {51, 51};
    assert_true(measure_alpha(none, none, 4) == 1 && measure_alpha(half, half, 4) == 1);
    assert_true(measure_alpha(half, none, 4) == 0);
    assert_true(fabs(measure_alpha(half, other, 4) - 1. / 3) < 1e-12);
    assert_true(fabs(measure_alpha(half, faint, 4) - 0.2) < 1e-12);
}

// The interval of a share is about 1.96 roots of p(1-p)/n on both sides.
static void
intervals(void **state)
{
    (void)state;
    enum { N = 400 };
    double tosses[N];
    for (int i = 0; i < N; i++)
        tosses[i] = i % 5 == 0;
    struct measured m = measure_mean(tosses, N, 3), again = measure_mean(tosses, N, 3);
    double half = 1.96 * sqrt(0.2 * 0.8 / N);
    assert_true(fabs(m.mean - 0.2) < 1e-12);
    assert_true(fabs(m.high - m.mean - half) < 0.15 * half);
    assert_true(fabs(m.mean - m.low - half) < 0.15 * half);
    assert_true(m.low == again.low && m.high == again.high);
    for (int i = 0; i < N; i++)
        tosses[i] = 7;
    m = measure_mean(tosses, N, 3);
    assert_true(fabs(m.low - 7) < 1e-9 && fabs(m.high - 7) < 1e-9);
    assert_int_equal(measure_mean(tosses, 0, 3).n, 0);
}

// --- recognisers

enum { SUBJECTS = 24, STYLES = 4, COUNT = SUBJECTS * STYLES };

// Subject k: a bar and a disc at places that only it has. Style: its colours and its outline.
static void
draw_record(uint8_t *rgb, int subject, int style, uint64_t seed)
{
    static const uint8_t fill[STYLES][3] = {
        {220, 40, 40}, {250, 210, 60}, {30, 30, 30}, {90, 140, 250}};
    float jitter[4];
    rng_fill_normal(seed, RNG_STREAM_TEST, 0, jitter, 4);
    double turn = M_PI * subject / SUBJECTS, cx = 20 + 24 * (subject % 3) / 2. + jitter[0],
           cy = 20 + 24 * (subject / 3 % 3) / 2. + jitter[1], r = 8 + subject % 5;
    memset(rgb, 255, BYTES);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double u = x - 32 + jitter[2], v = y - 32 + jitter[3];
            double along = u * cos(turn) + v * sin(turn), across = -u * sin(turn) + v * cos(turn);
            double d = fmin(fmax(fabs(across) - 4, fabs(along) - 24), hypot(x - cx, y - cy) - r);
            bool outline = style % 2 && d > -2;
            if (d < 0)
                memcpy(rgb + 3 * (y * SIDE + x),
                       outline ? (const uint8_t[]){20, 60, 20} : fill[style], 3);
        }
}

// `shuffled`: labels that say nothing.
static struct pack *
make_pack(const char *path, bool shuffled)
{
    static uint8_t images[COUNT][BYTES], split[COUNT];
    static int32_t subject[COUNT], style[COUNT];
    static int64_t ends[COUNT];
    static char words[COUNT + 1];
    struct rng rng;
    rng_init(&rng, 5, RNG_STREAM_TEST);
    for (int i = 0; i < COUNT; i++) {
        int s = i / STYLES, k = i % STYLES, lot = shuffled ? (int)rng_below(&rng, COUNT) : i;
        draw_record(images[i], s, k, (uint64_t)i + 1);
        subject[i] = lot / STYLES;
        style[i] = lot % STYLES;
        split[i] = (s + k) % 4 == 0 ? PACK_HELDOUT_PAIR : PACK_TRAIN;
        words[i] = 'x';
        ends[i] = i + 1;
    }
    const struct tensor_view t[] = {
        {"text.caption.ends", DTYPE_I64, SHAPE(COUNT), ends, 0},
        {"text.keywords.ends", DTYPE_I64, SHAPE(COUNT), ends, 0},
        {"subject", DTYPE_I32, SHAPE(COUNT), subject, 0},
        {"style", DTYPE_I32, SHAPE(COUNT), style, 0},
        {"split", DTYPE_U8, SHAPE(COUNT), split, 0},
        {"text.caption", DTYPE_U8, SHAPE(COUNT), words, 0},
        {"text.keywords", DTYPE_U8, SHAPE(COUNT), words, 0},
        {"images", DTYPE_U8, SHAPE(COUNT, SIDE, SIDE, 3), images, 0},
    };
    const char *metadata[] = {"format", "limn pack 1", "styles", "[\"a\",\"b\",\"c\",\"d\"]", NULL};
    struct err err = {0};
    if (!safetensors_write(path, t, COUNT_OF(t), metadata, &err))
        fail_msg("%s", err.text);
    struct pack *p = pack_open(path, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

// Shares of held-out pictures whose style is recognised, and whose subject is the first.
static void
judge(const char *path, bool shuffled, double *style, double *subject)
{
    struct err err = {0};
    struct pack *p = make_pack(path, shuffled);
    struct recogniser *r = recogniser_make(p, &err);
    int n = 0, right = 0, first = 0;
    if (!r)
        fail_msg("%s", err.text);
    for (int i = 0; i < COUNT; i++) {
        if (pack_split(p, i) == PACK_TRAIN)
            continue;
        n++;
        right += recognise_style(r, pack_image(p, i)) == pack_style(p, i);
        first += recognise_rank(r, pack_image(p, i), i) == 0;
    }
    *style = (double)right / n;
    *subject = (double)first / n;
    recogniser_free(r);
    pack_close(p);
}

static void
recognisers(void **state)
{
    (void)state;
    char path[] = "/tmp/limn-eval-XXXXXX";
    int fd = mkstemp(path);
    double style, subject;
    assert_true(fd >= 0);
    close(fd);
    judge(path, false, &style, &subject);
    assert_true(style > 0.9);
    assert_true(subject > 0.7); // 1/24 by chance
    judge(path, true, &style, &subject);
    assert_true(style < 0.6);
    assert_true(subject < 0.3);
    unlink(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved_squares),
        cmocka_unit_test(overlap_of_alpha),
        cmocka_unit_test(intervals),
        cmocka_unit_test(recognisers),
    };
    return cmocka_run_group_tests_name("measure", tests, NULL, NULL);
}
