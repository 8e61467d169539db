// SPDX-License-Identifier: MIT
// Sources of training pictures: tar archives written here byte by byte, folders, the emoji set's
// form; and a whole pack made of them with the loaders that people have.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/data/pack.h"
#include "app/data/source.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

static char folder[] = "/tmp/limn-source-XXXXXX";

static char *
in_folder(const char *name)
{
    return file_join(folder, name);
}

static void
put(const char *name, const void *data, size_t size)
{
    char *path = in_folder(name);
    struct err err = {0};
    assert_true(file_write(path, data, size, &err));
    free(path);
}

static void
put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

// A disc of one colour on a clear ground, as a PNG. Made by another process: making a pack forks,
// and libvips must have no threads here by then.
static void *
disc(uint8_t r, uint8_t g, uint8_t b, size_t *size)
{
    char *path = in_folder("disc.png");
    pid_t pid = fork();
    if (pid != 0) {
        int status = 1;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        void *data = file_read(path, 1 << 20, size, NULL);
        assert_non_null(data);
        unlink(path);
        free(path);
        return data;
    }
    struct image *image = image_create(64, 64, IMAGE_RGBA8, NULL);
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++)
            if ((x - 32) * (x - 32) + (y - 32) * (y - 32) < 20 * 20)
                memcpy(image_row(image, y) + 4 * x, (uint8_t[]){r, g, b, 255}, 4);
    _exit(codec_write_png(image, path, NULL, NULL) ? 0 : 1);
}

struct archive {
    char *bytes;
    size_t size;
};

static void
tar_add(struct archive *a, const char *name, char type, const void *data, size_t size)
{
    size_t padded = (size + 511) / 512 * 512;
    a->bytes = mem_realloc(a->bytes, a->size + 512 + padded + 1024);
    char *h = a->bytes + a->size;
    memset(h, 0, 512 + padded + 1024);
    memcpy(h, name, MIN(strlen(name), (size_t)100));
    snprintf(h + 100, 8, "%07o", 0644);
    snprintf(h + 124, 12, "%011o", (unsigned)size);
    h[156] = type;
    memcpy(h + 257, "ustar\00000", 8);
    memset(h + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 8, "%06o", sum);
    memcpy(h + 512, data, size);
    a->size += 512 + padded;
}

static void
test_tar(void **state)
{
    (void)state;
    struct archive a = {0};
    char long_name[201], pax[220];
    memset(long_name, 'n', 200);
    long_name[200] = 0;
    tar_add(&a, "./one.txt", '0', "first", 5);
    tar_add(&a, "folder/", '5', "", 0);
    tar_add(&a, "link", '2', "", 0);
    tar_add(&a, "././@LongLink", 'L', long_name, 201);
    tar_add(&a, "././@LongLink", 'K', "to where", 9); // says nothing of the next name
    tar_add(&a, "cut", '0', "long", 4);
    snprintf(pax, sizeof pax, "210 path=%s\n", long_name);
    tar_add(&a, "pax", 'x', pax, strlen(pax));
    tar_add(&a, "cut", '0', "pax", 3);
    char big[1000];
    memset(big, 'b', sizeof big);
    tar_add(&a, "big", '0', big, sizeof big);
    put("a.tar", a.bytes, a.size + 1024);
    char *path = in_folder("a.tar");
    struct data_tar tar;
    struct err err = {0};
    assert_true(data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err));
    assert_int_equal(tar.count, 4);
    assert_string_equal(tar.entries[0].name, "one.txt");
    assert_memory_equal(tar.entries[0].data, "first", 5);
    assert_string_equal(tar.entries[1].name, long_name);
    assert_memory_equal(tar.entries[1].data, "long", 4);
    assert_string_equal(tar.entries[2].name, long_name);
    assert_int_equal(data_tar_find(&tar, "big")->size, 1000);
    assert_null(data_tar_find(&tar, "cut"));
    data_tar_close(&tar);
    // Whole without its last blocks; cut off inside a header it is not, wherever that is.
    put("a.tar", a.bytes, a.size);
    assert_true(data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err));
    assert_int_equal(tar.count, 4);
    data_tar_close(&tar);
    for (size_t size = 1; size < 512; size += 51) {
        put("a.tar", a.bytes, 1024 + size); // one.txt and its block are before
        assert_false(data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err));
        assert_non_null(strstr(err.text, "the archive ends inside a header, at byte "));
        err_clear(&err);
    }
    static const struct {
        const char *bytes;
        size_t size;
        const char *command;
    } packed[] = {{"\x1f\x8b\x08\0", 4, "gunzip"},
                  {"BZh9", 4, "bunzip2"},
                  {"\xfd" "7zXZ\0", 6, "unxz"},
                  {"\x28\xb5\x2f\xfd", 4, "unzstd"},
                  {"PK\3\4", 4, "unzip"}};
    for (size_t i = 0; i < COUNT_OF(packed); i++) {
        put("a.tar", packed[i].bytes, packed[i].size);
        assert_false(data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err));
        assert_non_null(strstr(err.text, "this archive is compressed: unpack it first with "));
        assert_non_null(strstr(err.text, packed[i].command));
        err_clear(&err);
    }
    // Cut anywhere inside an entry, and damaged headers.
    for (size_t size = a.size - 1000; size < a.size; size += 77) {
        put("a.tar", a.bytes, size);
        if (data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err)) { // cut between entries: shorter
            assert_true(tar.count < 4);
            data_tar_close(&tar);
        } else {
            assert_int_equal(err.code, ERR_INPUT);
            err_clear(&err);
        }
    }
    for (size_t at = 0; at < 512; at += 13) {
        a.bytes[at] ^= 0x55;
        put("a.tar", a.bytes, a.size);
        assert_false(data_tar_open(&tar, path, LIMIT_TAR_ENTRIES, &err));
        assert_int_equal(err.code, ERR_INPUT);
        err_clear(&err);
        a.bytes[at] ^= 0x55;
    }
    free(a.bytes);
    free(path);
}

