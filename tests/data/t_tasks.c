// SPDX-License-Identifier: MIT
// The mixture of tasks on a tiny pack whose right answers are known: which pictures may stand
// where, how often what comes, and that an example is a function of (seed, index).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/mem.h"
#include "engine/train/tasks.h"
#include "tests/data/tiny_pack.h"

static char path[] = "/tmp/limn-tasks-XXXXXX";
static struct pack *pack;

static const char description[] =
    "{\"drop_all\":0.1,\"drop_context\":0.2,\"mixture\":["
    "{\"name\":\"text\",\"ratio\":2,\"texts\":[\"{a subject}, {style} style, {keyword}\"]},"
    "{\"name\":\"edge\",\"ratio\":1,\"references\":[{\"slot\":\"edge\",\"picture\":\"role.edge\","
    "\"texts\":[\"edge map\"]}],\"texts\":[\"along {edge}: {subject} {edge.marker}\"]},"
    "{\"name\":\"subject\",\"ratio\":3,\"references\":[{\"slot\":\"s\",\"picture\":\"subject\","
    "\"texts\":[\"{subject}\"]}],\"texts\":[\"{s} in {style}\"]},"
    "{\"name\":\"transfer\",\"ratio\":4,\"references\":[{\"slot\":\"content\",\"picture\":"
    "\"subject\",\"texts\":[\"content image\"]},{\"slot\":\"look\",\"picture\":\"style\",\"texts\":"
    "[\"style image\"]}],\"texts\":[\"C {content.marker} S {look.marker}\"]}]}";
enum { TEXT, EDGE, SUBJECT, TRANSFER };

static struct tasks *
make_for(const char *text, bool zero_shot, struct err *err)
{
    struct jv *json = jv_parse(text, strlen(text), "tasks", err);
    struct tasks *t = json ? tasks_create(pack, json, zero_shot, err) : NULL;
    jv_free(json);
    return t;
}

static struct tasks *
make(const char *text, struct err *err)
{
    return make_for(text, false, err);
}

// The pictures of a reference or target are all of one value: which.
static void
check_references(const struct example *e, bool training)
{
    int content = 0, look = 0;
    for (int i = 0; i < e->ref_count; i++) {
        int r = e->refs[i].record, target = e->record;
        char marker[16];
        snprintf(marker, sizeof marker, "[ref#%d] ", e->refs[i].marker);
        assert_true(strncmp(e->refs[i].text, marker, strlen(marker)) == 0);
        assert_in_range(e->refs[i].marker, 1, 8);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(e->refs[i].marker, e->refs[k].marker);
        const char *words = e->refs[i].text + strlen(marker);
        if (training)
            assert_int_equal(pack_split(pack, r), PACK_TRAIN);
        if (e->task == EDGE) {
            assert_int_equal(e->refs[i].image[0], 100 + target);
            assert_string_equal(words, "edge map");
            continue;
        }
        assert_int_equal(e->refs[i].image[47], r);
        assert_int_not_equal(r, target);
        if (strcmp(words, "style image") == 0) {
            assert_int_equal(r % 3, target % 3);
            assert_int_not_equal(r / 3, target / 3);
            look = e->refs[i].marker;
        } else {
            assert_int_equal(r / 3, target / 3);
            assert_int_not_equal(r % 3, target % 3);
            content = e->refs[i].marker;
        }
    }
    if (e->task == TRANSFER && e->ref_count) {
        char want[64];
        snprintf(want, sizeof want, "C [ref#%d] S [ref#%d]", content, look);
        assert_string_equal(e->text, want);
    }
}

