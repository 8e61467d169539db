// SPDX-License-Identifier: MIT
// A training's log at its limits: how long a line, and how many tasks, are taken in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/ui/trainlog.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static char folder[] = "/tmp/limn-trainlog-XXXXXX";
static char *file;

static struct trainlog
read_log(const char *text)
{
    struct trainlog t = {0};
    struct err err = {0};
    assert_true(file_write(file, text, strlen(text), &err));
    assert_true(trainlog_open(&t, folder, &err));
    while (trainlog_read(&t))
        ;
    return t;
}

// A line with its end is as long as it may be, or one byte longer.
static void
lines_have_a_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        static const char head[] = "{\"step\": 1, \"loss\": 0.5, \"pad\": \"",
                          tail[] = "\"}\n{\"step\": 2, \"loss\": 0.25}\n";
        size_t pad = LIMIT_TRAINLOG_LINE_BYTES + (size_t)more - strlen(head) - strlen("\"}\n");
        char *text = mem_printf("%s%*s%s", head, (int)pad, "", tail);
        struct trainlog t = read_log(text);
        assert_int_equal(t.count, 2 - more);
        assert_int_equal(t.step, 2);
        trainlog_close(&t);
        free(text);
    }
}

static void
tasks_have_a_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        char *text = mem_strdup("{\"step\": 1, \"loss\": 0.5, \"tasks\": {\"t0\": 1");
        for (int i = 1; i < LIMIT_TRAINLOG_TASKS + more; i++) {
            char *longer = mem_printf("%s, \"t%d\": %d", text, i, i + 1);
            free(text);
            text = longer;
        }
        char *whole = mem_printf("%s}}\n", text);
        struct trainlog t = read_log(whole);
        assert_int_equal(t.count, 1); // the step counts, whatever tasks it has
        assert_int_equal(t.task_count, LIMIT_TRAINLOG_TASKS);
        assert_true(t.tasks[LIMIT_TRAINLOG_TASKS - 1].loss == LIMIT_TRAINLOG_TASKS);
        trainlog_close(&t);
        free(whole);
        free(text);
    }
}

// What lies behind the first gigabyte is not read; before it is a hole.
static void
logs_have_a_limit(void **state)
{
    (void)state;
    struct trainlog t = {0};
    struct err err = {0};
    static const char line[] = "{\"step\": 7, \"loss\": 0.5}\n";
    assert_true(file_write(file, line, strlen(line), &err));
    assert_true(trainlog_open(&t, folder, &err));
    while (trainlog_read(&t))
        ;
    assert_int_equal(t.count, 1);
    // As if it had been read nearly to the limit.
    assert_int_equal(truncate(file, (off_t)LIMIT_TRAINLOG_BYTES), 0);
    t.read = (off_t)LIMIT_TRAINLOG_BYTES - 1;
    assert_true(trainlog_read(&t));
    assert_int_equal(t.read, LIMIT_TRAINLOG_BYTES);
    FILE *f = fopen(file, "a");
    assert_non_null(f);
    fputs("\n{\"step\": 8, \"loss\": 0.5}\n", f);
    fclose(f);
    assert_false(trainlog_read(&t));
    assert_int_equal(t.count, 1);
    trainlog_close(&t);
}

// Losses 1, 2, 3 over nine places: a line from the first to the last, with the log's own values at
// its ends and in its middle; over two, its ends.
static void
curves_reach_both_ends(void **state)
{
    (void)state;
    double means[9];
    struct trainlog t = read_log("{\"step\": 1, \"loss\": 1}\n{\"step\": 2, \"loss\": 2}\n"
                                 "{\"step\": 3, \"loss\": 3}\n");
    assert_int_equal(trainlog_curve(&t, 9, 50, means), 9);
    for (int i = 0; i < 9; i++)
        assert_float_equal(means[i], 1 + 2 * i / 8.0, 1e-6);
    assert_int_equal(trainlog_curve(&t, 3, 50, means), 3);
    assert_float_equal(means[1], 2, 1e-6);
    trainlog_close(&t);
    t = read_log("{\"step\": 1, \"loss\": 7}\n");
    assert_int_equal(trainlog_curve(&t, 5, 50, means), 5);
    assert_float_equal(means[0] + means[4], 14, 1e-6);
    trainlog_close(&t);
    t = read_log("");
    assert_int_equal(trainlog_curve(&t, 5, 50, means), 0);
    trainlog_close(&t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_have_a_limit),
        cmocka_unit_test(curves_reach_both_ends),
        cmocka_unit_test(tasks_have_a_limit),
        cmocka_unit_test(logs_have_a_limit),
    };
    if (!mkdtemp(folder))
        return 1;
    file = file_join(folder, "log.jsonl");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file);
    rmdir(folder);
    free(file);
    return failed;
}
