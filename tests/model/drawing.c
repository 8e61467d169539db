// SPDX-License-Identifier: MIT
#include "drawing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "small.h"

const char *spiece;
char trained[] = "/tmp/limn-pipeline-XXXXXX", fresh[] = "/tmp/limn-pipeline-XXXXXX";
struct device *device;
struct pipeline *shared;
uint8_t picture[20 * 30 * 3];

struct instruction
instruction(int references)
{
    static char text[2][16] = {"[ref#1] fox", "[ref#3] style"};
    struct instruction n = {.text = references ? "[ref#1] in the style of [ref#3]" : "a fox",
                            .reference_count = references};
    for (int i = 0; i < references; i++)
        n.references[i] = (struct instruction_reference){
            .marker = i ? 3 : 1, .text = text[i], .width = 20, .height = 30, .rgb = picture};
    return n;
}

struct pipeline *
open_or_fail(const char *folder, enum dtype dtype)
{
    struct err err = {0};
    struct pipeline *p = pipeline_open(folder, device, dtype, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

struct pipeline_request
request(const struct instruction *n)
{
    return (struct pipeline_request){
        .instruction = n, .seed = 42, .width = BASE, .height = BASE, .scale = -1,
        .context_scale = -1};
}

uint8_t *
draw(struct pipeline *p, const struct pipeline_request *r)
{
    struct err err = {0};
    struct pipeline_result result;
    if (!pipeline_run(p, r, &result, &err))
        fail_msg("%s", err.text);
    assert_non_null(result.pictures.pixels);
    assert_true(result.peak_bytes > 0);
    return result.pictures.pixels;
}

bool
differ(const uint8_t *a, const uint8_t *b, size_t n, int by)
{
    for (size_t i = 0; i < n; i++)
        if (abs(a[i] - b[i]) > by)
            return true;
    return false;
}

int
drawing_setup(void **state)
{
    struct err err = {0};
    device = device_open("cpu", &err);
    if (!device || !mkdtemp(trained) || !mkdtemp(fresh))
        return 1;
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 7 % 256);
    small_folder(trained, spiece, true, false);
    small_folder(fresh, spiece, false, true);
    shared = open_or_fail(trained, DTYPE_F32);
    return 0;
}

int
drawing_teardown(void **state)
{
    char command[128];
    pipeline_close(shared);
    device_close(device);
    snprintf(command, sizeof command, "rm -r %s %s", trained, fresh);
    return system(command);
}
