// SPDX-License-Identifier: MIT
// The canvas on a socket that plays the terminal: what is sent, decoded by libsixel's own decoder,
// is the picture; pieces are whole; what has not changed is not sent; nothing is drawn where it
// must not be.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <zlib.h>

#include "engine/base/base64.h"
#include "engine/base/mem.h"
#include "renderer/canvas.h"

#ifdef LIMN_HAVE_SIXEL
#include <sixel.h>
#endif

enum { CELL_WIDTH = 10, CELL_HEIGHT = 20, COLUMNS = 80, ROWS = 24 };

struct terminal {
    int ours, theirs;
    struct canvas *canvas;
    char *text;
    size_t size;
};

static void
open_terminal_as(struct terminal *t, enum canvas_kind kind, bool multiplexer)
{
    int ends[2], bytes = 8 << 20;
    *t = (struct terminal){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    t->ours = ends[0];
    t->theirs = ends[1];
    struct term_info info = {.columns = COLUMNS,
                             .rows = ROWS,
                             .cell_width = CELL_WIDTH,
                             .cell_height = CELL_HEIGHT,
                             .colours = 256,
                             .sixel = true,
                             .multiplexer = multiplexer,
                             .answered = true};
    struct canvas_params p = {.fd = t->ours, .term = &info, .kind = kind, .background = 0x102030};
    struct err err = {0};
    t->canvas = canvas_create(&p, &err);
    if (!t->canvas) {
        print_message("%s\n", err.text);
        skip();
    }
}

static void
open_terminal(struct terminal *t, enum canvas_kind kind)
{
    open_terminal_as(t, kind, false);
}

// All that is sent until nothing is left.
static void
flush(struct terminal *t)
{
    char buffer[65536];
    free(t->text);
    t->text = NULL;
    t->size = 0;
    do {
        assert_true(canvas_flush(t->canvas, 50, NULL));
        for (ssize_t n; (n = read(t->theirs, buffer, sizeof buffer)) > 0;) {
            t->text = mem_realloc(t->text, t->size + (size_t)n + 1);
            memcpy(t->text + t->size, buffer, (size_t)n);
            t->size += (size_t)n;
            t->text[t->size] = 0;
        }
    } while (canvas_pending(t->canvas));
}

static void
close_terminal(struct terminal *t)
{
    canvas_destroy(t->canvas);
    close(t->ours);
    close(t->theirs);
    free(t->text);
}

// Four fields of pure colours.
static struct image *
fields(int width, int height)
{
    static const uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    struct image *image = image_create(width, height, IMAGE_RGB8, NULL);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(image_row(image, y) + 3 * x, colours[2 * (y >= height / 2) + (x >= width / 2)],
                   3);
    return image;
}

static int
count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text ? strstr(text, what) : NULL; p; p = strstr(p + 1, what))
        n++;
    return n;
}

#ifdef LIMN_HAVE_SIXEL
// Draws the strips of `text` into a screen of pixels, each where its cursor is.
static void
play(const char *text, uint8_t *screen)
{
    for (const char *p = text; (p = strstr(p, "\0337\033[")); p++) {
        int row = 0, column = 0, used = 0;
        if (sscanf(p, "\0337\033[%d;%dH%n", &row, &column, &used) != 2 ||
            strncmp(p + used, "\033P", 2) != 0)
            continue;
        const char *begin = p + used, *end = strstr(begin, "\033\\");
        assert_non_null(end);
        assert_memory_equal(end + 2, "\0338", 2); // the cursor goes back: the piece is whole
        unsigned char *pixels = NULL, *palette = NULL;
        int width = 0, height = 0, colours = 0;
        char *copy = mem_strndup(begin, (size_t)(end + 2 - begin));
        assert_int_equal(sixel_decode_raw((unsigned char *)copy, (int)strlen(copy), &pixels, &width,
                                          &height, &palette, &colours, NULL),
                         SIXEL_OK);
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                int at_y = (row - 1) * CELL_HEIGHT + y, at_x = (column - 1) * CELL_WIDTH + x;
                assert_true(at_x < COLUMNS * CELL_WIDTH);
                assert_true(at_y <
                            (ROWS - 1) * CELL_HEIGHT); // never the last row: terminals scroll
                memcpy(screen + 3 * (at_y * COLUMNS * CELL_WIDTH + at_x),
                       palette + 3 * pixels[y * width + x], 3);
            }
        free(copy);
        free(pixels);
        free(palette);
    }
}

