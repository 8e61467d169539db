// SPDX-License-Identifier: MIT
// The parameters of a drawing: every reader knows the same ones with the same ranges, and saving a
// job, as JSON or as a template, and reading it again loses nothing. What is tried comes from the
// table; what must come out is what was put in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/job/parameters.h"
#include "app/job/sweep.h"
#include "app/job/template.h"
#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "renderer/image/codec.h"

static const char *templates;
static char folder[] = "/tmp/limn-parameters-XXXXXX";

// The readers: does each take `text` for a parameter, and what comes of it?

static bool
read_text(const struct parameter *p, const char *text, struct job *j)
{
    return parameter_read(p, j, p->name, text, NULL);
}

static bool
read_json(const struct parameter *p, const char *text, struct job *j)
{
    bool quoted = value_is_text(p->type.kind) || (p->type.kind == VALUE_SIZE && strchr(text, 'x'));
    if (p->type.kind == VALUE_SWITCH)
        text = strcmp(text, "yes") == 0 ? "true" : strcmp(text, "no") == 0 ? "false" : text;
    char *line = mem_printf("{\"instruction\": \"a\", \"%s\": %s%s%s}", p->name, quoted ? "\"" : "",
                            text, quoted ? "\"" : "");
    struct jv *v = jv_parse(line, strlen(line), "job", NULL);
    bool ok = v && job_parse(j, v, "job", NULL);
    jv_free(v);
    free(line);
    return ok;
}

static bool
read_template(const struct parameter *p, const char *text, struct job *j)
{
    char *path = file_join(folder, "one.yaml");
    char *yaml = mem_printf("instruction: a\nparameters:\n  %s: \"%s\"\n", p->name, text);
    struct template t = {0};
    assert_true(file_write(path, yaml, strlen(yaml), NULL));
    bool ok = template_read(&t, path, NULL) && template_job(&t, j, NULL);
    template_finish(&t);
    free(yaml);
    free(path);
    return ok;
}

static bool
read_sweep(const struct parameter *p, const char *text, struct job *j)
{
    struct job base = JOB_EMPTY;
    struct sweep s = {0};
    char *label = NULL;
    bool ok =
        sweep_add(&s, NULL, p->name, text, NULL) && sweep_job(&s, NULL, &base, 0, j, &label, NULL);
    free(label);
    sweep_finish(&s);
    return ok;
}

// All readers that a parameter has agree on `text`.
static void
all_read(const struct parameter *p, const char *text, bool right)
{
    static const struct {
        bool (*read)(const struct parameter *p, const char *text, struct job *j);
        unsigned where;
        const char *name;
    } readers[] = {{read_text, 0, "text"},
                   {read_json, 0, "JSON"},
                   {read_template, PARAMETER_TEMPLATE, "template"},
                   {read_sweep, PARAMETER_SWEEP, "sweep"}};
    for (size_t i = 0; i < COUNT_OF(readers); i++) {
        struct job j = JOB_EMPTY;
        if (readers[i].where && !(p->where & readers[i].where))
            continue;
        if (readers[i].read(p, text, &j) != right)
            fail_msg("%s takes %s = '%s': %d", readers[i].name, p->name, text, !right);
        char *back = right ? parameter_text(p, &j) : NULL;
        if (right && (!back || strcmp(back, text) != 0))
            fail_msg("%s reads %s = '%s' as '%s'", readers[i].name, p->name, text,
                     back ? back : "nothing");
        free(back);
        job_finish(&j);
    }
}

