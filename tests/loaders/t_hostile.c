// SPDX-License-Identifier: MIT
// Loaders that try to do harm, and places that must not be trusted. The truth is outside: no file
// appears, nobody calls, nobody is killed, no process stays.
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/clock.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "loaders/inside.h"
#include "loaders/look.h"
#include "loaders/place.h"
#include "renderer/image/codec.h"
#include "sandbox/confine.h"

static char *build_folder, *data_folder;
static char folder[] = "/tmp/limn-hostile-XXXXXX";
static struct loader_host *host;
static int home;

static void
copy_module(const char *name, const char *to)
{
    size_t size;
    char *from = mem_printf("%s/%s.so", build_folder, name);
    char *file = mem_printf("%s/%s.so", to, name);
    char *data = file_read(from, 64 << 20, &size, NULL);
    assert_true(data && file_write(file, data, size, NULL));
    free(data), free(file), free(from);
}

static char *
in_folder(const char *name)
{
    return file_join(folder, name);
}

static int
set_up(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    assert_non_null(mkdtemp(folder));
    char *secret = in_folder("secret"), *loaders = in_folder("loaders");
    assert_true(file_write(secret, "secret", 6, NULL));
    assert_int_equal(mkdir(loaders, 0700), 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s/home", folder);
    home = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(home, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(home, 8), 0);
    copy_module("hostile", loaders);
    copy_module("hostile-on-load", loaders);
    setenv("LIMN_LOADER_PATH", loaders, 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    host = loader_host_open();
    free(secret), free(loaders);
    return 0;
}

static int
tear_down(void **state)
{
    loader_host_close(host);
    char *command = mem_printf("rm -rf '%s'", folder);
    int rc = system(command);
    free(command), free(build_folder), free(data_folder);
    return rc;
}

// Processes of ours of that name; `last` (may be NULL): one of them.
static int
processes(const char *wanted, pid_t *last)
{
    char own[4096] = "", exe[4096], path[300], name[32];
    int count = 0;
    DIR *d = opendir("/proc");
    assert_true(readlink("/proc/self/exe", own, sizeof own - 1) > 0);
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%s/exe", e->d_name);
        ssize_t n = readlink(path, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = 0;
        snprintf(path, sizeof path, "/proc/%s/comm", e->d_name);
        FILE *f = strcmp(own, exe) == 0 ? fopen(path, "re") : NULL;
        if (f && fscanf(f, "%31s", name) == 1)
            if (strcmp(name, wanted) == 0 && ++count && last)
                *last = (pid_t)atoi(e->d_name);
        if (f)
            fclose(f);
    }
    if (d)
        closedir(d);
    return count;
}

// In which something is being looked at.
static int
look_children(void)
{
    return processes("limn-look", NULL);
}

static void
assert_no_harm(void)
{
    static const char *const made[] = {"written", "executed"};
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        char *path = in_folder(made[i]);
        if (access(path, F_OK) == 0)
            fail_msg("%s was made", path);
        free(path);
    }
    assert_int_equal(accept(home, NULL, NULL), -1);
    for (int i = 0; look_children() && i < 200; i++)
        usleep(10000);
    assert_int_equal(look_children(), 0);
}

static struct image *
run_as(const char *what, double seconds, struct err *err)
{
    const struct loader_limits limits = {.seconds = seconds, .megabytes = 200};
    const struct loader_entry *e = loader_host_need(host, "hostile", err);
    if (!e)
        fail_msg("%s", err->text);
    struct loader_values v;
    loader_defaults(e->loader, &v);
    assert_true(loader_set_value(e->loader, &v, "do", what, NULL));
    struct image *in = image_create(16, 16, IMAGE_RGB8, NULL);
    struct image *out = loader_run(e, in, &v, &limits, err);
    image_unref(in);
    return out;
}

static void
each_attempt_is_refused(void **state)
{
    static const char *const attempts[] = {"socket", "passwd", "beside", "write", "exec",
                                           "kill-parent", "kill-all", "fork", "environment", "eat"};
    const struct confine_kernel kernel = confine_kernel();
    if (!kernel.landlock || !kernel.seccomp)
        skip();
    for (size_t i = 0; i < COUNT_OF(attempts); i++) {
        struct err err = {0};
        char *expected = mem_printf("loader hostile: %s: refused", attempts[i]);
        assert_null(run_as(attempts[i], 20, &err));
        assert_string_equal(err.text, expected);
        free(expected);
    }
    assert_no_harm();
}

static void
answers_may_be_lies(void **state)
{
    static const struct {
        const char *what, *sentence;
    } cases[] = {{"answer-size", "impossible size"}, {"answer-text", "?]0;owned???"},
                 {"close", "crashed"}, {"spin", "0.5 s and"}, {"stop", "0.5 s and"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        double start = clock_seconds();
        assert_null(run_as(cases[i].what, 0.5, &err));
        if (!strstr(err.text, cases[i].sentence))
            fail_msg("%s: '%s'", cases[i].what, err.text);
        for (const char *c = err.text; *c; c++)
            assert_true((unsigned char)*c >= 0x20 && *c != 0x7F);
        assert_true(clock_seconds() - start < 10);
    }
    // More than it was asked for: the picture that its first words announce, and no more is read.
    struct err err = {0};
    struct image *out = run_as("answer-flood", 5, &err);
    assert_true(out && out->width == 16 && out->height == 16);
    image_unref(out);
    assert_no_harm();
}

static void
loading_does_no_harm(void **state)
{
    const struct confine_kernel kernel = confine_kernel();
    if (!kernel.landlock || !kernel.seccomp)
        skip();
    assert_non_null(loader_host_find(host, "hostile-on-load")); // all it tried has failed
    assert_no_harm();
}

static char *
letters(size_t count)
{
    char *text = mem_alloc(count + 1);
    memset(text, 'x', count);
    text[count] = 0;
    return text;
}

// Each limit of what a loader says of itself, kept and broken by one.
static void
descriptions_have_limits(void **state)
{
    for (size_t over = 0; over <= 1; over++)
        for (int which = 0; which < 6; which++) {
            static const size_t limits[] = {LIMIT_LOADER_NAME_BYTES, LIMIT_LOADER_ROLE_BYTES,
                                            LIMIT_LOADER_SUMMARY_BYTES, LIMIT_LOADER_SUMMARY_BYTES,
                                            LIMIT_LOADER_CHOICES_BYTES, 0};
            char *text = letters(limits[which] + over);
            struct limn_param params[LIMIT_LOADER_PARAMS + 1];
            char names[LIMIT_LOADER_PARAMS + 1][8];
            for (int i = 0; i <= LIMIT_LOADER_PARAMS; i++) {
                snprintf(names[i], sizeof names[i], "p%d", i);
                params[i] = (struct limn_param){.name = names[i],
                                                .help = which == 3 ? text : "help",
                                                .kind = LIMN_PARAM_CHOICE,
                                                .choices = which == 4 ? text : "a|b"};
            }
            const struct limn_loader l = {
                .size = sizeof l, .name = which == 0 ? text : "name",
                .role = which == 1 ? text : "role", .summary = which == 2 ? text : "summary",
                .params = params,
                .param_count = LIMIT_LOADER_PARAMS + (which == 5 ? (uint32_t)over : 0)};
            const char *fault = loader_check(&l);
            if ((fault != NULL) != (over == 1))
                fail_msg("%d, %zu over: %s", which, over, fault ? fault : "accepted");
            free(text);
        }
}

static void *
spin(void *error)
{
    image_unref(run_as("spin", 20, error));
    return NULL;
}

// What the keeper was killed for goes with it, and the next look has another one.
static void
keepers_are_replaced(void **state)
{
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        pid_t keeper = 0;
        pthread_t thread;
        assert_no_harm(); // nor anything left of what was looked at before
        double start = clock_seconds();
        assert_int_equal(pthread_create(&thread, NULL, spin, &err), 0);
        while (look_children() == 0 && clock_seconds() - start < 10)
            usleep(1000);
        assert_int_equal(processes("limn-keeper", &keeper), 1);
        assert_int_equal(kill(keeper, SIGKILL), 0);
        pthread_join(thread, NULL);
        assert_true(clock_seconds() - start < 15);
        assert_non_null(strstr(err.text, "loader hostile crashed"));
        assert_no_harm();
        err_clear(&err);
        assert_null(run_as("socket", 20, &err)); // in a child of the next one
        assert_non_null(strstr(err.text, "loader hostile: socket"));
    }
}

static struct image *
run_on(const void *data, size_t size, const char *what, int megabytes, struct err *err)
{
    const struct loader_limits limits = {.seconds = 5, .megabytes = megabytes};
    const struct loader_entry *e = loader_host_need(host, "hostile", err);
    struct loader_values v;
    loader_defaults(e->loader, &v);
    assert_true(loader_set_value(e->loader, &v, "do", what, NULL));
    return look_decode_run(data, size, "x.png", e, &v, &limits, err);
}

// The decoder and the loader in one child or two: the same picture, the same sentences.
static void
pictures_go_through_loaders(void **state)
{
    static const int megabytes[] = {LIMIT_LOOK_MEGABYTES, LIMIT_LOOK_MEGABYTES + 1};
    static const struct {
        const char *what, *sentence;
    } cases[] = {{"answer-size", "loader hostile gave a picture of impossible size"},
                 {"answer-text", "?]0;owned???"},
                 {"close", "loader hostile crashed"},
                 {"passwd", "loader hostile: passwd"},
                 {"spin", "loader hostile took more than 5 s"}};
    size_t size;
    char *file = file_join(data_folder, "noise.png"), *png = file_read(file, 1 << 20, &size, NULL);
    assert_non_null(png);
    for (size_t m = 0; m < COUNT_OF(megabytes); m++) {
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            struct err err = {0};
            assert_null(run_on(png, size, cases[i].what, megabytes[m], &err));
            if (!strstr(err.text, cases[i].sentence))
                fail_msg("%s: '%s'", cases[i].what, err.text);
        }
        struct err err = {0};
        struct image *out = run_on(png, size, "answer-flood", megabytes[m], &err);
        assert_true(out && out->width == 16);
        image_unref(out);
        assert_null(run_on(png, size / 2, "passwd", megabytes[m], &err));
        if (strncmp(err.text, "x.png: ", 7) != 0)
            fail_msg("half a picture: '%s'", err.text);
    }
    free(file), free(png);
    assert_no_harm();
}

