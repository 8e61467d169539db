// SPDX-License-Identifier: MIT
// The files of templates: what one may name lies below its folder, copies hold what lies there,
// lists are read from files, and the templates that are shipped are whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/job/template.h"
#include "engine/base/file.h"
#include "engine/base/limits.h"
#include "engine/base/mem.h"

static const char *template_folder;
static char path[] = "/tmp/limn-template-XXXXXX";

#define HEAD "instruction: \"Draw [ref#1] cat\"\n"

static char *
beside(const char *name)
{
    return mem_printf("%s/%s", path, name);
}

static void
put_beside(const char *name, const char *text, size_t size)
{
    struct err err = {0};
    char *file = beside(name);
    assert_true(file_write(file, text, size, &err));
    free(file);
}

// A template PATH/t.yaml; false, and the sentence behind its name.
static bool
read_beside(struct template *t, const char *text, char *sentence, size_t size)
{
    struct err err = {0};
    char *file = beside("t.yaml");
    put_beside("t.yaml", text, strlen(text));
    bool ok = template_read(t, file, &err);
    char *image = ok && t->reference_count ? template_image(t, &t->references[0], &err) : NULL;
    snprintf(sentence, size, "%s", err.code ? err.text + strlen(file) + 1 : image ? image : "");
    free(image);
    free(file);
    return err.code == ERR_NONE;
}

static void
files_of_a_template_lie_below_it(void **state)
{
    (void)state;
    struct err err = {0};
    char *folder = beside("pictures"), *link = beside("link.png"), text[600], said[ERR_TEXT_MAX];
    assert_true(file_make_folders(folder, &err));
    assert_int_equal(symlink("/etc/passwd", link), 0);
    put_beside("pictures/a.png", "x", 1);
    put_beside("b.png", "x", 1);
    static const char *const rows[][2] = {
        {"/etc/passwd",
         "4:12: /etc/passwd is an absolute path; to use it anyway: --ref 1=/etc/passwd"},
        {"../x.png", "4:12: ../x.png leads outside the folder of the file that names it; to use "
                     "it anyway: "
                     "--ref 1=../x.png"},
        {"link.png", "4:12: link.png is a link that leads outside the folder of the file that "
                     "names "
                     "it; to use it anyway: --ref 1=link.png"},
        {".ssh/id", "4:12: .ssh/id is a hidden file; to use it anyway: --ref 1=.ssh/id"}};
    struct template t;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(text, sizeof text, HEAD "references:\n  1:\n    image: %s\n", rows[i][0]);
        assert_false(read_beside(&t, text, said, sizeof said));
        assert_string_equal(said, rows[i][1]);
        template_finish(&t);
    }
    // Relative to the template wherever limn runs, with ./ or without.
    static const char *const good[] = {"b.png", "./b.png", "pictures/a.png"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char *wanted = beside(good[i]);
        snprintf(text, sizeof text, HEAD "references:\n  1:\n    image: \"{{p}}\"\nvariables:\n"
                 "  p: {type: image, default: %s}\n", good[i]);
        assert_true(read_beside(&t, text, said, sizeof said));
        assert_string_equal(said, wanted);
        // What a person types is any file, from where they are.
        assert_true(template_set(&t, "p", "/etc/passwd", &err));
        char *image = template_image(&t, &t.references[0], &err);
        assert_string_equal(image, "/etc/passwd");
        free(image);
        template_finish(&t);
        free(wanted);
    }
    snprintf(text, sizeof text, HEAD "references:\n  1:\n    image: \"{{p}}\"\nvariables:\n"
             "  p: {type: image, default: /etc/passwd}\n");
    assert_false(read_beside(&t, text, said, sizeof said));
    assert_non_null(strstr(said, "to use it anyway: --set p=/etc/passwd"));
    template_finish(&t);
    free(folder);
    free(link);
}

