// SPDX-License-Identifier: MIT
// An index is read as it was written; sentences find what they name, by a table of what a reader
// would expect; a file that a stranger changed is an error, whatever was changed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/index/index_write.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

enum { DIM = 6, FEATURES = 9 };

static char folder[] = "/tmp/limn-index-XXXXXX";

static const char *
path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *const styles[] = {"noto", "fluent-3d", "blob"};
static const struct made {
    const char *name, *keywords;
    unsigned in; // bit k: there is one in style k
} made[] = {
    {"fox", "animal,nature,face", 7},
    {"red apple", "fruit,mac,school", 3},
    {"green apple", "fruit,nature", 1},
    {"cat", "animal,meow,pet", 5},
    {"cat with tears of joy", "animal,haha", 1},
    {"bicycle", "bike,exercise,hipster", 2},
    {"hot beverage", "coffee,tea,drink,cup", 1},
    {"house", "building,home", 1},
    {"framed picture", "photography,museum", 1},
    {"slice of pizza", "food,party", 1},
    {"pizza", "food,slice,italian", 1},
    {"spiral shell", "nature,sea,beach", 1},
    {"blob fish", "deep", 1},
    {"cr\xc3\xa8me br\xc3\xbbl\xc3\xa9"
     "e",
     "dessert", 1},
    {"apple maggot", "insect", 1},
    {"bonsai tree", "plant", 1},
    {"evergreen tree", "plant,pine", 6},
    {"tree with a swing", "garden", 4},
};

static void
write_index(const char *path)
{
    struct err err = {0};
    const struct index_about about = {.side = 64, .model = "tiny", .hash = "0123456789abcdef"};
    struct looks looks;
    assert_true(looks_open(&looks, FEATURES, DIM, NULL));
    for (int f = 0; f < FEATURES; f++) {
        looks.mean[f] = (float)f - 4.5f;
        looks.deviation[f] = 0.25f * (float)(f + 1);
    }
    struct index_writer *w = index_writer_open(&about, &looks, &err);
    looks_close(&looks);
    bool ok = w != NULL;
    for (size_t k = 0; ok && k < COUNT_OF(styles); k++)
        ok = index_writer_style(w, styles[k], k ? "somebody, CC0" : "", &err);
    for (size_t i = 0; ok && i < COUNT_OF(made); i++)
        for (int k = 0; ok && k < 3; k++) {
            int8_t vector[DIM] = {(int8_t)i, (int8_t)k, 127, 0, -5, 1};
            char source[32], data[16];
            snprintf(source, sizeof source, "%zu-%d.png", i, k);
            int n = snprintf(data, sizeof data, "picture %zu.%d", i, k);
            const struct index_record r = {.name = made[i].name, .keywords = made[i].keywords,
                                           .source = source, .style = k, .data = data,
                                           .size = (size_t)n, .vector = vector};
            if (made[i].in & 1u << k)
                ok = index_writer_add(w, &r, &err);
        }
    ok = ok && index_writer_commit(w, path, &err);
    index_writer_close(w);
    if (!ok)
        fail_msg("%s", err.text);
}

