// SPDX-License-Identifier: MIT
// Terminals that answer, stay silent, or answer nonsense, played on a pseudo-terminal; what the
// preview drivers choose and write.
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"
#include "renderer/preview.h"
#include "renderer/term_query.h"

// What the child on the terminal found out; shared memory.
struct report {
    bool answered, mode_kept;
    struct term_info info;
    char driver[16];
    double seconds;
};

// The played terminal: answers `first` to the first DA1 query, `second` to the second; `typed`
// comes before the answers. NULL stays silent.
struct terminal {
    const char *typed, *first, *second;
    struct winsize size;
};

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// How long a query may take: a terminal that answers is waited for, however busy the machine is.
static int patience = TERM_QUERY_MS;

bool __real_term_query(int fd, int ms, struct term_info *info);
bool __wrap_term_query(int fd, int ms, struct term_info *info);
bool
__wrap_term_query(int fd, int ms, struct term_info *info)
{
    return __real_term_query(fd, ms == TERM_QUERY_MS ? patience : ms, info);
}

static bool
answers(const char *text)
{
    return text && text[strlen(text) - 1] == 'c'; // DA1, which ends a query
}

// Runs `work` in a child on the terminal; what it wrote goes to `output` (0-terminated).
static void
play(const struct terminal *t, void (*work)(struct report *), struct report *report, char *output,
     size_t size)
{
    struct report *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setenv("TERM", "xterm", 1); // a dumb terminal would not be asked
    int master;
    struct winsize winsize = t->size;
    patience = answers(t->first) ? 60000 : TERM_QUERY_MS;
    fflush(NULL);
    pid_t pid = forkpty(&master, NULL, NULL, &winsize);
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(120);
        work(shared);
        fflush(stdout);
        tcdrain(1);
        _exit(0);
    }
    size_t n = 0, seen = 0;
    int queries = 0;
    for (;;) {
        struct pollfd wait = {master, POLLIN, 0};
        if (poll(&wait, 1, 120000) <= 0)
            break;
        ssize_t r = read(master, output + n, size - 1 - n);
        if (r <= 0) // the child is gone
            break;
        n += (size_t)r;
        output[n] = 0;
        for (char *q; (q = strstr(output + seen, "\033[c"));) {
            seen = (size_t)(q - output) + 3;
            const char *answer = queries++ % 2 ? t->second : t->first;
            if (queries == 1 && t->typed)
                assert_int_equal(write(master, t->typed, strlen(t->typed)), strlen(t->typed));
            // In two pieces: an answer may arrive so.
            size_t half = answer ? strlen(answer) / 2 : 0;
            if (answer) {
                assert_int_equal(write(master, answer, half), half);
                usleep(2000);
                assert_int_equal(write(master, answer + half, strlen(answer) - half),
                                 strlen(answer) - half);
            }
        }
    }
    int status;
    waitpid(pid, &status, 0);
    close(master);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("the child ended with status %d", status);
    *report = *shared;
    munmap(shared, sizeof *shared);
}

static void
query(struct report *r)
{
    struct termios before, after;
    tcgetattr(0, &before);
    double begun = now();
    r->answered = term_query(0, TERM_QUERY_MS, &r->info);
    r->seconds = now() - begun;
    tcgetattr(0, &after);
    r->mode_kept = before.c_lflag == after.c_lflag && before.c_iflag == after.c_iflag &&
                   memcmp(before.c_cc, after.c_cc, sizeof before.c_cc) == 0;
}

static const struct winsize plain = {.ws_row = 30, .ws_col = 100};