static void
test_shares(void **state)
{
    (void)state;
    struct err err = {0};
    struct tasks *t = make(description, &err);
    assert_non_null(t);
    assert_int_equal(tasks_count(t), 4);
    assert_string_equal(tasks_name(t, TRANSFER), "transfer");
    // Ratios 0.2 0.1 0.3 0.4; 0.3 of every example with references lose them.
    double want[4] = {0.2 + 0.3 * 0.8, 0.7 * 0.4, 0.7 * 0.4, 0};
    for (int i = 0; i < 4; i++)
        assert_true(fabs(tasks_share(t, i) - want[i]) < 1e-12);
    int n = 20000, all = 0, context = 0, count[4] = {0};
    for (int i = 0; i < n; i++) {
        struct example e;
        double u = (i + 0.5) / n; // stratified: the counts by references are exact
        int references = u < want[0] ? 0 : u < want[0] + want[1] ? 1 : 2;
        assert_true(tasks_draw(t, 7, (uint64_t)i, references, &e, &err));
        assert_int_equal(e.ref_count, references);
        assert_int_equal(pack_split(pack, e.record), PACK_TRAIN);
        assert_int_equal(e.target[5], e.record);
        assert_int_equal(e.text[0] == 0, e.text_dropped);
        check_references(&e, true);
        all += e.text_dropped;
        context += e.context_dropped && !e.text_dropped;
        count[e.task]++;
    }
    // Four standard deviations of a binomial count.
#define NEAR(got, p) assert_true(fabs((got) - n * (p)) < 4 * sqrt(n * (p) * (1 - (p))))
    NEAR(count[TEXT], 0.2);
    NEAR(count[EDGE], 0.1);
    NEAR(count[SUBJECT], 0.3);
    NEAR(count[TRANSFER], 0.4);
    NEAR(all, 0.1);
    NEAR(context, 0.2 * 0.8);
#undef NEAR
    tasks_destroy(t);
}

static void
test_deterministic(void **state)
{
    (void)state;
    struct tasks *t = make(description, NULL), *other = make(description, NULL);
    int equal = 0;
    for (uint64_t i = 0; i < 200; i++) {
        struct example a, b, c;
        int references = (int)(i % 3);
        assert_true(tasks_draw(t, 1, i, references, &a, NULL));
        assert_true(tasks_draw(other, 1, i, references, &b, NULL));
        assert_true(tasks_draw(t, 2, i, references, &c, NULL));
        assert_string_equal(a.text, b.text);
        assert_int_equal(a.record, b.record);
        for (int k = 0; k < references; k++) {
            assert_string_equal(a.refs[k].text, b.refs[k].text);
            assert_ptr_equal(a.refs[k].image, b.refs[k].image);
        }
        equal += a.record == c.record && strcmp(a.text, c.text) == 0;
    }
    assert_true(equal < 100); // another seed is another order
    tasks_destroy(t);
    tasks_destroy(other);
}

static void
test_words(void **state)
{
    (void)state;
    struct tasks *t = make("{\"drop_all\":0,\"drop_context\":0,\"mixture\":[{\"name\":\"text\","
                           "\"ratio\":1,\"texts\":[\"{a subject}|{style}|{keyword}|{what}\"]}]}",
                           NULL);
    assert_non_null(t);
    bool seen[2] = {false, false};
    for (uint64_t i = 0; i < 200; i++) {
        struct example e;
        assert_true(tasks_draw(t, 1, i, 0, &e, NULL));
        seen[0] |= strcmp(e.text, "a fox|line art|forest|{what}") == 0;
        seen[1] |= strcmp(e.text, "a pi\xc3\xb1" "ata|flat|pi\xc3\xb1" "ata|{what}") == 0;
        assert_non_null(strstr(e.text, "|{what}"));
    }
    assert_true(seen[0] && seen[1]);
    tasks_destroy(t);
    t = make("{\"drop_all\":0,\"drop_context\":0,\"mixture\":[{\"name\":\"text\",\"ratio\":1,"
             "\"texts\":[\"{last word}|{a last word}|{style}|{style name}|{a keyword}|{a what}\"]}"
             "]}",
             NULL);
    assert_non_null(t);
    bool last = false, whole = false;
    for (uint64_t i = 0; i < 200; i++) {
        struct example e;
        assert_true(tasks_draw(t, 1, i, 0, &e, NULL));
        last |= strncmp(e.text, "apple|an apple|", 15) == 0;
        whole |= strcmp(e.text, "fox|a fox|line art|line-art|an animal|{a what}") == 0;
    }
    assert_true(last && whole);
    tasks_destroy(t);
}