// A copy lies in another folder: what led out of the template's must not be inside of that.
static void
copies_hold_what_lies_below_the_template(void **state)
{
    (void)state;
    char *data = beside("data"), *link = beside("secret.txt"), *file = beside("s.yaml");
    char *copied = beside("data/limn/templates/secret.txt");
    static const char text[] = "instruction: \"a {{b}}\"\nvariables:\n  b: c\nsweep:\n"
                               "  b: \"@%s.txt\"\n";
    struct err err = {0};
    setenv("XDG_DATA_HOME", data, 1);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    put_beside("open.txt", "one\ntwo\n", 8);
    for (int i = 0; i < 2; i++) {
        char *whole = mem_printf(text, i ? "open" : "secret");
        put_beside("s.yaml", whole, strlen(whole));
        char *copy = template_duplicate(file, i ? "right" : "wrong", &err);
        assert_true(i ? copy && !err.code : !copy && strstr(err.text, "leads outside the folder"));
        err_clear(&err);
        free(copy);
        free(whole);
    }
    assert_false(file_exists(copied));
    unsetenv("XDG_DATA_HOME");
    free(copied);
    free(file);
    free(link);
    free(data);
}

static void
lists_are_texts_of_any_length_up_to_the_limit(void **state)
{
    (void)state;
    struct template t;
    char said[ERR_TEXT_MAX], *many = mem_alloc(8 * LIMIT_LIST_LINES + 16);
    static const char with[] = "instruction: \"{{c}}\"\nvariables:\n  c: {file: words.txt}\n";
    static const struct {
        const char *text;
        size_t size;
        const char *said; // NULL: read; the choices are "red" and "blue"
    } rows[] = {
        {"red\nblue", 8, NULL},
        {"\xEF\xBB\xBFred\r\nblue\r\n", 14, NULL},
        {"\xEF\xBB\xBF# colours\r\n\r\nred\r\n  \r\nblue", 29, NULL},
        {"red\nbl\0e", 9, "3:13: words.txt: not UTF-8"},
        {"r\xE9""d\nblue", 8, "3:13: words.txt: not UTF-8"},
        {"# none\n", 7, "3:13: words.txt has no lines"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        put_beside("words.txt", rows[i].text, rows[i].size);
        bool ok = read_beside(&t, with, said, sizeof said);
        assert_string_equal(said, rows[i].said ? rows[i].said : "");
        if (ok) {
            assert_int_equal(t.variables[0].choice_count, 2);
            assert_string_equal(t.variables[0].choices[0], "red");
            assert_string_equal(t.variables[0].choices[1], "blue");
        }
        template_finish(&t);
    }
    for (int over = 0; over < 2; over++) {
        size_t n = 0;
        for (int i = 0; i < LIMIT_LIST_LINES + over; i++)
            n += (size_t)snprintf(many + n, 8, "w%05x\n", i);
        put_beside("words.txt", many, n);
        assert_int_equal(read_beside(&t, with, said, sizeof said), !over);
        assert_string_equal(said, over ? "3:13: words.txt has more than 65536 lines" : "");
        assert_int_equal(over ? 0 : t.variables[0].choice_count, over ? 0 : LIMIT_LIST_LINES);
        template_finish(&t);
    }
    static const char away[] = "instruction: \"{{c}}\"\nvariables:\n  c: {file: /etc/passwd}\n";
    assert_false(read_beside(&t, away, said, sizeof said));
    assert_string_equal(said, "3:13: /etc/passwd is an absolute path");
    free(many);
}

static void
shipped_templates_are_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"text",    "edge",  "mask",           "sketch",
                                        "subject", "style", "style-transfer", "styled-subject",
                                        "klein-edit", "klein-combine", "klein-combine-three",
                                        "klein-style", "klein-restore", "klein-edges",
                                        "klein-depth", "klein-text"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct err err = {0};
        struct template t;
        char *file = mem_printf("%s/%s.yaml", template_folder, names[i]);
        if (!template_read(&t, file, &err))
            fail_msg("%s", err.text);
        const char *family = t.parameters.family ? t.parameters.family : "";
        assert_string_equal(family, strncmp(names[i], "klein-", 6) == 0 ? "flux2" : "");
        for (int k = 0; k < t.reference_count; k++) {
            char *image = template_image(&t, &t.references[k], &err);
            if (!image)
                fail_msg("%s", err.text);
            free(image);
        }
        template_finish(&t);
        free(file);
    }
}

int
main(int argc, char **argv)
{
    template_folder = argv[1];
    if (argc != 2 || !mkdtemp(path))
        return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_a_template_lie_below_it),
        cmocka_unit_test(copies_hold_what_lies_below_the_template),
        cmocka_unit_test(lists_are_texts_of_any_length_up_to_the_limit),
        cmocka_unit_test(shipped_templates_are_whole),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    char command[sizeof path + 20];
    snprintf(command, sizeof command, "rm -rf %s", path);
    return system(command) == 0 ? rc : 1;
}