static void
terminals_are_understood(void **state)
{
    static char output[1 << 16];
    static const struct {
        const char *first, *second, *typed;
        bool answered, sixel;
        int cell_width, cell_height, colours;
        const char *kept;
        bool light;
    } cases[] = {
        // xterm as a VT340
        {"\033[6;17;8t\033[?63;1;2;4;6;9;15;16;22;28c", "\033[?1;0;1024S\033[?63;1;2;4c", NULL,
         true, true, 8, 17, 256, ""},
        {"\033[?62;4;22c", "\033[?1;0;16S\033[?62;4;22c", NULL, true, true, 10, 20, 16, ""},
        {"\033[?62;4c", "\033[?1;3;0S\033[?62;4c", NULL, true, true, 10, 20, 256, ""}, // refuses
        // WezTerm, Windows Terminal since 1.22 and before, mintty
        {"\033[6;19;10t\033[?65;4;6;18;22c", "\033[?1;0;65536S\033[?65;4;6;18;22c", NULL, true,
         true, 10, 19, 256, ""},
        {"\033[6;20;10t\033[?61;4;6;7;14;21;22;23;24;28;32;42c",
         "\033[?1;2S\033[?61;4;6;7;14;21;22;23;24;28;32;42c", NULL, true, true, 10, 20, 256, ""},
        {"\033[6;16;8t\033[?61;6;7;14;21;22;23;24;28;32;42c", NULL, NULL, true, false, 8, 16, 256,
         ""},
        {"\033[?65;1;2;4;6;9;15;21;22;28;29c", "\033[?65;1;2;4;6;9;15;21;22;28;29c", NULL, true,
         true, 10, 20, 256, ""},
        // no sixel: VT100, a VT132 (class 4), one with 14 and 41 but no 4
        {"\033[?1;2c", NULL, NULL, true, false, 10, 20, 256, ""},
        {"\033[?4;6c", NULL, NULL, true, false, 10, 20, 256, ""},
        {"\033[?62;14;41c", NULL, NULL, true, false, 10, 20, 256, ""},
        // keys among the answers are kept: q, cursor up, é
        {"\033[?62;22c", NULL, "q\033[A\xC3\xA9", true, false, 10, 20, 256, "q\033[A\xC3\xA9"},
        // the ground: white as xterm says it; ended by a bell; solarized; black; blue in two
        // digits; a key beside it; nonsense
        {"\033]11;rgb:ffff/ffff/ffff\033\\\033[?62;22c",
         NULL, NULL, true, false, 10, 20, 256, "", true},
        {"\033]11;rgb:ffff/ffff/ffff\a\033[?62;22c",
         NULL, NULL, true, false, 10, 20, 256, "", true},
        {"\033]11;rgb:fdfd/f6f6/e3e3\033\\\033[?62;22c",
         NULL, NULL, true, false, 10, 20, 256, "", true},
        {"\033]11;rgb:0000/0000/0000\033\\\033[?62;22c", NULL, NULL, true, false, 10, 20, 256, ""},
        {"\033]11;rgb:00/00/ff\033\\\033[?62;22c", NULL, NULL, true, false, 10, 20, 256, ""},
        {"\033]11;rgb:ff/ff/ff\033\\\033[?62;22c", NULL, "q", true, false, 10, 20, 256, "q", true},
        {"\033]11;rgb:              f/f/f\033\\\033[?62;22c", NULL, NULL, true, false, 10, 20, 256,
         ""},
        {"\033]11;rgb:-1/-1/-1\033\\\033[?62;22c", NULL, NULL, true, false, 10, 20, 256, ""},
        {"\033]11;rgb:zz/1\033\\\033[?62;22c", NULL, NULL, true, false, 10, 20, 256, ""},
        // nonsense: absurd cells, a sequence without an end
        {"\033[6;99999;1t\033[?62;22c", NULL, NULL, true, false, 10, 20, 256, ""},
        {NULL, NULL, NULL, false, false, 10, 20, 256, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct terminal t = {cases[i].typed, cases[i].first, cases[i].second, plain};
        struct report r;
        play(&t, query, &r, output, sizeof output);
        if (r.answered != cases[i].answered || r.info.sixel != cases[i].sixel ||
            r.info.cell_width != cases[i].cell_width ||
            r.info.cell_height != cases[i].cell_height || r.info.colours != cases[i].colours ||
            r.info.light != cases[i].light)
            fail_msg("case %zu: answered %d, sixel %d, cell %dx%d, %d colours", i, r.answered,
                     r.info.sixel, r.info.cell_width, r.info.cell_height, r.info.colours);
        assert_int_equal(r.info.columns, 100);
        assert_int_equal(r.info.rows, 30);
        assert_true(r.mode_kept);
        assert_int_equal(r.info.typed_count, strlen(cases[i].kept));
        assert_memory_equal(r.info.typed, cases[i].kept, strlen(cases[i].kept));
        if (!cases[i].answered) // silence costs the time limit, and an end
            assert_true(r.seconds >= 0.28);
    }
}

// Endless noise instead of an answer neither overflows nor outlasts the limit.
static void
noise_is_survived(void **state)
{
    static char output[1 << 16], noise[4000];
    memset(noise, ';', sizeof noise - 1);
    noise[0] = '\033';
    noise[1] = '[';
    struct terminal t = {NULL, noise, NULL, plain};
    struct report r;
    play(&t, query, &r, output, sizeof output);
    assert_false(r.answered);
    assert_true(r.mode_kept);
}

static void
size_in_pixels_is_used(void **state)
{
    static char output[1 << 16];
    struct terminal t = {NULL, "\033[?62;22c", NULL, {40, 80, 960, 1000}};
    struct report r;
    play(&t, query, &r, output, sizeof output);
    assert_int_equal(r.info.cell_width, 12);
    assert_int_equal(r.info.cell_height, 25);
    t.size = (struct winsize){40, 80, 65535, 65535}; // no letters are that large
    play(&t, query, &r, output, sizeof output);
    assert_int_equal(r.info.cell_width, TERM_CELL_WIDTH_GUESS);
    assert_int_equal(r.info.cell_height, TERM_CELL_HEIGHT_GUESS);
}

static void
no_terminal_is_no_answer(void **state)
{
    struct term_info info;
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    assert_false(term_query(fd[0], 50, &info));
    assert_false(term_query(-1, 50, &info));
    assert_int_equal(info.columns, 80);
    close(fd[0]);
    close(fd[1]);
}

// --- drivers

static struct image *
picture(int width, int height, uint8_t red)
{
    struct image *a = image_create(width, height, IMAGE_RGB8, NULL);
    for (int i = 0; i < width * height; i++)
        a->pixels[3 * i] = red;
    return a;
}

static void
draw_three(struct report *r)
{
    struct preview *p;
    struct err err = {0};
    if (!preview_open(&p, "auto", &err))
        return;
    snprintf(r->driver, sizeof r->driver, "%s", preview_name(p));
    enum { RESTS = 5 }; // a driver rests for four times as long as a frame took
    bool ok = true;
    for (int step = 1; step <= 3; step++) {
        struct image *a = picture(64, 64, (uint8_t)(80 * step));
        double begun = now();
        ok = ok && preview_frame(p, a, step, 3, &err);
        image_unref(a);
        usleep((useconds_t)(step < 3 ? RESTS * (now() - begun) * 1e6 + 2000 : 0));
    }
    preview_close(p);
    r->answered = ok;
}

static int
count(const char *text, const char *what)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        n++;
    return n;
}