// As many files as are allowed are taken, one more is an error: with limits that can be reached.
// (What the program gives is LIMIT_SOURCE_FILES and LIMIT_TAR_ENTRIES: tests/layers/limits.py.)
static void
files_are_counted(void **state)
{
    (void)state;
    struct archive a = {0};
    struct err err = {0};
    char *sub = in_folder("some/below"), *path = in_folder("some"), *tar = in_folder("some.tar");
    assert_true(file_make_folders(sub, &err));
    static const char *const names[] = {"a.png", "a.txt", "below/b.png", "below/b.txt"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char *name = mem_printf("some/%s", names[i]);
        put_text(name, "a word");
        tar_add(&a, names[i], '0', "a word", 6);
        tar_add(&a, "folder/", '5', "", 0); // is no file
        free(name);
    }
    put("some.tar", a.bytes, a.size + 1024);
    for (size_t most = 3; most <= 5; most++) {
        struct data_source folder_of = {0}, archive = {0};
        bool ok = data_source_open_folder(&folder_of, path, most, &err);
        assert_int_equal(ok, most >= 4);
        assert_true(ok || strstr(err.text, "some: more than 3 files below it"));
        assert_int_equal(folder_of.count, ok ? 2 : 0);
        err_clear(&err);
        ok = data_source_open_archive(&archive, tar, most, &err);
        assert_int_equal(ok, most >= 4);
        assert_true(ok || strstr(err.text, "some.tar: more than 3 files in it"));
        assert_int_equal(archive.count, ok ? 2 : 0);
        err_clear(&err);
        data_source_close(&folder_of);
        data_source_close(&archive);
    }
    free(a.bytes);
    free(sub);
    free(path);
    free(tar);
}

// Words are taken from files of the folder only, whatever its links lead to.
static void
links_lead_to_no_words(void **state)
{
    (void)state;
    struct err err = {0};
    struct data_source s;
    char *sub = in_folder("linked/sub"), *path = in_folder("linked"), *of = in_folder("of");
    assert_true(file_make_folders(sub, &err) && file_make_folders(of, &err));
    put_text("of/secret.txt", "secret words");
    put_text("of/secret.png", "not looked at yet");
    put_text("linked/kept.txt", "own words");
    static const char *const links[][2] = {{"../of/secret.txt", "linked/a.txt"},
                                           {"../../of/secret.txt", "linked/sub/b.json"},
                                           {"../of", "linked/folder"},
                                           {"kept.txt", "linked/c.txt"},
                                           {"../of/none.txt", "linked/d.txt"}};
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        char *link = in_folder(links[i][1]);
        assert_int_equal(symlink(links[i][0], link), 0);
        free(link);
    }
    static const char *const pictures[] = {"a", "sub/b", "c", "d"};
    for (size_t i = 0; i < COUNT_OF(pictures); i++) {
        char *name = mem_printf("linked/%s.png", pictures[i]);
        put_text(name, "not looked at yet");
        free(name);
    }
    assert_true(data_source_open(&s, path, false, &err));
    assert_int_equal(s.count, 1);
    assert_string_equal(s.records[0].caption, "own words");
    assert_int_equal(s.bad_captions, 3);
    assert_non_null(strstr(s.first_bad_caption.text, "leads out of the folder"));
    assert_int_equal(s.without_caption, 1);
    data_source_close(&s);
    free(sub);
    free(path);
    free(of);
}

