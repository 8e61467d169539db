// SPDX-License-Identifier: MIT
// The shipped model draws the same picture on the CPU and on Vulkan: two references, guidance, one
// seed. So does a small FLUX.2 whose weights do not fit. Arguments: the two model folders; pixels a
// side, or nothing for the model's own size.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"
#include "tests/vulkan/stay.h"

enum { SIDE = 64 };

static const char *folder, *klein;
static int side; // of what is drawn; 0: the model's

static void
paint(uint8_t *rgb, int kind)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            bool inside =
                kind ? (x / 8 + y / 8) % 2 : (x - 32) * (x - 32) + (y - 32) * (y - 32) < 500;
            uint8_t *p = rgb + 3 * (y * SIDE + x);
            p[0] = inside ? 230 : 255;
            p[1] = inside ? 60 : 255;
            p[2] = inside ? (uint8_t)(4 * x) : 255;
        }
}

static uint8_t *
draw(const char *device, enum dtype dtype, int *size)
{
    static uint8_t pictures[2][SIDE * SIDE * 3];
    struct err err = {0};
    struct instruction in = {.text = (char *)"Draw [ref#1] in the style of [ref#2]: a red ball",
                             .reference_count = 2};
    for (int i = 0; i < 2; i++) {
        paint(pictures[i], i);
        in.references[i].marker = i + 1;
        in.references[i].text = (char *)(i ? "[ref#2] style image" : "[ref#1] ball");
        in.references[i].rgb = pictures[i];
        in.references[i].width = in.references[i].height = SIDE;
    }
    struct device *d = device_open(device, &err);
    struct pipeline *p = d ? pipeline_open(folder, d, dtype, &err) : NULL;
    struct pipeline_request request = {.instruction = &in, .seed = 3, .count = 1, .steps = 3,
                                       .scale = 3, .context_scale = -1, .width = side,
                                       .height = side};
    struct pipeline_result result = {0};
    if (!p || !pipeline_run(p, &request, &result, &err))
        fail_msg("%s", err.text);
    pipeline_close(p);
    device_close(d);
    *size = result.pictures.width * result.pictures.height * 3;
    return result.pictures.pixels;
}

static void
cpu_and_vulkan_agree(void **state)
{
    (void)state;
    int size, other;
    uint8_t *cpu = draw("cpu", DTYPE_F32, &size), *gpu = draw("vulkan", DTYPE_F32, &other);
    double sum = 0, spread = 0;
    assert_int_equal(size, other);
    for (int i = 0; i < size; i++) {
        sum += abs(cpu[i] - gpu[i]);
        spread += abs(cpu[i] - 255);
    }
    free(cpu);
    free(gpu);
    assert_true(spread / size > 2); // there is something on the white
    if (layer_messages)
        fail_msg("the validation layers say: %s", layer_message);
    if (sum / size > 2)
        fail_msg("the pictures differ by %g of 255 in the mean", sum / size);
}

// Of the tiny FLUX.2; memory 0: what the device has.
static uint8_t *
draw_klein(const char *device, size_t memory, struct pipeline_need *need)
{
    struct err err = {0};
    struct instruction in = {.text = (char *)"a fox"};
    struct device *d = device_open(device, &err);
    struct pipeline_storage storage = {.dtype = DTYPE_F32, .memory = memory};
    struct pipeline *p = d ? pipeline_open_as(klein, d, &storage, &err) : NULL;
    struct pipeline_request request = {.instruction = &in, .seed = 3, .width = SIDE,
                                       .height = SIDE, .scale = -1, .context_scale = -1};
    struct pipeline_result result = {0};
    if (!p || !pipeline_need(p, &request, need, &err) ||
        !pipeline_run(p, &request, &result, &err))
        fail_msg("%s", err.text);
    print_message("%s: %zu bytes taken, %zu planned\n", device, result.peak_bytes,
                  need->planned - need->own);
    // On a CPU the plan is of the whole process.
    assert_true((double)result.peak_bytes <= 1.05 * (double)(need->planned - need->own));
    pipeline_close(p);
    device_close(d);
    return result.pictures.pixels;
}

// Weights that have no room on the device stay with the host and come piece by piece, unasked.
static void
weights_without_room_are_streamed(void **state)
{
    (void)state;
    struct pipeline_need need;
    uint8_t *cpu = draw_klein("cpu", 0, &need), *all = draw_klein("vulkan", 0, &need);
    assert_false(need.streamed);
    size_t less = need.least - need.own - 20000; // its weights have 200 kB
    uint8_t *streamed = draw_klein("vulkan", less, &need);
    assert_true(need.streamed);
    double sum = 0;
    for (int i = 0; i < 3 * SIDE * SIDE; i++)
        sum += abs(cpu[i] - all[i]);
    assert_true(sum / (3 * SIDE * SIDE) < 2);
    assert_memory_equal(all, streamed, 3 * SIDE * SIDE);
    free(cpu);
    free(all);
    free(streamed);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    stay_loaded();
    watch_layers();
    struct device *d = device_open("vulkan", &err);
    if (!d || argc < 3) {
        printf("skipped: %s\n", err.text);
        return 77;
    }
    device_close(d);
    folder = argv[1];
    klein = argv[2];
    side = argc > 3 ? atoi(argv[3]) : 0;
    const struct CMUnitTest tests[] = {cmocka_unit_test(cpu_and_vulkan_agree),
                                       cmocka_unit_test(weights_without_room_are_streamed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