static void
auto_draws_sixels_in_place(void **state)
{
    static char output[1 << 22];
    struct terminal t = {NULL, "\033[6;20;10t\033[?62;4c", "\033[?1;0;256S\033[?62;4c", plain};
    struct report r;
    play(&t, draw_three, &r, output, sizeof output);
    assert_string_equal(r.driver, "sixel");
    assert_true(r.answered);
    // 64 pixels become 256: 13 rows of 20, made once; each frame goes up 13 rows and comes back.
    const char *begin = strstr(output, "\033[?2026h");
    assert_non_null(begin);
    assert_int_equal(count(output, "\033[?2026h"), 3);
    assert_int_equal(count(output, "\033[?2026l"), 3);
    assert_int_equal(count(output, "\0337\r\033[13A"), 3);
    assert_int_equal(count(output, "\0338\033[?2026l"), 3);
    const char *first = strstr(begin, "\033P");
    assert_non_null(first);
    int feeds = 0;
    for (const char *p = begin; *p; p++)
        if (*p == '\n') {
            feeds++;
            assert_true(p < first);
        }
    assert_int_equal(feeds, 13);
    // Sixels: raster attributes say 256 x 256; each frame is one string with its end.
    assert_int_equal(count(begin, "\033\\"), 3);
    assert_int_equal(count(begin, "\"1;1;260;260"), 3); // whole cells
    // The red of the frames, 80, 160, 240, in percent, to the 5 bits of the palette: 31, 63, 94.
    const char *frame = begin;
    for (int step = 1; step <= 3; step++) {
        int red = -1, green = -1, blue = -1;
        frame = strstr(frame + 1, ";2;");
        assert_non_null(frame);
        assert_int_equal(sscanf(frame, ";2;%d;%d;%d", &red, &green, &blue), 3);
        assert_true(abs(red - (step * 80 * 100 + 127) / 255) <= 3 && green == 0 && blue == 0);
        frame = strstr(frame, "\033\\");
    }
}

static void
auto_draws_nothing_elsewhere(void **state)
{
    static char output[1 << 16];
    struct terminal deaf = {NULL, NULL, NULL, plain}, old = {NULL, "\033[?1;2c", NULL, plain};
    struct report r;
    play(&deaf, draw_three, &r, output, sizeof output);
    assert_string_equal(r.driver, "none");
    assert_null(strstr(output, "\033P"));
    play(&old, draw_three, &r, output, sizeof output);
    assert_string_equal(r.driver, "none");
    assert_null(strstr(output, "\033P"));
    // Standard output is a file: the terminal is not even asked.
    int saved = dup(1), null = open("/dev/null", O_WRONLY);
    fflush(stdout);
    dup2(null, 1);
    struct preview *p = NULL;
    bool ok = preview_open(&p, "auto", NULL);
    dup2(saved, 1);
    close(saved);
    close(null);
    assert_true(ok);
    assert_string_equal(preview_name(p), "none");
    preview_close(p);
}