static void
assert_near(const uint8_t *screen, int x, int y, int r, int g, int b, int far)
{
    const uint8_t *p = screen + 3 * (y * COLUMNS * CELL_WIDTH + x);
    if (abs(p[0] - r) > far || abs(p[1] - g) > far || abs(p[2] - b) > far)
        fail_msg("(%d,%d) is %d,%d,%d, not %d,%d,%d", x, y, p[0], p[1], p[2], r, g, b);
}

static void
assert_pixel(const uint8_t *screen, int x, int y, int r, int g, int b)
{
    assert_near(screen, x, y, r, g, b, 4);
}
#endif

static void
sixels_are_the_picture(void **state)
{
    (void)state;
#ifdef LIMN_HAVE_SIXEL
    // Sides that are no multiples of cells or bands.
    static const int sides[][2] = {{64, 64}, {61, 43}, {7, 200}, {200, 3}, {1, 1}};
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        struct terminal t;
        open_terminal(&t, CANVAS_SIXEL);
        struct image *image = fields(sides[i][0], sides[i][1]);
        struct canvas_place place = {.rect = {3, 5, 12, 24}};
        canvas_put(t.canvas, 0, image, &place);
        flush(&t);
        uint8_t *screen = mem_zalloc((size_t)COLUMNS * CELL_WIDTH * ROWS * CELL_HEIGHT * 3);
        play(t.text, screen);
        // In the middle of the rectangle, as large as it fits.
        double f = MIN(240.0 / sides[i][0], 240.0 / sides[i][1]);
        int w = (int)(sides[i][0] * f), h = (int)(sides[i][1] * f), cx = 5 * CELL_WIDTH + 120,
            cy = 3 * CELL_HEIGHT + 120;
        if (sides[i][0] > 1 && w >= 40 && h >= 40) {
            assert_pixel(screen, cx - w / 3, cy - h / 3, 255, 0, 0);
            assert_pixel(screen, cx + w / 3, cy - h / 3, 0, 255, 0);
            assert_pixel(screen, cx - w / 3, cy + h / 3, 0, 0, 255);
            assert_pixel(screen, cx + w / 3, cy + h / 3, 255, 255, 255);
        }
        // Nothing left, right, above or below the rectangle.
        for (int y = 0; y < ROWS * CELL_HEIGHT; y++)
            for (int x = 0; x < COLUMNS * CELL_WIDTH; x++)
                if (x < 50 || x >= 50 + 240 || y < 60 || y >= 60 + 240)
                    assert_pixel(screen, x, y, 0, 0, 0);
        free(screen);
        image_unref(image);
        close_terminal(&t);
    }
#else
    skip();
#endif
}

