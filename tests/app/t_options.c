// SPDX-License-Identifier: MIT
// Command lines: every way to write one that is right gives the values meant, and every fault its
// sentence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/cli/options.h"
#include "app/cli/options_help.h"
#include "engine/base/mem.h"

struct values {
    bool json, quiet;
    int steps;
    int64_t seed;
    double scale;
    const char *output, *kind;
    struct value_list sets;
};

static const char *
kind(int i)
{
    static const char *const names[] = {"cfg", "separate", "none"};
    return i < (int)COUNT_OF(names) ? names[i] : NULL;
}

static int
run(const struct command_line *line)
{
    (void)line;
    return 0;
}

static const struct option options[] = {
    {OPTION_TEXT("output", "FILE", struct values, output, "where to"), .letter = 'o',
     .file = OPTION_FETCHED},
    {OPTION_LONG("seed", "N", 0, 0x1p53, struct values, seed, "a number")},
    {OPTION_WHOLE("steps", "N", 1, 1000, struct values, steps, "steps"), .fallback = "30"},
    {OPTION_REAL("context_scale", "X", 0, 100, struct values, scale, "weight")},
    {OPTION_CHOICE("kind", "KIND", kind, struct values, kind, "method")},
    {OPTION_LIST("set", "NAME=VALUE", struct values, sets, "variables")},
    {OPTION_SWITCH("json", struct values, json, "as JSON")},
    {OPTION_SWITCH("quiet", struct values, quiet, "errors only"), .letter = 'q'},
    {OPTION_TEXT("secret", "X", struct values, output, NULL)},
    {0},
};
static const struct argument text_word[] = {{"TEXT", "what is drawn"}, {0}};
static const struct argument run_words[] = {{"COMMAND", "words", .optional = true, .many = true},
                                            {0}};
static const struct values initial = {.scale = -1, .seed = -1};

static const struct command draw = {
    .name = "draw", .summary = "draw", .options = options, .arguments = text_word,
    .size = sizeof(struct values), .initial = &initial, .run = run, .computes = true};
static const struct command list = {.name = "list", .summary = "list", .run = run};
static const struct option show_options[] = {
    {OPTION_SWITCH("wide", struct values, quiet, "all of it")},
    {0},
};
static const struct command show = {
    .name = "show", .summary = "show", .options = show_options, .arguments = text_word,
    .size = sizeof(struct values), .run = run};
static const struct command things = {
    .name = "things", .summary = "things",
    .commands = (const struct command *const[]){&list, &show, NULL}, .default_command = &list};
static const struct command other = {
    .name = "other", .summary = "run another", .options = options, .arguments = run_words,
    .size = sizeof(struct values), .run = run, .first_word_ends = true};
static const struct command program = {
    .name = "p", .summary = "a program", .run = run,
    .commands = (const struct command *const[]){&draw, &things, &other, NULL}};

// Reads words that are separated by '|'.
static bool
read_words(struct command_line *line, const char *text, bool away, char **copy, struct err *err)
{
    char *argv[32], *left = NULL;
    int argc = 0;
    *copy = mem_strdup(text);
    for (char *w = strtok_r(*copy, "|", &left); w; w = strtok_r(NULL, "|", &left))
        argv[argc++] = w;
    return command_line_read(line, &program, away, argc, argv, err);
}