// A worker's picture is decoded in the UI's turn: only as large as that can be.
static void
results_have_limits(void **state)
{
    for (int over = 0; over <= 1; over++)
        for (int tall = 0; tall <= 1; tall++) {
            struct err err = {0};
            int side = LIMIT_RESULT_SIDE + over;
            struct image *a = image_create(tall ? 1 : side, tall ? side : 1, IMAGE_RGB8, NULL);
            size_t size;
            void *png = codec_encode_png(a, NULL, &size, NULL);
            struct image *b = look_decode_result(png, size, "result", NULL, &err);
            assert_int_equal(b != NULL, !over);
            image_unref(a), image_unref(b);
            free(png);
        }
    assert_null(look_decode_result("GIF89a", 6, "result", NULL, NULL));
}

// --- letters

static bool
has_ink(const struct image *i, int ground)
{
    for (size_t k = 0; i && k < i->stride * (size_t)i->height; k++)
        if (i->pixels[k] != ground)
            return true;
    return false;
}

// In a child that is kept; one that ends costs what it was drawing, and a sentence.
static void
letters_are_drawn_in_the_sandbox(void **state)
{
    struct look_child *l = look_child_open(NULL);
    struct err err = {0};
    pid_t child = 0;
    struct image *label = look_child_text(l, "a <label> \xff", 80, 18, &err);
    struct image *letter = look_child_glyph(l, "M", 8, 16, true, &err);
    assert_int_equal(err.code, ERR_NONE);
    assert_true(label->width == 80 && label->height == 18 && label->format == IMAGE_RGB8);
    assert_true(letter->width == 8 && letter->height == 16 && letter->format == IMAGE_GRAY8);
    assert_int_equal(processes("limn-look", &child), 1);
    struct image *outside = codec_glyph("M", 8, 16, true, NULL);
    if (has_ink(outside, 0)) // the system has fonts
        assert_true(has_ink(label, 255) && has_ink(letter, 0));
    image_unref(outside), image_unref(label), image_unref(letter);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_null(look_child_text(l, "b", 80, 18, &err));
    assert_non_null(strstr(err.text, "letters: the text renderer crashed"));
    err_clear(&err);
    label = look_child_text(l, "c", 80, 18, &err);
    assert_non_null(label);
    image_unref(label);
    look_child_close(l);
    assert_no_harm();
}