// At the edge, with a limit that is given and with the one that the program gives.
static void
pictures_are_counted(void **state)
{
    (void)state;
    struct err err = {0};
    static const struct {
        int64_t pictures, most;
        const char *fault;
    } cases[] = {{3, 3, NULL}, {1, 3, NULL}, {4, 3, "x: 4 pictures, an index holds at most 3"},
                 {0, 3, "x: no picture"}, {-1, 3, "x: no picture"},
                 {LIMIT_INDEX_PICTURES, LIMIT_INDEX_PICTURES, NULL},
                 {LIMIT_INDEX_PICTURES + 1, LIMIT_INDEX_PICTURES, "x: 8000001 pictures"},
                 {INT64_MAX, LIMIT_INDEX_PICTURES, "an index holds at most 8000000"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool ok = index_count_allowed("x", cases[i].pictures, cases[i].most, &err);
        if (ok != !cases[i].fault || (!ok && !strstr(err.text, cases[i].fault)))
            fail_msg("%zu: %s", i, err.text);
        err_clear(&err);
    }
}

static struct index *
open_good(void)
{
    struct err err = {0};
    struct index *x = index_open(path_of("good.index"), &err);
    if (!x)
        fail_msg("%s", err.text);
    return x;
}

static void
as_it_was_written(void **state)
{
    (void)state;
    struct index *x = open_good();
    const struct index_about *about = index_about(x);
    struct vectors v;
    int64_t row = 0;
    assert_int_equal(about->dimension, DIM);
    assert_int_equal(about->features, FEATURES);
    assert_int_equal(about->side, 64);
    assert_string_equal(about->model, "tiny");
    assert_string_equal(about->hash, "0123456789abcdef");
    assert_true(index_vectors(x, &v, NULL));
    struct looks looks;
    assert_true(index_looks(x, &looks, NULL));
    for (int f = 0; f < FEATURES; f++) {
        assert_true(looks.mean[f] == (float)f - 4.5f);
        assert_true(looks.deviation[f] == 0.25f * (float)(f + 1));
    }
    looks_close(&looks);
    for (size_t i = 0; i < COUNT_OF(made); i++)
        for (int k = 0; k < 3; k++) {
            struct index_picture p;
            char text[32];
            if (!(made[i].in & 1u << k))
                continue;
            assert_true(index_picture(x, row, &p, NULL));
            assert_string_equal(p.name, made[i].name);
            assert_string_equal(p.style, styles[k]);
            assert_string_equal(p.credit, k ? "somebody, CC0" : "");
            snprintf(text, sizeof text, "%zu-%d.png", i, k);
            assert_string_equal(p.source, text);
            int n = snprintf(text, sizeof text, "picture %zu.%d", i, k);
            assert_int_equal(p.size, n);
            assert_memory_equal(p.data, text, (size_t)n);
            assert_int_equal(v.rows[row * DIM], i);
            assert_int_equal(v.rows[row * DIM + 1], k);
            index_picture_finish(&p);
            row++;
        }
    assert_int_equal(row, about->pictures);
    struct index_picture none;
    assert_false(index_picture(x, row, &none, NULL));
    index_close(x);
}

// --- sentences

// What is found: "name/style@offset …", "?word" for what is missing.
static char *
found_text(struct index *x, const char *sentence, int count)
{
    struct index_found f;
    struct err err = {0};
    char *all = mem_strdup("");
    if (!index_find(x, sentence, count, &f, &err))
        fail_msg("%s: %s", sentence, err.text);
    for (int i = 0; i <= f.count; i++) {
        struct index_picture p = {0};
        if (i < f.count)
            assert_true(index_picture(x, f.items[i].row, &p, NULL));
        char *more = i < f.count  ? mem_printf("%s%s%s/%s@%zu", all, *all ? " " : "", p.name,
                                               p.style, f.items[i].at)
                     : *f.missing ? mem_printf("%s%s?%s", all, *all ? " " : "", f.missing)
                                  : mem_strdup(all);
        index_picture_finish(&p);
        free(all);
        all = more;
    }
    return all;
}

static const struct asked {
    const char *sentence;
    int count;
    const char *found;
} asked[] = {
    {"fox", 1, "fox/noto@0"},
    {"Fox in fluent 3d style", 1, "fox/fluent-3d@0"},
    {"a fox in the style of fluent-3d", 1, "fox/fluent-3d@2"},
    {"Draw a red apple.", 1, "red apple/noto@7"},
    {"an apple", 1, "red apple/noto@3"}, // no maggot, and what more sets have
    {"apples", 1, "red apple/noto@0"},
    {"a maggot", 1, "apple maggot/noto@2"},
    {"a tree", 1, "evergreen tree/fluent-3d@2"},
    {"a tree in noto style", 1, "bonsai tree/noto@2"}, // what there is in the style
    {"a tree in fluent 3d style", 1, "evergreen tree/fluent-3d@2"},
    {"a cat in fluent 3d style", 1, "cat/noto@2"}, // no other cat for its style's sake
    {"a swing", 1, "tree with a swing/blob@2"},
    {"two green apples, blob style", 1, "green apple/noto@4"},
    {"a cat", 1, "cat/noto@2"},
    {"cat in blob style", 1, "cat/blob@0"},
    {"bicycle", 1, "bicycle/fluent-3d@0"},
    {"my old bike", 1, "bicycle/fluent-3d@7"}, // by a keyword
    {"a cup of coffee", 1, "hot beverage/noto@2"},
    {"a slice of pizza", 1, "slice of pizza/noto@2"},
    {"pizza", 1, "pizza/noto@0"},
    {"a picture of a house", 1, "house/noto@15"},
    {"picture", 1, "framed picture/noto@0"},
    {"a creme brulee", 1, "cr\xc3\xa8me br\xc3\xbbl\xc3\xa9" "e/noto@2"},
    {"a blob", 1, "blob fish/noto@2"}, // nothing else: the thing, not the style
    {"a quokka", 1, "?quokka"},
    {"a red quokka", 1, "?quokka"}, // red alone is no subject
    {"", 1, ""},
    {"in the style of noto", 1, ""},
    // A style that no picture of the index has is a style all the same.
    {"a quokka in crayon drawing style", 1, "?quokka"},
    {"a house, crayon style", 1, "house/noto@2"},
    {"a house in the style of a pizza", 1, "house/noto@2"},
    // Several things, then more of the first.
    {"a fox and a house", 2, "fox/noto@2 house/noto@12"},
    {"a quokka beside a house", 3, "house/noto@18 ?quokka"},
    {"fox", 3, "fox/noto@0 fox/fluent-3d@0 fox/blob@0"},
    {"a fox, fluent 3d style", 2, "fox/fluent-3d@2 fox/noto@2"},
    // What stands beside a reference has its picture.
    {"Draw [ref#1] fox in noto style: fox", 1, ""},
    {"Draw a house in the style of [ref#1] style image.", 1, "house/noto@7"},
    // Any text is harmless.
    {"\"fox\" OR NEAR(house* ^ - : AND", 1, "fox/noto@1"},
    {"'; DROP TABLE picture; -- fox", 1, "fox/noto@26"},
};

static void
want_of_memory_is_no_damage(void **state)
{
    (void)state;
    int opened = 0, refused = 0;
    for (int kib = 4; kib <= 512; kib += 2) {
        struct err err = {0};
        sqlite3_hard_heap_limit64(sqlite3_memory_used() + kib * 1024);
        struct index *x = index_open(path_of("good.index"), &err);
        sqlite3_hard_heap_limit64(0);
        if (!x && !strstr(err.text, "there is not enough memory"))
            fail_msg("%d KiB: %s", kib, err.text);
        if (x)
            opened++, index_close(x);
        else
            refused++;
    }
    assert_true(opened > 0 && refused > 0);
}

static void
sentences(void **state)
{
    (void)state;
    struct index *x = open_good();
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        char *got = found_text(x, asked[i].sentence, asked[i].count);
        if (strcmp(got, asked[i].found) != 0)
            print_error("'%s': '%s', not '%s'\n", asked[i].sentence, got, asked[i].found);
        assert_string_equal(got, asked[i].found);
        free(got);
    }
    index_close(x);
}

