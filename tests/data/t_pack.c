// SPDX-License-Identifier: MIT
// Packs: what was put in comes out, and a damaged pack is an error that names the file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"
#include "engine/train/pack.h"
#include "tests/data/tiny_pack.h"

static char path[] = "/tmp/limn-pack-XXXXXX";

static void
test_contents(void **state)
{
    (void)state;
    struct tiny_pack tiny;
    struct err err = {0};
    tiny_fill(&tiny);
    assert_true(tiny_write(&tiny, path));
    struct pack *p = pack_open(path, &err);
    assert_non_null(p);
    assert_int_equal(pack_count(p), TINY_COUNT);
    assert_int_equal(pack_size(p), TINY_SIDE);
    assert_int_equal(pack_style_count(p), 3);
    assert_int_equal(pack_subject_count(p), 4);
    assert_string_equal(pack_style_name(p, 1), "line-art");
    char text[32];
    for (int r = 0; r < TINY_COUNT; r++) {
        assert_string_equal(pack_caption(p, r, text, sizeof text), tiny_names[r / 3]);
        assert_string_equal(pack_keywords(p, r, text, sizeof text), tiny_keywords[r / 3]);
        assert_int_equal(pack_image(p, r)[47], r);
        assert_int_equal(pack_role(p, "edge", r)[0], 100 + r);
        assert_int_equal(pack_role(p, "mask", r)[47], 200 + r);
        assert_int_equal(pack_alpha(p, r)[0], 50 + r);
        assert_int_equal(pack_alpha(p, r)[15], 50 + r);
        assert_int_equal(pack_subject(p, r), r / 3);
        assert_int_equal(pack_style(p, r), r % 3);
    }
    assert_null(pack_role(p, "depth", 0));
    assert_int_equal(pack_cluster_count(p), TINY_CLUSTERS);
    assert_int_equal(pack_cluster_size(p), TINY_CLUSTER);
    assert_int_equal(pack_cluster(p, 0)[2], 3);
    assert_int_equal(pack_cluster(p, 1)[1], 6);
    assert_int_equal(pack_split(p, 0), PACK_TRAIN);
    assert_int_equal(pack_split(p, 7), PACK_HELDOUT_PAIR);
    assert_int_equal(pack_split(p, 9), PACK_HELDOUT_SUBJECT);
    assert_int_equal(pack_split(p, 11), PACK_HELDOUT_STYLE);
    assert_string_equal(pack_caption(p, 6, text, 4), "pi"); // never half of a character
    assert_string_equal(pack_caption(p, 6, text, 5), "pi\xc3\xb1");
    assert_string_equal(pack_metadata(p, "role.edge"), "edge");
    const char *value;
    assert_string_equal(pack_metadata_at(p, 2, &value), "role.edge");
    assert_null(pack_metadata_at(p, 3, &value));
    pack_close(p);
}

static void
refuses(const struct tiny_pack *tiny, const char *word)
{
    struct err err = {0};
    assert_true(tiny_write(tiny, path));
    struct pack *p = pack_open(path, &err);
    if (p || !strstr(err.text, word))
        print_message("wanted '%s': %s\n", word, err.text);
    assert_null(p);
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, word));
}

