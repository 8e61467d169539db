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

#include "engine/base/file.h"
#include "engine/base/jv.h"
#include "engine/base/mem.h"
#include "engine/text/tokenizer.h"

static struct tokenizer *icons, *plain;
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
    static const char *const bad[] = {
        "\xff", "a\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf",
        "fox \xe2\x82", "\xf8\x88\x80\x80\x80",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int32_t ids[8];
        struct err err = {0};
        assert_int_equal(tokenizer_encode(icons, bad[i], ids, 8, &err), -1);
        assert_int_equal(err.code, ERR_INPUT);
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

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_markers),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_decode), cmocka_unit_test(test_bad_text), cmocka_unit_test(test_bad_file),
    };
    struct err err = {0};
    if (argc != 3)
        return 2;
    golden_folder = argv[1];
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