// The words that a picture stands for: those that matched, as far as they adjoin.
static void
words_that_matched(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a red fox on a hill", "fox"},       {"two green apples, blob style", "green apples"},
        {"my old bike", "bike"},              {"a slice of pizza", "slice"},
        {"a cat and a pizza", "cat"},         {"Draw a RED apple.", "RED apple"},
        {"an apple (red)", "apple"},          {"a cr\xc3\xa8me br\xc3\xbbl\xc3\xa9" "e!",
                                               "cr\xc3\xa8me br\xc3\xbbl\xc3\xa9" "e"}};
    struct index *x = open_good();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct index_found f;
        const char *text = cases[i][0];
        assert_true(index_find(x, text, 1, &f, NULL));
        assert_int_equal(f.count, 1);
        size_t size = f.items[0].end - f.items[0].at;
        if (size != strlen(cases[i][1]) || memcmp(text + f.items[0].at, cases[i][1], size) != 0)
            fail_msg("%s: '%.*s'", text, (int)size, text + f.items[0].at);
    }
    index_close(x);
}

static void
long_sentences(void **state)
{
    (void)state;
    struct index *x = open_good();
    char *text = mem_alloc(LIMIT_INSTRUCTION_BYTES + 1);
    for (size_t i = 0; i < LIMIT_INSTRUCTION_BYTES; i++)
        text[i] = "fox apple cat, "[i % 15];
    text[LIMIT_INSTRUCTION_BYTES] = 0;
    char *got = found_text(x, text, 8);
    assert_non_null(strstr(got, "cat/noto@10"));
    free(got);
    memset(text, 'a', LIMIT_INSTRUCTION_BYTES);
    got = found_text(x, text, 8);
    assert_string_equal(got, "");
    free(got);
    free(text);
    index_close(x);
}

// --- strangers' files

