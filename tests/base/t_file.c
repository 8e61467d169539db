// SPDX-License-Identifier: MIT
// A mapped file that another program cuts: what is left reads as it was, what is gone as 0, and the
// question whether it is whole is answered. What stands beside it in memory, and a file that is
// replaced, are not touched.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/base/xdg.h"

enum { PAGES = 6 };

static char folder[] = "/tmp/limn-file-XXXXXX";
static size_t page;

static char *
make(const char *name, size_t size)
{
    char *path = file_join(folder, name), *data = mem_alloc(size);
    memset(data, 'x', size);
    assert_true(file_write(path, data, size, NULL));
    free(data);
    return path;
}

static size_t
count(const struct file_map *m, unsigned char value)
{
    size_t n = 0;
    for (size_t i = 0; i < m->size; i++)
        n += m->data[i] == value;
    return n;
}

static void
must_be_cut(const struct file_map *m, const char *path)
{
    struct err err = {0};
    assert_false(file_map_check(m, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "truncated"));
}

static void
what_is_cut_reads_as_zero(void **state)
{
    (void)state;
    file_map_guard(); // cmocka takes the signal for itself before each test
    // From nothing to all but one byte; between the two also inside the last page, where nothing is
    // raised.
    size_t left[] = {0, 1, page - 1, page, page + 1, 3 * page, PAGES * page - 1};
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        char *path = make("cut", PAGES * page), *beside = make("beside", PAGES * page);
        struct file_map m, other;
        assert_true(file_map(&m, path, NULL) && file_map(&other, beside, NULL));
        assert_true(file_map_check(&m, NULL));
        assert_int_equal(truncate(path, (off_t)left[i]), 0);
        assert_int_equal(count(&m, 'x'), left[i]);
        assert_int_equal(count(&m, 0), m.size - left[i]);
        must_be_cut(&m, path);
        assert_int_equal(count(&other, 'x'), other.size);
        assert_true(file_map_check(&other, NULL));
        file_unmap(&m);
        file_unmap(&other);
        free(path);
        free(beside);
    }
}

static void *
read_all(void *map)
{
    return (void *)(uintptr_t)count(map, 0);
}

static void
threads_may_read_it_meanwhile(void **state)
{
    (void)state;
    file_map_guard(); // cmocka takes the signal for itself before each test
    char *path = make("threads", PAGES * page);
    struct file_map m;
    pthread_t threads[4];
    void *zeros;
    assert_true(file_map(&m, path, NULL));
    assert_int_equal(truncate(path, (off_t)page), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_all, &m), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &zeros), 0);
        assert_int_equal((uintptr_t)zeros, (PAGES - 1) * page);
    }
    // Grown again: what was missed once stays missing.
    assert_int_equal(truncate(path, (off_t)(PAGES * page)), 0);
    must_be_cut(&m, path);
    file_unmap(&m);
    free(path);
}

static void
what_is_replaced_or_grows_stays(void **state)
{
    (void)state;
    char *path = make("replaced", PAGES * page);
    struct file_map m;
    assert_true(file_map(&m, path, NULL));
    assert_true(file_write(path, "short", 5, NULL));
    assert_int_equal(count(&m, 'x'), m.size);
    assert_true(file_map_check(&m, NULL));
    file_unmap(&m);
    assert_true(file_map(&m, path, NULL));
    assert_int_equal(m.size, 5);
    assert_int_equal(truncate(path, (off_t)page), 0);
    assert_true(file_map_check(&m, NULL));
    assert_int_equal(unlink(path), 0);
    assert_true(file_map_check(&m, NULL));
    file_unmap(&m);
    file_unmap(&m); // nothing any more
    free(path);
}

// What is made for this user's eyes alone is so whatever the umask, and no link leads it elsewhere.
// Where HOME is unset or no absolute path, the user database says where home is; relative folders
// are none.
static void
home_is_where_the_user_database_has_it(void **state)
{
    static const char *const variables[] = {"XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME",
                                            "XDG_CACHE_HOME"};
    static const char *const below[] = {".config/limn/x", ".local/share/limn/x",
                                        ".local/state/limn/x", ".cache/limn/x"};
    static const char *const homes[] = {NULL, "", "relative", "./here", "~"};
    char *before = getenv("HOME") ? mem_strdup(getenv("HOME")) : NULL;
    const struct passwd *user = getpwuid(geteuid());
    assert_non_null(user);
    for (size_t i = 0; i < COUNT_OF(homes); i++) {
        if (homes[i])
            setenv("HOME", homes[i], 1);
        else
            unsetenv("HOME");
        char *home = xdg_home();
        assert_string_equal(home, user->pw_dir);
        free(home);
        for (int k = 0; k < 2 * (int)COUNT_OF(variables); k++) {
            int kind = k % (int)COUNT_OF(variables);
            if (k < (int)COUNT_OF(variables))
                unsetenv(variables[kind]);
            else
                setenv(variables[kind], "not/absolute", 1);
            char *path = xdg_path((enum xdg)kind, "x"),
                 *right = file_join(user->pw_dir, below[kind]);
            assert_string_equal(path, right);
            free(path);
            free(right);
        }
    }
    setenv("HOME", "/home/of/somebody", 1);
    char *home = xdg_home();
    assert_string_equal(home, "/home/of/somebody");
    free(home);
    if (before)
        setenv("HOME", before, 1);
    free(before);
}

static void
private_files_are_private(void **state)
{
    (void)state;
    struct stat st;
    struct err err = {0};
    char *path = file_join(folder, "private"), *link = file_join(folder, "link");
    mode_t mask = umask(0);
    int fd = file_open_private(path, O_WRONLY | O_CREAT, &err);
    umask(mask);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    close(fd);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(file_open_private(link, O_WRONLY | O_CREAT | O_NOFOLLOW, &err), -1);
    assert_non_null(strstr(err.text, link));
    err_clear(&err);
    assert_int_equal(file_open_private(folder, O_RDONLY, &err), -1);
    assert_non_null(strstr(err.text, "a folder, not a regular file"));
    free(path);
    free(link);
}

static int
begin(void **state)
{
    (void)state;
    page = (size_t)sysconf(_SC_PAGESIZE);
    return mkdtemp(folder) ? 0 : -1;
}

static int
end(void **state)
{
    (void)state;
    static const char *const names[] = {"cut", "beside", "threads", "replaced", "private", "link"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = file_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

// Folder and last part of a path, put together again, lead to the same file: the root's own, too.
static void
a_path_is_its_folder_and_its_last_part(void **state)
{
    static const char *const rows[][3] = {
        {"a/b/c", "a/b", "c"}, {"c", "", "c"}, {"/c", "/", "c"}, {"/a/c", "/a", "c"},
        {"./c", ".", "c"},     {"a/", "a", ""}, {"/", "/", ""},  {"", "", ""}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *of = file_folder(rows[i][0]), *joined = file_join(of, file_basename(rows[i][0]));
        assert_string_equal(of, rows[i][1]);
        assert_string_equal(file_basename(rows[i][0]), rows[i][2]);
        assert_string_equal(joined, rows[i][0]);
        free(joined);
        free(of);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_cut_reads_as_zero),
        cmocka_unit_test(threads_may_read_it_meanwhile),
        cmocka_unit_test(what_is_replaced_or_grows_stays),
        cmocka_unit_test(home_is_where_the_user_database_has_it),
        cmocka_unit_test(private_files_are_private),
        cmocka_unit_test(a_path_is_its_folder_and_its_last_part),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
