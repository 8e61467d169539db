// SPDX-License-Identifier: MIT
// The host: bad loaders are refused with one sentence each and the rest go on; parameters are
// checked; a loader that crashes, hangs or eats memory costs a sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "loaders/host.h"

static char *build_folder;
static char path_folder[] = "/tmp/limn-loaders-XXXXXX";
static struct loader_host *host;

static void
link_module(const char *name)
{
    char *from = mem_printf("%s/%s.so", build_folder, name);
    char *to = mem_printf("%s/%s.so", path_folder, name);
    assert_int_equal(symlink(from, to), 0);
    free(from);
    free(to);
}

static int
set_up(void **state)
{
    static const char *const names[] = {
        "bad-none", "bad-abi", "bad-run", "bad-size-small", "bad-size-large", "bad-crash-on-load",
        "bad-exit-on-load", "bad-hang-on-load", "bad-name", "bad-range", "bad-choice", "bad-twice",
        "bad-table", "bad-symbol",
    };
    assert_non_null(mkdtemp(path_folder));
    for (size_t i = 0; i < COUNT_OF(names); i++)
        link_module(names[i]);
    char *second = mem_printf("%s/second", path_folder), *text = file_join(path_folder, "text.so");
    char *folder = file_join(path_folder, "folder.so"), *note = file_join(path_folder, "README");
    char *duplicate = mem_printf("%s/bad-duplicate.so", build_folder);
    char *link = file_join(second, "bad-duplicate.so");
    assert_true(file_write(text, "not an ELF\n", 11, NULL));
    assert_true(file_write(note, "not a loader\n", 13, NULL));
    assert_int_equal(mkdir(folder, 0700) | mkdir(second, 0700), 0);
    assert_int_equal(symlink(duplicate, link), 0);
    char *path = mem_printf("%s:/nonexistent::%s", path_folder, second);
    setenv("LIMN_LOADER_PATH", path, 1);
    setenv("XDG_DATA_HOME", "/nonexistent", 1);
    free(path);
    free(second);
    free(text);
    free(folder);
    free(note);
    free(duplicate);
    free(link);
    host = loader_host_open();
    return 0;
}

static int
tear_down(void **state)
{
    loader_host_close(host);
    char *command = mem_printf("rm -r '%s'", path_folder);
    int rc = system(command);
    free(command);
    free(build_folder);
    return rc;
}

static const struct loader_entry *
good(void)
{
    const struct loader_entry *e = loader_host_find(host, "bad-none");
    assert_non_null(e);
    return e;
}

static void
bad_files_are_refused_one_by_one(void **state)
{
    static const struct {
        const char *file, *reason;
    } expected[] = {
        {"bad-abi.so", "another version"},     {"bad-run.so", "lacks the function run"},
        {"bad-size-small.so", "impossible"},   {"bad-size-large.so", "smaller than it says"},
        {"bad-crash-on-load.so", "crashes"},   {"bad-exit-on-load.so", "crashes"},
        {"bad-hang-on-load.so", "hangs"},      {"bad-name.so", "name"},
        {"bad-range.so", "range"},             {"bad-choice.so", "choice"},
        {"bad-twice.so", "two parameters"},    {"bad-table.so", "table of parameters"},
        {"bad-symbol.so", "nobody_defines"},   {"text.so", "not a shared object"},
        {"folder.so", "not a regular file"},   {"second/bad-duplicate.so", "found first"},
    };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        char *path = file_join(path_folder, expected[i].file);
        int found = 0;
        for (int k = 0; k < loader_host_refusal_count(host); k++) {
            const char *line = loader_host_refusal(host, k);
            size_t n = strlen(path);
            if (strncmp(line, path, n) != 0 || line[n] != ':')
                continue;
            found++;
            if (!strstr(line, expected[i].reason))
                fail_msg("'%s' instead of '%s'", line, expected[i].reason);
            assert_null(strchr(line, '\n'));
            assert_null(strstr(line + n, path)); // named once
        }
        if (found != 1)
            fail_msg("%s is refused %d times", expected[i].file, found);
        free(path);
    }
    assert_non_null(strstr(good()->path, "/bad-none.so")); // the first of the path won
    for (int k = 0; k < loader_host_refusal_count(host); k++)
        assert_null(strstr(loader_host_refusal(host, k), "bad-none.so"));
}