// A frame higher than the terminal is made to fit: it must never make the screen scroll.
static void
draw_tall(struct report *r)
{
    struct preview *p;
    struct image *a = picture(300, 900, 200);
    r->answered = preview_open(&p, "sixel", NULL) && preview_frame(p, a, 1, 1, NULL);
    preview_close(p);
    image_unref(a);
}

static void
tall_pictures_fit(void **state)
{
    static char output[1 << 20];
    struct terminal t = {NULL, "\033[6;20;10t\033[?62;4c", "\033[?62;4c", {12, 100, 0, 0}};
    struct report r;
    play(&t, draw_tall, &r, output, sizeof output);
    assert_true(r.answered);
    assert_int_equal(count(output, "\033[10A"), 1); // 12 rows less two
    assert_int_equal(count(output, ";70;200"), 1); // 66 wide, in whole cells
}

static void
draw_cells(struct report *r)
{
    struct preview *p;
    struct image *a = picture(64, 64, 200);
    r->answered = preview_open(&p, "cells", NULL) && preview_frame(p, a, 1, 1, NULL);
    preview_close(p);
    image_unref(a);
}

// Symbols go line by line into the rows that were made for them, wherever these are on the screen.
static void
cells_stay_in_their_rows(void **state)
{
#ifdef LIMN_HAVE_CHAFA
    static char output[1 << 20];
    struct terminal t = {NULL, "\033[?62;4c", "\033[?62;4c", {22, 100, 0, 0}};
    struct report r;
    play(&t, draw_cells, &r, output, sizeof output);
    assert_true(r.answered);
    const char *begin = strstr(output, "\033[?2026h");
    assert_non_null(begin);
    for (int up = 20; up >= 1; up--) { // 22 rows less two
        char go[24];
        snprintf(go, sizeof go, "\0337\r\033[%dA", up);
        assert_int_equal(count(begin, go), 1);
    }
    assert_int_equal(count(begin, "\0338"), 20);
    assert_null(strstr(begin, "H")); // nowhere by row and column
#else
    skip();
#endif
}

static void
files_are_written(void **state)
{
    char folder[] = "/tmp/limn-preview-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *choice = mem_printf("file:%s/new", folder);
    struct preview *p;
    struct err err = {0};
    assert_true(preview_open(&p, choice, &err));
    for (int step = 1; step <= 2; step++) {
        struct image *a = picture(5, 4, (uint8_t)(100 * step));
        assert_true(preview_frame(p, a, step, 2, &err));
        image_unref(a);
        char *path = mem_printf("%s/new/step-%04d.png", folder, step);
        size_t size;
        char *png = file_read(path, LIMIT_PICTURE_BYTES, &size, &err);
        assert_non_null(png);
        struct image *b = codec_decode(png, size, path, NULL, &err);
        free(png);
        assert_non_null(b);
        assert_int_equal(b->width, 5);
        assert_int_equal(b->pixels[0], 100 * step);
        image_unref(b);
        unlink(path);
        free(path);
    }
    preview_close(p);
    char *inner = mem_printf("%s/new", folder);
    assert_int_equal(rmdir(inner) | rmdir(folder), 0);
    free(inner);
    free(choice);
}

static void
names_are_checked(void **state)
{
    struct preview *p;
    struct err err = {0};
    assert_false(preview_open(&p, "sixle", &err));
    assert_null(p);
    assert_int_equal(err.code, ERR_INPUT);
    for (int i = 0; preview_drivers[i]; i++) {
        assert_non_null(strstr(err.text, preview_drivers[i]->name));
        assert_non_null(preview_drivers[i]->description);
        assert_non_null(preview_drivers[i]->frame);
    }
    err_clear(&err);
    assert_false(preview_open(&p, "file:/proc/none/such", &err));
    assert_null(p);
    assert_true(err.code != ERR_NONE);
    preview_close(NULL);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terminals_are_understood),
        cmocka_unit_test(noise_is_survived),
        cmocka_unit_test(size_in_pixels_is_used),
        cmocka_unit_test(no_terminal_is_no_answer),
        cmocka_unit_test(auto_draws_sixels_in_place),
        cmocka_unit_test(auto_draws_nothing_elsewhere),
        cmocka_unit_test(tall_pictures_fit),
        cmocka_unit_test(cells_stay_in_their_rows),
        cmocka_unit_test(files_are_written), // decodes here: nothing may be forked after it
        cmocka_unit_test(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
