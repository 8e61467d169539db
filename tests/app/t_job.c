// SPDX-License-Identifier: MIT
// Jobs from a stranger's picture or sheet: what is in it is believed as far as it is theirs to say,
// and no file of the user's is read for it. Sweeps: every value is the one that was written.
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/base/base64.h"
#include "app/base/digest.h"
#include "app/job/sweep_sheet.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

static char folder[] = "/tmp/limn-job-XXXXXX";
static char *dot; // a PNG of one pixel in base 64

// A PNG with the text that limn looks for.
static void *
picture(const char *text, size_t *size)
{
    uint8_t pixel[3] = {200, 100, 0};
    struct image image = {.width = 1, .height = 1, .format = IMAGE_RGB8, .stride = 3,
                          .pixels = pixel, .references = 1};
    const char *const texts[] = {"limn", text, NULL};
    struct err err = {0};
    void *png = codec_encode_png(&image, text ? texts : NULL, size, &err);
    assert_non_null(png);
    return png;
}

static bool
read_picture(struct job *j, const char *text, struct err *err)
{
    size_t size;
    void *png = picture(text, &size);
    bool ok = job_from_png_in(j, png, size, "p.png", err);
    free(png);
    return ok;
}

// The sentence with which a picture of that text is refused.
static void
refused(const char *text, const char *sentence)
{
    struct job j;
    struct err err = {0};
    if (read_picture(&j, text, &err))
        fail_msg("taken: %s", text);
    if (strcmp(err.text, sentence) != 0)
        fail_msg("%s: '%s', not '%s'", text, err.text, sentence);
    job_finish(&j);
}

static void
values_have_their_types(void **state)
{
    (void)state;
    refused("{\"instruction\":\"a\",\"seed\":\"5\"}", "p.png: its seed must be a whole number");
    refused("{\"instruction\":\"a\",\"seed\":5.5}", "p.png: its seed must be a whole number");
    refused("{\"instruction\":\"a\",\"steps\":true}", "p.png: its steps must be a whole number");
    refused("{\"instruction\":[\"a\"]}", "p.png: its instruction must be a text");
    refused("{\"seed\":1}", "p.png: it contains no instruction");
    refused("[1]", "p.png: it contains no instruction");
    refused("{\"instruction\":\"a\",\"scale\":\"3\"}", "p.png: its scale must be a number");
    refused("{\"instruction\":\"a\",\"sampler\":7}", "p.png: its sampler must be a text");
    refused("{\"instruction\":\"a\",\"references\":{}}", "p.png: its references must be a list");
    refused("{\"instruction\":\"a\",\"references\":[{\"marker\":\"1\"}]}",
            "p.png: its marker must be a whole number");
    refused("{\"instruction\":\"a\",\"references\":[7]}", "p.png: a reference in it is damaged");
    refused(
        "{\"instruction\":\"a\",\"seed\":9007199254740993}",
        "p.png: its seed is '9007199254740993', but must be a whole number in 0..9007199254740992");
    refused("{\"format\":2,\"instruction\":\"a\"}",
            "p.png: written by a later limn, in format 2; this one reads format 1");
    refused("{\"format\":\"1\",\"instruction\":\"a\"}", "p.png: its format must be 1");
    refused("{\"format\":0,\"instruction\":\"a\"}", "p.png: its format must be 1");
    refused(
        "{\"instruction\":\"a [ref#1]\",\"references\":[{\"marker\":1,\"png\":\"cm9vdDp4OjA=\"}]}",
        "p.png: not a picture in a supported format");
    refused("{\"instruction\":\"a [ref#1]\",\"references\":[{\"marker\":1,\"file\":\"mine.png\"}]}",
            "p.png: a reference in it is damaged");
}

// Its bytes are all there is of it: also after the session was kept and read again, and beside a
// file that has the name.
static void
a_reference_of_a_picture_is_no_file(void **state)
{
    (void)state;
    struct job j, again;
    struct err err = {0};
    char *text = mem_printf(
        "{\"format\":1,\"instruction\":\"a [ref#1]\",\"model\":\"/m\",\"device\":\"cpu\","
        "\"dtype\":\"f16\",\"offload\":true,\"references\":[{\"marker\":1,"
        "\"file\":\"%s/mine.png\",\"within\":\"/\",\"loader\":\"edge\",\"png\":\"%s\"}]}",
        folder, dot);
    if (!read_picture(&j, text, &err))
        fail_msg("%s", err.text);
    assert_null(j.model);
    assert_null(j.device);
    assert_null(j.dtype);
    assert_false(j.offload);
    const struct job_reference *r = &j.references[0];
    assert_true(r->embedded && r->processed);
    assert_string_equal(r->file, "mine.png");
    assert_null(r->within);
    assert_true(job_read(&j, &err));
    struct jv *kept = job_json(&j, true);
    assert_true(job_parse(&again, kept, "kept", &err));
    assert_int_equal(chdir(folder), 0);
    assert_true(file_exists("mine.png"));
    assert_false(job_read(&again, &err));
    assert_string_equal(
        err.text, "p.png: reference 1 came inside a picture that is not open: choose its picture");
    assert_null(again.references[0].data);
    jv_free(kept);
    job_finish(&j);
    job_finish(&again);
    free(text);
}