static void
test_folder(void **state)
{
    (void)state;
    size_t size;
    void *red = disc(255, 0, 0, &size);
    struct err err = {0};
    char *sub = in_folder("set/sub");
    assert_true(file_make_folders(sub, &err));
    put("set/b.png", red, size);
    put_text("set/b.txt", "  a red\n ball ");
    put("set/a.png", red, size);
    put_text("set/a.json",
             "{\"caption\":\"coin\",\"keywords\":[\"money\",\"gold\"],\"subject\":\"c\","
             "\"style\":\"flat\",\"split\":\"heldout_pair\"}");
    put("set/sub/c.png", red, size);
    put_text("set/sub/c.json", "{\"text\":\"cent\",\"keywords\":\"x, y\",\"subject\":\"c\"}");
    put("set/d.png", red, size); // nobody says what it is
    put_text("set/e.txt", "no picture");
    char *path = in_folder("set");
    struct data_source s;
    assert_true(data_source_open(&s, path, false, &err));
    assert_int_equal(s.count, 3);
    assert_int_equal(s.without_caption, 1);
    assert_string_equal(s.records[0].caption, "coin");
    assert_string_equal(s.records[0].keywords, "money,gold");
    assert_int_equal(s.records[0].split, PACK_HELDOUT_PAIR);
    assert_int_equal(s.records[0].style, 0);
    assert_string_equal(s.records[1].caption, "a red ball");
    assert_int_equal(s.records[1].subject, -1);
    assert_int_equal(s.records[1].style, -1);
    assert_int_equal(s.records[2].subject, s.records[0].subject);
    data_source_close(&s);
    static const char *const bad[][2] = {
        {"{\"caption\":\"x\",\"split\":\"test\"}", "split"},
        {"{\"caption\":\"x\"", "b.json"},
        {"{\"caption\":\"x\",\"split\":5}", "split"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) { // it costs its picture only
        put_text("set/b.json", bad[i][0]);
        assert_true(data_source_open(&s, path, false, &err));
        assert_int_equal(s.bad_captions, 1);
        assert_int_equal(s.count, 2);
        assert_non_null(strstr(s.first_bad_caption.text, "set/b.json:"));
        assert_non_null(strstr(s.first_bad_caption.text, bad[i][1]));
        data_source_close(&s);
    }
    char *json = in_folder("set/b.json");
    unlink(json);
    // One caption that is no UTF-8 costs its picture only; a byte order mark is no part of another.
    put("set/b.txt", "caf\xe9", 4);
    put("set/d.txt", "\xEF\xBB\xBF" "a fox\r\n", 10);
    assert_true(data_source_open(&s, path, false, &err));
    assert_int_equal(s.bad_captions, 1);
    assert_non_null(strstr(s.first_bad_caption.text, "set/b.txt: not UTF-8"));
    assert_int_equal(s.without_caption, 0);
    bool fox = false;
    for (size_t i = 0; i < s.count; i++) {
        fox |= strcmp(s.records[i].caption, "a fox") == 0;
        assert_null(strstr(s.records[i].name, "/b."));
    }
    assert_true(fox);
    data_source_close(&s);
    free(json);
    free(path);
    free(sub);
    free(red);
}

static void
test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t limit;
        const char *want;
    } cases[] = {
        {"one two three", 9, "one two"},        {"one two", 7, "one two"},
        {"  a \t b\r\n", 99, "a b"},            {"", 5, ""},
        {"\xc3\xa9\xc3\xa9\xc3\xa9", 3, "\xc3\xa9"}, {"a,b,c", 3, "a,b"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *words = data_source_words(cases[i].text, cases[i].limit);
        assert_string_equal(words, cases[i].want);
        free(words);
    }
    assert_null(data_source_words("\xff", 9));
}

