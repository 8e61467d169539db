// SPDX-License-Identifier: MIT
// Token ids against sentencepiece's own and transformers' (tests/reference/tokenizer.py), and the
// promises of the header. Arguments: golden folder, limn-icons' vocabulary.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/base/log.h"
#include "engine/text/tokenizer.h"
#include "engine/text/tokenizer_kind.h"

static struct tokenizer *icons, *plain;
static const char *icons_path;
static char folder[64];
static const char *golden_folder;

enum { MAX_IDS = 512 };

static void
test_golden(void **state)
{
    (void)state;
    char *path = file_join(golden_folder, "ids.json");
    struct err err = {0};
    struct jv *cases = jv_read(path, &err);
    assert_true(jv_size(cases) > 20);
    for (size_t i = 0; i < jv_size(cases); i++) {
        const struct jv *c = jv_at(cases, i), *want = jv_get(c, "ids");
        const char *text = jv_string(jv_get(c, "text"), NULL);
        bool own = strcmp(jv_string(jv_get(c, "model"), ""), "icons") == 0;
        const struct tokenizer *t = own ? icons : plain;
        int32_t ids[MAX_IDS];
        int n = tokenizer_encode(t, text, ids, MAX_IDS, &err);
        bool same = n == (int)jv_size(want);
        for (int k = 0; same && k < n; k++)
            same = ids[k] == jv_integer(jv_at(want, (size_t)k), -1);
        if (!same) {
            print_message("'%s' (%s):", text, own ? "icons" : "plain");
            for (int k = 0; k < n && k < 40; k++)
                print_message(" %d", ids[k]);
            print_message("\n");
        }
        assert_true(same);
        for (int k = n; k < MAX_IDS; k++)
            assert_int_equal(ids[k], tokenizer_pad_id(t));
    }
    jv_free(cases);
    free(path);
}

static void
test_markers(void **state)
{
    (void)state;
    assert_int_equal(tokenizer_marker_max(icons), 8);
    assert_int_equal(tokenizer_marker_max(plain), 99);
    assert_int_equal(tokenizer_vocab_size(plain), 400);
    assert_int_equal(tokenizer_marker_id(plain, 1), 398);
    assert_int_equal(tokenizer_marker_id(plain, 99), 300);
    assert_int_equal(tokenizer_marker_id(plain, 100), -1);
    assert_int_equal(tokenizer_marker_id(icons, 0), -1);
    assert_int_equal(tokenizer_marker_id(icons, 9), -1);
    for (int k = 1; k <= 8; k++) {
        char *text = mem_printf("Draw [ref#%d] twice: [ref#%d]", k, k);
        for (int own = 0; own < 2; own++) {
            const struct tokenizer *t = own ? icons : plain;
            int32_t ids[64];
            int n = tokenizer_encode(t, text, ids, 64, NULL), seen = 0;
            for (int i = 0; i < n; i++)
                seen += ids[i] == tokenizer_marker_id(t, k);
            assert_int_equal(seen, 2);
        }
        free(text);
    }
    static const char *const none[] = {"[ref#]", "[ref#0]", "[ref#1", "[ref 1]", "[ref#-1]",
                                       "[ref#100]", "[REF#x]"};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        int32_t ids[64];
        int n = tokenizer_encode(plain, none[i], ids, 64, NULL);
        for (int k = 0; k < n; k++)
            assert_true(ids[k] < 300);
    }
}

static void
test_cut(void **state)
{
    (void)state;
    int32_t whole[16], cut[3], one[1], none[1] = {-7};
    int n = tokenizer_encode(icons, "draw a fox in noto style", whole, 16, NULL);
    assert_int_equal(n, 7); // six words that are one piece each, and the end
    assert_int_equal(tokenizer_encode(icons, "draw a fox in noto style", cut, 3, NULL), n);
    assert_int_equal(cut[0], whole[0]);
    assert_int_equal(cut[1], whole[1]);
    assert_int_equal(cut[2], tokenizer_end_id(icons));
    assert_int_equal(tokenizer_encode(icons, "draw a fox", one, 1, NULL), 4);
    assert_int_equal(one[0], tokenizer_end_id(icons));
    assert_int_equal(tokenizer_encode(icons, "draw a fox", none, 0, NULL), 4);
    assert_int_equal(none[0], -7);
    assert_int_equal(tokenizer_encode(icons, "", whole, 16, NULL), 1);
    assert_int_equal(tokenizer_end_id(icons), 1);
    assert_int_equal(tokenizer_pad_id(icons), 0);
}

