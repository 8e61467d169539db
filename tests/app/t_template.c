// SPDX-License-Identifier: MIT
// Templates and instructions: what is right becomes the right struct, and every fault has its
// sentence with file, line and column.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/job/template.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static char path[] = "/tmp/limn-template-XXXXXX";

static void
write_text(const char *text, size_t size)
{
    struct err err = {0};
    assert_true(file_write(path, text, size, &err));
}

// The sentence behind "PATH:".
static void
refused_bytes(const char *text, size_t size, const char *sentence)
{
    struct err err = {0};
    struct template t;
    write_text(text, size);
    assert_false(template_read(&t, path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    size_t n = strlen(path);
    if (strncmp(err.text, path, n) != 0 || err.text[n] != ':')
        fail_msg("no file name in: %s", err.text);
    assert_string_equal(err.text + n + 1, sentence);
    assert_null(strchr(err.text, '\n'));
}

static void
refused(const char *text, const char *sentence)
{
    refused_bytes(text, strlen(text), sentence);
}

#define HEAD "instruction: \"Draw [ref#1] cat\"\n"
#define REF  "references:\n  1:\n    image: a.png\n"

static int allowed = -1; // allocations of libyaml until all fail; below 0: none does
static int taken;        // allocations that came here

static bool
lacking(void)
{
    taken++;
    if (allowed > 0)
        allowed--;
    return allowed == 0;
}

// libyaml takes these for its own, unless it was linked to take none but its own (Ubuntu's).
void *yaml_malloc(size_t size);
void *yaml_realloc(void *p, size_t size);

void *
yaml_malloc(size_t size)
{
    return lacking() ? NULL : malloc(size ? size : 1);
}

void *
yaml_realloc(void *p, size_t size)
{
    return lacking() ? NULL : realloc(p, size ? size : 1);
}

// Whichever allocation fails: memory is short, nothing is wrong with the template.
static void
no_memory_is_no_fault_of_the_template(void **state)
{
    (void)state;
    static const char text[] =
        "instruction: \"Draw [ref#1] {{a}}\"\nvariables:\n  a:\n    default: b\n" REF;
    bool read = false;
    int n = 0;
    write_text(text, sizeof text - 1);
    for (; !read && n < 10000; n++) {
        struct err err = {0};
        struct template t;
        allowed = n;
        read = template_read(&t, path, &err);
        allowed = -1;
        template_finish(&t);
        if (!read && (err.code != ERR_MEMORY || !strstr(err.text, "memory")))
            fail_msg("allocation %d: %d, %s", n, (int)err.code, err.text);
    }
    if (taken == 0)
        skip();
    assert_true(n > 10);
}

static void
faults_have_line_and_column(void **state)
{
    (void)state;
    refused("summary: x\n", "1:1: the key 'instruction' is missing");
    refused("instruktion: x\n",
            "1:14: a template has no key 'instruktion', did you mean 'instruction'?");
    refused("instruction: x\ninstruction: y\n", "2:1: the key 'instruction' is here twice");
    refused("instruction: [x]\n", "1:14: instruction must be a text");
    refused("instruction: \"a {{b}}\"\n", "1:14: {{b}} is not among the variables");
    refused("instruction: \"a {{subjekt}}\"\nvariables:\n  subject: x\n",
            "1:14: {{subjekt}} is not among the variables, did you mean {{subject}}?");
    refused("instruction: \"a {{b\"\n", "1:14: '{{b' is not closed with }}");
    refused("instruction: a\nvariables:\n  b: x\n", "3:6: the variable b is not used");
    refused("instruction: \"{{b}}\"\nvariables:\n  b:\n    type: nmber\n",
            "4:11: type must be text, number, choice or image");
    refused("instruction: \"{{b}}\"\nvariables:\n  b:\n    range: [5, 1]\n",
            "4:12: range must be [LOWEST, HIGHEST]");
    refused("instruction: \"{{b}}\"\nvariables:\n  b:\n    range: [1, 5]\n    default: 9\n",
            "5:14: the default of b is '9', but must be a number in 1..5");
    refused("instruction: \"{{b}}\"\nvariables:\n  b:\n    choices: [x, y]\n    default: z\n",
            "5:14: the default of b is 'z', but must be one of: x, y");
    refused(HEAD, "1:14: the instruction mentions [ref#1], but no reference 1 is given");
    refused("instruction: a\n" REF,
            "1:14: reference [ref#1] is given, but the instruction does not mention it");
    refused("instruction: \"a [ref#x]\"\n",
            "1:14: column 3: '[ref#x]' is not a marker: write [ref#k] with k in 1..99");
    refused(
        HEAD "references:\n  one:\n    image: a\n",
        "4:5: 'one' is not the number of a reference (1 to 99, as in [ref#1]), nor start, mask or "
        "away-1 to away-99");
    refused(HEAD "references:\n  1:\n    text: a\n", "4:5: reference 1 has no image");
    refused(HEAD "references:\n  1:\n    image: a\n    loder: edge\n",
            "5:12: a reference has no key 'loder', did you mean 'loader'?");
    refused(HEAD "references:\n  1:\n    image: a\n    loader:\n      thickness: 2\n",
            "6:7: a loader with parameters needs its name");
    refused("instruction: a\nparameters:\n  steps: many\n",
            "3:10: steps is 'many', but must be a whole number in 1..1000");
    refused("instruction: a\nparameters:\n  seed: 9007199254740993\n",
            "3:9: seed is '9007199254740993', but must be a whole number in 0..9007199254740992");
    refused("instruction: a\nparameters:\n  scale: 1000\n",
            "3:10: scale is '1000', but must be a number in 0..100");
}

static void
yaml_that_is_not_plain_is_refused(void **state)
{
    (void)state;
    refused("", "1:1: the file is empty");
    refused("instruction: &a x\n", "1:14: anchors and tags are not supported");
    refused("instruction: *a\n", "1:14: aliases are not supported");
    refused("instruction: !!str x\n", "1:14: anchors and tags are not supported");
    refused("<<: x\n", "1:1: merge keys are not supported");
    refused("- a\n", "1:1: a template must be a list of KEY: VALUE");
    refused("instruction: a\n---\nb: c\n", "2:1: only one document is allowed in a file");
    refused("[a]: b\n", "1:1: a key must be a plain word");
    refused_bytes("instruction: \"a\\0b\"\n", 20, "1:14: a text must not hold a zero byte");
    char deep[200] = "instruction: ";
    memset(deep + 13, '[', 60);
    struct err err = {0};
    struct template t;
    write_text(deep, strlen(deep));
    assert_false(template_read(&t, path, &err));
    assert_non_null(strstr(err.text, "nested too deeply"));
    err_clear(&err);
    write_text("instruction: \xff\xfe\n", 16);
    assert_false(template_read(&t, path, &err));
    assert_int_equal(err.code, ERR_INPUT);
    err_clear(&err);
    char *large = mem_alloc(LIMIT_YAML_BYTES + 1);
    memset(large, ' ', LIMIT_YAML_BYTES + 1);
    write_text(large, LIMIT_YAML_BYTES + 1);
    free(large);
    assert_false(template_read(&t, path, &err));
    assert_non_null(strstr(err.text, "the limit is"));
}

static void
a_template_becomes_its_struct(void **state)
{
    (void)state;
    struct err err = {0};
    struct template t;
    static const char text[] =
        "name: A\nsummary: B\ninstruction: \"Draw [ref#3] {{what}} x{{n}}\"\n"
        "references:\n  3:\n    text: \"{{what}}\"\n    image: \"{{file}}\"\n"
        "    loader:\n      name: edge\n      thickness: \"{{n}}\"\n"
        "variables:\n  what: fox\n  n:\n    default: 4\n    range: [1, 9]\n"
        "  file:\n    type: image\n    default: pic.png\n"
        "parameters:\n  seed: 7\n  steps: 12\n  guidance: cfg\n  scale: 2.5\n";
    write_text(text, strlen(text));
    if (!template_read(&t, path, &err))
        fail_msg("%s", err.text);
    assert_string_equal(t.name, "A");
    assert_int_equal(t.reference_count, 1);
    assert_int_equal(t.references[0].marker, 3);
    assert_string_equal(t.references[0].loader, "edge");
    assert_int_equal(t.parameters.seed, 7);
    assert_int_equal(t.parameters.steps, 12);
    assert_true(t.parameters.scale == 2.5 && t.parameters.context_scale == -1);
    assert_true(template_set(&t, "what", "owl", &err));
    assert_false(template_set(&t, "n", "10", &err));
    assert_string_equal(err.text, "n is '10', but must be a number in 1..9");
    err_clear(&err);
    assert_false(template_set(&t, "waht", "x", &err));
    assert_non_null(strstr(err.text, "has no variable 'waht'"));
    err_clear(&err);
    char *filled = template_fill(&t, t.text, 1, 1, &err);
    assert_string_equal(filled, "Draw [ref#3] owl x4");
    free(filled);
    assert_null(template_image(&t, &t.references[0], &err));
    assert_non_null(strstr(err.text, ":7:12: there is no picture"));
    template_finish(&t);
}

static void
a_loader_may_be_a_variable(void **state)
{
    (void)state;
    struct err err = {0};
    struct template t;
    static const char text[] = HEAD REF "    loader: \"{{how}}\"\nvariables:\n"
                                        "  how: {default: edge, choices: [edge, sketch]}\n";
    write_text(text, strlen(text));
    if (!template_read(&t, path, &err))
        fail_msg("%s", err.text);
    assert_true(template_set(&t, "how", "sketch", &err));
    char *loader = template_fill(&t, t.references[0].loader, 1, 1, &err);
    assert_string_equal(loader, "sketch");
    free(loader);
    template_finish(&t);
    refused(HEAD REF "    loader: \"{{hwo}}\"\nvariables:\n  how: edge\n",
            "4:12: {{hwo}} is not among the variables, did you mean {{how}}?");
}

static void
choices_are_found_however_written(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"fluent 3d", "fluent 3d"}, {"fluent-3d", "fluent 3d"},
                                           {"Fluent_3D", "fluent 3d"}, {"a-b", "a-b"},
                                           {"a b", "a b"},             {"fluent3d", NULL},
                                           {"fluent", NULL},           {"fluent 3d ", NULL}};
    struct err err = {0};
    struct template t;
    static const char text[] = "instruction: \"{{s}}\"\nvariables:\n"
                               "  s: {default: a b, choices: [a b, a-b, fluent 3d]}\n";
    write_text(text, strlen(text));
    if (!template_read(&t, path, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(template_set(&t, "s", cases[i][0], &err), cases[i][1] != NULL);
        if (!cases[i][1])
            continue;
        char *filled = template_fill(&t, t.text, 1, 14, &err);
        assert_string_equal(filled, cases[i][1]);
        free(filled);
    }
    template_finish(&t);
}

static void
what_is_filled_in_has_a_limit(void **state)
{
    (void)state;
    struct err err = {0};
    struct template t;
    char *text = mem_alloc(20000), *value = mem_zalloc(3000);
    memset(value, 'x', 2048);
    snprintf(text, 20000, "instruction: \"{{a}}{{a}}\"\nvariables:\n  a: %s\n", value);
    write_text(text, strlen(text));
    assert_true(template_read(&t, path, &err));
    char *filled = template_fill(&t, t.text, 1, 14, &err);
    assert_int_equal(strlen(filled), LIMIT_INSTRUCTION_BYTES);
    free(filled);
    value[2048] = 'x';
    assert_true(template_set(&t, "a", value, &err));
    assert_null(template_fill(&t, t.text, 1, 14, &err));
    assert_non_null(
        strstr(err.text, ":1:14: with its variables filled in this has over 4096 bytes"));
    template_finish(&t);
    snprintf(text, 20000, "instruction: \"{{a}}\"\nvariables:\n  a: %s%s\n", value, value);
    refused(text, "3:6: a has 4098 bytes, the limit is 4096");
    free(text);
    free(value);
}

static double
seconds_of_keys(int count, bool twice)
{
    size_t n = 0;
    char *text = mem_alloc((size_t)count * 24 + 100);
    for (int i = 0; i < count; i++)
        n += (size_t)sprintf(text + n, "aaaaaaaaaaa%05d: 1\n", i);
    if (twice)
        n += (size_t)sprintf(text + n, "aaaaaaaaaaa%05d: 1\n", 7);
    struct err err = {0};
    clock_t start = clock();
    struct yaml *root = yaml_tree_parse(text, n, "k", &err);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    assert_int_equal(!root, twice);
    char said[80];
    snprintf(said, sizeof said, "k:%d:1: the key 'aaaaaaaaaaa00007' is here twice", count + 1);
    assert_string_equal(err.text, twice ? said : "");
    yaml_tree_free(root);
    free(text);
    return seconds;
}

// A file four times as long takes about four times as long; each key against each would be sixteen.
static void
keys_are_compared_in_linear_time(void **state)
{
    (void)state;
    double few = 0, many = 0;
    for (int i = 0; i < 3; i++) {
        few += seconds_of_keys(12000, i == 1);
        many += seconds_of_keys(48000, i == 1);
    }
    if (many > 9 * few)
        fail_msg("%.3f s for 12000 keys, %.3f s for 48000", few / 3, many / 3);
}

static void
marks_and_line_ends_of_other_systems(void **state)
{
    (void)state;
    struct err err = {0};
    struct template t;
    static const char text[] = "\xEF\xBB\xBFinstruction: \"a {{b}}\"\r\nvariables:\r\n  b: c\r\n";
    write_text(text, sizeof text - 1);
    if (!template_read(&t, path, &err))
        fail_msg("%s", err.text);
    assert_string_equal(t.variables[0].value, "c");
    template_finish(&t);
}

static void
an_unbound_variable_says_how_to_bind_it(void **state)
{
    (void)state;
    struct err err = {0};
    struct template t;
    static const char text[] = "instruction: \"{{b}}\"\nvariables:\n  b:\n    help: x\n";
    write_text(text, strlen(text));
    assert_true(template_read(&t, path, &err));
    assert_null(template_fill(&t, t.text, t.text_line, t.text_column, &err));
    assert_non_null(strstr(err.text, ":1:14: the variable b has no value: give one with --set b="));
    template_finish(&t);
}

static void
spans_of_an_instruction(void **state)
{
    (void)state;
    struct err err = {0};
    struct instruction_span s[8];
    const char *text = "[ref#12] on \xc3\xa4 [ref#3]";
    assert_int_equal(instruction_spans(text, s, 8, &err), 3);
    assert_int_equal(s[0].marker, 12);
    assert_int_equal(s[1].marker, 0);
    assert_int_equal(s[1].start, 8);
    assert_int_equal(s[2].marker, 3);
    assert_int_equal(instruction_spans("plain", s, 8, &err), 1);
    assert_int_equal(instruction_spans("", s, 8, &err), 0);
    assert_int_equal(instruction_spans("\xc3\xa4 [ref#0]", s, 8, &err), -1);
    assert_string_equal(err.text,
                        "column 3: '[ref#0]' is not a marker: write [ref#k] with k in 1..99");
}

static void
references_and_markers_belong_together(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
        int marker;
        const char *sentence; // NULL: fine
    } cases[] = {
        {"draw [ref#2]", "fox", 2, NULL},
        {"draw [ref#2] and [ref#2]", "a [ref#2] fox", 2, NULL},
        {"draw [ref#2]", "fox", 3,
         "reference [ref#3] is given, but the instruction does not mention it"},
        {"draw [ref#1] [ref#2]", "fox", 1,
         "the instruction mentions [ref#2], but no reference 2 is given"},
        {"draw [ref#1]", "[ref#2] fox", 1,
         "the text of [ref#1], '[ref#1] [ref#2] fox', must hold [ref#1] once and no other marker"},
        {"", "fox", 1, "the instruction is empty"},
        {"a\xff", "fox", 1, "the instruction is not valid UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        struct instruction n = {.text = mem_strdup(cases[i].text)};
        assert_true(instruction_add(&n, cases[i].marker, cases[i].words, 0, 0, NULL, &err));
        bool ok = instruction_check(&n, &err);
        if (cases[i].sentence)
            assert_string_equal(err.text, cases[i].sentence);
        else
            assert_true(ok);
        instruction_finish(&n);
    }
}

int
main(void)
{
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_is_no_fault_of_the_template),
        cmocka_unit_test(faults_have_line_and_column),
        cmocka_unit_test(yaml_that_is_not_plain_is_refused),
        cmocka_unit_test(a_template_becomes_its_struct),
        cmocka_unit_test(a_loader_may_be_a_variable),
        cmocka_unit_test(choices_are_found_however_written),
        cmocka_unit_test(what_is_filled_in_has_a_limit),
        cmocka_unit_test(keys_are_compared_in_linear_time),
        cmocka_unit_test(marks_and_line_ends_of_other_systems),
        cmocka_unit_test(an_unbound_variable_says_how_to_bind_it),
        cmocka_unit_test(spans_of_an_instruction),
        cmocka_unit_test(references_and_markers_belong_together),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return rc;
}