static void
readers_agree(void **state)
{
    (void)state;
    for (const struct parameter *p = parameters; p->name; p++) {
        const char *names[LIMIT_CHOICE_NAMES + 1];
        char low[40], high[40], under[40], over[40];
        bool number = p->type.low < p->type.high && !value_is_text(p->type.kind);
        snprintf(low, sizeof low, "%.16g", p->type.low);
        snprintf(high, sizeof high, "%.16g", p->type.high);
        snprintf(under, sizeof under, "%.17g", p->type.low - 1);
        snprintf(over, sizeof over, "%lld", (long long)p->type.high + 1);
        if (number) {
            all_read(p, low, true);
            all_read(p, high, true);
            all_read(p, over, false);
            if (strcmp(under, "-1") != 0 &&
                strcmp(under, "0") != 0) // earlier versions' "not set" in JSON
                all_read(p, under, false);
        }
        for (int i = 0, n = value_names(&p->type, names); i < n; i++)
            all_read(p, names[i], true);
        if (p->type.kind == VALUE_CHOICE)
            all_read(p, "nonsense", false);
        if (p->type.kind == VALUE_REAL)
            all_read(p, "0.1", true);
        if (p->type.kind == VALUE_SWITCH)
            all_read(p, "yes", true);
        if (p->type.kind == VALUE_TEXT)
            all_read(p, "some-name", true);
        if (p->type.kind == VALUE_SIZE) {
            static const char *const right[] = {"512", "1024x768", "8x4096"};
            static const char *const wrong[] = {"x",
                                                "512x",
                                                "x512",
                                                "1024x7",
                                                "4097x8",
                                                "512 x 512",
                                                "1024X768",
                                                "8x8x8",
                                                "-8x8",
                                                "+8x8",
                                                "8x+8",
                                                "1e2x8",
                                                "99999999999999999999x8"};
            for (size_t i = 0; i < COUNT_OF(right); i++)
                all_read(p, right[i], true);
            for (size_t i = 0; i < COUNT_OF(wrong); i++)
                all_read(p, wrong[i], false);
            struct job j = JOB_EMPTY;
            assert_true(read_text(p, "768x768", &j)); // a square, as it was always written
            struct jv *v = job_json(&j, true);
            assert_int_equal(jv_integer(jv_get(v, "size"), 0), 768);
            jv_free(v);
        }
        if (p->type.kind == VALUE_COLOUR) {
            static const char *const right[] = {"none",    "white", "black",  "#000",
                                                "#3366cc", "#FFF",  "#AbCdEf"};
            static const char *const wrong[] = {
                "",        "#",       "#12",    "#1234", "#12345", "#1234567", "#12345g",
                "# 12345", "#-12345", "123456", "White", "red ",   "0x123456", "##12345"};
            for (size_t i = 0; i < COUNT_OF(right); i++)
                all_read(p, right[i], true);
            for (size_t i = 0; i < COUNT_OF(wrong); i++)
                all_read(p, wrong[i], false);
            int32_t rgb = 0;
            assert_true(value_colour("#36c", &rgb) && rgb == 0x3366CC);
            assert_true(value_colour("none", &rgb) && rgb == -1);
        }
        if (p->type.kind == VALUE_WEIGHTED) {
            all_read(p, "7:0", true);
            all_read(p, "9007199254740992:1", true);
            static const char *const wrong[] = {"7",      "7:",     ":1",      "7:1.5",
                                                "7:-0.1", "-7:0.5", "7:0.5:1", "7:x"};
            for (size_t i = 0; i < COUNT_OF(wrong); i++)
                all_read(p, wrong[i], false);
        }
        if (p->type.kind == VALUE_WEIGHTS) {
            static const char *const right[] = {"1=0", "99=100", "1=0.5@0..0.5 3=2", "2=1@0.25..1"};
            static const char *const wrong[] = {"1",           "1=",           "=1",
                                                "0=1",         "100=1",        "1=-1",
                                                "1=100.5",     "1=x",          "1=1@",
                                                "1=1@0.5",     "1=1@0.5..0.5", "1=1@0.6..0.5",
                                                "1=1@0..1.5",  "1=1@-0.1..1",  "1=1 1=2",
                                                "1=1@0..1..2", "1=1 2",        "1=1;2=1"};
            for (size_t i = 0; i < COUNT_OF(right); i++)
                all_read(p, right[i], true);
            for (size_t i = 0; i < COUNT_OF(wrong); i++)
                all_read(p, wrong[i], false);
        }
    }
}

// K=W[@FROM..TO], with spaces or commas between them.
static void
weights_are_read(void **state)
{
    struct value_weight w[LIMIT_INSTRUCTION_REFERENCES];
    (void)state;
    assert_int_equal(value_weights("7=0.5,  2=3@0.25..0.75", w), 2);
    assert_int_equal(w[0].number, 7);
    assert_true(w[0].weight == 0.5 && w[0].from == 0 && w[0].to == 1);
    assert_int_equal(w[1].number, 2);
    assert_true(w[1].weight == 3 && w[1].from == 0.25 && w[1].to == 0.75);
    assert_int_equal(value_weights("1=1 2=1 3=1 4=1 5=1 6=1 7=1 8=1 9=1 10=1", w), 10);
    assert_int_equal(value_weights("1=1 2=1 3=1 4=1 5=1 6=1 7=1 8=1 9=1 10=1 11=1", w), -1);
    assert_int_equal(value_weights("", w), -1);
}

