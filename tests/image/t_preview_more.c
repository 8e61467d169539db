// SPDX-License-Identifier: MIT
// That a row is all there is to add: the renderer with a row more in previews.def.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "renderer/preview.h"

struct dummy {
    char argument[16];
    int frames;
};

static struct dummy closed; // as it was when it was closed

static bool
dummy_open(void *self, const char *argument, struct err *err)
{
    struct dummy *d = self;
    if (!argument)
        return err_set(err, ERR_INPUT, "dummy: it needs a word");
    strncpy(d->argument, argument, sizeof d->argument - 1);
    return true;
}

static bool
dummy_frame(void *self, const struct image *image, int step, int total, struct err *err)
{
    struct dummy *d = self;
    (void)image, (void)err;
    assert_true(step == ++d->frames && total == 2);
    return true;
}

static void
dummy_close(void *self)
{
    closed = *(struct dummy *)self;
}

const struct preview_driver preview_driver_dummy = {
    .name = "dummy", .description = "a row that only a test has",
    .private_size = sizeof(struct dummy), .open = dummy_open, .frame = dummy_frame,
    .close = dummy_close,
};

static void
a_row_is_all_there_is_to_add(void **state)
{
    (void)state;
    struct err err = {0};
    struct preview *p;
    struct image *image = image_create(2, 2, IMAGE_RGB8, &err);
    assert_non_null(image);
    if (!preview_open(&p, "dummy:fox", &err))
        fail_msg("%s", err.text);
    assert_string_equal(preview_name(p), "dummy");
    assert_true(preview_frame(p, image, 1, 2, &err) && preview_frame(p, image, 2, 2, &err));
    preview_close(p);
    assert_string_equal(closed.argument, "fox");
    assert_int_equal(closed.frames, 2);
    assert_false(preview_open(&p, "dummy", &err));
    assert_string_equal(err.text, "dummy: it needs a word");
    err_clear(&err);
    assert_false(preview_open(&p, "dumy", &err));
    assert_non_null(strstr(err.text, "dummy")); // the names there are
    image_unref(image);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_row_is_all_there_is_to_add)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