static struct image *
label_of(struct look_child *l, size_t bytes, char last)
{
    char *text = letters(bytes);
    text[bytes - 1] = last;
    struct image *out = look_child_text(l, text, 80, 18, NULL);
    free(text);
    assert_non_null(out);
    return out;
}

static bool
same(struct image *a, struct image *b)
{
    bool equal = memcmp(a->pixels, b->pixels, a->stride * (size_t)a->height) == 0;
    image_unref(a), image_unref(b);
    return equal;
}

// Of a text beyond the limit its two ends are drawn; megabytes of it take no time.
static void
long_labels(void **state)
{
    struct look_child *l = look_child_open(NULL);
    for (size_t over = 0; over <= 1; over++) {
        size_t n = LIMIT_LETTERS_BYTES + over;
        assert_true(same(label_of(l, n, 'x'), label_of(l, LIMIT_LETTERS_BYTES, 'x')));
        assert_true(same(label_of(l, n, 'W'), label_of(l, LIMIT_LETTERS_BYTES, 'W')));
    }
    struct image *one = label_of(l, 1, 'x');
    bool fonts = has_ink(one, 255); // of the system
    image_unref(one);
    assert_int_equal(
        same(label_of(l, LIMIT_LETTERS_BYTES, 'x'), label_of(l, LIMIT_LETTERS_BYTES, 'W')), !fonts);
    assert_true(same(label_of(l, 8 << 20, 'W'), label_of(l, LIMIT_LETTERS_BYTES, 'W')));
    look_child_close(l);
    assert_no_harm();
}

