// SPDX-License-Identifier: MIT
// Where a name in a file may lead. The folder is laid out here, and what each name leads to is
// written down beside it; the kernel's way and the one link by link must say the same.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/base/beneath.h"
#include "engine/base/file.h"

static char top[] = "/tmp/limn-beneath-XXXXXX";
static char *own; // the folder of the file that names; beside it lies what must not be reached

static const struct {
    const char *name;
    const char *text; // what is read; NULL: refused
    const char *why;
    int walk; // errno of the walk alone; 0: it reads the same
} names[] = {
    {"a.txt", "inside", NULL, 0},
    {"sub/b.txt", "below", NULL, 0},
    {"sub//b.txt", "below", NULL, 0},
    {"./a.txt", "inside", NULL, 0},
    {"to-a", "inside", NULL, 0},
    {"sub/up-to-a", "inside", NULL, 0},
    {"to-sub/b.txt", "below", NULL, 0},
    {"", NULL, "file name is empty", EISDIR},
    {"/etc/passwd", NULL, "/etc/passwd is an absolute path", EXDEV},
    {"../secret", NULL, "../secret leads outside the folder", EXDEV},
    {"sub/../../secret", NULL, "leads outside the folder", EXDEV},
    {"sub/..", NULL, "leads outside the folder", EISDIR},
    {".hidden", NULL, ".hidden is a hidden file", 0},
    {"sub/.hidden/x", NULL, "is a hidden file", ENOENT},
    {"out", NULL, "out is a link that leads out", EXDEV},
    {"out-absolute", NULL, "is a link that leads out", EXDEV},
    {"out-folder/secret", NULL, "is a link that leads out", EXDEV},
    {"sub/out-twice", NULL, "is a link that leads out", EXDEV},
    {"loop", NULL, "loop has more than 40 symbolic links on its way", ELOOP},
    {"nowhere", NULL, "nowhere", ENOENT},
    {"a.txt/x", NULL, "a.txt/x", ENOTDIR},
    {"sub", NULL, "not a regular file", EISDIR},
    {"pipe", NULL, "not a regular file", 0},
};

static void
put(const char *folder, const char *name, const char *text)
{
    struct err err = {0};
    char *path = file_join(folder, name);
    assert_true(file_write(path, text, strlen(text), &err));
    free(path);
}

static void
join(const char *target, const char *name)
{
    char *path = file_join(own, name);
    assert_int_equal(symlink(target, path), 0);
    free(path);
}

static int
begin(void **state)
{
    (void)state;
    struct err err = {0};
    assert_non_null(mkdtemp(top));
    own = file_join(top, "own");
    char *sub = file_join(own, "sub"), *pipe = file_join(own, "pipe");
    assert_true(file_make_folders(sub, &err));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    put(top, "secret", "secret");
    put(own, "a.txt", "inside");
    put(own, ".hidden", "hidden");
    put(sub, "b.txt", "below");
    join("a.txt", "to-a");
    join("../a.txt", "sub/up-to-a");
    join("sub", "to-sub");
    join("../secret", "out");
    join("/etc/passwd", "out-absolute");
    join("..", "out-folder");
    join("../out", "sub/out-twice");
    join("loop", "loop");
    free(sub);
    free(pipe);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    char *command = NULL;
    free(own);
    assert_true(asprintf(&command, "rm -rf '%s'", top) > 0);
    int status = system(command);
    free(command);
    return status;
}

static void
names_lead_where_they_may(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct err err = {0};
        size_t size = 0;
        char *text = beneath_read(own, names[i].name, 100, &size, &err);
        if (!names[i].text != !text || (text && strcmp(text, names[i].text) != 0))
            fail_msg("%s: '%s', %s", names[i].name, text ? text : "", err.text);
        if (names[i].why && !strstr(err.text, names[i].why))
            fail_msg("%s: no '%s' in '%s'", names[i].name, names[i].why, err.text);
        assert_true(text || err.code == ERR_INPUT);
        free(text);
    }
}

static void
the_walk_says_the_same(void **state)
{
    (void)state;
    int root = open(own, O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        errno = 0;
        int fd = beneath_walk(root, names[i].name, O_RDWR | O_NONBLOCK);
        int number = fd >= 0 ? 0 : errno;
        if (number != names[i].walk)
            fail_msg("%s: %s, not %s", names[i].name, strerror(number), strerror(names[i].walk));
        char text[100] = "";
        if (fd >= 0 && names[i].text)
            assert_true(read(fd, text, sizeof text - 1) > 0);
        assert_true(!names[i].text || strcmp(text, names[i].text) == 0);
        if (fd >= 0)
            close(fd);
    }
    close(root);
}

static void
a_path_may_be_new_but_not_behind_a_link(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } rows[] = {{"run", true},          {"new/run", true},     {"sub/run", true},
                {"to-sub/run", true},   {"out-folder/run", false}, {"../run", false},
                {"out", false},         {"/tmp/run", false},   {"new/../run", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = {0};
        char *path = beneath_path(own, rows[i].name, &err), *wanted = file_join(own, rows[i].name);
        if (!path != !rows[i].good || (path && strcmp(path, wanted) != 0))
            fail_msg("%s: %s %s", rows[i].name, path ? path : "refused", err.text);
        free(wanted);
        free(path);
    }
}

static void
the_current_folder_is_a_folder_too(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(chdir(own), 0);
    char *text = beneath_read("", "a.txt", 100, NULL, &err);
    assert_string_equal(text, "inside");
    free(text);
    assert_null(beneath_read("", "a.txt", 3, NULL, &err));
    assert_non_null(strstr(err.text, "the limit is 3"));
    assert_int_equal(chdir("/"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_lead_where_they_may),
        cmocka_unit_test(the_walk_says_the_same),
        cmocka_unit_test(a_path_may_be_new_but_not_behind_a_link),
        cmocka_unit_test(the_current_folder_is_a_folder_too),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