// Opens and uses all of it. Whether it was taken.
static bool
use(const char *path, struct err *err)
{
    struct index *x = index_open(path, err);
    bool ok = x != NULL;
    struct vectors v;
    struct index_found f;
    struct looks looks = {0};
    ok = ok && index_vectors(x, &v, err);
    for (int64_t row = 0; ok && row < index_about(x)->pictures; row++) {
        struct index_picture p;
        ok = index_picture(x, row, &p, err);
        index_picture_finish(&p);
    }
    ok = ok && index_find(x, "a fox and a house in blob style", 8, &f, err);
    ok = ok && index_looks(x, &looks, err);
    looks_close(&looks);
    index_close(x);
    return ok;
}

static void
refused(const char *what, const char *path)
{
    struct err err = {0};
    if (use(path, &err))
        fail_msg("%s was taken", what);
    assert_int_not_equal(err.code, ERR_NONE);
    assert_non_null(strstr(err.text, path));
}

static const char *const changes[] = {
    "CREATE TABLE more(x)",
    "CREATE VIEW more AS SELECT 1",
    "CREATE TRIGGER more AFTER INSERT ON picture BEGIN SELECT 1; END",
    // Expressions that the check of a file would compute, and tables that are code.
    "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE TABLE ''found_docsize''(id"
    " INTEGER PRIMARY KEY, sz BLOB CHECK(length(hex(zeroblob(9)))))' WHERE name='found_docsize'",
    "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE TABLE ''found_data''(id"
    " INTEGER PRIMARY KEY, block BLOB AS (id))' WHERE name='found_data'",
    "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql='CREATE VIRTUAL TABLE found_data"
    " USING fts5(block)', rootpage=0 WHERE name='found_data'",
    "DROP TABLE vectors",
    "DROP INDEX picture_entry",
    "DROP TABLE picture; CREATE TABLE picture(id INTEGER PRIMARY KEY, entry INTEGER, style INTEGER,"
    " source TEXT, image BLOB)",
    "UPDATE about SET value='limn index 2' WHERE key='format'",
    "DELETE FROM about WHERE key='format'",
    "UPDATE about SET value='0' WHERE key='dimension'",
    "UPDATE about SET value='7' WHERE key='dimension'",
    "UPDATE about SET value='99999999999999999999' WHERE key='dimension'",
    "UPDATE about SET value='6 ' WHERE key='dimension'",
    "UPDATE about SET value='-1' WHERE key='side'",
    "UPDATE picture SET id=1000 WHERE id=3",
    "UPDATE picture SET id=-5 WHERE id=1",
    "DELETE FROM picture WHERE id=2",
    "UPDATE picture SET image=zeroblob(1048577) WHERE id=2",
    "UPDATE picture SET image='text' WHERE id=2",
    "UPDATE picture SET image=zeroblob(0) WHERE id=2",
    "UPDATE picture SET source=x'ff41' WHERE id=2",
    "UPDATE picture SET source=CAST(x'ff41' AS TEXT) WHERE id=2",
    "UPDATE picture SET entry=4711 WHERE id=2",
    "UPDATE entry SET name='' WHERE id=1",
    "UPDATE entry SET name=hex(zeroblob(300)) WHERE id=1",
    "UPDATE style SET id=9 WHERE id=1",
    "UPDATE style SET name=hex(zeroblob(300)) WHERE id=1",
    "UPDATE vectors SET rows=zeroblob(5)",
    "DELETE FROM vectors",
    "DELETE FROM looks WHERE key='mean'",
    "UPDATE looks SET numbers=zeroblob(36) WHERE key='deviation'", // divided by
    "UPDATE looks SET numbers=zeroblob(35)",
    "UPDATE looks SET numbers=x'0000c07f'||zeroblob(32) WHERE key='mean'",
    "UPDATE about SET value='1000000000' WHERE key='features'",
    "INSERT INTO vectors VALUES(7, zeroblob(6))",
    "DELETE FROM picture; DELETE FROM vectors",
};

// Of these SQLite does not always say that something is wrong; nothing worse may come of it.
static const char *const word_changes[] = {
    "UPDATE found_data SET block=zeroblob(40)",
    "UPDATE found_data SET block=randomblob(length(block))",
    "UPDATE found_data SET id=id+1000000000000 WHERE id>10",
    "DELETE FROM found_idx",
    "UPDATE found_docsize SET sz=x'ff'",
    "DELETE FROM found_config",
};