// tmux rounds an image up to bands of six pixels and takes the cells it then touches from the text;
// it draws what fits into these cells in bands. So every image is whole in both, and there are few:
// it keeps ten.
static void
tmux_gets_cells_and_bands(void **state)
{
    (void)state;
#ifdef LIMN_HAVE_SIXEL
    for (int rows = 1; rows <= 20; rows++) {
        struct terminal t;
        open_terminal_as(&t, CANVAS_SIXEL, true);
        struct image *image = fields(64, 64);
        struct canvas_place place = {.rect = {1, 5, rows, 60}};
        canvas_put(t.canvas, 0, image, &place);
        flush(&t);
        int images = 0, lowest = 0;
        for (const char *p = t.text; (p = strstr(p, "\0337\033[")); p++) {
            int row = 0, column = 0, width = 0, height = 0;
            const char *raster = strstr(p, "\"1;1;");
            assert_int_equal(sscanf(p, "\0337\033[%d;%dH", &row, &column), 2);
            assert_non_null(raster);
            assert_int_equal(sscanf(raster, "\"1;1;%d;%d", &width, &height), 2);
            assert_int_equal(height % 6, 0);
            assert_int_equal(width % CELL_WIDTH, 0);
            if (rows >= 3) // 3 x 20 pixels are ten bands; what is lower cannot be whole in both
                assert_int_equal(height % CELL_HEIGHT, 0);
            lowest = MAX(lowest, row - 1 + (height + CELL_HEIGHT - 1) / CELL_HEIGHT);
            images++;
        }
        assert_in_range(images, 1, 2);
        assert_int_equal(lowest, 1 + rows); // all its cells, and none of those below
        if (rows >= 3) {
            uint8_t *screen = mem_zalloc((size_t)COLUMNS * CELL_WIDTH * ROWS * CELL_HEIGHT * 3);
            play(t.text, screen);
            int side = rows * CELL_HEIGHT, left = (5 + (60 - 2 * rows) / 2) * CELL_WIDTH, top = 20;
            assert_near(screen, left + side / 4, top + 3, 255, 0, 0, 16);
            assert_near(screen, left + 3 * side / 4, top + side / 4, 0, 255, 0, 16);
            assert_near(screen, left + side / 4, top + side - 3, 0, 0, 255, 16);
            assert_near(screen, left + 3 * side / 4, top + side - 3, 255, 255, 255, 16);
            free(screen);
        }
        image_unref(image);
        close_terminal(&t);
    }
#else
    skip();
#endif
}

static void
what_is_the_same_costs_nothing(void **state)
{
    (void)state;
    struct terminal t;
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = fields(64, 64);
    struct canvas_place place = {.rect = {0, 0, 6, 12}};
    canvas_put(t.canvas, 3, image, &place);
    flush(&t);
    assert_true(t.size > 100);
    canvas_put(t.canvas, 3, image, &place);
    flush(&t);
    assert_int_equal(t.size, 0);
    canvas_put(t.canvas, 4, image, &(struct canvas_place){.rect = {10, 0, 6, 12}});
    flush(&t);
    assert_int_equal(count(t.text, "\033[1;"), 0); // the first one is left alone
    assert_true(count(t.text, "\033[11;") > 0);
    image_unref(image);
    close_terminal(&t);
}

static void
what_goes_is_printed_over(void **state)
{
    (void)state;
    struct terminal t;
    struct canvas_rect rects[8];
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = fields(64, 64);
    canvas_put(t.canvas, 0, image, &(struct canvas_place){.rect = {4, 0, 6, 12}});
    canvas_put(t.canvas, 1, image, &(struct canvas_place){.rect = {6, 10, 6, 12}});
    canvas_put(t.canvas, 2, image, &(struct canvas_place){.rect = {4, 40, 6, 12}});
    flush(&t);
    assert_int_equal(canvas_damage(t.canvas, rects, 8), 0);
    canvas_remove(t.canvas, 0);
    assert_int_equal(canvas_damage(t.canvas, rects, 8), 1);
    assert_int_equal(rects[0].row, 4);
    assert_int_equal(rects[0].rows, 6);
    assert_in_range(rects[0].column, 0, 2); // where its pixels are, and no more
    assert_in_range(rects[0].column + rects[0].columns, 10, 12);
    assert_int_equal(canvas_damage(t.canvas, rects, 8), 0); // each once
    flush(&t); // that took what it had of the second one too, and left the third
    assert_int_equal(count(t.text, ";1H\033P"), 0);
    assert_true(count(t.text, ";11H\033P") > 0);
    assert_int_equal(count(t.text, ";41H\033P"), 0);
    // Two that go from the same rows are one rectangle where there is room for one alone.
    canvas_remove(t.canvas, 1);
    canvas_remove(t.canvas, 2);
    assert_int_equal(canvas_damage(t.canvas, rects, 1), 1);
    assert_int_equal(rects[0].row, 4);
    assert_int_equal(rects[0].rows, 8);
    assert_true(rects[0].column <= 12 && rects[0].column + rects[0].columns >= 50);
    image_unref(image);
    close_terminal(&t);
}