static void
test_heldout(void **state)
{
    (void)state;
    struct tasks *t = make(description, NULL);
    assert_int_equal(tasks_heldout_count(t, 0), 7); // 4 of style 2, 2 of subject 3, 1 pair; 1 task
    assert_int_equal(tasks_heldout_count(t, 1), 14);
    bool style = false, pair = false;
    for (int references = 0; references < 3; references++)
        for (int i = 0; i < tasks_heldout_count(t, references); i++) {
            struct example e, again;
            assert_true(tasks_heldout(t, references, i, &e, NULL));
            assert_true(tasks_heldout(t, references, i, &again, NULL));
            assert_string_equal(e.text, again.text);
            assert_int_equal(e.ref_count, references);
            assert_int_not_equal(pack_split(pack, e.record), PACK_TRAIN);
            assert_false(e.text_dropped || e.context_dropped);
            check_references(&e, false);
            style |= pack_split(pack, e.record) == PACK_HELDOUT_STYLE;
            pair |= pack_split(pack, e.record) == PACK_HELDOUT_PAIR;
            for (int k = 0; k < e.ref_count && e.task != EDGE; k++)
                assert_int_not_equal(pack_split(pack, e.refs[k].record), PACK_HELDOUT_PAIR);
        }
    assert_true(style && pair);
    assert_int_equal(tasks_heldout_of(t, TEXT, PACK_HELDOUT_SUBJECT, 0, NULL), 2);
    struct example e;
    assert_int_equal(tasks_heldout_of(t, TRANSFER, PACK_HELDOUT_PAIR, 0, &e), 1);
    assert_int_equal(e.record, 7);
    assert_int_equal(tasks_heldout_of(t, TRANSFER, PACK_HELDOUT_PAIR, 1, &e), 0);
    tasks_destroy(t);
}

// Of three flat pictures with weight 3 and two of line art with weight 1, nine in eleven are flat;
// a style that the pack lacks does no harm.
static void
test_style_weights(void **state)
{
    (void)state;
    struct err err = {0};
    struct tasks *t = make("{\"style_weights\":{\"flat\":3,\"wax\":9},\"drop_all\":0,\"mixture\":["
                           "{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}\"]}]}", &err);
    struct example e;
    enum { DRAWS = 20000 };
    int flat = 0;
    assert_non_null(t);
    for (int i = 0; i < DRAWS; i++) {
        assert_true(tasks_draw(t, 3, (uint64_t)i, 0, &e, &err));
        assert_int_equal(pack_split(pack, e.record), PACK_TRAIN);
        flat += pack_style(pack, e.record) == 0;
    }
    double share = 9.0 / 11, spread = sqrt(share * (1 - share) / DRAWS);
    assert_true(fabs((double)flat / DRAWS - share) < 5 * spread);
    tasks_destroy(t);
}

// Half of the examples with a picture of their subject call it by a word that is no name here, the
// same one in the instruction and beside the reference; those without such a picture never.
static void
test_unknown_subjects(void **state)
{
    (void)state;
    struct err err = {0};
    struct tasks *t = make(
        "{\"unknown_subject\":0.5,\"drop_all\":0,\"drop_context\":0,\"mixture\":["
        "{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}\"]},"
        "{\"name\":\"subject\",\"ratio\":1,\"references\":[{\"slot\":\"s\",\"picture\":\"subject\","
        "\"texts\":[\"{subject}\"]}],\"texts\":[\"{subject}\"]}]}", &err);
    struct example e;
    enum { DRAWS = 2000 };
    int unknown = 0;
    char name[EXAMPLE_TEXT_MAX];
    assert_non_null(t);
    for (int i = 0; i < DRAWS; i++) {
        assert_true(tasks_draw(t, 3, (uint64_t)i, 0, &e, &err));
        assert_string_equal(e.text, pack_caption(pack, e.record, name, sizeof name));
        assert_true(tasks_draw(t, 3, (uint64_t)i, 1, &e, &err));
        assert_string_equal(strchr(e.refs[0].text, ' ') + 1, e.text);
        bool known = strcmp(e.text, pack_caption(pack, e.record, name, sizeof name)) == 0;
        assert_int_equal(*e.unknown != 0, !known);
        unknown += !known;
    }
    assert_true(fabs((double)unknown / DRAWS - 0.5) < 5 * sqrt(0.25 / DRAWS));
    tasks_destroy(t);
}

