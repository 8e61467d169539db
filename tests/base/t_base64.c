// SPDX-License-Identifier: MIT
// Base64 against the answers of RFC 4648, and what it refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/base64.h"
#include "engine/base/mem.h"

// RFC 4648, section 10.
static void
base64_known_answers(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},
                                           {"foo", "Zm9v"},  {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        size_t size;
        char *text = base64_encode(pairs[i][0], strlen(pairs[i][0]), NULL);
        assert_string_equal(text, pairs[i][1]);
        char *back = base64_decode(text, &size, NULL);
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(back, pairs[i][0], size);
        free(text);
        free(back);
    }
    static const char *const bad[] = {"Zg=", "Z===", "Zm9*", "Zg==Zg==", "=AAA"};
    size_t size;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_null(base64_decode(bad[i], &size, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(base64_known_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