// Mask and strength need a start, weights their references, [ref#K] in what is kept away from a
// picture.
static void
pictures_belong_together(void **state)
{
    static const struct {
        const char *name, *value, *says;
    } wrong[] = {{"strength", "0.5", "a strength needs a picture to start from (start)"},
                 {"ref_weight", "2=1", "ref_weight is '2=1', but there is no reference 2"},
                 {"negative", "not [ref#1]", "negative: "}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct job j = JOB_EMPTY;
        struct err err = {0};
        j.instruction = mem_strdup("a fox");
        assert_true(parameter_read(parameter_find(wrong[i].name), &j, "it", wrong[i].value, &err));
        assert_false(job_check_complete(&j, &err));
        if (strncmp(err.text, wrong[i].says, strlen(wrong[i].says)) != 0)
            fail_msg("%s", err.text);
        job_add_for(&j, JOB_START, 0);
        job_add_for(&j, JOB_AWAY, 1);
        err_clear(&err);
        assert_int_equal(job_check_complete(&j, &err), strcmp(wrong[i].name, "ref_weight") != 0);
        job_finish(&j);
    }
    struct job j = JOB_EMPTY;
    struct err err = {0};
    j.instruction = mem_strdup("a fox");
    assert_non_null(job_add_for(&j, JOB_MASK, 0));
    assert_null(job_add_for(&j, JOB_MASK, 0));
    assert_false(job_check_complete(&j, &err));
    assert_string_equal(err.text, "a mask needs a picture to start from (start)");
    job_finish(&j);
}

// A value that is not the empty one, another for each row.
static void
fill(struct job *j)
{
    int row = 0;
    for (const struct parameter *p = parameters; p->name; p++, row++) {
        const char *names[LIMIT_CHOICE_NAMES + 1];
        int n = value_names(&p->type, names);
        char text[40];
        if (n)
            snprintf(text, sizeof text, "%s", names[n - 1]);
        else if (p->type.kind == VALUE_SWITCH)
            snprintf(text, sizeof text, "yes");
        else if (p->type.kind == VALUE_REAL)
            snprintf(text, sizeof text, "%.17g",
                     p->type.low + (p->type.high - p->type.low) / (row + 3.7));
        else if (p->type.kind == VALUE_SIZE)
            snprintf(text, sizeof text, "%dx%d", 640 + row, 480);
        else if (p->type.kind == VALUE_WEIGHTED)
            snprintf(text, sizeof text, "%d:0.25", row);
        else if (p->type.kind == VALUE_WEIGHTS)
            snprintf(text, sizeof text, "1=0.%d@0..0.5 7=2", row);
        else if (p->type.kind == VALUE_COLOUR)
            snprintf(text, sizeof text, "#%06x", 0x3366CC + row);
        else if (p->type.kind == VALUE_TEXT)
            snprintf(text, sizeof text, "a \"text\": #%d, [ref#1] \\ {x}", row);
        else
            snprintf(text, sizeof text, "%lld",
                     (long long)p->type.high - row % ((long long)(p->type.high - p->type.low) + 1));
        assert_true(parameter_read(p, j, p->name, text, NULL));
    }
    j->count = 3;
    j->seed -= j->count; // the last picture's is one, too
}

static void
add_reference(struct job *j, int marker, const char *file, const char *words, const char *loader,
              const char *setting)
{
    struct job_reference *r = job_add(j, marker);
    r->file = mem_strdup(file);
    r->words = words ? mem_strdup(words) : NULL;
    r->loader = loader ? mem_strdup(loader) : NULL;
    if (setting)
        r->settings[r->setting_count++] = mem_strdup(setting);
}

static void
copy_sample(const char *name, const char *to)
{
    size_t size;
    char *from = mem_printf("%s/samples/%s", templates, name);
    char *data = file_read(from, LIMIT_PICTURE_BYTES, &size, NULL);
    assert_true(data && file_write(to, data, size, NULL));
    free(data);
    free(from);
}