static void
text_over_pictures_is_seen(void **state)
{
    (void)state;
    struct terminal t;
    struct canvas_rect rects[8];
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = fields(64, 64);
    struct canvas_rect menu = {5, 2, 3, 20};
    canvas_put(t.canvas, 0, image, &(struct canvas_place){.rect = {4, 0, 6, 12}});
    canvas_cover(t.canvas, &menu, 1);
    flush(&t);
    assert_int_equal(count(t.text, "\033P"), 0);
    canvas_cover(t.canvas, NULL, 0);
    flush(&t);
    assert_true(count(t.text, "\033P") > 0);
    canvas_hide(t.canvas, true);
    canvas_damage(t.canvas, rects, 8);
    flush(&t);
    assert_int_equal(count(t.text, "\033P"), 0);
    canvas_hide(t.canvas, false);
    canvas_invalidate(t.canvas, COLUMNS, ROWS, 0, 0);
    flush(&t);
    assert_true(count(t.text, "\033P") > 0);
    image_unref(image);
    close_terminal(&t);
}

// Whites that are nearly so, and the grey squares behind what is transparent, beside a lot of blue.
static void
bright_greys_have_no_tint(void **state)
{
    (void)state;
    static const uint8_t colours[4][3] = {
        {253, 253, 254}, {232, 232, 232}, {255, 255, 255}, {56, 174, 255}};
    struct terminal t;
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = image_create(64, 64, IMAGE_RGB8, NULL);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++) {
            uint8_t *p = image_row(image, y) + 3 * x;
            memcpy(p, colours[y < 32 ? (x / 8 + y / 8) % 2 : 2 + x / 32], 3);
            p[2] = (uint8_t)(y < 32 && p[0] == 232 ? 232 + (x + y) % 9 : p[2]);
        }
    canvas_put(t.canvas, 0, image, &(struct canvas_place){.rect = {2, 2, 4, 8}});
    flush(&t);
    int bright = 0, n = 0, r, g, b;
    for (const char *p = t.text; (p = strchr(p, '#')); p++)
        if (sscanf(p, "#%d;2;%d;%d;%d", &n, &r, &g, &b) == 4 && MIN(r, MIN(g, b)) > 85) {
            int tint = MAX(r, MAX(g, b)) - MIN(r, MIN(g, b)); // of a hundred
            bright += tint == 0;
            assert_true(tint == 0 || tint > 3);
        }
    assert_true(bright >= 2);
    image_unref(image);
    close_terminal(&t);
}

// A picture that ends within its last column of cells: the rest of them is ground, however few its
// pixels are among many colours.
static void
what_is_left_of_a_cell_is_ground(void **state)
{
    (void)state;
#ifdef LIMN_HAVE_SIXEL
    struct terminal t;
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = image_create(61, 64, IMAGE_RGB8, NULL);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 61; x++) {
            uint8_t colour[3] = {(uint8_t)(200 + (x + y) % 56), (uint8_t)(3 * x), (uint8_t)(4 * y)};
            memcpy(image_row(image, y) + 3 * x, colour, 3);
        }
    canvas_put(t.canvas, 0, image, &(struct canvas_place){.rect = {2, 2, 3, 6}});
    flush(&t);
    uint8_t *screen = mem_zalloc((size_t)COLUMNS * CELL_WIDTH * ROWS * CELL_HEIGHT * 3);
    play(t.text, screen);
    for (int y = 2 * CELL_HEIGHT; y < 5 * CELL_HEIGHT; y++)
        for (int x = 2 * CELL_WIDTH + 58; x < 8 * CELL_WIDTH; x++)
            assert_pixel(screen, x, y, 0x10, 0x20, 0x30);
    free(screen);
    image_unref(image);
    close_terminal(&t);
