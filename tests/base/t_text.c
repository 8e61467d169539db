// SPDX-License-Identifier: MIT
// Text and JSON from outside: what is UTF-8 by RFC 3629's own table, and that every reader of a
// JSON value answers with its fallback whatever the value is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/jv.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/base/utf8.h"

static void
utf8_is_what_the_standard_says(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        bool valid;
    } rows[] = {
        {"", 0, true},
        {"plain\r\n\t", 8, true},
        {"\xC2\x80", 2, true},             // the first of two bytes
        {"\xDF\xBF", 2, true},             // and the last
        {"\xE0\xA0\x80", 3, true},
        {"\xED\x9F\xBF", 3, true},         // before the surrogates
        {"\xEE\x80\x80", 3, true},         // after them
        {"\xEF\xBF\xBF", 3, true},
        {"\xF0\x90\x80\x80", 4, true},
        {"\xF4\x8F\xBF\xBF", 4, true},     // U+10FFFF
        {"\0", 1, false},
        {"\x80", 1, false},                // goes on with nothing
        {"\xC0\x80", 2, false},            // overlong
        {"\xC1\xBF", 2, false},
        {"\xE0\x9F\xBF", 3, false},
        {"\xF0\x8F\xBF\xBF", 4, false},
        {"\xED\xA0\x80", 3, false},        // a surrogate
        {"\xED\xBF\xBF", 3, false},
        {"\xF4\x90\x80\x80", 4, false},    // above U+10FFFF
        {"\xF5\x80\x80\x80", 4, false},
        {"\xFF", 1, false},
        {"caf\xE9", 4, false},             // Latin-1
        {"caf\xC3", 4, false},             // cut off
        {"\xE2\x82", 2, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (utf8_valid(rows[i].bytes, rows[i].size) != rows[i].valid)
            fail_msg("row %zu", i);
    static const struct {
        const char *text, *replaced; // by Python's bytes.decode(errors="replace")
    } broken[] = {
        {"plain \xC3\xA9", "plain \xC3\xA9"},
        {"\xC0\x80", "\uFFFD\uFFFD"},
        {"\xE0\x9F\xBF", "\uFFFD\uFFFD\uFFFD"},
        {"\xF0\x8F\xBF\xBF", "\uFFFD\uFFFD\uFFFD\uFFFD"},
        {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD"},
        {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
        {"\xF5\x80", "\uFFFD\uFFFD"},
        {"caf\xE9", "caf\uFFFD"},
        {"\xE9 caf", "\uFFFD caf"},
        {"\xE2\x82", "\uFFFD"},
        {"\xE2\x82\xE2\x82\xAC", "\uFFFD\u20AC"},
        {"\xF0\x9F\xA6x", "\uFFFDx"},
        {"\xF0\x9F\xA6\x8A", "\U0001F98A"},
        {"\x80\x80", "\uFFFD\uFFFD"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        char *out = utf8_replaced(broken[i].text, strlen(broken[i].text));
        assert_string_equal(out, broken[i].replaced);
        assert_true(utf8_valid(out, strlen(out)));
        free(out);
    }
    assert_int_equal(utf8_mark("\xEF\xBB\xBFx", 4), 3);
    assert_int_equal(utf8_mark("\xEF\xBBx", 3), 0);
    assert_int_equal(utf8_mark("\xEF\xBB", 2), 0);
}

static void
a_mark_before_json_is_skipped(void **state)
{
    (void)state;
    struct err err = {0};
    static const char text[] = "\xEF\xBB\xBF{\"a\": 1}\r\n";
    struct jv *v = jv_parse(text, sizeof text - 1, "t", &err);
    assert_int_equal(jv_integer(jv_get(v, "a"), 0), 1);
    jv_free(v);
}

// Every reader on every kind of value and on none.
static void
readers_take_any_value(void **state)
{
    (void)state;
    static const char *const kinds[] = {"{}",   "{\"a\": [1]}", "[]",   "[0, {}]", "\"x\"",
                                        "7",    "7.5",          "true", "null"};
    for (size_t k = 0; k <= sizeof kinds / sizeof *kinds; k++) {
        const char *text = k < sizeof kinds / sizeof *kinds ? kinds[k] : NULL;
        struct jv *v = text ? jv_parse(text, strlen(text), "t", NULL) : NULL;
        bool map = jv_is_object(v);
        for (size_t i = 0; i < 3; i++) {
            bool there = map && i < jv_size(v);
            assert_string_equal(jv_key_at(v, i), there ? "a" : "");
            assert_int_equal(jv_value_at(v, i) != NULL, there);
            (void)jv_at(v, i);
        }
        assert_null(map ? NULL : jv_get(v, "a"));
        assert_null(jv_size(v) && map ? NULL : jv_iterator(v));
        assert_null(jv_next(v, NULL));
        assert_string_equal(jv_iterator_key(NULL), "");
        assert_null(jv_iterator_value(NULL));
        assert_string_equal(jv_string(v, "no"), jv_is_string(v) ? "x" : "no");
        assert_true(jv_number(v, -1) == (jv_is_integer(v) ? 7 : jv_is_number(v) ? 7.5 : -1));
        assert_int_equal(jv_integer(v, -1), jv_is_integer(v) ? 7 : -1);
        assert_int_equal(jv_bool(v, false), jv_is_bool(v));
        jv_set(v, "b", jv_from_integer(1)); // of no object: nothing, and nothing is left over
        assert_int_equal(jv_integer(jv_get(v, "b"), 0), map);
        jv_append(v, jv_from_integer(1));
        jv_free(v);
    }
}

static int allowed = -1; // allocations until all fail; below 0: none does

// The linker puts these in the place of malloc().
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *
__wrap_malloc(size_t size)
{
    if (allowed > 0)
        allowed--;
    return allowed ? __real_malloc(size) : NULL;
}

// Whichever allocation fails: memory is short, nothing is wrong with the text.
static void
no_memory_is_no_fault_of_the_text(void **state)
{
    (void)state;
    static const char text[] = "{\"a\": [1, 2.5, \"a word\", {\"b\": [true, null, \"\\u00e9\"]}], "
                               "\"a key that is long enough for a buffer to grow\": {}}";
    struct jv *v = NULL;
    for (int n = 0; !v && n < 1000; n++) {
        struct err err = {0};
        allowed = n;
        v = jv_parse(text, sizeof text - 1, "t", &err);
        allowed = -1;
        if (!v && (err.code != ERR_MEMORY || !strstr(err.text, "memory")))
            fail_msg("allocation %d: %d, %s", n, (int)err.code, err.text);
    }
    assert_int_equal(jv_size(v), 2);
    assert_int_equal(jv_size(jv_get(v, "a")), 4);
    jv_free(v);
}

// As many values as a text may hold; one more, and it is not read.
static void
so_many_values(void **state)
{
    (void)state;
    static const char one[] = "null,";
    const size_t count = LIMIT_JSON_VALUES - 1, width = sizeof one - 1; // the list is one
    char *text = malloc((count + 1) * width + 1);
    assert_non_null(text);
    for (size_t i = 0; i <= count; i++)
        memcpy(text + 1 + i * width, one, width);
    text[0] = '[';
    for (size_t more = 0; more <= 1; more++) {
        const size_t end = (count + more) * width; // where the last comma is
        struct err err = {0};
        char was = text[end];
        text[end] = ']';
        struct jv *v = jv_parse(text, end + 1, "t", &err);
        assert_int_equal(jv_size(v), more ? 0 : count);
        assert_int_equal(!!strstr(err.text, "more than 2000000 values"), more);
        jv_free(v);
        text[end] = was;
    }
    free(text);
}

static void
end_with_42(void)
{
    _exit(42);
}

// GLib, where it gets no memory, traps.
static void
a_trap_is_the_end_of_memory(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        mem_end_with(end_with_42);
        mem_end_uncaught();
        raise(SIGTRAP);
        _exit(1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_what_the_standard_says),
        cmocka_unit_test(a_mark_before_json_is_skipped),
        cmocka_unit_test(readers_take_any_value),
        cmocka_unit_test(no_memory_is_no_fault_of_the_text),
        cmocka_unit_test(so_many_values),
        cmocka_unit_test(a_trap_is_the_end_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