static void
make_job(struct job *j)
{
    *j = JOB_EMPTY;
    fill(j);
    j->instruction =
        mem_strdup("Draw [ref#1] \"fox\": 'a' \\ b # and [ref#7], café \xF0\x9F\xA6\x8A");
    char *one = file_join(folder, "o n'e\".png"), *two = file_join(folder, "two.png");
    copy_sample("snail-noto.png", one);
    copy_sample("style-blob.png", two);
    add_reference(j, 7, one, "style: \"image\"", "edge", "thickness=3");
    add_reference(j, 1, two, NULL, NULL, NULL);
    static const enum job_use others[] = {JOB_AWAY, JOB_START, JOB_MASK};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct job_reference *r = job_add_for(j, others[i], others[i] == JOB_AWAY);
        r->file = mem_strdup(i == 1 ? one : two);
        r->words = i == 0 ? mem_strdup("what is \"bad\"") : NULL;
        r->loader = i == 2 ? mem_strdup("mask") : NULL;
    }
    free(one);
    free(two);
}

// As text; without `machine` without what a template does not keep: what computes, and where its
// files lie, whose content is known by its hash.
static char *
job_text(const struct job *j, bool machine)
{
    struct job copy;
    job_copy(&copy, j);
    copy.id[0] = 0;
    for (int i = 0; i < copy.reference_count; i++) {
        struct job_reference *r = &copy.references[i];
        char **places[] = {&r->where, &r->within, &r->file};
        for (size_t k = 0; k < COUNT_OF(places) && !machine; k++) {
            free(*places[k]);
            *places[k] = NULL;
        }
    }
    for (const struct parameter *p = parameters; p->name && !machine; p++)
        if (!(p->where & PARAMETER_TEMPLATE))
            parameter_clear(p, &copy);
    struct jv *v = job_json(&copy, true);
    char *text = jv_text(v, 1);
    jv_free(v);
    job_finish(&copy);
    return text;
}

static void
json_keeps_a_job(void **state)
{
    struct job j, back;
    (void)state;
    make_job(&j);
    struct jv *v = job_json(&j, true);
    assert_true(job_parse(&back, v, "job", NULL));
    char *before = job_text(&j, true), *after = job_text(&back, true);
    assert_string_equal(before, after);
    for (const struct parameter *p = parameters; p->name; p++)
        assert_non_null(jv_get(v, p->name));
    free(before);
    free(after);
    jv_free(v);
    job_finish(&j);
    job_finish(&back);
}

// What belongs to the machine is no template's business; everything else comes back.
static void
a_saved_template_loses_nothing(void **state)
{
    struct job j, back;
    struct template t;
    struct err err = {0};
    char *path = file_join(folder, "saved.yaml");
    (void)state;
    make_job(&j);
    if (!template_save(&j, folder, "saved", "a: \"summary\"", &err) ||
        !template_read(&t, path, &err) || !template_job(&t, &back, &err) || !job_read(&back, &err))
        fail_msg("%s", err.text);
    assert_string_equal(t.name, "saved");
    assert_string_equal(t.summary, "a: \"summary\"");
    assert_string_equal(back.template, "saved"); // whence it comes now
    free(back.template);
    back.template = NULL;
    char *before = job_text(&j, false), *after = job_text(&back, false);
    assert_string_equal(before, after);
    assert_false(template_save(&j, folder, "saved", "again", &err));
    free(before);
    free(after);
    free(path);
    template_finish(&t);
    job_finish(&j);
    job_finish(&back);
}