// --- places

static void
places_are_checked(void **state)
{
    struct err err = {0};
    char *safe = in_folder("safe"), *open = in_folder("open"), *inside = in_folder("open/inside");
    char *file = in_folder("safe/x.so"), *link = in_folder("link"), *sticky = in_folder("sticky");
    char *below = in_folder("sticky/below");
    assert_int_equal(mkdir(safe, 0700) | mkdir(open, 0700) | mkdir(inside, 0700), 0);
    assert_int_equal(mkdir(sticky, 0700) | mkdir(below, 0700), 0);
    assert_int_equal(chmod(open, 0777) | chmod(sticky, 01777), 0);
    assert_true(file_write(file, "x", 1, NULL));
    assert_int_equal(chmod(file, 0600) | symlink(inside, link), 0);
    const char *const good[] = {safe, file, below};
    const struct {
        const char *path, *reason;
    } bad[] = {{open, "can be written by others"}, {inside, "can be written by others"},
               {link, "can be written by others"}, {sticky, "can be written by others"},
               {"safe", "not an absolute path"},   {"", "not an absolute path"},
               {"/nonexistent", "No such file"}};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char *real = place_resolve(good[i], PLACE_OWN, &err);
        if (!real)
            fail_msg("%s: %s", good[i], err.text);
        free(real);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err_clear(&err);
        assert_null(place_resolve(bad[i].path, PLACE_OWN, &err));
        if (!strstr(err.text, bad[i].reason))
            fail_msg("%s: '%s'", bad[i].path, err.text);
    }
    assert_int_equal(chmod(file, 0620), 0); // the group of another
    if (chown(file, geteuid(), 12345) == 0)
        assert_null(place_resolve(file, PLACE_OWN, NULL));
    assert_int_equal(chmod(file, 0602), 0);
    assert_null(place_resolve(file, PLACE_BUILT, NULL));
    assert_int_equal(chmod(file, 0600), 0);
    if (chown(file, 12345, 12345) == 0) {
        err_clear(&err);
        assert_null(place_resolve(file, PLACE_OWN, &err));
        assert_non_null(strstr(err.text, "belongs to user 12345"));
    }
    free(safe), free(open), free(inside), free(file), free(link), free(sticky), free(below);
}

static bool
refused(const struct loader_host *h, const char *part, const char *reason)
{
    for (int i = 0; i < loader_host_refusal_count(h); i++)
        if (strstr(loader_host_refusal(h, i), part) && strstr(loader_host_refusal(h, i), reason))
            return true;
    return false;
}

static void
loaders_of_others_are_refused(void **state)
{
    char *others = in_folder("others"), *cwd = getcwd(NULL, 0);
    assert_int_equal(mkdir(others, 0700), 0);
    copy_module("hostile", others);
    char *path = mem_printf("%s:others:./others:.", others);
    setenv("LIMN_LOADER_PATH", path, 1);
    assert_int_equal(chdir(folder), 0);
    struct loader_host *h = loader_host_open();
    assert_non_null(loader_host_find(h, "hostile")); // by the absolute path
    assert_true(refused(h, "others: ", "not an absolute path"));
    assert_true(refused(h, "./others: ", "not an absolute path"));
    assert_true(refused(h, ".: ", "not an absolute path"));
    loader_host_close(h);
    assert_int_equal(chmod(others, 0777), 0);
    h = loader_host_open();
    assert_null(loader_host_find(h, "hostile"));
    assert_true(refused(h, others, "can be written by others"));
    loader_host_close(h);
    assert_int_equal(chdir(cwd), 0);
    free(others), free(path), free(cwd);
}

// --- pictures