#endif
}

static void
kitty_cleans_up(void **state)
{
    (void)state;
    struct terminal t;
    open_terminal(&t, CANVAS_KITTY);
    struct image *image = fields(64, 64);
    canvas_put(t.canvas, 7, image, &(struct canvas_place){.rect = {2, 3, 6, 12}});
    flush(&t);
    assert_true(count(t.text, "\033_G") > 0);
    assert_int_equal(count(t.text, "\033_G"), count(t.text, "\033\\"));
    canvas_remove(t.canvas, 7);
    flush(&t);
    assert_true(count(t.text, "a=d") > 0);
    image_unref(image);
    close_terminal(&t);
}

// All chunks of the first picture in `text`, out of base 64 and inflated.
static void
inflate_kitty(const char *text, uint8_t *pixels, size_t size)
{
    char *coded = mem_zalloc(strlen(text) + 1);
    for (const char *p = text; (p = strstr(p, "\033_G")); p++) {
        const char *body = strchr(p, ';'), *end = strstr(p, "\033\\");
        if (body && end && body < end)
            strncat(coded, body + 1, (size_t)(end - body - 1));
    }
    size_t n = 0;
    uLongf got = size;
    uint8_t *packed = base64_decode(coded, &n, NULL);
    assert_non_null(packed);
    assert_int_equal(uncompress(pixels, &got, packed, n), Z_OK);
    assert_int_equal(got, size);
    free(packed);
    free(coded);
}

// A picture of just its place is sent pixel for pixel, in a fraction of its bytes.
static void
kitty_sends_the_pixels(void **state)
{
    (void)state;
    enum { WIDTH = 12 * CELL_WIDTH, HEIGHT = 6 * CELL_HEIGHT, BYTES = WIDTH * HEIGHT * 3 };
    static uint8_t pixels[BYTES];
    struct terminal t;
    open_terminal(&t, CANVAS_KITTY);
    struct image *image = fields(WIDTH, HEIGHT);
    canvas_put(t.canvas, 7, image, &(struct canvas_place){.rect = {2, 3, 6, 12}});
    flush(&t);
    assert_int_equal(count(t.text, "f=24,o=z,s=120,v=120,"), 1);
    assert_true(t.size < BYTES / 10);
    inflate_kitty(t.text, pixels, BYTES);
    for (int y = 0; y < HEIGHT; y++)
        assert_memory_equal(pixels + y * WIDTH * 3, image_row(image, y), WIDTH * 3);
    image_unref(image);
    close_terminal(&t);
}

// Reads commands as kitty does: while a picture is loading, any that carries pixels continues it,
// whatever picture it names. So one may begin only when none is loading, and in the end none is.
// Returns how many are placed.
static int
load_as_kitty(const char *text)
{
    bool loading = false;
    int placed = 0;
    for (const char *p = text; (p = strstr(p, "\033_G")); p++) {
        const char *end = strpbrk(p + 1, ";\033"), *more = strstr(p, "m=");
        bool begins = strncmp(p, "\033_Ga=t", 6) == 0, continues = strncmp(p, "\033_Gm=", 5) == 0;
        placed += strncmp(p, "\033_Ga=p", 6) == 0;
        if (!begins && !continues)
            continue;
        assert_int_equal(begins, !loading);
        assert_true(more && more < end);
        loading = more[2] == '1';
    }
    assert_false(loading);
    return placed;
}

static void
read_all(struct terminal *t, char *text, size_t *size, size_t room)
{
    for (ssize_t n; (n = read(t->theirs, text + *size, room - *size - 1)) > 0;)
        *size += (size_t)n;
    text[*size] = 0;
}