// What was checked when the template was read is checked again when the file is.
static void
a_reference_of_a_template_stays_below_it(void **state)
{
    (void)state;
    struct job j, again;
    struct template t;
    struct err err = {0};
    static const char words[] = "instruction: \"a [ref#1]\"\nreferences:\n  1: {image: here.png}\n";
    char *file = file_join(folder, "t.yaml"), *here = file_join(folder, "here.png");
    size_t size;
    void *png = picture(NULL, &size);
    assert_true(file_write(file, words, strlen(words), &err) && file_write(here, png, size, &err));
    assert_true(template_read(&t, file, &err) && template_job(&t, &j, &err));
    assert_string_equal(j.references[0].within, folder);
    struct jv *kept = job_json(&j, true);
    assert_true(job_parse(&again, kept, "kept", &err));
    assert_true(job_read(&again, &err));
    assert_int_equal(again.references[0].size, size);
    assert_int_equal(unlink(here), 0);
    assert_int_equal(symlink("/etc/passwd", here), 0);
    assert_false(job_read(&j, &err));
    assert_non_null(strstr(err.text, "here.png is a link that leads out"));
    template_finish(&t);
    jv_free(kept);
    job_finish(&j);
    job_finish(&again);
    free(file);
    free(here);
    free(png);
}

static void
only_pictures_are_read(void **state)
{
    (void)state;
    struct job j = JOB_EMPTY;
    struct err err = {0};
    job_add(&j, 1)->file = mem_strdup("/etc/passwd");
    assert_false(job_read(&j, &err));
    assert_string_equal(err.text, "/etc/passwd: not a picture in a supported format");
    assert_null(j.references[0].data);
    job_finish(&j);
}

static void
a_sheet_does_not_say_what_computes(void **state)
{
    (void)state;
    struct sweep_sheet s;
    struct err err = {0};
    uint8_t pixel[3] = {0};
    struct image image = {.width = 1, .height = 1, .format = IMAGE_RGB8, .stride = 3,
                          .pixels = pixel, .references = 1};
    char *file = file_join(folder, "sheet.png");
    static const char *const rows[][3] = {
        {"1",
         "{\"label\":\"x\",\"job\":{\"instruction\":\"a\",\"seed\":1,\"model\":\"/tmp/"
         "m\",\"device\":\"vulkan\"}}",
         NULL},
        {"2", "{\"job\":{\"instruction\":\"a\"}}",
         ": written by a later limn, in format 2; this one reads format 1"},
        {"1", "{\"job\":{\"instruction\":\"a\",\"seed\":\"1\"}}",
         ": its seed must be a whole number"},
        {"1", "7", ": it contains no instruction"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char *text = mem_printf("{\"format\":%s,\"sweep\":{\"cells\":[%s],\"pictures\":{}}}",
                                rows[i][0], rows[i][1]);
        const char *const texts[] = {"limn", text, NULL};
        assert_true(codec_write_png(&image, file, texts, &err));
        assert_int_equal(sweep_sheet_read(&s, file, &err), !rows[i][2]);
        if (rows[i][2]) {
            assert_string_equal(err.text + strlen(file), rows[i][2]);
        } else {
            assert_string_equal(s.asked, "model /tmp/m, device vulkan");
            assert_null(s.cells[0].job.model);
            assert_null(s.cells[0].job.device);
        }
        err_clear(&err);
        sweep_sheet_finish(&s);
        free(text);
    }
    free(file);
}

static void
seeds_are_whole_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count; // 0: refused
        const char *first, *last;
    } rows[] = {
        {"156680208700286..156680208700288", 3, "156680208700286", "156680208700288"},
        {"9007199254740990..9007199254740992", 3, "9007199254740990", "9007199254740992"},
        {"9007199254740991..9007199254740993", 0, "", ""},
        {"9007199254740993", 0, "", ""},
        {"10..1:-3", 4, "10", "1"},
        {"5..5", 1, "5", "5"},
        {"1..4:0", 0, "", ""},
        {"4..1:1", 0, "", ""},
        {"1..65536", 65536, "1", "65536"},
        {"1..65537", 0, "", ""},
        {"-1..2", 0, "", ""},
        {"1.5", 0, "", ""},
        {"0..1:0.25", 0, "", ""},
        {"9223372036854775807..-9223372036854775808", 0, "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct sweep s = {0};
        struct err err = {0};
        bool ok = sweep_add(&s, NULL, "seed", rows[i].text, &err);
        if (ok != (rows[i].count > 0))
            fail_msg("%s: %s", rows[i].text, ok ? "taken" : err.text);
        if (ok) {
            assert_int_equal(s.axes[0].count, rows[i].count);
            assert_string_equal(s.axes[0].values[0], rows[i].first);
            assert_string_equal(s.axes[0].values[rows[i].count - 1], rows[i].last);
        }
        sweep_finish(&s);
    }
    struct sweep s = {0};
    assert_true(sweep_add(&s, NULL, "scale", "0..1:0.25", NULL));
    assert_int_equal(s.axes[0].count, 5);
    assert_string_equal(s.axes[0].values[3], "0.75");
    sweep_finish(&s);
}