static void
change(const char *sql)
{
    sqlite3 *db;
    write_index(path_of("bad.index"));
    assert_int_equal(sqlite3_open(path_of("bad.index"), &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void
changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        change(changes[i]);
        refused(changes[i], path_of("bad.index"));
    }
    for (size_t i = 0; i < COUNT_OF(word_changes); i++) {
        struct err err = {0};
        change(word_changes[i]);
        assert_true(use(path_of("bad.index"), &err) || err.code != ERR_NONE);
    }
}

// A change with a number in it, at a limit and one beyond.
static void
edge(const char *sql, long limit, bool at_limit)
{
    struct err err = {0};
    char *at = mem_printf(sql, limit), *beyond = mem_printf(sql, limit + 1);
    change(at);
    if (at_limit && !use(path_of("bad.index"), &err))
        fail_msg("%s: %s", at, err.text);
    change(beyond);
    refused(beyond, path_of("bad.index"));
    free(at);
    free(beyond);
}

static void
limits(void **state)
{
    (void)state;
    edge("UPDATE picture SET image=zeroblob(%ld) WHERE id=2", LIMIT_INDEX_IMAGE_BYTES, true);
    edge("UPDATE picture SET image=zeroblob(%ld) WHERE id=2", LIMIT_INDEX_ROW_BYTES, false);
    edge("UPDATE picture SET source=printf('%%.*c', %ld, 'x') WHERE id=2", LIMIT_INDEX_TEXT_BYTES,
         true);
    edge("UPDATE entry SET name=printf('%%.*c', %ld, 'x') WHERE id=2", LIMIT_CAPTION_BYTES, true);
    edge("WITH RECURSIVE k(i) AS (VALUES(3) UNION ALL SELECT i+1 FROM k WHERE i+1<%ld)"
         " INSERT INTO style SELECT i, 'a', '' FROM k", LIMIT_INDEX_STYLES, true);
    // So many numbers in a vector, and features that they are made of.
    edge("UPDATE about SET value=%ld WHERE key='dimension'; UPDATE vectors SET rows=zeroblob("
         "(SELECT count(*) FROM picture) * (SELECT value FROM about WHERE key='dimension'))",
         LIMIT_INDEX_DIMENSION, true);
    edge("UPDATE about SET value=%ld WHERE key='features'", LIMIT_INDEX_FEATURES, false);
}

static void
other_files(void **state)
{
    (void)state;
    size_t size = 0;
    char *good = file_read(path_of("good.index"), 1 << 24, &size, NULL);
    assert_non_null(good);
    refused("a folder", folder);
    refused("nothing", path_of("nothing.index"));
    assert_true(file_write(path_of("bad.index"), "", 0, NULL));
    refused("an empty file", path_of("bad.index"));
    assert_true(file_write(path_of("bad.index"), "PNG is no index, whatever is said", 30, NULL));
    refused("another file", path_of("bad.index"));
    for (size_t kept = 512; kept < size; kept += 4096) {
        assert_true(file_write(path_of("bad.index"), good, kept, NULL));
        refused("a part", path_of("bad.index"));
    }
    free(good);
}

// What lies beside an index is not looked at: a journal would be played back into it.
static void
nothing_beside(void **state)
{
    (void)state;
    write_index(path_of("a?b#c%20.index"));
    assert_true(file_write(path_of("a?b#c%20.index-journal"), "a journal", 9, NULL));
    assert_true(file_write(path_of("a?b#c%20.index-wal"), "a log", 5, NULL));
    struct err err = {0};
    struct index *x = index_open(path_of("a?b#c%20.index"), &err);
    if (!x)
        fail_msg("%s", err.text);
    index_close(x);
    assert_true(file_exists(path_of("a?b#c%20.index-journal")));
}

static void
remove_all(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_was_written), cmocka_unit_test(pictures_are_counted),
        cmocka_unit_test(sentences),         cmocka_unit_test(words_that_matched),
        cmocka_unit_test(long_sentences),    cmocka_unit_test(changed),
        cmocka_unit_test(limits),            cmocka_unit_test(want_of_memory_is_no_damage),
        cmocka_unit_test(other_files),       cmocka_unit_test(nothing_beside),
    };
    if (!mkdtemp(folder))
        return 1;
    write_index(path_of("good.index"));
    int rc = cmocka_run_group_tests_name("index", tests, NULL, NULL);
    remove_all();
    return rc;
}