// Two references of one style are two pictures. Left out for zero-shot, the task is never drawn,
// and can still be measured.
static void
test_compound_and_several_styles(void **state)
{
    (void)state;
    static const char two[] =
        "{\"drop_all\":0,\"drop_context\":0,\"mixture\":["
        "{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}\"]},"
        "{\"name\":\"two\",\"ratio\":1,\"compound\":true,\"references\":["
        "{\"slot\":\"a\",\"picture\":\"style\",\"texts\":[\"style\"]},"
        "{\"slot\":\"b\",\"picture\":\"style\",\"texts\":[\"style\"]}],\"texts\":[\"{a} {b}\"]}]}";
    struct err err = {0};
    struct example e;
    struct tasks *t = make(two, &err), *kept = make_for(two, true, &err);
    assert_non_null(t);
    assert_non_null(kept);
    for (int i = 0; i < 200; i++) {
        assert_true(tasks_draw(t, 1, (uint64_t)i, 2, &e, &err));
        assert_int_equal(e.ref_count, 2);
        assert_int_not_equal(e.refs[0].record, e.refs[1].record);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(pack_style(pack, e.refs[k].record), pack_style(pack, e.record));
            assert_int_not_equal(e.refs[k].record, e.record);
        }
    }
    assert_true(tasks_share(t, 2) == 0.5 && tasks_share(kept, 2) == 0);
    assert_false(tasks_draw(kept, 1, 0, 2, &e, &err));
    assert_true(tasks_heldout_of(kept, 1, PACK_HELDOUT_SUBJECT, 0, &e));
    tasks_destroy(t);
    tasks_destroy(kept);
}

