// SPDX-License-Identifier: MIT
// Which pictures the library keeps, and how long: those of jobs until they have ended, those of the
// half-written instruction until it has others. One may need what the other is done with.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/library/library.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"

static char folder[] = "/tmp/limn-library-XXXXXX";
static char *path;

// One with a reference that came out of another picture, and so has no file to be read from again.
static struct job
job_with(const char *id, const char *bytes)
{
    struct job j = JOB_EMPTY;
    j.instruction = mem_strdup("a [ref#1]");
    snprintf(j.id, sizeof j.id, "%s", id);
    struct job_reference *r = job_add(&j, 1);
    r->size = strlen(bytes);
    r->data = (uint8_t *)mem_strdup(bytes);
    job_hash(r->data, r->size, r->hash);
    r->file = mem_strdup("old.png");
    job_embed(r, "drawn.png");
    return j;
}

// What the half-written instruction has of its picture; "": nothing.
static const char *
half_written(struct library *l)
{
    static char text[64];
    struct job j;
    *text = 0;
    assert_true(library_load_instruction(l, &j));
    if (j.reference_count && j.references[0].data)
        snprintf(text, sizeof text, "%.*s", (int)j.references[0].size,
                 (const char *)j.references[0].data);
    job_finish(&j);
    return text;
}

static const char *
of_job(struct library *l, const char *id)
{
    static char text[64];
    struct job j;
    *text = 0;
    if (library_job_restore(l, id, &j, NULL, NULL) && j.reference_count && j.references[0].data)
        snprintf(text, sizeof text, "%.*s", (int)j.references[0].size,
                 (const char *)j.references[0].data);
    job_finish(&j);
    return text;
}

static void
a_drawing_ends_before_the_instruction(void **state)
{
    struct err err = {0};
    struct library *l = library_open(path, NULL, &err);
    struct job j = job_with("20260101-000000-00000001", "PNG one");
    assert_true(library_save_instruction(l, &j, &err));
    assert_true(library_job_add(l, &j, NULL, NULL, &err));
    assert_true(library_job_state(l, j.id, LIBRARY_DONE, NULL, &err));
    assert_string_equal(half_written(l), "PNG one");
    library_close(l);
    l = library_open(path, NULL, &err); // the next start
    assert_string_equal(half_written(l), "PNG one");
    library_close(l);
    job_finish(&j);
}

static void
a_drawing_outlives_the_instruction(void **state)
{
    struct err err = {0};
    struct library *l = library_open(path, NULL, &err);
    struct job old = job_with("20260101-000000-00000002", "PNG two"),
               other = job_with("", "PNG three");
    assert_true(library_save_instruction(l, &old, &err));
    assert_true(library_job_add(l, &old, NULL, NULL, &err));
    assert_true(library_save_instruction(l, &other, &err)); // what is written next
    assert_string_equal(half_written(l), "PNG three");
    assert_string_equal(of_job(l, old.id), "PNG two");
    library_close(l);
    l = library_open(path, NULL, &err);
    assert_string_equal(of_job(l, old.id), "PNG two");
    // Two jobs with one picture: it goes with the second.
    struct job more = job_with("20260101-000000-00000003", "PNG two");
    assert_true(library_job_add(l, &more, NULL, NULL, &err));
    assert_true(library_job_state(l, old.id, LIBRARY_CANCELLED, NULL, &err));
    assert_string_equal(of_job(l, more.id), "PNG two");
    assert_true(library_job_state(l, more.id, LIBRARY_FAILED, "x", &err));
    assert_string_equal(of_job(l, more.id), "");
    assert_string_equal(half_written(l), "PNG three");
    library_close(l);
    job_finish(&old);
    job_finish(&other);
    job_finish(&more);
}

static int
set_aside(void)
{
    DIR *d = opendir(folder);
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        n += strstr(e->d_name, "damaged") != NULL;
    closedir(d);
    return n;
}

// With too little memory SQLite's quick_check calls pages damaged that it cannot get. The library
// is sound: it opens, or it does not, and it stays where it is with all that is in it.
static void
want_of_memory_is_no_damage(void **state)
{
    (void)state;
    struct err err = {0};
    struct library *l = library_open(path, NULL, &err);
    char *words = mem_alloc(3000);
    memset(words, 'w', 2999);
    words[2999] = 0;
    for (int i = 0; i < 100; i++) {
        char *key = mem_printf("many %d", i);
        assert_true(library_put_value(l, key, words, &err));
        free(key);
    }
    library_close(l);
    free(words);
    int opened = 0, refused = 0;
    for (int kib = 8; kib <= 1024; kib += 8) {
        char *notice = NULL;
        sqlite3_hard_heap_limit64(sqlite3_memory_used() + kib * 1024);
        l = library_open(path, &notice, &err);
        sqlite3_hard_heap_limit64(0);
        if (notice)
            fail_msg("%d KiB: %s", kib, notice);
        if (!l && !strstr(err.text, "memory"))
            fail_msg("%d KiB: %s", kib, err.text);
        if (l)
            opened++, library_close(l);
        else
            refused++;
    }
    assert_true(opened > 0 && refused > 0);
    assert_int_equal(set_aside(), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drawing_ends_before_the_instruction),
        cmocka_unit_test(a_drawing_outlives_the_instruction),
        cmocka_unit_test(want_of_memory_is_no_damage),
    };
    if (!mkdtemp(folder))
        return 1;
    setenv("XDG_DATA_HOME", folder, 1);
    path = file_join(folder, "library.db");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *one = mem_printf("%s%s", path, names[i]);
        unlink(one);
        free(one);
    }
    rmdir(folder);
    free(path);
    return failed;
}