static void
pictures_are_looked_at(void **state)
{
    struct err err = {0};
    char *odd = in_folder("a [page=9],x.png"), *text = in_folder("letter.txt"),
         *none = in_folder("gone.png"), *empty = in_folder("empty.png"), *pipe = in_folder("p.png");
    char *jpeg = file_join(data_folder, "two.jpg"),
         *upright = file_join(data_folder, "upright.jpg");
    assert_true(file_write(text, "Dear Sir,\n", 10, NULL) && file_write(empty, "", 0, NULL));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    char *command = mem_printf("cp '%s/noise.png' '%s'", data_folder, odd);
    assert_int_equal(system(command), 0);
    const char *const bad[] = {text, empty, folder, none, "/dev/null", pipe};
    assert_true(look_check(odd, NULL, &err) && look_check(jpeg, NULL, &err));
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err_clear(&err);
        assert_false(look_check(bad[i], NULL, &err));
        if (strncmp(err.text, bad[i], strlen(bad[i])) != 0 || strstr(err.text, ": : "))
            fail_msg("%s: '%s'", bad[i], err.text);
        assert_null(look_decode_file(bad[i], NULL, NULL));
    }
    const struct look_options small = {.side = 5}, png = {.png = true},
                              square = {.cover = 6, .cover_least = 3};
    struct image *a = look_decode_file(jpeg, &small, &err), *b = look_decode_file(odd, &png, &err),
                 *c = look_decode_file(upright, &square, &err);
    assert_true(a && MAX(a->width, a->height) == 5);
    assert_true(b && c && c->width == c->height && c->width <= 6);
    err_clear(&err);
    assert_null(look_decode_file(jpeg, &png, &err));
    assert_non_null(strstr(err.text, "not a PNG"));
    image_unref(a), image_unref(b), image_unref(c);
    free(command), free(odd), free(text), free(none), free(empty), free(jpeg), free(upright);
    free(pipe);
}

// Small drawings are made as large as they are wanted, costly ones end in time.
static void
drawings_are_made_to_measure(void **state)
{
    static const char icon[] =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"24\" height=\"12\">"
        "<rect width=\"12\" height=\"12\" fill=\"#f00\"/></svg>";
    static const char slow[] =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"8000\" height=\"8000\"><filter id=\"f\" "
        "x=\"0\" y=\"0\" width=\"1\" height=\"1\"><feGaussianBlur "
        "stdDeviation=\"900\"/><feTurbulence "
        "baseFrequency=\"0.001\" numOctaves=\"200\"/><feMorphology radius=\"900\"/></filter><g "
        "filter=\"url(#f)\"><rect width=\"8000\" height=\"8000\" filter=\"url(#f)\"/></g></svg>";
    static const int sides[][2] = {{0, LIMIT_VECTOR_SIDE}, {4096, LIMIT_VECTOR_SIDE}, {100, 100}};
    struct err err = {0};
    enum { PATIENCE = 600 }; // seconds
    const struct look_options patient = {.seconds = PATIENCE};
    for (size_t i = 0; i < COUNT_OF(sides); i++) {
        const struct look_options want = {.side = sides[i][0], .seconds = PATIENCE};
        struct image *a = look_decode(icon, sizeof icon - 1, "icon.svg", &want, &err);
        if (!a)
            fail_msg("%s", err.text);
        assert_int_equal(a->width, sides[i][1]);
        assert_int_equal(a->height, sides[i][1] / 2);
        // The edge is sharp: it lies between two pixels in the middle, and is no enlarged one.
        const uint8_t *row = image_row(a, 10) + 4 * (a->width / 2 - 2);
        assert_true(row[3] == 255 && row[0] == 255 && row[4 * 4 + 3] == 0);
        image_unref(a);
    }
    // Of processor time: on a busy machine a second of it takes long.
    assert_null(look_decode(slow, sizeof slow - 1, "slow.svg", &patient, &err));
    assert_non_null(strstr(err.text, "slow.svg: it takes more than 1 s to draw"));
    assert_no_harm();
}

int
main(int argc, char **argv)
{
    build_folder = realpath(argc > 1 ? argv[1] : ".", NULL);
    data_folder = realpath(argc > 2 ? argv[2] : ".", NULL);
    assert_true(build_folder && data_folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_attempt_is_refused),
        cmocka_unit_test(answers_may_be_lies),
        cmocka_unit_test(loading_does_no_harm),
        cmocka_unit_test(descriptions_have_limits),
        cmocka_unit_test(results_have_limits),
        cmocka_unit_test(letters_are_drawn_in_the_sandbox),
        cmocka_unit_test(long_labels),
        cmocka_unit_test(keepers_are_replaced),
        cmocka_unit_test(pictures_go_through_loaders),
        cmocka_unit_test(places_are_checked),
        cmocka_unit_test(loaders_of_others_are_refused),
        cmocka_unit_test(pictures_are_looked_at),
        cmocka_unit_test(drawings_are_made_to_measure),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