// Two sets as one: equal names are the same subject and style, and what one set holds out, a
// subject or a style, is held out of the other too.
static void
test_several_sources(void **state)
{
    (void)state;
    size_t size;
    void *red = disc(255, 0, 0, &size);
    struct err err = {0};
    static const char *const files[][2] = {
        {"one/a", "{\"caption\":\"snail\",\"subject\":\"snail\",\"style\":\"ink\","
                  "\"split\":\"heldout_subject\"}"},
        {"one/b", "{\"caption\":\"fox\",\"subject\":\"fox\",\"style\":\"ink\"}"},
        {"one/c", "{\"caption\":\"fox\",\"subject\":\"fox\",\"style\":\"chalk\","
                  "\"split\":\"heldout_style\"}"},
        {"two/a", "{\"caption\":\"a snail\",\"subject\":\"snail\",\"style\":\"wax\"}"},
        {"two/b", "{\"caption\":\"fox\",\"subject\":\"fox\",\"style\":\"wax\"}"},
        {"two/c", "{\"caption\":\"owl\",\"subject\":\"owl\",\"style\":\"chalk\"}"}};
    static const enum pack_split want[] = {PACK_HELDOUT_SUBJECT, PACK_TRAIN, PACK_HELDOUT_STYLE,
                                           PACK_HELDOUT_SUBJECT, PACK_TRAIN, PACK_HELDOUT_STYLE};
    char *one = in_folder("one"), *two = in_folder("two");
    assert_true(file_make_folders(one, &err) && file_make_folders(two, &err));
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char *picture = mem_printf("%s.png", files[i][0]);
        char *words = mem_printf("%s.json", files[i][0]);
        put(picture, red, size);
        put_text(words, files[i][1]);
        free(picture);
        free(words);
    }
    struct data_source s;
    assert_true(data_source_gather(&s, (const char *const[]){one, two}, 2, false, &err));
    assert_int_equal(s.count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_int_equal(s.records[i].split, want[i]);
    assert_int_equal(s.records[0].subject, s.records[3].subject);
    assert_int_equal(s.records[1].subject, s.records[4].subject);
    assert_int_equal(s.records[2].style, s.records[5].style);
    assert_int_not_equal(s.records[1].style, s.records[4].style);
    data_source_close(&s);
    assert_false(data_source_gather(&s, (const char *const[]){one, "/nowhere"}, 2, false, &err));
    assert_non_null(strstr(err.text, "/nowhere"));
    free(one);
    free(two);
    free(red);
}

