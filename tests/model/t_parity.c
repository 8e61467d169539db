// SPDX-License-Identifier: MIT
// Every kind of network against diffusers and transformers (tests/reference).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "engine/draw/pipeline_golden.h"

static const char *root; // tests/reference/golden

static const struct row {
    const char *folder;
    const char *part;
    const char *golden; // NULL: "golden"
} rows[] = {
    {"unet-if1", "unet"},
    {"unet-if2", "super_resolution"},
    {"unet-plain", "unet"},
    {"unet-enlarger", "super_resolution"},
    {"t5", "text_encoder"},
    {"flux2", "text_encoder", "text_encoder"},
    {"flux2", "transformer", "transformer-0"},
    {"flux2", "transformer", "transformer-1"},
    {"flux2", "transformer", "transformer-3"},
    {"flux2-dev", "transformer", "transformer"},
    {"flux2-last", "text_encoder", "text_encoder"},
    {"flux2-last", "transformer", "transformer"},
    {"flux2", "vae", "vae_encoder"},
    {"flux2", "vae", "vae_decoder"},
    {"flux2", "pipeline", "pipeline"},
    {"flux2", "pipeline", "pipeline-base"},
};

static double
error_of(const struct row *row, enum dtype dtype, bool plain)
{
    char path[512], golden[600];
    struct err err = {0};
    struct model_golden_result result = {0};
    snprintf(path, sizeof path, "%s/%s", root, row->folder);
    const char *name = row->golden ? row->golden : "golden";
    snprintf(golden, sizeof golden, "%s/%s.safetensors", path, name);
    struct device *d = device_open("cpu", &err);
    struct model_folder *m = model_folder_open(path, &err);
    if (!d || !m)
        fail_msg("%s", err.text);
    struct model_golden_params p = {
        .folder = m, .golden = golden, .device = d, .dtype = dtype, .plain = plain};
    bool whole = pipeline_golden_is(golden); // always on the kernels that are fast
    if (!(whole ? pipeline_golden_run(&p, &result, &err) : model_golden_run(&p, &result, &err)))
        fail_msg("%s", err.text);
    assert_string_equal(result.part, row->part);
    print_message("%s %s %s %s: %.2e in %.3f s\n", row->folder, name, dtype_name(dtype),
                  plain ? "plain" : "fast", result.relative_error, result.seconds);
    model_folder_close(m);
    device_close(d);
    return result.relative_error;
}

static void
check(enum dtype dtype, bool plain, double limit)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_true(error_of(&rows[i], dtype, plain) <= limit);
}

static void
f32_plain(void **state)
{
    check(DTYPE_F32, true, 1e-5);
}

static void
f32_fast(void **state)
{
    check(DTYPE_F32, false, 1e-4);
}

static void
bf16_plain(void **state)
{
    check(DTYPE_BF16, true, 2e-2);
}

static void
bf16_fast(void **state)
{
    check(DTYPE_BF16, false, 2e-2);
}

int
main(int argc, char **argv)
{
    root = argc > 1 ? argv[1] : "tests/reference/golden";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_plain),
        cmocka_unit_test(f32_fast),
        cmocka_unit_test(bf16_plain),
        cmocka_unit_test(bf16_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