// A {{word}} of an own instruction becomes a variable, once, that is its name until it is filled
// in.
static void
a_saved_template_declares_its_variables(void **state)
{
    struct job j = JOB_EMPTY, back = JOB_EMPTY;
    struct template t;
    struct err err = {0};
    char *path = file_join(folder, "words.yaml");
    (void)state;
    j.instruction = mem_strdup("{{what}} beside {{ what }} on {{a-hill}}, {not} {{one");
    assert_false(template_save(&j, folder, "broken", "", &err)); // {{one is no variable
    free(j.instruction);
    j.instruction = mem_strdup("{{what}} beside {{ what }} on {{a-hill}}, {not}");
    err_clear(&err);
    if (!template_save(&j, folder, "words", "", &err) || !template_read(&t, path, &err) ||
        !template_set(&t, "what", "a fox", &err) || !template_job(&t, &back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(t.variable_count, 2);
    assert_string_equal(back.instruction, "a fox beside a fox on a-hill, {not}");
    free(path);
    template_finish(&t);
    job_finish(&j);
    job_finish(&back);
}

// A reference that came out of a picture has no file: its picture, with the loader's work in it, is
// saved beside the template, and the loader does not run again.
static void
a_saved_template_takes_pictures_out_of_pictures(void **state)
{
    struct job j, back;
    struct template t;
    struct err err = {0};
    char *path = file_join(folder, "inner.yaml");
    (void)state;
    make_job(&j);
    assert_true(job_read(&j, &err));
    for (int i = 0; i < j.reference_count; i++) {
        job_embed(&j.references[i], "drawn.png");
        j.references[i].processed = true;
        free(j.references[i].loader);
        j.references[i].loader = mem_strdup("edge");
    }
    assert_true(j.reference_count > 0);
    free(j.references[0].file); // not even what it was called there is known
    j.references[0].file = NULL;
    if (!template_save(&j, folder, "inner", "of a picture", &err) ||
        !template_read(&t, path, &err) || !template_job(&t, &back, &err) || !job_read(&back, &err))
        fail_msg("%s", err.text);
    assert_int_equal(back.reference_count, j.reference_count);
    for (int i = 0; i < j.reference_count; i++) {
        const struct job_reference *before = &j.references[i],
                                   *after = job_find_for(&back, before->use, before->marker);
        assert_non_null(after);
        assert_null(after->loader);
        assert_int_equal(after->size, before->size);
        assert_memory_equal(after->data, before->data, before->size);
        assert_string_equal(after->words ? after->words : "", before->words ? before->words : "");
    }
    // Without its picture it is no template.
    free(j.references[0].data);
    j.references[0].data = NULL;
    assert_false(template_save(&j, folder, "none", "of nothing", &err));
    assert_non_null(strstr(err.text, "has no file"));
    free(path);
    template_finish(&t);
    job_finish(&j);
    job_finish(&back);
}

// The empty job stays empty: nothing is written, nothing comes back.
static void
nothing_stays_nothing(void **state)
{
    struct job j = JOB_EMPTY, back;
    (void)state;
    j.instruction = mem_strdup("a");
    struct jv *v = job_json(&j, true);
    assert_true(job_parse(&back, v, "job", NULL));
    for (const struct parameter *p = parameters; p->name; p++) {
        assert_false(parameter_is_set(p, &j));
        assert_false(parameter_is_set(p, &back));
        assert_null(jv_get(v, p->name));
        assert_null(parameter_text(p, &j));
    }
    jv_free(v);
    job_finish(&j);
    job_finish(&back);
}

// What pictures and sheets of earlier versions say where nobody had said anything.
static void
earlier_jobs_are_read(void **state)
{
    static const char text[] =
        "{\"instruction\": \"a\", \"seed\": -1, \"steps\": 0, \"count\": 0, \"size\": 0,"
        "\"scale\": -1.0, \"context_scale\": -1}";
    struct job j;
    (void)state;
    struct jv *v = jv_parse(text, strlen(text), "job", NULL);
    assert_true(job_parse(&j, v, "job", NULL));
    for (const struct parameter *p = parameters; p->name; p++)
        assert_false(parameter_is_set(p, &j));
    jv_free(v);
    job_finish(&j);
}

#ifdef LIMN_DUMMY_PARAMETER
// One row more in the table: everything else in this file has tried it like the others.
static void
a_row_is_all_there_is_to_add(void **state)
{
    struct job j = JOB_EMPTY;
    (void)state;
    const struct parameter *p = parameter_find("dummy");
    assert_non_null(p);
    assert_true(j.dummy == -1 && !parameter_is_set(p, &j));
    all_read(p, "6.5", true);
    all_read(p, "7.5", false);
}
#endif

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_agree),
        cmocka_unit_test(weights_are_read),
        cmocka_unit_test(pictures_belong_together),
        cmocka_unit_test(json_keeps_a_job),
        cmocka_unit_test(a_saved_template_loses_nothing),
        cmocka_unit_test(a_saved_template_declares_its_variables),
        cmocka_unit_test(a_saved_template_takes_pictures_out_of_pictures),
        cmocka_unit_test(nothing_stays_nothing),
        cmocka_unit_test(earlier_jobs_are_read),
#ifdef LIMN_DUMMY_PARAMETER
        cmocka_unit_test(a_row_is_all_there_is_to_add),
#endif
    };
    if (argc != 2 || !mkdtemp(folder) || !codec_start(NULL))
        return 1;
    templates = argv[1];
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char *command = mem_printf("rm -rf %s", folder);
    failed += system(command) != 0;
    free(command);
    return failed;
}