static void
refused(const char *text, const char *sentence)
{
    struct command_line line;
    struct err err = {0};
    char *copy;
    assert_false(read_words(&line, text, true, &copy, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_string_equal(err.text, sentence);
    command_line_finish(&line);
    free(copy);
}

// The values of `draw`, as one line.
static void
read_as(const char *text, const char *expected)
{
    struct command_line line;
    struct err err = {0};
    char *copy, got[500];
    if (!read_words(&line, text, true, &copy, &err))
        fail_msg("%s: %s", text, err.text);
    const struct values *v = line.values;
    snprintf(got, sizeof got,
             "%s seed=%lld steps=%d scale=%g out=%s kind=%s sets=%d/%s json=%d quiet=%d host=%s",
             line.words[0] ? line.words[0] : "-", (long long)v->seed, v->steps, v->scale,
             v->output ? v->output : "-", v->kind ? v->kind : "-", v->sets.count,
             v->sets.count ? v->sets.items[v->sets.count - 1] : "-", v->json, v->quiet,
             line.host ? line.host : "-");
    assert_string_equal(got, expected);
    command_line_finish(&line);
    free(copy);
}

#define REST " kind=- sets=0/- json=0 quiet=0 host=-"

static void
all_ways_mean_the_same(void **state)
{
    (void)state;
    read_as("draw|cat", "cat seed=-1 steps=30 scale=-1 out=-" REST);
    const char *seeds[] = {"draw|cat|--seed|5",   "draw|cat|--seed=5",
                           "draw|--seed=5|cat",   "--seed|5|draw|cat",
                           "draw|--see=5|--|cat", "draw|--seed|4|cat|--seed|5",
                           "draw|--seed|5|--|cat"};
    for (size_t i = 0; i < COUNT_OF(seeds); i++)
        read_as(seeds[i], "cat seed=5 steps=30 scale=-1 out=-" REST);
    const char *outs[] = {"draw|-o|x.png|cat", "draw|-ox.png|cat", "draw|cat|--output=x.png",
                          "draw|cat|--out|x.png", "draw|cat|-o|y|-o|x.png"};
    for (size_t i = 0; i < COUNT_OF(outs); i++)
        read_as(outs[i], "cat seed=-1 steps=30 scale=-1 out=x.png" REST);
    const char *scales[] = {"draw|cat|--context-scale|2.5", "draw|cat|--context_scale=2.5",
                            "draw|cat|--con=25e-1"};
    for (size_t i = 0; i < COUNT_OF(scales); i++)
        read_as(scales[i], "cat seed=-1 steps=30 scale=2.5 out=-" REST);
    read_as("draw|--|-5 apples", "-5 apples seed=-1 steps=30 scale=-1 out=-" REST);
    read_as("draw|--|--help", "--help seed=-1 steps=30 scale=-1 out=-" REST);
    read_as("draw|-", "- seed=-1 steps=30 scale=-1 out=-" REST);
    read_as("draw|cat|-qoz",
            "cat seed=-1 steps=30 scale=-1 out=z kind=- sets=0/- json=0 quiet=1 host=-");
    read_as("draw|cat|--set|a=b|--set=c=--d|--json|--host=h",
            "cat seed=-1 steps=30 scale=-1 out=- kind=- sets=2/c=--d json=1 quiet=0 host=h");
    read_as("draw|cat|--seed|9007199254740992|--steps|1000|--kind|none",
            "cat seed=9007199254740992 steps=1000 scale=-1 out=- kind=none sets=0/- json=0 quiet=0 "
            "host=-");
}

static void
faults_have_their_sentence(void **state)
{
    (void)state;
    refused("draw|cat|--foo", "there is no option --foo (see: p draw --help)");
    refused("draw|cat|--foo=1", "there is no option --foo (see: p draw --help)");
    refused("draw|cat|--sed|5", "there is no option --sed, did you mean --seed?");
    refused("draw|cat|--s|5", "--s is ambiguous: it could be --seed, --steps, --set");
    refused("draw|cat|--secre|5", "there is no option --secre (see: p draw --help)");
    refused("draw|cat|-x", "there is no option -x (see: p draw --help)");
    refused("draw|-5 apples", "'-5 apples' begins with a dash but is not an option: put -- before "
                              "it (see: p draw --help)");
    refused("draw|cat|--seed", "--seed needs a value: N");
    refused("draw|cat|-o", "-o needs a value: FILE");
    refused("draw|cat|--output|--json", "--output needs a value: FILE");
    refused("draw|cat|--json=1", "--json takes no value");
    refused("draw|cat|--seed|9007199254740993",
            "--seed is '9007199254740993', but must be a whole number in 0..9007199254740992");
    refused("draw|cat|--seed|-1",
            "--seed is '-1', but must be a whole number in 0..9007199254740992");
    refused("draw|cat|--steps|0", "--steps is '0', but must be a whole number in 1..1000");
    refused("draw|cat|--steps|2.5", "--steps is '2.5', but must be a whole number in 1..1000");
    refused("draw|cat|--steps| 5", "--steps is ' 5', but must be a whole number in 1..1000");
    refused("draw|cat|--steps|99999999999999999999",
            "--steps is '99999999999999999999', but must be a whole number in 1..1000");
    refused("draw|cat|--context-scale|nan",
            "--context-scale is 'nan', but must be a number in 0..100");
    refused("draw|cat|--context-scale|0x10",
            "--context-scale is '0x10', but must be a number in 0..100");
    refused(
        "draw|cat|--kind|seperate",
        "--kind is 'seperate', but must be one of cfg, separate, none; did you mean 'separate'?");
    refused("draw", "TEXT is missing: what is drawn (see: p draw --help)");
    refused("draw|cat|dog", "'dog' is one argument too many (see: p draw --help)");
    refused("darw|cat", "there is no command 'darw', did you mean 'draw'?");
    refused("elsewhere", "there is no command 'elsewhere' (see: p --help)");
    refused("things|lsit", "p things has no command 'lsit', did you mean 'list'?");
    refused("things|x|y", "p things has no command 'x' (see: p things --help)");
    refused("list", "there is no command 'list' (see: p --help)");
    refused("things|show|x|--json",
            "there is no option --json here, draw has it (see: p things show --help)");
    struct command_line line;
    struct err err = {0};
    char *words[LIMIT_OPTION_TIMES + 3] = {"draw", "cat"};
    for (int i = 0; i <= LIMIT_OPTION_TIMES; i++)
        words[i + 2] = "--set=a";
    assert_false(command_line_read(&line, &program, true, LIMIT_OPTION_TIMES + 3, words, &err));
    assert_string_equal(err.text, "--set is given more than 64 times");
    command_line_finish(&line);
}

static void
commands_below_are_found(void **state)
{
    static const struct {
        const char *text, *name;
        int words;
        bool help;
    } cases[] = {
        {"things", "p things list", 0, false},
        {"things|list", "p things list", 0, false},
        {"things|show|x", "p things show", 1, false},
        {"things|--help", "p things", 0, true},
        {"things|nowhere|-h", "p things", 0, true},
        {"draw|--help", "p draw", 0, true},
        {"draw|--foo|--help", "p draw", 0, true},
        {"-h|things|show", "p things show", 0, true},
        {"", "p", 0, false},
        {"other|--json|draw|--help|-o", "p other", 3, false},
        {"other|--help|draw", "p other", 0, true},
        {"other", "p other", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct command_line line;
        struct err err = {0};
        char *copy;
        if (!read_words(&line, cases[i].text, true, &copy, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        char *name = command_name(&line, -1);
        assert_string_equal(name, cases[i].name);
        assert_int_equal(line.help, cases[i].help);
        assert_int_equal(line.word_count, cases[i].words);
        free(name);
        command_line_finish(&line);
        free(copy);
    }
}

// What computes takes --host from people, and not in a worker's child.
static void
hosts_belong_to_what_computes(void **state)
{
    struct command_line line;
    struct err err = {0};
    char *copy;
    (void)state;
    assert_false(read_words(&line, "draw|cat|--host|h", false, &copy, &err));
    command_line_finish(&line);
    free(copy);
    refused("things|list|--host|h",
            "there is no option --host here, draw has it (see: p things list --help)");
}

// What was given stands in its order, for those who send it on.
static void
given_is_kept(void **state)
{
    struct command_line line;
    struct err err = {0};
    char *copy, got[200] = "";
    (void)state;
    assert_true(read_words(&line, "draw|-qo|x|--seed=7|cat|--host|h", true, &copy, &err));
    for (int i = 0; i < line.given_count; i++) {
        const struct given *g = &line.given[i];
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s:%s ",
                 g->option ? g->option->name : "", g->value ? g->value : "-");
    }
    assert_string_equal(got, "quiet:- output:x seed:7 :cat host:h ");
    command_line_finish(&line);
    free(copy);
}

// Values that are written read back as the same.
static void
values_come_back(void **state)
{
    static const double reals[] = {0, 0.1, 1.0 / 3, 1e-300, 100, 2.5e17, -7};
    const struct value_type real = {VALUE_REAL, -1e300, 1e300, NULL},
                            whole = {VALUE_LONG, 0, 0x1p53, NULL};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(reals); i++) {
        double back = 0;
        char *text = value_text(&real, &reals[i]);
        assert_true(value_read(&real, "x", text, &back, NULL));
        assert_true(back == reals[i]);
        free(text);
    }
    int64_t seed = ((int64_t)1 << 53) - 1, back = 0;
    char *text = value_text(&whole, &seed);
    assert_string_equal(text, "9007199254740991");
    assert_true(value_read(&whole, "x", text, &back, NULL));
    assert_true(back == seed);
    free(text);
}

// No line of help is wider than a terminal, and everything for people is in it.
// What --help prints; freed with free().
static char *
help_of(const char *words)
{
    struct command_line line;
    struct err err = {0};
    char *copy, *text = NULL;
    size_t size;
    assert_true(read_words(&line, words, true, &copy, &err));
    FILE *out = open_memstream(&text, &size);
    options_help(&line, true, out);
    fclose(out);
    command_line_finish(&line);
    free(copy);
    return text;
}

// Of a command that has others: the options that all of them take come last.
static void
help_of_many_ends_with_what_all_take(void **state)
{
    (void)state;
    char *text = help_of("things|--help"),
         *own = strstr(text, "      --wide                show: "),
         *help = strstr(text, "  -h, --help                print this");
    assert_true(own && help && own < help);
    assert_null(strstr(help, "      --"));
    free(text);
}

static void
help_says_it_all(void **state)
{
    (void)state;
    char *text = help_of("draw|--help"), *left = NULL;
    static const char *const parts[] = {
        "usage: p draw [OPTIONS] TEXT", "-o, --output FILE",   "--context-scale X",  "(0..100)",
        "steps (1..1000; default 30)",  "cfg, separate, none", "--host [USER@]HOST", "-h, --help"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!strstr(text, parts[i]))
            fail_msg("no '%s' in: %s", parts[i], text);
    assert_null(strstr(text, "secret"));
    for (char *one = strtok_r(text, "\n", &left); one; one = strtok_r(NULL, "\n", &left))
        assert_true(strlen(one) <= 80);
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_ways_mean_the_same), cmocka_unit_test(faults_have_their_sentence),
        cmocka_unit_test(commands_below_are_found), cmocka_unit_test(hosts_belong_to_what_computes),
        cmocka_unit_test(given_is_kept), cmocka_unit_test(values_come_back),
        cmocka_unit_test(help_says_it_all),
        cmocka_unit_test(help_of_many_ends_with_what_all_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