static void
test_lies(void **state)
{
    (void)state;
    static const struct {
        size_t offset, size;
        int64_t value;
        const char *word;
    } lies[] = {
#define LIE(field, v, w)                                                                           \
    {offsetof(struct tiny_pack, field), sizeof(((struct tiny_pack *)0)->field), v, w}
        LIE(subject[3], -2, "record 3"),
        LIE(subject[3], TINY_COUNT, "record 3"),
        LIE(subject[3], INT32_MIN, "record 3"),
        LIE(style[11], 3, "record 11"),
        LIE(style[0], -2, "record 0"),
        LIE(split[5], PACK_SPLIT_COUNT, "record 5"),
        LIE(split[5], 255, "record 5"),
        LIE(caption_ends[11], 1 << 20, "text 11"),
        LIE(caption_ends[0], -1, "text 0"),
        LIE(caption_ends[4], 1, "text 4"),
        LIE(caption_ends[4], INT64_MAX, "text 4"),
        LIE(keywords_ends[0], INT64_MIN, "text 0"),
        LIE(caption_ends[6], 3 + 3 + 3 + 9 + 9 + 9 + 3,
            "not UTF-8"), // ends inside the n with tilde
        LIE(caption[0], 0xFF, "not UTF-8"),
        LIE(clusters[0][0], -1, "cluster 0"),
        LIE(clusters[1][2], TINY_COUNT, "cluster 1"),
        LIE(clusters[0][0], 1, "cluster 0"), // twice in one
        LIE(clusters[1][0], 2, "cluster 1"), // a held-out style
        LIE(clusters[1][0], 9, "cluster 1"), // a held-out subject
        LIE(caption[0], 0, "not UTF-8"),
        LIE(keywords[2], 0xC0, "not UTF-8"),
#undef LIE
    };
    for (size_t i = 0; i < COUNT_OF(lies); i++) {
        struct tiny_pack tiny;
        tiny_fill(&tiny);
        memcpy((char *)&tiny + lies[i].offset, &lies[i].value, lies[i].size); // little-endian
        refuses(&tiny, lies[i].word);
    }
}

static void
test_shapes(void **state)
{
    (void)state;
    for (int i = 0; i < TINY_TENSORS; i++) {
        struct tiny_pack tiny;
        tiny_fill(&tiny);
        tiny.tensors[i].name = "elsewhere"; // a tensor is missing
        struct err err = {0};
        assert_true(tiny_write(&tiny, path));
        struct pack *p = pack_open(path, &err);
        bool role = i >= 8; // roles, alpha and clusters may be missing
        assert_int_equal(p != NULL, role);
        assert_true(!p || (pack_alpha(p, 0) != NULL) == (i != 10));
        assert_true(!p || (pack_cluster_count(p) > 0) == (i != 11));
        assert_true(role || strstr(err.text, "pack"));
        pack_close(p);
        tiny_fill(&tiny);
        tiny.tensors[i].dtype = tiny.tensors[i].dtype == DTYPE_U8 ? DTYPE_F16 : DTYPE_U8;
        static char room[4096];
        tiny.tensors[i].data = room;
        refuses(&tiny, "");
        tiny_fill(&tiny);
        tiny.tensors[i].shape.dim[0] -= 1;
        if (i != 6 && i != 11) // a shorter text is found where it is cut; fewer clusters are some
            refuses(&tiny, "");
    }
}

// A cluster has from 2 pictures to LIMIT_CLUSTER_PICTURES, whether or not there are any.
static void
test_cluster_sizes(void **state)
{
    (void)state;
    static const struct {
        int64_t count, size;
        bool good;
    } shapes[] = {{0, 0, false},
                  {0, 1, false},
                  {0, 2, true},
                  {0, LIMIT_CLUSTER_PICTURES, true},
                  {0, LIMIT_CLUSTER_PICTURES + 1, false}};
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct tiny_pack tiny;
        struct err err = {0};
        tiny_fill(&tiny);
        tiny.tensors[11].shape = SHAPE(shapes[i].count, shapes[i].size);
        assert_true(tiny_write(&tiny, path));
        struct pack *p = pack_open(path, &err);
        assert_int_equal(p != NULL, shapes[i].good);
        assert_true(!p || pack_cluster_count(p) == 0);
        assert_true(p || strstr(err.text, "clusters"));
        pack_close(p);
    }
}

static void
test_metadata(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"limn pack 2", "[]"},         {"", "[]"},
        {"limn pack 1", "[\"a\""},     {"limn pack 1", "[1,2,3]"},
        {"limn pack 1", "[\"a\"]"},    {"limn pack 1", "{\"a\":1,\"b\":2,\"c\":3}"},
        {"limn pack 1", "\"flat\""},
    };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct tiny_pack tiny;
        tiny_fill(&tiny);
        tiny.metadata[1] = values[i][0];
        tiny.metadata[3] = values[i][1];
        refuses(&tiny, "");
    }
    struct err err = {0};
    assert_true(file_write(path, "not a pack", 10, &err));
    assert_null(pack_open(path, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_lies),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_cluster_sizes),
        cmocka_unit_test(test_metadata),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