static void
test_bad_text(void **state)
{
    (void)state;
    static const struct {
        const char *bad, *read; // as Python replaces
    } rows[] = {
        {"\xff", "\ufffd"},
        {"a\x80", "a\ufffd"},
        {"\xc3", "\ufffd"},
        {"fox \xe2\x82", "fox \ufffd"},
        {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int32_t ids[16], want[16];
        int n = tokenizer_encode(icons, rows[i].bad, ids, 16, NULL);
        assert_true(n >= 1); // this vocabulary knows no U+FFFD
        assert_int_equal(tokenizer_encode(icons, rows[i].read, want, 16, NULL), n);
        assert_memory_equal(ids, want, sizeof ids);
    }
}

static void
test_decode(void **state)
{
    (void)state;
    static const char *const texts[] = {"draw a fox in noto style", "a pi\xc3\xb1" "ata, red",
                                        "\xf0\x9f\xa6\x8a and 12 birds"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        int32_t ids[64];
        tokenizer_encode(icons, texts[i], ids, 64, NULL);
        char *back = tokenizer_decode(icons, ids, 64);
        assert_string_equal(back, texts[i]);
        free(back);
    }
    int32_t ids[64];
    tokenizer_encode(plain, "the end [ref#7]", ids, 64, NULL);
    char *back = tokenizer_decode(plain, ids, 64);
    assert_non_null(strstr(back, "[ref#7]"));
    free(back);
}

static void
test_bad_file(void **state)
{
    (void)state;
    char *json = file_join(golden_folder, "ids.json");
    const char *paths[] = {"/nonexistent/spiece.model", json, "/dev/null", "/"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct err err = {0};
        assert_null(tokenizer_open(paths[i], &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
    free(json);
}

// A file in the folder: a copy of `from`, or an empty one.
static void
put(const char *name, const char *from)
{
    struct err err = {0};
    size_t size = 0;
    char *path = file_join(folder, name),
         *data = from ? file_read(from, 1 << 24, &size, &err) : NULL;
    if ((from && !data) || !file_write(path, data ? data : "", size, &err))
        fail_msg("%s", err.text);
    free(data);
    free(path);
}

// --- Kinds ------------------------------------------------------------------------------------

#ifdef LIMN_DUMMY_TOKENIZER
// One row more in the table: a letter is an id, capitals are words of two letters. Texts have no
// end.
static void *
dummy_open(const char *path, struct tokenizer_facts *facts, struct err *err)
{
    (void)err;
    *facts = (struct tokenizer_facts){.vocab = 200, .pad = 150, .end = -1};
    for (int k = 0; k <= LIMIT_INSTRUCTION_MARKER; k++)
        facts->markers[k] = k >= 1 && k <= 2 ? 160 + k : -1;
    return mem_strdup(path);
}

static bool
dummy_encode(const void *own, const char *text, size_t size, struct tokenizer_ids *ids)
{
    (void)own;
    for (size_t i = 0; i < size; i++)
        ARRAY_PUSH(ids->list, ids->count, ids->capacity, text[i]);
    return true;
}

static char *
dummy_decode(const void *own, const int32_t *ids, int count)
{
    char *text = mem_zalloc((size_t)count + 1);
    (void)own;
    for (int i = 0; i < count; i++)
        text[i] = (char)ids[i];
    return text;
}

static const char *const dummy_files[] = {"letters.dummy", "more.dummy", NULL};
const struct tokenizer_kind tokenizer_dummy = {"dummy", dummy_files, dummy_open, free,
                                               dummy_encode, dummy_decode};

static void
test_a_row_is_all_there_is_to_add(void **state)
{
    struct err err = {0};
    int32_t ids[8];
    (void)state;
    put("letters.dummy", NULL);
    char *found = tokenizer_find(folder);
    assert_non_null(strstr(found, "/letters.dummy"));
    struct tokenizer *named = tokenizer_open(found, &err), *t = tokenizer_open(folder, &err);
    if (!named || !t)
        fail_msg("%s", err.text);
    assert_int_equal(tokenizer_vocab_size(named), 200);
    assert_int_equal(tokenizer_marker_max(t), 2);
    // Markers are single ids among the pieces between them, those it does not have are letters.
    assert_int_equal(tokenizer_encode(t, "a[ref#2]b", ids, 8, &err), 3);
    assert_true(ids[0] == 'a' && ids[1] == 162 && ids[2] == 'b' && ids[3] == 150 && ids[7] == 150);
    char *back = tokenizer_decode(t, ids, 8);
    assert_string_equal(back, "a[ref#2]b");
    assert_int_equal(tokenizer_encode(t, "[ref#3]", ids, 8, &err), 7);
    // Without an end nothing is put over the last id.
    assert_int_equal(tokenizer_encode(t, "abcdefghij", ids, 8, &err), 10);
    assert_true(ids[0] == 'a' && ids[7] == 'h');
    tokenizer_close(t);
    // Of a folder that two kinds would take, the first row does.
    put("spiece.model", icons_path);
    t = tokenizer_open(folder, &err);
    assert_int_equal(tokenizer_vocab_size(t), tokenizer_vocab_size(icons));
    int files = 0, dummies = 0;
    for (; tokenizer_file(files); files++)
        dummies += strstr(tokenizer_file(files), ".dummy") != NULL;
    assert_true(dummies == 2 && files > 2);
    tokenizer_close(t);
    tokenizer_close(named);
    free(back);
    free(found);
}
#endif

static void
test_folder(void **state)
{
    struct err err = {0};
    (void)state;
    assert_null(tokenizer_find(folder));
    assert_null(tokenizer_open(folder, &err));
    assert_int_equal(err.code, ERR_INPUT);
    put("spiece.model", icons_path);
    struct tokenizer *t = tokenizer_open(folder, &err);
    if (!t)
        fail_msg("%s", err.text);
    assert_int_equal(tokenizer_vocab_size(t), tokenizer_vocab_size(icons));
    tokenizer_close(t);
}

// What is cut is said, once; what fits is not talked about.
static void
count_notice(enum log_level level, const char *module, const char *text, void *data)
{
    (void)module;
    *(int *)data += level == LOG_NOTICE && strstr(text, "3 of the text's 7 tokens") &&
                    strstr(text, "noto style");
}

static void
test_notice(void **state)
{
    int32_t ids[16];
    int notices = 0;
    (void)state;
    log_set_sink(count_notice, &notices, LOG_DEBUG);
    assert_true(tokenizer_read(icons, "draw a fox in noto style", ids, 16, NULL));
    assert_int_equal(notices, 0);
    assert_true(tokenizer_read(icons, "draw a fox in noto style", ids, 3, NULL));
    assert_int_equal(notices, 1);
    assert_true(tokenizer_read(icons, "\xff", ids, 16, NULL));
    log_set_sink(NULL, NULL, LOG_NONE);
}

static int
make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/limn-tokenizer-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    static const char *const names[] = {"spiece.model", "letters.dummy"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *path = file_join(folder, names[i]);
        unlink(path);
        free(path);
    }
    return rmdir(folder);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_bad_file),
        cmocka_unit_test(test_notice),
        cmocka_unit_test_setup_teardown(test_folder, make_folder, remove_folder),
#ifdef LIMN_DUMMY_TOKENIZER
        cmocka_unit_test_setup_teardown(test_a_row_is_all_there_is_to_add, make_folder,
                                        remove_folder),
#endif
    };
    struct err err = {0};
    if (argc != 3)
        return 2;
    golden_folder = argv[1];
    icons_path = argv[2];
    char *path = file_join(argv[1], "plain-spiece.model");
    plain = tokenizer_open(path, &err);
    icons = tokenizer_open(argv[2], &err);
    free(path);
    if (!plain || !icons) {
        print_message("%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tokenizer_close(plain);
    tokenizer_close(icons);
    return failed;
}