// The emoji set in small: 2 subjects, styles a and b, all three kinds of holding out, one picture
// that is none; packed with the loaders, and what is in the pack looked at.
static void
test_emoji_pack(void **state)
{
    (void)state;
    struct err err = {0};
    size_t red_size, blue_size;
    void *red = disc(255, 0, 0, &red_size), *blue = disc(0, 0, 255, &blue_size);
    char *path = in_folder("emoji"), *out = in_folder("e.pack");
    assert_true(file_make_folders(path, &err));
    struct archive a = {0}, b = {0};
    tar_add(&a, "1.webp", '0', red, red_size);
    tar_add(&a, "2.webp", '0', blue, blue_size);
    tar_add(&b, "1.webp", '0', blue, blue_size);
    tar_add(&b, "2.webp", '0', "no picture", 10);
    tar_add(&b, "3.webp", '0', red, red_size);
    put("emoji/a.tar", a.bytes, a.size + 1024);
    put("emoji/b.tar", b.bytes, b.size + 1024);
    put_text("emoji/catalog.jsonl",
             "{\"codepoints\":\"1\",\"name\":\"fox\",\"keywords\":[\"a,b\",\"c\"],\"styles\":["
             "\"a\",\"b\"]}\n"
             "{\"codepoints\":\"2\",\"name\":\"owl\",\"keywords\":[],\"styles\":[\"a\",\"b\"]}\n"
             "{\"codepoints\":\"3\",\"name\":\"bee\",\"keywords\":[],\"styles\":[\"b\"]}\n");
    put_text("emoji/splits.json", "{\"heldout_emoji\":[\"2\"],\"heldout_pairs\":[[\"1\",\"b\"]],"
                                  "\"heldout_styles\":[]}");
    struct data_pack_report report;
    struct data_pack_params params = {.sources = (const char *const[]){path},
                                      .source_count = 1,
                                      .out = out,
                                      .size = 32,
                                      .workers = 2,
                                      .roles = "edge:thickness=30,mask"};
    if (!data_pack_make(&params, &report, &err))
        print_message("%s\n", err.text);
    assert_int_equal(report.pictures, 4);
    assert_int_equal(report.unreadable, 1);
    assert_non_null(strstr(report.first_unreadable.text, "b.tar: 2.webp"));
    struct pack *p = pack_open(out, &err);
    assert_non_null(p);
    char text[64];
    enum pack_split want[] = {PACK_TRAIN, PACK_HELDOUT_PAIR, PACK_HELDOUT_SUBJECT, PACK_TRAIN};
    const char *names[] = {"fox", "fox", "owl", "bee"};
    uint8_t colours[4][3] = {{255, 0, 0}, {0, 0, 255}, {0, 0, 255}, {255, 0, 0}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pack_split(p, i), want[i]);
        assert_string_equal(pack_caption(p, i, text, sizeof text), names[i]);
        const uint8_t *image = pack_image(p, i), *mask = pack_role(p, "mask", i),
                      *edge = pack_role(p, "edge", i);
        size_t middle = 3 * (16 * 32 + 16);
        for (int c = 0; c < 3;
             c++) { // on white; mask white inside; no edge in the middle or corner
            assert_true(abs(image[middle + (size_t)c] - colours[i][c]) <= 2);
            assert_int_equal(image[c], 255);
            assert_true(mask[middle + (size_t)c] > 250 && mask[c] < 5);
            assert_true(edge[middle + (size_t)c] < 40 && edge[c] < 40);
        }
        assert_true(edge[3 * (16 * 32 + 6)] > 100); // 10 pixels left of the middle
        assert_true(pack_alpha(p, i)[16 * 32 + 16] > 250 && pack_alpha(p, i)[0] < 5);
    }
    assert_string_equal(pack_keywords(p, 0, text, sizeof text), "a b,c");
    assert_string_equal(pack_metadata(p, "role.edge"), "edge:thickness=30");
    pack_close(p);
    // One worker makes the same bytes.
    size_t size, again_size;
    char *bytes = file_read(out, 1 << 24, &size, &err);
    params.workers = 1;
    assert_true(data_pack_make(&params, &report, &err));
    char *again = file_read(out, 1 << 24, &again_size, &err);
    assert_int_equal(size, again_size);
    assert_memory_equal(bytes, again, size);
    unlink(out);
    // Refusals leave nothing behind.
    static const char *const roles[][2] = {{"nothing", "nothing"},
                                           {"edge:thickness=1000", "thickness"},
                                           {"edge:thickness=9..8", "is reversed"},
                                           {"edge:wide=1", "wide"},
                                           {"edge,edge", "twice"}};
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        params.roles = roles[i][0];
        assert_false(data_pack_make(&params, &report, &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_non_null(strstr(err.text, roles[i][1]));
        assert_false(file_exists(out));
        err_clear(&err);
    }
    atomic_int cancel = 1;
    params.roles = "mask";
    params.cancel = &cancel;
    assert_false(data_pack_make(&params, &report, &err));
    assert_int_equal(err.code, ERR_CANCELLED);
    assert_false(file_exists(out));
    free(bytes);
    free(again);
    free(a.bytes);
    free(b.bytes);
    free(red);
    free(blue);
    free(path);
    free(out);
}

static double
seconds_of_names(int count)
{
    struct data_source s = {0};
    struct data_tar tar = {.entries = mem_zalloc((size_t)count * sizeof *tar.entries)};
    char name[32];
    clock_t began = clock(); // of this process alone
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d.webp", i);
        assert_int_equal(data_source_subject(&s, name), i);
        assert_int_equal(data_source_style(&s, name), i);
        tar.entries[tar.count++] = (struct data_tar_entry){.name = mem_strdup(name)};
    }
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%d.webp", i);
        assert_int_equal(data_source_subject(&s, name), i);
        assert_ptr_equal(data_tar_find(&tar, name), &tar.entries[i]);
    }
    double took = (double)(clock() - began) / CLOCKS_PER_SEC;
    data_tar_close(&tar);
    data_source_close(&s);
    return took;
}

static void
names_are_found_in_linear_time(void **state)
{
    (void)state;
    enum { FEW = 10000, TIMES = 16 }; // comparing all would take TIMES * TIMES as long
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 2; i++) { // caches and other processes make it uneven, but not that much
        few = fmin(few, seconds_of_names(FEW));
        many = fmin(many, seconds_of_names(FEW * TIMES));
    }
    if (many > 6 * TIMES * few)
        fail_msg("%.3f s for %d names, %.3f s for %d", few, FEW, many, FEW * TIMES);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tar),
        cmocka_unit_test(files_are_counted),
        cmocka_unit_test(links_lead_to_no_words),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_several_sources),
        cmocka_unit_test(test_emoji_pack),
        cmocka_unit_test(names_are_found_in_linear_time),
    };
    (void)argc;
    if (!mkdtemp(folder) || !codec_start(NULL))
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *remove = mem_printf("rm -rf '%s'", folder);
    if (system(remove) != 0)
        failed++;
    free(remove);
    return failed;
}
