// SPDX-License-Identifier: MIT
// Weights that stay in their files on a CPU: the picture is the same to the bit, takes less, and
// what happens to a file in use is said.
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/file.h"
#include "engine/base/mem.h"
#include "engine/draw/pipeline.h"

enum { WIDTH = 96, HEIGHT = 64, BYTES = WIDTH * HEIGHT * 3 };

static const char *root; // tests/reference/golden/flux2
static struct device *device;

static struct pipeline *
opened(const char *folder, const struct pipeline_storage *storage, bool offload)
{
    struct err err = {0};
    device_set_offload(device, offload);
    struct pipeline *p = pipeline_open_as(folder, device, storage, &err);
    if (!p)
        fail_msg("%s", err.text);
    return p;
}

static uint8_t grey[64 * 64 * 3];
static const struct instruction fox = {.text = "[ref#1] on ice", .reference_count = 1,
                                       .references = {{1, "[ref#1] x", 64, 64, grey}}};

static struct pipeline_request
request(void)
{
    return (struct pipeline_request){.instruction = &fox, .width = WIDTH, .height = HEIGHT,
                                     .steps = 3, .scale = -1, .context_scale = -1};
}

static uint8_t *
drawn(struct pipeline *p, struct pipeline_need *need, size_t *peak)
{
    struct err err = {0};
    struct pipeline_request r = request();
    struct pipeline_result result;
    if (!pipeline_need(p, &r, need, &err) || !pipeline_run(p, &r, &result, &err))
        fail_msg("%s", err.text);
    *peak = result.peak_bytes;
    return result.pictures.pixels;
}

// As they are in the file, converted, quantised, and changed by a LoRA. The weights are so small
// that pages outweigh them; tests/model/streams.py has larger ones.
static void
the_picture_is_the_same(void **state)
{
    (void)state;
    char *lora = mem_printf("%s/lora-peft.safetensors", root);
    const struct lora_file change = {.path = lora, .weight = 0.7};
    const struct pipeline_storage ways[] = {{.dtype = DTYPE_F32},
                                            {.dtype = DTYPE_BF16},
                                            {.dtype = DTYPE_F32, .blocks = DTYPE_Q8_0},
                                            {.dtype = DTYPE_F32, .changes = &change,
                                             .change_count = 1}};
    uint8_t *before = NULL;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct pipeline_need all, less;
        size_t taken, streamed;
        struct pipeline *p = opened(root, &ways[i], false);
        uint8_t *one = drawn(p, &all, &taken);
        pipeline_close(p);
        p = opened(root, &ways[i], true);
        uint8_t *other = drawn(p, &less, &streamed);
        assert_memory_equal(one, other, BYTES);
        free(other);
        other = drawn(p, &less, &streamed); // with what the plans kept
        assert_memory_equal(one, other, BYTES);
        pipeline_close(p);
        print_message("way %zu: %zu bytes, streamed %zu of %zu planned\n", i, taken, streamed,
                      less.planned - less.own);
        assert_false(all.streamed);
        assert_true(less.streamed);
        assert_true(streamed < taken);
        assert_true((double)streamed <= 1.05 * (double)(less.planned - less.own));
        assert_true(!before || memcmp(before, one, BYTES) != 0); // each way draws its own
        free(before);
        before = one;
        free(other);
    }
    free(before);
    free(lora);
}

// Without being asked for where a part has no room, and no more is taken than there is.
static void
what_has_no_room_stays_in_its_file(void **state)
{
    (void)state;
    struct pipeline_storage storage = {.dtype = DTYPE_F32};
    struct pipeline_need need;
    size_t taken;
    struct pipeline *p = opened(root, &storage, false);
    uint8_t *all = drawn(p, &need, &taken);
    pipeline_close(p);
    storage.memory = need.least - need.own - 1;
    p = opened(root, &storage, false);
    uint8_t *some = drawn(p, &need, &taken);
    pipeline_close(p);
    assert_true(need.streamed);
    assert_true((double)taken <= 1.05 * (double)storage.memory);
    assert_memory_equal(all, some, BYTES);
    free(all);
    free(some);
}

// --- Files in use -----------------------------------------------------------------------------

static int
take_away(const char *path, const struct stat *s, int kind, struct FTW *where)
{
    (void)s, (void)kind, (void)where;
    return remove(path);
}

struct harm {
    char *path;
    bool cut;
};

// After the first step.
static void
harm(void *ctx, int step, int total, double seconds, const struct pipeline_pictures *estimate)
{
    const struct harm *h = ctx;
    (void)total, (void)seconds, (void)estimate;
    if (step != 1)
        return;
    if (h->cut) {
        assert_int_equal(truncate(h->path, 5000), 0);
        return;
    }
    FILE *f = fopen(h->path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, -4, SEEK_END), 0);
    assert_int_equal(fputc(0, f), 0);
    assert_int_equal(fclose(f), 0);
}

static void
files_in_use_are_watched(void **state)
{
    (void)state;
    char made[] = "/tmp/limn-stream-XXXXXX";
    assert_non_null(mkdtemp(made));
    char *folder = mem_printf("%s/flux2", made);
    char *copy = mem_printf("cp -rL '%s' '%s' && chmod -R u+w '%s'", root, folder, folder);
    assert_int_equal(system(copy), 0);
    struct harm h = {mem_printf("%s/transformer/diffusion_pytorch_model.safetensors", folder), 0};
    struct pipeline_storage storage = {.dtype = DTYPE_F32};
    struct pipeline *p = opened(folder, &storage, true);
    struct pipeline_request r = request();
    struct pipeline_result result;
    struct pipeline_need need;
    struct err err = {0};
    size_t taken;
    r.progress = harm;
    r.ctx = &h;
    assert_false(pipeline_run(p, &r, &result, &err));
    print_message("%s\n", err.text);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "was changed while in use"));
    free(drawn(p, &need, &taken)); // what is there now
    h.cut = true;
    err = (struct err){0};
    assert_false(pipeline_run(p, &r, &result, &err));
    print_message("%s\n", err.text);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "was truncated"));
    err = (struct err){0};
    assert_false(pipeline_run(p, &r, &result, &err));
    print_message("%s\n", err.text);
    assert_non_null(strstr(err.text, "diffusion_pytorch_model.safetensors"));
    pipeline_close(p);
    nftw(made, take_away, 8, FTW_DEPTH | FTW_PHYS);
    free(h.path);
    free(copy);
    free(folder);
}

int
main(int argc, char **argv)
{
    struct err err = {0};
    root = argc > 1 ? argv[1] : "tests/reference/golden/flux2";
    file_map_guard();
    device = device_open("cpu", &err);
    if (!device)
        return fprintf(stderr, "%s\n", err.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_is_the_same),
        cmocka_unit_test(what_has_no_room_stays_in_its_file),
        cmocka_unit_test(files_in_use_are_watched),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    device_close(device);
    return failed;
}