static void
names_and_roles_are_found(void **state)
{
    struct err err = {0};
    assert_ptr_equal(loader_host_need(host, "bad-none", &err), good());
    assert_ptr_equal(loader_host_need(host, "test", &err), good()); // by role
    assert_null(loader_host_need(host, "egde", &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "egde"));
    assert_non_null(strstr(err.text, "bad-none"));
    assert_null(loader_host_at(host, -1));
    assert_null(loader_host_at(host, loader_host_count(host)));
    for (int i = 1; i < loader_host_count(host); i++)
        assert_true(strcmp(loader_host_at(host, i - 1)->loader->name,
                           loader_host_at(host, i)->loader->name) < 0);
}

static void
settings_are_checked(void **state)
{
    const struct limn_loader *l = good()->loader;
    struct loader_values v;
    struct err err = {0};
    loader_defaults(l, &v);
    assert_true(v.v[0] == 0 && v.v[1] == 0.5 && v.v[2] == 3 && v.v[3] == 0);
    assert_true(loader_set(l, &v, "do=hang", &err) && v.v[0] == 2);
    assert_true(loader_set(l, &v, "level=-1", &err) && v.v[1] == -1);
    assert_true(loader_set(l, &v, "level=1", &err) && v.v[1] == 1);
    assert_true(loader_set(l, &v, "count=9", &err) && v.v[2] == 9);
    assert_true(loader_set(l, &v, "flag=yes", &err) && v.v[3] == 1);
    assert_true(loader_set(l, &v, "flag=off", &err) && v.v[3] == 0);
    static const char *const bad[][2] = {
        {"level=1.001", "-1..1"}, {"level=-2", "-1..1"}, {"level=nan", "-1..1"},
        {"level=inf", "-1..1"},   {"level=", "-1..1"},   {"level=0.5x", "-1..1"},
        {"count=0", "1..9"},      {"count=2.5", "1..9"}, {"count=99999999999", "1..9"},
        {"flag=maybe", "yes"},    {"do=dance", "copy|"}, {"do=cop", "copy|"},
        {"do=", "copy|"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct loader_values before = v;
        err_clear(&err);
        if (loader_set(l, &v, bad[i][0], &err))
            fail_msg("%s was accepted", bad[i][0]);
        assert_int_equal(err.code, ERR_INPUT);
        char *key = mem_strndup(bad[i][0], strcspn(bad[i][0], "="));
        if (!strstr(err.text, "bad-none") || !strstr(err.text, key) ||
            !strstr(err.text, bad[i][0] + strlen(key) + 1) || !strstr(err.text, bad[i][1]))
            fail_msg("%s: '%s'", bad[i][0], err.text);
        free(key);
        assert_memory_equal(&before, &v, sizeof v);
    }
    err_clear(&err);
    assert_false(loader_set(l, &v, "size=3", &err));
    assert_non_null(strstr(err.text, "size"));
    err_clear(&err);
    assert_false(loader_set(l, &v, "level", &err));
    assert_non_null(strstr(err.text, "KEY=VALUE"));
}

static struct image *
run_as(const char *what, struct err *err)
{
    const struct loader_limits limits = {.seconds = strcmp(what, "hang") == 0 ? 0.4 : 20,
                                         .megabytes = 200};
    struct loader_values v;
    loader_defaults(good()->loader, &v);
    assert_true(loader_set_value(good()->loader, &v, "do", what, NULL));
    struct image *in = image_create(40, 30, IMAGE_RGB8, NULL);
    for (int i = 0; i < 3600; i++)
        in->pixels[i] = (uint8_t)(i * 37);
    struct image *out = loader_run(good(), in, &v, &limits, err);
    if (out) {
        assert_int_equal(out->format, IMAGE_RGBA8);
        for (int i = 0; i < 1200; i++) {
            assert_memory_equal(in->pixels + 3 * i, out->pixels + 4 * i, 3);
            assert_int_equal(out->pixels[4 * i + 3], 255);
        }
    }
    image_unref(in);
    return out;
}

static void
misbehaviour_is_a_sentence(void **state)
{
    static const char *const cases[][2] = {
        {"crash", "crashed"}, {"hang", "0.4 s and"}, {"size", "impossible size"},
        {"null", "impossible size"}, {"stride", "impossible size"}, {"fail", "not to its taste"},
        {"shout", "xxxx"}, {"exit", "crashed"},
        {"eat", "no memory after 1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        assert_null(run_as(cases[i][0], &err));
        if (err.code != ERR_INPUT || !strstr(err.text, cases[i][1]) ||
            !strstr(err.text, "bad-none"))
            fail_msg("%s: '%s'", cases[i][0], err.text);
        assert_null(run_as(cases[i][0], NULL));
    }
    struct err err = {0};
    struct image *out = run_as("copy", &err); // and the next run is as good as ever
    assert_non_null(out);
    image_unref(out);
}

// What a loader prints must not get into the protocol on stdout.
static void
printing_goes_nowhere(void **state)
{
    char path[] = "/tmp/limn-stdout-XXXXXX", *slow = file_join(path_folder, "bad-hang-on-load.so");
    assert_int_equal(unlink(slow), 0); // waited for once already
    free(slow);
    fflush(stdout);
    int fd = mkstemp(path), saved = dup(1);
    dup2(fd, 1);
    struct image *out = run_as("print", NULL);
    struct loader_host *again = loader_host_open();
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    off_t n = lseek(fd, 0, SEEK_END);
    close(fd);
    unlink(path);
    loader_host_close(again);
    assert_non_null(out);
    image_unref(out);
    assert_int_equal(n, 0);
}

// The limit of time is a limit: a loop that never ends is over after it.
static void
hang_ends_in_time(void **state)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    assert_null(run_as("hang", NULL));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    assert_true(seconds >= 0.35 && seconds < 5);
}

static void
limits_come_from_the_environment(void **state)
{
    static const struct {
        const char *seconds, *memory;
        double expected_seconds;
        int expected_memory;
    } cases[] = {{NULL, NULL, LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"", "", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"7200", "16000", 7200, 16000},
                 {"soon", "1G", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"-1", "-1", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"0", "0", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"nan", "nan", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"1e9", "1e9", LIMIT_LOADER_SECONDS, LIMIT_LOADER_MEGABYTES},
                 {"0.3", "200", 0.3, 200}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (cases[i].seconds) {
            setenv("LIMN_LOADER_SECONDS", cases[i].seconds, 1);
            setenv("LIMN_LOADER_MEMORY", cases[i].memory, 1);
        }
        struct loader_limits limits = loader_limits_from_env(NULL);
        if (limits.seconds != cases[i].expected_seconds ||
            limits.megabytes != cases[i].expected_memory)
            fail_msg("case %zu: %g seconds, %d MiB", i, limits.seconds, limits.megabytes);
    }
    // And they are what a run keeps to: those of the last case.
    struct image *in = image_create(40, 30, IMAGE_RGB8, NULL);
    struct loader_values v;
    struct err err = {0};
    loader_defaults(good()->loader, &v);
    assert_true(loader_set_value(good()->loader, &v, "do", "hang", NULL));
    struct loader_limits limits = loader_limits_from_env(NULL);
    assert_null(loader_run(good(), in, &v, &limits, &err));
    assert_non_null(strstr(err.text, "bad-none took more than 0.3 s and was stopped"));
    err_clear(&err);
    setenv("LIMN_LOADER_SECONDS", "20", 1);
    assert_true(loader_set_value(good()->loader, &v, "do", "eat", NULL));
    limits = loader_limits_from_env(NULL);
    assert_null(loader_run(good(), in, &v, &limits, &err));
    assert_non_null(strstr(err.text, "no memory after 1"));
    unsetenv("LIMN_LOADER_SECONDS");
    unsetenv("LIMN_LOADER_MEMORY");
    image_unref(in);
}

int
main(int argc, char **argv)
{
    build_folder = realpath(argc > 1 ? argv[1] : ".", NULL);
    assert_non_null(build_folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files_are_refused_one_by_one),
        cmocka_unit_test(names_and_roles_are_found),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(misbehaviour_is_a_sentence),
        cmocka_unit_test(printing_goes_nowhere),
        cmocka_unit_test(hang_ends_in_time),
        cmocka_unit_test(limits_come_from_the_environment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