static void
test_bad_descriptions(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"{}", "mixture"},
        {"{\"mixture\":[]}", "mixture"},
        {"[]", "mixture"},
        {"{\"drop_al\":0.1,\"mixture\":[]}", "unknown key 'drop_al'"},
        {"{\"unknown_subject\":2,\"mixture\":[]}", "unknown_subject must"},
        {"{\"drop_all\":\"0.1\",\"mixture\":[]}", "drop_all must"},
        {"{\"style_weights\":[1],\"mixture\":[]}", "style_weights"},
        {"{\"style_weights\":{\"flat\":-1},\"mixture\":[]}", "flat"},
        {"{\"style_weights\":{\"flat\":0,\"line-art\":0},\"mixture\":[]}", "nothing"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"compound\":1,\"texts\":[\"x\"]}]}",
         "compound"},
        {"{\"drop_all\":0.6,\"drop_context\":0.6,\"mixture\":[]}", "drop"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":0,\"texts\":[\"x\"]}]}", "ratios"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":-1,\"texts\":[\"x\"]}]}", "ratio"},
        {"{\"mixture\":[{\"name\":\"\",\"ratio\":1,\"texts\":[\"x\"]}]}", "name"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[]}]}", "texts"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[5]}]}", "text"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"text\":[\"x\"]}]}", "'text'"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[\"x\"],\"references\":[{\"slot\":"
         "\"d\",\"picture\":\"role.depth\",\"texts\":[\"x\"]}]}]}",
         "depth"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[\"x\"],\"references\":[{\"slot\":"
         "\"d\",\"picture\":\"banana\",\"texts\":[\"x\"]}]}]}",
         "banana"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[\"x\"],\"references\":[{"
         "\"picture\":\"style\",\"texts\":[\"x\"]}]}]}",
         "slot"},
        {"{\"mixture\":[{\"name\":\"a\",\"ratio\":1,\"texts\":[\"x\"],\"references\":[1,1,1,1]}]}",
         "references"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct tasks *t = make(bad[i][0], &err);
        if (t || !strstr(err.text, bad[i][1]))
            print_message("wanted '%s': %s\n", bad[i][1], err.text);
        assert_null(t);
        assert_int_equal(err.code, ERR_INPUT);
        assert_non_null(strstr(err.text, bad[i][1]));
    }
}

// Neighbours are other pictures of one cluster that the target is in, none of them twice; only what
// is in a cluster is a target, and what is held out is measured with none of them.
static void
test_neighbours(void **state)
{
    (void)state;
    static const int in[TINY_CLUSTERS][TINY_CLUSTER] = {{0, 1, 3}, {4, 6, 0}};
    struct err err = {0};
    struct tasks *t =
        make("{\"drop_all\":0,\"drop_context\":0,\"mixture\":[{\"name\":\"retrieval\",\"ratio\":1,"
             "\"references\":[{\"slot\":\"a\",\"picture\":\"neighbour\",\"texts\":[\"{subject}\"]},"
             "{\"slot\":\"b\",\"picture\":\"neighbour\",\"texts\":[\"{subject}\"]}],"
             "\"texts\":[\"{subject} {a} {b}\"]},{\"name\":\"look\",\"ratio\":1,\"references\":["
             "{\"slot\":\"s\",\"picture\":\"style\",\"texts\":[\"x\"]}],\"texts\":[\"{s}\"]}]}",
             &err);
    assert_non_null(t);
    int seen[TINY_COUNT] = {0}, cluster_of_0[TINY_CLUSTERS] = {0};
    for (uint64_t i = 0; i < 400; i++) {
        struct example e;
        assert_true(tasks_draw(t, 3, i, 2, &e, &err));
        int a = e.refs[0].record, b = e.refs[1].record;
        assert_in_range(e.cluster, 0, TINY_CLUSTERS - 1);
        const int *rows = in[e.cluster];
        // Three records, so these are all of the cluster.
        assert_true(a != b && a != e.record && b != e.record);
        assert_int_equal(a + b + e.record, rows[0] + rows[1] + rows[2]);
        seen[e.record]++;
        cluster_of_0[e.cluster] += e.record == 0;
    }
    for (int r = 0; r < TINY_COUNT; r++)
        assert_int_equal(seen[r] > 0, r == 0 || r == 1 || r == 3 || r == 4 || r == 6);
    assert_true(cluster_of_0[0] > 0 && cluster_of_0[1] > 0); // it is in both
    assert_int_equal(tasks_heldout_count(t, 2), 0);
    assert_int_equal(tasks_heldout_of(t, 0, PACK_HELDOUT_SUBJECT, 0, NULL), 0);
    assert_true(tasks_heldout_of(t, 1, PACK_HELDOUT_SUBJECT, 0, NULL) > 0);
    tasks_destroy(t);
}

// A pack that knows no styles: texts do not speak of them, and what needs two styles is an error.
static void
test_without_styles(void **state)
{
    (void)state;
    struct tiny_pack tiny;
    tiny_fill(&tiny);
    for (int r = 0; r < TINY_COUNT; r++)
        tiny.style[r] = -1;
    tiny.metadata[3] = "[]";
    assert_true(tiny_write(&tiny, path));
    struct pack *kept = pack;
    struct err err = {0};
    pack = pack_open(path, &err);
    assert_non_null(pack);
    struct tasks *t =
        make("{\"mixture\":[{\"name\":\"text\",\"ratio\":1,\"texts\":[\"{subject}, "
             "{style} style\",\"just {subject}\"]},{\"name\":\"style\",\"ratio\":1,"
             "\"references\":[{\"slot\":\"s\",\"picture\":\"style\",\"texts\":[\"x\"]}],"
             "\"texts\":[\"{s}\"]}]}",
             &err);
    assert_non_null(t);
    struct example e;
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(tasks_draw(t, 1, i, 0, &e, &err));
        assert_null(strstr(e.text, "style"));
    }
    assert_false(tasks_draw(t, 1, 0, 1, &e, &err));
    assert_int_equal(err.code, ERR_INPUT);
    tasks_destroy(t);
    pack_close(pack);
    pack = kept;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares),  cmocka_unit_test(test_deterministic),
        cmocka_unit_test(test_words),   cmocka_unit_test(test_heldout),
        cmocka_unit_test(test_style_weights), cmocka_unit_test(test_unknown_subjects),
        cmocka_unit_test(test_compound_and_several_styles),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_bad_descriptions), cmocka_unit_test(test_without_styles),
    };
    struct tiny_pack tiny;
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    tiny_fill(&tiny);
    pack = tiny_write(&tiny, path) ? pack_open(path, NULL) : NULL;
    unlink(path);
    if (!pack)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    pack_close(pack);
    return failed;
}