// 65536 x 1000 x 1000 cells: no two lots are the same, other seeds draw others, the same one the
// same.
static void
lots_are_drawn_from_grids_of_any_size(void **state)
{
    (void)state;
    struct sweep a = {0}, b = {0};
    struct err err = {0};
    assert_true(sweep_add(&a, NULL, "seed", "1..65536", &err) &&
                sweep_add(&a, NULL, "steps", "1..1000", &err) &&
                sweep_add(&a, NULL, "scale", "0..100:0.1", &err));
    assert_false(sweep_fits(&a, &err));
    assert_string_equal(
        err.text, "the sweep has 65601536000 pictures, it may have 256: give fewer values, or "
                  "--random N");
    err_clear(&err);
    assert_true(sweep_sample(&a, LIMIT_SWEEP_CELLS, 7, &err) && sweep_fits(&a, &err));
    assert_int_equal(sweep_cells(&a), LIMIT_SWEEP_CELLS);
    int far = 0;
    for (int i = 0; i < LIMIT_SWEEP_CELLS; i++) {
        far += a.picks[i] > INT64_C(1) << 33;
        for (int k = 0; k < i; k++)
            assert_true(a.picks[i] != a.picks[k]);
    }
    assert_true(far > LIMIT_SWEEP_CELLS / 2); // 87 of 100 lie there
    b = a;
    assert_true(sweep_sample(&b, LIMIT_SWEEP_CELLS, 7, &err));
    assert_memory_equal(a.picks, b.picks, sizeof a.picks);
    assert_true(sweep_sample(&b, LIMIT_SWEEP_CELLS, 8, &err));
    assert_memory_not_equal(a.picks, b.picks, sizeof a.picks);
    sweep_finish(&a);
    // A small deck is dealt whole before it is dealt again.
    assert_true(sweep_add(&a, NULL, "seed", "1..5", &err) && sweep_sample(&a, 15, 3, &err));
    for (int round = 0; round < 3; round++) {
        int seen = 0;
        for (int i = 0; i < 5; i++)
            seen |= 1 << a.picks[5 * round + i];
        assert_int_equal(seen, 31);
    }
    sweep_finish(&a);
}

static void
the_last_seed_counts(void **state)
{
    (void)state;
    struct job j = JOB_EMPTY;
    struct err err = {0};
    j.instruction = mem_strdup("a");
    j.seed = INT64_C(9007199254740992);
    assert_true(job_check(&j, &err));
    j.count = 2;
    assert_false(job_check(&j, &err));
    assert_string_equal(
        err.text,
        "the last picture's seed is 9007199254740993, but must be at most 9007199254740992");
    job_finish(&j);
}

// Of one million times "a" and of "abc": the examples of FIPS 180-4.
static void
sums_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        enum digest_kind kind;
        const char *abc, *million;
    } rows[] = {
        {DIGEST_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d",
         "34aa973cd4c4daa4f61eeb2bdbad27316534016f"},
        {DIGEST_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
         "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    char sum[DIGEST_TEXT], piece[1000];
    memset(piece, 'a', sizeof piece);
    for (size_t i = 0; i < 2; i++) {
        struct digest *d = digest_begin(rows[i].kind);
        digest_add(d, "a", 1);
        digest_add(d, "", 0);
        digest_add(d, "bc", 2);
        digest_end(d, sum);
        assert_string_equal(sum, rows[i].abc);
        d = digest_begin(rows[i].kind);
        for (int k = 0; k < 1000; k++)
            digest_add(d, piece, sizeof piece);
        digest_end(d, sum);
        assert_string_equal(sum, rows[i].million);
    }
    digest_end(digest_begin(DIGEST_SHA1), NULL);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    (void)argc;
    if (!codec_start(&err) || !mkdtemp(folder))
        return 1;
    size_t size;
    void *png = picture(NULL, &size);
    dot = base64_encode(png, size, NULL);
    char *mine = file_join(folder, "mine.png");
    if (!file_write(mine, png, size, &err))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_have_their_types),
        cmocka_unit_test(a_reference_of_a_picture_is_no_file),
        cmocka_unit_test(a_reference_of_a_template_stays_below_it),
        cmocka_unit_test(only_pictures_are_read),
        cmocka_unit_test(a_sheet_does_not_say_what_computes),
        cmocka_unit_test(seeds_are_whole_numbers),
        cmocka_unit_test(lots_are_drawn_from_grids_of_any_size),
        cmocka_unit_test(the_last_seed_counts),
        cmocka_unit_test(sums_are_those_of_the_standard),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(png);
    free(dot);
    free(mine);
    char command[sizeof folder + 20];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? rc : 1;
}