static struct image *
noise(int width, int height)
{
    struct image *image = image_create(width, height, IMAGE_RGB8, NULL);
    uint32_t random = 1;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < 3 * width; x++)
            image_row(image, y)[x] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
    return image;
}

// However the sending of a picture is cut short, the next one is whole.
static void
kitty_ends_what_it_began(void **state)
{
    (void)state;
    enum { REMOVED, COVERED, HIDDEN, RESIZED, REPLACED, DESTROYED, WAYS, ROOM = 1 << 20 };
    struct image *large = noise(400, 400), *small = fields(64, 64);
    for (int way = 0; way < WAYS; way++) {
        struct terminal t;
        char *text = mem_zalloc(ROOM);
        size_t size = 0;
        open_terminal(&t, CANVAS_KITTY);
        canvas_put(t.canvas, 7, large, &(struct canvas_place){.rect = {0, 0, 20, 40}});
        while (size == 0) {
            assert_true(canvas_flush(t.canvas, 0, NULL));
            read_all(&t, text, &size, ROOM);
        }
        assert_int_equal(count(text, "a=p"), 0);
        if (way == REMOVED)
            canvas_remove(t.canvas, 7);
        else if (way == COVERED)
            canvas_cover(t.canvas, &(struct canvas_rect){0, 0, 2, 2}, 1);
        else if (way == HIDDEN)
            canvas_hide(t.canvas, true);
        else if (way == RESIZED)
            canvas_invalidate(t.canvas, 70, 20, 700, 400);
        else if (way == REPLACED)
            canvas_put(t.canvas, 7, small, &(struct canvas_place){.rect = {2, 3, 6, 12}});
        if (way == HIDDEN)
            canvas_hide(t.canvas, false);
        canvas_put(t.canvas, 8, small, &(struct canvas_place){.rect = {8, 50, 6, 12}});
        while (way != DESTROYED && canvas_pending(t.canvas)) {
            assert_true(canvas_flush(t.canvas, 50, NULL));
            read_all(&t, text, &size, ROOM);
        }
        canvas_destroy(t.canvas);
        t.canvas = NULL;
        read_all(&t, text, &size, ROOM);
        assert_true(size < ROOM - 1);
        int placed = load_as_kitty(text);
        assert_int_equal(placed, way == DESTROYED ? 0 : way == REMOVED || way == COVERED ? 1 : 2);
        close_terminal(&t);
        free(text);
    }
    image_unref(large);
    image_unref(small);
}

static void
a_terminal_that_is_gone_is_an_error(void **state)
{
    (void)state;
    struct terminal t;
    struct err err = {0};
    open_terminal(&t, CANVAS_SIXEL);
    struct image *image = fields(300, 300);
    close(t.theirs);
    canvas_put(t.canvas, 0, image, &(struct canvas_place){.rect = {0, 0, 20, 40}});
    bool ok = true;
    for (int i = 0; i < 5000 && ok; i++) {
        ok = canvas_flush(t.canvas, 50, &err);
        usleep(1000);
    }
    assert_false(ok);
    assert_int_equal(err.code, ERR_IO);
    image_unref(image);
    close_terminal(&t);
}

int
main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixels_are_the_picture),
        cmocka_unit_test(tmux_gets_cells_and_bands),
        cmocka_unit_test(what_is_the_same_costs_nothing),
        cmocka_unit_test(what_goes_is_printed_over),
        cmocka_unit_test(text_over_pictures_is_seen),
        cmocka_unit_test(bright_greys_have_no_tint),
        cmocka_unit_test(what_is_left_of_a_cell_is_ground),
        cmocka_unit_test(kitty_cleans_up),
        cmocka_unit_test(kitty_sends_the_pixels),
        cmocka_unit_test(kitty_ends_what_it_began),
        cmocka_unit_test(a_terminal_that_is_gone_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
